//! [`Flow`]: one conversation, as each side sees it.

use super::super::address::Address;
use super::super::packet::Tuple;
use super::super::wheel::Link;
use super::super::zone::ZoneId;

/// Which way a packet of a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// As the first packet.
    Forth = 0,
    /// As the answers.
    Back = 1,
}

impl Direction {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Forth => Self::Back,
            Self::Back => Self::Forth,
        }
    }
}

/// One conversation. 80 bytes for IPv4: a million of them are looked up in memory that is mostly not in the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<A> {
    /// How packets of each direction arrive, by [`Direction`]; they leave as the other one reversed.
    pub(crate) tuples: [Tuple<A>; 2],
    /// Where they arrive from.
    pub(crate) zones: [ZoneId; 2],
    /// The router's epoch in which its rules and routes were last looked at.
    pub(crate) epoch: u32,
    /// When it was last used, in the router's ticks.
    pub(crate) last: u32,
    /// When it began.
    pub(crate) started: u32,
    /// Its place in the timer wheel; of a free record, the next one.
    pub(crate) link: Link,
    /// TCP: the latest acknowledgement of each direction.
    pub(super) acknowledged: [u32; 2],
    /// Bytes carried in each direction, in the low 48 bits of each.
    bytes: [[u16; 3]; 2],
    pub(crate) state: FlowState,
    pub(crate) protocol: u8,
    /// TCP: how much each direction is ready to receive; see [`Window`](super::tcp::Window).
    pub(super) windows: [super::tcp::Window; 2],
}

impl<A: Address> Flow<A> {
    /// A flow whose first packet came from `zone` as `tuple`, and whose answers come from `to` as `answers`.
    pub(crate) fn new(
        protocol: u8,
        zone: ZoneId,
        tuple: Tuple<A>,
        to: ZoneId,
        answers: Tuple<A>,
        tick: u32,
        epoch: u32,
    ) -> Self {
        Self {
            tuples: [tuple, answers],
            zones: [zone, to],
            epoch,
            last: tick,
            started: tick,
            link: Link::FREE,
            acknowledged: [0; 2],
            bytes: [[0; 3]; 2],
            state: FlowState::default(),
            protocol,
            windows: Default::default(),
        }
    }

    /// How a packet that arrived in `direction` leaves.
    #[inline]
    pub(crate) fn leaves_as(&self, direction: Direction) -> Tuple<A> {
        self.tuples[direction.other() as usize].reversed()
    }

    /// Where a packet that arrived in `direction` goes.
    #[inline]
    pub(crate) fn leaves_to(&self, direction: Direction) -> ZoneId {
        self.zones[direction.other() as usize]
    }

    /// Bytes carried in that direction.
    pub(crate) fn bytes(&self, direction: Direction) -> u64 {
        let [low, middle, high] = self.bytes[direction as usize];
        u64::from(low) | u64::from(middle) << 16 | u64::from(high) << 32
    }

    #[inline]
    pub(crate) fn count(&mut self, direction: Direction, len: usize) {
        let bytes = self.bytes(direction) + len as u64;
        self.bytes[direction as usize] = [bytes as u16, (bytes >> 16) as u16, (bytes >> 32) as u16];
    }
}

/// What is known and has been seen of a flow, in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowState(u16);

impl FlowState {
    /// Its source has a mapping, the outside end of its answers.
    pub(crate) const SOURCE_MAPPED: u16 = 0x0001;
    /// It was begun to a mapping, the end that its first packet was for.
    pub(crate) const TARGET_MAPPED: u16 = 0x0002;
    /// A port forward brought it in: no rule is asked.
    pub(crate) const FORWARDED: u16 = 0x0004;
    /// An answer was seen.
    pub(crate) const ANSWERED: u16 = 0x0008;
    /// UDP: it is more than one question and one answer.
    pub(crate) const STREAM: u16 = 0x0010;
    /// TCP: both ends have sent a SYN, or it was met in the middle.
    pub(crate) const OPENED: u16 = 0x0020;
    /// TCP: who began it has acknowledged something.
    pub(crate) const ACK_FORTH: u16 = 0x0040;
    /// TCP: the other end has.
    pub(crate) const ACK_BACK: u16 = 0x0080;
    /// TCP: who began it has sent its last byte.
    pub(crate) const FIN_FORTH: u16 = 0x0100;
    /// TCP: the other end has.
    pub(crate) const FIN_BACK: u16 = 0x0200;
    /// TCP: a reset was the last that was seen of it.
    pub(crate) const RESET: u16 = 0x0400;
    /// It reaches no further than another client's outside end, whose filter has kept it out.
    pub(crate) const HALFWAY: u16 = 0x0800;
    /// The record is free.
    pub(crate) const DEAD: u16 = 0x8000;

    #[inline]
    pub(crate) fn is(self, bits: u16) -> bool {
        self.0 & bits == bits
    }

    #[inline]
    pub(crate) fn set(&mut self, bits: u16) {
        self.0 |= bits;
    }

    #[inline]
    pub(crate) fn clear(&mut self, bits: u16) {
        self.0 &= !bits;
    }
}
