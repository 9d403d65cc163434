//! Primitives: AEAD ciphers, HMAC, OpenVPN's PRF, and the 256 bytes of key material that everything is cut from.
//!
//! Uses ring where ring has it, RustCrypto for the rest (MD5 for the PRF, AES-CTR for tls-crypt). Knows nothing of
//! packets.

mod aead;
mod hmac;
mod key_block;
mod prf;
mod static_key;

#[cfg(test)]
use alloc::vec::Vec;

pub use aead::AeadKey;
pub use hmac::{Hmac, Tag};
pub use key_block::{KeyBlock, KeySlot};
pub use prf::{PrfSeed, derive_prf};
pub use static_key::parse_static_key;

/// The bytes of a vector.
#[cfg(test)]
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
