//! [`KeyBlock`]: 256 bytes of key material, in four slots of 64.
//!
//! A static key file, the output of the PRF and that of the TLS exporter are all cut in the same way: two keys, each
//! with a slot for a cipher key and one for an HMAC key (or an AEAD's implicit IV).

use core::fmt;

use zeroize::Zeroizing;

use crate::algorithm::Role;

/// Key material for both directions. Zeroized when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBlock(Zeroizing<[u8; 256]>);

/// One of the two keys of a block; algorithms take the first bytes of a slot that they need.
#[derive(Clone, Copy)]
pub struct KeySlot<'a> {
    /// For a cipher key.
    pub cipher: &'a [u8; 64],
    /// For an HMAC key, or an AEAD's implicit IV.
    pub hmac: &'a [u8; 64],
}

impl KeyBlock {
    /// Length of a block in bytes.
    pub const LEN: usize = 256;

    /// A block of these bytes.
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A block that `fill` fills.
    pub fn try_with<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        fill(&mut bytes[..])?;
        Ok(Self(bytes))
    }

    /// All its bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Key 0 or key 1.
    ///
    /// # Panics
    ///
    /// If `index` is neither.
    pub fn key(&self, index: usize) -> KeySlot<'_> {
        let (slots, _) = self.0.as_chunks::<64>();
        KeySlot { cipher: &slots[2 * index], hmac: &slots[2 * index + 1] }
    }

    /// The key with which `sender` sends on the data channel: the client's is key 0, the server's key 1.
    pub fn data_key(&self, sender: Role) -> KeySlot<'_> {
        self.key(match sender {
            Role::Client => 0,
            Role::Server => 1,
        })
    }
}

impl fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBlock(..)")
    }
}
