//! Rows 4787-13, PMTU, MSS, TTL, ECN/DSCP, ICMP-GEN, MARTIAN and RFC 6864 of what a router must do.

use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::*;
use crate::config::RouterConfig;
use crate::router::testing::{
    Random, add_flow, assert_checksums, edit, fragments, ip, outputs, packet, peer, ping, reassemble, router,
    send as send_one, send_all, set_mtu, tcp, udp,
};
use crate::router::{Forward, Router};
use crate::time::Instant;
use crate::wire::ip::IpHeader;

const ENDS: [(&str, &str); 2] = [("10.8.0.2", "10.8.0.3"), ("fd00:8::2", "fd00:8::3")];
const NOW: Instant = Instant::ZERO;

fn stateful(clients: u32) -> Router {
    router(RouterConfig { log_flows: true, ..RouterConfig::default() }, clients)
}

fn client(number: u32) -> Zone {
    Zone::Peer(peer(number))
}

/// With IPv4's "don't fragment".
fn unfragmentable(packet: Vec<u8>) -> Vec<u8> {
    let is_v4 = packet[0] >> 4 == 4;
    edit(packet, |packet| {
        if is_v4 {
            packet[6] |= 0x40
        }
    })
}

fn with_hops(packet: Vec<u8>, hops: u8) -> Vec<u8> {
    edit(packet, |packet| packet[if packet[0] >> 4 == 4 { 8 } else { 7 }] = hops)
}

/// Type, code, and the four bytes after the checksum.
fn icmp(packet: &[u8]) -> (u8, u8, u32) {
    let at = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let rest = u32::from_be_bytes([packet[at + 4], packet[at + 5], packet[at + 6], packet[at + 7]]);
    (packet[at], packet[at + 1], rest)
}

fn quoted(packet: &[u8]) -> &[u8] {
    &packet[if packet[0] >> 4 == 4 { 28 } else { 48 }..]
}

/// RFC 4787 REQ-13, RFC 1191 §4, RFC 8201 §3: what must not be fragmented is answered with the size that fits, for each
/// client's own; IPv6 never with less than every link carries.
#[test]
fn req_4787_13_pmtu_too_big_is_answered_with_the_size_that_fits() {
    for (from, to) in ENDS {
        for mtu in [1500, 1400, 1280, 576] {
            let mut router = stateful(2);
            set_mtu(&mut router, 2, mtu);
            let least = if from.contains(':') { mtu.max(1280) } else { mtu };
            let headers = if from.contains(':') { 48 } else { 28 };
            let of = |len: u16| unfragmentable(udp((from, 1), (to, 2), &vec![7; usize::from(len) - headers]));
            assert_eq!(send_one(&mut router, NOW, client(1), &of(least)).0, Forward::To(client(2)));
            let (forward, answer) = send_one(&mut router, NOW, client(1), &of(least + 1));
            assert_eq!(forward, Forward::Reply);
            assert_checksums(&answer);
            let expected = if from.contains(':') { (2, 0) } else { (3, 4) };
            assert_eq!(icmp(&answer), (expected.0, expected.1, least.into()));
            let quote = quoted(&answer);
            assert_eq!(*quote, of(least + 1)[..quote.len()]);
            assert_eq!(router.drops().get(DropReason::TooBig), 1);
            // The other way there is room.
            let back = unfragmentable(udp((to, 2), (from, 1), &[7; 1400]));
            assert_eq!(send_one(&mut router, NOW, client(2), &back).0, Forward::To(client(1)));
        }
    }
}

