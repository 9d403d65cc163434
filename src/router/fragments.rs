//! [`Fragments`]: later fragments get the ports of their datagram's first, without anything being put together.
//!
//! A router must not reassemble what it forwards (RFC 791, RFC 1812 §5.2.6), but flows, rules and NAT go by ports, and
//! these stand in the first fragment alone. So what that said is remembered for a datagram's other fragments, and those
//! that come before it wait for it (RFC 4787 REQ-14). What overlaps is dropped with all that follows of its datagram
//! (RFC 5722, RFC 1858, RFC 3128): the end must not put together anything else than was judged.
//!
//! All memory is there from the start. Each client has a share of it, in which its own oldest datagrams make room for
//! newer ones; what one of them floods us with costs nobody else anything.
//!
//! An end that misses fragments says so itself (Time Exceeded, code 1), and it has them missing only if it saw the first;
//! we never do.

mod held;
mod pass;
mod spans;

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};

use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::TICK_SHIFT;
use super::address::Address;
use super::header::Fragment;
use super::packet::{Inner, Transport};
use super::zone::{Zone, ZoneId};
use crate::reason::{DropCounters, DropReason};

use held::{Chain, Held};
use spans::{Placed, Spans};

pub(super) use pass::forward_fragment;

/// How long a datagram's fragments may take, in ticks: 30 seconds (RFC 791: 15 at least; RFC 8200: 60 at most).
pub(super) const LIFETIME: u32 = ((30_u64 * 1_000_000_000) >> TICK_SHIFT) as u32;
/// Datagrams that one client may have on their way, and fragments that may wait, if there is room for more.
const SHARE: usize = 64;

const NONE: u32 = u32::MAX;

/// The number of a datagram's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DatagramId(u32);

/// A datagram of which fragments are on their way.
#[derive(Clone, Copy)]
struct Record<A> {
    key: Key<A>,
    born: u32,
    state: State,
    /// What the first fragment said.
    protocol: u8,
    source_port: u16,
    destination_port: u16,
    /// Its identification beyond us, if that is another.
    sent_id: Option<u32>,
    spans: Spans,
    held: Chain,
    /// Its neighbours among all, and among those of its zone, by age. The next free record is `all.newer`.
    all: Links,
    zone: Links,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Key<A> {
    zone: ZoneId,
    source: A,
    destination: A,
    /// IPv4 only. In IPv6 a later fragment's may be another than the first one's, and counts for nothing (RFC 8200 §4.5).
    protocol: u8,
    id: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its first fragment has not come.
    Waiting,
    /// It has, and was let through.
    Known,
    /// None of it goes any further.
    Refused(DropReason),
}

#[derive(Clone, Copy)]
struct Links {
    older: u32,
    newer: u32,
}

/// The ends of a list by age.
#[derive(Clone, Copy)]
struct Ends {
    oldest: u32,
    newest: u32,
}

const EMPTY: Ends = Ends { oldest: NONE, newest: NONE };

/// What a zone has of the room.
struct Owner {
    zone: ZoneId,
    ends: Ends,
    records: usize,
    held: usize,
}

/// All datagrams in fragments of one family.
pub(super) struct Fragments<A> {
    records: Vec<Record<A>>,
    limit: usize,
    free: u32,
    ends: Ends,
    index: HashTable<u32>,
    owners: HashTable<Owner>,
    hasher: SeedableRandomState,
    held: Held,
}

impl<A: Address> Fragments<A> {
    /// Room for `limit` datagrams, and for as many fragments that wait.
    pub(super) fn new(limit: usize, seed: u64) -> Self {
        Self {
            records: Vec::with_capacity(limit),
            limit,
            free: NONE,
            ends: EMPTY,
            // Twice the room, so that they never have to grow for the gaps that removal leaves.
            index: HashTable::with_capacity(2 * limit),
            owners: HashTable::with_capacity(2 * limit),
            hasher: SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed()),
            held: Held::new(limit),
        }
    }

    /// How much of the room a zone may have.
    fn share(&self, zone: ZoneId) -> usize {
        match zone.get() {
            // Outside there is no telling who it is for before the first fragment has come.
            Zone::Host | Zone::Lan => self.limit.div_ceil(2),
            Zone::Peer(_) => self.limit.div_ceil(8).min(SHARE),
        }
    }

