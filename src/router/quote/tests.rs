//! RFC 5508's rows, 4787-12, 5382-9, 5382-10 and PMTU of what a router must do.

use alloc::vec::Vec;

use super::*;
use crate::config::RouterConfig;
use crate::router::testing::{
    Random, add_flow, assert_checksums, edit, ip, packet, peer, ping, router, send as send_one, set_mtu, tcp,
    udp,
};
use crate::router::{Router, Zone};
use crate::time::Instant;
use crate::wire::ip::IpHeader;

const NOW: Instant = Instant::ZERO;

fn client(number: u32) -> Zone {
    Zone::Peer(peer(number))
}

/// The places of one family.
#[derive(Clone, Copy)]
struct Places {
    inside: &'static str,
    other: &'static str,
    outside: &'static str,
    server: &'static str,
    hop: &'static str,
    icmp: u8,
    /// Kinds of errors: unreachable and too big, time exceeded, parameter problem.
    errors: &'static [(u8, u8)],
}

const V4: Places = Places {
    inside: "10.8.0.2",
    other: "10.8.0.3",
    outside: "192.0.2.1",
    server: "198.51.100.1",
    hop: "203.0.113.7",
    icmp: 1,
    errors: &[(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 9), (3, 10), (3, 13), (11, 0), (11, 1), (12, 0)],
};
const V6: Places = Places {
    inside: "fd00:8::2",
    other: "fd00:8::3",
    outside: "2001:db8::1",
    server: "2001:db8:9::1",
    hop: "2001:db8:7::7",
    icmp: 58,
    errors: &[(1, 0), (1, 1), (1, 3), (1, 4), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1)],
};

/// A packet of each kind, by protocol, between these ends.
fn of(protocol: u8, source: (&str, u16), destination: (&str, u16)) -> Vec<u8> {
    match protocol {
        6 => tcp(source, destination, 0x10, b"segment"),
        17 => udp(source, destination, b"datagram"),
        _ => ping(source.0, destination.0, source.1, 7),
    }
}

/// The answer to it: ends as the other side has them.
fn echo_reply(source: &str, destination: &str, id: u16) -> Vec<u8> {
    let mut reply = ping(source, destination, id, 7);
    let at = if reply[0] >> 4 == 4 { 20 } else { 40 };
    reply[at] = if at == 20 { 0 } else { 129 };
    let protocol = if at == 20 { 1 } else { 58 };
    packet(source, destination, protocol, &reply[at..])
}

/// An ICMP error from `source` to `destination` with that quote.
fn error(
    places: Places,
    source: &str,
    destination: &str,
    (kind, code): (u8, u8),
    rest: [u8; 4],
    quote: &[u8],
) -> Vec<u8> {
    packet(source, destination, places.icmp, &[&[kind, code, 0, 0], &rest[..], quote].concat())
}

/// A router that translates `inside` with port 4000 to `outside` with 40000, for each protocol.
fn translating(places: Places) -> Router {
    let mut router = router(RouterConfig { log_flows: true, ..RouterConfig::default() }, 2);
    for protocol in [6, 17, places.icmp] {
        let port = if protocol == places.icmp { 0 } else { 80 };
        add_flow(
            &mut router,
            protocol,
            (client(1), [(places.inside, 4000), (places.server, port)]),
            (Zone::Host, [(places.outside, 40_000), (places.server, port)]),
        );
    }
    router
}

fn quote(packet: &[u8]) -> &[u8] {
    &packet[if packet[0] >> 4 == 4 { 28 } else { 48 }..]
}

fn ends(packet: &[u8]) -> (core::net::IpAddr, core::net::IpAddr) {
    let header = IpHeader::parse(packet).unwrap();
    (header.source, header.destination)
}

