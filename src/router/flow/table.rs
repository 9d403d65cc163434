//! [`Flows`]: all flows of one family, found by what their packets look like in either direction.
//!
//! Records stand in one vector, which grows up to its limit; the index has two entries for each, and the room for all
//! of them from the start, so that no packet waits for it to be rearranged.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::super::address::Address;
use super::super::packet::Tuple;
use super::super::zone::ZoneId;
use super::record::{Direction, Flow, FlowState};

/// The number of a flow's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowId(pub(crate) u32);

/// The flow could not be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableFull {
    /// There are as many as there may be.
    Full,
    /// Packets in one of its directions already belong to another flow.
    Taken,
}

/// All flows of one family.
pub(crate) struct Flows<A> {
    records: Vec<Flow<A>>,
    /// The first of the free records, which are linked by `next`.
    free: u32,
    len: usize,
    limit: usize,
    /// Number and direction.
    index: HashTable<u32>,
    hasher: SeedableRandomState,
}

impl<A: Address> Flows<A> {
    /// Room for `limit` flows. `seed` is secret: who knows it can make flows that are slow to find.
    pub(crate) fn new(limit: usize, seed: u64) -> Self {
        Self {
            records: Vec::new(),
            free: u32::MAX,
            len: 0,
            limit,
            index: HashTable::with_capacity(2 * limit),
            hasher: SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed()),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The flow that a packet of these ends, from that zone, belongs to.
    #[inline]
    pub(crate) fn find(&self, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> Option<(FlowId, Direction)> {
        let hash = self.hash(zone, protocol, tuple);
        let entry = self.index.find(hash, |&entry| self.is_at(entry, zone, protocol, tuple))?;
        Some((FlowId(entry >> 1), direction(*entry)))
    }

    /// A flow's record.
    #[inline]
    pub(crate) fn get(&self, id: FlowId) -> Option<&Flow<A>> {
        self.records.get(id.0 as usize)
    }

    /// A flow's record.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow<A>> {
        self.records.get_mut(id.0 as usize)
    }

    /// How many records there are, those of dead flows included.
    pub(crate) fn records(&self) -> u32 {
        self.records.len() as u32
    }

    /// All flows that are alive.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FlowId, &Flow<A>)> {
        let numbered = (0..).zip(&self.records);
        numbered
            .filter(|(_, flow)| !flow.state.is(FlowState::DEAD))
            .map(|(number, flow)| (FlowId(number), flow))
    }

    /// Takes a flow in, to be found in both directions.
    pub(crate) fn insert(&mut self, flow: Flow<A>) -> Result<FlowId, TableFull> {
        let [forth, back] = [0, 1].map(|way| (flow.zones[way], flow.tuples[way]));
        if self.find(forth.0, flow.protocol, &forth.1).is_some()
            || self.find(back.0, flow.protocol, &back.1).is_some()
        {
            return Err(TableFull::Taken);
        }
        let number = match self.free {
            u32::MAX if self.records.len() >= self.limit => return Err(TableFull::Full),
            u32::MAX => {
                self.records.push(flow);
                (self.records.len() - 1) as u32
            }
            number => {
                let record = &mut self.records[number as usize];
                self.free = record.next;
                *record = flow;
                number
            }
        };
        self.len += 1;
        for (way, (zone, tuple)) in [forth, back].into_iter().enumerate() {
            let hash = self.hash(zone, flow.protocol, &tuple);
            let (records, hasher) = (&self.records, &self.hasher);
            self.index.insert_unique(hash, number << 1 | way as u32, |&entry| {
                let flow = &records[(entry >> 1) as usize];
                let way = (entry & 1) as usize;
                hash_of(hasher, flow.zones[way], flow.protocol, &flow.tuples[way])
            });
        }
        Ok(FlowId(number))
    }

    /// Packets find the flow no longer. Its record stays, marked as dead, until [`free`](Self::free).
    pub(crate) fn bury(&mut self, id: FlowId) -> Option<Flow<A>> {
        let flow = *self.get(id).filter(|flow| !flow.state.is(FlowState::DEAD))?;
        for way in 0..2 {
            let hash = self.hash(flow.zones[way], flow.protocol, &flow.tuples[way]);
            if let Ok(entry) = self.index.find_entry(hash, |&entry| entry == id.0 << 1 | way as u32) {
                entry.remove();
            }
        }
        self.records[id.0 as usize].state.set(FlowState::DEAD);
        self.len -= 1;
        Some(flow)
    }

    /// The record of a dead flow may be used again.
    pub(crate) fn free(&mut self, id: FlowId) {
        debug_assert!(self.records[id.0 as usize].state.is(FlowState::DEAD));
        self.records[id.0 as usize].next = self.free;
        self.free = id.0;
    }

    #[inline]
    fn is_at(&self, entry: u32, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> bool {
        let way = (entry & 1) as usize;
        self.records.get((entry >> 1) as usize).is_some_and(|flow| {
            flow.tuples[way] == *tuple && flow.zones[way] == zone && flow.protocol == protocol
        })
    }

    #[inline]
    fn hash(&self, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> u64 {
        hash_of(&self.hasher, zone, protocol, tuple)
    }
}

#[inline]
fn hash_of<A: Address>(hasher: &SeedableRandomState, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> u64 {
    let mut state = hasher.build_hasher();
    let ports = u64::from(tuple.source_port) << 16 | u64::from(tuple.destination_port);
    state.write_u64(u64::from(zone.raw()) << 32 | ports);
    A::hash_pair(&mut state, tuple.source, tuple.destination);
    state.write_u8(protocol);
    state.finish()
}

#[inline]
fn direction(entry: u32) -> Direction {
    if entry & 1 == 0 { Direction::Forth } else { Direction::Back }
}
