//! Network address translation: which address and port a flow has outside.
//!
//! [`target`](Nat::target) and [`plan`](Nat::plan) decide for the first packet of a flow; afterwards the flow's two
//! tuples say all. A packet from a client to outside gets an outside source ([`mapping`], [`ports`]); one to an outside
//! end of ours gets the inside end that it stands for ([`filtering`] permitting), also if it comes from inside
//! (hairpinning). There are no application-level
//! gateways: nothing is looked at or changed beyond the transport header.

mod filtering;
mod forwards;
mod leases;
mod mapping;
mod netmap;
mod ports;
mod unsolicited;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::address::Address;
use super::flow::{Flow, FlowId, FlowState, Flows};
use super::packet::{Inner, TCP, Transport, Tuple, UDP};
use super::zone::{Zone, ZoneId};
use super::{Common, ticks};
use crate::config::{Filtering, IpNetwork, Mapping as MappingMode, Nat as NatConfig, RouterConfig};
use crate::peer::PeerId;
use crate::reason::DropReason;

use forwards::Forwards;
use leases::{Leases, Pool};
use unsolicited::Unsolicited;

pub(super) use mapping::{Mapping, MappingId, Mappings};
pub use netmap::Netmaps;

/// How long a port rests before somebody else gets it (RFC 6888 REQ-8).
const REST: core::time::Duration = core::time::Duration::from_secs(120);

/// What is kept of one family's translation.
pub(super) struct Nat<A> {
    kind: Kind<A>,
    forwards: Forwards<A>,
    leases: Leases<A>,
    pub(super) mappings: Mappings<A>,
    filter: filtering::Filter<A>,
    pub(super) unsolicited: Unsolicited<A>,
    /// Whether there is room for anything.
    has_room: bool,
    /// For whom no port was found lately.
    exhausted: [Option<Exhausted<A>>; 8],
}

/// Which outside addresses there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<A> {
    Off,
    /// One for all.
    Masquerade(A),
    /// Each identity has its own, or its own block of ports of one.
    Leased,
}

/// Where an inside end may have its outside end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice<A> {
    address: A,
    ports: RangeInclusive<u16>,
    /// Whether the inside port is kept if it is free.
    keep: bool,
}

impl<A> Slice<A> {
    /// Whether it has all of the address.
    fn is_whole(&self) -> bool {
        self.ports == (0..=u16::MAX)
    }
}

/// There was no port in this class, and will be none before one is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exhausted<A> {
    address: A,
    first: u16,
    protocol: u8,
    releases: u32,
}

/// What the translation does with the first packet of a flow.
pub(super) struct Plan<A> {
    /// How the answers come.
    pub(super) answers: Tuple<A>,
    /// The mapping of its source.
    source: Option<MappingId>,
    /// The mapping that it was sent to.
    target: Option<MappingId>,
    forwarded: bool,
    /// It goes no further than to the outside end of another client, whose filter keeps it out. The flow is there to
    /// let that client's packets in.
    pub(super) halfway: bool,
    /// Such a flow, the other way round, that this one takes the place of.
    pub(super) meets: Option<FlowId>,
}

/// Where the answers of a flow come from that goes no further than to an outside end of ours: nowhere.
pub(super) const HALFWAY: ZoneId = ZoneId::NOWHERE;

impl<A> Plan<A> {
    /// The bits that the flow begins with.
    pub(super) fn state(&self) -> FlowState {
        let mut state = FlowState::default();
        for (bit, is) in [
            (FlowState::FORWARDED, self.forwarded),
            (FlowState::HALFWAY, self.halfway),
            // Who meets another has been sent to.
            (FlowState::ANSWERED, self.meets.is_some()),
            (FlowState::SOURCE_MAPPED, self.source.is_some()),
            (FlowState::TARGET_MAPPED, self.target.is_some()),
        ] {
            if is {
                state.set(bit);
            }
        }
        state
    }
}

/// Where a packet is for, once translated.
#[derive(Clone, Copy)]
pub(super) struct Target<A> {
    /// In which zone, if that is known without a route.
    pub(super) zone: Option<Zone>,
    pub(super) address: A,
    pub(super) port: u16,
    pub(super) mapping: Option<MappingId>,
    /// The address of ours that it came to, if that is another's.
    own: Option<A>,
    /// Whether a port forward brings it there.
    pub(super) forwarded: bool,
}

