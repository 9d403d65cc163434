use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::path::LinkId;

const SYN: u8 = 0x02;
const V1: usize = 1;
const V2: usize = 4;

fn path(transport: Transport, remote: &str) -> Path {
    Path { transport, ..Path::udp(LinkId(0), remote.parse().unwrap()) }
}

fn limits(
    mssfix: Mssfix,
    tun_mtu: u16,
    path: Path,
    header_len: usize,
    framing: Framing,
) -> Option<(u16, u16)> {
    MssClamp::new(mssfix, tun_mtu, &path, header_len, framing, false).map(|clamp| (clamp.ipv4, clamp.ipv6))
}

/// The sum over a segment with its own checksum field left out, ones' complement: what a receiver verifies, but for
/// the pseudo header, which does not change here.
fn checksum(segment: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = segment.chunks(2).map(word).sum();
    sum -= word(&segment[16..18]);
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

fn syn(flags: u8, options: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let mut segment: Vec<u8> = (0..20).map(|i| i * 11).collect();
    segment[12] = (5 + options.len() as u8 / 4) << 4;
    segment[13] = flags;
    segment.extend_from_slice(options);
    segment.extend_from_slice(b"odd");
    let sum = checksum(&segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn packet(ipv6: bool, segment: &[u8]) -> Vec<u8> {
    let mut packet = if ipv6 { [&[0x60; 40], segment].concat() } else { [&[0x45; 20], segment].concat() };
    if ipv6 {
        packet[4..6].copy_from_slice(&(segment.len() as u16).to_be_bytes());
        packet[6] = 6;
    } else {
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[6..8].fill(0);
        packet[9] = 6;
    }
    packet
}

/// The options behind clamping at 1200 (IPv4) and 1180 (IPv6), if the checksum is still right.
fn clamped(ipv6: bool, flags: u8, options: &[u8]) -> Vec<u8> {
    let mut packet = packet(ipv6, &syn(flags, options));
    MssClamp { ipv4: 1200, ipv6: 1180 }.apply(&mut packet);
    let segment = &packet[if ipv6 { 40 } else { 20 }..];
    assert_eq!(segment[16..18], checksum(segment).to_be_bytes(), "checksum");
    segment[20..20 + options.len()].to_vec()
}

/// Protocol facts §7.12: headers of 24 bytes (P_DATA_V2) and outer IP and UDP of 28.
#[test]
fn the_default_fits_an_outer_packet_of_1492_bytes() {
    let limits = |transport, remote, header_len, framing| {
        limits(Mssfix::Default, 1500, path(transport, remote), header_len, framing).unwrap()
    };
    assert_eq!(limits(Transport::Udp, "192.0.2.1:1194", V2, Framing::None), (1400, 1380));
    assert_eq!(limits(Transport::Udp, "192.0.2.1:1194", V1, Framing::None), (1403, 1383));
    assert_eq!(limits(Transport::Udp, "[2001:db8::1]:1194", V2, Framing::None), (1380, 1360));
    assert_eq!(limits(Transport::Tcp, "192.0.2.1:1194", V2, Framing::None), (1386, 1366));
    assert_eq!(limits(Transport::Udp, "192.0.2.1:1194", V2, Framing::Stub), (1399, 1379));
    assert_eq!(limits(Transport::Udp, "192.0.2.1:1194", V2, Framing::Lzo), (1399, 1379));
    assert_eq!(limits(Transport::Udp, "192.0.2.1:1194", V2, Framing::StubV2), (1400, 1380));
}

#[test]
fn the_ways_to_say_it() {
    let udp = path(Transport::Udp, "192.0.2.1:1194");
    let limits = |mssfix, tun_mtu| limits(mssfix, tun_mtu, udp, V2, Framing::None);
    assert_eq!(limits(Mssfix::Off, 1500), None);
    assert_eq!(limits(Mssfix::Default, 1400), Some((1360, 1340)));
    assert_eq!(limits(Mssfix::Payload(1450), 1500), Some((1386, 1366)));
    assert_eq!(limits(Mssfix::Mtu(1450), 1500), Some((1358, 1338)));
    assert_eq!(limits(Mssfix::Fixed(1450), 1500), Some((1410, 1390)));
    assert_eq!(limits(Mssfix::Mtu(10), 1500), Some((48, 48)));
}

#[test]
fn a_syn_is_lowered_and_never_raised() {
    for (ipv6, limit) in [(false, 1200_u16), (true, 1180)] {
        for announced in [limit + 1, 1460, u16::MAX] {
            let [high, low] = announced.to_be_bytes();
            let [limit_high, limit_low] = limit.to_be_bytes();
            assert_eq!(clamped(ipv6, SYN, &[2, 4, high, low]), [2, 4, limit_high, limit_low]);
            assert_eq!(clamped(ipv6, SYN | 0x10, &[2, 4, high, low]), [2, 4, limit_high, limit_low]);
        }
        for announced in [limit, limit - 1, 0] {
            let [high, low] = announced.to_be_bytes();
            assert_eq!(clamped(ipv6, SYN, &[2, 4, high, low]), [2, 4, high, low]);
        }
    }
}

#[test]
fn other_segments_are_left_alone() {
    assert_eq!(clamped(false, 0x10, &[2, 4, 5, 0xB4]), [2, 4, 5, 0xB4]);
    let mut udp = packet(false, &syn(SYN, &[2, 4, 5, 0xB4]));
    udp[9] = 17;
    let before = udp.clone();
    MssClamp { ipv4: 1200, ipv6: 1180 }.apply(&mut udp);
    assert_eq!(udp, before);
}

#[test]
fn the_option_is_found_among_others_at_even_and_odd_places() {
    assert_eq!(clamped(false, SYN, &[1, 2, 4, 5, 0xB4, 1, 1, 0]), [1, 2, 4, 4, 0xB0, 1, 1, 0]);
    assert_eq!(clamped(false, SYN, &[3, 3, 7, 2, 4, 0xFF, 0xFE, 1]), [3, 3, 7, 2, 4, 4, 0xB0, 1]);
    assert_eq!(clamped(false, SYN, &[4, 2, 2, 4, 5, 0xB4, 0, 0]), [4, 2, 2, 4, 4, 0xB0, 0, 0]);
}

#[test]
fn hostile_options_end_the_walk() {
    for options in [
        [0, 0, 0, 0, 2, 4, 0xFF, 0xFF],   // behind the end
        [8, 0, 2, 4, 0xFF, 0xFF, 1, 1],   // an option of no length
        [8, 1, 2, 4, 0xFF, 0xFF, 1, 1],   // of less than its own header
        [8, 200, 2, 4, 0xFF, 0xFF, 1, 1], // of more than there is
        [1, 1, 1, 1, 1, 1, 1, 2],         // cut behind the kind
        [1, 1, 1, 1, 1, 2, 4, 0xFF],      // cut within the value
        [2, 3, 0xFF, 2, 3, 0xFF, 1, 1],   // of a wrong length
    ] {
        assert_eq!(clamped(false, SYN, &options), options);
    }
}

#[test]
fn a_data_offset_beyond_the_segment_is_left_alone() {
    for offset in [0x00, 0x40, 0xF0] {
        let mut segment = syn(SYN, &[2, 4, 0xFF, 0xFF]);
        segment[12] = offset;
        let mut packet = packet(false, &segment);
        let before = packet.clone();
        MssClamp { ipv4: 1200, ipv6: 1180 }.apply(&mut packet);
        assert_eq!(packet, before);
    }
}

/// CVE-2017-7508: inner packets that end within their headers.
#[test]
fn packets_that_end_anywhere_are_survived() {
    for ipv6 in [false, true] {
        let whole = packet(ipv6, &syn(SYN, &[2, 4, 0xFF, 0xFF]));
        for len in 0..whole.len() {
            // As it was cut, and with a length that agrees.
            let mut cut = whole[..len].to_vec();
            MssClamp { ipv4: 1200, ipv6: 1180 }.apply(&mut cut);
            assert_eq!(cut, &whole[..len]);
            if ipv6 && len >= 40 {
                cut[4..6].copy_from_slice(&(len as u16 - 40).to_be_bytes());
            } else if !ipv6 && len >= 20 {
                cut[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            }
            MssClamp { ipv4: 1200, ipv6: 1180 }.apply(&mut cut);
        }
    }
}

proptest! {
    #[test]
    fn any_options_are_survived_and_the_checksum_stays_right(
        ipv6: bool,
        words in prop::collection::vec(prop::array::uniform4(prop_oneof![0..5_u8, any::<u8>()]), 0..=10),
    ) {
        clamped(ipv6, SYN, &words.concat());
    }
}

#[test]
fn a_relays_header_is_left_room_for() {
    for (remote, relay) in [("192.0.2.1:1194", 10), ("[2001:db8::1]:1194", 22)] {
        let path = Path::udp(LinkId(0), remote.parse().expect("an address"));
        let limit = |mssfix, relayed| {
            let clamp = MssClamp::new(mssfix, 1500, &path, 4, Framing::None, relayed);
            clamp.expect("a limit").ipv4
        };
        assert_eq!(limit(Mssfix::Default, false) - limit(Mssfix::Default, true), relay);
        let fixed = Mssfix::Fixed(1400);
        assert_eq!(limit(fixed, false), limit(fixed, true));
    }
}
