//! [`Held`]: fragments that wait for the first of their datagram.

use alloc::boxed::Box;
use alloc::vec;

use super::{Address, Fragments, NONE};
use crate::reason::{DropCounters, DropReason};

/// Bytes of a slot; what is larger does not wait.
pub(super) const SLOT: usize = 2048;

/// Slots, each with a packet in it or free.
pub(super) struct Held {
    pub(super) memory: Box<[u8]>,
    slots: Box<[Slot]>,
    free: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    next: u32,
    len: usize,
}

/// What waits for one datagram, in the order in which it came.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    first: u32,
    last: u32,
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

impl Chain {
    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }
}

impl Held {
    pub(super) fn new(count: usize) -> Self {
        let next = |number: usize| if number + 1 == count { NONE } else { number as u32 + 1 };
        Self {
            memory: vec![0; count * SLOT].into(),
            slots: (0..count).map(|number| Slot { next: next(number), len: 0 }).collect(),
            free: if count == 0 { NONE } else { 0 },
        }
    }

    /// How many slots are not free.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        let (mut at, mut free) = (self.free, 0);
        while let Some(slot) = self.slots.get(at as usize) {
            (at, free) = (slot.next, free + 1);
        }
        self.slots.len() - free
    }

    fn push(&mut self, chain: &mut Chain, packet: &[u8]) -> Result<(), DropReason> {
        let number = self.free;
        let slot = self.slots.get_mut(number as usize).ok_or(DropReason::FragmentsFull)?;
        let start = number as usize * SLOT;
        let room = self.memory.get_mut(start..start + SLOT).and_then(|room| room.get_mut(..packet.len()));
        room.ok_or(DropReason::FragmentsFull)?.copy_from_slice(packet);
        self.free = slot.next;
        *slot = Slot { next: NONE, len: packet.len() };
        match self.slots.get_mut(chain.last as usize) {
            Some(last) => last.next = number,
            None => chain.first = number,
        }
        chain.last = number;
        Ok(())
    }

    /// Frees the first of a chain; its number and length. Its bytes stay as they are until the next is put in.
    fn pop(&mut self, chain: &mut Chain) -> Option<(usize, usize)> {
        let number = chain.first;
        let slot = self.slots.get_mut(number as usize)?;
        chain.first = slot.next;
        if chain.first == NONE {
            chain.last = NONE;
        }
        slot.next = self.free;
        self.free = number;
        Some((number as usize, slot.len))
    }
}

impl<A: Address> Fragments<A> {
    /// Keeps a fragment, in place of those of the zone's oldest datagrams if it has its share.
    pub(super) fn hold(
        &mut self,
        number: u32,
        packet: &[u8],
        drops: &mut DropCounters,
    ) -> Result<(), DropReason> {
        let zone = self.records[number as usize].key.zone;
        let share = self.share(zone);
        let mut other = self.owner(zone).map_or(NONE, |owner| owner.ends.oldest);
        while self.owner(zone).is_some_and(|owner| owner.held >= share) {
            let newer = match self.records.get(other as usize) {
                Some(record) if other != number => record.zone.newer,
                _ => break,
            };
            if !self.records[other as usize].held.is_empty() {
                self.refuse(super::DatagramId(other), DropReason::FragmentsFull, drops);
            }
            other = newer;
        }
        let full = self.owner(zone).is_none_or(|owner| owner.held >= share);
        let chain = &mut self.records[number as usize].held;
        let pushed = if full { Err(DropReason::FragmentsFull) } else { self.held.push(chain, packet) };
        if let Err(why) = pushed {
            // Without this one, the others are of no use.
            self.refuse(super::DatagramId(number), why, drops);
            return Err(why);
        }
        if let Some(owner) = self.owner_mut(zone) {
            owner.held += 1;
        }
        Ok(())
    }

    /// Frees the next slot in which a fragment of that datagram waits; its number, and the fragment's length.
    pub(super) fn next_held(&mut self, number: u32) -> Option<(usize, usize)> {
        let record = &mut self.records[number as usize];
        let (slot, len) = self.held.pop(&mut record.held)?;
        let zone = record.key.zone;
        if let Some(owner) = self.owner_mut(zone) {
            owner.held -= 1;
        }
        Some((slot, len))
    }

    /// Drops all that waits for that datagram.
    pub(super) fn drop_held(&mut self, number: u32, why: DropReason, drops: &mut DropCounters) {
        while self.records.len() > number as usize && self.next_held(number).is_some() {
            drops.count(why);
        }
    }
}
