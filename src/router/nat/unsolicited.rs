//! [`Unsolicited`]: connections that somebody outside begins to an end that nobody has opened.
//!
//! They are not answered for six seconds, in which whoever is inside may begin the same connection from its side; both
//! then meet (RFC 5382 REQ-4). Only afterwards the sender is told that nothing is there. So many are kept and no more;
//! what comes when all places are taken is not answered at all.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::super::address::Address;
use super::super::icmp::{IcmpError, make_error};
use super::super::packet::tcp_flags::SYN;
use super::super::packet::{Inner, TCP, Transport, Tuple};
use super::super::zone::Zone;
use super::super::{Common, ticks};
use super::Nat;
use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// How long there is no answer.
const SILENCE: Duration = Duration::from_secs(6);
/// How many are kept.
const PLACES: usize = 64;
/// What is kept of each: the headers of IP and TCP, options and all that fits.
const QUOTE: usize = 80;

/// A SYN that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Held<A> {
    from: Zone,
    tuple: Tuple<A>,
    due: u32,
    quote: [u8; QUOTE],
    len: usize,
}

/// Those of one family, oldest first.
pub(in crate::router) struct Unsolicited<A>(VecDeque<Held<A>>);

impl<A: Address> Unsolicited<A> {
    /// With room for all of them, or none.
    pub(super) fn new(used: bool) -> Self {
        Self(VecDeque::with_capacity(if used { PLACES } else { 0 }))
    }

    /// Keeps one. One that came before, from the same sender to the same end, keeps its time.
    pub(in crate::router) fn hold(&mut self, from: Zone, tuple: Tuple<A>, packet: &[u8], tick: u32) {
        let is_known = self.0.iter().any(|held| held.from == from && held.tuple == tuple);
        if is_known || self.0.len() >= self.0.capacity().min(PLACES) {
            return;
        }
        let len = packet.len().min(QUOTE);
        let mut quote = [0; QUOTE];
        quote[..len].copy_from_slice(&packet[..len]);
        self.0.push_back(Held { from, tuple, due: tick.saturating_add(ticks(SILENCE)), quote, len });
    }

    /// The same connection has been begun from inside, whose answers come as `answers`.
    pub(super) fn met(&mut self, answers: &Tuple<A>) {
        if !self.0.is_empty() {
            self.0.retain(|held| held.tuple != *answers);
        }
    }

    /// One that must be answered now.
    fn pop(&mut self, tick: u32) -> Option<Held<A>> {
        self.0.front().filter(|held| held.due <= tick)?;
        self.0.pop_front()
    }

    /// When the next one must be.
    pub(in crate::router) fn next(&self) -> Option<u32> {
        self.0.front().map(|held| held.due)
    }
}

impl<A: Address> Nat<A> {
    /// Answers those whose silence is over.
    pub(in crate::router) fn answer_unsolicited(&mut self, common: &mut Common, tick: u32) {
        while let Some(held) = self.unsolicited.pop(tick) {
            if let Err(reason) = held.answer(common) {
                common.drops.count(reason);
            }
        }
    }
}

impl<A: Address> Held<A> {
    /// "Port unreachable", from the address that it was sent to.
    fn answer(&self, common: &mut Common) -> Result<(), DropReason> {
        const ROOM: usize = 64;
        let mut memory = [0; ROOM + QUOTE];
        memory[ROOM..].copy_from_slice(&self.quote);
        let mut buf = PacketBuf::new(&mut memory, ROOM..ROOM + self.len).ok_or(DropReason::NoRoom)?;
        let inner = Inner {
            protocol: TCP,
            transport: Transport::Tcp { flags: SYN },
            offset: A::HEADER,
            tuple: self.tuple,
            fragment: None,
            dont_fragment: true,
            datagram: None,
            hops: 1,
            len: self.len,
        };
        let (error, why) = (IcmpError::PortUnreachable, DropReason::NoMapping);
        make_error(&mut buf, &inner, error, self.tuple.destination, why)?;
        let packet = buf.payload();
        common.outbox.push(self.from, packet.len(), |slot| slot.copy_from_slice(packet))
    }
}
