//! What one client may have: its [`Budget`]; and how much the host is told of what happens all the time.

use alloc::sync::Arc;

use super::event::RouterEvent;
use super::zone::Zone;
use super::{Common, TICK_SHIFT};
use crate::config::ClientLimits;
use crate::peer::PeerId;
use crate::reason::DropReason;

/// Ticks after which a bucket is full again, whatever was taken: a little more than a second.
const FULL: u32 = (1_000_000_000 >> TICK_SHIFT) + 1;
/// A tick in nanoseconds.
const TICK: u64 = 1 << TICK_SHIFT;
const NANOS: u64 = 1_000_000_000;

/// So many units a second, of which a second's worth may come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Units a second.
    rate: u64,
    /// What is left, in billionths of a unit.
    left: u64,
    /// When that was counted.
    at: u32,
}

impl Bucket {
    pub(super) fn new(rate: u64, tick: u32) -> Self {
        Self { rate, left: rate.saturating_mul(NANOS), at: tick }
    }

    /// Takes `units`, if they are there. More than a second's worth takes all there is of a full one, so that a large
    /// packet is not stuck for ever.
    #[inline]
    pub(super) fn take(&mut self, units: u64, tick: u32) -> bool {
        let full = self.rate.saturating_mul(NANOS);
        let passed = tick.saturating_sub(self.at);
        if passed > 0 {
            let gained = u64::from(passed.min(FULL)).saturating_mul(self.rate.saturating_mul(TICK));
            self.left = self.left.saturating_add(gained).min(full);
            self.at = tick;
        }
        let price = units.saturating_mul(NANOS).min(full);
        let enough = self.rate > 0 && self.left >= price;
        if enough {
            self.left -= price;
        }
        enough
    }
}

/// How often something is told that may happen all the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    bucket: Bucket,
    /// How often it has happened since it was last told.
    untold: u64,
}

impl Telling {
    /// So many times a second at most.
    pub(super) fn new(rate: u64, tick: u32) -> Self {
        Self { bucket: Bucket::new(rate, tick), untold: 0 }
    }

    /// It has happened. If it may be told now: how often it happened untold before.
    pub(super) fn happened(&mut self, tick: u32) -> Option<u64> {
        if self.bucket.take(1, tick) {
            return Some(core::mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }

    /// It could not be told after all, nor the `untold` ones before.
    pub(super) fn put_off(&mut self, untold: u64) {
        self.untold = untold + 1;
    }
}

/// Something that a client may have so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// `client-limit flows`: flows at a time.
    Flows,
    /// Twice as many flows as there is room left for: no client takes more of the table, whatever it may by the
    /// configuration.
    Share,
    /// `client-limit new-flows`: new flows a second.
    NewFlows,
    /// `client-limit ports`: outside ports at a time, of one protocol.
    Ports,
    /// `client-limit rate-from`: bytes a second from the client.
    RateFrom,
    /// `client-limit rate-to`: bytes a second to the client.
    RateTo,
    /// `client-limit bytes`: bytes in both directions in one session.
    Bytes,
}

/// How long the host is not told again of the same limit of the same client, in ticks: about a minute.
pub(super) const QUIET: u32 = (60_000_000_000_u64 >> TICK_SHIFT) as u32;

/// What a client has, and may have.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limits: ClientLimits,
    /// Its flows, IPv4 and IPv6.
    flows: [u32; 2],
    new_flows: Option<Bucket>,
    rate_from: Option<Bucket>,
    rate_to: Option<Bucket>,
    /// Bytes carried so far.
    bytes: u64,
    /// When the host was last told of each limit.
    told: [Option<u32>; 7],
}

impl Budget {
    pub(super) fn new(limits: ClientLimits, tick: u32) -> Self {
        let bucket = |rate: Option<u64>| rate.map(|rate| Bucket::new(rate, tick));
        Self {
            limits,
            flows: [0; 2],
            new_flows: bucket(limits.new_flows.map(u64::from)),
            rate_from: bucket(limits.rate_from),
            rate_to: bucket(limits.rate_to),
            bytes: 0,
            told: [None; 7],
        }
    }

