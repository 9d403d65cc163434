//! `nat masquerade`: all from one address.

use crate::reason::DropReason;
use crate::router::Zone;
use crate::router::packet::tcp_flags::{ACK, SYN};
use crate::router::testing::{end, lan, masquerade, pass, peer, ping, pong, refuse, router, send, tcp, udp};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;
const A: Zone = Zone::Peer(peer(1));
const B: Zone = Zone::Peer(peer(2));

/// A client, a host outside, and the router's own address there.
const FAMILIES: [[&str; 3]; 2] =
    [["10.8.0.2", "192.0.2.99", "192.0.2.10"], ["fd00:8::2", "2001:db8::99", "2001:db8::10"]];

#[test]
fn what_goes_out_seems_to_come_from_the_lan_port_and_the_answers_come_back() {
    for [client, host, own] in FAMILIES {
        let mut router = router(masquerade(), 2);
        let sent = pass(&mut router, NOW, A, Zone::Lan, &udp((client, 4000), (host, 53), b"question"));
        assert_eq!(sent, (end(own, 4000), end(host, 53)));
        let sent = pass(&mut router, NOW, Zone::Lan, A, &udp((host, 53), (own, 4000), b"answer"));
        assert_eq!(sent, (end(host, 53), end(client, 4000)));

        let sent = pass(&mut router, NOW, A, Zone::Lan, &tcp((client, 4000), (host, 22), SYN, b""));
        assert_eq!(sent, (end(own, 4000), end(host, 22)));
        let sent = pass(&mut router, NOW, Zone::Lan, A, &tcp((host, 22), (own, 4000), SYN | ACK, b""));
        assert_eq!(sent, (end(host, 22), end(client, 4000)));

        let sent = pass(&mut router, NOW, A, Zone::Lan, &ping(client, host, 77, 1));
        assert_eq!(sent, (end(own, 77), end(host, 0)));
        let sent = pass(&mut router, NOW, Zone::Lan, A, &pong(host, own, 77, 1));
        assert_eq!(sent, (end(host, 0), end(client, 77)));
        assert_eq!(router.flows(), 3);
    }
}

#[test]
fn the_second_client_with_the_same_port_gets_another() {
    let mut router = router(masquerade(), 2);
    let first = pass(&mut router, NOW, A, Zone::Lan, &udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b""));
    let second = pass(&mut router, NOW, B, Zone::Lan, &udp(("10.8.0.3", 4000), ("192.0.2.99", 53), b""));
    assert_eq!(first.0, end("192.0.2.10", 4000));
    let (address, port) = second.0;
    assert_eq!(address, first.0.0);
    assert!(port != 4000 && port >= 1024 && port % 2 == 0, "{port}");
    let back = pass(&mut router, NOW, Zone::Lan, B, &udp(("192.0.2.99", 53), ("192.0.2.10", port), b""));
    assert_eq!(back.1, end("10.8.0.3", 4000));
}

#[test]
fn what_nobody_asked_for_is_dropped() {
    let mut router = router(masquerade(), 1);
    refuse(
        &mut router,
        NOW,
        Zone::Lan,
        DropReason::NoMapping,
        &udp(("192.0.2.99", 53), ("192.0.2.10", 4000), b""),
    );
    let _ = pass(&mut router, NOW, A, Zone::Lan, &udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b""));
    refuse(
        &mut router,
        NOW,
        Zone::Lan,
        DropReason::Filtered,
        &udp(("192.0.2.98", 53), ("192.0.2.10", 4000), b""),
    );
    // A ping to the address that all share is one to the router.
    let (forward, _) = send(&mut router, NOW, Zone::Lan, &ping("192.0.2.99", "192.0.2.10", 4000, 1));
    assert_eq!(forward, crate::router::Forward::Reply);
}

#[test]
fn towards_the_host_it_takes_an_address_of_its_own() {
    // The LAN port's address means nothing behind the host.
    let mut config = masquerade();
    config.lan.as_mut().expect("a LAN port").gateways.clear();
    let mut plain = router(config.clone(), 1);
    let packet = udp(("10.8.0.2", 4000), ("198.51.100.7", 53), b"");
    assert_eq!(pass(&mut plain, NOW, A, Zone::Host, &packet).0, end("10.8.0.2", 4000));
    config.nat = crate::config::Nat::Masquerade(Some("203.0.113.5".parse().expect("an address")));
    let mut own = router(config, 1);
    assert_eq!(pass(&mut own, NOW, A, Zone::Host, &packet).0, end("203.0.113.5", 4000));
    let back = udp(("198.51.100.7", 53), ("203.0.113.5", 4000), b"");
    assert_eq!(pass(&mut own, NOW, Zone::Host, A, &back).1, end("10.8.0.2", 4000));
}

#[test]
fn between_clients_and_without_nat_nothing_is_translated() {
    let mut masked = router(masquerade(), 2);
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.3", 53), b"");
    assert_eq!(pass(&mut masked, NOW, A, B, &packet).0, end("10.8.0.2", 4000));
    let mut routed = router(lan(), 1);
    let packet = udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b"");
    assert_eq!(pass(&mut routed, NOW, A, Zone::Lan, &packet).0, end("10.8.0.2", 4000));
}

#[test]
fn a_client_that_has_gone_leaves_nothing() {
    let mut router = router(masquerade(), 1);
    let _ = pass(&mut router, NOW, A, Zone::Lan, &udp(("10.8.0.2", 4000), ("192.0.2.99", 53), b""));
    router.client_down(NOW, peer(1));
    let answer = udp(("192.0.2.99", 53), ("192.0.2.10", 4000), b"");
    let (forward, _) = send(&mut router, NOW, Zone::Lan, &answer);
    assert!(matches!(forward, crate::router::Forward::Drop(_)), "{forward:?}");
    router.handle_timeout(NOW);
    assert_eq!(router.flows(), 0);
    assert!(router.next_timeout().is_none());
}

#[test]
fn nobody_on_the_lan_has_a_client_s_address() {
    let mut router = router(masquerade(), 2);
    for source in ["10.8.0.2", "10.8.99.99"] {
        let packet = udp((source, 4000), ("10.8.0.3", 53), b"");
        refuse(&mut router, NOW, Zone::Lan, DropReason::Martian, &packet);
    }
}
