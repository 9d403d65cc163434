//! Primitives: AEAD ciphers, HMAC, OpenVPN's PRF, and the 256 bytes of key material that everything is cut from.
//!
//! Uses ring where ring has it, RustCrypto for the rest (MD5 for the PRF, AES-CTR for tls-crypt). Knows nothing of
//! packets.

mod aead;
mod key_block;

pub use aead::AeadKey;
pub use key_block::{KeyBlock, KeySlot};
