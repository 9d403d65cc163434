//! What a packet that begins a flow seems to come from, where it goes: its mapping, and the port for a new one.

use super::super::address::Address;
use super::super::flow::{Flow, FlowId, FlowState, Flows};
use super::super::packet::{Inner, TCP, Tuple};
use super::super::zone::{Zone, ZoneId};
use super::super::{Common, ticks};
use super::{MappingId, Nat, REST, Slice, Target, has_ports, ports};
use crate::config::Mapping;
use crate::reason::DropReason;

/// What the translation does with the first packet of a flow.
pub(in crate::router) struct Plan<A> {
    /// How the answers come.
    pub(in crate::router) answers: Tuple<A>,
    /// The mapping of its source.
    source: Option<MappingId>,
    /// The mapping that it was sent to.
    target: Option<MappingId>,
    forwarded: bool,
    /// It goes no further than to the outside end of another client, whose filter keeps it out. The flow is there to
    /// let that client's packets in.
    pub(in crate::router) halfway: bool,
    /// Such a flow, the other way round, that this one takes the place of.
    pub(in crate::router) meets: Option<FlowId>,
}

/// Where the answers of a flow come from that goes no further than to an outside end of ours: nowhere.
pub(in crate::router) const HALFWAY: ZoneId = ZoneId::NOWHERE;

impl<A> Plan<A> {
    /// The bits that the flow begins with.
    pub(in crate::router) fn state(&self) -> FlowState {
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

/// There was no port in this class, and will be none before one is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted<A> {
    address: A,
    first: u16,
    protocol: u8,
    releases: u32,
}

impl<A: Address> Nat<A> {
    /// What a packet that begins a flow seems to come from, where it goes.
    pub(in crate::router) fn plan(
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
            let shares = inner.protocol == TCP && common.config.mapping == Mapping::TcpPerDestination;
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
    pub(in crate::router) fn taken(
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
    pub(in crate::router) fn abandon(&mut self, plan: &Plan<A>) {
        if let Some(id) = plan.source {
            self.mappings.give_up(id);
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
        let known = self.mappings.find_inside(zone, protocol, address, port);
        // One that rests is taken up again, and counts again.
        let counts = known.is_none_or(|id| !self.mappings.is_used(id));
        if counts && !common.may_have_port(zone.get(), protocol) {
            return Err(DropReason::ClientLimit);
        }
        if let Some(id) = known {
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
