//! [`Outbox`]: what the router itself sends, until the host fetches it.
//!
//! Answers beside the packet at hand: fragments, ARP, what waited for a neighbour, the gateway's own services. The memory
//! is there from the start; when it is full, what comes next is lost and counted.

use alloc::boxed::Box;
use alloc::vec;

use super::zone::Zone;
use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// A ring of packets.
pub(super) struct Outbox {
    memory: Box<[u8]>,
    slots: Box<[(Zone, usize)]>,
    /// Bytes of a slot.
    size: usize,
    first: usize,
    len: usize,
}

impl Outbox {
    /// Room for `count` packets of up to `size` bytes.
    pub(super) fn new(count: usize, size: usize) -> Self {
        Self {
            memory: vec![0; count * size].into(),
            slots: vec![(Zone::Host, 0); count].into(),
            size,
            first: 0,
            len: 0,
        }
    }

    /// Adds a packet of `len` bytes for `zone`; `write` fills it.
    pub(super) fn push(
        &mut self,
        zone: Zone,
        len: usize,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<(), DropReason> {
        if self.len == self.slots.len() {
            return Err(DropReason::OutboxFull);
        }
        let number = (self.first + self.len) % self.slots.len();
        let start = number * self.size;
        if len > self.size {
            return Err(DropReason::TooBig);
        }
        write(&mut self.memory[start..start + len]);
        self.slots[number] = (zone, len);
        self.len += 1;
        Ok(())
    }

    /// Moves the oldest packet into `buf`; to where it goes.
    pub(super) fn pop(&mut self, buf: &mut PacketBuf<'_>) -> Result<Option<Zone>, DropReason> {
        if self.len == 0 {
            return Ok(None);
        }
        let number = self.first;
        (self.first, self.len) = ((self.first + 1) % self.slots.len(), self.len - 1);
        let (zone, len) = self.slots[number];
        let start = number * self.size;
        buf.fill(&self.memory[start..start + len])?;
        Ok(Some(zone))
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == self.slots.len()
    }

    /// How many more packets fit.
    pub(super) fn room(&self) -> usize {
        self.slots.len() - self.len
    }

    /// The largest packet that fits, in bytes.
    pub(super) fn largest(&self) -> usize {
        self.size
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }
}
