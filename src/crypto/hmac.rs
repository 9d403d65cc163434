//! [`Hmac`]: an HMAC key for one of OpenVPN's digests.

use core::fmt;

use ring::hmac;
use subtle::ConstantTimeEq;

use crate::algorithm::Digest;

/// An HMAC key (RFC 2104), ready for use.
#[derive(Clone)]
pub struct Hmac(hmac::Key);

/// An authentication tag, as long as its digest.
#[derive(Clone, Copy)]
pub struct Tag(hmac::Tag);

impl Hmac {
    /// A key of these bytes, of whatever number.
    pub fn new(digest: Digest, key: &[u8]) -> Self {
        let algorithm = match digest {
            Digest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => hmac::HMAC_SHA256,
            Digest::Sha384 => hmac::HMAC_SHA384,
            Digest::Sha512 => hmac::HMAC_SHA512,
        };
        Self(hmac::Key::new(algorithm, key))
    }

    /// The tag over these parts, one behind the other.
    pub fn sign(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        Tag(context.sign())
    }

    /// Whether `tag` is the tag over these parts. Takes the same time for every wrong tag of the right length.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.sign(parts).as_ref().ct_eq(tag).into()
    }

    /// Length of its tags in bytes.
    pub fn tag_len(&self) -> usize {
        self.0.algorithm().digest_algorithm().output_len()
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hmac(..)")
    }
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    /// RFC 2202 and RFC 4231, test case 2.
    #[test]
    fn the_vectors_of_the_rfcs() {
        let cases = [
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Digest::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Digest::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Digest::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (digest, expected) in cases {
            let key = Hmac::new(digest, b"Jefe");
            let parts: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];
            assert_eq!(key.sign(&parts).as_ref(), hex(expected));
            assert_eq!(key.tag_len(), digest.len());
            assert!(key.verify(&parts, &hex(expected)));
        }
    }

    #[test]
    fn a_wrong_tag_is_refused() {
        let key = Hmac::new(Digest::Sha256, b"key");
        let tag = key.sign(&[b"text"]);
        let tag = tag.as_ref();
        for at in 0..tag.len() {
            let mut wrong = tag.to_vec();
            wrong[at] ^= 1;
            assert!(!key.verify(&[b"text"], &wrong));
        }
        assert!(!key.verify(&[b"text"], &tag[..31]));
        assert!(!key.verify(&[b"text"], &[]));
        assert!(!key.verify(&[b"tex"], tag));
    }
}
