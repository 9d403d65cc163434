//! The batch: packets in the caller's memory, and a verdict for each.
//!
//! A [`Batch`] is one slab of bytes and an array of [`Packet`]s, which are plain data without pointers. A packet owns
//! a *slot* of the slab for the time of a call; its valid bytes lie somewhere inside, with room before
//! ([`HEADROOM`]) and behind ([`TAILROOM`]) for what sealing adds. Everything happens in place.

use core::ops::Range;

use crate::buffer::PacketBuf;
use crate::log::trace;
use crate::path::Path;
use crate::peer::PeerId;
use crate::reason::{DropCounters, DropReason};

/// Bytes that a packet handed to the engine should have free before its data.
///
/// Covers stream length (2), opcode and peer-id (4), packet id (4), tag (16), compression framing (1), rounded up to
/// a cache line, so that later formats fit.
pub const HEADROOM: usize = 64;

/// Bytes that a packet handed to the engine should have free behind its data.
pub const TAILROOM: usize = 64;

/// One packet in a slab.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Packet {
    /// Offset in the slab of the room that this packet may use.
    pub slot: u32,
    /// Length of that room in bytes.
    pub slot_len: u32,
    /// Offset in the slab of the first valid byte.
    pub data: u32,
    /// Number of valid bytes.
    pub data_len: u32,
    /// Inner packets: whose. [`PeerId::NONE`] where it is not yet known.
    pub peer: PeerId,
    /// Outer packets: from where, or where to.
    pub path: Path,
    /// The host's own, never touched.
    pub cookie: u64,
    /// 0, or the length of each segment of a TSO/GRO super-packet. Super-packets are not built yet: anything but 0
    /// is dropped with [`DropReason::Unsupported`].
    pub segment_len: u16,
    /// The two ECN bits of the IP header.
    pub ecn: u8,
    /// Out: what became of the packet.
    pub verdict: Verdict,
    /// Out: the port to deliver to, if the verdict says so.
    pub port: Port,
    /// Out: why it was dropped, if the verdict says so.
    pub reason: DropReason,
}

impl Packet {
    /// A packet whose slot is `slot` and whose valid bytes are `data`, both as offsets in the slab.
    pub fn new(slot: Range<usize>, data: Range<usize>) -> Self {
        Self {
            slot: slot.start as u32,
            slot_len: slot.len() as u32,
            data: data.start as u32,
            data_len: data.len() as u32,
            ..Self::default()
        }
    }

    /// An empty packet that may be filled: its data begins [`HEADROOM`] bytes into the slot.
    pub fn free(slot: Range<usize>) -> Self {
        let start = (slot.start + HEADROOM).min(slot.end);
        Self::new(slot, start..start)
    }

    /// The valid bytes, as a range of the slab.
    pub fn range(&self) -> Range<usize> {
        self.data as usize..(self.data as usize).saturating_add(self.data_len as usize)
    }

    /// The window over this packet's slot, or `None` if the descriptor does not lie in the slab.
    #[inline]
    pub fn window<'s>(&self, slab: &'s mut [u8]) -> Option<PacketBuf<'s>> {
        let slot = self.slot as usize..(self.slot as usize).checked_add(self.slot_len as usize)?;
        let start = (self.data as usize).checked_sub(slot.start)?;
        let end = start.checked_add(self.data_len as usize)?;
        PacketBuf::new(slab.get_mut(slot)?, start..end)
    }

    /// Takes over where a window's bytes now lie.
    #[inline]
    pub fn set_window(&mut self, window: Range<usize>) {
        self.data = self.slot + window.start as u32;
        self.data_len = window.len() as u32;
    }

    /// Writes down what became of the packet, and counts it if it was dropped.
    #[inline]
    pub(crate) fn settle(&mut self, outcome: Result<Outcome, DropReason>, drops: &mut DropCounters) {
        match outcome {
            Ok(Outcome::Pending) => self.verdict = Verdict::Pending,
            Ok(Outcome::Consumed) => self.verdict = Verdict::Consumed,
            Ok(Outcome::Deliver(port, peer)) => {
                self.verdict = Verdict::Deliver;
                self.port = port;
                self.peer = peer;
            }
            Ok(Outcome::Transmit(path)) => {
                self.verdict = Verdict::Transmit;
                self.path = path;
            }
            Ok(Outcome::Dropped(reason)) => {
                trace!("dropped: {reason}");
                self.verdict = Verdict::Drop;
                self.reason = reason;
            }
            Err(reason) => {
                trace!("dropped: {reason}");
                drops.count(reason);
                self.verdict = Verdict::Drop;
                self.reason = reason;
            }
        }
    }
}