    /// Takes in a fragment: gives it the ports of its datagram, or keeps it until they are known (`None`).
    ///
    /// # Errors
    ///
    /// It overlaps another, its datagram was refused, or there is no room for it.
    pub(super) fn take(
        &mut self,
        drops: &mut DropCounters,
        tick: u32,
        from: ZoneId,
        fragment: Fragment,
        inner: &mut Inner<A>,
        packet: &[u8],
    ) -> Result<Option<DatagramId>, DropReason> {
        self.expire(tick, drops);
        let key = Key {
            zone: from,
            source: inner.tuple.source,
            destination: inner.tuple.destination,
            protocol: if A::VERSION == 4 { inner.protocol } else { 0 },
            id: fragment.id,
        };
        let number = match self.find(&key) {
            Some(number) => number,
            None => self.begin(key, tick, drops)?,
        };
        let record = &mut self.records[number as usize];
        if let State::Refused(why) = record.state {
            return Err(why);
        }
        match record.spans.add(fragment.offset, fragment.end, fragment.more) {
            Placed::New => {}
            // Nothing of it is new: the network has doubled it. The end would drop it too (RFC 8200 §4.5).
            Placed::Known => return Err(DropReason::BadFragment),
            Placed::Overlaps => {
                self.refuse(DatagramId(number), DropReason::BadFragment, drops);
                return Err(DropReason::BadFragment);
            }
        }
        if inner.transport != Transport::Later {
            record.state = State::Known;
            record.protocol = inner.protocol;
            (record.source_port, record.destination_port) =
                (inner.tuple.source_port, inner.tuple.destination_port);
        } else if record.state == State::Waiting {
            self.hold(number, packet, drops)?;
            return Ok(None);
        }
        self.tell(DatagramId(number), inner);
        Ok(Some(DatagramId(number)))
    }

    /// Fills in what the first fragment said.
    fn tell(&self, datagram: DatagramId, inner: &mut Inner<A>) {
        let record = &self.records[datagram.0 as usize];
        inner.datagram = Some(datagram);
        inner.protocol = record.protocol;
        (inner.tuple.source_port, inner.tuple.destination_port) =
            (record.source_port, record.destination_port);
    }

    /// No more of this datagram goes any further.
    fn refuse(&mut self, datagram: DatagramId, why: DropReason, drops: &mut DropCounters) {
        self.records[datagram.0 as usize].state = State::Refused(why);
        self.drop_held(datagram.0, why, drops);
    }

    /// The identification of the datagram beyond us: `new`, unless it already has one.
    pub(super) fn sent_id(&mut self, datagram: DatagramId, new: impl FnOnce() -> u32) -> u32 {
        *self.records[datagram.0 as usize].sent_id.get_or_insert_with(new)
    }

    /// Forgets the datagram if all of it has come.
    fn settle(&mut self, datagram: DatagramId) {
        let record = &self.records[datagram.0 as usize];
        if record.spans.is_all() && record.held.is_empty() && record.state == State::Known {
            self.end(datagram.0);
        }
    }

    /// Forgets what has taken too long.
    pub(super) fn expire(&mut self, tick: u32, drops: &mut DropCounters) {
        while let Some(record) = self.records.get(self.ends.oldest as usize)
            && record.born.saturating_add(LIFETIME) <= tick
        {
            let number = self.ends.oldest;
            self.drop_held(number, DropReason::FragmentTimeout, drops);
            self.end(number);
        }
    }

    /// The tick at which [`expire`](Self::expire) has something to do.
    pub(super) fn next_tick(&self) -> Option<u32> {
        Some(self.records.get(self.ends.oldest as usize)?.born.saturating_add(LIFETIME))
    }

