//! The DNS forwarder: a query becomes a question to the host, which asks the name server by sockets of its own.
//!
//! Over UDP nothing is kept but the query. Over TCP the gateway's [stack](super::stack) has the connection.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::name::{HEADER, Query, answers};
use super::stack::{Connection, Stack};
use super::{DNS, HOPS};
use crate::config::DnsForward;
use crate::packet::HEADROOM;
use crate::reason::DropReason;
use crate::router::address::Address;
use crate::router::event::{Events, RouterEvent};
use crate::router::outbox::Outbox;
use crate::router::packet::UDP;
use crate::router::zone::Zone;
use crate::router::{Common, Step};
use crate::time::Instant;
use crate::wire::checksum::checksum;

/// Queries that wait for their answers, at most.
const PENDING: usize = 512;
/// The same of one client.
const PENDING_OF_ONE: usize = 32;
/// The longest query that is taken, in bytes: a name and EDNS options.
const MAX_QUERY: usize = 1024;
/// Without an answer for this long a query is forgotten; the client repeats it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every client takes in one datagram without EDNS, in bytes (RFC 1035 §2.3.4).
const SMALL: usize = 512;

/// A question to the host, answered by [`Router::dns_answer`](crate::router::Router::dns_answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsRequest(u64);

/// Who asked.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Udp { zone: Zone, address: SocketAddr },
    Tcp { zone: Zone, connection: Connection },
}

impl Asker {
    fn zone(&self) -> Zone {
        match *self {
            Self::Udp { zone, .. } | Self::Tcp { zone, .. } => zone,
        }
    }
}

struct Pending {
    request: DnsRequest,
    asker: Asker,
    query: Box<[u8]>,
    due: Instant,
}

/// The forwarder.
pub(in crate::router) struct Forwarder {
    config: DnsForward,
    pending: Vec<Pending>,
    requests: u64,
    stack: Stack,
}

impl Forwarder {
    pub(in crate::router) fn new(config: DnsForward, seed: u64, now: Instant) -> Self {
        Self { config, pending: Vec::new(), requests: 0, stack: Stack::new(seed, now) }
    }

    /// Other servers; what was asked already is answered all the same.
    pub(in crate::router) fn with(self, config: DnsForward) -> Self {
        Self { config, ..self }
    }

    /// A client has gone, and whoever gets its address is another.
    pub(in crate::router) fn forget(&mut self, zone: Zone) {
        self.pending.retain(|pending| pending.asker.zone() != zone);
        self.stack.forget(zone);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(in crate::router) fn next_timeout(&self) -> Option<Instant> {
        let due = self.pending.iter().map(|pending| pending.due).min();
        due.into_iter().chain(self.stack.next_timeout()).min()
    }

    /// Asks the host. Gives back whether there is somebody to ask.
    fn submit(&mut self, now: Instant, asker: Asker, query: &[u8], events: &mut Events) -> Step<()> {
        let parsed = Query::parse(query).filter(|_| query.len() <= MAX_QUERY).ok_or(DropReason::NoService)?;
        let server = self.server_for(&parsed).ok_or(DropReason::NoService)?;
        let zone = asker.zone();
        let of_one = self.pending.iter().filter(|pending| pending.asker.zone() == zone).count();
        if of_one >= PENDING_OF_ONE || self.pending.len() >= PENDING {
            return Err(DropReason::ClientLimit);
        }
        self.requests += 1;
        let request = DnsRequest(self.requests);
        let by_tcp = matches!(asker, Asker::Tcp { .. });
        self.pending.push(Pending { request, asker, query: query.into(), due: now + PATIENCE });
        events.push(RouterEvent::DnsQuery { request, server, by_tcp, message: query.into() });
        Ok(())
    }

    /// The server with the longest domain that the name is within; else one for all names.
    fn server_for(&self, query: &Query<'_>) -> Option<SocketAddr> {
        let rank = |domains: &[alloc::string::String]| match domains {
            [] => Some(0),
            domains => {
                domains.iter().filter(|domain| query.is_within(domain)).map(|domain| domain.len()).max()
            }
        };
        let ranked = self
            .config
            .servers
            .iter()
            .rev()
            .filter_map(|server| Some((rank(&server.domains)?, server.address)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, address)| address)
    }

    fn take(&mut self, request: DnsRequest) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.request == request)?;
        Some(self.pending.swap_remove(at))
    }
}

impl Common {
    /// A query by UDP.
    pub(super) fn query(&mut self, now: Instant, zone: Zone, address: SocketAddr, query: &[u8]) -> Step<()> {
        let Some(dns) = &mut self.dns else { return Err(DropReason::NoService) };
        dns.submit(now, Asker::Udp { zone, address }, query, &mut self.events)
    }

    /// A segment of a TCP connection.
    pub(super) fn segment(&mut self, now: Instant, zone: Zone, packet: &[u8]) -> Step<()> {
        let Some(dns) = &mut self.dns else { return Err(DropReason::NoService) };
        dns.stack.receive(now, zone, packet, &mut self.outbox)?;
        self.serve(now);
        Ok(())
    }

