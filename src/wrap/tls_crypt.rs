//! tls-crypt: every control packet encrypted and authenticated by a static key, with the tag as the IV.
//!
//! ```text
//! packet: 9 header | u32 packet id | u32 time | 32 tag | encrypted inner part
//! tag = HMAC-SHA256(header | packet id | time | inner part), encryption = AES-256-CTR, IV = tag[..16]
//! ```

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use super::PacketStamp;
use crate::algorithm::Digest;
use crate::crypto::{Hmac, KeySlot};
use crate::reason::DropReason;
use crate::wire::ControlHeader;

const TAG_LEN: usize = 32;
/// Of the header and the stamp, which stay in clear.
const CLEAR_LEN: usize = ControlHeader::LEN + PacketStamp::LEN;

/// The keys of one direction.
pub(super) struct TlsCrypt {
    cipher: Zeroizing<[u8; 32]>,
    hmac: Hmac,
}

impl TlsCrypt {
    /// How much longer than header and inner part a packet is.
    pub(super) const OVERHEAD: usize = PacketStamp::LEN + TAG_LEN;
    pub(super) const STAMP_OFFSET: usize = ControlHeader::LEN;

    /// Each key is the first 32 bytes of its slot.
    pub(super) fn new(slot: KeySlot<'_>) -> Self {
        let mut cipher = Zeroizing::new([0; 32]);
        cipher.copy_from_slice(&slot.cipher[..32]);
        Self { cipher, hmac: Hmac::new(Digest::Sha256, &slot.hmac[..32]) }
    }

    /// Decrypts in place, and gives the inner part of an authentic packet.
    pub(super) fn open<'p>(&self, packet: &'p mut [u8]) -> Result<&'p [u8], DropReason> {
        let (clear, rest) = packet.split_at_mut_checked(CLEAR_LEN).ok_or(DropReason::Truncated)?;
        let (tag, inner) = rest.split_first_chunk_mut().ok_or(DropReason::Truncated)?;
        if inner.is_empty() {
            return Err(DropReason::Truncated);
        }
        self.apply_keystream(tag, inner);
        let authentic = self.hmac.verify(&[clear, inner], tag);
        authentic.then_some(&*inner).ok_or(DropReason::WrapAuthentication)
    }

    /// Fills `body`, all that follows the header, which has exactly the right length.
    pub(super) fn seal(&self, header: &[u8], stamp: PacketStamp, inner: &[u8], body: &mut [u8]) {
        let stamp = stamp.to_bytes();
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(self.hmac.sign(&[header, &stamp, inner]).as_ref());
        let (stamp_out, rest) = body.split_at_mut(PacketStamp::LEN);
        stamp_out.copy_from_slice(&stamp);
        let (tag_out, inner_out) = rest.split_at_mut(TAG_LEN);
        tag_out.copy_from_slice(&tag);
        inner_out.copy_from_slice(inner);
        self.apply_keystream(&tag, inner_out);
    }

    fn apply_keystream(&self, tag: &[u8; TAG_LEN], bytes: &mut [u8]) {
        let mut iv = [0; 16];
        iv.copy_from_slice(&tag[..16]);
        Ctr128BE::<Aes256>::new((&*self.cipher).into(), &iv.into()).apply_keystream(bytes);
    }
}
