//! [`Netmaps`]: `client-nat`. Networks that are translated one to one, packet by packet, without any state.
//!
//! As OpenVPN has it: `snat` is about the side that has the option, `dnat` about the side beyond the tunnel; of several
//! that fit an address the first counts. Beyond OpenVPN, what an ICMP error quotes is translated too, so that the path's
//! MTU is found.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::config::Netmap;
use crate::wire::checksum::Delta;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
/// Source and destination in a header.
const ADDRESSES: [usize; 2] = [12, 16];

/// The networks that are translated.
#[derive(Clone, Debug, Default)]
pub struct Netmaps(Vec<Netmap>);

/// Which way a packet goes through the tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Into,
    OutOf,
}

impl Netmaps {
    /// These, in order.
    pub fn new(netmaps: &[Netmap]) -> Self {
        Self(netmaps.to_vec())
    }

    /// Whether nothing is translated.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Translates a packet that goes into the tunnel. What is not IPv4, or too short, stays as it is.
    pub fn into_tunnel(&self, packet: &mut [u8]) {
        self.translate(Way::Into, packet);
    }

    /// Translates a packet that came out of the tunnel.
    pub fn out_of_tunnel(&self, packet: &mut [u8]) {
        self.translate(Way::OutOf, packet);
    }

    fn translate(&self, way: Way, packet: &mut [u8]) {
        let Some(header) = header_len(packet) else { return };
        let moved = self.replace(way, packet, false);
        if let Some(moved) = moved {
            patch(packet, 10, moved);
        }
        let is_later = u16::from_be_bytes([packet[6], packet[7]]) & 0x1FFF != 0;
        if is_later {
            return;
        }
        match packet[9] {
            protocol @ (TCP | UDP) => {
                if let Some(moved) = moved {
                    patch_transport(packet, header, protocol, moved);
                }
            }
            ICMP if packet.get(header).is_some_and(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12)) => {
                self.translate_quote(way, packet, header);
            }
            _ => {}
        }
    }

    /// What an error quotes went the other way: its source is where the error's destination is.
    fn translate_quote(&self, way: Way, packet: &mut [u8], icmp: usize) {
        let Some(quote) = packet.get_mut(icmp + 8..) else { return };
        let Some(header) = header_len(quote) else { return };
        let mut before = [0; 80];
        let len = quote.len().min(before.len()) & !1;
        before[..len].copy_from_slice(&quote[..len]);
        let Some(moved) = self.replace(way, quote, true) else { return };
        patch(quote, 10, moved);
        let protocol = quote[9];
        if matches!(protocol, TCP | UDP) && u16::from_be_bytes([quote[6], quote[7]]) & 0x1FFF == 0 {
            patch_transport(quote, header, protocol, moved);
        }
        let change = Delta::default().replace(&before[..len], &quote[..len]);
        patch(packet, icmp + 2, change);
    }

    /// Replaces the addresses in a header of at least 20 bytes; how the words changed, if they did. `quoted`: in one
    /// that goes the other way.
    fn replace(&self, way: Way, packet: &mut [u8], quoted: bool) -> Option<Delta> {
        let mut moved: Option<Delta> = None;
        for (is_destination, at) in [false, true].into_iter().zip(ADDRESSES) {
            // Into the tunnel, `snat` is about the source; out of it, about the destination.
            let of_source = is_destination == ((way == Way::OutOf) != quoted);
            let field = packet.get_mut(at..at + 4)?;
            let old = [field[0], field[1], field[2], field[3]];
            let address = Ipv4Addr::from(old);
            let mut fitting = self.0.iter().filter(|netmap| netmap.source == of_source);
            let Some(new) = fitting.find_map(|netmap| other(netmap, way, address)) else { continue };
            field.copy_from_slice(&new.octets());
            moved = Some(moved.unwrap_or_default().and(Delta::default().replace(&old, &new.octets())));
        }
        moved
    }
}

/// What an address becomes.
fn other(netmap: &Netmap, way: Way, address: Ipv4Addr) -> Option<Ipv4Addr> {
    let mask = u32::MAX.checked_shl(32 - u32::from(netmap.network.prefix)).unwrap_or(0);
    let (network, alias) = (netmap.network.address.to_bits() & mask, netmap.alias.to_bits() & mask);
    let (from, to) = if way == Way::Into { (network, alias) } else { (alias, network) };
    let bits = address.to_bits();
    (bits & mask == from).then(|| Ipv4Addr::from_bits(to | bits & !mask))
}

/// The length of an IPv4 header that is all there.
fn header_len(packet: &[u8]) -> Option<usize> {
    let len = usize::from(packet.first()? & 0xF) * 4;
    (packet[0] >> 4 == 4 && len >= 20 && packet.len() >= len).then_some(len)
}

fn patch_transport(packet: &mut [u8], header: usize, protocol: u8, moved: Delta) {
    let at = header + if protocol == TCP { 16 } else { 6 };
    let Some(field) = packet.get_mut(at..at + 2) else { return };
    if protocol == UDP && field == [0, 0] {
        return; // it has none
    }
    patch(packet, at, moved);
    if protocol == UDP && packet[at..at + 2] == [0, 0] {
        packet[at..at + 2].fill(0xFF);
    }
}

fn patch(packet: &mut [u8], at: usize, delta: Delta) {
    if let Some(field) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        delta.apply_to(field);
    }
}
