//! The same by neighbour discovery.

use super::super::super::packet::ICMPV6;
use super::super::super::testing::packet;
use super::*;

const OURS6: &str = "fd00:1::3";
const NEAR6: &str = "fd00:1::2:2";
const OURS_NODE: &str = "ff02::1:ff00:3";
const NEAR_NODE: &str = "ff02::1:ff02:2";
const ALL_NODES: &str = "ff02::1";

fn multicast(address: &str) -> MacAddress {
    let IpAddr::V6(address) = ip(address) else { panic!("IPv6") };
    let [.., a, b, c, d] = address.octets();
    MacAddress([0x33, 0x33, a, b, c, d])
}

/// A message with its option of type 1 or 2, if it has one.
fn message(kind: u8, flags: u8, target: &str, option: Option<(u8, MacAddress)>) -> Vec<u8> {
    let IpAddr::V6(target) = ip(target) else { panic!("IPv6") };
    let mut out = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    out.extend(target.octets());
    if let Some((number, mac)) = option {
        out.extend([number, 1]);
        out.extend(mac.0);
    }
    out
}

fn ndp(to: (MacAddress, &str), from: (MacAddress, &str), message: &[u8]) -> Vec<u8> {
    let mut ip = packet(from.1, to.1, ICMPV6, message);
    ip[7] = 255;
    frame(to.0, from.0, 0x86DD, &ip)
}

fn asks(from: (MacAddress, &str), target: &str, node: &str) -> Vec<u8> {
    let option = (from.1 != "::").then_some((1, from.0));
    ndp((multicast(node), node), from, &message(135, 0, target, option))
}

fn answers(from: (MacAddress, &str), to: (MacAddress, &str)) -> Vec<u8> {
    ndp(to, from, &message(136, 0x60, from.1, Some((2, from.0))))
}

fn announces(from: (MacAddress, &str)) -> Vec<u8> {
    ndp((multicast(ALL_NODES), ALL_NODES), from, &message(136, 0x20, from.1, Some((2, from.0))))
}

/// RFC 4862 §5.4.2 and RFC 4861 §7.2.6.
#[test]
fn addresses_are_probed_then_announced() {
    let mut router = fresh(0);
    let sent = pass(&mut router, Instant::ZERO, START);
    let v6: Vec<_> =
        sent.into_iter().map(|(.., frame)| frame).filter(|frame| frame[12..14] == [0x86, 0xDD]).collect();
    let probe = asks((US, "::"), OURS6, OURS_NODE);
    let announcement = announces((US, OURS6));
    assert_eq!(v6, [probe.clone(), probe.clone(), probe, announcement.clone(), announcement]);
}

#[test]
fn it_answers_for_its_own_address_and_for_no_other() {
    let mut router = lan_router(1);
    let _ = from_lan(&mut router, START, &asks((HOST, NEAR6), OURS6, OURS_NODE));
    assert_eq!(drain(&mut router, START), [(Zone::Lan, answers((US, OURS6), (HOST, NEAR6)))]);
    // Asked at our hardware address, as who knows it already does.
    let direct = ndp((US, OURS6), (HOST, NEAR6), &message(135, 0, OURS6, Some((1, HOST))));
    let _ = from_lan(&mut router, START, &direct);
    assert_eq!(drain(&mut router, START).len(), 1);
    // Who wants it for himself.
    let _ = from_lan(&mut router, START, &asks((OTHER, "::"), OURS6, OURS_NODE));
    assert_eq!(drain(&mut router, START), [(Zone::Lan, announces((US, OURS6)))]);
    for other in ["fd00:1::4", "fd00:8::2", "fd00:1::"] {
        let _ = from_lan(&mut router, START, &asks((HOST, NEAR6), other, OURS_NODE));
        assert_eq!(drain(&mut router, START), [], "{other}");
    }
}