/// RFC 4787 REQ-13 a, RFC 791 §3.2: IPv4 that may be fragmented is, in order, and no piece is too large.
#[test]
fn req_4787_13_what_may_be_fragmented_is_in_order() {
    for mtu in [1500, 1400, 1280, 576, 68] {
        for len in [600, 1472, 1473, 5000, 9000] {
            let mut router = stateful(2);
            set_mtu(&mut router, 2, mtu);
            let sent = udp(("10.8.0.2", 1), ("10.8.0.3", 2), &Random::new(5).bytes(len));
            let (forward, out) = send_all(&mut router, NOW, client(1), &sent);
            let pieces = (sent.len() - 20).div_ceil((usize::from(mtu) - 20) / 8 * 8);
            if sent.len() > usize::from(mtu) && pieces - 1 > 64 {
                assert_eq!((forward, out.len()), (Forward::Drop(DropReason::OutboxFull), 0), "{mtu} {len}");
                continue;
            }
            assert_eq!(forward, Forward::To(client(2)));
            let mut offset = None;
            for (zone, piece) in &out {
                assert_eq!(*zone, client(2));
                assert!(piece.len() <= usize::from(mtu));
                let at = u16::from_be_bytes([piece[6], piece[7]]) & 0x1FFF;
                assert!(offset < Some(at));
                offset = Some(at);
            }
            let whole: Vec<Vec<u8>> = out.into_iter().map(|(_, piece)| piece).collect();
            assert_eq!(reassemble(&whole), with_hops(sent, 63), "{mtu} {len}");
        }
    }
}

/// Fragments of fragments fit where the first ones belong.
#[test]
fn req_4787_13_fragments_are_fragmented_again() {
    let datagram = udp(("10.8.0.2", 1), ("10.8.0.3", 2), &Random::new(6).bytes(4000));
    for backwards in [false, true] {
        let mut router = stateful(2);
        set_mtu(&mut router, 2, 576);
        let mut parts = fragments(&datagram, 9, 1480);
        if backwards {
            parts.reverse();
        }
        let mut out = Vec::new();
        for part in &parts {
            out.extend(send_all(&mut router, NOW, client(1), part).1.into_iter().map(|(_, piece)| piece));
        }
        assert_eq!(out.len(), 8);
        assert_eq!(reassemble(&out)[20..], datagram[20..]);
    }
}

/// RFC 791 §3.1: of the options, those with the copied flag go into every fragment, the others into the first alone.
#[test]
fn options_are_copied_into_fragments_as_they_say() {
    let plain = udp(("10.8.0.2", 1), ("10.8.0.3", 2), &[7; 1000]);
    let options = [1, 1, 1, 1, 68, 4, 5, 0, 1, 1, 1, 1];
    let sent = edit([&plain[..20], &options, &plain[20..]].concat(), |packet| {
        packet[0] = 0x48;
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
    });
    let mut router = stateful(2);
    set_mtu(&mut router, 2, 576);
    let (_, out) = send_all(&mut router, NOW, client(1), &sent);
    assert_eq!(out.len(), 2);
    assert_eq!((out[0].1[0], &out[0].1[20..32]), (0x48, &options[..]));
    assert_eq!(out[1].1[0], 0x45);
    let sent = edit(sent, |packet| packet[28..32].copy_from_slice(&[148, 4, 9, 9]));
    let (_, out) = send_all(&mut router, NOW, client(1), &sent);
    assert_eq!((out[1].1[0], &out[1].1[20..24]), (0x46, &[148, 4, 9, 9][..]));
    let whole: Vec<Vec<u8>> = out.into_iter().map(|(_, piece)| piece).collect();
    assert_eq!(reassemble(&whole)[20..], plain[20..]);
}

/// RFC 6691, both directions of both handshakes' halves, at every offset an option can have; never raised.
#[test]
fn mss_is_lowered_to_the_narrower_of_both_ways() {
    const SYN: u8 = 2;
    for ((from, to), headers) in ENDS.into_iter().zip([40, 60]) {
        for (first, second, said) in
            [(1500, 1400, 1460), (1300, 1500, 1460), (1500, 1500, 1200), (1500, 1500, 65535)]
        {
            for flags in [SYN, SYN | 0x10] {
                for before in 0..=8 {
                    let mut router = stateful(2);
                    set_mtu(&mut router, 1, first);
                    set_mtu(&mut router, 2, second);
                    let mut options = vec![1; before];
                    options.extend([2, 4]);
                    options.extend(u16::to_be_bytes(said));
                    options.resize(options.len().next_multiple_of(4), 0);
                    let syn = tcp_with(from, to, flags, &options);
                    let (forward, out) = send_one(&mut router, NOW, client(1), &syn);
                    assert_eq!(forward, Forward::To(client(2)));
                    assert_checksums(&out);
                    let at = out.len() - options.len() + before + 2;
                    let expected = said.min(first.min(second) - headers);
                    assert_eq!(u16::from_be_bytes([out[at], out[at + 1]]), expected, "{options:?}");
                    // From the other side it is the same.
                    let syn = tcp_with(to, from, flags, &options);
                    let (_, out) = send_one(&mut router, NOW, client(2), &syn);
                    assert_eq!(u16::from_be_bytes([out[at], out[at + 1]]), expected);
                }
            }
        }
        // No SYN, no option.
        let mut router = stateful(2);
        set_mtu(&mut router, 2, 1300);
        for (flags, options) in [(0x10, &[2, 4, 5, 0xB4][..]), (SYN, &[]), (SYN, &[3, 3, 7, 0])] {
            let sent = tcp_with(from, to, flags, options);
            let (_, out) = send_one(&mut router, NOW, client(1), &sent);
            assert_eq!(out[12..], with_hops(sent, 63)[12..]);
        }
    }
}

