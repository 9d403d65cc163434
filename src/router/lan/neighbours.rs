//! [`Neighbours`]: the hardware addresses of other hosts on the LAN.
//!
//! Only what we asked for gets in. A host that is known under one hardware address and now seems to have another is asked
//! at the old one first: whoever claims an address of somebody who is there gets nowhere, while one that has moved is
//! found a second later. Otherwise as RFC 1122 §2.3.2 and RFC 4861 §7.3 have it: what was confirmed half a minute ago is
//! used on, and asked again.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;

use super::super::zone::{Zone, ZoneId};
use super::ethernet::MacAddress;
use crate::time::Instant;

/// Time between two questions (RFC 1122 §2.3.2.1, RFC 4861 RETRANS_TIMER).
const RETRY: Duration = Duration::from_secs(1);
/// Questions before nobody is there (RFC 4861 MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT).
const TRIES: u8 = 3;
/// How long an answer is good for (RFC 4861 REACHABLE_TIME).
const REACHABLE: Duration = Duration::from_secs(30);
/// Neighbours that are being asked at a time.
const ASKED: usize = 64;
/// And how many of them without knowing anything of them yet, because of one client.
const ASKED_FOR_EACH: usize = 16;
/// Entries that are looked at for one that may go.
const SWEEP: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked for by everybody's address.
    Incomplete,
    /// The hardware address is known.
    Known,
    /// It is known, and asked whether it is still there.
    Probed,
}

#[derive(Clone, Copy, Debug)]
struct Neighbour {
    address: IpAddr,
    mac: MacAddress,
    state: State,
    /// Questions so far.
    tries: u8,
    /// When to ask again; of one that is known: until when no question is needed.
    due: Instant,
    used: Instant,
    /// Whose packet it was asked for first.
    asked_for: ZoneId,
}

/// A question to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) address: IpAddr,
    /// The one to ask; everybody if it is not known.
    pub(super) mac: Option<MacAddress>,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there.
    At(MacAddress),
    /// It is there, and to be asked again.
    Ask(MacAddress, Question),
    /// It has been asked for already.
    Wait,
    /// It must be asked for.
    New(Question),
    /// There is no room.
    Full,
}

/// What is due by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ask(Question),
    /// Nobody has answered.
    Gone(IpAddr),
}

/// The table.
pub(super) struct Neighbours {
    entries: Vec<Neighbour>,
    limit: usize,
    index: HashTable<u32>,
    hasher: SeedableRandomState,
    /// The numbers of those that are being asked.
    asked: Vec<u32>,
    /// Where the next search for one that may go begins.
    hand: usize,
}

impl Neighbours {
    pub(super) fn new(limit: usize, seed: u64) -> Self {
        Self {
            entries: Vec::with_capacity(limit),
            limit,
            index: HashTable::with_capacity(limit),
            hasher: SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed()),
            asked: Vec::with_capacity(ASKED),
            hand: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The hardware address for a packet that came from `zone`.
    #[inline]
    pub(super) fn find(&mut self, now: Instant, address: IpAddr, zone: Zone) -> Found {
        let Some(number) = self.number(address) else { return self.begin(now, address, zone) };
        let entry = &mut self.entries[number as usize];
        entry.used = now;
        match entry.state {
            State::Incomplete => Found::Wait,
            State::Probed => Found::At(entry.mac),
            State::Known if now < entry.due => Found::At(entry.mac),
            State::Known => {
                let mac = entry.mac;
                match self.probe(now, number, 1) {
                    Some(question) => Found::Ask(mac, question),
                    None => Found::At(mac),
                }
            }
        }
    }

    /// Somebody says where `address` is; `solicited` if to us alone, as an answer. Gives back whether packets may go
    /// there now that had to wait, and what must be asked.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        address: IpAddr,
        mac: MacAddress,
        solicited: bool,
    ) -> (bool, Option<Question>) {
        let Some(number) = self.number(address) else { return (false, None) };
        let entry = &mut self.entries[number as usize];
        match entry.state {
            State::Incomplete if solicited => {
                (entry.mac, entry.state, entry.due) = (mac, State::Known, now + REACHABLE);
                self.asked.retain(|other| *other != number);
                (true, None)
            }
            State::Incomplete => (false, None),
            State::Known | State::Probed if entry.mac == mac => {
                if solicited {
                    (entry.state, entry.due) = (State::Known, now + REACHABLE);
                    self.asked.retain(|other| *other != number);
                }
                (false, None)
            }
            State::Known => (false, self.probe(now, number, TRIES)),
            State::Probed => (false, None),
        }
    }