/// RFC 4861 §7.1: each of its checks.
#[test]
fn what_is_not_as_it_must_be_is_not_heard() {
    let mut router = lan_router(1);
    let good = message(135, 0, OURS6, Some((1, HOST)));
    let question = |message: &[u8]| ndp((US, OURS6), (HOST, NEAR6), message);
    let mut hops = question(&good);
    hops[14 + 7] = 254;
    let mut checksum = question(&good);
    checksum[14 + 42] ^= 1;
    let mut code = good.clone();
    code[1] = 1;
    let mut no_length = good.clone();
    no_length[25] = 0;
    for (bad, what) in [
        (hops, "hop limit"),
        (checksum, "checksum"),
        (question(&code), "code"),
        (question(&no_length), "an option of no length"),
        (question(&good[..23]), "short"),
        (question(&message(135, 0, "ff02::1", None)), "a multicast target"),
        (ndp((US, OURS6), (HOST, "::"), &message(135, 0, OURS6, None)), "a probe to one"),
        (
            ndp((multicast(OURS_NODE), OURS_NODE), (HOST, "::"), &message(135, 0, OURS6, Some((1, HOST)))),
            "a probe with an address",
        ),
        (question(&message(135, 0, OURS6, Some((1, ALL)))), "everybody's hardware address"),
    ] {
        let (forward, _) = from_lan(&mut router, START, &bad);
        assert_eq!(forward, Forward::Drop(DropReason::NotForUs), "{what}");
        assert_eq!(drain(&mut router, START), [], "{what}");
    }
}

#[test]
fn a_packet_waits_for_its_neighbour() {
    let mut router = lan_router(1);
    let datagram = udp(("fd00:8::2", 4000), (NEAR6, 53), b"?");
    let (forward, _) = send(&mut router, START, Zone::Peer(peer(1)), &datagram);
    assert_eq!(forward, Forward::Consumed);
    assert_eq!(drain(&mut router, START), [(Zone::Lan, asks((US, OURS6), NEAR6, NEAR_NODE))]);
    // Unsolicited, though to us.
    let lie = ndp((US, OURS6), (OTHER, NEAR6), &message(136, 0x20, NEAR6, Some((2, OTHER))));
    let _ = from_lan(&mut router, START, &lie);
    assert_eq!(drain(&mut router, START), []);
    let _ = from_lan(&mut router, START, &answers((HOST, NEAR6), (US, OURS6)));
    let sent = drain(&mut router, START);
    assert_eq!(sent[0].1[..14], frame(HOST, US, 0x86DD, b""));
    assert_checksums(&sent[0].1[14..]);

    // A while later it is asked at its own address.
    let now = START + Duration::from_secs(31);
    let (forward, _) = send(&mut router, now, Zone::Peer(peer(1)), &datagram);
    assert_eq!(forward, Forward::To(Zone::Lan));
    let question = ndp((HOST, NEAR6), (US, OURS6), &message(135, 0, NEAR6, Some((1, US))));
    assert_eq!(drain(&mut router, now), [(Zone::Lan, question)]);
}

#[test]
fn nobody_there_is_told_to_the_sender() {
    let mut router = lan_router(1);
    let datagram = udp(("fd00:8::2", 4000), (NEAR6, 53), b"?");
    let _ = send(&mut router, START, Zone::Peer(peer(1)), &datagram);
    let sent = pass(&mut router, START, START + Duration::from_secs(5));
    let (when, zone, error) = sent.last().unwrap();
    assert_eq!((*when, *zone), (START + Duration::from_secs(3), Zone::Peer(peer(1))));
    assert_checksums(error);
    assert_eq!(error[40..42], [1, 3]);
}

#[test]
fn an_address_that_somebody_has_is_not_used() {
    for claim in [announces((OTHER, OURS6)), asks((OTHER, "::"), OURS6, OURS_NODE)] {
        let mut router = fresh(0);
        router.handle_timeout(Instant::ZERO);
        let _ = from_lan(&mut router, Instant::from_millis(100), &claim);
        let Some(RouterEvent::AddressConflict { address, mac, kept: false }) = router.poll_event() else {
            panic!("a conflict")
        };
        assert_eq!((address, mac), (ip(OURS6), OTHER));
        pass(&mut router, Instant::from_millis(100), START);
        let _ = from_lan(&mut router, START, &asks((HOST, NEAR6), OURS6, OURS_NODE));
        assert_eq!(drain(&mut router, START), []);
    }
}
