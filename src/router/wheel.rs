//! [`Wheel`]: which flows to look at when.
//!
//! A packet only notes the time in its flow. A flow lies in the slot of the time at which it would end if nothing more
//! came; when that is reached it is looked at, and ended or put where it then belongs. What is due further away than
//! the wheel reaches lies in its last slot. Slots are lists through the flows' own `next`.

use alloc::boxed::Box;

use super::flow::FlowId;

/// Ticks of a slot, as a power of two: about a second.
const SLOT_SHIFT: u32 = 3;
/// A power of two; together about nine minutes.
const SLOTS: u32 = 512;

const NONE: u32 = u32::MAX;

/// Slots of flows.
pub(super) struct Wheel {
    heads: Box<[u32]>,
    /// The slot that is looked at next, counted without end.
    current: u32,
    len: usize,
}

impl Wheel {
    pub(super) fn new(tick: u32) -> Self {
        Self { heads: alloc::vec![NONE; SLOTS as usize].into(), current: tick >> SLOT_SHIFT, len: 0 }
    }

    /// Puts a flow where `due` is. Gives back what its `next` must be.
    pub(super) fn push(&mut self, id: FlowId, due: u32) -> u32 {
        // A slot is looked at when all of it has passed.
        let slot = (due >> SLOT_SHIFT).clamp(self.current, self.current + SLOTS - 1);
        self.len += 1;
        let head = &mut self.heads[(slot % SLOTS) as usize];
        core::mem::replace(head, id.0)
    }

    /// Takes a flow out whose slot has passed; `next` tells what its `next` is.
    pub(super) fn pop(&mut self, tick: u32, next: impl Fn(FlowId) -> u32) -> Option<FlowId> {
        while self.current < tick >> SLOT_SHIFT {
            if self.len == 0 {
                self.current = tick >> SLOT_SHIFT;
                return None;
            }
            let head = &mut self.heads[(self.current % SLOTS) as usize];
            if *head != NONE {
                let id = FlowId(*head);
                *head = next(id);
                self.len -= 1;
                return Some(id);
            }
            self.current += 1;
        }
        None
    }

    /// The tick at which the next slot with something in it has passed.
    pub(super) fn next(&self) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let slot =
            (self.current..self.current + SLOTS).find(|slot| self.heads[(slot % SLOTS) as usize] != NONE)?;
        Some((slot + 1) << SLOT_SHIFT)
    }
}