/// RFC 5508 REQ-4, RFC 5382 REQ-9, RFC 4787 REQ-12: errors from outside come to who sent the packet, which finds it in the
/// quote as it had sent it, from whichever hop, whatever the error.
#[test]
fn req_5508_4_errors_from_outside_come_to_the_sender() {
    for places in [V4, V6] {
        for protocol in [6, 17, places.icmp] {
            for &kind in places.errors {
                for from in [places.server, places.hop] {
                    let mut router = translating(places);
                    let sent = of(protocol, (places.inside, 4000), (places.server, 80));
                    let (_, beyond) = send_one(&mut router, NOW, client(1), &sent);
                    assert_eq!(ends(&beyond), (ip(places.outside), ip(places.server)));
                    let told = error(places, from, places.outside, kind, [0, 0, 5, 0x78], &beyond);
                    let (forward, came) = send_one(&mut router, NOW, Zone::Host, &told);
                    assert_eq!(forward, Forward::To(client(1)), "{protocol} {kind:?}");
                    assert_checksums(&came);
                    assert_eq!(ends(&came), (ip(from), ip(places.inside)));
                    let start = came.len() - quote(&came).len() - 8;
                    assert_eq!((came[start], came[start + 1]), kind);
                    // As it had sent it; what the hops changed, they changed. Datagrams that may be cut have another
                    // identification beyond us.
                    let expected = edit(sent, |packet| {
                        if places.icmp == 1 {
                            packet[4..6].copy_from_slice(&beyond[4..6]);
                            packet[8] = 63;
                        } else {
                            packet[7] = 63;
                        }
                    });
                    assert_eq!(quote(&came), expected, "{protocol} {kind:?}");
                }
            }
        }
    }
}

/// RFC 5508 REQ-3 and RFC 792: eight bytes behind the header are enough, and options are skipped.
#[test]
fn req_5508_3_short_quotes_and_options_are_read() {
    for places in [V4, V6] {
        for protocol in [6, 17, places.icmp] {
            for options in [false, true] {
                let mut router = translating(places);
                let beyond = of(protocol, (places.outside, 40_000), (places.server, 80));
                let header = if places.icmp == 1 { 20 } else { 40 };
                let mut short = beyond[..header + 8].to_vec();
                if options && places.icmp == 1 {
                    short = edit([&short[..20], &[148, 4, 0, 0], &short[20..]].concat(), |packet| {
                        packet[0] = 0x46
                    });
                } else if options {
                    short = [&short[..40], &[short[6], 0, 1, 4, 0, 0, 0, 0], &short[40..]].concat();
                    short[6] = 60;
                }
                let told = error(places, places.hop, places.outside, places.errors[0], [0; 4], &short);
                let (forward, came) = send_one(&mut router, NOW, Zone::Host, &told);
                assert_eq!(forward, Forward::To(client(1)));
                assert_checksums(&came);
                let inner = quote(&came);
                assert_eq!(inner.len(), short.len());
                assert_eq!(ends(inner), (ip(places.inside), ip(places.server)));
                let at = inner.len() - 8;
                let port = if protocol == places.icmp { at + 4 } else { at };
                assert_eq!(inner[port..port + 2], 4000_u16.to_be_bytes());
                if places.icmp == 1 {
                    assert_eq!(checksum([&inner[..at]]), 0, "the quoted header's checksum");
                }
                // With a byte less it tells nothing.
                let told = error(
                    places,
                    places.hop,
                    places.outside,
                    places.errors[0],
                    [0; 4],
                    &short[..short.len() - 1],
                );
                assert_eq!(
                    send_one(&mut router, NOW, Zone::Host, &told).0,
                    Forward::Drop(DropReason::BadIcmp)
                );
            }
        }
    }
}

/// RFC 5508 REQ-3: what is damaged goes no further; but the quoted transport checksum is not looked at.
#[test]
fn req_5508_3_bad_checksums_are_dropped() {
    for places in [V4, V6] {
        let mut router = translating(places);
        let mut beyond = of(17, (places.outside, 40_000), (places.server, 80));
        let last = beyond.len() - 1;
        beyond[last] ^= 1;
        let told = error(places, places.hop, places.outside, places.errors[0], [0; 4], &beyond);
        assert_eq!(send_one(&mut router, NOW, Zone::Host, &told).0, Forward::To(client(1)));
        for at in [told.len() - 1, told.len() - beyond.len() - 7] {
            let mut damaged = told.clone();
            damaged[at] ^= 1;
            assert_eq!(
                send_one(&mut router, NOW, Zone::Host, &damaged).0,
                Forward::Drop(DropReason::BadChecksum)
            );
        }
        if places.icmp == 1 {
            beyond[10] ^= 1;
            let told = error(places, places.hop, places.outside, places.errors[0], [0; 4], &beyond);
            assert_eq!(
                send_one(&mut router, NOW, Zone::Host, &told).0,
                Forward::Drop(DropReason::BadChecksum)
            );
        }
    }
}

