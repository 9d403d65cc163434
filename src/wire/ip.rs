//! Inner packets: as much of IPv4, IPv6 and TCP as forwarding and `mssfix` need.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The protocol number of TCP.
const TCP: u8 = 6;
/// The protocol number of UDP.
const UDP: u8 = 17;

/// From where to where an inner packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
}

impl IpHeader {
    /// Length of an IPv4 header without options, in bytes.
    pub const V4_LEN: usize = 20;
    /// Length of an IPv6 header without extensions, in bytes.
    pub const V6_LEN: usize = 40;

    /// `None` for what is neither IPv4 nor IPv6, or shorter than its fixed header.
    #[inline]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let header = packet.first_chunk::<{ Self::V4_LEN }>()?;
                let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
                Some(Self {
                    source: Ipv4Addr::new(s0, s1, s2, s3).into(),
                    destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
                })
            }
            6 => {
                let header = packet.first_chunk::<{ Self::V6_LEN }>()?;
                let (addresses, _) = header[8..].as_chunks::<16>();
                let [source, destination] = *addresses else { return None };
                Some(Self {
                    source: Ipv6Addr::from(source).into(),
                    destination: Ipv6Addr::from(destination).into(),
                })
            }
            _ => None,
        }
    }
}

/// Whether a packet is TCP (else UDP), and its destination port. `None` for anything else, and where the ports are not
/// in this packet: later fragments, IPv6 extension headers.
pub fn transport_destination(packet: &[u8]) -> Option<(bool, u16)> {
    let (protocol, len) = match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<{ IpHeader::V4_LEN }>()?;
            let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1FFF;
            if offset != 0 {
                return None;
            }
            (header[9], usize::from(header[0] & 0xF) * 4)
        }
        6 => (packet.first_chunk::<{ IpHeader::V6_LEN }>()?[6], IpHeader::V6_LEN),
        _ => return None,
    };
    let is_tcp = match protocol {
        TCP => true,
        UDP => false,
        _ => return None,
    };
    let ports = packet.get(len..)?.first_chunk::<4>()?;
    Some((is_tcp, u16::from_be_bytes([ports[2], ports[3]])))
}

/// The TCP segment in an inner packet.
#[derive(Debug)]
pub struct TcpSegment<'a> {
    /// Whether it travels by IPv6.
    pub ipv6: bool,
    /// Everything behind the IP header; of whatever length.
    pub bytes: &'a mut [u8],
}

