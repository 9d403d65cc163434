//! How long a flow may be idle, and what keeps it alive.

use core::time::Duration;

use super::super::address::Address;
use super::super::packet::tcp_flags::RST;
use super::super::packet::{Inner, TCP, Transport, UDP};
use super::super::zone::Zone;
use super::record::{Direction, Flow, FlowState};
use crate::config::Lifetimes;

/// The port of name servers, whose answers are single.
const DNS: u16 = 53;

/// What a packet means for its flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// It is the first in the other direction.
    pub(crate) first_answer: bool,
    /// The flow may end sooner now than before.
    pub(crate) sooner: bool,
}

impl<A: Address> Flow<A> {
    /// A packet of it goes by, at the time `tick`. `inbound_refresh`: those from outside keep it alive too.
    #[inline]
    pub(crate) fn see(
        &mut self,
        direction: Direction,
        inner: &Inner<A>,
        packet: &[u8],
        tick: u32,
        inbound_refresh: bool,
    ) -> Seen {
        self.count(direction, inner.len);
        // A reset neither keeps alive nor answers: an end sends it to whatever comes (RFC 7857 §7.1).
        let is_reset = matches!(inner.transport, Transport::Tcp { flags } if flags & RST != 0);
        if !is_reset && (inbound_refresh || self.keeps_alive(direction)) {
            self.last = tick;
        }
        let is_answer = direction == Direction::Back && !is_reset;
        let first = is_answer && !self.state.is(FlowState::ANSWERED);
        let sooner = match inner.transport {
            Transport::Tcp { .. } => {
                let before = self.is_established();
                self.see_segment(direction, packet.get(inner.offset..).unwrap_or(&[]));
                let over = before && !self.is_established();
                if over {
                    self.last = tick;
                }
                over
            }
            Transport::Udp => {
                if !first && self.state.is(FlowState::ANSWERED) {
                    self.state.set(FlowState::STREAM);
                }
                first && self.is_well_known()
            }
            _ => false,
        };
        if first {
            self.state.set(FlowState::ANSWERED);
        }
        Seen { first_answer: first, sooner }
    }

    /// Whether packets of that direction keep it alive: all but those from outside to a mapping, or else who is
    /// outside could keep that open for ever (RFC 4787 REQ-6). TCP's ends look after each other.
    #[inline]
    fn keeps_alive(&self, direction: Direction) -> bool {
        self.protocol == TCP
            || matches!(self.zones[direction as usize].get(), Zone::Peer(_))
            || !match direction {
                Direction::Forth => self.state.is(FlowState::TARGET_MAPPED),
                Direction::Back => self.state.is(FlowState::SOURCE_MAPPED),
            }
    }

    /// How long it may be idle.
    pub(crate) fn lifetime(&self, lifetimes: &Lifetimes) -> Duration {
        match self.protocol {
            TCP if self.is_established() => lifetimes.tcp_established,
            TCP => lifetimes.tcp_transitory,
            // RFC 4787 REQ-5a: less for what is known to be short.
            UDP if self.state.is(FlowState::ANSWERED) && self.is_well_known() => lifetimes.udp_well_known,
            UDP => lifetimes.udp,
            protocol if protocol == A::ICMP => lifetimes.icmp,
            _ => lifetimes.other,
        }
    }

    fn is_well_known(&self) -> bool {
        match self.tuples[1].source_port {
            DNS => true,
            // QUIC and others have well-known ports too, and go on.
            port => port < 1024 && !self.state.is(FlowState::STREAM),
        }
    }
}