    /// The next thing that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let at = self.asked.iter().position(|&number| self.entries[number as usize].due <= now)?;
        let number = self.asked[at];
        let entry = &mut self.entries[number as usize];
        let address = entry.address;
        if entry.tries < TRIES {
            entry.tries += 1;
            entry.due = now + RETRY;
            let mac = (entry.state == State::Probed).then_some(entry.mac);
            return Some(Due::Ask(Question { address, mac }));
        }
        if entry.state == State::Probed {
            // It may have moved.
            (entry.state, entry.tries, entry.due) = (State::Incomplete, 1, now + RETRY);
            return Some(Due::Ask(Question { address, mac: None }));
        }
        self.remove(number);
        Some(Due::Gone(address))
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.asked.iter().map(|&number| self.entries[number as usize].due).min()
    }

    /// Forgets all: the interface has gone, or is another.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.index.clear();
        self.asked.clear();
    }

    /// Asks one that is known whether it is still there, `tries` counting as already asked.
    fn probe(&mut self, now: Instant, number: u32, tries: u8) -> Option<Question> {
        if self.asked.len() >= ASKED {
            return None;
        }
        self.asked.push(number);
        let entry = &mut self.entries[number as usize];
        (entry.state, entry.tries, entry.due) = (State::Probed, tries, now + RETRY);
        Some(Question { address: entry.address, mac: Some(entry.mac) })
    }

    fn begin(&mut self, now: Instant, address: IpAddr, zone: Zone) -> Found {
        let zone = ZoneId::from(zone);
        let because = |number: &&u32| {
            let entry = &self.entries[**number as usize];
            entry.state == State::Incomplete && entry.asked_for == zone
        };
        if self.asked.len() >= ASKED || self.asked.iter().filter(because).count() >= ASKED_FOR_EACH {
            return Found::Full;
        }
        if self.entries.len() >= self.limit {
            match self.one_that_may_go() {
                Some(number) => self.remove(number),
                None => return Found::Full,
            }
        }
        let number = self.entries.len() as u32;
        self.entries.push(Neighbour {
            address,
            mac: MacAddress::default(),
            state: State::Incomplete,
            tries: 1,
            due: now + RETRY,
            used: now,
            asked_for: zone,
        });
        let hash = hash_of(&self.hasher, address);
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, number, |&number| hash_of(hasher, entries[number as usize].address));
        self.asked.push(number);
        Found::New(Question { address, mac: None })
    }

    /// Of some, the one that was not used for the longest time: it can be asked for again.
    fn one_that_may_go(&mut self) -> Option<u32> {
        let len = self.entries.len();
        let some = (0..SWEEP.min(len)).map(|step| (self.hand + step) % len);
        let found = some
            .filter(|&number| self.entries[number].state == State::Known)
            .min_by_key(|&number| self.entries[number].used);
        self.hand = (self.hand + SWEEP) % len.max(1);
        found.map(|number| number as u32)
    }

    fn remove(&mut self, number: u32) {
        let address = self.entries[number as usize].address;
        if let Ok(entry) = self.index.find_entry(hash_of(&self.hasher, address), |&other| other == number) {
            entry.remove();
        }
        self.asked.retain(|other| *other != number);
        self.entries.swap_remove(number as usize);
        // The last one has taken its place.
        let last = self.entries.len() as u32;
        if let Some(moved) = self.entries.get(number as usize) {
            let hash = hash_of(&self.hasher, moved.address);
            if let Some(entry) = self.index.find_mut(hash, |&other| other == last) {
                *entry = number;
            }
            for asked in self.asked.iter_mut().filter(|asked| **asked == last) {
                *asked = number;
            }
        }
    }

    #[inline]
    fn number(&self, address: IpAddr) -> Option<u32> {
        let hash = hash_of(&self.hasher, address);
        self.index.find(hash, |&number| self.entries[number as usize].address == address).copied()
    }
}

#[inline]
fn hash_of(hasher: &SeedableRandomState, address: IpAddr) -> u64 {
    let mut state = hasher.build_hasher();
    match address {
        IpAddr::V4(address) => state.write_u32(address.to_bits()),
        IpAddr::V6(address) => state.write_u128(address.to_bits()),
    }
    state.finish()
}
