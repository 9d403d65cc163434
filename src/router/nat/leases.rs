//! [`Leases`]: outside addresses, or blocks of their ports, that are one identity's own, so that who sees one outside
//! knows who it is.
//!
//! A lease is an identity's while a client of it is connected; afterwards it rests, and then goes to whoever needs one
//! first. An identity that comes back gets the one that it had, if nobody else has got it meanwhile. As soon as some are
//! left that nobody ever had, those are taken first: a log is then easier to read.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::super::address::Address;
use super::super::wheel::NONE;
use super::Slice;
use crate::peer::PeerId;

/// The first port of the first block.
const FIRST_PORT: u32 = 1024;

/// What can be leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pool<A> {
    /// Whole addresses.
    Addresses(Vec<RangeInclusive<A>>),
    /// Blocks of so many ports.
    Blocks { addresses: Vec<A>, size: u16 },
}

/// All leases of one family.
pub(super) struct Leases<A> {
    pool: Pool<A>,
    /// By their place in the pool.
    records: Vec<Lease>,
    by_identity: BTreeMap<Arc<str>, u32>,
    /// Which one each client has, by the index of its handle.
    held: Vec<u32>,
    limit: usize,
    /// Nothing that rests can be had before this tick.
    none_before: u32,
}

/// Whose it is.
struct Lease {
    identity: Arc<str>,
    /// How many clients of that identity are connected and use it.
    users: u32,
    /// When the last of them went, in the router's ticks.
    since: u32,
}

/// A lease that begins or ends.
#[derive(Clone, Debug)]
pub(super) struct Change<A> {
    pub(super) identity: Arc<str>,
    pub(super) slice: Slice<A>,
}

impl<A: Address> Pool<A> {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there are.
    fn len(&self) -> u64 {
        match self {
            Self::Addresses(ranges) => ranges.iter().map(count).fold(0, u64::saturating_add),
            Self::Blocks { addresses, size } => addresses.len() as u64 * u64::from(blocks(*size)),
        }
    }

    /// The one in that place. Blocks go round the addresses, so that each has as few clients as can be.
    fn get(&self, place: u32) -> Option<Slice<A>> {
        match self {
            Self::Addresses(ranges) => {
                let mut place = u64::from(place);
                for range in ranges {
                    if place < count(range) {
                        let address = A::from_number(range.start().to_number() + u128::from(place));
                        return Some(Slice { address, ports: 0..=u16::MAX, keep: true });
                    }
                    place -= count(range);
                }
                None
            }
            Self::Blocks { addresses, size } => {
                let (block, which) =
                    (place.checked_div(addresses.len() as u32)?, place % addresses.len() as u32);
                if block >= blocks(*size) {
                    return None;
                }
                let first = FIRST_PORT + block * u32::from(*size);
                let last = first + u32::from(*size) - 1;
                let address = *addresses.get(which as usize)?;
                Some(Slice { address, ports: first as u16..=last as u16, keep: false })
            }
        }
    }

    /// The place of the one that an outside end belongs to.
    fn place(&self, address: A, port: u16) -> Option<u32> {
        match self {
            Self::Addresses(ranges) => {
                let mut before = 0_u64;
                for range in ranges {
                    if range.contains(&address) {
                        let within = address.to_number() - range.start().to_number();
                        return u32::try_from(u128::from(before) + within).ok();
                    }
                    before = before.saturating_add(count(range));
                }
                None
            }
            Self::Blocks { addresses, size } => {
                let which = addresses.iter().position(|own| *own == address)? as u32;
                let block = u32::from(port).checked_sub(FIRST_PORT)? / u32::from(*size);
                (block < blocks(*size)).then_some(block * addresses.len() as u32 + which)
            }
        }
    }

    /// Whether an address is one of its.
    pub(super) fn contains(&self, address: A) -> bool {
        match self {
            Self::Addresses(ranges) => ranges.iter().any(|range| range.contains(&address)),
            Self::Blocks { addresses, .. } => addresses.contains(&address),
        }
    }
}