fn tcp_with(from: &str, to: &str, flags: u8, options: &[u8]) -> Vec<u8> {
    let plain = tcp((from, 4000), (to, 22), flags, options);
    let header = if plain[0] >> 4 == 4 { 20 } else { 40 };
    let mut segment = plain[header..].to_vec();
    segment[12] = (5 + options.len() as u8 / 4) << 4;
    packet(from, to, 6, &segment)
}

/// RFC 1812 §5.3.1, RFC 8200 §3: a hop is counted; the last one is answered, which is what traceroute looks for.
#[test]
fn ttl_is_counted_and_its_end_is_answered() {
    for ((from, to), gateway) in ENDS.into_iter().zip(["10.8.0.1", "fd00:8::1"]) {
        for probe in
            [udp((from, 4000), (to, 33434), b"probe"), ping(from, to, 7, 1), tcp((from, 1), (to, 2), 2, b"")]
        {
            for hops in [0, 1] {
                let mut router = stateful(2);
                let sent = with_hops(probe.clone(), hops);
                let (forward, answer) = send_one(&mut router, NOW, client(1), &sent);
                assert_eq!(forward, Forward::Reply);
                assert_checksums(&answer);
                assert_eq!(icmp(&answer), (if from.contains(':') { 3 } else { 11 }, 0, 0));
                assert_eq!(quoted(&answer), sent, "as it came, the hops too");
                let header = IpHeader::parse(&answer).unwrap();
                assert_eq!((header.source, header.destination), (ip(gateway), ip(from)));
            }
            for hops in [2, 255] {
                let mut router = stateful(2);
                let (forward, out) = send_one(&mut router, NOW, client(1), &with_hops(probe.clone(), hops));
                assert_eq!(forward, Forward::To(client(2)));
                assert_eq!(out, with_hops(probe.clone(), hops - 1));
            }
        }
    }
}

/// RFC 3168 §5, RFC 2474: a router that neither marks nor sorts keeps the traffic class, and the flow label.
#[test]
fn ecn_and_dscp_are_kept() {
    for (from, to) in ENDS {
        let mut router = stateful(2);
        for class in 0..=255 {
            let sent = edit(udp((from, 4000), (to, 53), b"?"), |packet| match packet[0] >> 4 {
                4 => packet[1] = class,
                _ => (packet[0], packet[1], packet[2]) = (0x60 | class >> 4, class << 4 | 5, 9),
            });
            let (_, out) = send_one(&mut router, NOW, client(1), &sent);
            assert_checksums(&out);
            assert_eq!(out, with_hops(sent, 63));
        }
    }
}

