//! [`KeySlots`]: the keys of one peer that live at a time, and which of them sends.
//!
//! After a renegotiation the two ends do not get the new key at the same moment. Each therefore accepts packets under
//! old keys for as long as the other may lawfully send them, and goes on sending under the old key until the new one
//! is known to have arrived at the other end.

use alloc::boxed::Box;

use crate::buffer::PacketBuf;
use crate::config::RenegotiateConfig;
use crate::reason::DropReason;
use crate::time::Instant;
use crate::wire::{DataHeader, WirePeerId};

use super::key::{DataKey, RenegotiateReason};

/// Keys by age.
///
/// The newest sends once the peer has used it, when its `use_by` has come, or when a newer one is installed, whichever
/// is first; or at once if there is no other.
#[derive(Debug, Default)]
pub(crate) struct KeySlots {
    /// The oldest first. Boxed, for a key is large and most peers have one.
    slots: heapless::Vec<Box<Slot>, { Self::MAX }>,
    /// Index of the slot that sends, if there is any.
    sending: usize,
}

#[derive(Debug)]
struct Slot {
    key: DataKey,
    use_by: Instant,
    expires: Option<Instant>,
}

impl KeySlots {
    /// How many keys live at a time; another one takes the place of the oldest.
    pub(crate) const MAX: usize = 4;

    /// Adds a key. Older ones stay until they [`expire`](Self::expire), but for one of the same key id.
    pub(crate) fn install(&mut self, key: DataKey, use_by: Instant) {
        // A negotiation begins when the one before is complete: what was the newest key until now, the peer has. It
        // must send from now on, since the peer may soon need the slot of an older one.
        self.sending = self.slots.len().saturating_sub(1);
        let same_id = self.slots.iter().position(|slot| slot.key.id() == key.id());
        if let Some(index) = same_id.or_else(|| self.slots.is_full().then_some(0)) {
            self.remove(index);
        }
        let pushed = self.slots.push(Box::new(Slot { key, use_by, expires: None }));
        debug_assert!(pushed.is_ok(), "a slot was just freed");
    }

    /// Lets all keys but the newest expire at `must_die`, or sooner if that was said before.
    pub(crate) fn retire_others(&mut self, must_die: Instant) {
        if let Some((_, others)) = self.slots.split_last_mut() {
            for slot in others {
                slot.expires = Some(slot.expires.map_or(must_die, |earlier| earlier.min(must_die)));
            }
        }
    }

    /// Removes the keys whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(index) = self.slots.iter().position(|slot| slot.expires.is_some_and(|at| at <= now)) {
            self.remove(index);
        }
    }

    /// When [`expire`](Self::expire) next has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.expires).min()
    }

    /// Seals the payload in `buf` under the key that sends at `now`.
    #[inline]
    pub(crate) fn seal(
        &mut self,
        now: Instant,
        peer_id: Option<WirePeerId>,
        buf: &mut PacketBuf<'_>,
    ) -> Result<(), DropReason> {
        self.promote_due(now);
        let slot = self.slots.get_mut(self.sending).ok_or(DropReason::NotConnected)?;
        slot.key.seal(&DataHeader::new(slot.key.id(), peer_id), buf)
    }

    /// Opens the packet in `buf`, which begins with `header`, under the key that it names.
    #[inline]
    pub(crate) fn open(&mut self, header: &DataHeader, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        let found = self.slots.iter_mut().enumerate().find(|(_, slot)| slot.key.id() == header.key_id);
        let (index, slot) = found.ok_or(DropReason::NoKey)?;
        slot.key.open(header, buf)?;
        // The peer has this key: so it can read what we send under it.
        self.sending = self.sending.max(index);
        Ok(())
    }

    /// Whether the newest key should be replaced, and why.
    pub(crate) fn wants_renegotiation(&self, config: &RenegotiateConfig) -> Option<RenegotiateReason> {
        self.slots.last()?.key.wants_renegotiation(config)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[inline]
    fn promote_due(&mut self, now: Instant) {
        if self.sending + 1 < self.slots.len()
            && let Some(newest_due) = self.slots.iter().rposition(|slot| slot.use_by <= now)
        {
            self.sending = self.sending.max(newest_due);
        }
    }

    /// If the key that sends goes, the next newer one takes over; the next older, if there is none.
    fn remove(&mut self, index: usize) {
        self.slots.remove(index);
        if self.sending > index || self.sending == self.slots.len() {
            self.sending = self.sending.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
