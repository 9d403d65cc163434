//! [`DataKey`]: one negotiated key, for both directions, and how much of its life is used up.

use core::fmt;

use crate::algorithm::{Cipher, Role};
use crate::buffer::PacketBuf;
use crate::config::RenegotiateConfig;
use crate::crypto::{AeadKey, KeyBlock, KeySlot};
use crate::reason::DropReason;
use crate::wire::{DataHeader, KeyId};

use super::replay::ReplayWindow;

const PACKET_ID_LEN: usize = 4;

/// Bytes between the header of a data packet and its ciphertext: packet id and tag.
pub(crate) const OVERHEAD: usize = PACKET_ID_LEN + AeadKey::TAG_LEN;

/// Packet ids from here on ask for a new key.
const PACKET_ID_RENEGOTIATE: u32 = 0xFF00_0000;
/// Forgeries beyond this ask for a new key.
const FAILURES_RENEGOTIATE: u64 = 1 << 35;
/// Forgeries beyond this end the trust in the key.
const FAILURES_MAX: u64 = 1 << 36;
/// AES-GCM: blocks of plaintext and packets together that one key may protect, in one direction.
const GCM_LIMIT: u64 = (1 << 36) - 1;

/// Why a key must be replaced before its time (`reneg-sec`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenegotiateReason {
    /// It carried as many bytes as `reneg-bytes` allows.
    Bytes,
    /// It carried as many packets as `reneg-pkts` allows.
    Packets,
    /// Its packet ids come to their end.
    PacketIds,
    /// It has protected nearly as much as is safe with AES-GCM.
    AeadLimit,
    /// It has seen very many forgeries.
    Forgeries,
}

impl fmt::Display for RenegotiateReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "reneg-bytes",
            Self::Packets => "reneg-pkts",
            Self::PacketIds => "packet ids",
            Self::AeadLimit => "AEAD usage limit",
            Self::Forgeries => "forgeries",
        })
    }
}

/// A key of the data channel.
#[derive(Debug)]
pub(crate) struct DataKey {
    id: KeyId,
    send: Direction,
    receive: Direction,
    next_packet_id: u32,
    replay: ReplayWindow,
    failures: u64,
    usage_limit: Option<u64>,
}

impl DataKey {
    /// The key that `role` cuts from `block`, with a replay window of `replay_window` packets.
    pub(crate) fn new(id: KeyId, role: Role, cipher: Cipher, block: &KeyBlock, replay_window: u32) -> Self {
        Self {
            id,
            send: Direction::new(cipher, block.data_key(role)),
            receive: Direction::new(cipher, block.data_key(role.peer())),
            next_packet_id: 1,
            replay: ReplayWindow::new(replay_window),
            failures: 0,
            usage_limit: match cipher {
                Cipher::Aes128Gcm | Cipher::Aes256Gcm => Some(GCM_LIMIT),
                Cipher::ChaCha20Poly1305 => None,
            },
        }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    /// Encrypts the payload in `buf` and puts `header`, packet id and tag before it.
    #[inline]
    pub(crate) fn seal(&mut self, header: &DataHeader, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        let packet_id = self.next_packet_id;
        if packet_id == u32::MAX {
            return Err(DropReason::PacketIdsExhausted);
        }
        let id = packet_id.to_be_bytes();
        let head: &mut [u8] = match header.peer_id {
            Some(_) => buf.grow_front::<{ 4 + OVERHEAD }>()?,
            None => buf.grow_front::<{ 1 + OVERHEAD }>()?,
        };
        let at = header.emit(head);
        head[at..at + PACKET_ID_LEN].copy_from_slice(&id);
        let outer_len = buf.len();
        let Parts { aad, tag, text } = Parts::split(header, buf.payload_mut())?;
        *tag = self.send.aead.seal_in_place(self.send.nonce(id), aad, text);
        self.next_packet_id = packet_id + 1;
        self.send.usage.count(text.len(), outer_len);
        Ok(())
    }

    /// Checks the packet in `buf`, which begins with `header`, and leaves its payload: at least one byte.
    #[inline]
    pub(crate) fn open(&mut self, header: &DataHeader, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        if self.failures > FAILURES_MAX {
            return Err(DropReason::KeyExhausted);
        }
        let outer_len = buf.len();
        let Parts { aad, tag, text } = Parts::split(header, buf.payload_mut())?;
        let id = *aad.last_chunk().ok_or(DropReason::Truncated)?;
        if text.is_empty() {
            return Err(DropReason::Truncated);
        }
        if !self.receive.aead.open_in_place(self.receive.nonce(id), aad, tag, text) {
            self.failures += 1;
            return Err(DropReason::DataAuthentication);
        }
        self.receive.usage.count(text.len(), outer_len);
        // Only now: a forgery must not move the window.
        if !self.replay.accept(u32::from_be_bytes(id)) {
            return Err(DropReason::DataReplay);
        }
        buf.strip_front(header.len + OVERHEAD);
        Ok(())
    }

    /// Whether another key should replace this one, and why.
    pub(crate) fn wants_renegotiation(&self, config: &RenegotiateConfig) -> Option<RenegotiateReason> {
        let (sent, received) = (&self.send.usage, &self.receive.usage);
        let reached = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used >= limit);
        if self.next_packet_id >= PACKET_ID_RENEGOTIATE {
            Some(RenegotiateReason::PacketIds)
        } else if reached(
            sent.protected().max(received.protected()),
            self.usage_limit.map(|limit| limit / 8 * 7),
        ) {
            Some(RenegotiateReason::AeadLimit)
        } else if self.failures > FAILURES_RENEGOTIATE {
            Some(RenegotiateReason::Forgeries)
        } else if reached(sent.bytes + received.bytes, config.bytes) {
            Some(RenegotiateReason::Bytes)
        } else if reached(sent.packets + received.packets, config.packets) {
            Some(RenegotiateReason::Packets)
        } else {
            None
        }
    }
}