impl<'a> TcpSegment<'a> {
    /// `None` unless the TCP header follows here: no fragment but the first, no IPv6 extension header, and the length
    /// that the IP header names exactly that of the packet.
    #[inline]
    pub fn find(packet: &'a mut [u8]) -> Option<Self> {
        let total = packet.len();
        match packet.first()? >> 4 {
            4 => {
                let header = packet.first_chunk::<{ IpHeader::V4_LEN }>()?;
                let [first, _, len0, len1, _, _, fragment0, fragment1, _, protocol, ..] = *header;
                let header_len = usize::from(first & 0x0F) * 4;
                let fragment_offset = u16::from_be_bytes([fragment0, fragment1]) & 0x1FFF;
                let found = protocol == TCP
                    && fragment_offset == 0
                    && header_len >= IpHeader::V4_LEN
                    && usize::from(u16::from_be_bytes([len0, len1])) == total;
                let bytes = packet.get_mut(header_len..)?;
                found.then_some(Self { ipv6: false, bytes })
            }
            6 => {
                let (header, bytes) = packet.split_first_chunk_mut::<{ IpHeader::V6_LEN }>()?;
                let [_, _, _, _, len0, len1, next_header, ..] = *header;
                let found =
                    next_header == TCP && usize::from(u16::from_be_bytes([len0, len1])) == bytes.len();
                found.then_some(Self { ipv6: true, bytes })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = [&[0x45; 20], payload].concat();
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[6..8].copy_from_slice(&[0x40, 0]); // Don't Fragment
        packet[9] = protocol;
        packet[12..20].copy_from_slice(&[10, 8, 0, 2, 192, 0, 2, 1]);
        packet
    }

    fn v6(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = [&[0x60; 40], payload].concat();
        packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
        packet[6] = next_header;
        packet[8..24].copy_from_slice(&"fd00::2".parse::<Ipv6Addr>().unwrap().octets());
        packet[24..40].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        packet
    }

    #[test]
    fn where_a_packet_goes_above_ip() {
        let ports = [0x12, 0x34, 0x04, 0xAA];
        assert_eq!(transport_destination(&v4(UDP, &ports)), Some((false, 1194)));
        assert_eq!(transport_destination(&v6(TCP, &ports)), Some((true, 1194)));
        assert_eq!(transport_destination(&v4(UDP, &ports[..3])), None);
        assert_eq!(transport_destination(&v4(1, &ports)), None);
        let mut later = v4(UDP, &ports);
        later[7] = 1;
        assert_eq!(transport_destination(&later), None);
        let mut long = v4(UDP, &[0, 0, 0, 0, 0x12, 0x34, 0x04, 0xAA]);
        long[0] = 0x46;
        assert_eq!(transport_destination(&long), Some((false, 1194)));
        assert_eq!(transport_destination(&[]), None);
    }

    fn header(source: &str, destination: &str) -> IpHeader {
        IpHeader { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn addresses_of_both_families() {
        assert_eq!(IpHeader::parse(&v4(17, b"x")), Some(header("10.8.0.2", "192.0.2.1")));
        assert_eq!(IpHeader::parse(&v6(17, b"x")), Some(header("fd00::2", "2001:db8::1")));
    }

    #[test]
    fn headers_must_be_whole() {
        for (packet, len) in [(v4(17, b""), 20), (v6(17, b""), 40)] {
            assert_eq!(packet.len(), len);
            for cut in 0..len {
                assert_eq!(IpHeader::parse(&packet[..cut]), None, "{cut} of {len} bytes");
            }
            assert!(IpHeader::parse(&packet).is_some());
        }
        assert_eq!(IpHeader::parse(&[0x50; 60]), None);
    }

    #[test]
    fn a_tcp_segment_is_found_behind_either_header() {
        let mut packet = v4(TCP, b"segment");
        let tcp = TcpSegment::find(&mut packet).unwrap();
        assert_eq!((tcp.ipv6, &*tcp.bytes), (false, &b"segment"[..]));
        let mut packet = v6(TCP, b"segment");
        let tcp = TcpSegment::find(&mut packet).unwrap();
        assert_eq!((tcp.ipv6, &*tcp.bytes), (true, &b"segment"[..]));
    }

    #[test]
    fn ipv4_options_are_skipped() {
        let mut packet = v4(TCP, b"optssegment");
        packet[0] = 0x46;
        assert_eq!(TcpSegment::find(&mut packet).unwrap().bytes, b"segment");
    }

    #[test]
    fn other_packets_hold_no_tcp_segment() {
        let changed = |mut packet: Vec<u8>, at: usize, value: u8| {
            packet[at] = value;
            packet
        };
        for mut packet in [
            v4(17, b"segment"),
            v6(17, b"segment"),
            v6(0, b"segment"),                     // a hop-by-hop header comes first
            changed(v4(TCP, b"segment"), 7, 1),    // a later fragment
            changed(v4(TCP, b"segment"), 3, 26),   // shorter than the packet
            changed(v4(TCP, b"segment"), 3, 28),   // longer
            changed(v4(TCP, b"segment"), 0, 0x44), // a header of 16 bytes
            changed(v4(TCP, b"segment"), 0, 0x4F), // a header longer than the packet
            changed(v6(TCP, b"segment"), 5, 6),
            changed(v6(TCP, b"segment"), 5, 8),
        ] {
            assert!(TcpSegment::find(&mut packet).is_none(), "{packet:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut packet in prop::collection::vec(any::<u8>(), 0..100), v6: bool) {
            if let Some(first) = packet.first_mut() {
                *first = if v6 { 0x60 } else { 0x40 } | (*first & 0x0F);
            }
            let _ = IpHeader::parse(&packet);
            let _ = TcpSegment::find(&mut packet);
        }
    }
}
