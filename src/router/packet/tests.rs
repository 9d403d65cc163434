//! Rows CSUM, FRAG-OVL, FRAG-v6 of what a router must do, on packets of every shape.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::router::testing::Random;
use crate::wire::checksum::checksum;

fn address<A: Address>(random: &mut Random) -> A {
    let bits = u128::from(random.next()) << 64 | u128::from(random.next());
    A::of(Ipv6Addr::from_bits(bits).into())
        .or_else(|| A::of(Ipv4Addr::from_bits(bits as u32).into()))
        .unwrap()
}

fn tuple<A: Address>(random: &mut Random) -> Tuple<A> {
    Tuple {
        source: address(random),
        destination: address(random),
        source_port: random.next() as u16,
        destination_port: random.next() as u16,
    }
}

/// What a packet consists of, but for who sends it to whom.
#[derive(Clone, Debug)]
struct Shape {
    /// IPv4 options or IPv6 extension headers, and the first of these's number.
    before: (u8, Vec<u8>),
    protocol: u8,
    /// The transport header and what follows, with zeros for ports, identifier and checksum.
    transport: Vec<u8>,
    /// UDP without a checksum.
    unchecked: bool,
    /// Which part of it is in this packet, if not all.
    part: Option<(usize, usize)>,
    id: u32,
}

impl Shape {
    fn random<A: Address>(random: &mut Random) -> Self {
        let protocol = [TCP, UDP, A::ICMP, 47][random.below(4)];
        let payload = random.below(60);
        let mut transport = random.bytes(20 + payload);
        match protocol {
            TCP => {
                let options = random.below(11);
                transport.splice(20..20, random.bytes(4 * options));
                transport[12] = (5 + options as u8) << 4;
            }
            UDP => {
                let len = transport.len() as u16;
                transport[4..6].copy_from_slice(&len.to_be_bytes());
            }
            47 => {}
            _ => {
                let kinds = if A::VERSION == 4 { [8, 0] } else { [128, 129] };
                transport[0] = kinds[random.below(2)];
            }
        }
        // IPv6's transport starts behind the extensions, which are not in later fragments.
        let part = random.chance(3).then(|| {
            let header = if protocol == TCP { usize::from(transport[12] >> 4) * 4 } else { 8 };
            let cut = header.div_ceil(8) * 8;
            if random.chance(2) || cut.max(24) >= transport.len() {
                (0, cut.min(transport.len() / 8 * 8))
            } else {
                (cut.max(24), transport.len())
            }
        });
        // A fragment that is all is none.
        let part = part.filter(|part| part.1 > part.0 && (*part != (0, transport.len())));
        let part = part.filter(|(_, to)| protocol != TCP || *to >= usize::from(transport[12] >> 4) * 4);
        let before = if A::VERSION == 4 { (protocol, options(random)) } else { extensions(random, protocol) };
        let unchecked = protocol == UDP && random.chance(4);
        Self { before, protocol, transport, unchecked, part, id: random.next() as u32 }
    }

