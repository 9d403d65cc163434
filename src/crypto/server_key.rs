//! [`ServerKey`]: the keys that a server keeps to itself, to wrap its clients' keys or to sign its tokens.

use alloc::format;
use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

use super::hmac::Hmac;
use super::pem;
use crate::algorithm::Digest;
use crate::config::{Diagnostic, NamedText};

/// 128 bytes: a slot of 64 for a cipher key, and one for an HMAC key. Zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey(Zeroizing<[u8; 128]>);

impl ServerKey {
    /// Length in bytes.
    pub const LEN: usize = 128;
    /// The kind of file that holds the key of `tls-crypt-v2`.
    pub const TLS_CRYPT_V2: &str = "OpenVPN tls-crypt-v2 server key";
    /// The kind of file that holds the key of `auth-gen-token-secret`.
    pub const AUTH_TOKEN: &str = "OpenVPN auth-token server key";

    /// A key that `fill` fills with random bytes.
    pub fn generate(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        fill(&mut bytes[..]);
        Self(bytes)
    }

    /// Reads a file of this kind: [`TLS_CRYPT_V2`](Self::TLS_CRYPT_V2) or [`AUTH_TOKEN`](Self::AUTH_TOKEN).
    ///
    /// The error says what stands there instead.
    pub fn parse(kind: &str, text: &NamedText) -> Result<Self, Diagnostic> {
        let blocks = pem::read_only(text, &[kind], "a key")?;
        // One at least, or `read_only` had complained.
        let Some(block) = blocks.first() else {
            return Err(Diagnostic::error(&text.position(1, 0), "there is no key"));
        };
        let bytes = <[u8; Self::LEN]>::try_from(block.der.as_slice()).map_err(|_| {
            let message = format!("this key has {} bytes, and must have {}", block.der.len(), Self::LEN);
            Diagnostic::error(&text.position(block.line, 0), message)
        })?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The text of a file that holds this key.
    pub fn emit(&self, kind: &str) -> Zeroizing<String> {
        pem::emit(kind, &self.0[..])
    }

    /// The key for AES-256.
    pub fn cipher(&self) -> &[u8; 32] {
        let (keys, _) = self.0.as_chunks::<32>();
        &keys[0]
    }

    /// The key for HMAC-SHA256: it begins the second slot.
    pub fn hmac(&self) -> Hmac {
        Hmac::new(Digest::Sha256, &self.0[64..96])
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn key() -> ServerKey {
        ServerKey::generate(|bytes| bytes.iter_mut().zip(0..).for_each(|(byte, value)| *byte = value))
    }

    fn text(text: &str) -> NamedText {
        NamedText::file("server.key", text)
    }

    #[test]
    fn a_key_comes_back_from_its_file() {
        let written = key().emit(ServerKey::TLS_CRYPT_V2);
        assert!(written.starts_with("-----BEGIN OpenVPN tls-crypt-v2 server key-----\nAAECAwQF"));
        assert_eq!(ServerKey::parse(ServerKey::TLS_CRYPT_V2, &text(&written)), Ok(key()));
        assert_eq!(key().cipher()[31], 31);
    }

    #[test]
    fn another_kind_or_length_is_told() {
        let written = key().emit(ServerKey::AUTH_TOKEN);
        let error = ServerKey::parse(ServerKey::TLS_CRYPT_V2, &text(&written)).unwrap_err().to_string();
        assert!(error.contains("found '-----BEGIN OpenVPN auth-token server key-----' on line 1"), "{error}");
        let short = pem::emit(ServerKey::AUTH_TOKEN, &[7; 64]);
        let error = ServerKey::parse(ServerKey::AUTH_TOKEN, &text(&short)).unwrap_err().to_string();
        assert_eq!(error, "server.key:1: this key has 64 bytes, and must have 128");
    }
}
