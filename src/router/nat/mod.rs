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
mod plan;
mod ports;
mod slice;
mod target;
mod unsolicited;

use super::Common;
use super::address::Address;
use super::flow::{Flow, FlowState};
use super::limits::LimitKind;
use super::packet::{Inner, TCP, UDP};
use super::zone::Zone;
use crate::config::{Filtering, RouterConfig};

use filtering::Filter;
use forwards::Forwards;
use leases::Leases;
pub(super) use mapping::{Mapping, MappingId, Mappings};
pub use netmap::Netmaps;
use plan::Exhausted;
pub(super) use plan::HALFWAY;
use slice::{Kind, Slice};
pub(super) use target::Target;
use unsolicited::Unsolicited;

/// How long a port rests before somebody else gets it (RFC 6888 REQ-8).
const REST: core::time::Duration = core::time::Duration::from_secs(120);

/// What is kept of one family's translation.
pub(super) struct Nat<A> {
    kind: Kind<A>,
    forwards: Forwards<A>,
    leases: Leases<A>,
    pub(super) mappings: Mappings<A>,
    filter: Filter<A>,
    pub(super) unsolicited: Unsolicited<A>,
    /// Whether there is room for anything.
    has_room: bool,
    /// For whom no port was found lately.
    exhausted: [Option<Exhausted<A>>; 8],
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
            filter: Filter::new(filter_room, seed),
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

    /// How many permits there are.
    #[cfg(test)]
    pub(super) fn permits(&self) -> usize {
        self.filter.len()
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
        let may = self.clients.get_mut(peer).is_some_and(|client| {
            let limit = client.budget.limits().ports;
            limit.is_none_or(|limit| *client.ports_of(protocol) < limit)
        });
        if !may {
            self.limit_reached(self.tick, peer, LimitKind::Ports);
        }
        may
    }
}
