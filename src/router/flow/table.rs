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
use super::super::wheel::{Link, Linked, NONE, Wheel};
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
    records: Records<A>,
    /// The first of the free records, which are linked by `next`.
    free: u32,
    wheel: Wheel,
    len: usize,
    limit: usize,
    /// Number and direction.
    index: HashTable<u32>,
    hasher: SeedableRandomState,
}

/// The flows by number.
struct Records<A>(Vec<Flow<A>>);

impl<A> Linked for Records<A> {
    fn link(&mut self, number: u32) -> &mut Link {
        &mut self.0[number as usize].link
    }
}

impl<A: Address> Flows<A> {
    /// Room for `limit` flows. `seed` is secret: who knows it can make flows that are slow to find.
    pub(crate) fn new(limit: usize, seed: u64, tick: u32) -> Self {
        Self {
            // All of the room at once, so that no packet waits for records to be moved; what is not used yet costs
            // addresses, not memory, where there is virtual memory.
            records: Records(Vec::with_capacity(limit)),
            free: NONE,
            wheel: Wheel::new(tick),
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

    /// Which flow packets of that hash most likely belong to, without a look at it: brings the index into the cache.
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> Option<FlowId> {
        self.index.find(hash, |_| true).map(|entry| FlowId(entry >> 1))
    }

    /// A flow's record.
    #[inline]
    pub(crate) fn get(&self, id: FlowId) -> Option<&Flow<A>> {
        self.records.0.get(id.0 as usize)
    }

    /// A flow's record.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow<A>> {
        self.records.0.get_mut(id.0 as usize)
    }

    /// All flows that are alive.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FlowId, &Flow<A>)> {
        let numbered = (0..).zip(&self.records.0);
        numbered
            .filter(|(_, flow)| !flow.state.is(FlowState::DEAD))
            .map(|(number, flow)| (FlowId(number), flow))
    }

    /// How many records there are, used or free: what [`record`](Self::record) counts to.
    pub(crate) fn records(&self) -> u32 {
        self.records.0.len() as u32
    }

    /// The flow in the record of that number, if one is.
    pub(crate) fn record(&self, number: u32) -> Option<(FlowId, &Flow<A>)> {
        let flow = self.records.0.get(number as usize)?;
        (!flow.state.is(FlowState::DEAD)).then_some((FlowId(number), flow))
    }

    /// How many there may be.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How many more there is room for.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.len)
    }

    /// Whether there is room for another.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// Takes a flow in, to be found in both directions, and to be looked at when it is `due`.
    pub(crate) fn insert(&mut self, flow: Flow<A>, due: u32) -> Result<FlowId, TableFull> {
        let [forth, back] = [0, 1].map(|way| (flow.zones[way], flow.tuples[way]));
        if self.find(forth.0, flow.protocol, &forth.1).is_some()
            || self.find(back.0, flow.protocol, &back.1).is_some()
        {
            return Err(TableFull::Taken);
        }
        let number = match self.free {
            NONE if self.records.0.len() >= self.limit => return Err(TableFull::Full),
            NONE => {
                self.records.0.push(flow);
                (self.records.0.len() - 1) as u32
            }
            number => {
                let record = &mut self.records.0[number as usize];
                self.free = record.link.next;
                *record = flow;
                number
            }
        };
        self.len += 1;
        self.wheel.push(&mut self.records, number, due);
        for (way, (zone, tuple)) in [forth, back].into_iter().enumerate() {
            let hash = self.hash(zone, flow.protocol, &tuple);
            let (records, hasher) = (&self.records.0, &self.hasher);
            self.index.insert_unique(hash, number << 1 | way as u32, |&entry| {
                let flow = &records[(entry >> 1) as usize];
                let way = (entry & 1) as usize;
                hash_of(hasher, flow.zones[way], flow.protocol, &flow.tuples[way])
            });
        }
        Ok(FlowId(number))
    }

    /// Takes a flow out. [`Family::end`](super::super::Family::end) is for whoever ends one.
    pub(crate) fn remove(&mut self, id: FlowId) -> Option<Flow<A>> {
        let flow = *self.get(id).filter(|flow| !flow.state.is(FlowState::DEAD))?;
        for way in 0..2 {
            let hash = self.hash(flow.zones[way], flow.protocol, &flow.tuples[way]);
            if let Ok(entry) = self.index.find_entry(hash, |&entry| entry == id.0 << 1 | way as u32) {
                entry.remove();
            }
        }
        self.wheel.remove(&mut self.records, id.0);
        let record = &mut self.records.0[id.0 as usize];
        record.state.set(FlowState::DEAD);
        record.link.next = self.free;
        self.free = id.0;
        self.len -= 1;
        Some(flow)
    }

    /// A flow that should be looked at, since its time in the wheel has passed; it is put there again, or removed.
    pub(crate) fn next_due(&mut self, tick: u32) -> Option<FlowId> {
        self.wheel.pop(&mut self.records, tick).map(FlowId)
    }

    /// The flow is looked at when it is `due`, and no longer when it was before.
    pub(crate) fn reschedule(&mut self, id: FlowId, due: u32) {
        self.wheel.remove(&mut self.records, id.0);
        self.wheel.push(&mut self.records, id.0, due);
    }

    /// The tick at which [`next_due`](Self::next_due) may have one.
    pub(crate) fn next_tick(&self) -> Option<u32> {
        self.wheel.next()
    }

    #[inline]
    fn is_at(&self, entry: u32, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> bool {
        let way = (entry & 1) as usize;
        self.records.0.get((entry >> 1) as usize).is_some_and(|flow| {
            flow.tuples[way] == *tuple && flow.zones[way] == zone && flow.protocol == protocol
        })
    }

    /// What a packet is found by.
    #[inline]
    pub(crate) fn hash(&self, zone: ZoneId, protocol: u8, tuple: &Tuple<A>) -> u64 {
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
