//! Network address translation: which address and port a flow has outside.
//!
//! [`target`](Nat::target) and [`plan`](Nat::plan) decide for the first packet of a flow; afterwards the flow's two
//! tuples say all. A packet from a client to outside gets an outside source ([`mapping`], [`ports`]); one to an outside
//! end of ours gets the inside end that it stands for ([`filtering`] permitting), also if it comes from inside
//! (hairpinning). There are no application-level
//! gateways: nothing is looked at or changed beyond the transport header.

mod filtering;
mod mapping;
mod ports;

use core::ops::RangeInclusive;

use super::address::Address;
use super::flow::{Flow, FlowState, Flows};
use super::packet::{Inner, TCP, Transport, Tuple, UDP};
use super::zone::{Zone, ZoneId};
use super::{Common, ticks};
use crate::config::{Filtering, IpNetwork, Mapping as MappingMode, Nat as NatConfig, RouterConfig};
use crate::reason::DropReason;

pub(super) use mapping::{Mapping, MappingId, Mappings};

/// How long a port rests before somebody else gets it (RFC 6888 REQ-8).
const REST: core::time::Duration = core::time::Duration::from_secs(120);

/// What is kept of one family's translation.
pub(super) struct Nat<A> {
    kind: Kind<A>,
    pub(super) mappings: Mappings<A>,
    filter: filtering::Filter<A>,
    /// For whom no port was found lately.
    exhausted: [Option<Exhausted<A>>; 8],
}

/// Which outside addresses there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind<A> {
    Off,
    /// One for all.
    Masquerade(A),
}

/// Where an inside end may have its outside end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice<A> {
    address: A,
    ports: RangeInclusive<u16>,
    /// Whether the inside port is kept if it is free.
    keep: bool,
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
}

impl<A> Plan<A> {
    /// The bits that the flow begins with.
    pub(super) fn state(&self) -> FlowState {
        let mut state = FlowState::default();
        for (bit, is) in [
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
}

impl<A: Address> Nat<A> {
    pub(super) fn new(config: &RouterConfig, flows: usize, seed: u64) -> Self {
        let kind = Kind::of(config);
        let room = if kind == Kind::Off { 0 } else { flows };
        let filter_room = if config.filtering == Filtering::AddressDependent { room } else { 0 };
        Self {
            kind,
            mappings: Mappings::new(room, seed),
            filter: filtering::Filter::new(filter_room, seed),
            exhausted: [None; 8],
        }
    }

    /// Whether the address is one that inside ends have outside.
    pub(super) fn is_outside(&self, address: A) -> bool {
        match self.kind {
            Kind::Off => false,
            Kind::Masquerade(own) => own == address,
        }
    }

    /// Where a packet that begins a flow is for.
    pub(super) fn target(
        &self,
        common: &Common,
        from: Zone,
        inner: &Inner<A>,
    ) -> Result<Target<A>, DropReason> {
        let Tuple { source, destination, destination_port, .. } = inner.tuple;
        if !self.is_outside(destination) {
            return Ok(Target { zone: None, address: destination, port: destination_port, mapping: None });
        }
        let target = self.inside_of(common, inner)?;
        // From inside the filter is asked when the sender has its outside end.
        match target.mapping {
            Some(id) if from.is_outside() && !self.filter.lets_in(common.config.filtering, id, source) => {
                Err(DropReason::Filtered)
            }
            _ => Ok(target),
        }
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
        let is_exempt = || {
            let mut exempt = common.config.nat_exempt.iter();
            exempt.any(|network| network.contains(target.address.into()))
        };
        let is_inside = matches!(from, Zone::Peer(_));
        let hairpin = is_inside && target.mapping.is_some();
        let translates = hairpin || (is_inside && to.is_outside() && !is_exempt());
        let slice = if translates { self.slice(common, tick, from, to, hairpin)? } else { None };
        let answers = Tuple {
            source: target.address,
            destination: source,
            source_port: target.port,
            destination_port: source_port,
        };
        let mut plan = Plan { answers, source: None, target: target.mapping };
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
            if !itself && !self.filter.lets_in(common.config.filtering, id, plan.answers.destination) {
                self.abandon(&plan);
                return Err(DropReason::Filtered);
            }
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
            self.mappings.take(id, false, flow.started).map_err(|_| DropReason::PortsExhausted)?;
        }
        if let Some(id) = plan.source {
            let Ok(first) = self.mappings.take(id, true, flow.started) else {
                if let Some(id) = plan.target {
                    self.let_go(common, id, false, flow.started);
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
    fn inside_of(&self, common: &Common, inner: &Inner<A>) -> Result<Target<A>, DropReason> {
        let Tuple { destination, destination_port, .. } = inner.tuple;
        let asks = matches!(inner.transport, Transport::Echo { request: true });
        if asks || !has_ports(inner) {
            return Err(DropReason::NoMapping);
        }
        let id = self.mappings.find_outside(inner.protocol, destination, destination_port);
        let id = id.filter(|&id| self.mappings.is_held(id)).ok_or(DropReason::NoMapping)?;
        let mapping = self.mappings.get(id).ok_or(DropReason::NoMapping)?;
        let zone = mapping.zone.get();
        if matches!(zone, Zone::Peer(peer) if common.clients.get(peer).is_none()) {
            return Err(DropReason::NoMapping); // it has gone, and so will the mapping
        }
        Ok(Target { zone: Some(zone), address: mapping.inside, port: mapping.inside_port, mapping: Some(id) })
    }

    /// Where a client's outside ends are towards that zone; none if they are as inside.
    fn slice(
        &self,
        common: &Common,
        _tick: u32,
        _from: Zone,
        to: Zone,
        hairpin: bool,
    ) -> Result<Option<Slice<A>>, DropReason> {
        let slice = match self.kind {
            Kind::Off => return Ok(None),
            Kind::Masquerade(address) => Slice { address, ports: 0..=u16::MAX, keep: true },
        };
        // The LAN port's addresses mean nothing to the host's network.
        let applies = hairpin || to == Zone::Lan || !common.is_on_lan(slice.address.into());
        Ok(applies.then_some(slice))
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
        let mappings = &self.mappings;
        let is_free = |port| {
            mappings.find_outside(protocol, slice.address, port).is_none()
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
    fn of(config: &RouterConfig) -> Self {
        let lan = || match A::VERSION {
            4 => config.lan_ipv4().and_then(|address| A::of(address.into())),
            _ => config.lan_ipv6().and_then(|address| A::of(address.into())),
        };
        let address = match &config.nat {
            NatConfig::Masquerade(Some(address)) => A::of(*address),
            NatConfig::Masquerade(None) => lan(),
            NatConfig::Off | NatConfig::Blocks { .. } | NatConfig::Identity(_) => None,
        };
        address.map_or(Self::Off, Self::Masquerade)
    }
}

/// Whether several of its flows can be told apart at one address: by ports, or by an identifier.
fn has_ports<A: Address>(inner: &Inner<A>) -> bool {
    matches!(inner.protocol, TCP | UDP) || inner.protocol == A::ICMP
}

impl Common {
    /// Whether an address lies in the LAN port's network.
    fn is_on_lan(&self, address: core::net::IpAddr) -> bool {
        self.config.lan.as_ref().is_some_and(|lan| {
            let mut networks = lan.addresses.iter();
            networks.any(|(own, prefix)| IpNetwork::containing(*own, *prefix).contains(address))
        })
    }
}
