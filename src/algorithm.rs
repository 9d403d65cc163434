//! The names of ciphers and digests, as configuration files and the wire spell them.

use core::fmt;

/// A data channel cipher (`data-ciphers`, `cipher`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cipher {
    /// AES-128-GCM.
    Aes128Gcm,
    /// AES-256-GCM.
    Aes256Gcm,
    /// CHACHA20-POLY1305.
    ChaCha20Poly1305,
}

impl Cipher {
    /// OpenVPN's default list, in its order.
    pub const DEFAULT_LIST: [Self; 3] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::ChaCha20Poly1305];

    /// The cipher of that name, in whatever case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::DEFAULT_LIST.into_iter().find(|cipher| cipher.name().eq_ignore_ascii_case(name))
    }

    /// The name on the wire and in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        }
    }

    /// Length of the key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest for HMACs (`auth`), here that of tls-auth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Digest {
    /// SHA1, OpenVPN's default.
    #[default]
    Sha1,
    /// SHA256.
    Sha256,
    /// SHA384.
    Sha384,
    /// SHA512.
    Sha512,
}

impl Digest {
    /// The digest of that name, in whatever case, with or without a hyphen.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = || name.bytes().filter(|&byte| byte != b'-').map(|byte| byte.to_ascii_uppercase());
        [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|digest| digest.name().bytes().eq(plain()))
    }

    /// The name in configuration files and in the options string.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// Length of its output in bytes.
    #[expect(clippy::len_without_is_empty, reason = "the length of an output, not of a collection")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How payloads are framed for compression (`compress`, `comp-lzo`). Nothing is ever compressed when sending
/// (VORACLE); a compressed packet is dropped with [`DropReason::BadFraming`](crate::DropReason::BadFraming).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// No framing: the packet as it is.
    #[default]
    None,
    /// `comp-lzo`, `comp-lzo no`: 0xFA before the packet.
    Lzo,
    /// `compress`, `compress stub`: 0xFB in place of the first byte, which moves to the end.
    Stub,
    /// `compress stub-v2`: the packet as it is, but 0x50 0x00 before one that begins with 0x50.
    StubV2,
}

/// Which end of a TLS session and of the key block this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `tls-client`
    Client,
    /// `tls-server`
    Server,
}

impl Role {
    /// The other one.
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
