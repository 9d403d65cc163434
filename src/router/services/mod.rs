//! What the gateway itself answers: pings, and DNS queries if it forwards them.
//!
//! Nothing here needs a rule: a client that reaches the gateway may use it.

mod dns;
mod echo;
mod name;
mod stack;

use core::net::SocketAddr;

use super::address::Address;
use super::packet::{Inner, TCP, Transport, UDP};
use super::zone::Zone;
use super::{Common, Family, Forward, Step};
use crate::buffer::PacketBuf;
use crate::time::Instant;

pub use dns::DnsRequest;
pub(super) use dns::Forwarder;

/// The port of DNS.
const DNS: u16 = 53;
/// The hops of what the gateway sends.
const HOPS: u8 = 64;

/// Answers a packet to one of the router's own addresses, if it is for a service. `None`: it is not.
pub(super) fn answer<A: Address>(
    common: &mut Common,
    family: &Family<A>,
    now: Instant,
    from: Zone,
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Option<Forward>> {
    if family.own_address(from) != Some(inner.tuple.destination) || from == Zone::Host {
        return Ok(None);
    }
    let is_dns = common.dns.is_some()
        && matches!(from, Zone::Peer(_))
        && inner.tuple.destination_port == DNS
        && inner.fragment.is_none();
    // A later fragment does not say whether it is one of a question; at an address that clients share it may be one of
    // the answer to theirs.
    let is_echo = match inner.transport {
        Transport::Later => !family.nat.answers_for(inner.tuple.destination),
        transport => transport == Transport::Echo { request: true },
    };
    match (inner.protocol, inner.transport) {
        (protocol, _) if protocol == A::ICMP && is_echo => {
            echo::turn(inner, buf.payload_mut());
            Ok(Some(Forward::Reply))
        }
        (UDP, Transport::Udp) if is_dns => {
            let query = buf.payload().get(inner.offset + 8..).unwrap_or(&[]);
            let asker = SocketAddr::new(inner.tuple.source.into(), inner.tuple.source_port);
            common.query(now, from, asker, query)?;
            Ok(Some(Forward::Consumed))
        }
        (TCP, Transport::Tcp { .. }) if is_dns => {
            common.segment(now, from, buf.payload())?;
            Ok(Some(Forward::Consumed))
        }
        _ => Ok(None),
    }
}

/// Whether such a packet, a whole one, is answered here.
pub(super) fn serves<A: Address>(common: &Common, family: &Family<A>, from: Zone, inner: &Inner<A>) -> bool {
    let is_dns = common.dns.is_some()
        && matches!(from, Zone::Peer(_))
        && matches!(inner.transport, Transport::Udp | Transport::Tcp { .. })
        && inner.tuple.destination_port == DNS;
    let is_ping = inner.protocol == A::ICMP && inner.transport == Transport::Echo { request: true };
    from != Zone::Host && family.own_address(from) == Some(inner.tuple.destination) && (is_dns || is_ping)
}

#[cfg(test)]
mod tests;
