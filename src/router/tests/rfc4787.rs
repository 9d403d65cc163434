//! RFC 4787, NAT behavioural requirements for unicast UDP. Each test names the requirement that it is for, and rests on
//! its text. REQ-13 and REQ-14 are about sizes and fragments, and tested with those.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Filtering, IpNetwork, Lifetimes, Mapping, Nat, RouterConfig};
use crate::reason::DropReason;
use crate::router::Zone;
use crate::router::packet::tcp_flags::SYN;
use crate::router::testing::{
    A, B, LAN, NOW, end, ends, ip, masquerade, pass, peer, ping, refuse, router, secs, send, tcp, udp,
};

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";

fn filtering(filtering: Filtering) -> RouterConfig {
    RouterConfig { filtering, ..masquerade() }
}

/// REQ-1: endpoint-independent mapping.
#[test]
fn rfc4787_req_1_one_outside_end_towards_all_destinations() {
    let mut router = router(masquerade(), 2);
    // The port is not kept, or keeping it would look like a mapping.
    let _ = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", 4000), (HOST, 1), b""));
    let mut outside = Vec::new();
    for host in ["192.0.2.99", "192.0.2.98", "203.0.113.7"] {
        for port in [53, 5000, 65535] {
            outside.push(pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (host, port), b"")).0);
        }
    }
    outside.dedup();
    assert_eq!(outside.len(), 1);
    assert_ne!(outside[0].1, 4000);
}

/// The other way, where it is configured: TCP's ports are shared between destinations, UDP's are not.
#[test]
fn rfc4787_req_1_per_destination_is_for_tcp_alone_and_must_be_configured() {
    let mut router = router(RouterConfig { mapping: Mapping::TcpPerDestination, ..masquerade() }, 2);
    let one = pass(&mut router, NOW, A, LAN, &tcp(("10.8.0.2", 4000), (HOST, 22), SYN, b"")).0;
    let two = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), ("192.0.2.98", 22), SYN, b"")).0;
    assert_eq!((one, two), (end(X, 4000), end(X, 4000)));
    let three = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), (HOST, 22), SYN, b"")).0;
    assert_ne!(three.1, 4000);
    let one = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b"")).0;
    let two = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", 4000), ("192.0.2.98", 53), b"")).0;
    assert_eq!(one, end(X, 4000));
    assert_ne!(two.1, 4000);
}

/// REQ-2: address pooling is paired.
#[test]
fn rfc4787_req_2_a_client_has_one_address_and_clients_are_spread() {
    let addresses = (11..15).map(|last| core::net::IpAddr::from([192, 0, 2, last])).collect();
    let mut router = router(RouterConfig { nat: Nat::Blocks { size: 1024, addresses }, ..masquerade() }, 64);
    let mut clients = alloc::collections::BTreeMap::<_, u32>::new();
    for number in 1..=64_u8 {
        let mut own = Vec::new();
        for port in 0..1000 / 64 {
            let source = alloc::format!("10.8.0.{}", 1 + number);
            let packet = udp((&source, 5000 + port), (HOST, 53), b"");
            own.push(pass(&mut router, NOW, Zone::Peer(peer(number.into())), LAN, &packet).0.0);
        }
        own.dedup();
        assert_eq!(own.len(), 1);
        *clients.entry(own[0]).or_default() += 1;
    }
    assert_eq!(clients.into_values().collect::<Vec<_>>(), [16; 4]);
}

/// REQ-3: no port overloading; REQ-3a: 0 to 1023 stays in its range, as does the rest.
#[test]
fn rfc4787_req_3_no_two_inside_ends_share_a_port_and_ranges_are_kept() {
    let mut router = router(masquerade(), 200);
    let mut seen = Vec::new();
    for number in 1..=200 {
        for inside in [500, 4000] {
            let source = alloc::format!("10.8.0.{}", 1 + number);
            let packet = udp((&source, inside), (HOST, 53), b"");
            let (_, port) = pass(&mut router, NOW, Zone::Peer(peer(number)), LAN, &packet).0;
            assert_eq!(port < 1024, inside < 1024, "{inside} became {port}");
            assert_ne!(port, 0);
            seen.push(port);
        }
    }
    seen.sort_unstable();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

/// REQ-4: parity is preserved, here while a port of it is free: of a block of 64 there are 32.
#[test]
fn rfc4787_req_4_parity_is_preserved_while_it_can_be() {
    let nat = Nat::Blocks { size: 64, addresses: alloc::vec![ip("192.0.2.11")] };
    let mut router = router(RouterConfig { nat, ..masquerade() }, 1);
    for number in 0..32 {
        let (_, port) =
            pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4001 + 2 * number), (HOST, 53), b"")).0;
        assert_eq!(port % 2, 1);
    }
    let (_, port) = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 5001), (HOST, 53), b"")).0;
    assert_eq!(port % 2, 0);
}

