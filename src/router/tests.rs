//! The router as a whole, packet by packet.

mod budgets;
mod explain;
mod forwards;
mod identity;
mod masquerade;
mod model;
mod netmap;
mod random_nat;
mod reconfigure;
mod rfc4787;
mod rfc5382;
mod rfc5508;
mod rfc6888;
mod rfc7857;
mod sizes;
mod stun;
mod whois;

use super::testing::{assert_checksums, peer, ping, router, send, udp};
use super::{Forward, RouterEvent, Zone};
use crate::config::RouterConfig;
use crate::reason::DropReason;
use crate::time::Instant;

fn logging() -> RouterConfig {
    RouterConfig { log_flows: true, ..RouterConfig::default() }
}

#[test]
fn clients_reach_each_other_as_through_a_hop() {
    for (first, second) in [("10.8.0.2", "10.8.0.3"), ("fd00:8::2", "fd00:8::3")] {
        let mut router = router(logging(), 2);
        let (forward, packet) =
            send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &udp((first, 4000), (second, 53), b"?"));
        assert_eq!(forward, Forward::To(Zone::Peer(peer(2))));
        assert_checksums(&packet);
        assert_eq!(packet[if first.contains(':') { 7 } else { 8 }], 63);
        let (forward, _) =
            send(&mut router, Instant::ZERO, Zone::Peer(peer(2)), &udp((second, 53), (first, 4000), b"!"));
        assert_eq!(forward, Forward::To(Zone::Peer(peer(1))));
        assert_eq!(router.flows(), 1);
    }
}

#[test]
fn a_client_sends_from_its_own_addresses_only() {
    let mut router = router(logging(), 2);
    let (forward, _) =
        send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &udp(("10.8.0.3", 1), ("192.0.2.1", 1), b""));
    assert_eq!(forward, Forward::Drop(DropReason::BadSource));
    assert_eq!(router.drops().get(DropReason::BadSource), 1);
}

#[test]
fn an_address_of_ours_that_nobody_has_is_unreachable() {
    for (client, gone, gateway) in
        [("10.8.0.2", "10.8.9.9", "10.8.0.1"), ("fd00:8::2", "fd00:8::9", "fd00:8::1")]
    {
        let mut router = router(logging(), 1);
        let (forward, packet) =
            send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &ping(client, gone, 1, 1));
        assert_eq!(forward, Forward::Reply);
        assert_checksums(&packet);
        let header = crate::wire::ip::IpHeader::parse(&packet).unwrap();
        assert_eq!(
            (header.source, header.destination),
            (super::testing::ip(gateway), super::testing::ip(client))
        );
        assert_eq!(router.drops().get(DropReason::NoRoute), 1);
        assert_eq!(router.flows(), 0);
    }
}

#[test]
fn a_flow_ends_when_it_is_idle_and_both_are_told() {
    let mut router = router(logging(), 2);
    let query = udp(("10.8.0.2", 4000), ("10.8.0.3", 53), b"?");
    let _ = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &query);
    let mut events = core::iter::from_fn(|| router.poll_event());
    assert!(events.any(|event| matches!(event, RouterEvent::FlowStarted(_))));
    let _ = send(&mut router, Instant::from_secs(200), Zone::Peer(peer(1)), &query);
    router.handle_timeout(Instant::from_secs(499));
    assert_eq!(router.flows(), 1);
    router.handle_timeout(Instant::from_secs(502));
    assert_eq!(router.flows(), 0);
    let Some(RouterEvent::FlowEnded(flow)) = router.poll_event() else { panic!("an end") };
    assert_eq!((flow.bytes_forth, flow.bytes_back), (58, 0));
    assert_eq!(flow.identity.as_deref(), Some("client1"));
    assert!(router.next_timeout().is_none());
}

#[test]
fn without_anything_to_remember_packets_pass_as_they_are() {
    let mut router = router(RouterConfig::default(), 2);
    let sent = udp(("10.8.0.2", 4000), ("192.0.2.1", 53), b"?");
    let (forward, packet) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &sent);
    assert_eq!((forward, packet), (Forward::To(Zone::Host), sent));
    let (forward, _) =
        send(&mut router, Instant::ZERO, Zone::Host, &udp(("192.0.2.1", 53), ("10.8.0.3", 4000), b"?"));
    assert_eq!(forward, Forward::To(Zone::Peer(peer(2))));
    assert_eq!(router.flows(), 0);
}
