//! Where a packet is for that begins a flow: the inside end that an outside end of ours stands for.

use super::super::Common;
use super::super::address::Address;
use super::super::flow::Flow;
use super::super::packet::{Inner, Transport, Tuple};
use super::super::zone::{Zone, ZoneId};
use super::leases::Pool;
use super::{Kind, MappingId, Nat, forwards, has_ports};
use crate::reason::DropReason;

/// Where a packet is for, once translated.
#[derive(Clone, Copy)]
pub(in crate::router) struct Target<A> {
    /// In which zone, if that is known without a route.
    pub(in crate::router) zone: Option<Zone>,
    pub(in crate::router) address: A,
    pub(in crate::router) port: u16,
    pub(in crate::router) mapping: Option<MappingId>,
    /// The address of ours that it came to, if that is another's.
    pub(super) own: Option<A>,
    /// Whether a port forward brings it there.
    pub(in crate::router) forwarded: bool,
}

impl<A: Address> Nat<A> {
    /// Where a packet that begins a flow is for.
    pub(in crate::router) fn target(
        &self,
        common: &Common,
        from: Zone,
        inner: &Inner<A>,
    ) -> Result<Target<A>, DropReason> {
        let Tuple { source, destination, destination_port, .. } = inner.tuple;
        let end = (destination, destination_port);
        if let Some((zone, address, port)) = self.forwards.find(common, inner.protocol, source, end) {
            return Ok(Target {
                zone,
                address,
                port,
                mapping: None,
                own: Some(destination),
                forwarded: true,
            });
        }
        if self.forwards.takes(inner.protocol, destination, destination_port) {
            return Err(DropReason::NoMapping); // not from there, or not now
        }
        if !self.is_outside(destination) {
            let target = Target {
                zone: None,
                address: destination,
                port: destination_port,
                mapping: None,
                own: None,
                forwarded: false,
            };
            // Who is translated towards the LAN cannot be had from there by the address that it has inside.
            let hidden = from == Zone::Lan
                && self.kind != Kind::Off
                && matches!(common.reach(destination), Some(Zone::Peer(_)))
                && !common.is_exempt(source);
            return if hidden { Err(DropReason::Filtered) } else { Ok(target) };
        }
        let target = self.inside_of(common, from, inner)?;
        // From inside the filter is asked when the sender has its outside end.
        match target.mapping {
            Some(id) if from.is_outside() && !self.filter.lets_in(common.config.filtering, id, source) => {
                Err(DropReason::Filtered)
            }
            _ => Ok(target),
        }
    }

    /// Whether a port forward still brings a flow to where it goes.
    pub(in crate::router) fn still_forwards(&self, common: &Common, flow: &Flow<A>) -> bool {
        let (came, goes) = (flow.tuples[0], flow.tuples[1]);
        let end = (came.destination, came.destination_port);
        let found = self.forwards.find(common, flow.protocol, came.source, end);
        found.is_some_and(|(zone, address, port)| {
            (address, port) == (goes.source, goes.source_port)
                && zone.is_none_or(|zone| ZoneId::from(zone) == flow.zones[1])
        })
    }

    /// The inside end that an outside end of ours stands for.
    fn inside_of(&self, common: &Common, from: Zone, inner: &Inner<A>) -> Result<Target<A>, DropReason> {
        let Tuple { destination, destination_port, .. } = inner.tuple;
        if matches!(inner.transport, Transport::Echo { request: true }) {
            return self.pinged(common, from, destination);
        }
        if !has_ports(inner) {
            return Err(DropReason::NoMapping);
        }
        let id = self.mappings.find_outside(inner.protocol, destination, destination_port);
        let id = id.filter(|&id| self.mappings.is_held(id)).ok_or(DropReason::NoMapping)?;
        let mapping = self.mappings.get(id).ok_or(DropReason::NoMapping)?;
        let zone = mapping.zone.get();
        if matches!(zone, Zone::Peer(peer) if common.clients.get(peer).is_none()) {
            return Err(DropReason::NoMapping); // it has gone, and so will the mapping
        }
        Ok(Target {
            zone: Some(zone),
            address: mapping.inside,
            port: mapping.inside_port,
            mapping: Some(id),
            own: Some(destination),
            forwarded: false,
        })
    }

    /// Who answers a ping to an outside address: among clients, the one whose address it is (RFC 5508 REQ-7). Its
    /// identifier belongs to who asks, so that there is no mapping and no filter; from outside nobody does.
    fn pinged(&self, common: &Common, from: Zone, destination: A) -> Result<Target<A>, DropReason> {
        let owner = match self.leases.pool() {
            Pool::Addresses(_) if !from.is_outside() => self.leases.owner(destination, 0),
            _ => None,
        };
        let client = owner.and_then(|identity| common.clients.find(identity));
        let client = client.and_then(|peer| common.clients.get(peer)).ok_or(DropReason::NoMapping)?;
        let address = client.networks.iter().find_map(forwards::host).ok_or(DropReason::NoMapping)?;
        let zone = Some(Zone::Peer(client.peer));
        Ok(Target { zone, address, port: 0, mapping: None, own: Some(destination), forwarded: false })
    }
}
