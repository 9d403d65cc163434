//! The steps of a packet, in order.

use super::address::Address;
use super::admit::{Admitted, admit};
use super::egress::{Leave, clamp_mss, send, translate};
use super::flow::{Direction, FlowId, FlowState};
use super::fragments::forward_fragment;
use super::icmp::{IcmpError, make_error};
use super::packet::{Inner, Transport, Tuple};
use super::quote::forward_error;
use super::rules::{Still, look_again};
use super::zone::{Zone, ZoneId};
use super::{Common, Family, Forward, Step, Way, services, ticks};
use crate::buffer::PacketBuf;
use crate::config::IpNetwork;
use crate::reason::DropReason;
use crate::time::Instant;
use crate::wire::ip::IpHeader;

/// What becomes of a packet from `from`.
#[inline]
pub(super) fn forward<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    now: Instant,
    from: Zone,
    buf: &mut PacketBuf<'_>,
) -> Step<Forward> {
    if !common.stateful {
        return plain(common, from, buf);
    }
    let tick = common.tick;
    let mut inner = Inner::<A>::parse(buf)?;
    check_addresses(common, family, from, &inner.tuple)?;
    if inner.transport == Transport::IcmpError {
        return forward_error(common, family, from, &mut inner, buf);
    }
    if let Some(answered) = services::answer(common, family, now, from, &inner, buf)? {
        return Ok(answered);
    }
    match inner.fragment {
        None => pass(common, family, tick, from, &mut inner, buf, Leave::InPlace),
        Some(fragment) => forward_fragment(common, family, tick, from, fragment, &mut inner, buf),
    }
}

