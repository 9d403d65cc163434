//! RFC 6888, common requirements for carrier-grade NATs. Each test names the requirement that it is for, and rests on
//! its text. REQ-1 is the other files of this folder; REQ-9 (PCP) is not met.

use alloc::vec::Vec;

use crate::config::{Filtering, Nat, RouterConfig};
use crate::reason::DropReason;
use crate::router::packet::tcp_flags::SYN;
use crate::router::testing::{
    A, B, LAN, NOW, assert_checksums, end, ends, identity, ip, lan, masquerade, pass, peer, router, secs,
    send, tcp, udp,
};
use crate::router::{Forward, Zone};

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";

/// REQ-3: pools of any size, with gaps.
#[test]
fn rfc6888_req_3_a_pool_may_have_gaps() {
    let mut router = router(
        identity(&[
            ("192.0.2.50", "192.0.2.50"),
            ("198.51.100.7", "198.51.100.8"),
            ("203.0.113.255", "203.0.114.0"),
        ]),
        5,
    );
    let addresses = ["192.0.2.50", "198.51.100.7", "198.51.100.8", "203.0.113.255", "203.0.114.0"];
    for (number, own) in (1..).zip(addresses) {
        let source = alloc::format!("10.8.0.{}", number + 1);
        let packet = udp((&source, 4000), (HOST, 53), b"");
        assert_eq!(pass(&mut router, NOW, Zone::Peer(peer(number)), LAN, &packet).0, end(own, 4000));
    }
}

/// REQ-4: so many ports for each subscriber, and others do not feel it.
#[test]
fn rfc6888_req_4_one_client_cannot_take_all_ports() {
    let mut config = masquerade();
    config.client_limits.ports = Some(100);
    let mut router = router(config, 2);
    let mut had = 0;
    for port in 1..60_000 {
        let (forward, _) = send(&mut router, NOW, A, &udp(("10.8.0.2", port), (HOST, 53), b""));
        had += u32::from(forward == Forward::To(LAN));
    }
    assert_eq!(had, 100);
    assert_eq!(router.flows(), 100);
    for port in 4000..4100 {
        let _ = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", port), (HOST, 53), b""));
    }
    // What has ended counts no longer.
    router.handle_timeout(secs(302));
    let _ = pass(&mut router, secs(302), A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b""));
}

/// REQ-6: no translation towards some destinations.
#[test]
fn rfc6888_req_6_some_destinations_see_clients_as_they_are() {
    let exempt = alloc::vec![crate::config::IpNetwork::containing(ip("198.51.100.0"), 24)];
    let mut router = router(RouterConfig { nat_exempt: exempt, ..masquerade() }, 1);
    let out = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), ("198.51.100.7", 53), b""));
    assert_eq!(out.0, end("10.8.0.2", 4000));
    let _ = pass(&mut router, NOW, LAN, A, &udp(("198.51.100.7", 53), ("10.8.0.2", 4000), b""));
    assert_eq!(pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 53), b"")).0, end(X, 4000));
}

/// REQ-8: where anybody may send to a port, nobody else gets it for 120 seconds; its own inside end does.
#[test]
fn rfc6888_req_8_a_port_rests_for_two_minutes() {
    let config = RouterConfig { filtering: Filtering::EndpointIndependent, ..masquerade() };
    let mut router = router(config, 2);
    let (from_a, from_b) =
        (udp(("10.8.0.2", 4000), (HOST, 5000), b""), udp(("10.8.0.3", 4000), (HOST, 5000), b""));
    let _ = pass(&mut router, NOW, A, LAN, &from_a);
    router.handle_timeout(secs(302));
    assert_eq!(router.flows(), 0);
    refuse_all(&mut router, 302);
    let (_, port) = pass(&mut router, secs(303), B, LAN, &from_b).0;
    assert_ne!(port, 4000);
    router.client_down(secs(304), peer(2));
    router.handle_timeout(secs(304));
    assert_eq!(pass(&mut router, secs(305), A, LAN, &from_a).0.1, 4000);
    router.handle_timeout(secs(607));
    let mut others = (0..).map(|number| udp(("10.8.0.2", 4000), (HOST, 6000 + number), b""));
    let again = others.next().expect("a packet");
    assert_eq!(pass(&mut router, secs(700), A, LAN, &again).0.1, 4000);
}

fn refuse_all(router: &mut crate::router::Router, second: u64) {
    let (forward, _) = send(router, secs(second), LAN, &udp((HOST, 5000), (X, 4000), b""));
    assert_eq!(forward, Forward::Drop(DropReason::NoMapping));
}

/// REQ-8 a and c: TCP is followed, and known ends alone get in: then it may be had at once.
#[test]
fn rfc6888_req_8_where_nothing_can_come_for_who_had_it_a_port_is_free_at_once() {
    let mut router = router(masquerade(), 2);
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), (HOST, 5000), b""));
    let _ = pass(&mut router, NOW, A, LAN, &tcp(("10.8.0.2", 4000), (HOST, 22), SYN, b""));
    router.handle_timeout(secs(303));
    assert_eq!(router.flows(), 0);
    for packet in [udp(("10.8.0.3", 4000), (HOST, 5000), b""), tcp(("10.8.0.3", 4000), (HOST, 22), SYN, b"")]
    {
        assert_eq!(pass(&mut router, secs(303), B, LAN, &packet).0.1, 4000);
    }
}

/// REQ-11: when there is nothing left: the packet is dropped, its sender told that the host is unreachable, and no
/// mapping is removed to make room. One client alone cannot get so far (REQ-5): each leaves a third of what there was.
#[test]
fn rfc6888_req_11_a_full_table_refuses_and_evicts_nobody() {
    let mut router = router(masquerade(), 20);
    let mut flows = Vec::new();
    let mut fill = |router: &mut crate::router::Router, number: u32| {
        let source = alloc::format!("10.8.0.{}", number + 1);
        for port in 1024.. {
            let packet = udp((&source, port), (HOST, 5000), b"");
            let (forward, answer) = send(router, NOW, Zone::Peer(peer(number)), &packet);
            if forward != Forward::To(LAN) {
                assert_eq!(forward, Forward::Reply);
                return answer;
            }
            flows.push((number, end(&source, port), ends(&answer).0));
        }
        panic!("no end");
    };
    let refused = (1..=20).map(|number| fill(&mut router, number)).last().expect("some");
    assert_checksums(&refused);
    assert_eq!(refused[20..22], [3, 1]);
    assert_eq!(router.flows(), flows.len());
    assert!(router.drops().get(DropReason::FlowsFull) > 0);
    for (number, inside, (_, port)) in flows {
        let back = udp((HOST, 5000), (X, port), b"");
        assert_eq!(pass(&mut router, secs(1), LAN, Zone::Peer(peer(number)), &back).1, inside);
    }
}

/// REQ-13 to REQ-15: a block's ports can all be used; one line says whose it is; which comes next cannot be guessed.
#[test]
fn rfc6888_req_13_to_15_blocks() {
    let config =
        RouterConfig { log_flows: true, nat: Nat::Blocks { size: 256, addresses: alloc::vec![] }, ..lan() };
    let mut router = router(config, 1);
    let mut ports = Vec::new();
    for number in 0..256 {
        ports.push(pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000 + number), (HOST, 53), b"")).0.1);
    }
    let ascending = ports.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((90..166).contains(&ascending), "{ascending} of 255 steps go up");
    ports.sort_unstable();
    assert_eq!(ports, (1024..1280).collect::<Vec<_>>());
}
