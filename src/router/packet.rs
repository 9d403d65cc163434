//! [`Inner`]: where things are in an inner packet, read once; and what translation writes back.
//!
//! Everything by offset and in place. What is read is trusted no further than the packet is long.

use super::address::Address;
use super::fragments::DatagramId;
use super::header::{Fragment, Header};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::Delta;

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
    /// Whether routers must not fragment it: IPv4's DF, and always with IPv6.
    pub(super) dont_fragment: bool,
    /// TTL or hop limit.
    pub(super) hops: u8,
    /// Length of the whole packet, in bytes.
    pub(super) len: usize,
    /// The record of the datagram that it is a fragment of, once that is known.
    pub(super) datagram: Option<DatagramId>,
}

impl<A: Address> Inner<A> {
    /// Reads a packet of this family, and cuts off what is behind its end.
    ///
    /// # Errors
    ///
    /// As [`Header::parse`]; or the transport header makes no sense, or is not all in a first fragment (RFC 1858,
    /// RFC 7112).
    #[inline]
    pub(super) fn parse(buf: &mut PacketBuf<'_>) -> Result<Self, DropReason> {
        let inner = Self::read(buf.payload())?;
        buf.truncate(inner.len);
        Ok(inner)
    }

    /// The same of a packet that may have something behind its end.
    #[inline]
    pub(super) fn read(packet: &[u8]) -> Result<Self, DropReason> {
        let header = Header::parse::<A>(packet)?;
        let mut inner = Self::new(&header, packet);
        if inner.transport == Transport::Later {
            return Ok(inner);
        }
        let rest = packet.get(header.offset..header.len).unwrap_or(&[]);
        let short =
            if inner.fragment.is_some() { DropReason::BadFragment } else { DropReason::BadInnerPacket };
        inner.read_transport(rest).ok_or(short)?;
        Ok(inner)
    }

    /// As far as the IP header tells.
    #[inline]
    pub(super) fn new(header: &Header, packet: &[u8]) -> Self {
        let Header { protocol, offset, fragment, dont_fragment, hops, len } = *header;
        let (source, destination) = A::pair(packet);
        let later = fragment.is_some_and(|fragment| fragment.offset != 0);
        Self {
            protocol,
            transport: if later { Transport::Later } else { Transport::Other },
            offset,
            tuple: Tuple { source, destination, source_port: 0, destination_port: 0 },
            fragment,
            dont_fragment,
            hops,
            len,
            datagram: None,
        }
    }

    #[inline]
    fn read_transport(&mut self, rest: &[u8]) -> Option<()> {
        match self.protocol {
            TCP => {
                let header = rest.first_chunk::<TCP_HEADER>()?;
                let len = usize::from(header[12] >> 4) * 4;
                if len < TCP_HEADER || len > rest.len() {
                    return None;
                }
                self.transport = Transport::Tcp { flags: header[13] };
                self.set_ports([header[0], header[1], header[2], header[3]]);
            }
            UDP => {
                let header = rest.first_chunk::<UDP_HEADER>()?;
                let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
                if len < UDP_HEADER || (self.fragment.is_none() && len > rest.len()) {
                    return None;
                }
                self.transport = Transport::Udp;
                self.set_ports([header[0], header[1], header[2], header[3]]);
            }
            protocol if protocol == A::ICMP => {
                let header = rest.first_chunk::<ICMP_HEADER>()?;
                self.set_icmp(header);
                // An error is far smaller than any MTU, and must be looked into.
                if self.fragment.is_some() && !matches!(self.transport, Transport::Echo { .. }) {
                    return None;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The same of a quoted packet, of which no more may be there. Whether it can belong to a flow.
    pub(super) fn read_quoted(&mut self, header: &[u8; 8]) -> bool {
        let &[s0, s1, d0, d1, ..] = header;
        match self.protocol {
            TCP => {
                self.transport = Transport::Tcp { flags: 0 };
                self.set_ports([s0, s1, d0, d1]);
            }
            UDP => {
                self.transport = Transport::Udp;
                self.set_ports([s0, s1, d0, d1]);
            }
            protocol if protocol == A::ICMP => {
                self.set_icmp(header);
                return matches!(self.transport, Transport::Echo { .. });
            }
            _ => {}
        }
        true
    }

    #[inline]
    fn set_icmp(&mut self, header: &[u8; ICMP_HEADER]) {
        let id = u16::from_be_bytes([header[4], header[5]]);
        self.transport = icmp_kind(A::VERSION, header[0]);
        match self.transport {
            Transport::Echo { request: true } => self.tuple.source_port = id,
            Transport::Echo { request: false } => self.tuple.destination_port = id,
            _ => {}
        }
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
                patch_udp(packet, at + 6, moved.and(ports));
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

    /// Gives the datagram, or the fragment, another identification.
    pub(super) fn renumber(&self, packet: &mut [u8], id: u32) {
        if A::VERSION == 4 {
            let Some(field) = packet.get_mut(4..6).and_then(|field| field.first_chunk_mut::<2>()) else {
                return;
            };
            let (old, new) = (u16::from_be_bytes(*field), id as u16);
            *field = new.to_be_bytes();
            patch(packet, 10, Delta::default().replace_word(old, new));
        } else if let Some(fragment) = self.fragment
            && let Some(field) =
                packet.get_mut(..usize::from(fragment.start)).and_then(<[u8]>::last_chunk_mut::<4>)
        {
            *field = id.to_be_bytes();
        }
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

/// UDP may go without a checksum, which is 0 (over IPv6 only where both ends agreed, RFC 6935) and stays so; one that
/// comes out as 0 is written as its other form.
#[inline]
fn patch_udp(packet: &mut [u8], at: usize, delta: Delta) {
    let Some(field) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) else { return };
    if *field == [0, 0] {
        return;
    }
    delta.apply_to(field);
    if *field == [0, 0] {
        *field = [0xFF, 0xFF];
    }
}

#[cfg(test)]
mod tests;