/// RFC 4884: what follows the quote is no part of it, and passes as it is.
#[test]
fn req_5508_3_extensions_are_left_alone() {
    for (places, unit, at) in [(V4, 4, 1), (V6, 8, 0)] {
        let mut router = translating(places);
        // A short datagram, filled up to 128 bytes; then an MPLS label.
        let mut padded = of(6, (places.outside, 40_000), (places.server, 80));
        let len = padded.len();
        padded.resize(128, 0);
        let extension = [0x20, 0, 0x12, 0x34, 0, 8, 1, 1, 0, 0x10, 0, 0xFF];
        let mut rest = [0; 4];
        rest[at] = 128 / unit;
        let kind = if places.icmp == 1 { (11, 0) } else { (3, 0) };
        let told = error(places, places.hop, places.outside, kind, rest, &[&padded[..], &extension].concat());
        let (forward, came) = send_one(&mut router, NOW, Zone::Host, &told);
        assert_eq!(forward, Forward::To(client(1)));
        assert_checksums(&came);
        assert_eq!(quote(&came)[128..], extension);
        assert_eq!(quote(&came)[len..128], padded[len..]);
    }
}

/// RFC 5508 REQ-5: errors from inside, about what came from outside: seen from there they are about the mapped address,
/// and come from it.
#[test]
fn req_5508_5_errors_from_inside_come_from_the_mapped_address() {
    for places in [V4, V6] {
        for protocol in [6, 17, places.icmp] {
            let mut router = translating(places);
            let answer = match protocol {
                6 | 17 => of(protocol, (places.server, 80), (places.outside, 40_000)),
                _ => echo_reply(places.server, places.outside, 40_000),
            };
            let (forward, inside) = send_one(&mut router, NOW, Zone::Host, &answer);
            assert_eq!(forward, Forward::To(client(1)));
            assert_eq!(ends(&inside), (ip(places.server), ip(places.inside)));
            let kind = if places.icmp == 1 { (3, 3) } else { (1, 4) };
            let told = error(places, places.inside, places.server, kind, [0; 4], &inside);
            let (forward, came) = send_one(&mut router, NOW, client(1), &told);
            assert_eq!(forward, Forward::To(Zone::Host), "{protocol}");
            assert_checksums(&came);
            assert_eq!(ends(&came), (ip(places.outside), ip(places.server)));
            assert_eq!(ends(quote(&came)), (ip(places.server), ip(places.outside)));
        }
    }
}

/// RFC 5508 REQ-7: between two behind us, neither learns the other's inside address from an error.
#[test]
fn req_5508_7_hairpinned_errors_are_translated_on_both_sides() {
    for places in [V4, V6] {
        let mut router = router(RouterConfig { log_flows: true, ..RouterConfig::default() }, 2);
        add_flow(
            &mut router,
            17,
            (client(1), [(places.inside, 4000), (places.outside, 40_002)]),
            (client(2), [(places.outside, 40_001), (places.other, 5000)]),
        );
        let sent = of(17, (places.inside, 4000), (places.outside, 40_002));
        let (forward, arrived) = send_one(&mut router, NOW, client(1), &sent);
        assert_eq!(forward, Forward::To(client(2)));
        assert_eq!(ends(&arrived), (ip(places.outside), ip(places.other)));
        let kind = if places.icmp == 1 { (3, 3) } else { (1, 4) };
        let told = error(places, places.other, places.outside, kind, [0; 4], &arrived);
        let (forward, came) = send_one(&mut router, NOW, client(2), &told);
        assert_eq!(forward, Forward::To(client(1)));
        assert_checksums(&came);
        assert_eq!(ends(&came), (ip(places.outside), ip(places.inside)));
        assert_eq!(ends(quote(&came)), (ip(places.inside), ip(places.outside)));
        let transport = quote(&came).len() - 16;
        assert_eq!(
            quote(&came)[transport..transport + 4],
            [4000_u16.to_be_bytes(), 40_002_u16.to_be_bytes()].concat()
        );
    }
}

/// RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6: no ICMP message ends a flow or makes it live longer.
#[test]
fn req_4787_12_no_icmp_changes_a_flow() {
    for places in [V4, V6] {
        let mut router = translating(places);
        let flows = router.flows();
        let beyond = of(17, (places.outside, 40_000), (places.server, 80));
        for kind in 0..=255 {
            for code in 0..=15 {
                let told = error(places, places.hop, places.outside, (kind, code), [0; 4], &beyond);
                let (forward, _) = send_one(&mut router, Instant::from_secs(60), Zone::Host, &told);
                let is_error = match places.icmp {
                    1 => matches!(kind, 3 | 11 | 12),
                    _ => matches!(kind, 1..=4),
                };
                if is_error {
                    assert_eq!(forward, Forward::To(client(1)), "{kind} {code}");
                }
            }
        }
        let still: Vec<u32> = router
            .v4
            .flows
            .iter()
            .map(|(_, flow)| flow.last)
            .chain(router.v6.flows.iter().map(|(_, flow)| flow.last))
            .collect();
        assert!(still.len() >= flows);
        assert!(still.iter().filter(|last| **last == 0).count() >= flows, "none was used");
    }
}

