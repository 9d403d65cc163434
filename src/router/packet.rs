//! [`Inner`]: where things are in an inner packet, read once; and what translation writes back.
//!
//! Everything by offset and in place. What is read is trusted no further than the packet is long.

use super::address::Address;
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::{Delta, checksum};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;

/// Flags of a TCP header.
pub(super) mod tcp_flags {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
}

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;
/// The most IPv6 extension headers that are walked through.
const MAX_EXTENSIONS: usize = 8;

/// Where a flow's packets come from and go to, above IP too.
///
/// An ICMP query has its identifier in the place of the port that the asking end would have, 0 in the other; other
/// protocols have 0 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tuple<A> {
    pub(super) source: A,
    pub(super) destination: A,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
}

impl<A: Copy> Tuple<A> {
    /// That of the packets in the other direction.
    #[inline]
    pub(super) fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// Where its payload belongs, in bytes.
    pub(super) offset: u16,
    /// Whether it is not the last.
    pub(super) more: bool,
}

/// What follows the IP headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A TCP header, whole.
    Tcp {
        /// Its flags.
        flags: u8,
    },
    /// A UDP header, whole.
    Udp,
    /// An ICMP echo request, or the answer to one.
    Echo {
        /// Whether it asks.
        request: bool,
    },
    /// An ICMP error, which quotes another packet.
    IcmpError,
    /// Any other ICMP message: never forwarded.
    IcmpOther,
    /// A later fragment, whose ports are in the first.
    Later,
    /// Another protocol.
    Other,
}

/// Where things are in an inner packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner<A> {
    /// The protocol above IP.
    pub(super) protocol: u8,
    pub(super) transport: Transport,
    /// Where that begins, in bytes.
    pub(super) offset: usize,
    pub(super) tuple: Tuple<A>,
    pub(super) fragment: Option<Fragment>,
    /// TTL or hop limit.
    pub(super) hops: u8,
    /// Length of the whole packet, in bytes.
    pub(super) len: usize,
}

impl<A: Address> Inner<A> {
    /// Reads a packet of this family, and cuts off what is behind its end.
    ///
    /// # Errors
    ///
    /// It is shorter than its headers say, its header checksum is wrong, or it is a first fragment without all of its
    /// transport header (RFC 1858, RFC 7112).
    #[inline]
    pub(super) fn parse(buf: &mut PacketBuf<'_>) -> Result<Self, DropReason> {
        let packet = buf.payload();
        let (protocol, offset, fragment, hops, len) =
            if A::VERSION == 4 { ipv4(packet)? } else { ipv6(packet)? };
        buf.truncate(len);
        let packet = buf.payload();
        let (source, destination) = A::pair(packet);
        let mut inner = Self {
            protocol,
            transport: Transport::Other,
            offset,
            tuple: Tuple { source, destination, source_port: 0, destination_port: 0 },
            fragment,
            hops,
            len,
        };
        if fragment.is_some_and(|fragment| fragment.offset != 0) {
            inner.transport = Transport::Later;
            return Ok(inner);
        }
        let rest = packet.get(offset..).unwrap_or(&[]);
        let short = if fragment.is_some() { DropReason::BadFragment } else { DropReason::BadInnerPacket };
        inner.read_transport(rest).ok_or(short)?;
        Ok(inner)
    }

    #[inline]
    fn read_transport(&mut self, rest: &[u8]) -> Option<()> {
        match self.protocol {
            TCP => {
                let header = rest.first_chunk::<TCP_HEADER>()?;
                self.transport = Transport::Tcp { flags: header[13] };
                self.set_ports([header[0], header[1], header[2], header[3]]);
            }
            UDP => {
                let header = rest.first_chunk::<UDP_HEADER>()?;
                self.transport = Transport::Udp;
                self.set_ports([header[0], header[1], header[2], header[3]]);
            }
            protocol if protocol == A::ICMP => {
                let header = rest.first_chunk::<ICMP_HEADER>()?;
                let id = u16::from_be_bytes([header[4], header[5]]);
                self.transport = icmp_kind(A::VERSION, header[0]);
                match self.transport {
                    Transport::Echo { request: true } => self.tuple.source_port = id,
                    Transport::Echo { request: false } => self.tuple.destination_port = id,
                    _ => {}
                }
            }
            _ => {}
        }
        Some(())
    }

    #[inline]
    fn set_ports(&mut self, [s0, s1, d0, d1]: [u8; 4]) {
        self.tuple.source_port = u16::from_be_bytes([s0, s1]);
        self.tuple.destination_port = u16::from_be_bytes([d0, d1]);
    }

