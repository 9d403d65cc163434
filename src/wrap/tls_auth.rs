//! tls-auth: an HMAC by a static key over every control packet.
//!
//! ```text
//! packet: 9 header | HMAC | u32 packet id | u32 time | inner part
//! HMAC over: packet id | time | header | inner part
//! ```

use super::PacketStamp;
use crate::algorithm::Digest;
use crate::crypto::{Hmac, KeySlot};
use crate::reason::DropReason;
use crate::wire::ControlHeader;

/// The key of one direction.
pub(super) struct TlsAuth(Hmac);

impl TlsAuth {
    /// The HMAC key is as long as its digest.
    pub(super) fn new(digest: Digest, slot: KeySlot<'_>) -> Self {
        Self(Hmac::new(digest, &slot.hmac[..digest.len()]))
    }

    pub(super) fn overhead(&self) -> usize {
        self.0.tag_len() + PacketStamp::LEN
    }

    pub(super) fn stamp_offset(&self) -> usize {
        ControlHeader::LEN + self.0.tag_len()
    }

    /// The inner part of an authentic packet.
    pub(super) fn open<'p>(&self, packet: &'p [u8]) -> Result<&'p [u8], DropReason> {
        let (header, rest) = packet.split_at_checked(ControlHeader::LEN).ok_or(DropReason::Truncated)?;
        let (tag, rest) = rest.split_at_checked(self.0.tag_len()).ok_or(DropReason::Truncated)?;
        let (stamp, inner) = rest.split_at_checked(PacketStamp::LEN).ok_or(DropReason::Truncated)?;
        let authentic = self.0.verify(&[stamp, header, inner], tag);
        authentic.then_some(inner).ok_or(DropReason::WrapAuthentication)
    }

    /// Fills `body`, all that follows the header, which has exactly the right length.
    pub(super) fn seal(&self, header: &[u8], stamp: PacketStamp, inner: &[u8], body: &mut [u8]) {
        let stamp = stamp.to_bytes();
        let (tag, rest) = body.split_at_mut(self.0.tag_len());
        tag.copy_from_slice(self.0.sign(&[&stamp, header, inner]).as_ref());
        let (stamp_out, inner_out) = rest.split_at_mut(PacketStamp::LEN);
        stamp_out.copy_from_slice(&stamp);
        inner_out.copy_from_slice(inner);
    }
}
