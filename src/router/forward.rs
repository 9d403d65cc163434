//! The steps of a packet, in order.

use super::address::Address;
use super::admit::{Admitted, admit};
use super::flow::{Direction, FlowId, FlowState};
use super::icmp::{IcmpError, make_error};
use super::lan::LanPort;
use super::packet::Inner;
use super::rules::{Still, look_again};
use super::zone::{Zone, ZoneId};
use super::{Common, Family, Forward, Step, Way, ticks};
use crate::buffer::PacketBuf;
use crate::config::IpNetwork;
use crate::reason::DropReason;
use crate::wire::ip::IpHeader;

/// What becomes of a packet from `from`.
#[inline]
pub(super) fn forward<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    buf: &mut PacketBuf<'_>,
) -> Step<Forward> {
    if !common.stateful {
        return plain(common, from, buf);
    }
    let mut inner = Inner::<A>::parse(buf)?;
    check_source(common, family, from, &inner)?;
    let found = family.flows.find(ZoneId::from(from), inner.protocol, &inner.tuple);
    let found = match found {
        Some(at) if !is_up_to_date(common, family, at.0) => {
            match look_again(common, family, tick, at, &inner, buf)? {
                Still::Goes => Some(at),
                Still::Gone => None,
                Still::Refused(forward) => return Ok(forward),
            }
        }
        found => found,
    };
    let (id, direction) = match found {
        Some(found) => found,
        None => match admit(common, family, tick, from, &inner, buf)? {
            Admitted::Flow(id, direction) => (id, direction),
            Admitted::Settled(forward) => return Ok(forward),
        },
    };
    carry(common, family, tick, id, direction, &mut inner, buf)
}

/// As OpenVPN forwards: by destination alone. Packets are not looked into any further.
fn plain(common: &Common, from: Zone, buf: &PacketBuf<'_>) -> Step<Forward> {
    let IpHeader { source, destination } =
        IpHeader::parse(buf.payload()).ok_or(DropReason::BadInnerPacket)?;
    let found = common.table.find(destination);
    match from {
        Zone::Peer(peer) => {
            if !common.is_its(peer, source) {
                return Err(DropReason::BadSource);
            }
            Ok(match found {
                Some(Way::To(to @ Zone::Peer(_))) if common.setup.client_to_client => Forward::To(to),
                _ => Forward::To(Zone::Host),
            })
        }
        Zone::Host | Zone::Lan => match found {
            Some(Way::To(to)) => Ok(Forward::To(to)),
            Some(Way::Nowhere) | None if common.is_for_many(destination) => Err(DropReason::Multicast),
            Some(Way::Nowhere) | None => Err(DropReason::NoRoute),
        },
    }
}

/// Whether `source` may come from there: a client has its own addresses and no others; nobody has an address of ours,
/// or one that is no host's (RFC 1812 §5.3.7, RFC 2827).
fn check_source<A: Address>(common: &Common, family: &Family<A>, from: Zone, inner: &Inner<A>) -> Step<()> {
    let source = inner.tuple.source;
    // The gateway's address is the host's as well, if there is a host.
    let is_ours = Some(source) == family.lan || (from != Zone::Host && Some(source) == family.gateway);
    if !source.is_host() || is_ours {
        return Err(DropReason::Martian);
    }
    match from {
        Zone::Peer(peer) if common.is_its(peer, source.into()) => Ok(()),
        Zone::Peer(_) => Err(DropReason::BadSource),
        Zone::Host | Zone::Lan => Ok(()),
    }
}

/// Whether rules and routes are as they were when the flow was last looked at.
fn is_up_to_date<A: Address>(common: &Common, family: &Family<A>, id: FlowId) -> bool {
    family.flows.get(id).is_some_and(|flow| flow.epoch == common.epoch)
}

/// Sends a packet of a flow on its way.
fn carry<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    id: FlowId,
    direction: Direction,
    inner: &mut Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Forward> {
    let Some(flow) = family.flows.get_mut(id) else { return Err(DropReason::NoRoute) };
    let (from, to) = (flow.zones[direction as usize].get(), flow.leaves_to(direction).get());
    if inner.hops <= 1 {
        return refuse(common, family, from, inner, buf, IcmpError::HopsExceeded, DropReason::HopsExceeded);
    }
    let mtu = common.mtu(to)?;
    if inner.len > usize::from(mtu) {
        return refuse(common, family, from, inner, buf, IcmpError::TooBig(mtu), DropReason::TooBig);
    }
    // What strangers send to a mapping goes in while somebody inside holds it.
    let unanswered = direction == Direction::Forth && !flow.state.is(FlowState::ANSWERED);
    if unanswered && flow.state.is(FlowState::TARGET_MAPPED) && !family.nat.is_open(flow) {
        return Err(DropReason::NoMapping);
    }
    let seen = flow.see(direction, inner, buf.payload(), tick, common.config.inbound_refresh);
    let leaves = flow.leaves_as(direction);
    if seen.first_answer && flow.state.is(FlowState::TARGET_MAPPED) {
        family.nat.answered(flow);
    }
    if seen.sooner {
        let due = tick.saturating_add(ticks(flow.lifetime(&common.config.lifetimes)));
        family.flows.reschedule(id, due);
    }
    let packet = buf.payload_mut();
    inner.rewrite(packet, &leaves);
    inner.count_hop(packet);
    Ok(Forward::To(to))
}

/// Drops a packet for `why` and tells its sender, if it may be told.
pub(super) fn refuse<A: Address>(
    common: &mut Common,
    family: &Family<A>,
    from: Zone,
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
    error: IcmpError,
    why: DropReason,
) -> Step<Forward> {
    let own = family.own_address(from).ok_or(why)?;
    make_error(buf, inner, error, own, why)?;
    common.drops.count(why);
    Ok(Forward::Reply)
}

impl Common {
    /// Whether an address is that client's.
    #[inline]
    pub(super) fn is_its(&self, peer: crate::PeerId, address: core::net::IpAddr) -> bool {
        let Some(client) = self.clients.get(peer) else { return false };
        let within = client.networks.iter().filter(|network| network.contains(address));
        match within.map(IpNetwork::is_host).max() {
            None => false,
            Some(true) => true,
            // What lies within another client's network, more closely, is that one's.
            Some(false) => self.table.find(address) == Some(Way::To(Zone::Peer(peer))),
        }
    }

    fn is_for_many(&self, destination: core::net::IpAddr) -> bool {
        let is_broadcast = |network: &IpNetwork| match network {
            IpNetwork::V4(network) => destination == core::net::IpAddr::V4(network.broadcast()),
            IpNetwork::V6(_) => false,
        };
        let is_everybody = destination == core::net::IpAddr::V4(core::net::Ipv4Addr::BROADCAST);
        destination.is_multicast() || is_everybody || self.setup.networks.iter().any(is_broadcast)
    }

    /// The largest packet that goes there, in bytes.
    fn mtu(&self, to: Zone) -> Step<u16> {
        match to {
            Zone::Peer(peer) => Ok(self.clients.get(peer).ok_or(DropReason::NoRoute)?.mtu),
            Zone::Host => self.setup.host_mtu.ok_or(DropReason::NoRoute),
            Zone::Lan => Ok(self.lan.as_ref().map_or(1500, LanPort::mtu)),
        }
    }
}
