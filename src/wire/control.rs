//! Control packets: the header that is always in clear, and the inner part that a wrapping protects.
//!
//! ```text
//! header: u8 opcode and key id | 8 own session id
//! inner:  u8 count | u32 acked id * count | 8 remote session id, if count > 0 | u32 message id, but in an ACK | payload
//! ```

use crate::reason::DropReason;
use crate::wire::opcode::{KeyId, Opcode, SessionId, first_byte, parse_first_byte};

/// Message ids that a packet acknowledges, at most 8.
pub type AckList = heapless::Vec<u32, 8>;

/// The first nine bytes of a control packet, in clear under every wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlHeader {
    /// The packet's type.
    pub opcode: Opcode,
    /// The negotiation that it belongs to.
    pub key_id: KeyId,
    /// The sender's session id; never all zero in a parsed header.
    pub session_id: SessionId,
}

impl ControlHeader {
    /// Length in bytes.
    pub const LEN: usize = 9;

    /// Reads the header of `packet`; what follows depends on the wrapping.
    ///
    /// [`DropReason::BadOpcode`] if it is a data packet or none at all, [`DropReason::Truncated`] if it is too short,
    /// [`DropReason::MalformedControl`] if the session id is all zero.
    pub fn parse(packet: &[u8]) -> Result<Self, DropReason> {
        let (&byte, rest) = packet.split_first().ok_or(DropReason::Truncated)?;
        let (opcode, key_id) = parse_first_byte(byte)?;
        if !opcode.is_control() {
            return Err(DropReason::BadOpcode);
        }
        let session_id = SessionId::from_bytes(*rest.first_chunk().ok_or(DropReason::Truncated)?);
        if !session_id.is_defined() {
            return Err(DropReason::MalformedControl);
        }
        Ok(Self { opcode, key_id, session_id })
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0] = first_byte(self.opcode, self.key_id);
        out[1..].copy_from_slice(self.session_id.as_bytes());
        out
    }
}

/// The inner part of a control packet, which the reliability layer reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPacket<'a> {
    /// What the sender acknowledges. Goes out only together with a remote session id.
    pub acks: AckList,
    /// The receiver's session id, as the sender knows it; there only beside acknowledgements.
    pub remote_session_id: Option<SessionId>,
    /// The packet's place in the order; none in an ACK.
    pub message_id: Option<u32>,
    /// TLS bytes, or those of a reset packet; empty in an ACK.
    pub payload: &'a [u8],
}

impl<'a> ControlPacket<'a> {
    /// Reads the inner part of a packet of type `opcode`. What follows the acknowledgements of an ACK is ignored.
    ///
    /// [`DropReason::Truncated`] if it ends early, [`DropReason::MalformedControl`] for more than 8 acknowledgements.
    pub fn parse(opcode: Opcode, inner: &'a [u8]) -> Result<Self, DropReason> {
        let (&count, mut rest) = inner.split_first().ok_or(DropReason::Truncated)?;
        let mut packet = Self::default();
        if usize::from(count) > packet.acks.capacity() {
            return Err(DropReason::MalformedControl);
        }
        for _ in 0..count {
            let id = take_u32(&mut rest).ok_or(DropReason::Truncated)?;
            packet.acks.push(id).map_err(|_| DropReason::MalformedControl)?;
        }
        if count > 0 {
            let (id, behind) = rest.split_first_chunk().ok_or(DropReason::Truncated)?;
            packet.remote_session_id = Some(SessionId::from_bytes(*id));
            rest = behind;
        }
        if opcode != Opcode::AckV1 {
            packet.message_id = Some(take_u32(&mut rest).ok_or(DropReason::Truncated)?);
            packet.payload = rest;
        }
        Ok(packet)
    }

    /// How many bytes [`emit`](Self::emit) writes.
    pub fn encoded_len(&self) -> usize {
        let acks = if self.acks_to_emit().is_empty() { 0 } else { 4 * self.acks.len() + SessionId::LEN };
        1 + acks + self.message_id.map_or(0, |_| 4) + self.payload.len()
    }

    /// Writes the inner part to the front of `out`, and says how many bytes that took.
    ///
    /// # Panics
    ///
    /// If `out` is shorter than [`encoded_len`](Self::encoded_len).
    pub fn emit(&self, out: &mut [u8]) -> usize {
        let acks = self.acks_to_emit();
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[acks.len() as u8]);
        for id in acks {
            put(&id.to_be_bytes());
        }
        if let (Some(id), false) = (&self.remote_session_id, acks.is_empty()) {
            put(id.as_bytes());
        }
        if let Some(id) = self.message_id {
            put(&id.to_be_bytes());
        }
        put(self.payload);
        at
    }

    fn acks_to_emit(&self) -> &[u32] {
        if self.remote_session_id.is_some() { &self.acks } else { &[] }
    }
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests;