    /// Hands on what has come over TCP, and sends what there is to send.
    pub(in crate::router) fn serve(&mut self, now: Instant) {
        let Some(dns) = &mut self.dns else { return };
        while let Some((zone, connection, query)) = dns.stack.next_query() {
            if let Err(reason) = dns.submit(now, Asker::Tcp { zone, connection }, &query, &mut self.events) {
                self.drops.count(reason);
                dns.stack.close(connection);
            }
        }
        dns.stack.send(now, &mut self.outbox);
    }

    /// Time has passed.
    pub(in crate::router) fn dns_timeout(&mut self, now: Instant) {
        let Some(dns) = &mut self.dns else { return };
        dns.pending.retain(|pending| pending.due > now);
        self.serve(now);
    }

    /// The host's answer.
    pub(in crate::router) fn dns_answer(&mut self, now: Instant, request: DnsRequest, answer: Option<&[u8]>) {
        let Some(dns) = &mut self.dns else { return };
        let Some(Pending { asker, query, .. }) = dns.take(request) else { return };
        let failure = failed(&query);
        let answer = answer.filter(|answer| answers(&query, answer)).unwrap_or(&failure);
        let sent = match asker {
            Asker::Tcp { connection, .. } => {
                dns.stack.answer(connection, answer);
                Ok(())
            }
            Asker::Udp { zone, address } => {
                let room = self.clients.mtu_of(zone);
                self.reply(zone, address, room, &query, answer)
            }
        };
        if let Err(reason) = sent {
            self.drops.count(reason);
        }
        self.serve(now);
    }

    /// Sends an answer by UDP, or as much of it as says that there is more by TCP.
    fn reply(&mut self, zone: Zone, to: SocketAddr, mtu: usize, query: &[u8], answer: &[u8]) -> Step<()> {
        let cut;
        let room = mtu.min(self.outbox.largest()).saturating_sub(48).max(SMALL);
        let answer = if answer.len() > room {
            cut = truncated(query);
            &cut[..]
        } else {
            answer
        };
        match to.ip() {
            core::net::IpAddr::V4(ip) => {
                let own = self.setup.gateway_ipv4.ok_or(DropReason::NoService)?;
                datagram(&mut self.outbox, zone, own, ip, to.port(), answer)
            }
            core::net::IpAddr::V6(ip) => {
                let own = self.setup.gateway_ipv6.ok_or(DropReason::NoService)?;
                datagram(&mut self.outbox, zone, own, ip, to.port(), answer)
            }
        }
    }
}

/// Sends a datagram from the gateway's DNS port.
fn datagram<A: Address>(
    outbox: &mut Outbox,
    zone: Zone,
    from: A,
    to: A,
    port: u16,
    payload: &[u8],
) -> Step<()> {
    const UDP_HEADER: usize = 8;
    let mut memory = alloc::vec![0; HEADROOM + UDP_HEADER + payload.len()];
    let mut buf = crate::buffer::PacketBuf::new(&mut memory, HEADROOM..HEADROOM + UDP_HEADER + payload.len())
        .ok_or(DropReason::NoRoom)?;
    let len = u16::try_from(buf.len()).map_err(|_| DropReason::TooBig)?;
    let udp = buf.payload_mut();
    udp[..2].copy_from_slice(&DNS.to_be_bytes());
    udp[2..4].copy_from_slice(&port.to_be_bytes());
    udp[4..6].copy_from_slice(&len.to_be_bytes());
    udp[UDP_HEADER..].copy_from_slice(payload);
    A::put_header(&mut buf, from, to, UDP, HOPS)?;
    let packet = buf.payload_mut();
    let pseudo = [&packet[A::OFFSET..A::OFFSET + 2 * A::LEN], &[0, UDP], &len.to_be_bytes()];
    let sum = match checksum(pseudo.into_iter().chain([&packet[A::HEADER..]])) {
        0 => 0xFFFF,
        sum => sum,
    };
    packet[A::HEADER + 6..A::HEADER + 8].copy_from_slice(&sum.to_be_bytes());
    outbox.push(zone, packet.len(), |slot| slot.copy_from_slice(packet))
}

/// The query as an answer of nothing, with a response code.
fn empty_answer(query: &[u8], flags: u8, code: u8) -> Vec<u8> {
    const RESPONSE: u8 = 0x80;
    const RECURSION_AVAILABLE: u8 = 0x80;
    let end = Query::parse(query).map_or(HEADER, |parsed| parsed.question_end());
    let mut answer = query.get(..end).unwrap_or(&[0; HEADER]).to_vec();
    answer[2] = answer[2] & 0x79 | RESPONSE | flags;
    answer[3] = RECURSION_AVAILABLE | code;
    answer[6..HEADER].fill(0);
    answer
}

fn failed(query: &[u8]) -> Vec<u8> {
    const SERVER_FAILURE: u8 = 2;
    empty_answer(query, 0, SERVER_FAILURE)
}

fn truncated(query: &[u8]) -> Vec<u8> {
    const TRUNCATED: u8 = 2;
    empty_answer(query, TRUNCATED, 0)
}