/// RFC 5508 REQ-4 a: about nothing that we have sent: dropped, and never answered.
#[test]
fn req_5508_4_errors_about_nothing_of_ours_are_dropped() {
    for places in [V4, V6] {
        let mut router = translating(places);
        let refused = |router: &mut Router, quote: &[u8], to: &str| {
            let told = error(places, places.hop, to, places.errors[0], [0; 4], quote);
            assert_eq!(send_one(router, NOW, Zone::Host, &told).0, Forward::Drop(DropReason::BadIcmp));
        };
        refused(&mut router, &of(17, (places.outside, 40_001), (places.server, 80)), places.outside);
        refused(&mut router, &of(17, (places.outside, 40_000), (places.server, 81)), places.outside);
        refused(&mut router, &of(17, (places.outside, 40_000), (places.hop, 80)), places.outside);
        // As it was inside, which nobody outside can have seen.
        refused(&mut router, &of(17, (places.inside, 4000), (places.server, 80)), places.inside);
        // To somebody else than who seems to have sent it.
        refused(&mut router, &of(17, (places.outside, 40_000), (places.server, 80)), places.inside);
        // About an error.
        let about = error(places, places.outside, places.server, places.errors[0], [0; 4], &[0; 8]);
        refused(&mut router, &about, places.outside);
        refused(&mut router, b"", places.outside);
        assert_eq!(router.flows(), 3);
    }
}

/// RFC 1191, RFC 8201 §4: "too big" goes in with the size of the narrow hop, no larger than the client's own tunnel, and
/// never so small as to do harm.
#[test]
fn pmtu_the_narrow_hop_is_told_within_bounds() {
    for (places, kind, least) in [(V4, (3, 4), 576), (V6, (2, 0), 1280)] {
        for (said, tunnel, expected) in [
            (1400, 1500, 1400),
            (1450, 1400, 1400),
            (0, 1500, least),
            (68, 1500, least),
            (1280, 1500, 1280),
            (65_535, 1500, 1500),
        ] {
            let mut router = translating(places);
            set_mtu(&mut router, 1, tunnel);
            let beyond = of(6, (places.outside, 40_000), (places.server, 80));
            let [high, low] = u16::to_be_bytes(said);
            let told = error(places, places.hop, places.outside, kind, [0, 0, high, low], &beyond);
            let (forward, came) = send_one(&mut router, NOW, Zone::Host, &told);
            assert_eq!(forward, Forward::To(client(1)));
            assert_checksums(&came);
            let at = came.len() - quote(&came).len() - 2;
            assert_eq!(u16::from_be_bytes([came[at], came[at + 1]]), expected, "{said}");
        }
    }
}

/// Errors with any bytes changed, cut anywhere: no panic, and what goes on is right in all its checksums.
#[test]
fn any_quote_is_survived() {
    for (places, seed) in [(V4, 21), (V6, 22)] {
        let mut router = translating(places);
        let mut random = Random::new(seed);
        let mut passed = 0;
        for _ in 0..20_000 {
            let protocol = [6, 17, places.icmp][random.below(3)];
            let mut quote = of(protocol, (places.outside, 40_000), (places.server, 80));
            quote.truncate(quote.len() - random.below(quote.len().min(40)));
            for _ in 0..random.below(3) {
                let at = random.below(quote.len());
                quote[at] = random.next() as u8;
            }
            if places.icmp == 1 && quote[0] == 0x45 && quote.len() >= 20 {
                quote = edit(quote, |_| {});
            }
            let kind = places.errors[random.below(places.errors.len())];
            let rest = (random.next() as u32).to_be_bytes();
            let told = error(places, places.hop, places.outside, kind, rest, &quote);
            let (forward, came) = send_one(&mut router, NOW, Zone::Host, &told);
            if let Forward::To(_) = forward {
                assert_checksums(&came);
                passed += 1;
            }
        }
        assert!(passed > 1_000, "{passed}");
    }
}
