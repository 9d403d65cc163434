//! [`AeadKey`]: one cipher, one direction, in place, with the tag apart from the text.
//!
//! OpenVPN puts the tag before the ciphertext, so nothing here appends or allocates. Nonces are the caller's: the same
//! one must never seal twice under a key.

use core::fmt;

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

use crate::algorithm::Cipher;

/// A key for sealing or opening.
///
/// ring does not wipe its key schedules; the key material they come from is zeroized by its owner.
pub struct AeadKey(LessSafeKey);

impl AeadKey {
    /// Length of a nonce in bytes.
    pub const NONCE_LEN: usize = 12;
    /// Length of a tag in bytes.
    pub const TAG_LEN: usize = 16;

    /// The key that the first [`Cipher::key_len`] bytes of a slot make.
    pub fn new(cipher: Cipher, slot: &[u8; 64]) -> Self {
        let algorithm = match cipher {
            Cipher::Aes128Gcm => &AES_128_GCM,
            Cipher::Aes256Gcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, &slot[..cipher.key_len()]);
        Self(LessSafeKey::new(key.expect("the slice has the length that this cipher asks for")))
    }

    /// Encrypts `data` and returns the tag over it and `aad`.
    #[inline]
    pub fn seal_in_place(&self, nonce: [u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), data);
        let tag = tag.expect("no slice that fits a packet reaches the 64 GiB that a nonce is good for");
        let mut out = [0; Self::TAG_LEN];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts `data` if `tag` is the one over it and `aad`. If not, `data` is worthless afterwards.
    #[inline]
    #[must_use]
    pub fn open_in_place(&self, nonce: [u8; 12], aad: &[u8], tag: &[u8; 16], data: &mut [u8]) -> bool {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place_separate_tag(nonce, Aad::from(aad), Tag::from(*tag), data, 0..).is_ok()
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> [u8; 64] {
        core::array::from_fn(|i| i as u8)
    }

    /// RFC 8439 §2.8.2.
    #[test]
    fn chacha20_poly1305_matches_its_rfc() {
        let mut slot = [0; 64];
        for (i, byte) in slot.iter_mut().take(32).enumerate() {
            *byte = 0x80 + i as u8;
        }
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let nonce = [0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let mut data =
            *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
            future, sunscreen would be it.";
        let tag = AeadKey::new(Cipher::ChaCha20Poly1305, &slot).seal_in_place(nonce, &aad, &mut data);
        assert_eq!(data[..8], [0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(
            tag,
            [0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91]
        );
    }

    /// The GCM specification's test cases 1 (AES-128) and 13 (AES-256): everything zero, no text.
    #[test]
    fn aes_gcm_matches_its_specification() {
        let zero = [0; 64];
        let tag = |cipher| AeadKey::new(cipher, &zero).seal_in_place([0; 12], &[], &mut []);
        assert_eq!(tag(Cipher::Aes128Gcm)[..4], [0x58, 0xe2, 0xfc, 0xce]);
        assert_eq!(tag(Cipher::Aes256Gcm)[..4], [0x53, 0x0f, 0x8a, 0xfb]);
    }

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        for cipher in Cipher::DEFAULT_LIST {
            let key = AeadKey::new(cipher, &slot());
            let mut sealed = *b"inner packet";
            let tag = key.seal_in_place([7; 12], b"header", &mut sealed);
            let open = |nonce, aad: &[u8], tag, mut data: [u8; 12]| {
                key.open_in_place(nonce, aad, &tag, &mut data).then_some(data)
            };
            assert_eq!(open([7; 12], b"header", tag, sealed), Some(*b"inner packet"), "{cipher}");
            assert_eq!(open([6; 12], b"header", tag, sealed), None, "{cipher}: nonce");
            assert_eq!(open([7; 12], b"heades", tag, sealed), None, "{cipher}: aad");
            assert_eq!(open([7; 12], b"header", tag.map(|byte| byte ^ 1), sealed), None, "{cipher}: tag");
            sealed[11] ^= 0x80;
            assert_eq!(open([7; 12], b"header", tag, sealed), None, "{cipher}: data");
        }
    }
}
