//! What the router tells the host.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use super::address::Address;
use super::flow::{Direction, Flow};
use super::lan::MacAddress;
use super::limits::{Bucket, LimitKind, QUIET, Telling, answerable};
use super::nat::Mapping;
use super::record::OutsideEnd;
use super::rules::{Asked, Because, Judgement};
use super::services::DnsRequest;
use super::whois::Ends;
use super::zone::Zone;
use super::{Common, instant};
use crate::config::Action;
use crate::peer::PeerId;
use crate::time::Instant;

/// What [`Router::poll_event`](super::Router::poll_event) returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RouterEvent {
    /// A flow has begun; only with [`log_flows`](crate::config::RouterConfig::log_flows).
    FlowStarted(FlowInfo),
    /// A flow has ended; only with [`log_flows`](crate::config::RouterConfig::log_flows).
    FlowEnded(FlowInfo),
    /// A rule refused a packet, or none allowed it. Of a flood only a few are told, with how many there were.
    Denied(Denial),
    /// Another host on the LAN uses an address of ours.
    AddressConflict {
        /// The address.
        address: IpAddr,
        /// Who uses it, too.
        mac: MacAddress,
        /// Whether we keep it, since we had it before. Otherwise it is not used, and looked after again in a minute.
        kept: bool,
    },
    /// A client asks the gateway for a name (`dns-forward`): ask `server`, and call
    /// [`Router::dns_answer`](super::Router::dns_answer) within ten seconds.
    DnsQuery {
        /// The request.
        request: DnsRequest,
        /// Whom to ask.
        server: SocketAddr,
        /// By TCP, and not by UDP: the client takes an answer of any length.
        by_tcp: bool,
        /// The message, to be sent as it is.
        message: Box<[u8]>,
    },
    /// A client has come up against a limit: told once a minute at most for each.
    LimitReached {
        /// The client.
        peer: PeerId,
        /// Its identity.
        identity: Arc<str>,
        /// Of what.
        kind: LimitKind,
        /// How much it may have: flows, ports, bytes, or so many a second.
        limit: u64,
    },
    /// The table of flows is full, and refuses new ones: told once a minute at most.
    FlowsFull,
    /// There is no outside address or port left for a client (RFC 6888 REQ-11): told once a minute at most.
    PortsExhausted {
        /// The client that got none.
        peer: PeerId,
        /// Its identity.
        identity: Arc<str>,
        /// The protocol's number above IP.
        protocol: u8,
    },
    /// So many events were lost before the next one, as the host did not fetch them in time.
    Lost(u64),
    /// An address, a block of its ports or a network is a client's from now on; only with
    /// [`log_flows`](crate::config::RouterConfig::log_flows).
    LeaseStarted(Lease),
    /// And so no longer; only with [`log_flows`](crate::config::RouterConfig::log_flows).
    LeaseEnded(Lease),
}

/// What was given to a client: an address of its own outside, a block of ports, its addresses in the tunnel and the
/// networks behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// Whose it is.
    pub identity: Arc<str>,
    /// What it is.
    pub outside: OutsideEnd,
    /// Since when, rounded down to the router's clock, which ticks about seven times a second.
    pub since: Instant,
    /// Until when, rounded up; none if it goes on.
    pub until: Option<Instant>,
}

/// A packet that the rules refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// Where its flow was begun from.
    pub from: Zone,
    /// Where it would have gone.
    pub to: Zone,
    /// The identity of the client that it is about: the one that began it, or the one that it is for.
    pub identity: Option<Arc<str>>,
    /// The destination's address.
    pub destination: IpAddr,
    /// The protocol's number above IP.
    pub protocol: u8,
    /// The port it goes to (TCP, UDP), or its type (ICMP); 0 for others.
    pub selector: u16,
    /// The line of the rule that decided; none if there are rules and none of them fits.
    pub line: Option<u32>,
    /// Whether its sender was left in silence.
    pub silent: bool,
    /// Refused packets of the same client, or of the outside, that were not told since the last one.
    pub untold: u64,
}

/// A flow, for a log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FlowInfo {
    /// The client that it belongs to: the one that began it, or the one that it was begun to.
    pub peer: PeerId,
    /// Its identity, even if the client has gone.
    pub identity: Option<Arc<str>>,
    /// Where it was begun from.
    pub from: Zone,
    /// Where it goes.
    pub to: Zone,
    /// The protocol's number above IP.
    pub protocol: u8,
    /// The client's address and port, as the client has them.
    pub inside: SocketAddr,
    /// The same as the other end sees them.
    pub outside: SocketAddr,
    /// The other end.
    pub destination: SocketAddr,
    /// When it began, rounded down to the router's clock, which ticks about seven times a second.
    pub started: Instant,
    /// When its last packet so far came, rounded up.
    pub ended: Instant,
    /// Bytes of packets from who began it, IP headers included.
    pub bytes_forth: u64,
    /// Bytes of packets to it.
    pub bytes_back: u64,
}

/// Events that wait for the host. When it is full the oldest go first.
pub(super) struct Events {
    queue: VecDeque<RouterEvent>,
    limit: usize,
    /// How many were lost since the host was last told.
    lost: u64,
    /// Refused packets from outside.
    outside: Telling,
    /// All refused packets together.
    refusals: Bucket,
    /// When the host was last told that the table is full.
    full: Option<u32>,
    /// And that there is no port left.
    exhausted: Option<u32>,
}

/// Refused packets from outside that the host is told of, a second at most.
const OUTSIDE: u64 = 4;
/// And of those of all clients together.
const REFUSALS: u64 = 64;