/// REQ-5: two minutes at least; REQ-5b: configurable; REQ-5c: five minutes are recommended.
#[test]
fn rfc4787_req_5_a_mapping_lives_for_two_minutes_at_least() {
    assert!(Lifetimes::default().udp >= Duration::from_secs(300));
    let lifetimes = Lifetimes { udp: Duration::from_secs(120), ..Lifetimes::default() };
    let mut router = router(RouterConfig { lifetimes, ..masquerade() }, 1);
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 5000), b""));
    let answer = udp((HOST, 5000), (X, 4000), b"");
    router.handle_timeout(secs(119));
    let _ = pass(&mut router, secs(119), LAN, A, &answer);
    router.handle_timeout(secs(123));
    refuse(&mut router, secs(123), LAN, DropReason::NoMapping, &answer);
}

/// REQ-5a: for destination ports below 1024 it may be shorter; here after what is one question and one answer.
#[test]
fn rfc4787_req_5a_name_servers_answers_are_forgotten_sooner_and_streams_are_not() {
    let mut router = router(masquerade(), 1);
    for port in [53, 443] {
        let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, port), b"?"));
        let _ = pass(&mut router, NOW, LAN, A, &udp((HOST, port), (X, 4000), b"!"));
        let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, port), b"?"));
    }
    assert_eq!(router.flows(), 2);
    router.handle_timeout(secs(33));
    assert_eq!(router.flows(), 1);
    let _ = pass(&mut router, secs(119), LAN, A, &udp((HOST, 443), (X, 4000), b"!"));
    router.handle_timeout(secs(303));
    assert_eq!(router.flows(), 0);
}

/// REQ-6: packets from inside refresh; those from outside if that is configured (RFC 7857 §7 warns of it).
#[test]
fn rfc4787_req_6_what_goes_out_keeps_a_mapping_alive_and_what_comes_in_does_not() {
    for inbound_refresh in [false, true] {
        let config =
            RouterConfig { inbound_refresh, filtering: Filtering::EndpointIndependent, ..masquerade() };
        let mut router = router(config, 1);
        let out = udp(("10.8.0.2", 4000), (HOST, 5000), b"");
        let _ = pass(&mut router, NOW, A, LAN, &out);
        let _ = pass(&mut router, secs(200), A, LAN, &out);
        // The known one sends, and strangers do.
        for second in (210..500).step_by(10) {
            router.handle_timeout(secs(second));
            let _ = pass(&mut router, secs(second), LAN, A, &udp((HOST, 5000), (X, 4000), b""));
            let stranger = udp(("192.0.2.98", 1000 + second as u16), (X, 4000), b"");
            let _ = pass(&mut router, secs(second), LAN, A, &stranger);
        }
        router.handle_timeout(secs(503));
        for source in [(HOST, 5000), ("192.0.2.98", 1490), ("192.0.2.97", 1)] {
            let packet = udp(source, (X, 4000), b"");
            if inbound_refresh {
                let _ = pass(&mut router, secs(503), LAN, A, &packet);
            } else {
                refuse(&mut router, secs(503), LAN, DropReason::NoMapping, &packet);
            }
        }
    }
}

