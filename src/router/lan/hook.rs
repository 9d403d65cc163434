//! Where the LAN port meets the router.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use core::ops::RangeInclusive;

use super::{LanLink, LanPort, Polled, Received, Sent};
use crate::buffer::PacketBuf;
use crate::config::{IpNetwork, Nat, RouterConfig};
use crate::reason::DropReason;
use crate::time::Instant;

use super::super::address::Address;
use super::super::icmp::{IcmpError, make_error};
use super::super::packet::Inner;
use super::super::zone::ZoneId;
use super::super::{Common, Family, Forward, Router, RouterSetup, Way, Zone};

impl Router {
    /// The interface of the LAN port is another, has another MTU, or came back: neighbours are asked for anew, and our
    /// addresses looked after again. The first time, it is there at all. Nothing, if there is to be no LAN port.
    pub fn set_lan_link(&mut self, _now: Instant, link: LanLink) {
        let Common { config, setup, lan, .. } = &mut self.common;
        setup.lan = Some(link);
        match lan {
            Some(lan) => lan.set_link(link),
            None => *lan = LanPort::of(config, setup, &self.limits, self.lan_seed),
        }
    }

    /// The addresses that IP packets from the LAN may be for, if they are to be taken in: for a filter that keeps all others
    /// out early. They change when [`routes_version`](Self::routes_version) does.
    pub fn lan_interests(&self) -> Vec<RangeInclusive<IpAddr>> {
        let Common { config, setup, table, .. } = &self.common;
        let mut out: Vec<_> = fixed_addresses(config, setup).into_iter().map(|one| one..=one).collect();
        if let Nat::Identity(ranges) = &config.nat {
            out.extend(ranges.iter().cloned());
        }
        out.extend(setup.networks.iter().copied().map(range));
        // Clients within those networks are many.
        let known = |network: &IpNetwork| setup.networks.iter().any(|ours| ours.contains(network.address()));
        let routed =
            table.iter().filter(|(network, way)| matches!(way, Way::To(Zone::Peer(_))) && !known(network));
        out.extend(routed.map(|(network, _)| range(network)));
        out
    }

    /// Another number whenever routes or the configuration have changed.
    pub fn routes_version(&self) -> u32 {
        self.common.epoch
    }

    /// The configuration is another.
    pub(in super::super) fn configure_lan(&mut self) {
        let Common { config, setup, lan, .. } = &mut self.common;
        match (lan.as_mut(), &config.lan) {
            (Some(port), Some(config_lan)) => port.configure(config_lan, fixed_addresses(config, setup)),
            (Some(_), None) => *lan = None,
            (None, _) => *lan = LanPort::of(config, setup, &self.limits, self.lan_seed),
        }
    }

    /// A frame from the LAN.
    pub(in super::super) fn frame_in(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Forward {
        let Common { lan: Some(lan), table, events, .. } = &mut self.common else {
            return self.dropped(DropReason::NotForUs);
        };
        let is_routed = |address| matches!(table.find(address), Some(Way::To(Zone::Peer(_)) | Way::Nowhere));
        match lan.receive(now, buf, events, is_routed) {
            Ok(Received::Packet) => match self.forward_packet(now, Zone::Lan, buf) {
                Forward::To(Zone::Lan) | Forward::Reply => self.frame_out(now, Zone::Lan, buf),
                other => other,
            },
            Ok(Received::Settled) => Forward::Consumed,
            Err(reason) => self.dropped(reason),
        }
    }

    /// A packet for the LAN, from that zone.
    pub(in super::super) fn frame_out(
        &mut self,
        now: Instant,
        from: Zone,
        buf: &mut PacketBuf<'_>,
    ) -> Forward {
        let Some(lan) = &mut self.common.lan else { return Forward::To(Zone::Lan) };
        match lan.send(now, from, buf) {
            Ok(Sent::Frame) => Forward::To(Zone::Lan),
            Ok(Sent::Waits) => Forward::Consumed,
            Err(reason) => self.dropped(reason),
        }
    }

    /// The LAN port's next frame, or what has to be said to somebody else because of it.
    pub(in super::super) fn poll_lan(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Option<Zone> {
        loop {
            match self.common.lan.as_mut()?.poll(now, buf)? {
                Polled::Frame => return Some(Zone::Lan),
                Polled::Refused(from) => {
                    self.common.drops.count(DropReason::NoNeighbour);
                    let told = match buf.payload().first().map(|first| first >> 4) {
                        Some(4) => unreachable(&self.v4, from, buf),
                        _ => unreachable(&self.v6, from, buf),
                    };
                    if told.is_some() {
                        return told;
                    }
                }
                Polled::Lost(reason) => self.common.drops.count(reason),
            }
        }
    }

    fn dropped(&mut self, reason: DropReason) -> Forward {
        self.common.drops.count(reason);
        Forward::Drop(reason)
    }
}

/// Turns a packet that nobody on the LAN takes into what its sender is told, and says where that goes. The packet has been
/// translated already, if it was to be: back, then, as the sender knows it (RFC 1812 §5.2.7.1, RFC 5508 REQ-4).
fn unreachable<A: Address>(family: &Family<A>, from: Zone, buf: &mut PacketBuf<'_>) -> Option<Zone> {
    if from == Zone::Lan {
        return None; // it was an answer of our own
    }
    let mut inner = Inner::<A>::parse(buf).ok()?;
    let answers = family.flows.find(ZoneId::from(Zone::Lan), inner.protocol, &inner.tuple.reversed());
    if let Some(flow) = answers.and_then(|(id, _)| family.flows.get(id))
        && let Some(way) = flow.zones.iter().position(|zone| zone.get() == from)
    {
        inner.rewrite(buf.payload_mut(), &flow.tuples[way]);
    }
    let own = family.own_address(from)?;
    make_error(buf, &inner, IcmpError::HostUnreachable, own, DropReason::NoNeighbour).ok()?;
    Some(from)
}

impl LanPort {
    /// The port that these say, if they do.
    pub(in super::super) fn of(
        config: &RouterConfig,
        setup: &RouterSetup,
        limits: &crate::limits::Limits,
        seed: u64,
    ) -> Option<Self> {
        let mut port = Self::new(setup.lan?, limits, seed);
        port.configure(config.lan.as_ref()?, fixed_addresses(config, setup));
        Some(port)
    }
}

/// What we answer for on the LAN all the time: the port's own addresses, what is forwarded, what clients are hidden behind.
/// Addresses of identities are claimed one by one, as clients get them.
fn fixed_addresses(config: &RouterConfig, setup: &RouterSetup) -> Vec<IpAddr> {
    let gateways = [setup.gateway_ipv4.map(IpAddr::V4), setup.gateway_ipv6.map(IpAddr::V6)];
    let mut all: Vec<IpAddr> = config.fixed_lan_addresses().collect();
    all.retain(|address| !gateways.contains(&Some(*address)));
    all.sort_unstable();
    all.dedup();
    all
}

/// The first and the last address of a network.
fn range(network: IpNetwork) -> RangeInclusive<IpAddr> {
    match network {
        IpNetwork::V4(network) => network.address.into()..=network.broadcast().into(),
        IpNetwork::V6(network) => {
            let host = u128::MAX.checked_shr(network.prefix.into()).unwrap_or(0);
            network.address.into()..=Ipv6Addr::from_bits(network.address.to_bits() | host).into()
        }
    }
}
