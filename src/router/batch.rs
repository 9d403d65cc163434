//! [`Router::forward_batch`]: many packets at a time, so that the memory of their flows is waited for only once.
//!
//! Among a million flows, a packet's place in the index and its flow are in no cache. What is looked up for one packet
//! depends on the answer before; for different packets it does not. So all packets of a batch are looked up in steps,
//! each step for all of them, before the first of them is forwarded. That changes nothing of what becomes of them.

use core::hint::black_box;

use super::address::Address;
use super::flow::{FlowId, Flows};
use super::packet::Inner;
use super::zone::{Zone, ZoneId};
use super::{Forward, Router};
use crate::packet::Packet;
use crate::reason::DropReason;
use crate::time::Instant;

/// Packets that are looked up together: as many as the memory answers at a time, and then some.
const AHEAD: usize = 32;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A packet's way through [`Router::forward_batch`].
#[derive(Clone, Copy, Debug)]
pub struct Hop {
    /// Where it came from; none for one that is not the router's business.
    pub from: Option<Zone>,
    /// What becomes of it.
    pub forward: Forward,
}

impl Hop {
    /// For a packet from there.
    pub fn new(from: Option<Zone>) -> Self {
        Self { from, forward: Forward::Consumed }
    }
}

/// What is known of a packet ahead of its turn.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    V4(u64),
    V6(u64),
    Flow4(FlowId),
    Flow6(FlowId),
}

impl Router {
    /// The same as [`forward`](Self::forward) for each packet in turn that has a hop, in the slab that their descriptors
    /// are about. What the router itself sends because of a packet is to leave after the packet:
    /// [`poll_output`](Self::poll_output). Nothing else of a descriptor is read or written than where its bytes lie.
    pub fn forward_batch(&mut self, now: Instant, slab: &mut [u8], packets: &mut [Packet], hops: &mut [Hop]) {
        for (packets, hops) in packets.chunks_mut(AHEAD).zip(hops.chunks_mut(AHEAD)) {
            self.look_ahead(slab, packets, hops);
            for (packet, hop) in packets.iter_mut().zip(hops) {
                let Some(from) = hop.from else { continue };
                hop.forward = match packet.window(slab) {
                    Some(mut buf) => {
                        let forward = self.forward(now, from, &mut buf);
                        packet.set_window(buf.window());
                        forward
                    }
                    None => {
                        self.common.drops.count(DropReason::BadSlot);
                        Forward::Drop(DropReason::BadSlot)
                    }
                };
            }
        }
    }

    fn look_ahead(&self, slab: &[u8], packets: &[Packet], hops: &[Hop]) {
        if !self.common.stateful || packets.len() < 2 {
            return;
        }
        let mut known = [Known::Nothing; AHEAD];
        for ((packet, hop), known) in packets.iter().zip(hops).zip(&mut known) {
            let Some((from, bytes)) = hop.from.zip(slab.get(packet.range())) else { continue };
            let is_frame = from == Zone::Lan && self.common.lan.is_some();
            let bytes = bytes.get(if is_frame { ETHERNET } else { 0 }..).unwrap_or(&[]);
            let hashed = match bytes.first().map(|first| first >> 4) {
                Some(4) => hash(&self.v4.flows, from, bytes).map(Known::V4),
                Some(6) => hash(&self.v6.flows, from, bytes).map(Known::V6),
                _ => None,
            };
            *known = hashed.unwrap_or(Known::Nothing);
        }
        for known in &mut known {
            let flow = match *known {
                Known::V4(hash) => self.v4.flows.likely(hash).map(Known::Flow4),
                Known::V6(hash) => self.v6.flows.likely(hash).map(Known::Flow6),
                _ => None,
            };
            *known = flow.unwrap_or(Known::Nothing);
        }
        let epochs = known.map(|known| match known {
            Known::Flow4(id) => self.v4.flows.get(id).map_or(0, |flow| flow.epoch),
            Known::Flow6(id) => self.v6.flows.get(id).map_or(0, |flow| flow.epoch),
            _ => 0,
        });
        // The records are in the cache now, which is all that was wanted of them.
        black_box(epochs);
    }
}

#[inline]
fn hash<A: Address>(flows: &Flows<A>, from: Zone, packet: &[u8]) -> Option<u64> {
    let inner = Inner::<A>::read(packet).ok()?;
    Some(flows.hash(ZoneId::from(from), inner.protocol, &inner.tuple))
}

#[cfg(test)]
mod tests;
