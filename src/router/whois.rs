//! Who it was: which client had an outside address and port, and when.
//!
//! Answered from what is there (leases, flows) and from what was: the last leases and translated flows that ended, as
//! many as [`Limits::history`](crate::limits::Limits::history) says. What lies further back than that is not known, and
//! the answer says so; the flow log knows ([`LogSearch`](super::LogSearch)).

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use super::address::Address;
use super::event::{Lease, RouterEvent};
use super::flow::Flow;
use super::packet::{ICMP, ICMPV6, TCP, UDP};
use super::record::{OutsideEnd, WHOLE};
use super::zone::Zone;
use super::{Common, Family, Router, instant};
use crate::config::IpNetwork;
use crate::peer::PeerId;
use crate::time::Instant;

/// What is known of somebody outside: from a line of another host's log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The address that was seen.
    pub address: IpAddr,
    /// And the port, or the identifier of a ping.
    pub port: Option<u16>,
    /// The protocol's number above IP.
    pub protocol: Option<u8>,
    /// Where it went. Only needed with `nat-mapping tcp-per-destination`, where two clients may have the same port.
    pub destination: Option<SocketAddr>,
}

impl Question {
    /// Who had that address?
    pub fn new(address: IpAddr) -> Self {
        Self { address, port: None, protocol: None, destination: None }
    }

    /// Whether it is about these ends.
    pub(super) fn fits(
        &self,
        outside: &OutsideEnd,
        protocol: Option<u8>,
        destination: Option<&OutsideEnd>,
    ) -> bool {
        // A port means nothing to a protocol that has none.
        let has_ports = protocol.is_none_or(|protocol| matches!(protocol, TCP | UDP | ICMP | ICMPV6));
        outside.holds(self.address, self.port)
            && (has_ports || self.port.is_none())
            && self.protocol.is_none_or(|asked| protocol.is_none_or(|protocol| protocol == asked))
            && self.destination.is_none_or(|asked| {
                destination.is_none_or(|other| other.holds(asked.ip(), Some(asked.port())))
            })
    }
}

/// Who had it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its identity.
    pub identity: Arc<str>,
    /// What it had: an end of a flow, or a lease.
    pub outside: OutsideEnd,
    /// For a flow: the protocol's number above IP.
    pub protocol: Option<u8>,
    /// For a flow: the client's own end.
    pub inside: Option<OutsideEnd>,
    /// For a flow: where it went.
    pub destination: Option<OutsideEnd>,
    /// When it began, rounded down to the router's clock, which ticks about seven times a second.
    pub since: Instant,
    /// When it ended, rounded up; none if it goes on.
    pub until: Option<Instant>,
}

/// What [`Router::whois`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WhoisAnswer {
    /// All that fit, leases first.
    pub holders: Vec<Holder>,
    /// Of what ended before this, some is forgotten: an answer about an earlier time may lack somebody.
    pub reaches_back: Instant,
    at: Instant,
}

impl WhoisAnswer {
    /// Whether nothing of that time is forgotten.
    pub fn is_complete(&self) -> bool {
        self.reaches_back <= self.at
    }
}

/// `client1: 10.0.1.3:40000 for 10.8.0.6:40000 to 10.0.2.2:22`, a line for each holder.
impl fmt::Display for WhoisAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        for Holder { identity, outside, inside, destination, .. } in &self.holders {
            lines += &alloc::format!("{identity}: {outside}");
            if let Some(inside) = inside {
                lines += &alloc::format!(" for {inside}");
            }
            if let Some(destination) = destination {
                lines += &alloc::format!(" to {destination}");
            }
            lines += "\n";
        }
        if self.holders.is_empty() {
            lines += "nobody\n";
        }
        if !self.is_complete() {
            lines += "some of what was at that time is forgotten here: the flow log may know more\n";
        }
        f.write_str(lines.trim_end())
    }
}

/// The last so many of something.
pub(super) struct Ring<T> {
    items: VecDeque<T>,
    limit: usize,
    /// All that ended later than that is known; in ticks.
    forgotten: u32,
}

impl<T> Ring<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), limit, forgotten: 0 }
    }

    /// Adds one; `until` tells when one ended.
    fn push(&mut self, item: T, until: impl Fn(&T) -> u32) {
        if self.items.len() >= self.limit {
            let oldest = self.items.pop_front();
            let oldest = oldest.as_ref().unwrap_or(&item);
            self.forgotten = self.forgotten.max(until(oldest).saturating_add(1));
        }
        if self.limit > 0 {
            self.items.push_back(item);
        }
    }
}

/// A translated flow that has ended.
pub(super) struct Past<A> {
    identity: Arc<str>,
    ends: Ends<A>,
    protocol: u8,
    since: u32,
    until: u32,
}

/// The three ends of a client's flow.
#[derive(Clone, Copy)]
pub(super) struct Ends<A> {
    /// The client's, as the client has it.
    pub(super) inside: (A, u16),
    /// The same as others see it.
    pub(super) outside: (A, u16),
    /// The other's.
    pub(super) destination: (A, u16),
}

impl<A: Address> Ends<A> {
    /// Those of a flow that is a client's, and which client's.
    pub(super) fn of(flow: &Flow<A>) -> Option<(PeerId, Self)> {
        let [forth, back] = flow.tuples;
        match flow.zones.map(super::ZoneId::get) {
            [Zone::Peer(peer), _] => Some((
                peer,
                Self {
                    inside: (forth.source, forth.source_port),
                    outside: (back.destination, back.destination_port),
                    destination: (back.source, back.source_port),
                },
            )),
            [_, Zone::Peer(peer)] => Some((
                peer,
                Self {
                    inside: (back.source, back.source_port),
                    outside: (forth.destination, forth.destination_port),
                    destination: (forth.source, forth.source_port),
                },
            )),
            _ => None,
        }
    }