impl<A: Address> Nat<A> {
    /// As `config` says, with room for the mappings of so many flows. `seed` is secret.
    pub(super) fn new(config: &RouterConfig, flows: usize, seed: u64) -> Self {
        let (kind, pool) = Kind::of(config);
        let forwards = Forwards::new(&config.port_forwards);
        let room = if kind == Kind::Off && forwards.is_empty() { 0 } else { flows };
        let filter_room = if config.filtering == Filtering::AddressDependent { room } else { 0 };
        Self {
            kind,
            forwards,
            leases: Leases::new(pool, room),
            mappings: Mappings::new(room, seed),
            filter: filtering::Filter::new(filter_room, seed),
            unsolicited: Unsolicited::new(room > 0),
            has_room: room > 0,
            exhausted: [None; 8],
        }
    }

    /// Another configuration is in force. Says whether so much has changed that flows must be translated anew; then
    /// there are no mappings and leases any more, and none may be used.
    pub(super) fn configure(&mut self, before: &RouterConfig, config: &RouterConfig) -> bool {
        self.forwards = Forwards::new(&config.port_forwards);
        let needs_room = !self.has_room && !self.forwards.is_empty();
        needs_room || Kind::<A>::of(before) != Kind::of(config) || before.filtering != config.filtering
    }

    /// All leases end.
    pub(super) fn end_leases(&mut self, common: &mut Common) {
        for change in self.leases.end() {
            common.unleased(&change);
        }
    }

    /// Whether the address is one that inside ends have outside.
    fn is_outside(&self, address: A) -> bool {
        match self.kind {
            Kind::Off => false,
            Kind::Masquerade(own) => own == address,
            Kind::Leased => self.leases.pool().contains(address),
        }
    }

    /// Whether who is outside sends to that address what is for somebody inside.
    pub(super) fn answers_for(&self, address: A) -> bool {
        self.is_outside(address) || self.forwards.contains(address)
    }

