//! Which outside addresses and ports there are, and which of them a client has.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::super::address::Address;
use super::super::{Common, ticks};
use super::leases::{self, Pool};
use super::{Nat, REST};
use crate::config::{IpNetwork, Nat as NatConfig, RouterConfig};
use crate::peer::PeerId;
use crate::reason::DropReason;

/// Which outside addresses there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<A> {
    Off,
    /// One for all.
    Masquerade(A),
    /// Each identity has its own, or its own block of ports of one.
    Leased,
}

/// Where an inside end may have its outside end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slice<A> {
    pub(super) address: A,
    pub(super) ports: RangeInclusive<u16>,
    /// Whether the inside port is kept if it is free.
    pub(super) keep: bool,
}

impl<A> Slice<A> {
    /// Whether it has all of the address.
    fn is_whole(&self) -> bool {
        self.ports == (0..=u16::MAX)
    }
}

impl<A: Address> Kind<A> {
    pub(super) fn of(config: &RouterConfig) -> (Self, Pool<A>) {
        let lan = match A::VERSION {
            4 => config.lan_ipv4().and_then(|address| A::of(address.into())),
            _ => config.lan_ipv6().and_then(|address| A::of(address.into())),
        };
        let mut pool = Pool::Addresses(Vec::new());
        let masquerade = match &config.nat {
            NatConfig::Off => None,
            NatConfig::Masquerade(None) => lan,
            NatConfig::Masquerade(Some(address)) => A::of(*address),
            NatConfig::Blocks { size, addresses } => {
                let own = if addresses.is_empty() { lan.into_iter().collect() } else { Vec::new() };
                let addresses = addresses.iter().filter_map(|address| A::of(*address)).chain(own).collect();
                pool = Pool::Blocks { addresses, size: *size };
                None
            }
            NatConfig::Identity(ranges) => {
                let ends = |range: &RangeInclusive<_>| Some(A::of(*range.start())?..=A::of(*range.end())?);
                pool = Pool::Addresses(ranges.iter().filter_map(ends).collect());
                None
            }
        };
        let kind = match masquerade {
            Some(address) => Self::Masquerade(address),
            None if !pool.is_empty() => Self::Leased,
            None => Self::Off,
        };
        (kind, pool)
    }
}

impl<A: Address> Nat<A> {
    /// Where a client's outside ends are; none if they are as inside. It gets them, if it needs some of its own.
    pub(super) fn slice(
        &mut self,
        common: &mut Common,
        tick: u32,
        peer: PeerId,
    ) -> Result<Option<Slice<A>>, DropReason> {
        match self.kind {
            Kind::Off => Ok(None),
            Kind::Masquerade(address) => Ok(Some(Slice { address, ports: 0..=u16::MAX, keep: true })),
            Kind::Leased => match self.leases.held_by(peer) {
                Some(slice) => Ok(Some(slice)),
                None => self.lease(common, tick, peer).map(Some).ok_or(DropReason::PortsExhausted),
            },
        }
    }

    fn lease(&mut self, common: &mut Common, tick: u32, peer: PeerId) -> Option<Slice<A>> {
        let identity = Arc::clone(&common.clients.get(peer)?.identity);
        let (slice, change) = self.leases.lease(peer, &identity, tick, ticks(REST))?;
        if let Some(change) = change {
            common.leased(tick, &change);
        }
        Some(slice)
    }

    /// A client is connected: it has its address from now on, if it gets a whole one, so that the LAN knows it by the
    /// time that it is used.
    pub(in crate::router) fn client_up(&mut self, common: &mut Common, tick: u32, peer: PeerId) {
        // Whoever had the handle before has gone, told or not.
        self.client_down(common, tick, peer);
        if matches!(self.leases.pool(), Pool::Addresses(ranges) if !ranges.is_empty()) {
            let _ = self.lease(common, tick, peer);
        }
    }

    /// A client has gone: others get what it had, after a while.
    pub(in crate::router) fn client_down(&mut self, common: &mut Common, tick: u32, peer: PeerId) {
        if let Some(change) = self.leases.release(peer, tick) {
            common.unleased(tick, &change);
        }
    }

    /// All leases end.
    pub(in crate::router) fn end_leases(&mut self, common: &mut Common, tick: u32) {
        for change in self.leases.end() {
            common.unleased(tick, &change);
        }
    }
}

impl Common {
    /// An identity has an outside address, or a block of its ports, from now on.
    fn leased<A: Address>(&mut self, tick: u32, change: &leases::Change<A>) {
        let (address, ports) = (change.slice.address.into(), change.slice.ports.clone());
        self.lease_began(tick, &change.identity, address.into(), Some(ports));
        if change.slice.is_whole()
            && let Some(lan) = &mut self.lan
        {
            lan.claim(change.slice.address.into());
        }
    }

    /// It has it no longer.
    fn unleased<A: Address>(&mut self, tick: u32, change: &leases::Change<A>) {
        let (address, ports) = (change.slice.address.into(), change.slice.ports.clone());
        self.lease_ended(tick, &change.identity, address.into(), Some(ports));
        if change.slice.is_whole()
            && let Some(lan) = &mut self.lan
        {
            lan.release(change.slice.address.into());
        }
    }

    /// Whether an address lies in the LAN port's network.
    pub(super) fn is_on_lan(&self, address: core::net::IpAddr) -> bool {
        self.config.lan.as_ref().is_some_and(|lan| {
            let mut networks = lan.addresses.iter();
            networks.any(|(own, prefix)| IpNetwork::containing(*own, *prefix).contains(address))
        })
    }
}