    fn holder(&self, identity: &Arc<str>, protocol: u8, since: u32, until: Option<u32>) -> Holder {
        let [inside, outside, destination] =
            [self.inside, self.outside, self.destination].map(|end| socket_end(protocol, end));
        Holder {
            identity: Arc::clone(identity),
            outside,
            protocol: Some(protocol),
            inside: Some(inside),
            destination: Some(destination),
            since: instant(since),
            until: until.map(after),
        }
    }
}

fn socket_end<A: Address>(protocol: u8, (address, port): (A, u16)) -> OutsideEnd {
    OutsideEnd::of(protocol, SocketAddr::new(address.into(), port))
}

/// The end of a tick.
fn after(tick: u32) -> Instant {
    instant(tick.saturating_add(1))
}

/// Outside addresses and blocks, and who has and had them.
pub(super) struct Leases {
    live: Vec<Lease>,
    past: Ring<Lease>,
}

impl Leases {
    pub(super) fn new(history: usize) -> Self {
        Self { live: Vec::new(), past: Ring::new(history) }
    }
}

impl Common {
    /// An address, or a block of its ports, or a network is that identity's from now on. The host is told if flows are
    /// logged.
    pub(super) fn lease_began(
        &mut self,
        tick: u32,
        identity: &Arc<str>,
        network: IpNetwork,
        ports: Option<RangeInclusive<u16>>,
    ) {
        let outside = OutsideEnd { network, ports: ports.unwrap_or(WHOLE) };
        let lease = Lease { identity: Arc::clone(identity), outside, since: instant(tick), until: None };
        if self.config.log_flows {
            self.events.push(RouterEvent::LeaseStarted(lease.clone()));
        }
        self.leases.live.push(lease);
    }

    /// And so no longer.
    pub(super) fn lease_ended(
        &mut self,
        tick: u32,
        identity: &str,
        network: IpNetwork,
        ports: Option<RangeInclusive<u16>>,
    ) {
        let outside = OutsideEnd { network, ports: ports.unwrap_or(WHOLE) };
        let is_it = |lease: &Lease| lease.outside == outside && *lease.identity == *identity;
        let Some(at) = self.leases.live.iter().position(is_it) else { return };
        let mut lease = self.leases.live.swap_remove(at);
        lease.until = Some(after(tick));
        if self.config.log_flows {
            self.events.push(RouterEvent::LeaseEnded(lease.clone()));
        }
        self.leases.past.push(lease, |_| tick);
    }
}

impl Common {
    /// A network became, or was, that client's: its addresses in the tunnel, what is behind it.
    pub(super) fn client_lease(&mut self, tick: u32, peer: PeerId, network: IpNetwork, began: bool) {
        let Some(identity) = self.identity_of(peer) else { return };
        if began {
            self.lease_began(tick, &identity, network, None);
        } else {
            self.lease_ended(tick, &identity, network, None);
        }
    }
}

impl<A: Address> Family<A> {
    /// Keeps in mind whose a flow was that has ended, if it does not show.
    pub(super) fn remember(&mut self, common: &Common, flow: &Flow<A>) {
        let Some((peer, ends)) = Ends::of(flow) else { return };
        if ends.inside == ends.outside {
            return;
        }
        let Some(identity) = common.identity_of(peer) else { return };
        let past = Past { identity, ends, protocol: flow.protocol, since: flow.started, until: flow.last };
        self.past.push(past, |past| past.until);
    }

    fn whois(&self, common: &Common, question: &Question, at: Instant, out: &mut WhoisAnswer) {
        let live = self.flows.iter().filter_map(|(_, flow)| {
            let (peer, ends) = Ends::of(flow)?;
            let holder = ends.holder(&common.identity_of(peer)?, flow.protocol, flow.started, None);
            (ends.inside != ends.outside).then_some(holder)
        });
        let past = self
            .past
            .items
            .iter()
            .map(|past| past.ends.holder(&past.identity, past.protocol, past.since, Some(past.until)));
        let fits = |holder: &Holder| {
            question.fits(&holder.outside, holder.protocol, holder.destination.as_ref())
                && holder.since <= at
                && holder.until.is_none_or(|until| at <= until)
        };
        out.holders.extend(live.chain(past).filter(fits));
        out.reaches_back = out.reaches_back.max(instant(self.past.forgotten));
    }
}

impl Router {
    /// Which client had an outside address, and a port of it, at a time. A client's own addresses are its leases, too.
    ///
    /// Looks through all flows: for an administrator's question, not for each packet.
    pub fn whois(&self, question: &Question, at: Instant) -> WhoisAnswer {
        let leases = &self.common.leases;
        let fits = |lease: &&Lease| {
            question.fits(&lease.outside, None, None)
                && lease.since <= at
                && lease.until.is_none_or(|until| at <= until)
        };
        let holders = leases.live.iter().chain(&leases.past.items).filter(fits).map(|lease| Holder {
            identity: Arc::clone(&lease.identity),
            outside: lease.outside.clone(),
            protocol: None,
            inside: None,
            destination: None,
            since: lease.since,
            until: lease.until,
        });
        let reaches_back = instant(leases.past.forgotten);
        let mut out = WhoisAnswer { holders: holders.collect(), reaches_back, at };
        match question.address {
            IpAddr::V4(_) => self.v4.whois(&self.common, question, at, &mut out),
            IpAddr::V6(_) => self.v6.whois(&self.common, question, at, &mut out),
        }
        out
    }
}