    /// Others are in force from now on. What it has it keeps, and buckets whose rate is the same stay as full as they are.
    pub(super) fn set_limits(&mut self, limits: ClientLimits, tick: u32) {
        let before = core::mem::replace(self, Self::new(limits, tick));
        (self.flows, self.bytes) = (before.flows, before.bytes);
        for (bucket, before) in [
            (&mut self.new_flows, before.new_flows),
            (&mut self.rate_from, before.rate_from),
            (&mut self.rate_to, before.rate_to),
        ] {
            if let (Some(bucket), Some(before)) = (bucket, before)
                && bucket.rate == before.rate
            {
                *bucket = before;
            }
        }
    }

    pub(super) fn limits(&self) -> &ClientLimits {
        &self.limits
    }

    /// How many flows it has, of both families.
    pub(super) fn flow_count(&self) -> u32 {
        self.flows[0] + self.flows[1]
    }

    pub(super) fn flow_began(&mut self, v6: bool) {
        self.flows[usize::from(v6)] += 1;
    }

    pub(super) fn flow_ended(&mut self, v6: bool) {
        let count = &mut self.flows[usize::from(v6)];
        *count = count.saturating_sub(1);
    }

    /// The limit that another flow would be beyond, changing nothing; `room` is how many fit beside those there are.
    pub(super) fn flow_limit(&self, v6: bool, room: usize) -> Option<LimitKind> {
        if self.limits.flows.is_some_and(|most| self.flow_count() >= most) {
            return Some(LimitKind::Flows);
        }
        is_beyond_share(self.flows[usize::from(v6)], room).then_some(LimitKind::Share)
    }

    /// Takes what a new flow takes, unless it is beyond a limit.
    pub(super) fn take_flow(&mut self, v6: bool, room: usize, tick: u32) -> Result<(), LimitKind> {
        if let Some(limit) = self.flow_limit(v6, room) {
            return Err(limit);
        }
        let in_time = self.new_flows.as_mut().is_none_or(|bucket| bucket.take(1, tick));
        if in_time { Ok(()) } else { Err(LimitKind::NewFlows) }
    }

