//! [`Mappings`]: which inside end is which outside end, whatever it talks to (endpoint-independent mapping).
//!
//! A mapping lives as long as a flow uses it, and is open to others from outside (as far as the filter lets them) while
//! it is *held*: by a flow that was begun from its inside, or that its inside has answered. What strangers begin holds
//! nothing, so that nobody keeps a mapping open from outside. Afterwards it may rest: nobody else gets its port until
//! the time is over, its own inside end gets it back.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::super::address::Address;
use super::super::wheel::NONE;
use super::super::zone::ZoneId;

/// The number of a mapping's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::router) struct MappingId(u32);

impl MappingId {
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// An inside end and its outside end. 32 bytes for IPv4.
#[derive(Clone, Copy, Debug)]
pub(in crate::router) struct Mapping<A> {
    pub(in crate::router) inside: A,
    pub(in crate::router) outside: A,
    /// Where the inside end is.
    pub(in crate::router) zone: ZoneId,
    pub(in crate::router) inside_port: u16,
    pub(in crate::router) outside_port: u16,
    pub(in crate::router) protocol: u8,
    /// Whether it stands in the queue of those that rest, or did when it was taken up again.
    queued: bool,
    /// Flows that use it.
    flows: u16,
    /// Those of them that hold it.
    holders: u16,
    /// Since when it is used, or rests, in the router's ticks.
    pub(in crate::router) since: u32,
    /// The next in the queue, or in the list of free records.
    next: u32,
}

/// The two ends by which a mapping is found.
#[derive(Clone, Copy)]
enum Side {
    Inside = 0,
    Outside = 1,
}

/// The mapping could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::router) struct NoRoom;

/// All mappings of one family.
pub(in crate::router) struct Mappings<A> {
    records: Vec<Mapping<A>>,
    limit: usize,
    free: u32,
    /// How many are used.
    len: usize,
    /// Number and side.
    index: HashTable<u32>,
    hasher: SeedableRandomState,
    /// Those that rest, oldest first.
    oldest: u32,
    newest: u32,
    /// How often a port became free: who found none need not look again until it changes.
    releases: u32,
}

impl<A: Address> Mappings<A> {
    pub(super) fn new(limit: usize, seed: u64) -> Self {
        Self {
            records: Vec::with_capacity(limit),
            limit,
            free: NONE,
            len: 0,
            index: HashTable::with_capacity(2 * limit),
            hasher: SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed()),
            oldest: NONE,
            newest: NONE,
            releases: 0,
        }
    }

    pub(in crate::router) fn get(&self, id: MappingId) -> Option<&Mapping<A>> {
        self.records.get(id.0 as usize)
    }

    /// How many are used.
    pub(in crate::router) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn releases(&self) -> u32 {
        self.releases
    }

    /// That of an inside end, used or resting.
    pub(super) fn find_inside(&self, zone: ZoneId, protocol: u8, address: A, port: u16) -> Option<MappingId> {
        self.find(Side::Inside, (zone, protocol, address, port))
    }

    /// That of an outside end, used or resting.
    pub(in crate::router) fn find_outside(&self, protocol: u8, address: A, port: u16) -> Option<MappingId> {
        self.find(Side::Outside, (ZoneId::default(), protocol, address, port))
    }

    /// Whether a flow uses it.
    pub(super) fn is_used(&self, id: MappingId) -> bool {
        self.get(id).is_some_and(|mapping| mapping.flows > 0)
    }

    /// Whether the filter is asked at all: somebody inside holds it.
    pub(in crate::router) fn is_held(&self, id: MappingId) -> bool {
        self.get(id).is_some_and(|mapping| mapping.holders > 0)
    }

    /// Takes in a new one, which no flow uses yet.
    pub(super) fn insert(
        &mut self,
        protocol: u8,
        (zone, inside, inside_port): (ZoneId, A, u16),
        (outside, outside_port): (A, u16),
        tick: u32,
    ) -> Result<MappingId, NoRoom> {
        if self.free == NONE && self.records.len() >= self.limit {
            // One that rests is nobody's; better its port comes too early than a client gets none.
            self.wake_oldest(u32::MAX).ok_or(NoRoom)?;
        }
        let mapping = Mapping {
            inside,
            outside,
            zone,
            inside_port,
            outside_port,
            protocol,
            queued: false,
            flows: 0,
            holders: 0,
            since: tick,
            next: NONE,
        };
        let number = match self.free {
            NONE => {
                self.records.push(mapping);
                (self.records.len() - 1) as u32
            }
            number => {
                let record = &mut self.records[number as usize];
                self.free = record.next;
                *record = mapping;
                number
            }
        };
        for side in [Side::Inside, Side::Outside] {
            let hash = self.hash(key(&mapping, side));
            let (records, hasher) = (&self.records, &self.hasher);
            self.index.insert_unique(hash, number << 1 | side as u32, |&entry| {
                hash_of(hasher, key(&records[(entry >> 1) as usize], side_of(entry)))
            });
        }
        Ok(MappingId(number))
    }