/// REQ-7 (2): nodes inside and outside that have the same address. Here the client's is within the LAN's network, and
/// a host of the LAN has it too.
#[test]
fn rfc4787_req_7_the_same_address_inside_and_outside_are_two() {
    let mut router = router(filtering(Filtering::EndpointIndependent), 2);
    let both = "192.0.2.50";
    router.add_network(NOW, peer(2), IpNetwork::from(ip(both)));
    let out = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b"")).0;
    assert_eq!(out, end(X, 4000));
    // The host of that address reaches the client, and is answered; the client of that address is another.
    let _ = pass(&mut router, NOW, LAN, A, &udp((both, 7), (X, 4000), b""));
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (both, 7), b""));
    let _ = pass(&mut router, NOW, A, B, &udp(("10.8.0.2", 4001), (both, 7), b""));
    let own = pass(&mut router, NOW, B, LAN, &udp((both, 4000), (HOST, 53), b"")).0;
    assert_eq!(own.0, ip(X));
    let _ = pass(&mut router, NOW, LAN, B, &udp((HOST, 53), (X, own.1), b""));
}

/// REQ-8: endpoint-independent or address-dependent filtering; and address- and port-dependent, as Linux has it.
#[test]
fn rfc4787_req_8_who_may_send_to_a_mapping() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let strangers = [(HOST, 5001), ("192.0.2.98", 5000)];
    for (mode, lets_in) in [
        (EndpointIndependent, [true, true]),
        (AddressDependent, [true, false]),
        (AddressAndPortDependent, [false, false]),
    ] {
        let mut router = router(filtering(mode), 1);
        let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 5000), b""));
        let _ = pass(&mut router, NOW, LAN, A, &udp((HOST, 5000), (X, 4000), b""));
        for (stranger, lets_in) in strangers.into_iter().zip(lets_in) {
            let packet = udp(stranger, (X, 4000), b"");
            if lets_in {
                let ends = pass(&mut router, NOW, LAN, A, &packet);
                assert_eq!(ends, (end(stranger.0, stranger.1), end("10.8.0.2", 4000)));
                let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), stranger, b""));
            } else {
                refuse(&mut router, NOW, LAN, DropReason::Filtered, &packet);
            }
        }
        refuse(&mut router, NOW, LAN, DropReason::NoMapping, &udp((HOST, 5000), (X, 4001), b""));
    }
}

/// What an address may send ends with the last flow to it.
#[test]
fn rfc4787_req_8_an_address_is_let_in_as_long_as_it_is_talked_to() {
    let mut router = router(filtering(Filtering::AddressDependent), 1);
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 5000), b""));
    for second in [0, 200, 400] {
        let _ = pass(&mut router, secs(second), A, LAN, &udp(("10.8.0.2", 4000), ("192.0.2.98", 1), b""));
        router.handle_timeout(secs(second));
    }
    refuse(&mut router, secs(400), LAN, DropReason::Filtered, &udp((HOST, 5001), (X, 4000), b""));
    let _ = pass(&mut router, secs(400), LAN, A, &udp(("192.0.2.98", 2), (X, 4000), b""));
}

/// REQ-9: hairpinning; REQ-9a: the packet seems to come from the outside end of its sender.
#[test]
fn rfc4787_req_9_clients_reach_each_other_by_their_outside_ends() {
    let mut router = router(filtering(Filtering::EndpointIndependent), 2);
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b""));
    let _ = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", 6000), (HOST, 53), b""));
    let sent = pass(&mut router, NOW, A, B, &udp(("10.8.0.2", 4000), (X, 6000), b""));
    assert_eq!(sent, (end(X, 4000), end("10.8.0.3", 6000)));
    let back = pass(&mut router, NOW, B, A, &udp(("10.8.0.3", 6000), (X, 4000), b""));
    assert_eq!(back, (end(X, 6000), end("10.8.0.2", 4000)));
    // From an end that has not been outside yet, and to oneself.
    let sent = pass(&mut router, NOW, A, B, &udp(("10.8.0.2", 4001), (X, 6000), b""));
    assert_eq!(sent.0, end(X, 4001));
    let sent = pass(&mut router, NOW, A, A, &udp(("10.8.0.2", 4000), (X, 4000), b""));
    assert_eq!(sent, (end(X, 4000), end("10.8.0.2", 4000)));
}

/// The filter holds for clients as for all.
#[test]
fn rfc4787_req_9_a_hairpin_passes_the_filter_as_from_outside() {
    let mut router = router(filtering(Filtering::AddressAndPortDependent), 2);
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b""));
    let _ = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", 6000), (HOST, 53), b""));
    let from_a = udp(("10.8.0.2", 4000), (X, 6000), b"");
    // From an end that A has not sent to.
    let from_b = udp(("10.8.0.3", 6001), (X, 4000), b"");
    for _ in 0..3 {
        refuse(&mut router, NOW, A, DropReason::Filtered, &from_a);
        refuse(&mut router, NOW, B, DropReason::Filtered, &from_b);
    }
    router.handle_timeout(secs(303));
    assert_eq!(router.flows(), 0);
}