    /// Where a packet that begins a flow is for.
    pub(super) fn target(
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
    pub(super) fn still_forwards(&self, common: &Common, flow: &Flow<A>) -> bool {
        let (came, goes) = (flow.tuples[0], flow.tuples[1]);
        let end = (came.destination, came.destination_port);
        let found = self.forwards.find(common, flow.protocol, came.source, end);
        found.is_some_and(|(zone, address, port)| {
            (address, port) == (goes.source, goes.source_port)
                && zone.is_none_or(|zone| ZoneId::from(zone) == flow.zones[1])
        })
    }

    /// What a packet that begins a flow seems to come from, where it goes.
    pub(super) fn plan(
        &mut self,
        common: &mut Common,
        flows: &Flows<A>,
        tick: u32,
        (from, to): (Zone, Zone),
        inner: &Inner<A>,
        target: Target<A>,
    ) -> Result<Plan<A>, DropReason> {
        let Tuple { source, source_port, .. } = inner.tuple;
        self.mappings.wake(tick.saturating_sub(ticks(REST)));
        let slice = match (from, target.own) {
            // To an outside end, the sender too has its own (hairpinning).
            (Zone::Peer(peer), Some(own)) if self.is_outside(own) => self.slice(common, tick, peer)?,
            // Back where it came from: past the router the answers would never come to be translated.
            (_, Some(own)) if from == to => Some(Slice { address: own, ports: 0..=u16::MAX, keep: true }),
            (Zone::Peer(peer), _) if to.is_outside() && !common.is_exempt(target.address) => {
                // The LAN port's addresses mean nothing to the host's network.
                let slice = self.slice(common, tick, peer)?;
                slice.filter(|slice| to == Zone::Lan || !common.is_on_lan(slice.address.into()))
            }
            _ => None,
        };
        let hairpin = target.mapping.is_some() && matches!(from, Zone::Peer(_));
        let answers = Tuple {
            source: target.address,
            destination: source,
            source_port: target.port,
            destination_port: source_port,
        };
        let mut plan = Plan {
            answers,
            source: None,
            target: target.mapping,
            forwarded: target.forwarded,
            halfway: false,
            meets: None,
        };
        let Some(slice) = slice else { return Ok(plan) };
        plan.answers.destination = slice.address;
        if has_ports(inner) {
            let shares = inner.protocol == TCP && common.config.mapping == MappingMode::TcpPerDestination;
            if shares && !hairpin {
                let suits = |port| {
                    let taken = Tuple { destination_port: port, ..plan.answers };
                    flows.find(ZoneId::from(to), inner.protocol, &taken).is_none()
                };
                plan.answers.destination_port =
                    self.find_port(common, inner.protocol, source_port, &slice, Some(suits))?;
            } else {
                let end = (ZoneId::from(from), source, source_port);
                let id = self.map(common, inner.protocol, end, &slice, tick)?;
                let Some(mapping) = self.mappings.get(id) else { return Err(DropReason::NoMapping) };
                plan.answers.destination = mapping.outside;
                plan.answers.destination_port = mapping.outside_port;
                plan.source = Some(id);
            }
        }
        if let Some(id) = target.mapping
            && hairpin
        {
            // The filter sees the sender as everybody outside does (RFC 4787 REQ-9a). Whoever sends to its own outside
            // end has sent to it.
            let itself = Some(id) == plan.source;
            let outside = Tuple {
                source: inner.tuple.destination,
                destination: plan.answers.destination,
                source_port: inner.tuple.destination_port,
                destination_port: plan.answers.destination_port,
            };
            plan.meets = flows.find(HALFWAY, inner.protocol, &outside.reversed()).map(|(id, _)| id);
            let lets_in = self.filter.lets_in(common.config.filtering, id, outside.destination);
            if !itself && !lets_in && plan.meets.is_none() {
                (plan.halfway, plan.answers, plan.target) = (true, outside, None);
            }
        }
        if inner.protocol == TCP {
            self.unsolicited.met(&plan.answers);
        }
        Ok(plan)
    }

    /// The flow of a plan was taken in.
    pub(super) fn taken(
        &mut self,
        common: &mut Common,
        plan: &Plan<A>,
        flow: &Flow<A>,
    ) -> Result<(), DropReason> {
        if let Some(id) = plan.target {
            let held = flow.state.is(FlowState::ANSWERED);
            self.mappings.take(id, held, flow.started).map_err(|_| DropReason::PortsExhausted)?;
        }
        if let Some(id) = plan.source {
            let Ok(first) = self.mappings.take(id, true, flow.started) else {
                if let Some(id) = plan.target {
                    self.let_go(common, id, flow.state.is(FlowState::ANSWERED), flow.started);
                }
                return Err(DropReason::PortsExhausted);
            };
            self.filter.permit(id, flow.tuples[1].source);
            if first && let Some(mapping) = self.mappings.get(id) {
                common.mapping_began(mapping);
            }
        }
        Ok(())
    }

    /// The flow of a plan was not taken in.
    pub(super) fn abandon(&mut self, plan: &Plan<A>) {
        if let Some(id) = plan.source {
            self.mappings.give_up(id);
        }
    }

    /// A flow has ended.
    pub(super) fn ended(&mut self, common: &mut Common, flow: &Flow<A>, tick: u32) {
        if flow.state.is(FlowState::SOURCE_MAPPED)
            && let Some(id) = self.source_of(flow)
        {
            self.filter.forbid(id, flow.tuples[1].source);
            self.let_go(common, id, true, tick);
        }
        if flow.state.is(FlowState::TARGET_MAPPED)
            && let Some(id) = self.target_of(flow)
        {
            self.let_go(common, id, flow.state.is(FlowState::ANSWERED), tick);
        }
    }

    /// Who a flow was begun to has answered for the first time.
    pub(super) fn answered(&mut self, flow: &Flow<A>) {
        if let Some(id) = self.target_of(flow) {
            self.mappings.hold(id);
        }
    }

    /// Whether a packet of a flow that nobody inside has answered may still go in.
    pub(super) fn is_open(&self, flow: &Flow<A>) -> bool {
        self.target_of(flow).is_none_or(|id| self.mappings.is_held(id))
    }

    fn source_of(&self, flow: &Flow<A>) -> Option<MappingId> {
        let end = flow.tuples[1];
        self.mappings.find_outside(flow.protocol, end.destination, end.destination_port)
    }

    fn target_of(&self, flow: &Flow<A>) -> Option<MappingId> {
        let end = flow.tuples[0];
        self.mappings.find_outside(flow.protocol, end.destination, end.destination_port)
    }

    fn let_go(&mut self, common: &mut Common, id: MappingId, held: bool, tick: u32) {
        // TCP is followed to its end, and where only known ends get in nothing can come for who had it before
        // (RFC 6888 REQ-8, a and c).
        let rests = self.mappings.get(id).is_some_and(|mapping| mapping.protocol != TCP)
            && common.config.filtering == Filtering::EndpointIndependent;
        if let Some(mapping) = self.mappings.let_go(id, held, tick, rests) {
            common.mapping_ended(&mapping, tick);
        }
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

    /// Where a client's outside ends are; none if they are as inside. It gets them, if it needs some of its own.
    fn slice(
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
            common.leased(&change);
        }
        Some(slice)
    }

    /// A client is connected: it has its address from now on, if it gets a whole one, so that the LAN knows it by the
    /// time that it is used.
    pub(super) fn client_up(&mut self, common: &mut Common, tick: u32, peer: PeerId) {
        if matches!(self.leases.pool(), Pool::Addresses(ranges) if !ranges.is_empty()) {
            let _ = self.lease(common, tick, peer);
        }
    }

    /// A client has gone: others get what it had, after a while.
    pub(super) fn client_down(&mut self, common: &mut Common, tick: u32, peer: PeerId) {
        if let Some(change) = self.leases.release(peer, tick) {
            common.unleased(&change);
        }
    }

    /// The mapping of an inside end, a new one if it has none.
    fn map(
        &mut self,
        common: &mut Common,
        protocol: u8,
        (zone, address, port): (ZoneId, A, u16),
        slice: &Slice<A>,
        tick: u32,
    ) -> Result<MappingId, DropReason> {
        if let Some(id) = self.mappings.find_inside(zone, protocol, address, port) {
            return Ok(id);
        }
        if !common.may_have_port(zone.get(), protocol) {
            return Err(DropReason::ClientLimit);
        }
        let outside = self.find_port(common, protocol, port, slice, None::<fn(u16) -> bool>)?;
        let inserted = self.mappings.insert(protocol, (zone, address, port), (slice.address, outside), tick);
        inserted.map_err(|_| DropReason::PortsExhausted)
    }

    /// A port that no mapping has; if several flows may share it, one that `suits`.
    fn find_port(
        &mut self,
        common: &mut Common,
        protocol: u8,
        wanted: u16,
        slice: &Slice<A>,
        suits: Option<impl Fn(u16) -> bool>,
    ) -> Result<u16, DropReason> {
        let class = ports::class(protocol, wanted, &slice.ports);
        let lack = Exhausted {
            address: slice.address,
            first: *class.start(),
            protocol,
            releases: self.mappings.releases(),
        };
        if suits.is_none() && self.exhausted.contains(&Some(lack)) {
            return Err(DropReason::PortsExhausted);
        }
        let (mappings, forwards) = (&self.mappings, &self.forwards);
        let is_free = |port| {
            mappings.find_outside(protocol, slice.address, port).is_none()
                && !forwards.takes(protocol, slice.address, port)
                && suits.as_ref().is_none_or(|suits| suits(port))
        };
        let found = ports::choose(&mut common.random, wanted, &class, slice.keep, is_free);
        if found.is_none() && suits.is_none() {
            self.exhausted.rotate_right(1);
            self.exhausted[0] = Some(lack);
        }
        found.ok_or(DropReason::PortsExhausted)
    }
}

impl<A: Address> Kind<A> {
    fn of(config: &RouterConfig) -> (Self, Pool<A>) {
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

/// Whether several of its flows can be told apart at one address: by ports, or by an identifier.
fn has_ports<A: Address>(inner: &Inner<A>) -> bool {
    matches!(inner.protocol, TCP | UDP) || inner.protocol == A::ICMP
}

impl Common {
    /// Whether nothing is translated towards that address (RFC 6888 REQ-6).
    fn is_exempt<A: Address>(&self, address: A) -> bool {
        self.config.nat_exempt.iter().any(|network| network.contains(address.into()))
    }

    /// Whether who is there may have another outside port (RFC 6888 REQ-4).
    fn may_have_port(&mut self, zone: Zone, protocol: u8) -> bool {
        let Zone::Peer(peer) = zone else { return true };
        let limit = self.config.client_limits.ports;
        self.clients.get_mut(peer).is_some_and(|client| {
            let limit = client.limits.map_or(limit, |own| own.ports);
            limit.is_none_or(|limit| *client.ports_of(protocol) < limit)
        })
    }

    /// An identity has an outside address, or a block of its ports, from now on.
    fn leased<A: Address>(&mut self, change: &leases::Change<A>) {
        if change.slice.is_whole()
            && let Some(lan) = &mut self.lan
        {
            lan.claim(change.slice.address.into());
        }
    }

    /// It has it no longer.
    fn unleased<A: Address>(&mut self, change: &leases::Change<A>) {
        if change.slice.is_whole()
            && let Some(lan) = &mut self.lan
        {
            lan.release(change.slice.address.into());
        }
    }

    /// Whether an address lies in the LAN port's network.
    fn is_on_lan(&self, address: core::net::IpAddr) -> bool {
        self.config.lan.as_ref().is_some_and(|lan| {
            let mut networks = lan.addresses.iter();
            networks.any(|(own, prefix)| IpNetwork::containing(*own, *prefix).contains(address))
        })
    }
}
