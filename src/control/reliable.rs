//! The reliability layer: makes an ordered, complete stream of messages out of packets that get lost.
//!
//! One [`Reliable`] serves one negotiation in both directions. It knows message ids, payloads and time; it knows
//! nothing of packets' headers, of their wrapping, and of what the payloads say. Windows and timers are OpenVPN's:
//! both ends must agree on them in practice, though nothing negotiates them.

use alloc::vec::Vec;
use core::time::Duration;

use crate::reason::DropReason;
use crate::time::Instant;
use crate::wire::{AckList, Opcode};

/// How many messages may be on their way: ids from the oldest unacknowledged one.
const SEND_WINDOW: usize = 6;
/// How far ahead of the next message in order one is kept.
const RECEIVE_WINDOW: usize = 12;
/// So many acknowledgements of later messages mean that this one was lost.
const FAST_RETRANSMIT_ACKS: u8 = 3;

/// What doubling of the timeout ends at, in times `tls-timeout`.
///
/// OpenVPN doubles without end: five packets in the 60 seconds of `hand-window`, and over a link that loses 30 % one
/// handshake in thirty has no answer to any of them. With one doubling it is one in ten thousand, at one packet in
/// four seconds.
const MAX_BACKOFF: u32 = 2;

/// The state of both directions of one negotiation.
#[derive(Debug)]
pub struct Reliable {
    tls_timeout: Duration,
    /// Unacknowledged, by rising id.
    in_flight: heapless::Vec<InFlight, SEND_WINDOW>,
    next_send: u32,
    /// `received[i]` is message `next_receive + i`, if it has arrived.
    received: [Option<Vec<u8>>; RECEIVE_WINDOW],
    next_receive: u32,
    /// To be acknowledged, in order of arrival.
    pending_acks: AckList,
    /// Acknowledged before, the latest first.
    recent_acks: AckList,
}

#[derive(Debug)]
struct InFlight {
    opcode: Opcode,
    message_id: u32,
    payload: Vec<u8>,
    sent: bool,
    /// When to send it; in the past for "at once".
    due: Instant,
    /// How long to wait after the next sending.
    timeout: Duration,
    later_acks: u8,
}