/// REQ-10: no application-level gateways: a payload that names addresses and ports leaves as it came.
#[test]
fn rfc4787_req_10_payloads_are_not_touched() {
    let mut router = router(masquerade(), 1);
    let payload = b"PORT 10,8,0,2,15,160\r\nINVITE sip:a@10.8.0.2 SIP/2.0\r\nc=IN IP4 10.8.0.2\r\n";
    for port in [21, 69, 5060] {
        let (_, packet) = send(&mut router, NOW, A, &udp(("10.8.0.2", 4000), (HOST, port), payload));
        assert_eq!(ends(&packet).0, end(X, 4000));
        assert!(packet.ends_with(payload));
        let (_, packet) = send(&mut router, NOW, A, &tcp(("10.8.0.2", 4000), (HOST, port), SYN, payload));
        assert!(packet.ends_with(payload));
    }
}

/// REQ-11: the behaviour does not change with load: the last free port is like the first, and then there is none.
#[test]
fn rfc4787_req_11_a_full_pool_refuses_and_changes_nothing_else() {
    let nat = Nat::Blocks { size: 64, addresses: alloc::vec![ip("192.0.2.11")] };
    let filtering = Filtering::EndpointIndependent;
    let mut router = router(RouterConfig { nat, filtering, ..masquerade() }, 1);
    let mut ports = Vec::new();
    for number in 0..64 {
        let inside = ("10.8.0.2", 4000 + number);
        let (_, port) = pass(&mut router, NOW, A, LAN, &udp(inside, (HOST, 53), b"")).0;
        for host in ["192.0.2.98", "203.0.113.7"] {
            assert_eq!(pass(&mut router, NOW, A, LAN, &udp(inside, (host, 5000), b"")).0.1, port);
        }
        let stranger = udp(("203.0.113.8", 9), ("192.0.2.11", port), b"");
        assert_eq!(pass(&mut router, NOW, LAN, A, &stranger).1, end(inside.0, inside.1));
        ports.push(port);
    }
    ports.sort_unstable();
    assert_eq!(ports, (1024..1088).collect::<Vec<_>>());
    for number in 0..100 {
        // Not each of so many is answered.
        let packet = udp(("10.8.0.2", 5000 + number), (HOST, 53), b"");
        let (forward, _) = send(&mut router, NOW, A, &packet);
        let refused = crate::router::Forward::Drop(DropReason::PortsExhausted);
        assert!(forward == refused || forward == crate::router::Forward::Reply, "{forward:?}");
    }
    assert_eq!(router.drops().get(DropReason::PortsExhausted), 100);
    // The host is told, once (RFC 6888 REQ-11).
    let told = core::iter::from_fn(|| router.poll_event())
        .filter(|event| matches!(event, crate::router::RouterEvent::PortsExhausted { protocol: 17, .. }));
    assert_eq!(told.count(), 1);
    assert_eq!(router.flows(), 64 * 4);
}

/// REQ-12: no ICMP message ends a mapping, or its time.
#[test]
fn rfc4787_req_12_icmp_ends_nothing() {
    let mut router = router(masquerade(), 1);
    let sent = udp(("10.8.0.2", 4000), (HOST, 5000), b"abcdefgh");
    let (_, outside) = send(&mut router, NOW, A, &sent);
    for kind in 0..=255 {
        for code in 0..16 {
            let mut icmp = alloc::vec![kind, code, 0, 0, 0, 0, 0, 0];
            icmp.extend(&outside[..28]);
            let error = crate::router::testing::packet("203.0.113.1", X, 1, &icmp);
            let _ = send(&mut router, secs(10), LAN, &error);
        }
    }
    let _ = pass(&mut router, secs(299), LAN, A, &udp((HOST, 5000), (X, 4000), b""));
    router.handle_timeout(secs(303));
    assert_eq!(router.flows(), 0, "its time is what it was");
    let _ = ping(HOST, X, 1, 1);
}
