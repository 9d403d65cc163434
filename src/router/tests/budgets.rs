//! What one client may have, and that others lose nothing by it.

use alloc::vec::Vec;

use crate::config::{ClientLimits, RouterConfig};
use crate::limits::Limits;
use crate::reason::DropReason;
use crate::router::testing::{peer, router, router_within, send, udp};
use crate::router::{Forward, LimitKind, Router, RouterEvent, Zone};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;

fn limited(client_limits: ClientLimits) -> RouterConfig {
    RouterConfig { client_limits, ..RouterConfig::default() }
}

/// A datagram of `len` bytes from that client, from a port of its own.
fn out(number: u32, port: u16, len: usize) -> Vec<u8> {
    let source = alloc::format!("10.8.0.{}", number + 1);
    udp((&source, port), ("192.0.2.1", 53), &alloc::vec![0; len - 28])
}

fn sends(router: &mut Router, now: Instant, number: u32, port: u16) -> bool {
    match send(router, now, Zone::Peer(peer(number)), &out(number, port, 100)).0 {
        Forward::To(Zone::Host) => true,
        Forward::Reply | Forward::Drop(DropReason::ClientLimit | DropReason::ClientRate) => false,
        other => panic!("{other:?}"),
    }
}

fn limits_reached(router: &mut Router) -> Vec<(LimitKind, u64)> {
    core::iter::from_fn(|| router.poll_event())
        .filter_map(|event| match event {
            RouterEvent::LimitReached { kind, limit, .. } => Some((kind, limit)),
            _ => None,
        })
        .collect()
}

#[test]
fn no_more_flows_than_it_may_have_and_again_some_when_they_end() {
    let mut router = router(limited(ClientLimits { flows: Some(3), ..ClientLimits::default() }), 2);
    let passed = (1..=10).filter(|port| sends(&mut router, NOW, 1, *port)).count();
    assert_eq!((passed, router.flows()), (3, 3));
    // RFC 5508 REQ-8: refused with ICMP, and counted.
    assert_eq!(router.drops().get(DropReason::ClientLimit), 7);
    assert_eq!(limits_reached(&mut router), [(LimitKind::Flows, 3)]);
    assert!(sends(&mut router, NOW, 1, 1) && sends(&mut router, NOW, 2, 1));

    let later = Instant::from_secs(400);
    router.handle_timeout(later);
    assert!(sends(&mut router, later, 1, 20));
    // Told again after a minute.
    assert_eq!((21..30).filter(|port| sends(&mut router, later, 1, *port)).count(), 2);
    assert_eq!(limits_reached(&mut router), [(LimitKind::Flows, 3)]);
}

#[test]
fn no_more_new_flows_a_second_than_it_may_begin() {
    let mut router = router(limited(ClientLimits { new_flows: Some(5), ..ClientLimits::default() }), 1);
    let begun = |router: &mut Router, at, ports: core::ops::Range<u16>| {
        ports.filter(|port| sends(router, Instant::from_millis(at), 1, *port)).count()
    };
    assert_eq!(begun(&mut router, 0, 0..50), 5);
    assert_eq!(begun(&mut router, 2000, 100..150), 5);
    // What there is goes on.
    assert!(sends(&mut router, Instant::from_millis(2000), 1, 0));
    assert_eq!(limits_reached(&mut router), [(LimitKind::NewFlows, 5)]);
}

#[test]
fn no_more_bytes_a_second_than_it_may_send_or_get() {
    let limits = ClientLimits { rate_from: Some(1000), rate_to: Some(500), ..ClientLimits::default() };
    let mut router = router(limited(limits), 1);
    let sent = |router: &mut Router, now| (0..50).filter(|_| sends(router, now, 1, 1)).count();
    assert_eq!(sent(&mut router, NOW), 10);
    assert_eq!(sent(&mut router, NOW), 0);
    assert_eq!(sent(&mut router, Instant::from_secs(2)), 10);
    let back = udp(("192.0.2.1", 53), ("10.8.0.2", 1), &[0; 72]);
    let got =
        (0..50).filter(|_| send(&mut router, NOW, Zone::Host, &back).0 == Forward::To(Zone::Peer(peer(1))));
    assert_eq!(got.count(), 5);
    assert!(router.drops().get(DropReason::ClientRate) > 0);
    assert_eq!(limits_reached(&mut router), [(LimitKind::RateFrom, 1000), (LimitKind::RateTo, 500)]);
}

#[test]
fn a_quota_counts_both_directions_and_a_session_of_its_own() {
    let mut router = router(limited(ClientLimits { bytes: Some(1000), ..ClientLimits::default() }), 2);
    let back = udp(("192.0.2.1", 53), ("10.8.0.2", 1), &[0; 72]);
    for _ in 0..5 {
        assert!(sends(&mut router, NOW, 1, 1));
        assert_eq!(send(&mut router, NOW, Zone::Host, &back).0, Forward::To(Zone::Peer(peer(1))));
    }
    assert!(!sends(&mut router, NOW, 1, 1));
    assert_eq!(send(&mut router, NOW, Zone::Host, &back).0, Forward::Drop(DropReason::ClientRate));
    assert!(sends(&mut router, NOW, 2, 1));
    // More is allowed: the rest of it.
    router.configure(NOW, limited(ClientLimits { bytes: Some(1100), ..ClientLimits::default() }));
    assert!(sends(&mut router, NOW, 1, 1));
    assert!(!sends(&mut router, NOW, 1, 1));
}

#[test]
fn limits_of_its_own_stand_in_place_of_the_configurations() {
    let mut router = router(RouterConfig::default(), 1);
    let own = ClientLimits { flows: Some(1), ..ClientLimits::default() };
    let client = crate::router::ClientSetup {
        identity: "client2".into(),
        networks: alloc::vec![crate::router::testing::ip("10.8.0.3").into()],
        mtu: 1500,
        limits: Some(own),
    };
    router.client_up(NOW, peer(2), client);
    assert!(sends(&mut router, NOW, 2, 1) && !sends(&mut router, NOW, 2, 2));
    assert!((1..10).all(|port| sends(&mut router, NOW, 1, port)));
    router.configure(NOW, limited(ClientLimits { flows: Some(100), ..ClientLimits::default() }));
    assert!(!sends(&mut router, NOW, 2, 3));
}

/// Without any limit that is set: one that floods has two thirds of the table, and nine others lose nothing.
#[test]
fn one_that_floods_takes_nothing_from_the_others() {
    let limits = Limits { flows: 300, ..Limits::ROUTER };
    let config = RouterConfig { log_flows: true, ..RouterConfig::default() };
    let mut router = router_within(&limits, config, 11);
    let flooded = (0..5000).filter(|port| sends(&mut router, NOW, 1, *port)).count();
    assert_eq!(flooded, 200);
    assert_eq!(limits_reached(&mut router), [(LimitKind::Share, 200)]);
    for port in 0..6 {
        for number in 2..=10 {
            assert!(sends(&mut router, NOW, number, port), "client {number}, flow {port}");
        }
        assert!(!sends(&mut router, NOW, 1, 6000 + port));
    }
    // And if all of them flood, a newcomer still finds room.
    for number in 2..=10 {
        let _ = (100..1000).filter(|port| sends(&mut router, NOW, number, *port)).count();
    }
    assert!(sends(&mut router, NOW, 11, 100));
    assert_eq!(router.drops().get(DropReason::FlowsFull), 0);
}
