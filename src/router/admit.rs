//! The first packet of a flow: whether it may go, where to, and as what.

use super::address::Address;
use super::flow::{Direction, Flow, FlowId, TableFull};
use super::forward::refuse;
use super::icmp::IcmpError;
use super::packet::{Inner, Transport};
use super::rules::{Asked, deny};
use super::zone::{Zone, ZoneId};
use super::{Common, Family, Forward, Step, Way, ticks};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// What was decided.
pub(super) enum Admitted {
    /// It belongs to a flow now.
    Flow(FlowId, Direction),
    /// It goes no further, or not as part of a flow.
    Settled(Forward),
}

pub(super) fn admit<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Admitted> {
    // What answers nothing begins nothing.
    let begins = !matches!(
        inner.transport,
        Transport::IcmpError | Transport::IcmpOther | Transport::Echo { request: false }
    );
    if !begins {
        return Err(DropReason::BadIcmp);
    }
    let Some(to) = common.route(from, inner.tuple.destination) else {
        return refuse(common, family, from, inner, buf, IcmpError::NoRoute, DropReason::NoRoute)
            .map(Admitted::Settled);
    };
    let asked = Asked::of_packet(inner, inner.tuple.destination, inner.tuple.destination_port);
    let judgement = common.judge(family, from, to, &asked);
    if !judgement.is_allowed() {
        return deny(common, family, tick, (from, to), inner, buf, (&asked, judgement))
            .map(Admitted::Settled);
    }
    // Where nothing is translated, the answers come as the packet reversed.
    let flow = Flow::new(
        inner.protocol,
        ZoneId::from(from),
        inner.tuple,
        ZoneId::from(to),
        inner.tuple.reversed(),
        tick,
        common.epoch,
    );
    let id = family.flows.insert(flow).map_err(|full| match full {
        TableFull::Full => DropReason::FlowsFull,
        TableFull::Taken => DropReason::NoMapping,
    })?;
    let due = tick.saturating_add(ticks(common.lifetime(&flow)));
    let next = family.wheel.push(id, due);
    if let Some(flow) = family.flows.get_mut(id) {
        flow.next = next;
    }
    common.flow_started(&flow);
    Ok(Admitted::Flow(id, Direction::Forth))
}

impl Common {
    /// Where what is for that address goes.
    pub(super) fn route<A: Address>(&self, from: Zone, destination: A) -> Option<Zone> {
        let host = self.setup.host_mtu.map(|_| Zone::Host);
        let to = match self.table.find(destination.into()) {
            Some(Way::Nowhere) => return None,
            Some(Way::To(Zone::Peer(_))) if matches!(from, Zone::Peer(_)) && !self.setup.client_to_client => {
                host
            }
            Some(Way::To(zone)) => Some(zone),
            None => host,
        };
        // Back where it came from only between clients behind one.
        to.filter(|to| *to != from)
    }
}
