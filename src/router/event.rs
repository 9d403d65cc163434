//! What the router tells the host.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::address::Address;
use super::flow::{Direction, Flow};
use super::zone::Zone;
use super::{Common, TICK_SHIFT};
use crate::config::Lifetimes;
use crate::peer::PeerId;

use super::packet::{TCP, UDP};

/// What [`Router::poll_event`](super::Router::poll_event) returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RouterEvent {
    /// A flow has begun; only with [`log_flows`](crate::config::RouterConfig::log_flows).
    FlowStarted(FlowInfo),
    /// A flow has ended; only with [`log_flows`](crate::config::RouterConfig::log_flows).
    FlowEnded(FlowInfo),
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
}

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), limit }
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
    /// How long that flow may be idle.
    pub(super) fn lifetime<A: Address>(&self, flow: &Flow<A>) -> Duration {
        let Lifetimes { udp, tcp_established, icmp, other, .. } = self.config.lifetimes;
        match flow.protocol {
            UDP => udp,
            TCP => tcp_established,
            protocol if protocol == A::ICMP => icmp,
            _ => other,
        }
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
