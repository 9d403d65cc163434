//! IP packets of both families: made with correct checksums, and told in words that can be compared.

use core::net::IpAddr;
use std::collections::BTreeMap;

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;
pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// An address and a port.
pub type End = (IpAddr, u16);

/// The Internet checksum (RFC 1071).
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let bytes = pieces.concat();
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

pub fn is_v4(packet: &[u8]) -> bool {
    packet[0] >> 4 == 4
}

/// Length of its header, IPv6 without extensions.
pub fn header_len(packet: &[u8]) -> usize {
    if is_v4(packet) { usize::from(packet[0] & 15) * 4 } else { 40 }
}

pub fn protocol(packet: &[u8]) -> u8 {
    packet[if is_v4(packet) { 9 } else { 6 }]
}

pub fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn address(bytes: &[u8]) -> IpAddr {
    match bytes {
        [a, b, c, d] => IpAddr::from([*a, *b, *c, *d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()),
    }
}

/// Source and destination.
pub fn addresses(packet: &[u8]) -> (IpAddr, IpAddr) {
    if is_v4(packet) {
        (address(&packet[12..16]), address(&packet[16..20]))
    } else {
        (address(&packet[8..24]), address(&packet[24..40]))
    }
}

/// Source and destination with ports; those of an echo are its identifier where the asking end's would be.
pub fn ends(packet: &[u8]) -> (End, End) {
    let ((source, destination), at) = (addresses(packet), header_len(packet));
    let ports = match (protocol(packet), packet[at]) {
        (TCP | UDP, _) => (word(packet, at), word(packet, at + 2)),
        (ICMP, 8) | (ICMPV6, 128) => (word(packet, at + 4), 0),
        (ICMP, 0) | (ICMPV6, 129) => (0, word(packet, at + 4)),
        _ => (0, 0),
    };
    ((source, ports.0), (destination, ports.1))
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A packet with 64 hops.
pub fn packet(source: IpAddr, destination: IpAddr, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut out = if source.is_ipv4() {
        vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0]
    } else {
        vec![0x60, 0, 0, 0, 0, 0, protocol, 64]
    };
    out.extend(bytes(source));
    out.extend(bytes(destination));
    out.extend(transport);
    mend(&mut out);
    out
}

/// Sets lengths and checksums right.
pub fn mend(packet: &mut [u8]) {
    let (len, at) = (packet.len(), header_len(packet));
    if is_v4(packet) {
        packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        packet[10..12].fill(0);
        let sum = checksum(&[&packet[..at]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
    }
    if let Some(field) = checksum_field(packet) {
        packet[field..field + 2].fill(0);
        let sum = checksum(&[&pseudo_header(packet), &packet[at..]]);
        let sum = if sum == 0 && protocol(packet) == UDP { 0xFFFF } else { sum };
        packet[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

fn checksum_field(packet: &[u8]) -> Option<usize> {
    let at = header_len(packet);
    Some(match protocol(packet) {
        TCP => at + 16,
        UDP => at + 6,
        ICMP | ICMPV6 => at + 2,
        _ => return None,
    })
}

fn pseudo_header(packet: &[u8]) -> Vec<u8> {
    let (source, destination) = addresses(packet);
    let len = ((packet.len() - header_len(packet)) as u32).to_be_bytes();
    match protocol(packet) {
        ICMP => Vec::new(),
        protocol => [&bytes(source), &bytes(destination), &len[..], &[0, 0, 0, protocol]].concat(),
    }
}

/// Whether the checksums are right; UDP over IPv4 may have none.
pub fn is_sound(packet: &[u8]) -> bool {
    let mut right = packet.to_vec();
    mend(&mut right);
    if let Some(field) = checksum_field(packet)
        && (is_v4(packet), protocol(packet), word(packet, field)) == (true, UDP, 0)
    {
        right[field..field + 2].fill(0);
    }
    right == packet
}

pub fn udp(source: End, destination: End, payload: &[u8]) -> Vec<u8> {
    let mut transport = [source.1, destination.1, 8 + payload.len() as u16, 0].map(u16::to_be_bytes).concat();
    transport.extend(payload);
    packet(source.0, destination.0, UDP, &transport)
}

/// A segment; a SYN announces segments of 1460 bytes.
pub fn tcp(
    source: End,
    destination: End,
    flags: u8,
    (sequence, acknowledged): (u32, u32),
    payload: &[u8],
) -> Vec<u8> {
    let mut transport = [source.1, destination.1].map(u16::to_be_bytes).concat();
    transport.extend([sequence, acknowledged].map(u32::to_be_bytes).concat());
    let is_syn = flags & SYN != 0;
    transport.extend([if is_syn { 0x60 } else { 0x50 }, flags, 0x20, 0, 0, 0, 0, 0]);
    if is_syn {
        transport.extend([2, 4, 0x05, 0xB4]);
    }
    transport.extend(payload);
    packet(source.0, destination.0, TCP, &transport)
}

/// An echo request, or the answer to one.
pub fn echo(source: IpAddr, destination: IpAddr, request: bool, id: u16) -> Vec<u8> {
    let (kind, protocol) = match (source.is_ipv4(), request) {
        (true, true) => (8, ICMP),
        (true, false) => (0, ICMP),
        (false, true) => (128, ICMPV6),
        (false, false) => (129, ICMPV6),
    };
    let transport = [&[kind, 0, 0, 0][..], &id.to_be_bytes(), &[0, 1], b"abcdefgh"].concat();
    packet(source, destination, protocol, &transport)
}

/// An ICMP error from `source` to the sender of `about`: type, code, and the four bytes behind the checksum.
pub fn error(source: IpAddr, (kind, code): (u8, u8), rest: u32, about: &[u8]) -> Vec<u8> {
    let quote = &about[..about.len().min(if is_v4(about) { 548 } else { 1232 })];
    let transport = [&[kind, code, 0, 0][..], &rest.to_be_bytes(), quote].concat();
    let protocol = if source.is_ipv4() { ICMP } else { ICMPV6 };
    packet(source, addresses(about).0, protocol, &transport)
}

/// Changes a packet and sets its checksums right.
pub fn with(mut packet: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut packet);
    mend(&mut packet);
    packet
}

pub fn with_hops(packet: Vec<u8>, hops: u8) -> Vec<u8> {
    with(packet, |packet| {
        let at = if is_v4(packet) { 8 } else { 7 };
        packet[at] = hops;
    })
}

/// With IPv4's "don't fragment"; IPv6 has it always.
pub fn unfragmentable(packet: Vec<u8>) -> Vec<u8> {
    with(packet, |packet| {
        if is_v4(packet) {
            packet[6] |= 0x40;
        }
    })
}

/// With that type of service, DSCP and ECN.
pub fn with_tos(packet: Vec<u8>, tos: u8) -> Vec<u8> {
    with(packet, |packet| {
        if is_v4(packet) {
            packet[1] = tos;
        } else {
            packet[0] = 0x60 | tos >> 4;
            packet[1] = tos << 4;
        }
    })
}

/// Cuts a packet into fragments of so many bytes of payload, a multiple of eight.
pub fn fragments(packet: &[u8], id: u32, piece: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(header_len(packet));
    let count = payload.len().div_ceil(piece);
    let cut = |(number, part): (usize, &[u8])| {
        let (offset, more) = ((number * piece) as u16, u16::from(number + 1 < count));
        let mut out = if is_v4(packet) {
            let mut out = [header, part].concat();
            out[4..6].copy_from_slice(&(id as u16).to_be_bytes());
            out[6..8].copy_from_slice(&((offset / 8) | (more << 13)).to_be_bytes());
            out
        } else {
            let [high, low] = (offset | more).to_be_bytes();
            let mut out = [header, &[header[6], 0, high, low], &id.to_be_bytes(), part].concat();
            out[6] = 44;
            out
        };
        set_lengths(&mut out);
        out
    };
    payload.chunks(piece).enumerate().map(cut).collect()
}

/// Sets the header's length and checksum right, and leaves what follows it.
fn set_lengths(packet: &mut [u8]) {
    let (len, at) = (packet.len(), header_len(packet));
    if is_v4(packet) {
        packet[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        packet[10..12].fill(0);
        let sum = checksum(&[&packet[..at]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
    }
}

/// What a packet says of the datagram that it is a part of.
struct Fragment {
    offset: usize,
    /// Whether others follow.
    more: bool,
    /// Where in the packet the part begins.
    start: usize,
}

/// None if it is whole.
fn fragment(packet: &[u8]) -> Option<Fragment> {
    if is_v4(packet) {
        let bits = word(packet, 6);
        let (offset, more) = (usize::from(bits & 0x1FFF) * 8, bits & 0x2000 != 0);
        (bits & 0x3FFF != 0).then(|| Fragment { offset, more, start: header_len(packet) })
    } else {
        (packet[6] == 44).then(|| Fragment {
            offset: usize::from(word(packet, 42) & 0xFFF8),
            more: packet[43] & 1 != 0,
            start: 48,
        })
    }
}

/// Puts fragments together, in whatever order they are, and leaves what is whole. Says also how many fragments there are
/// of datagrams that are not all there.
pub fn reassemble(packets: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, usize) {
    let (mut whole, mut datagrams) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for packet in packets {
        match fragment(&packet) {
            None => whole.push(packet),
            Some(fragment) => {
                let id = if is_v4(&packet) { &packet[4..6] } else { &packet[44..48] };
                datagrams.entry((addresses(&packet), id.to_vec())).or_default().push((fragment, packet));
            }
        }
    }
    let mut parts = 0;
    for (_, mut datagram) in datagrams {
        datagram.sort_by_key(|(fragment, _)| fragment.offset);
        match join(&datagram) {
            Some(packet) => whole.push(packet),
            None => parts += datagram.len(),
        }
    }
    (whole, parts)
}

/// Puts the fragments of one datagram together, which are in order; none if there is a gap or an overlap.
fn join(fragments: &[(Fragment, Vec<u8>)]) -> Option<Vec<u8>> {
    let (_, first) = fragments.first()?;
    let header = header_len(first);
    let mut out = first[..header].to_vec();
    for (number, (part, packet)) in fragments.iter().enumerate() {
        if part.offset != out.len() - header || part.more != (number + 1 < fragments.len()) {
            return None;
        }
        out.extend(&packet[part.start..]);
    }
    if is_v4(&out) {
        out[6..8].fill(0);
    } else {
        out[6] = first[40];
    }
    set_lengths(&mut out);
    Some(out)
}
