//! [`Flow`]: one conversation, as each side sees it.

use super::super::address::Address;
use super::super::packet::Tuple;
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
    /// The mapping that it uses, or `u32::MAX`.
    pub(crate) mapping: u32,
    /// The next flow in its slot of the timer wheel, or in the list of free records.
    pub(crate) next: u32,
    /// Bytes carried in each direction, in the low 48 bits of each.
    bytes: [[u16; 3]; 2],
    pub(crate) protocol: u8,
    pub(crate) state: FlowState,
    /// TCP: the highest acknowledgement seen in each direction.
    pub(crate) acknowledged: [u32; 2],
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
            mapping: u32::MAX,
            next: u32::MAX,
            bytes: [[0; 3]; 2],
            protocol,
            state: FlowState::default(),
            acknowledged: [0; 2],
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

/// What has been seen of a flow, in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowState(pub(crate) u8);

impl FlowState {
    /// It is over, and its record waits for the wheel to free it.
    pub(crate) const DEAD: u8 = 0x80;
    /// A `port-forward` admitted it, and so do not the rules.
    pub(crate) const FORWARDED: u8 = 0x40;
    /// An answer was seen.
    pub(crate) const ANSWERED: u8 = 0x01;

    #[inline]
    pub(crate) fn is(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, bit: u8) {
        self.0 |= bit;
    }
}
