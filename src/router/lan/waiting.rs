//! Packets that cannot be sent yet: the hardware address of their next hop is being asked for, or their source address is
//! still being looked after.
//!
//! A fixed number of slots, a few of which for any one neighbour (RFC 1122 §2.3.2.2, RFC 4861 §7.2.2).

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;

use super::super::zone::Zone;
use super::ethernet::MacAddress;
use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// What a packet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// A neighbour's hardware address.
    Neighbour(IpAddr),
    /// That an address of ours may be used.
    Address(IpAddr),
}

/// What has become of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// It is to be sent there.
    To(MacAddress),
    /// It is to be sent once more from the beginning.
    Again,
    /// Nobody answered.
    Refused,
    /// It is lost.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Waits(Hold),
    Done(Released),
}

#[derive(Clone, Copy)]
struct Slot {
    state: State,
    /// Where the packet came from.
    from: Zone,
    len: usize,
    /// Packets leave in the order in which they came.
    order: u64,
}

/// All packets that wait.
pub(super) struct Waiting {
    memory: Box<[u8]>,
    slots: Box<[Slot]>,
    /// Bytes of a slot.
    size: usize,
    order: u64,
    /// How many are done with waiting.
    done: usize,
}

/// Packets that may wait for one thing, out of so much room: enough for the pieces of a large datagram, if there is.
fn for_each(slots: usize) -> usize {
    (slots / 8).max(3)
}

impl Waiting {
    pub(super) fn new(count: usize, size: usize) -> Self {
        let free = Slot { state: State::Free, from: Zone::Host, len: 0, order: 0 };
        Self {
            memory: vec![0; count * size].into(),
            slots: vec![free; count].into(),
            size,
            order: 0,
            done: 0,
        }
    }

    /// Has a packet wait. Where as many wait for the same already as may, the oldest of them goes.
    ///
    /// # Errors
    ///
    /// [`DropReason::NoNeighbour`]: there is no room, or too many of that zone's packets wait already. Whoever sends to
    /// addresses that nobody has takes no more than a quarter of the room.
    pub(super) fn push(&mut self, hold: Hold, from: Zone, packet: &[u8]) -> Result<(), DropReason> {
        if packet.len() > self.size {
            return Err(DropReason::TooBig);
        }
        let same = |slot: &Slot| slot.state == State::Waits(hold);
        let taken = self.slots.iter().filter(|slot| same(slot)).count();
        let most = for_each(self.slots.len());
        let found = if taken >= most {
            let numbered = self.slots.iter().enumerate().filter(|(_, slot)| same(slot));
            numbered.min_by_key(|(_, slot)| slot.order).map(|(number, _)| number)
        } else {
            let of_zone = |slot: &&Slot| slot.state != State::Free && slot.from == from;
            if self.slots.iter().filter(of_zone).count() >= (self.slots.len() / 4).max(most) {
                return Err(DropReason::NoNeighbour);
            }
            self.slots.iter().position(|slot| slot.state == State::Free)
        };
        let number = found.ok_or(DropReason::NoNeighbour)?;
        let start = number * self.size;
        self.memory[start..start + packet.len()].copy_from_slice(packet);
        self.order += 1;
        self.slots[number] = Slot { state: State::Waits(hold), from, len: packet.len(), order: self.order };
        Ok(())
    }

    /// What was waited for has come, or will not.
    pub(super) fn release(&mut self, hold: Hold, released: Released) {
        for slot in self.slots.iter_mut().filter(|slot| slot.state == State::Waits(hold)) {
            slot.state = State::Done(released);
            self.done += 1;
        }
    }

    /// Moves the oldest packet that need not wait any longer into `buf`: where it came from, and what is to become of it.
    pub(super) fn pop(&mut self, buf: &mut PacketBuf<'_>) -> Option<(Zone, Released)> {
        while self.done > 0 {
            let done = |slot: &Slot| matches!(slot.state, State::Done(_));
            let numbered = self.slots.iter().enumerate().filter(|(_, slot)| done(slot));
            let number = numbered.min_by_key(|(_, slot)| slot.order).map(|(number, _)| number)?;
            let Slot { state, from, len, .. } = self.slots[number];
            self.slots[number].state = State::Free;
            self.done -= 1;
            let start = number * self.size;
            if let State::Done(released) = state
                && buf.fill(&self.memory[start..start + len]).is_ok()
            {
                return Some((from, released));
            }
        }
        None
    }

    /// How many may wait.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn has_some(&self) -> bool {
        self.done > 0
    }
}