/// A packet whose ports are known: finds its flow, or makes one, and sends it on its way.
#[inline]
pub(super) fn pass<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    inner: &mut Inner<A>,
    buf: &mut PacketBuf<'_>,
    leave: Leave,
) -> Step<Forward> {
    let tuple = inner.tuple;
    let found = find_flow(common, family, from, inner.protocol, &tuple, (inner, buf))?;
    let admitted = match found {
        Some(found) => found,
        // The first fragment made one, and it has ended since.
        None if inner.transport == Transport::Later => return Err(DropReason::BadFragment),
        None => admit(common, family, tick, from, inner, buf)?,
    };
    let (id, direction) = match admitted {
        Admitted::Flow(id, direction) => (id, direction),
        Admitted::Settled(forward) => return Ok(forward),
    };
    carry(common, family, id, direction, inner, buf, leave)
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

/// Whether the packet may be from there and for whom it says: a client has its own addresses and no others; nobody has
/// an address of ours, or one that is no host's (RFC 1812 §5.3.7, RFC 2827), and nothing is forwarded to many or beyond
/// the link that an address is for.
pub(super) fn check_addresses<A: Address>(
    common: &Common,
    family: &Family<A>,
    from: Zone,
    tuple: &Tuple<A>,
) -> Step<()> {
    let Tuple { source, destination, .. } = *tuple;
    // The gateway's address is the host's as well, if there is a host.
    let is_ours = Some(source) == family.lan || (from != Zone::Host && Some(source) == family.gateway);
    if !source.is_host() || is_ours {
        return Err(DropReason::Martian);
    }
    match from {
        Zone::Peer(peer) if common.is_its(peer, source.into()) => {}
        Zone::Peer(_) => return Err(DropReason::BadSource),
        Zone::Host | Zone::Lan if source.is_link_local() => return Err(DropReason::Martian),
        // Towards clients nobody on the LAN has a client's address; beyond NAT it may be another's (RFC 4787 REQ-7). The
        // kernel sends clients' packets back if they may not meet.
        Zone::Lan if common.is_a_client_s(source.into()) && common.is_a_client_s(destination.into()) => {
            return Err(DropReason::Martian);
        }
        Zone::Host | Zone::Lan => {}
    }
    if common.is_for_many(destination.into()) {
        return Err(DropReason::Multicast);
    }
    if !destination.is_host() || destination.is_link_local() {
        return Err(DropReason::Martian);
    }
    Ok(())
}

/// The flow that packets of these ends from there belong to. Where rules or routes have changed since it was last looked
/// at, it may end here, and the packet at hand with it.
#[inline]
pub(super) fn find_flow<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    from: Zone,
    protocol: u8,
    tuple: &Tuple<A>,
    (inner, buf): (&Inner<A>, &mut PacketBuf<'_>),
) -> Step<Option<Admitted>> {
    let Some(at) = family.flows.find(ZoneId::from(from), protocol, tuple) else { return Ok(None) };
    if family.flows.get(at.0).is_some_and(|flow| flow.epoch == common.epoch) {
        return Ok(Some(Admitted::Flow(at.0, at.1)));
    }
    Ok(match look_again(common, family, common.tick, at, inner, buf)? {
        Still::Goes => Some(Admitted::Flow(at.0, at.1)),
        Still::Gone => None,
        Still::Refused(forward) => Some(Admitted::Settled(forward)),
    })
}

/// Sends a packet of a flow on its way.
fn carry<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    id: FlowId,
    direction: Direction,
    inner: &mut Inner<A>,
    buf: &mut PacketBuf<'_>,
    leave: Leave,
) -> Step<Forward> {
    let Some(flow) = family.flows.get_mut(id) else { return Err(DropReason::NoRoute) };
    let (from, to) = (flow.zones[direction as usize].get(), flow.leaves_to(direction).get());
    if inner.hops <= 1 {
        return refuse(common, family, from, inner, buf, IcmpError::HopsExceeded, DropReason::HopsExceeded);
    }
    let mtu = common.mtu::<A>(to)?;
    if inner.len > usize::from(mtu) && inner.dont_fragment {
        return refuse(common, family, from, inner, buf, IcmpError::TooBig(mtu), DropReason::TooBig);
    }
    // What strangers send to a mapping goes in while somebody inside holds it.
    let unanswered = direction == Direction::Forth && !flow.state.is(FlowState::ANSWERED);
    if unanswered && flow.state.is(FlowState::TARGET_MAPPED) && !family.nat.is_open(flow) {
        return Err(DropReason::NoMapping);
    }
    common.take_bytes(from, to, inner.len)?;
    let seen = flow.see(direction, inner, buf.payload(), common.tick, common.config.inbound_refresh);
    let leaves = flow.leaves_as(direction);
    if seen.first_answer && flow.state.is(FlowState::TARGET_MAPPED) {
        family.nat.answered(flow);
    }
    if seen.sooner {
        let due = common.tick.saturating_add(ticks(flow.lifetime(&common.config.lifetimes)));
        family.flows.reschedule(id, due);
    }
    let packet = buf.payload_mut();
    translate(family, inner, packet, &leaves);
    inner.count_hop(packet);
    clamp_mss(inner, packet, mtu.min(common.mtu::<A>(from)?));
    send(common, inner, buf, to, mtu, leave)?;
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
    if !common.may_send_error(from) {
        return Err(why);
    }
    make_error(buf, inner, error, own, why)?;
    common.drops.count(why);
    Ok(Forward::Reply)
}

impl Common {
    /// Whether an address is one of the clients' side, though perhaps nobody has it.
    fn is_a_client_s(&self, address: core::net::IpAddr) -> bool {
        matches!(self.table.find(address), Some(Way::To(Zone::Peer(_)) | Way::Nowhere))
    }

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

    pub(super) fn is_for_many(&self, destination: core::net::IpAddr) -> bool {
        let is_broadcast = |network: &IpNetwork| match network {
            IpNetwork::V4(network) => {
                network.prefix < 31 && destination == core::net::IpAddr::V4(network.broadcast())
            }
            IpNetwork::V6(_) => false,
        };
        let is_everybody = destination == core::net::IpAddr::V4(core::net::Ipv4Addr::BROADCAST);
        let lan = self.config.lan.iter().flat_map(|lan| &lan.addresses);
        destination.is_multicast()
            || is_everybody
            || self.setup.networks.iter().any(is_broadcast)
            || lan
                .map(|(address, prefix)| IpNetwork::containing(*address, *prefix))
                .any(|network| is_broadcast(&network))
    }

    /// Whether that side may be sent another ICMP error.
    fn may_send_error(&mut self, to: Zone) -> bool {
        let tick = self.tick;
        match to {
            Zone::Peer(peer) => self.clients.get_mut(peer).is_some_and(|client| client.errors.take(tick)),
            Zone::Host | Zone::Lan => self.errors.take(tick),
        }
    }
}