    /// Takes what a packet takes that comes from the client, or goes to it.
    #[inline]
    fn take_bytes(&mut self, from: bool, len: usize, tick: u32) -> Result<(), LimitKind> {
        let bytes = self.bytes.saturating_add(len as u64);
        if self.limits.bytes.is_some_and(|most| bytes > most) {
            return Err(LimitKind::Bytes);
        }
        let (bucket, kind) = if from {
            (&mut self.rate_from, LimitKind::RateFrom)
        } else {
            (&mut self.rate_to, LimitKind::RateTo)
        };
        if let Some(bucket) = bucket
            && !bucket.take(len as u64, tick)
        {
            return Err(kind);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The value of a limit.
    fn value(&self, kind: LimitKind) -> u64 {
        let limits = &self.limits;
        match kind {
            LimitKind::Flows => limits.flows.map(u64::from),
            LimitKind::Share => Some(self.flows[0].max(self.flows[1]).into()),
            LimitKind::NewFlows => limits.new_flows.map(u64::from),
            LimitKind::Ports => limits.ports.map(u64::from),
            LimitKind::RateFrom => limits.rate_from,
            LimitKind::RateTo => limits.rate_to,
            LimitKind::Bytes => limits.bytes,
        }
        .unwrap_or(0)
    }
}

/// Whether whoever has so many flows may have no other where there is room for so many more.
///
/// Nobody may have more than twice what is left (the "dynamic threshold" of shared-memory switches): one alone gets two
/// thirds of a table, ten that take all they can get two twenty-firsts each, and there is always room for one more.
pub(super) fn is_beyond_share(flows: u32, room: usize) -> bool {
    flows as usize >= room.saturating_mul(2)
}

impl Common {
    /// Whether whoever is answerable for a flow between these zones may begin one; `room` is how many more the table
    /// takes. Between clients, and from a client to outside, that is the one who begins it; from outside to a client, the
    /// client; what is no client's counts together.
    pub(super) fn take_flow(
        &mut self,
        tick: u32,
        (from, to): (Zone, Zone),
        v6: bool,
        room: usize,
    ) -> Result<(), DropReason> {
        if room == 0 {
            self.events.flows_full(tick);
            return Err(DropReason::FlowsFull);
        }
        let Some(peer) = answerable(from, to) else {
            let flows = self.transit[usize::from(v6)];
            return if is_beyond_share(flows, room) { Err(DropReason::ClientLimit) } else { Ok(()) };
        };
        let client = self.clients.get_mut(peer).ok_or(DropReason::NoRoute)?;
        client.budget.take_flow(v6, room, tick).map_err(|kind| {
            self.limit_reached(tick, peer, kind);
            DropReason::ClientLimit
        })
    }

    /// Counts a packet against what both its ends may send and get.
    #[inline]
    pub(super) fn take_bytes(&mut self, from: Zone, to: Zone, len: usize) -> Result<(), DropReason> {
        for (zone, is_from) in [(from, true), (to, false)] {
            if let Zone::Peer(peer) = zone
                && let Some(client) = self.clients.get_mut(peer)
                && let Err(kind) = client.budget.take_bytes(is_from, len, self.tick)
            {
                self.limit_reached(self.tick, peer, kind);
                return Err(DropReason::ClientRate);
            }
        }
        Ok(())
    }

    /// Tells the host that a client has come up against a limit, unless it was told lately.
    #[cold]
    pub(super) fn limit_reached(&mut self, tick: u32, peer: PeerId, kind: LimitKind) {
        let Some(client) = self.clients.get_mut(peer) else { return };
        let told = &mut client.budget.told[kind as usize];
        if told.is_some_and(|told| tick.saturating_sub(told) < QUIET) {
            return;
        }
        *told = Some(tick);
        let (identity, limit) = (Arc::clone(&client.identity), client.budget.value(kind));
        self.events.push(RouterEvent::LimitReached { peer, identity, kind, limit });
    }
}

/// The client whose flow it is.
pub(super) fn answerable(from: Zone, to: Zone) -> Option<PeerId> {
    match (from, to) {
        (Zone::Peer(peer), _) | (Zone::Host | Zone::Lan, Zone::Peer(peer)) => Some(peer),
        (Zone::Host | Zone::Lan, Zone::Host | Zone::Lan) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_its_rate_and_no_more() {
        let mut bucket = Bucket::new(3, 0);
        let taken = |bucket: &mut Bucket, tick| (0..100).filter(|_| bucket.take(1, tick)).count();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 0), 0);
        // 1000 ticks are 134.2 s: taken as they come, tick by tick.
        let all: usize = (1..=1000).map(|tick| taken(&mut bucket, tick)).sum();
        assert_eq!(all, 402);
        assert_eq!(taken(&mut bucket, 1_000_000), 3);
    }

    #[test]
    fn a_packet_beyond_a_seconds_worth_takes_it_all() {
        let mut bucket = Bucket::new(500, 0);
        assert!(bucket.take(1500, 0));
        assert!(!bucket.take(1, 0));
        assert!(!bucket.take(1500, 7));
        assert!(bucket.take(1500, 8));
    }

    #[test]
    fn rates_beyond_all_sense_do_not_overflow() {
        let mut bucket = Bucket::new(u64::MAX, 0);
        assert!((0..u32::MAX).step_by(1 << 28).all(|tick| bucket.take(65_535, tick)));
        assert!(!Bucket::new(0, 0).take(1, 100));
    }
}