    /// Gives the packet other ends. Addresses, ports or identifier, and all checksums that cover them, by the
    /// difference alone: a checksum that was wrong stays wrong (RFC 1624).
    #[inline]
    pub(super) fn rewrite(&mut self, packet: &mut [u8], to: &Tuple<A>) {
        if self.tuple == *to {
            return;
        }
        let Some(addresses) = packet.get_mut(A::OFFSET..A::OFFSET + 2 * A::LEN) else { return };
        let mut old = [0; 32];
        let old = &mut old[..2 * A::LEN];
        old.copy_from_slice(addresses);
        A::set_pair(packet, to.source, to.destination);
        let Some(addresses) = packet.get(A::OFFSET..A::OFFSET + 2 * A::LEN) else { return };
        let moved = Delta::default().replace(old, addresses);
        if A::VERSION == 4 {
            patch(packet, 10, moved);
        }
        let ports = Delta::default()
            .replace_word(self.tuple.source_port, to.source_port)
            .replace_word(self.tuple.destination_port, to.destination_port);
        let at = self.offset;
        match self.transport {
            Transport::Tcp { .. } => {
                write_ports(packet, at, to);
                patch(packet, at + 16, moved.and(ports));
            }
            Transport::Udp => {
                write_ports(packet, at, to);
                patch_udp::<A>(packet, at + 6, moved.and(ports));
            }
            Transport::Echo { request } => {
                let id = if request { to.source_port } else { to.destination_port };
                write_word(packet, at + 4, id);
                // ICMPv4 covers no addresses.
                patch(packet, at + 2, if A::VERSION == 4 { ports } else { ports.and(moved) });
            }
            // ICMPv6 covers the addresses; what is quoted is another matter.
            Transport::IcmpError | Transport::IcmpOther if A::VERSION == 6 => patch(packet, at + 2, moved),
            Transport::IcmpError | Transport::IcmpOther | Transport::Later | Transport::Other => {}
        }
        self.tuple = *to;
    }

    /// One hop further (RFC 1812, 5.3.1). The caller has looked that there is one left.
    #[inline]
    pub(super) fn count_hop(&mut self, packet: &mut [u8]) {
        let at = if A::VERSION == 4 { 8 } else { 7 };
        self.hops = self.hops.saturating_sub(1);
        let Some(hops) = packet.get_mut(at) else { return };
        *hops = self.hops;
        if A::VERSION == 4 {
            patch(packet, 10, Delta::default().replace_word(0x0100, 0));
        }
    }
}

/// Protocol, offset of its header, fragment, TTL, length.
type Header = (u8, usize, Option<Fragment>, u8, usize);

#[inline]
fn ipv4(packet: &[u8]) -> Result<Header, DropReason> {
    let bad = DropReason::BadInnerPacket;
    let header = packet.first_chunk::<20>().ok_or(bad)?;
    let header_len = usize::from(header[0] & 0xF) * 4;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < 20 || len < header_len || len > packet.len() {
        return Err(bad);
    }
    if checksum([&packet[..header_len]]) != 0 {
        return Err(DropReason::BadChecksum);
    }
    let bits = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = ((bits & 0x1FFF) * 8, bits & 0x2000 != 0);
    let id = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let fragment = (offset != 0 || more).then_some(Fragment { id, offset, more });
    Ok((header[9], header_len, fragment, header[8], len))
}

#[inline]
fn ipv6(packet: &[u8]) -> Result<Header, DropReason> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;

    let bad = DropReason::BadInnerPacket;
    let header = packet.first_chunk::<40>().ok_or(bad)?;
    let len = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || len > packet.len() {
        return Err(bad);
    }
    let (mut next, mut at, mut fragment) = (header[6], 40, None);
    for _ in 0..MAX_EXTENSIONS {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let extension =
                    packet[..len].get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(bad)?;
                next = extension[0];
                at += 8 * (1 + usize::from(extension[1]));
            }
            FRAGMENT => {
                let extension =
                    packet[..len].get(at..).and_then(|rest| rest.first_chunk::<8>()).ok_or(bad)?;
                let bits = u16::from_be_bytes([extension[2], extension[3]]);
                let (offset, more) = (bits & 0xFFF8, bits & 1 != 0);
                let id = u32::from_be_bytes([extension[4], extension[5], extension[6], extension[7]]);
                next = extension[0];
                at += 8;
                if offset != 0 {
                    fragment = Some(Fragment { id, offset, more });
                    break; // what follows is the middle of something
                }
                // An atomic fragment (RFC 6946) is a whole packet.
                fragment = more.then_some(Fragment { id, offset, more });
            }
            _ => break,
        }
    }
    if at > len {
        return Err(if fragment.is_some() { DropReason::BadFragment } else { bad });
    }
    Ok((next, at, fragment, header[7], len))
}

#[inline]
fn icmp_kind(version: u8, kind: u8) -> Transport {
    match (version, kind) {
        (4, 8) | (6, 128) => Transport::Echo { request: true },
        (4, 0) | (6, 129) => Transport::Echo { request: false },
        // Destination unreachable, time exceeded, parameter problem; packet too big.
        (4, 3 | 11 | 12) | (6, 1..=4) => Transport::IcmpError,
        _ => Transport::IcmpOther,
    }
}

#[inline]
fn write_word(packet: &mut [u8], at: usize, word: u16) {
    if let Some(field) = packet.get_mut(at..at + 2) {
        field.copy_from_slice(&word.to_be_bytes());
    }
}

#[inline]
fn write_ports<A>(packet: &mut [u8], at: usize, to: &Tuple<A>) {
    write_word(packet, at, to.source_port);
    write_word(packet, at + 2, to.destination_port);
}

#[inline]
fn patch(packet: &mut [u8], at: usize, delta: Delta) {
    if let Some(field) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
        delta.apply_to(field);
    }
}

/// UDP over IPv4 may go without a checksum, which is 0; one that comes out as 0 is written as its other form.
#[inline]
fn patch_udp<A: Address>(packet: &mut [u8], at: usize, delta: Delta) {
    let Some(field) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return };
    if A::VERSION == 4 && *field == [0, 0] {
        return;
    }
    delta.apply_to(field);
    if *field == [0, 0] {
        *field = [0xFF, 0xFF];
    }
}