impl Events {
    pub(super) fn new(limit: usize, tick: u32) -> Self {
        Self {
            queue: VecDeque::new(),
            limit,
            lost: 0,
            outside: Telling::new(OUTSIDE, tick),
            refusals: Bucket::new(REFUSALS, tick),
            full: None,
            exhausted: None,
        }
    }

    pub(super) fn push(&mut self, event: RouterEvent) {
        if self.queue.len() >= self.limit {
            self.queue.pop_front();
            self.lost += 1;
        }
        self.queue.push_back(event);
    }

    /// The table of flows is full.
    pub(super) fn flows_full(&mut self, tick: u32) {
        if self.full.is_none_or(|told| tick.saturating_sub(told) >= QUIET) {
            self.full = Some(tick);
            self.push(RouterEvent::FlowsFull);
        }
    }

    /// A client got no outside port.
    fn ports_exhausted(&mut self, tick: u32, peer: PeerId, identity: &Arc<str>, protocol: u8) {
        if self.exhausted.is_none_or(|told| tick.saturating_sub(told) >= QUIET) {
            self.exhausted = Some(tick);
            self.push(RouterEvent::PortsExhausted { peer, identity: Arc::clone(identity), protocol });
        }
    }

    pub(super) fn pop(&mut self) -> Option<RouterEvent> {
        match core::mem::take(&mut self.lost) {
            0 => self.queue.pop_front(),
            lost => Some(RouterEvent::Lost(lost)),
        }
    }
}

impl Common {
    /// Who is there got no outside port.
    pub(super) fn ports_exhausted(&mut self, tick: u32, from: Zone, protocol: u8) {
        if let Zone::Peer(peer) = from
            && let Some(client) = self.clients.get(peer)
        {
            self.events.ports_exhausted(tick, peer, &client.identity, protocol);
        }
    }

    /// An inside end has an outside end now.
    pub(super) fn mapping_began<A: Address>(&mut self, mapping: &Mapping<A>) {
        if let Zone::Peer(peer) = mapping.zone.get()
            && let Some(client) = self.clients.get_mut(peer)
        {
            *client.ports_of(mapping.protocol) += 1;
        }
    }

    /// Whose a client's flows are, even if it has gone.
    pub(super) fn identity_of(&self, peer: PeerId) -> Option<Arc<str>> {
        self.clients.identity(peer).map(Arc::clone)
    }

    /// It has it no longer.
    pub(super) fn mapping_ended<A: Address>(&mut self, mapping: &Mapping<A>, _tick: u32) {
        if let Zone::Peer(peer) = mapping.zone.get()
            && let Some(client) = self.clients.get_mut(peer)
        {
            let ports = client.ports_of(mapping.protocol);
            *ports = ports.saturating_sub(1);
        }
    }

    /// The rules refused a packet: the host hears of it, unless it hears of many.
    pub(super) fn denied(&mut self, tick: u32, from: Zone, to: Zone, asked: &Asked, judgement: Judgement) {
        let telling = match from {
            Zone::Peer(peer) => self.clients.get_mut(peer).map(|client| &mut client.refusals),
            Zone::Host | Zone::Lan => Some(&mut self.events.outside),
        };
        let Some(telling) = telling else { return };
        let Some(untold) = telling.happened(tick) else { return };
        if !self.events.refusals.take(1, tick) {
            telling.put_off(untold);
            return;
        }
        let whose = match (from, to) {
            (Zone::Peer(peer), _) | (_, Zone::Peer(peer)) => self.clients.get(peer),
            _ => None,
        };
        let line = match judgement.because {
            Because::Rule(number) => self.config.rules.get(number as usize).map(|rule| rule.line),
            _ => None,
        };
        self.events.push(RouterEvent::Denied(Denial {
            from,
            to,
            identity: whose.map(|client| Arc::clone(&client.identity)),
            destination: asked.destination,
            protocol: asked.protocol,
            selector: asked.selector,
            line,
            silent: judgement.action == Action::Deny,
            untold,
        }));
    }

    pub(super) fn flow_started<A: Address>(&mut self, flow: &Flow<A>) {
        self.count_flow(flow, true);
        if self.config.log_flows
            && let Some(info) = self.flow_info(flow)
        {
            self.events.push(RouterEvent::FlowStarted(info));
        }
    }

    pub(super) fn flow_ended<A: Address>(&mut self, flow: &Flow<A>) {
        if self.config.log_flows
            && let Some(info) = self.flow_info(flow)
        {
            self.events.push(RouterEvent::FlowEnded(info));
        }
        self.count_flow(flow, false);
    }

    /// Counts a flow with whoever is answerable for it.
    fn count_flow<A: Address>(&mut self, flow: &Flow<A>, began: bool) {
        let [from, to] = flow.zones.map(super::ZoneId::get);
        let v6 = A::VERSION == 6;
        match answerable(from, to) {
            Some(peer) if began => self.clients.flow_began(peer, v6),
            Some(peer) => self.clients.flow_ended(peer, v6),
            None if began => self.transit[usize::from(v6)] += 1,
            None => self.transit[usize::from(v6)] -= 1,
        }
    }

    pub(super) fn flow_info<A: Address>(&self, flow: &Flow<A>) -> Option<FlowInfo> {
        let (peer, ends) = Ends::of(flow)?;
        let [from, to] = flow.zones.map(super::ZoneId::get);
        let end = |(address, port): (A, u16)| SocketAddr::new(address.into(), port);
        Some(FlowInfo {
            peer,
            identity: self.identity_of(peer),
            from,
            to,
            protocol: flow.protocol,
            inside: end(ends.inside),
            outside: end(ends.outside),
            destination: end(ends.destination),
            started: instant(flow.started),
            ended: instant(flow.last.saturating_add(1)),
            bytes_forth: flow.bytes(Direction::Forth),
            bytes_back: flow.bytes(Direction::Back),
        })
    }
}