/// A data packet behind its first byte or four.
struct Parts<'a> {
    /// What the tag covers besides the text: header and packet id; but in P_DATA_V1 the packet id alone.
    aad: &'a mut [u8],
    tag: &'a mut [u8; AeadKey::TAG_LEN],
    text: &'a mut [u8],
}

impl<'a> Parts<'a> {
    #[inline]
    fn split(header: &DataHeader, packet: &'a mut [u8]) -> Result<Self, DropReason> {
        let (head, rest) =
            packet.split_at_mut_checked(header.len + PACKET_ID_LEN).ok_or(DropReason::Truncated)?;
        let (tag, text) = rest.split_first_chunk_mut().ok_or(DropReason::Truncated)?;
        let aad = if header.peer_id.is_some() { head } else { &mut head[header.len..] };
        Ok(Self { aad, tag, text })
    }
}

/// One direction of a key.
#[derive(Debug)]
struct Direction {
    aead: AeadKey,
    /// Four bytes for the packet id, then the implicit IV.
    nonce: [u8; AeadKey::NONCE_LEN],
    usage: Usage,
}

impl Direction {
    fn new(cipher: Cipher, slot: KeySlot<'_>) -> Self {
        let mut nonce = [0; AeadKey::NONCE_LEN];
        let (_, implicit_iv) = nonce.split_at_mut(PACKET_ID_LEN);
        implicit_iv.copy_from_slice(&slot.hmac[..implicit_iv.len()]);
        Self { aead: AeadKey::new(cipher, slot.cipher), nonce, usage: Usage::default() }
    }

    #[inline]
    fn nonce(&self, packet_id: [u8; PACKET_ID_LEN]) -> [u8; AeadKey::NONCE_LEN] {
        let mut nonce = self.nonce;
        nonce[..PACKET_ID_LEN].copy_from_slice(&packet_id);
        nonce
    }
}

/// What one direction of a key has carried.
#[derive(Debug, Default)]
struct Usage {
    packets: u64,
    /// Bytes of whole packets, headers included.
    bytes: u64,
    /// Cipher blocks of 16 bytes of plaintext.
    blocks: u64,
}

impl Usage {
    #[inline]
    fn count(&mut self, text_len: usize, outer_len: usize) {
        self.packets += 1;
        self.bytes += outer_len as u64;
        self.blocks += text_len.div_ceil(16) as u64;
    }

    /// In the unit of [`GCM_LIMIT`].
    fn protected(&self) -> u64 {
        self.packets + self.blocks
    }
}

#[cfg(test)]
mod tests;