/// RFC 2827, RFC 1812 §5.3.7, RFC 4291 §2.5: sources that no packet may have, or not from there.
#[test]
fn martian_sources_go_nowhere() {
    use DropReason::{BadSource, Martian};
    let clients_own = [
        ("10.8.0.3", BadSource),
        ("192.0.2.1", BadSource),
        ("10.8.0.1", Martian),
        ("0.0.0.0", Martian),
        ("0.1.2.3", Martian),
        ("127.0.0.1", Martian),
        ("224.0.0.1", Martian),
        ("240.0.0.1", Martian),
        ("255.255.255.255", Martian),
    ];
    let mut router = stateful(2);
    for (source, why) in clients_own {
        let sent = udp((source, 1), ("192.0.2.9", 2), b"");
        assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::Drop(why), "{source}");
        let sent = udp((source, 1), ("10.8.0.2", 2), b"");
        let from_outside = send_one(&mut router, NOW, Zone::Host, &sent).0;
        // The gateway's address is the host's as well.
        let good = why != Martian || source == "10.8.0.1";
        let expected = if good { Forward::To(client(1)) } else { Forward::Drop(Martian) };
        assert_eq!(from_outside, expected, "{source}");
    }
    for (source, why) in [
        ("fd00:8::3", BadSource),
        ("fd00:8::1", Martian),
        ("::", Martian),
        ("::1", Martian),
        ("ff02::1", Martian),
    ] {
        let sent = udp((source, 1), ("2001:db8::9", 2), b"");
        assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::Drop(why), "{source}");
    }
    for (source, destination) in [("fe80::1", "fd00:8::2"), ("169.254.1.1", "10.8.0.2")] {
        let sent = udp((source, 1), (destination, 2), b"");
        assert_eq!(send_one(&mut router, NOW, Zone::Host, &sent).0, Forward::Drop(Martian));
    }
    assert_eq!(router.flows(), 3);
}

/// RFC 1812 §5.3.4, §5.3.5, RFC 3927 §2.7, RFC 4291 §2.5.6: destinations that nothing is forwarded to, and nothing said about.
#[test]
fn martian_destinations_get_nothing_and_no_answer() {
    let mut router = stateful(2);
    for destination in ["224.0.0.251", "239.255.255.250", "10.8.255.255", "255.255.255.255"] {
        let sent = udp(("10.8.0.2", 1), (destination, 2), b"");
        assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::Drop(DropReason::Multicast));
    }
    for destination in ["0.0.0.0", "127.0.0.1", "240.0.0.1", "169.254.169.254"] {
        let sent = udp(("10.8.0.2", 1), (destination, 2), b"");
        assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::Drop(DropReason::Martian));
    }
    for (destination, why) in
        [("ff02::fb", DropReason::Multicast), ("::1", DropReason::Martian), ("fe80::9", DropReason::Martian)]
    {
        let sent = udp(("fd00:8::2", 1), (destination, 2), b"");
        assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::Drop(why));
    }
    assert_eq!(router.flows(), 0);
}

