//! What the router tells the host.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::address::Address;
use super::flow::{Direction, Flow};
use super::lan::MacAddress;
use super::limits::{Bucket, Telling};
use super::nat::Mapping;
use super::rules::{Asked, Because, Judgement};
use super::services::DnsRequest;
use super::zone::Zone;
use super::{Common, TICK_SHIFT};
use crate::config::Action;
use crate::peer::PeerId;

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
    /// Its identity; none if the client has gone.
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
    /// How long ago it began.
    pub lasted: Duration,
    /// Bytes of packets from who began it, IP headers included.
    pub bytes_forth: u64,
    /// Bytes of packets to it.
    pub bytes_back: u64,
}

/// Events that wait for the host. When it is full the oldest go first.
pub(super) struct Events {
    queue: VecDeque<RouterEvent>,
    limit: usize,
    /// Refused packets from outside.
    outside: Telling,
    /// All refused packets together.
    refusals: Bucket,
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
            outside: Telling::new(OUTSIDE, tick),
            refusals: Bucket::new(REFUSALS, tick),
        }
    }

    pub(super) fn push(&mut self, event: RouterEvent) {
        if self.queue.len() >= self.limit {
            self.queue.pop_front();
        }
        self.queue.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<RouterEvent> {
        self.queue.pop_front()
    }
}

impl Common {
    /// An inside end has an outside end now.
    pub(super) fn mapping_began<A: Address>(&mut self, mapping: &Mapping<A>) {
        if let Zone::Peer(peer) = mapping.zone.get()
            && let Some(client) = self.clients.get_mut(peer)
        {
            *client.ports_of(mapping.protocol) += 1;
        }
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
        if self.config.log_flows
            && let Some(info) = self.flow_info(flow, flow.last)
        {
            self.events.push(RouterEvent::FlowStarted(info));
        }
    }

    pub(super) fn flow_ended<A: Address>(&mut self, flow: &Flow<A>) {
        if self.config.log_flows
            && let Some(info) = self.flow_info(flow, flow.last)
        {
            self.events.push(RouterEvent::FlowEnded(info));
        }
    }

    fn flow_info<A: Address>(&self, flow: &Flow<A>, until: u32) -> Option<FlowInfo> {
        let [from, to] = flow.zones.map(super::ZoneId::get);
        let end = |address: A, port: u16| SocketAddr::new(Into::<IpAddr>::into(address), port);
        let [forth, back] = flow.tuples;
        let (peer, inside, outside, destination) = match (from, to) {
            (Zone::Peer(peer), _) => (
                peer,
                end(forth.source, forth.source_port),
                end(back.destination, back.destination_port),
                end(back.source, back.source_port),
            ),
            (_, Zone::Peer(peer)) => (
                peer,
                end(back.source, back.source_port),
                end(forth.destination, forth.destination_port),
                end(forth.source, forth.source_port),
            ),
            _ => return None,
        };
        Some(FlowInfo {
            peer,
            identity: self.clients.get(peer).map(|client| Arc::clone(&client.identity)),
            from,
            to,
            protocol: flow.protocol,
            inside,
            outside,
            destination,
            lasted: Duration::from_nanos(u64::from(until - flow.started) << TICK_SHIFT),
            bytes_forth: flow.bytes(Direction::Forth),
            bytes_back: flow.bytes(Direction::Back),
        })
    }
}
