//! The first packet of a flow: whether it may go, where to, and as what.

use super::address::Address;
use super::flow::{Direction, Flow, FlowId, TableFull};
use super::forward::refuse;
use super::icmp::IcmpError;
use super::nat::HALFWAY;
use super::packet::tcp_flags::{ACK, SYN};
use super::packet::{Inner, Transport};
use super::rules::{Asked, Judgement, deny};
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

/// Why there is no flow.
enum Refusal {
    Reason(DropReason),
    /// The rules say so.
    Rules(Zone, Asked, Judgement),
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self::Reason(reason)
    }
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
    let why = match open(common, family, tick, from, inner) {
        Ok(id) => return Ok(Admitted::Flow(id, Direction::Forth)),
        Err(Refusal::Rules(to, asked, judgement)) => {
            let refused = deny(common, family, tick, (from, to), inner, buf, (&asked, judgement));
            return refused.map(Admitted::Settled);
        }
        Err(Refusal::Reason(why)) => why,
    };
    let is_unsolicited = matches!(why, DropReason::NoMapping | DropReason::Filtered)
        && matches!(inner.transport, Transport::Tcp { flags } if flags & (SYN | ACK) == SYN)
        && from.is_outside()
        && family.nat.answers_for(inner.tuple.destination);
    if is_unsolicited {
        family.nat.unsolicited.hold(from, inner.tuple, buf.payload(), tick);
    }
    if why == DropReason::PortsExhausted {
        common.ports_exhausted(tick, from, inner.protocol);
    }
    let error = match why {
        DropReason::NoRoute => IcmpError::NoRoute,
        // RFC 6888 REQ-11, RFC 5508 REQ-8: it cannot be had now; it may not be had.
        DropReason::PortsExhausted | DropReason::FlowsFull => IcmpError::HostUnreachable,
        DropReason::ClientLimit => IcmpError::Prohibited,
        _ => return Err(why),
    };
    refuse(common, family, from, inner, buf, error, why).map(Admitted::Settled)
}

/// Makes a flow of the packet.
fn open<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    inner: &Inner<A>,
) -> Result<FlowId, Refusal> {
    let target = family.nat.target(common, from, inner)?;
    let to = match target.zone {
        Some(zone) => Some(zone),
        None if target.forwarded => common.reach(target.address),
        None => common.route(from, target.address),
    };
    let to = to.ok_or(DropReason::NoRoute)?;
    let asked = Asked::of_packet(inner, target.address, target.port);
    let judgement = common.judge(family, from, to, &asked);
    // What a port forward brings in is allowed.
    if !target.forwarded && !judgement.is_allowed() {
        // To a stranger the mapping is not there: nobody learns by an answer whether it is (RFC 5382 REQ-4).
        return Err(match target.mapping {
            Some(_) if from.is_outside() => DropReason::Filtered.into(),
            _ => Refusal::Rules(to, asked, judgement),
        });
    }
    common.take_flow(tick, (from, to), A::VERSION == 6, family.flows.room())?;
    let plan = family.nat.plan(common, &family.flows, tick, (from, to), inner, target)?;
    let answers_from = if plan.halfway { HALFWAY } else { ZoneId::from(to) };
    let epoch = common.epoch;
    let zone = ZoneId::from(from);
    let mut flow = Flow::new(inner.protocol, zone, inner.tuple, answers_from, plan.answers, tick, epoch);
    flow.state = plan.state();
    if plan.halfway {
        // It is looked at again with each packet.
        flow.epoch = common.epoch.wrapping_sub(1);
    }
    if matches!(inner.transport, Transport::Tcp { flags } if flags & SYN == 0) {
        flow.met_in_the_middle();
    }
    let met = plan.meets.and_then(|id| family.flows.remove(id));
    let due = tick.saturating_add(ticks(flow.lifetime(&common.config.lifetimes)));
    let inserted = family.flows.insert(flow, due);
    let taken = match inserted {
        Ok(id) => family.nat.taken(common, &plan, &flow).map(|()| id).inspect_err(|_| {
            let _ = family.flows.remove(id);
            family.nat.abandon(&plan);
        }),
        Err(full) => {
            family.nat.abandon(&plan);
            Err(match full {
                TableFull::Full => DropReason::FlowsFull,
                // Without ports there is one client for each destination.
                TableFull::Taken if plan.answers != inner.tuple.reversed() => DropReason::PortsExhausted,
                TableFull::Taken => DropReason::NoMapping,
            })
        }
    };
    if let Some(met) = met {
        family.nat.ended(common, &met, tick);
        common.flow_ended(&met);
    }
    let id = taken?;
    common.flow_started(&flow);
    if plan.halfway { Err(DropReason::Filtered.into()) } else { Ok(id) }
}

impl Common {
    /// Where what is for that address goes, from there.
    pub(super) fn route<A: Address>(&self, from: Zone, destination: A) -> Option<Zone> {
        let to = match self.reach(destination)? {
            Zone::Peer(_) if matches!(from, Zone::Peer(_)) && !self.setup.client_to_client => self.host()?,
            zone => zone,
        };
        // Back where it came from only between clients behind one.
        (to != from).then_some(to)
    }

    /// Where an address is.
    pub(super) fn reach<A: Address>(&self, address: A) -> Option<Zone> {
        match self.table.find(address.into()) {
            Some(Way::Nowhere) => None,
            Some(Way::To(zone)) => Some(zone),
            None => self.host(),
        }
    }

    fn host(&self) -> Option<Zone> {
        self.setup.host_mtu.map(|_| Zone::Host)
    }
}