/// What became of a packet, and so what the host does with its slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
#[must_use]
pub enum Verdict {
    /// Not processed. In: the state to hand a packet in. Out: no free slot was left, or a worker's data state cannot
    /// place it (a control packet): hand it in again, or to the control engine.
    #[default]
    Pending = 0,
    /// Taken in by the engine; the slot is free.
    Consumed = 1,
    /// An inner packet: deliver it to [`Packet::port`].
    Deliver = 2,
    /// An outer packet: send it to [`Packet::path`].
    Transmit = 3,
    /// Dropped, counted under [`Packet::reason`].
    Drop = 4,
}

/// What became of a packet, inside the engine; a drop is the error beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Pending,
    Consumed,
    Deliver(Port, PeerId),
    Transmit(Path),
    /// The router has dropped it, and counted it.
    Dropped(DropReason),
}

/// A way out of the engine for inner packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Port {
    /// The host: its kernel by TUN, or its own IP stack.
    #[default]
    Host = 0,
    /// The LAN port (`lan-port`).
    Lan = 1,
    /// Between the control engine and the worker that has the data state of [`Packet::peer`]. From
    /// [`PeerData::open`](crate::PeerData::open): a packet that the router must see, to be handed to
    /// [`Server::handle_tunnel_packets`](crate::Server::handle_tunnel_packets) with this port. From the server: a packet
    /// for that peer, to be handed to [`PeerData::seal`](crate::PeerData::seal).
    Worker = 2,
}

/// Packets in one slab. `packets[..len]` are in use; the rest are free slots for further outputs.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The memory of all slots.
    pub slab: &'a mut [u8],
    /// The descriptors.
    pub packets: &'a mut [Packet],
    /// How many of them are in use.
    pub len: usize,
}

impl<'a> Batch<'a> {
    /// A batch whose first `len` descriptors are in use.
    ///
    /// # Panics
    ///
    /// If `len` is larger than the number of descriptors.
    pub fn new(slab: &'a mut [u8], packets: &'a mut [Packet], len: usize) -> Self {
        assert!(
            len <= packets.len(),
            "Batch::new: {len} packets in use, but only {} descriptors",
            packets.len()
        );
        Self { slab, packets, len }
    }

    /// The valid bytes of packet `index`; empty if its descriptor does not lie in the slab.
    pub fn bytes(&self, index: usize) -> &[u8] {
        self.packets.get(index).and_then(|packet| self.slab.get(packet.range())).unwrap_or(&[])
    }

    /// Hands every pending packet to `each`, with the window over its bytes, and writes down what became of it.
    /// Drops are counted in `engine`.
    #[inline]
    pub(crate) fn process<E: AsMut<DropCounters>>(
        &mut self,
        engine: &mut E,
        mut each: impl FnMut(&mut E, &Packet, &mut PacketBuf<'_>) -> Result<Outcome, DropReason>,
    ) {
        for packet in
            self.packets.iter_mut().take(self.len).filter(|packet| packet.verdict == Verdict::Pending)
        {
            let outcome = match packet.window(self.slab) {
                None => Err(DropReason::BadSlot),
                Some(_) if packet.segment_len != 0 => Err(DropReason::Unsupported),
                Some(mut buf) => {
                    let outcome = each(engine, packet, &mut buf);
                    packet.set_window(buf.window());
                    outcome
                }
            };
            packet.settle(outcome, engine.as_mut());
        }
    }

    /// Treats every descriptor as a free slot and lets `next` fill one after the other, until it has nothing more.
    ///
    /// A slot that was too small for what wanted to be sent is left out; the packet is sent again by its timer.
    pub(crate) fn fill<E: AsMut<DropCounters>>(
        &mut self,
        engine: &mut E,
        mut next: impl FnMut(&mut E, &mut PacketBuf<'_>) -> Result<Option<Outcome>, DropReason>,
    ) {
        self.len = 0;
        while let Some(packet) = self.packets.get_mut(self.len) {
            let slot = packet.slot as usize..packet.slot as usize + packet.slot_len as usize;
            *packet = Packet { cookie: packet.cookie, ..Packet::free(slot) };
            let Some(mut buf) = packet.window(self.slab) else {
                packet.settle(Err(DropReason::BadSlot), engine.as_mut());
                self.len += 1;
                continue;
            };
            let outcome = match next(engine, &mut buf) {
                Ok(None) => break,
                Ok(Some(outcome)) => Ok(outcome),
                Err(reason) => Err(reason),
            };
            packet.set_window(buf.window());
            packet.settle(outcome, engine.as_mut());
            self.len += 1;
        }
    }
}