/// Blocks of an address.
fn blocks(size: u16) -> u32 {
    (0x1_0000 - FIRST_PORT) / u32::from(size.max(1))
}

/// Addresses of a range.
fn count<A: Address>(range: &RangeInclusive<A>) -> u64 {
    let span = range.end().to_number().saturating_sub(range.start().to_number());
    u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1)
}

impl<A: Address> Leases<A> {
    /// `limit`: the most that are remembered, those that rest included.
    pub(super) fn new(pool: Pool<A>, limit: usize) -> Self {
        Self {
            pool,
            records: Vec::new(),
            by_identity: BTreeMap::new(),
            held: Vec::new(),
            limit,
            none_before: 0,
        }
    }

    pub(super) fn pool(&self) -> &Pool<A> {
        &self.pool
    }

    /// What that client has.
    pub(super) fn held_by(&self, peer: PeerId) -> Option<Slice<A>> {
        self.pool.get(*self.held.get(peer.index()).filter(|place| **place != NONE)?)
    }

    /// Gives a client one. If its identity had none in use, tells so.
    pub(super) fn lease(
        &mut self,
        peer: PeerId,
        identity: &Arc<str>,
        tick: u32,
        rest: u32,
    ) -> Option<(Slice<A>, Option<Change<A>>)> {
        let place = self.find(identity, tick, rest)?;
        let slice = self.pool.get(place)?;
        let lease = self.records.get_mut(place as usize)?;
        lease.users += 1;
        let change =
            (lease.users == 1).then(|| Change { identity: Arc::clone(identity), slice: slice.clone() });
        let index = peer.index();
        if self.held.len() <= index {
            self.held.resize(index + 1, NONE);
        }
        self.held[index] = place;
        Some((slice, change))
    }

    /// A client needs its own no longer. If it was the last of its identity, tells so.
    pub(super) fn release(&mut self, peer: PeerId, tick: u32) -> Option<Change<A>> {
        let place = core::mem::replace(self.held.get_mut(peer.index())?, NONE);
        let lease = self.records.get_mut(place as usize)?;
        lease.users = lease.users.saturating_sub(1);
        if lease.users > 0 {
            return None;
        }
        lease.since = tick;
        self.none_before = 0;
        Some(Change { identity: Arc::clone(&lease.identity), slice: self.pool.get(place)? })
    }

    fn find(&mut self, identity: &Arc<str>, tick: u32, rest: u32) -> Option<u32> {
        if let Some(place) = self.by_identity.get(identity) {
            return Some(*place);
        }
        let lease = Lease { identity: Arc::clone(identity), users: 0, since: tick };
        let place = if (self.records.len() as u64) < self.pool.len() && self.records.len() < self.limit {
            self.records.push(lease);
            self.records.len() as u32 - 1
        } else {
            let place = self.longest_rested(tick, rest)?;
            let before = core::mem::replace(self.records.get_mut(place as usize)?, lease);
            self.by_identity.remove(&before.identity);
            place
        };
        self.by_identity.insert(Arc::clone(identity), place);
        Some(place)
    }

    fn longest_rested(&mut self, tick: u32, rest: u32) -> Option<u32> {
        if tick < self.none_before {
            return None;
        }
        let unused = (0_u32..).zip(&self.records).filter(|(_, lease)| lease.users == 0);
        let Some((place, lease)) = unused.min_by_key(|(_, lease)| lease.since) else {
            self.none_before = u32::MAX; // before one is released
            return None;
        };
        self.none_before = lease.since.saturating_add(rest);
        (tick >= self.none_before).then_some(place)
    }

    /// Whose an outside end is now.
    pub(super) fn owner(&self, address: A, port: u16) -> Option<&Arc<str>> {
        let lease = self.records.get(self.pool.place(address, port)? as usize)?;
        (lease.users > 0).then_some(&lease.identity)
    }