    /// A flow uses it from now on. Says whether it is the first; none more than 65,535 may (RFC 6888 REQ-5).
    pub(super) fn take(&mut self, id: MappingId, holds: bool, tick: u32) -> Result<bool, NoRoom> {
        let mapping = self.records.get_mut(id.0 as usize).ok_or(NoRoom)?;
        let first = mapping.flows == 0;
        mapping.flows = mapping.flows.checked_add(1).ok_or(NoRoom)?;
        mapping.holders += u16::from(holds);
        if first {
            mapping.since = tick;
            self.len += 1;
        }
        Ok(first)
    }

    /// A flow that used it holds it from now on.
    pub(super) fn hold(&mut self, id: MappingId) {
        if let Some(mapping) = self.records.get_mut(id.0 as usize)
            && mapping.holders < mapping.flows
        {
            mapping.holders += 1;
        }
    }

    /// A flow has ended that used it, and held it if it `holds`. If it was the last, gives the mapping, which then
    /// rests if `rests`, and else is gone.
    pub(super) fn let_go(
        &mut self,
        id: MappingId,
        holds: bool,
        tick: u32,
        rests: bool,
    ) -> Option<Mapping<A>> {
        let mapping = self.records.get_mut(id.0 as usize)?;
        mapping.flows = mapping.flows.checked_sub(1)?;
        mapping.holders -= u16::from(holds);
        if mapping.flows > 0 {
            return None;
        }
        let ended = *mapping;
        mapping.since = tick;
        self.len -= 1;
        if rests {
            self.enqueue(id.0);
        } else if !ended.queued {
            self.remove(id.0);
        }
        Some(ended)
    }

    /// One that no flow came to use after all.
    pub(super) fn give_up(&mut self, id: MappingId) {
        if self.get(id).is_some_and(|mapping| mapping.flows == 0 && !mapping.queued) {
            self.remove(id.0);
        }
    }

    /// Frees those that have rested since before `until`; a few at a time.
    pub(super) fn wake(&mut self, until: u32) {
        for _ in 0..8 {
            if self.wake_oldest(until).is_none() {
                return;
            }
        }
    }

    /// Frees the one that has rested longest, if that is since before `until`.
    fn wake_oldest(&mut self, until: u32) -> Option<()> {
        loop {
            let number = self.oldest;
            let mapping = self.records.get_mut(number as usize)?;
            if mapping.flows > 0 {
                // It has been taken up again.
                mapping.queued = false;
                self.dequeue();
                continue;
            }
            if mapping.since >= until {
                return None;
            }
            self.dequeue();
            self.remove(number);
            return Some(());
        }
    }

    fn enqueue(&mut self, number: u32) {
        let mapping = &mut self.records[number as usize];
        if mapping.queued {
            return; // it stands there since it rested before, and leaves when that one's turn comes
        }
        (mapping.queued, mapping.next) = (true, NONE);
        match core::mem::replace(&mut self.newest, number) {
            NONE => self.oldest = number,
            newest => self.records[newest as usize].next = number,
        }
    }

    fn dequeue(&mut self) {
        self.oldest = self.records[self.oldest as usize].next;
        if self.oldest == NONE {
            self.newest = NONE;
        }
    }

    fn remove(&mut self, number: u32) {
        let mapping = self.records[number as usize];
        for side in [Side::Inside, Side::Outside] {
            let hash = self.hash(key(&mapping, side));
            if let Ok(entry) = self.index.find_entry(hash, |&entry| entry == number << 1 | side as u32) {
                entry.remove();
            }
        }
        let record = &mut self.records[number as usize];
        (record.queued, record.next) = (false, self.free);
        self.free = number;
        self.releases = self.releases.wrapping_add(1);
    }

    fn find(&self, side: Side, wanted: Key<A>) -> Option<MappingId> {
        let is_it = |&entry: &u32| {
            entry & 1 == side as u32
                && self.records.get((entry >> 1) as usize).is_some_and(|it| key(it, side) == wanted)
        };
        self.index.find(self.hash(wanted), is_it).map(|entry| MappingId(entry >> 1))
    }

    fn hash(&self, key: Key<A>) -> u64 {
        hash_of(&self.hasher, key)
    }
}

/// What a side is found by. An outside end needs no zone: the router has each of its addresses once.
type Key<A> = (ZoneId, u8, A, u16);

fn key<A: Address>(mapping: &Mapping<A>, side: Side) -> Key<A> {
    match side {
        Side::Inside => (mapping.zone, mapping.protocol, mapping.inside, mapping.inside_port),
        Side::Outside => (ZoneId::default(), mapping.protocol, mapping.outside, mapping.outside_port),
    }
}

fn side_of(entry: u32) -> Side {
    if entry & 1 == 0 { Side::Inside } else { Side::Outside }
}

fn hash_of<A: Address>(hasher: &SeedableRandomState, (zone, protocol, address, port): Key<A>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(zone.raw()) << 32 | u64::from(port) << 8 | u64::from(protocol));
    A::hash_pair(&mut state, address, A::UNSPECIFIED);
    state.finish()
}