    /// How many datagrams there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn find(&self, key: &Key<A>) -> Option<u32> {
        let hash = hash_of(&self.hasher, key);
        self.index.find(hash, |&number| self.records[number as usize].key == *key).copied()
    }

    /// A record for a datagram, in place of the zone's own oldest if it has its share.
    fn begin(&mut self, key: Key<A>, tick: u32, drops: &mut DropCounters) -> Result<u32, DropReason> {
        let share = self.share(key.zone);
        let (used, oldest) =
            self.owner(key.zone).map_or((0, NONE), |owner| (owner.records, owner.ends.oldest));
        if used >= share {
            self.drop_held(oldest, DropReason::FragmentsFull, drops);
            self.end(oldest);
        }
        let record = Record {
            key,
            born: tick,
            state: State::Waiting,
            protocol: 0,
            source_port: 0,
            destination_port: 0,
            sent_id: None,
            spans: Spans::default(),
            held: Chain::default(),
            all: Links { older: self.ends.newest, newer: NONE },
            zone: Links { older: NONE, newer: NONE },
        };
        let number = match self.free {
            NONE if self.records.len() >= self.limit => return Err(DropReason::FragmentsFull),
            NONE => {
                self.records.push(record);
                (self.records.len() - 1) as u32
            }
            number => {
                self.free = self.records[number as usize].all.newer;
                self.records[number as usize] = record;
                number
            }
        };
        match self.records.get_mut(self.ends.newest as usize) {
            Some(newest) => newest.all.newer = number,
            None => self.ends.oldest = number,
        }
        self.ends.newest = number;
        let hash = hash_zone(&self.hasher, key.zone);
        let hasher = &self.hasher;
        let owner =
            self.owners.entry(hash, |owner| owner.zone == key.zone, |owner| hash_zone(hasher, owner.zone));
        let mut owner = owner.or_insert_with(|| Owner { zone: key.zone, ends: EMPTY, records: 0, held: 0 });
        let owner = owner.get_mut();
        owner.records += 1;
        let newest = core::mem::replace(&mut owner.ends.newest, number);
        if newest == NONE {
            owner.ends.oldest = number;
        } else {
            self.records[newest as usize].zone.newer = number;
            self.records[number as usize].zone.older = newest;
        }
        let records = &self.records;
        self.index.insert_unique(hash_of(&self.hasher, &key), number, |&number| {
            hash_of(hasher, &records[number as usize].key)
        });
        Ok(number)
    }

    /// Forgets a datagram of which nothing waits.
    fn end(&mut self, number: u32) {
        let Some(record) = self.records.get(number as usize).copied() else { return };
        let hash = hash_of(&self.hasher, &record.key);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == number) {
            entry.remove();
        }
        let Links { older, newer } = record.all;
        match self.records.get_mut(older as usize) {
            Some(record) => record.all.newer = newer,
            None => self.ends.oldest = newer,
        }
        match self.records.get_mut(newer as usize) {
            Some(record) => record.all.older = older,
            None => self.ends.newest = older,
        }
        let Links { older, newer } = record.zone;
        if let Some(record) = self.records.get_mut(older as usize) {
            record.zone.newer = newer;
        }
        if let Some(record) = self.records.get_mut(newer as usize) {
            record.zone.older = older;
        }
        let hash = hash_zone(&self.hasher, record.key.zone);
        if let Ok(mut entry) = self.owners.find_entry(hash, |owner| owner.zone == record.key.zone) {
            let owner = entry.get_mut();
            owner.records -= 1;
            if older == NONE {
                owner.ends.oldest = newer;
            }
            if newer == NONE {
                owner.ends.newest = older;
            }
            if owner.records == 0 {
                entry.remove();
            }
        }
        self.records[number as usize].all.newer = self.free;
        self.free = number;
    }

    fn owner(&self, zone: ZoneId) -> Option<&Owner> {
        self.owners.find(hash_zone(&self.hasher, zone), |owner| owner.zone == zone)
    }

    fn owner_mut(&mut self, zone: ZoneId) -> Option<&mut Owner> {
        self.owners.find_mut(hash_zone(&self.hasher, zone), |owner| owner.zone == zone)
    }
}

fn hash_of<A: Address>(hasher: &SeedableRandomState, key: &Key<A>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(key.zone.raw()) << 32 | u64::from(key.id));
    A::hash_pair(&mut state, key.source, key.destination);
    state.write_u8(key.protocol);
    state.finish()
}

fn hash_zone(hasher: &SeedableRandomState, zone: ZoneId) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(zone.raw());
    state.finish()
}

#[cfg(test)]
mod tests;