/// A message that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The type of packet that carries it.
    pub opcode: Opcode,
    /// Its place in the order.
    pub message_id: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Reliable {
    /// The longest payload of one message in bytes: the largest `max-packet-size`.
    pub const MAX_PAYLOAD: usize = 2048;

    /// A negotiation's start: both directions begin with message 0. `tls_timeout` is the wait before the first
    /// retransmission of a message, doubled after each.
    pub fn new(tls_timeout: Duration) -> Self {
        Self {
            tls_timeout,
            in_flight: heapless::Vec::new(),
            next_send: 0,
            received: Default::default(),
            next_receive: 0,
            pending_acks: AckList::new(),
            recent_acks: AckList::new(),
        }
    }

    /// Goes on after a stateless answer (a server behind its cookie): our message 0 counts as sent and acknowledged,
    /// the peer's as received and acknowledged.
    pub fn skip_initial(&mut self) {
        self.next_send = 1;
        self.next_receive = 1;
    }

    /// Takes a message that arrived. A duplicate is acknowledged again, and otherwise as good as a new one.
    ///
    /// [`DropReason::OutOfWindow`] beyond the window, or while all of it waits to be read; nothing is acknowledged
    /// then, and the peer sends it again. [`DropReason::TooLarge`] above [`MAX_PAYLOAD`](Self::MAX_PAYLOAD).
    pub fn receive(&mut self, message_id: u32, payload: &[u8]) -> Result<(), DropReason> {
        if payload.len() > Self::MAX_PAYLOAD {
            return Err(DropReason::TooLarge);
        }
        if self.received.iter().all(Option::is_some) {
            return Err(DropReason::OutOfWindow);
        }
        if let Some(ahead) = message_id.checked_sub(self.next_receive) {
            let slot = self.received.get_mut(ahead as usize).ok_or(DropReason::OutOfWindow)?;
            slot.get_or_insert_with(|| payload.to_vec());
        }
        // With no room for the acknowledgement the peer repeats the message, and this comes round again.
        if !self.pending_acks.contains(&message_id) {
            let _ = self.pending_acks.push(message_id);
        }
        Ok(())
    }

    /// The payload of the next message in order, if it has arrived.
    pub fn next_in_order(&mut self) -> Option<Vec<u8>> {
        let payload = self.received[0].take()?;
        self.received.rotate_left(1);
        self.next_receive = self.next_receive.wrapping_add(1);
        Some(payload)
    }

    /// Takes the peer's acknowledgements. Ids of messages that are not on their way are ignored: peers repeat them.
    pub fn handle_acks(&mut self, acks: &[u32]) {
        for &id in acks {
            let Some(at) = self.in_flight.iter().position(|message| message.message_id == id && message.sent)
            else {
                continue;
            };
            self.in_flight.remove(at);
            for earlier in &mut self.in_flight[..at] {
                earlier.later_acks += 1;
                if earlier.later_acks == FAST_RETRANSMIT_ACKS {
                    earlier.due = Instant::ZERO;
                }
            }
        }
    }

    /// Whether the send window has room for another message.
    pub fn can_queue(&self) -> bool {
        let oldest = self.in_flight.first().map_or(self.next_send, |message| message.message_id);
        self.next_send.wrapping_sub(oldest) < SEND_WINDOW as u32
    }

    /// Queues a message, to be sent at once. There must be room: see [`can_queue`](Self::can_queue).
    pub fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        debug_assert!(self.can_queue() && payload.len() <= Self::MAX_PAYLOAD);
        let message = InFlight {
            opcode,
            message_id: self.next_send,
            payload: payload.to_vec(),
            sent: false,
            due: Instant::ZERO,
            timeout: self.tls_timeout,
            later_acks: 0,
        };
        if self.in_flight.push(message).is_ok() {
            self.next_send = self.next_send.wrapping_add(1);
        }
    }

    /// The oldest message that is due, if any. It counts as sent, and comes again after its timeout.
    pub fn poll_send(&mut self, now: Instant) -> Option<Outgoing<'_>> {
        let message = self.in_flight.iter_mut().find(|message| message.due <= now)?;
        message.sent = true;
        message.due = now + message.timeout;
        message.timeout = message.timeout.saturating_mul(2).min(self.tls_timeout.saturating_mul(MAX_BACKOFF));
        message.later_acks = 0;
        Some(Outgoing { opcode: message.opcode, message_id: message.message_id, payload: &message.payload })
    }

    /// Sends all that is unacknowledged at once, with timeouts from the start: the peer has just shown that it is
    /// there.
    pub fn schedule_all_now(&mut self, now: Instant) {
        for message in &mut self.in_flight {
            message.due = message.due.min(now);
            message.timeout = self.tls_timeout;
        }
    }

    /// At most `max` acknowledgements for the next packet: those that the peer waits for first, then, as OpenVPN 2.6
    /// does, the latest ones once more, in case their packet was lost.
    pub fn take_acks(&mut self, max: usize) -> AckList {
        let taken = self.pending_acks.len().min(max);
        for &id in &self.pending_acks[..taken] {
            self.recent_acks.retain(|&known| known != id);
            self.recent_acks.truncate(self.recent_acks.capacity() - 1);
            let _ = self.recent_acks.insert(0, id);
        }
        self.pending_acks = self.pending_acks.iter().copied().skip(taken).collect();
        self.recent_acks.iter().copied().take(max).collect()
    }

    /// Whether [`poll_send`](Self::poll_send) has something.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next_timeout().is_some_and(|due| due <= now)
    }

    /// Whether the peer waits for acknowledgements.
    pub fn has_pending_acks(&self) -> bool {
        !self.pending_acks.is_empty()
    }

    /// Whether the peer has acknowledged all that was queued.
    pub fn all_acked(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// When [`poll_send`](Self::poll_send) next has something; in the past for "now".
    pub fn next_timeout(&self) -> Option<Instant> {
        self.in_flight.iter().map(|message| message.due).min()
    }
}

#[cfg(test)]
mod tests;
