//! Primitives: AEAD ciphers, HMAC, OpenVPN's PRF, the 256 bytes of key material that everything is cut from, and the
//! files that keys are kept in.
//!
//! Uses ring where ring has it, RustCrypto for the rest (MD5 for the PRF, AES-CTR for tls-crypt). Knows nothing of
//! packets.

mod aead;
mod hmac;
mod key_block;
pub(crate) mod pem;
mod prf;
mod server_key;
mod static_key;
mod tls_crypt_v2;

#[cfg(test)]
use alloc::vec::Vec;

pub use aead::AeadKey;
pub use hmac::{Hmac, Tag};
pub use key_block::{KeyBlock, KeySlot};
pub use prf::{PrfSeed, derive_prf};
pub use server_key::ServerKey;
pub use static_key::{emit_static_key, parse_static_key};
pub use tls_crypt_v2::{Metadata, MetadataTooLong, emit_client_key};

/// The bytes of a vector.
#[cfg(test)]
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
