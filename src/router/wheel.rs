//! [`Wheel`]: which flows to look at when.
//!
//! A packet only notes the time in its flow. A flow lies in the slot of the time at which it would end if nothing more
//! came; when that is reached it is looked at, and ended or put where it then belongs. What is due further away than
//! the wheel reaches lies in its last slot. Slots are lists through the flows' own [`Link`]s, in both directions, so
//! that a flow that ends before its time leaves at once.

use alloc::boxed::Box;

/// Ticks of a slot, as a power of two: about a second.
const SLOT_SHIFT: u32 = 3;
/// A power of two; together about nine minutes.
const SLOTS: u32 = 512;

/// No record.
pub(super) const NONE: u32 = u32::MAX;
/// What stands before the first record of a slot: the slot's number with this bit.
const HEAD: u32 = 1 << 31;

/// A record's neighbours in its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) next: u32,
    previous: u32,
}

impl Link {
    /// Of a record that lies in no slot.
    pub(super) const FREE: Self = Self { next: NONE, previous: NONE };
}

/// Where the records' links are. Numbers are below 2^31.
pub(super) trait Linked {
    fn link(&mut self, number: u32) -> &mut Link;
}

/// Slots of records.
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

    /// Puts a record where `due` is. It lies in no slot yet.
    pub(super) fn push(&mut self, all: &mut impl Linked, number: u32, due: u32) {
        // A slot is looked at when all of it has passed.
        let slot = (due >> SLOT_SHIFT).clamp(self.current, self.current + SLOTS - 1) % SLOTS;
        let next = core::mem::replace(&mut self.heads[slot as usize], number);
        *all.link(number) = Link { next, previous: HEAD | slot };
        if next != NONE {
            all.link(next).previous = number;
        }
        self.len += 1;
    }

    /// Takes a record out of its slot.
    pub(super) fn remove(&mut self, all: &mut impl Linked, number: u32) {
        let Link { next, previous } = core::mem::replace(all.link(number), Link::FREE);
        match previous {
            NONE => return,
            head if head & HEAD != 0 => self.heads[(head & !HEAD) as usize] = next,
            previous => all.link(previous).next = next,
        }
        if next != NONE {
            all.link(next).previous = previous;
        }
        self.len -= 1;
    }

    /// Takes a record out whose slot has passed.
    pub(super) fn pop(&mut self, all: &mut impl Linked, tick: u32) -> Option<u32> {
        while self.current < tick >> SLOT_SHIFT {
            if self.len == 0 {
                self.current = tick >> SLOT_SHIFT;
                return None;
            }
            let head = self.heads[(self.current % SLOTS) as usize];
            if head != NONE {
                self.remove(all, head);
                return Some(head);
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    impl Linked for Vec<Link> {
        fn link(&mut self, number: u32) -> &mut Link {
            &mut self[number as usize]
        }
    }

    proptest! {
        /// Against the plain way: a list of who is due when.
        #[test]
        fn as_a_list(steps in prop::collection::vec((0u32..40, 0u32..6000, any::<bool>(), 0u32..50), 1..200)) {
            let mut links = vec![Link::FREE; 40];
            let mut plain: Vec<Option<u32>> = vec![None; 40];
            let (mut wheel, mut now) = (Wheel::new(0), 0);
            for (number, after, add, passes) in steps {
                if plain[number as usize].take().is_some() {
                    wheel.remove(&mut links, number);
                }
                if add {
                    wheel.push(&mut links, number, now + after);
                    plain[number as usize] = Some(now + after);
                }
                now += passes;
                while let Some(number) = wheel.pop(&mut links, now) {
                    let due = plain[number as usize].take().expect("it lies in the wheel");
                    // Only what lies beyond the wheel's reach comes out before its time, and goes back in.
                    if due > now {
                        prop_assert!(due >> SLOT_SHIFT >= SLOTS);
                        wheel.push(&mut links, number, due);
                        plain[number as usize] = Some(due);
                    }
                }
                prop_assert!(plain.iter().flatten().all(|due| due >> SLOT_SHIFT >= now >> SLOT_SHIFT));
                prop_assert_eq!(wheel.next().is_some(), plain.iter().flatten().next().is_some());
            }
        }
    }
}