    /// All are taken away.
    pub(super) fn end(&mut self) -> Vec<Change<A>> {
        self.held.clear();
        let mut ended = Vec::new();
        for (place, lease) in (0_u32..).zip(&mut self.records) {
            if core::mem::take(&mut lease.users) > 0
                && let Some(slice) = self.pool.get(place)
            {
                ended.push(Change { identity: Arc::clone(&lease.identity), slice });
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 1, last)
    }

    fn lease(leases: &mut Leases<Ipv4Addr>, number: u32, tick: u32) -> Option<Ipv4Addr> {
        let identity = alloc::format!("client{number}").into();
        leases.lease(PeerId::new(number, 0), &identity, tick, 100).map(|(slice, _)| slice.address)
    }

    #[test]
    fn who_comes_back_gets_its_own_and_who_comes_anew_what_has_rested_longest() {
        let pool = Pool::Addresses(vec![v4(200)..=v4(200), v4(210)..=v4(211)]);
        let mut leases = Leases::new(pool, 10);
        assert_eq!(
            [1, 2, 3].map(|number| lease(&mut leases, number, 0)),
            [200, 210, 211].map(|it| Some(v4(it)))
        );
        assert_eq!(lease(&mut leases, 4, 0), None);
        for (number, tick) in [(2, 10), (1, 20)] {
            assert!(leases.release(PeerId::new(number, 0), tick).is_some());
        }
        assert_eq!(lease(&mut leases, 4, 109), None);
        assert_eq!(lease(&mut leases, 4, 110), Some(v4(210)));
        assert_eq!(lease(&mut leases, 1, 110), Some(v4(200)));
        assert_eq!(lease(&mut leases, 2, 10_000), None);
        assert_eq!(leases.owner(v4(210), 5).map(|it| &**it), Some("client4"));
        assert_eq!(leases.owner(v4(205), 5), None);
    }

    #[test]
    fn two_clients_of_one_identity_share() {
        let mut leases = Leases::new(Pool::Addresses(vec![v4(200)..=v4(201)]), 10);
        let identity = "same".into();
        let first = leases.lease(PeerId::new(1, 0), &identity, 0, 100).expect("one");
        let second = leases.lease(PeerId::new(2, 0), &identity, 0, 100).expect("the same");
        assert_eq!(first.0, second.0);
        assert!(first.1.is_some() && second.1.is_none());
        assert!(leases.release(PeerId::new(1, 0), 5).is_none());
        assert!(leases.release(PeerId::new(2, 0), 6).is_some());
        assert!(leases.release(PeerId::new(2, 0), 7).is_none());
    }

    #[test]
    fn an_address_has_sixty_three_blocks_of_a_thousand_and_twenty_four() {
        let pool = Pool::Blocks { addresses: vec![v4(1), v4(2)], size: 1024 };
        assert_eq!(pool.len(), 126);
        let all: Vec<_> = (0..126).map(|place| pool.get(place).expect("a block")).collect();
        assert_eq!((all[0].address, all[0].ports.clone()), (v4(1), 1024..=2047));
        assert_eq!((all[125].address, all[125].ports.clone()), (v4(2), 64512..=65535));
        for (place, slice) in (0..).zip(&all) {
            for port in [*slice.ports.start(), *slice.ports.end()] {
                assert_eq!(pool.place(slice.address, port), Some(place));
            }
        }
        assert_eq!(pool.get(NONE), None, "a client that has given back its own");
        assert_eq!((pool.get(126), pool.place(v4(1), 1023), pool.place(v4(3), 2000)), (None, None, None));
    }

    #[test]
    fn a_pool_as_large_as_a_network_of_ipv6_is_no_trouble() {
        let first = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0x100);
        let last = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF);
        let mut leases = Leases::new(Pool::Addresses(vec![first..=last]), 2);
        let mut lease = |number, tick| {
            let identity = alloc::format!("client{number}").into();
            let (slice, _) = leases.lease(PeerId::new(number, 0), &identity, tick, 100)?;
            leases.release(PeerId::new(number, 0), tick);
            Some(slice.address.segments()[7])
        };
        assert_eq!((lease(1, 0), lease(2, 1)), (Some(0x100), Some(0x101)));
        // No more are remembered.
        assert_eq!((lease(3, 2), lease(3, 100)), (None, Some(0x100)));
    }
}
