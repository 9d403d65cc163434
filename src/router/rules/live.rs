//! What rules do to packets: those of new flows, and those of flows that there were when rules or routes changed.

use super::super::address::Address;
use super::super::flow::{Direction, FlowId, FlowState};
use super::super::forward::refuse;
use super::super::icmp::IcmpError;
use super::super::packet::{Inner, Transport};
use super::super::reset::make_reset;
use super::super::zone::Zone;
use super::super::{Common, Family, Forward, Step, Way};
use super::{Asked, Judgement};
use crate::buffer::PacketBuf;
use crate::config::Action;
use crate::reason::DropReason;

/// What becomes of a flow that is looked at again.
pub(in super::super) enum Still {
    /// It goes on.
    Goes,
    /// It has ended, as its way has changed: the packet is the first of another one.
    Gone,
    /// It has ended, and the packet with it.
    Refused(Forward),
}

/// Looks whether a flow may still go, since rules or routes have changed. If not it ends here, at its next packet in
/// whichever direction.
#[cold]
pub(in super::super) fn look_again<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    (id, direction): (FlowId, Direction),
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Still> {
    let Some(&flow) = family.flows.get(id) else { return Ok(Still::Gone) };
    if flow.state.is(FlowState::HALFWAY) {
        family.end(common, id, tick); // perhaps it gets further now
        return Ok(Still::Gone);
    }
    let [from, to] = flow.zones.map(super::super::ZoneId::get);
    let (forth, back) = (flow.leaves_as(Direction::Forth), flow.leaves_as(Direction::Back));
    let goes_on = common.leads_to(from, forth.destination, to)
        && common.leads_to(to, back.destination, from)
        && (!flow.state.is(FlowState::FORWARDED) || family.nat.still_forwards(common, &flow));
    if !goes_on {
        family.end(common, id, tick);
        return Ok(Still::Gone);
    }
    let asked = Asked::of_flow(&flow);
    let judgement = if flow.state.is(FlowState::FORWARDED) {
        Judgement::allow(super::Because::Forwarded)
    } else {
        common.judge(family, from, to, &asked)
    };
    if judgement.is_allowed() {
        if let Some(flow) = family.flows.get_mut(id) {
            flow.epoch = common.epoch;
        }
        return Ok(Still::Goes);
    }
    family.end(common, id, tick);
    common.denied(tick, from, to, &asked, judgement);
    let sender = flow.zones[direction as usize].get();
    answer(common, family, tick, sender, inner, buf, judgement.action).map(Still::Refused)
}

/// Refuses the first packet of a flow, as the rules say.
#[cold]
pub(in super::super) fn deny<A: Address>(
    common: &mut Common,
    family: &Family<A>,
    tick: u32,
    (from, to): (Zone, Zone),
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
    (asked, judgement): (&Asked, Judgement),
) -> Step<Forward> {
    common.denied(tick, from, to, asked, judgement);
    answer(common, family, tick, from, inner, buf, judgement.action)
}

/// Tells the sender, unless the rule is for silence.
fn answer<A: Address>(
    common: &mut Common,
    family: &Family<A>,
    _tick: u32,
    sender: Zone,
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
    action: Action,
) -> Step<Forward> {
    let why = DropReason::Denied;
    match inner.transport {
        _ if action != Action::Reject => Err(why),
        Transport::Tcp { .. } if inner.fragment.is_none() => {
            make_reset(buf, inner, why)?;
            common.drops.count(why);
            Ok(Forward::Reply)
        }
        _ => refuse(common, family, sender, inner, buf, IcmpError::Prohibited, why),
    }
}

impl Common {
    /// Whether packets from `from` to that address still go `to` there.
    fn leads_to<A: Address>(&self, from: Zone, destination: A, to: Zone) -> bool {
        match to {
            // Not by `client-to-client`: a flow between clients may come from a hairpin.
            Zone::Peer(_) => self.table.find(destination.into()) == Some(Way::To(to)),
            // What goes back where it came from was brought in by a port forward.
            Zone::Host | Zone::Lan if from == to => self.reach(destination) == Some(to),
            Zone::Host | Zone::Lan => self.route(from, destination) == Some(to),
        }
    }
}