/// RFC 1812 §4.3.2.7, RFC 4443 §2.4 e: about what no error is sent. §4.3.2.3 and §2.4 c: how much it quotes.
#[test]
fn icmp_gen_what_is_answered_and_with_how_much() {
    for ((from, to), least) in ENDS.into_iter().zip([576, 1280]) {
        let big = with_hops(udp((from, 1), (to, 2), &[7; 1400]), 1);
        let (forward, answer) = send_one(&mut stateful(2), NOW, client(1), &big);
        assert_eq!((forward, answer.len()), (Forward::Reply, least));
        assert_checksums(&answer);
        // RFC 1812 §4.3.2.5: of precedence 6; IPv6 has none.
        assert_eq!(answer[1], if least == 576 { 0xC0 } else { 0 });
        let small = with_hops(udp((from, 1), (to, 2), b""), 1);
        let (_, answer) = send_one(&mut stateful(2), NOW, client(1), &small);
        assert_eq!(quoted(&answer), small);
        // A later fragment, whose datagram is known.
        let mut router = stateful(2);
        let parts = fragments(&udp((from, 1), (to, 2), &[7; 100]), 1, 40);
        assert_eq!(send_one(&mut router, NOW, client(1), &parts[0]).0, Forward::To(client(2)));
        let (forward, _) = send_one(&mut router, NOW, client(1), &with_hops(parts[1].clone(), 1));
        assert_eq!(forward, Forward::Drop(DropReason::HopsExceeded));
        // ICMP that is neither a query nor an answer (RFC 5508 REQ-11: redirects, router advertisements, timestamps...).
        let (protocol, kinds) =
            if least == 576 { (1, [5, 9, 10, 13, 17, 99]) } else { (58, [133, 134, 135, 137, 143, 99]) };
        for kind in kinds {
            let sent = packet(from, to, protocol, &[kind, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
            let (forward, _) = send_one(&mut stateful(2), NOW, client(1), &with_hops(sent, 1));
            assert!(matches!(forward, Forward::Drop(_)), "{kind}");
        }
    }
}

/// RFC 1812 §4.3.2.8, RFC 4443 §2.4 f: errors are limited, for each client by itself.
#[test]
fn icmp_gen_errors_are_limited_for_each_client() {
    let mut router = stateful(3);
    let dying =
        |number: u32| with_hops(udp((&alloc::format!("10.8.0.{}", number + 1), 1), ("10.8.0.9", 2), b""), 1);
    let mut answered = |number: u32, count: usize, now: Instant| {
        let of = dying(number);
        (0..count).filter(|_| send_one(&mut router, now, client(number), &of).0 == Forward::Reply).count()
    };
    assert_eq!(answered(1, 1000, NOW), 64);
    assert_eq!(answered(2, 10, NOW), 10);
    let later = answered(1, 1000, Instant::from_secs(1));
    assert!((48..=64).contains(&later), "{later}");
    assert_eq!(answered(1, 1000, Instant::from_secs(100)), 64);
    assert_eq!(router.drops().get(DropReason::NoRoute) + router.drops().get(DropReason::HopsExceeded), 3010);
}

/// RFC 6864 §5.3.1, RFC 7857 §10: two clients whose packets get one source, with the same identification, towards one
/// destination: no two datagrams beyond have the same, the fragments of each do.
#[test]
fn req_7857_ip_id_identifications_are_unique_behind_one_address() {
    for ((first, second), (outside, server)) in
        ENDS.into_iter().zip([("192.0.2.1", "198.51.100.1"), ("2001:db8::1", "2001:db8:9::1")])
    {
        let mut router = stateful(2);
        for (number, inside) in [(1, first), (2, second)] {
            let mapped = 40_000 + number as u16;
            add_flow(
                &mut router,
                17,
                (client(number), [(inside, 1), (server, 2)]),
                (Zone::Host, [(outside, mapped), (server, 2)]),
            );
        }
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for round in 0..50 {
            for (number, inside) in [(1, first), (2, second)] {
                let parts = fragments(&udp((inside, 1), (server, 2), &[7; 100]), round, 40);
                let mut out = Vec::new();
                for at in [1, 0, 2] {
                    out.extend(
                        send_all(&mut router, NOW, client(number), &parts[at])
                            .1
                            .into_iter()
                            .map(|(_, part)| part),
                    );
                }
                let ids = out.iter().map(|part| if part[0] >> 4 == 4 { &part[4..6] } else { &part[44..48] });
                let ids: Vec<Vec<u8>> = ids.map(<[u8]>::to_vec).collect();
                assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]));
                assert!(!seen.contains(&ids[0]), "{round}");
                seen.push(ids[0].clone());
                let whole = reassemble(&out);
                assert_checksums(&whole);
                assert_eq!(IpHeader::parse(&whole).unwrap().source, ip(outside));
            }
        }
        // What could still be cut, but is whole, has one of its own; what can not, keeps the one it has.
        if first.contains('.') {
            let whole = udp((first, 1), (server, 2), b"");
            let (_, out) = send_one(&mut router, NOW, client(1), &whole);
            assert!(!seen.contains(&out[4..6].to_vec()));
            let (_, out) = send_one(&mut router, NOW, client(1), &unfragmentable(whole.clone()));
            assert_eq!(out[4..6], whole[4..6]);
        }
    }
}

/// All or nothing: with no room for the rest, the first fragment does not go either.
#[test]
fn a_full_outbox_lets_no_half_of_a_datagram_go() {
    let mut router = stateful(2);
    set_mtu(&mut router, 2, 576);
    let sent = udp(("10.8.0.2", 1), ("10.8.0.3", 2), &[7; 5000]);
    let mut whole = 0;
    while let (Forward::To(_), _) = send_one(&mut router, NOW, client(1), &sent) {
        whole += 1;
    }
    assert_eq!(router.drops().get(DropReason::OutboxFull), 1);
    assert_eq!(outputs(&mut router).len(), 9 * (whole - 1) + 9);
    assert_eq!(send_one(&mut router, NOW, client(1), &sent).0, Forward::To(client(2)));
}

#[test]
fn identifications_of_one_pair_do_not_repeat_soon() {
    let mut numbers = crate::router::identification::Identifications::new(9);
    let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1));
    let mut seen: Vec<u16> = (0..65_536).map(|_| numbers.next(source, destination, 17) as u16).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 65_536);
}