    /// The packet, with all checksums by full sums.
    fn build<A: Address>(&self, tuple: &Tuple<A>, id: u32, hops: u8) -> Vec<u8> {
        let mut transport = self.transport.clone();
        let field = match self.protocol {
            TCP | UDP => {
                transport[..2].copy_from_slice(&tuple.source_port.to_be_bytes());
                transport[2..4].copy_from_slice(&tuple.destination_port.to_be_bytes());
                Some(if self.protocol == TCP { 16 } else { 6 })
            }
            47 => None,
            _ => {
                let asks = matches!(transport[0], 8 | 128);
                let id = if asks { tuple.source_port } else { tuple.destination_port };
                transport[4..6].copy_from_slice(&id.to_be_bytes());
                Some(2)
            }
        };
        let mut addresses = vec![0; 40];
        A::set_pair(&mut addresses, tuple.source, tuple.destination);
        let addresses = &addresses[A::OFFSET..A::OFFSET + 2 * A::LEN];
        if let Some(field) = field {
            transport[field..field + 2].fill(0);
            let len = (transport.len() as u32).to_be_bytes();
            let pseudo = [addresses, &len, &[0, 0, 0, self.protocol]].concat();
            let pseudo = if self.protocol == ICMP { &[][..] } else { &pseudo };
            let sum = match checksum([pseudo, &transport]) {
                _ if self.unchecked => 0,
                0 if self.protocol == UDP => 0xFFFF,
                sum => sum,
            };
            transport[field..field + 2].copy_from_slice(&sum.to_be_bytes());
        }
        let part = self.part.map_or(&transport[..], |(from, to)| &transport[from..to]);
        let offset = self.part.map_or(0, |(from, _)| from as u16);
        let more = self.part.is_some_and(|(_, to)| to < transport.len());
        if A::VERSION == 4 {
            let (_, options) = &self.before;
            let len = (20 + options.len() + part.len()) as u16;
            let mut packet = vec![0x45 + (options.len() / 4) as u8, 0xB9];
            packet.extend(len.to_be_bytes());
            packet.extend((id as u16).to_be_bytes());
            packet.extend(((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
            packet.extend([hops, self.protocol, 0, 0]);
            packet.extend(addresses);
            packet.extend(options);
            let sum = checksum([&packet[..]]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            packet.extend(part);
            packet
        } else {
            let (first, extensions) = &self.before;
            let fragment = self.part.map(|_| {
                let mut fragment = vec![if offset == 0 { *first } else { self.protocol }, 0];
                fragment.extend((offset | u16::from(more)).to_be_bytes());
                fragment.extend(id.to_be_bytes());
                fragment
            });
            let extensions = if offset == 0 { &extensions[..] } else { &[] };
            let first = if fragment.is_some() { 44 } else { *first };
            let fragment = fragment.unwrap_or_default();
            let len = (fragment.len() + extensions.len() + part.len()) as u16;
            let mut packet = vec![0x6B, 0x91, 0x23, 0x45];
            packet.extend(len.to_be_bytes());
            packet.extend([first, hops]);
            packet.extend(addresses);
            packet.extend(fragment);
            packet.extend(extensions);
            packet.extend(part);
            packet
        }
    }
}

impl Shape {
    /// The packet, from somewhere to somewhere.
    fn some<A: Address>(&self) -> Vec<u8> {
        self.build::<A>(&tuple(&mut Random::new(9)), 1, 64)
    }
}

/// No-operations, a timestamp, a router alert.
fn options(random: &mut Random) -> Vec<u8> {
    let kinds: [&[u8]; 4] =
        [&[1, 1, 1, 1], &[68, 8, 5, 0, 1, 2, 3, 4], &[148, 4, 0, 0], &[1, 148, 4, 0, 0, 0, 0, 0]];
    if random.chance(2) { Vec::new() } else { kinds[random.below(4)].to_vec() }
}

/// A chain that ends at `protocol`: destination options, spent routing headers, an atomic fragment.
fn extensions(random: &mut Random, protocol: u8) -> (u8, Vec<u8>) {
    let (mut first, mut out) = (protocol, Vec::new());
    let mut atomic = false;
    for _ in 0..random.below(4) {
        let kind = [60, 43, 44][random.below(if atomic { 2 } else { 3 })];
        let len = if kind == 44 { 0 } else { random.below(3) };
        let mut extension = random.bytes(8 + 8 * len);
        (extension[0], extension[1]) = (first, len as u8);
        match kind {
            43 => extension[3] = 0,
            44 => (extension[2], extension[3], atomic) = (0, 6, true),
            _ => {}
        }
        extension.extend(out);
        (first, out) = (kind, extension);
    }
    (first, out)
}

fn with_buf<T>(packet: &[u8], body: impl FnOnce(&mut PacketBuf<'_>) -> T) -> (T, Vec<u8>) {
    let mut memory = packet.to_vec();
    let mut buf = PacketBuf::new(&mut memory, 0..packet.len()).unwrap();
    let out = body(&mut buf);
    (out, buf.payload().to_vec())
}

fn parse<A: Address>(packet: &[u8]) -> Result<Inner<A>, DropReason> {
    with_buf(packet, Inner::parse).0
}

fn a_packet_that_is_rewritten<A: Address>(seed: u64, count: usize) {
    let mut random = Random::new(seed);
    let (mut fragments, mut zeros) = (0, 0);
    for number in 0..count {
        let mut shape = Shape::random::<A>(&mut random);
        // An atomic fragment before a real one would be a fragment of a fragment.
        if shape.part.is_some() && A::VERSION == 6 {
            shape.before = (shape.protocol, Vec::new());
        }
        let (from, mut to) = (tuple::<A>(&mut random), tuple::<A>(&mut random));
        if random.chance(8) {
            to = Tuple { source: to.source, ..from };
        }
        let packet = shape.build(&from, shape.id, 64);
        let later = shape.part.is_some_and(|(offset, _)| offset != 0);
        let id = random.next() as u32;
        let (inner, changed) = with_buf(&packet, |buf| {
            let mut inner = Inner::<A>::parse(buf)
                .unwrap_or_else(|reason| panic!("seed {seed}, {number}: {reason} of {shape:?}"));
            let known = inner;
            if later {
                // As the first fragment has told.
                (inner.tuple.source_port, inner.tuple.destination_port) =
                    (from.source_port, from.destination_port);
                inner.protocol = shape.protocol;
            }
            let mut to = to;
            match shape.protocol {
                47 => (to.source_port, to.destination_port) = (0, 0),
                TCP | UDP => {}
                _ if !later => match inner.transport {
                    Transport::Echo { request: true } => to.destination_port = 0,
                    Transport::Echo { request: false } => to.source_port = 0,
                    other => panic!("{other:?}"),
                },
                _ => {}
            }
            inner.rewrite(buf.payload_mut(), &to);
            if inner.fragment.is_some() {
                inner.renumber(buf.payload_mut(), id);
            }
            inner.count_hop(buf.payload_mut());
            known
        });
        assert_eq!((inner.tuple.source, inner.tuple.destination), (from.source, from.destination));
        assert_eq!((inner.len, inner.hops, inner.protocol), (packet.len(), 64, shape.protocol));
        assert_eq!(inner.fragment.is_some(), shape.part.is_some());
        assert_eq!(inner.transport == Transport::Later, later);
        let id = if inner.fragment.is_some() { id } else { shape.id };
        assert_eq!(changed, shape.build(&to, id, 63), "seed {seed}, {number}: {shape:?}, {from:?} to {to:?}");
        fragments += usize::from(shape.part.is_some());
        zeros += usize::from(shape.unchecked);
    }
    assert!(
        fragments > count / 20 && zeros > count / 50,
        "{fragments} fragments, {zeros} without a checksum"
    );
}

/// RFC 1624: what the differences make of checksums is what full sums make of them, for a hundred thousand packets of
/// each family. UDP's 0 stays, and its result 0 is written as 0xFFFF, since the oracle does so.
#[test]
fn csum_differences_are_worth_full_sums() {
    a_packet_that_is_rewritten::<Ipv4Addr>(1, 100_000);
    a_packet_that_is_rewritten::<Ipv6Addr>(2, 100_000);
}

/// A translator must not repair what was damaged on its way to it.
#[test]
fn csum_what_was_wrong_stays_wrong() {
    fn check<A: Address>(seed: u64) {
        let mut random = Random::new(seed);
        let mut count = 0;
        while count < 20_000 {
            let shape = Shape { part: None, unchecked: false, ..Shape::random::<A>(&mut random) };
            let field = match shape.protocol {
                TCP => 16,
                UDP => 6,
                47 => continue,
                _ => 2,
            };
            let (from, to) = (tuple::<A>(&mut random), tuple::<A>(&mut random));
            let mut packet = shape.build(&from, shape.id, 64);
            let at = parse::<A>(&packet).unwrap().offset + field;
            let sum = u16::from_be_bytes([packet[at], packet[at + 1]]);
            let wrong = random.next() as u16;
            // 0 and 0xFFFF are one number; and a UDP checksum of 0 is none.
            if wrong % 0xFFFF == sum % 0xFFFF || wrong == 0 {
                continue;
            }
            count += 1;
            packet[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
            let (tuple, changed) = with_buf(&packet, |buf| {
                let mut inner = Inner::<A>::parse(buf).unwrap();
                inner.rewrite(buf.payload_mut(), &to);
                inner.tuple
            });
            let right = shape.build(&tuple, shape.id, 64);
            assert_ne!(changed[at..at + 2], right[at..at + 2], "seed {seed}: {shape:?}");
            assert!(shape.protocol != UDP || changed[at..at + 2] != [0, 0]);
            assert_eq!((&changed[..at], &changed[at + 2..]), (&right[..at], &right[at + 2..]));
        }
    }
    check::<Ipv4Addr>(3);
    check::<Ipv6Addr>(4);
}

fn plain(protocol: u8, transport: Vec<u8>) -> Shape {
    Shape { before: (protocol, Vec::new()), protocol, transport, unchecked: false, part: None, id: 7 }
}

fn tcp_header() -> Vec<u8> {
    let mut header = vec![0; 32];
    header[12] = 0x50;
    header
}

#[track_caller]
fn refused<A: Address>(packet: &[u8], why: DropReason) {
    assert_eq!(parse::<A>(packet).map(|_| ()), Err(why), "{packet:x?}");
}

fn mend_header(packet: &mut [u8]) {
    let len = usize::from(packet[0] & 0xF) * 4;
    packet[10..12].fill(0);
    let sum = checksum([&packet[..len]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 1858 §3, RFC 3128: a first fragment without the whole of its transport header, a second one inside of it.
#[test]
fn frag_ovl_tiny_fragments_are_refused() {
    let of = |protocol, transport: Vec<u8>, from, to| Shape {
        part: Some((from, to)),
        ..plain(protocol, transport)
    };
    for (protocol, from, to) in [(TCP, 0, 8), (TCP, 0, 16), (TCP, 8, 32), (TCP, 16, 32)] {
        refused::<Ipv4Addr>(
            &of(protocol, tcp_header(), from, to).some::<Ipv4Addr>(),
            DropReason::BadFragment,
        );
        refused::<Ipv6Addr>(
            &of(protocol, tcp_header(), from, to).some::<Ipv6Addr>(),
            DropReason::BadFragment,
        );
    }
    // All options must be in it, too.
    let mut long = tcp_header();
    long[12] = 0x80;
    refused::<Ipv4Addr>(&of(TCP, long, 0, 24).some::<Ipv4Addr>(), DropReason::BadFragment);
    assert!(parse::<Ipv4Addr>(&of(TCP, tcp_header(), 0, 24).some::<Ipv4Addr>()).is_ok());
}

/// RFC 791 §3.2 and RFC 8200 §4.5: lengths that a datagram cannot be put together from.
#[test]
fn frag_v4_and_v6_lengths_that_cannot_be_are_refused() {
    let mut shape = Shape { part: Some((24, 32)), ..plain(47, vec![0; 48]) };
    let good = shape.some::<Ipv4Addr>();
    assert!(parse::<Ipv4Addr>(&good).is_ok());
    let mut beyond = good.clone();
    beyond[6..8].copy_from_slice(&0x3FFF_u16.to_be_bytes());
    mend_header(&mut beyond);
    refused::<Ipv4Addr>(&beyond, DropReason::BadFragment);
    let mut beyond = shape.some::<Ipv6Addr>();
    beyond[42..44].copy_from_slice(&0xFFF9_u16.to_be_bytes());
    refused::<Ipv6Addr>(&beyond, DropReason::BadFragment);
    shape.part = Some((24, 31));
    refused::<Ipv4Addr>(&shape.some::<Ipv4Addr>(), DropReason::BadFragment);
    refused::<Ipv6Addr>(&shape.some::<Ipv6Addr>(), DropReason::BadFragment);
    shape.part = Some((24, 24));
    refused::<Ipv4Addr>(&shape.some::<Ipv4Addr>(), DropReason::BadFragment);
    refused::<Ipv6Addr>(&shape.some::<Ipv6Addr>(), DropReason::BadFragment);
}

/// A chain of extension headers of these kinds and 8 bytes each, before UDP.
fn chain(kinds: &[u8]) -> Shape {
    let (mut first, mut out) = (UDP, Vec::new());
    for &kind in kinds.iter().rev() {
        out = [&[first, 0, 0, 0, 0, 0, 0, 9][..], &out].concat();
        first = kind;
    }
    Shape { before: (first, out), ..plain(UDP, vec![0, 0, 0, 0, 0, 8, 0, 0]) }
}

#[test]
fn frag_v6_extension_chains() {
    let parse_chain = |kinds: &[u8]| parse::<Ipv6Addr>(&chain(kinds).some::<Ipv6Addr>());
    assert_eq!(parse_chain(&[0, 60, 43, 60]).unwrap().offset, 40 + 32);
    assert_eq!(parse_chain(&[0, 60, 43, 60]).unwrap().protocol, UDP);
    // RFC 6946: an atomic fragment is a whole packet.
    assert_eq!(parse_chain(&[44, 60]).unwrap().fragment, None);
    assert_eq!(parse_chain(&[44, 60]).unwrap().transport, Transport::Udp);
    // RFC 8200 §4.1: hop-by-hop options only at the front.
    assert_eq!(parse_chain(&[60, 0]).unwrap_err(), DropReason::BadInnerPacket);
    // More than any real packet has.
    assert!(parse_chain(&[60; 8]).is_ok());
    assert_eq!(parse_chain(&[60; 9]).unwrap_err(), DropReason::BadInnerPacket);
    assert_eq!(parse_chain(&[44, 44]).unwrap_err(), DropReason::BadFragment);
    // RFC 8200 §4.4: a routing header that is not spent.
    let mut routed = chain(&[43]).some::<Ipv6Addr>();
    routed[43] = 1;
    refused::<Ipv6Addr>(&routed, DropReason::SourceRoute);
    // RFC 7112: the whole chain in the first fragment.
    let mut first = Shape { part: Some((0, 8)), ..chain(&[60]) };
    first.transport.extend([0; 8]);
    first.transport[5] = 16;
    let mut packet = first.some::<Ipv6Addr>();
    assert!(parse::<Ipv6Addr>(&packet).is_ok());
    packet[49] = 1; // destination options of 16 bytes, so that nothing is left for UDP
    refused::<Ipv6Addr>(&packet, DropReason::BadFragment);
    packet[49] = 9;
    refused::<Ipv6Addr>(&packet, DropReason::BadFragment);
}

/// RFC 7126 §4.3, §4.4: source routes are dropped.
#[test]
fn ipv4_options_that_name_the_way_or_make_no_sense_are_refused() {
    let with = |options: &[u8]| {
        let shape = Shape { before: (UDP, options.to_vec()), ..plain(UDP, vec![0, 0, 0, 0, 0, 8, 0, 0]) };
        parse::<Ipv4Addr>(&shape.some::<Ipv4Addr>()).map(|inner| inner.offset)
    };
    assert_eq!(with(&[1, 148, 4, 0, 0, 0, 0, 0]), Ok(28));
    assert_eq!(with(&[0, 131, 7, 4]), Ok(24), "behind the end of the options");
    assert_eq!(with(&[1, 131, 3, 4]), Err(DropReason::SourceRoute));
    assert_eq!(with(&[137, 3, 4, 0]), Err(DropReason::SourceRoute));
    assert_eq!(with(&[1, 1, 1, 68]), Err(DropReason::BadInnerPacket));
    assert_eq!(with(&[68, 5, 0, 0]), Err(DropReason::BadInnerPacket));
    assert_eq!(with(&[68, 1, 0, 0]), Err(DropReason::BadInnerPacket));
}

#[test]
fn headers_that_do_not_fit_the_packet_are_refused() {
    let good = plain(TCP, tcp_header()).some::<Ipv4Addr>();
    for cut in 0..good.len() {
        refused::<Ipv4Addr>(&good[..cut], DropReason::BadInnerPacket);
    }
    let mut wrong = good.clone();
    wrong[10] ^= 1;
    refused::<Ipv4Addr>(&wrong, DropReason::BadChecksum);
    let mut longer = good.clone();
    longer.extend([1, 2, 3]);
    assert_eq!(with_buf(&longer, |buf| Inner::<Ipv4Addr>::parse(buf).map(|inner| inner.len)), (Ok(52), good));
    for offset in [0x40, 0x90] {
        let mut header = tcp_header();
        header[12] = offset;
        refused::<Ipv4Addr>(&plain(TCP, header).some::<Ipv4Addr>(), DropReason::BadInnerPacket);
    }
    for len in [7, 9] {
        let shape = plain(UDP, vec![0, 0, 0, 0, 0, len, 0, 0]);
        refused::<Ipv4Addr>(&shape.some::<Ipv4Addr>(), DropReason::BadInnerPacket);
        refused::<Ipv6Addr>(&shape.some::<Ipv6Addr>(), DropReason::BadInnerPacket);
    }
}

/// Bytes of all kinds, and packets with a few bytes changed: no panic, and what is read lies inside.
#[test]
fn any_bytes_are_survived() {
    fn check<A: Address>(seed: u64) {
        let mut random = Random::new(seed);
        let mut read = 0;
        for _ in 0..50_000 {
            let mut packet = Shape::random::<A>(&mut random).build(&tuple::<A>(&mut random), 1, 64);
            for _ in 0..random.below(4) {
                let at = random.below(packet.len());
                packet[at] = random.next() as u8;
            }
            if A::VERSION == 4 && packet[0] & 0xF >= 5 && usize::from(packet[0] & 0xF) * 4 <= packet.len() {
                mend_header(&mut packet);
            }
            let to = tuple::<A>(&mut random);
            with_buf(&packet, |buf| {
                let Ok(mut inner) = Inner::<A>::parse(buf) else { return };
                read += 1;
                assert_eq!(inner.len, buf.len());
                assert!(inner.offset <= inner.len);
                inner.rewrite(buf.payload_mut(), &to);
                inner.renumber(buf.payload_mut(), 5);
                inner.count_hop(buf.payload_mut());
                assert_eq!(A::pair(buf.payload()), (to.source, to.destination));
            });
        }
        assert!(read > 10_000, "{read}");
    }
    check::<Ipv4Addr>(5);
    check::<Ipv6Addr>(6);
}
