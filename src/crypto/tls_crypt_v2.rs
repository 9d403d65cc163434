//! A client's key for tls-crypt-v2, and how its server wraps it.
//!
//! ```text
//! file: client key (256) | wrapped key
//! wrapped key: 32 tag | encrypted (client key | metadata) | u16 its whole length
//! tag = HMAC-SHA256(length | client key | metadata), encryption = AES-256-CTR, IV = tag[..16]
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use super::key_block::KeyBlock;
use super::pem;
use super::server_key::ServerKey;
use crate::time::UnixTime;

const CLIENT_KEY: &str = "OpenVPN tls-crypt-v2 client key";
const TAG_LEN: usize = 32;
/// The longest wrapped key.
const MAX_WRAPPED_LEN: usize = 1024;

/// What a server learns about a client's key when it unwraps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// Bytes of the administrator's own.
    User(Vec<u8>),
    /// When the key was made.
    Timestamp(UnixTime),
}

/// There is more metadata than fits beside the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataTooLong;

impl Metadata {
    /// The most bytes of the administrator's own.
    pub const MAX_USER_LEN: usize = MAX_WRAPPED_LEN - TAG_LEN - KeyBlock::LEN - 1 - 2;

    fn emit(&self) -> Vec<u8> {
        let (kind, bytes) = match self {
            Self::User(bytes) => (0, bytes.clone()),
            Self::Timestamp(time) => (1, time.0.to_be_bytes().to_vec()),
        };
        [&[kind], &bytes[..]].concat()
    }
}

/// The text of a file with `client`'s key in clear and wrapped by `server`, as
/// `openvpn --genkey tls-crypt-v2-client` writes it.
///
/// # Errors
///
/// If the metadata is longer than [`Metadata::MAX_USER_LEN`].
pub fn emit_client_key(
    server: &ServerKey,
    client: &KeyBlock,
    metadata: &Metadata,
) -> Result<Zeroizing<String>, MetadataTooLong> {
    let metadata = metadata.emit();
    if metadata.len() > 1 + Metadata::MAX_USER_LEN {
        return Err(MetadataTooLong);
    }
    let len = TAG_LEN + KeyBlock::LEN + metadata.len() + 2;
    let length = (len as u16).to_be_bytes();
    let tag = server.hmac().sign(&[&length, client.as_bytes(), &metadata]);
    let mut file = Zeroizing::new(Vec::with_capacity(KeyBlock::LEN + len));
    file.extend_from_slice(client.as_bytes());
    file.extend_from_slice(tag.as_ref());
    let encrypted = file.len();
    file.extend_from_slice(client.as_bytes());
    file.extend_from_slice(&metadata);
    apply_keystream(server, tag.as_ref(), &mut file[encrypted..]);
    file.extend_from_slice(&length);
    Ok(pem::emit(CLIENT_KEY, &file))
}

fn apply_keystream(server: &ServerKey, tag: &[u8], bytes: &mut [u8]) {
    let mut iv = [0; 16];
    iv.copy_from_slice(&tag[..16]);
    Ctr128BE::<Aes256>::new(server.cipher().into(), &iv.into()).apply_keystream(bytes);
}

impl fmt::Display for MetadataTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the metadata may have {} bytes at most", Metadata::MAX_USER_LEN)
    }
}

impl core::error::Error for MetadataTooLong {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NamedText;

    fn server() -> ServerKey {
        ServerKey::generate(|bytes| bytes.iter_mut().zip(0..).for_each(|(byte, value)| *byte = value))
    }

    fn client() -> KeyBlock {
        let mut bytes = [0; KeyBlock::LEN];
        bytes.iter_mut().zip(0..=u8::MAX).for_each(|(byte, value)| *byte = value ^ 0x55);
        KeyBlock::new(bytes)
    }

    /// The client's key, the metadata.
    fn unwrap(file: &str) -> (Vec<u8>, Vec<u8>) {
        let blocks = pem::read(&NamedText::file("client.key", file)).unwrap();
        assert_eq!(blocks[0].label, "OpenVPN tls-crypt-v2 client key");
        let (key, wrapped) = blocks[0].der.split_at(256);
        let (tag, rest) = wrapped.split_at(32);
        let (encrypted, length) = rest.split_at(rest.len() - 2);
        assert_eq!(usize::from(u16::from_be_bytes(length.try_into().unwrap())), wrapped.len());
        let mut clear = encrypted.to_vec();
        apply_keystream(&server(), tag, &mut clear);
        assert!(server().hmac().verify(&[length, &clear], tag));
        assert_eq!(key, &clear[..256]);
        (key.to_vec(), clear[256..].to_vec())
    }

    #[test]
    fn the_server_can_unwrap_it() {
        let time = Metadata::Timestamp(UnixTime(0x0102_0304_0506));
        let (key, metadata) = unwrap(&emit_client_key(&server(), &client(), &time).unwrap());
        assert_eq!((&key[..], &metadata[..]), (&client().as_bytes()[..], &[1, 0, 0, 1, 2, 3, 4, 5, 6][..]));
        let user = Metadata::User(b"laptop".to_vec());
        assert_eq!(unwrap(&emit_client_key(&server(), &client(), &user).unwrap()).1, b"\0laptop");
    }

    #[test]
    fn metadata_ends_where_the_wrapped_key_has_1024_bytes() {
        let file = |len| emit_client_key(&server(), &client(), &Metadata::User(alloc::vec![7; len]));
        assert_eq!(unwrap(&file(733).unwrap()).1.len(), 734);
        assert_eq!(file(734), Err(MetadataTooLong));
    }
}
