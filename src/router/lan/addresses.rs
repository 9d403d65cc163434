//! [`Addresses`]: what we answer for on the LAN: the port's own addresses, and those that clients have been given.
//!
//! None is used before it was asked for and nobody had it (RFC 5227 §2.1, RFC 4862 §5.4); then the LAN is told. A second
//! is what that takes for either family: RFC 5227's own intervals, made for links of any kind and age, would have a client
//! wait for seven. One that somebody else has is not used, and looked after again a minute later.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::ethernet::MacAddress;
use crate::time::Instant;

/// Questions whether anybody has it.
const PROBES: u8 = 3;
const PROBE_EVERY: Duration = Duration::from_millis(330);
/// And how often the LAN is told (RFC 5227 ANNOUNCE_NUM, ANNOUNCE_INTERVAL).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// How long somebody else's is left alone.
const CONFLICT: Duration = Duration::from_secs(60);
/// How often at most it is defended (RFC 5227 DEFEND_INTERVAL).
const DEFEND_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many questions have been sent.
    Probing(u8),
    /// It is used; so many announcements have been sent.
    Used(u8),
    /// Somebody else has it.
    Conflict,
}

#[derive(Clone, Copy, Debug)]
struct Ours {
    address: IpAddr,
    state: State,
    due: Option<Instant>,
    defended: Option<Instant>,
    /// How many need it.
    holders: u32,
}

/// How we stand to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is none of ours.
    No,
    /// It will be, if nobody else has it.
    Tentative,
    /// It is ours.
    Ours,
    /// It would be, but somebody else has it.
    Conflict,
}

/// What is to be sent about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Does anybody have it?
    Probe(IpAddr),
    /// We have it. For the first time: packets from it may go.
    Announce { address: IpAddr, first: bool },
}

/// Somebody else uses one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) address: IpAddr,
    pub(super) mac: MacAddress,
    /// Whether it is ours all the same: it was before.
    pub(super) kept: bool,
}

/// All of ours, sorted.
#[derive(Default)]
pub(super) struct Addresses {
    all: Vec<Ours>,
    /// How many of them may not be used.
    unusable: usize,
    next: Option<Instant>,
}

impl Addresses {
    /// One more needs `address`. Where it is new, it is probed from now on.
    pub(super) fn claim(&mut self, address: IpAddr) {
        match self.search(address) {
            Ok(at) => self.all[at].holders += 1,
            Err(at) => {
                let due = Some(Instant::ZERO);
                let state = State::Probing(0);
                self.all.insert(at, Ours { address, state, due, defended: None, holders: 1 });
                self.settle();
            }
        }
    }

    /// One less needs it. Gives back whether nobody does any more: then it is ours no longer.
    pub(super) fn release(&mut self, address: IpAddr) -> bool {
        let Ok(at) = self.search(address) else { return false };
        self.all[at].holders = self.all[at].holders.saturating_sub(1);
        if self.all[at].holders > 0 {
            return false;
        }
        self.all.remove(at);
        self.settle();
        true
    }

    /// The link is new: all must be looked after again.
    pub(super) fn restart(&mut self) {
        for ours in &mut self.all {
            (ours.state, ours.due) = (State::Probing(0), Some(Instant::ZERO));
        }
        self.settle();
    }

    #[inline]
    pub(super) fn standing(&self, address: IpAddr) -> Standing {
        let Ok(at) = self.search(address) else { return Standing::No };
        match self.all[at].state {
            State::Probing(_) => Standing::Tentative,
            State::Used(_) => Standing::Ours,
            State::Conflict => Standing::Conflict,
        }
    }

    /// Whether packets may go from all of them.
    #[inline]
    pub(super) fn all_usable(&self) -> bool {
        self.unusable == 0
    }

    /// Whether it is one of ours, in whatever state.
    #[inline]
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.search(address).is_ok()
    }

    /// Somebody else says that `address` is his, or, with `probe`, asks whether he may have it.
    pub(super) fn clash(
        &mut self,
        now: Instant,
        address: IpAddr,
        mac: MacAddress,
        probe: bool,
    ) -> Option<Clash> {
        let ours = match self.search(address) {
            Ok(at) => &mut self.all[at],
            Err(_) => return None,
        };
        let clash = match ours.state {
            State::Probing(_) => {
                (ours.state, ours.due) = (State::Conflict, Some(now + CONFLICT));
                Clash { address, mac, kept: false }
            }
            State::Conflict => {
                ours.due = Some(now + CONFLICT);
                self.settle();
                return None;
            }
            // Who only asks is answered.
            State::Used(_) if probe => return None,
            State::Used(_) => {
                if ours.defended.is_some_and(|last| now.since(last) < DEFEND_EVERY) {
                    return None;
                }
                ours.defended = Some(now);
                (ours.state, ours.due) = (State::Used(ANNOUNCEMENTS - 1), Some(now));
                Clash { address, mac, kept: true }
            }
        };
        self.settle();
        Some(clash)
    }

    /// The next word that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<Word> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        let ours = self.all.iter_mut().find(|ours| ours.due.is_some_and(|due| due <= now))?;
        let address = ours.address;
        let word = match ours.state {
            State::Conflict => {
                (ours.state, ours.due) = (State::Probing(1), Some(now + PROBE_EVERY));
                Word::Probe(address)
            }
            State::Probing(sent) if sent < PROBES => {
                (ours.state, ours.due) = (State::Probing(sent + 1), Some(now + PROBE_EVERY));
                Word::Probe(address)
            }
            State::Probing(_) => {
                (ours.state, ours.due) = (State::Used(1), Some(now + ANNOUNCE_EVERY));
                Word::Announce { address, first: true }
            }
            State::Used(sent) => {
                let sent = sent + 1;
                ours.due = (sent < ANNOUNCEMENTS).then(|| now + ANNOUNCE_EVERY);
                ours.state = State::Used(sent.min(ANNOUNCEMENTS));
                Word::Announce { address, first: false }
            }
        };
        self.settle();
        Some(word)
    }

    /// When the next word is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn settle(&mut self) {
        self.unusable = self.all.iter().filter(|ours| !matches!(ours.state, State::Used(_))).count();
        self.next = self.all.iter().filter_map(|ours| ours.due).min();
    }

    #[inline]
    fn search(&self, address: IpAddr) -> Result<usize, usize> {
        self.all.binary_search_by_key(&address, |ours| ours.address)
    }
}
