//! `nat identity` and `nat blocks`: who it was can be seen from outside.

use crate::config::{Filtering, Nat, RouterConfig};
use crate::reason::DropReason;
use crate::router::packet::tcp_flags::SYN;
use crate::router::testing::{
    A, B, LAN, NOW, client, end, identity, ip, lan, packet, pass, peer, ping, pong, refuse, router, secs,
    send, tcp, udp,
};
use crate::router::{Forward, Zone};

const HOST: &str = "192.0.2.99";

#[test]
fn each_identity_has_an_address_and_keeps_its_ports() {
    let mut config = identity(&[("192.0.2.200", "192.0.2.210"), ("2001:db8::200", "2001:db8::210")]);
    config.filtering = Filtering::EndpointIndependent;
    let mut router = router(config, 2);
    for (who, source, own) in [
        (A, "10.8.0.2", "192.0.2.200"),
        (B, "10.8.0.3", "192.0.2.201"),
        (A, "fd00:8::2", "2001:db8::200"),
        (B, "fd00:8::3", "2001:db8::201"),
    ] {
        let host = if source.contains(':') { "2001:db8::99" } else { HOST };
        for port in [22, 500, 4000] {
            let out = pass(&mut router, NOW, who, LAN, &udp((source, port), (host, 53), b""));
            assert_eq!(out.0, end(own, port));
            let out = pass(&mut router, NOW, who, LAN, &tcp((source, port), (host, 22), SYN, b""));
            assert_eq!(out.0, end(own, port));
        }
        assert_eq!(pass(&mut router, NOW, who, LAN, &ping(source, host, 7, 1)).0, end(own, 7));
        assert_eq!(pass(&mut router, NOW, LAN, who, &pong(host, own, 7, 1)).1, end(source, 7));
    }
}

#[test]
fn who_comes_back_has_the_same_address_and_nobody_else_gets_it_at_once() {
    let mut router = router(identity(&[("192.0.2.200", "192.0.2.201")]), 2);
    let out = |router: &mut crate::router::Router, now, who: u32| {
        let source = alloc::format!("10.8.0.{}", who + 1);
        let packet = udp((&source, 4000), (HOST, 53), b"");
        match send(router, now, Zone::Peer(peer(who)), &packet) {
            (Forward::To(LAN), packet) => Some(crate::router::testing::ends(&packet).0.0),
            (forward, _) => {
                assert_eq!(forward, Forward::Reply);
                None
            }
        }
    };
    assert_eq!(out(&mut router, NOW, 1), Some(ip("192.0.2.200")));
    router.client_down(secs(10), peer(1));
    router.handle_timeout(secs(10));
    router.client_up(secs(11), peer(3), client(3, "client3"));
    assert_eq!(out(&mut router, secs(11), 3), None);
    router.client_up(secs(12), peer(4), client(4, "client1"));
    assert_eq!(out(&mut router, secs(12), 4), Some(ip("192.0.2.200")));
    router.client_down(secs(13), peer(4));
    assert_eq!(out(&mut router, secs(130), 3), None);
    assert_eq!(out(&mut router, secs(134), 3), Some(ip("192.0.2.200")));
    assert_eq!(router.drops().get(DropReason::PortsExhausted), 2);
}

#[test]
fn protocols_without_ports_have_the_address_translated() {
    let mut router = router(identity(&[("192.0.2.200", "192.0.2.201")]), 2);
    for (who, source, own) in [(A, "10.8.0.2", "192.0.2.200"), (B, "10.8.0.3", "192.0.2.201")] {
        let (forward, out) = send(&mut router, NOW, who, &packet(source, HOST, 50, b"sealed payload"));
        assert_eq!((forward, &out[12..16]), (Forward::To(LAN), &packet(own, HOST, 50, b"")[12..16]));
        let (forward, back) = send(&mut router, NOW, LAN, &packet(HOST, own, 50, b"sealed payload"));
        assert_eq!((forward, &back[16..20]), (Forward::To(who), &packet(HOST, source, 50, b"")[16..20]));
    }
}

#[test]
fn with_one_address_for_all_such_a_protocol_is_one_clients_for_each_destination() {
    let mut router = router(crate::router::testing::masquerade(), 2);
    assert_eq!(send(&mut router, NOW, A, &packet("10.8.0.2", HOST, 50, b"sealed")).0, Forward::To(LAN));
    assert_eq!(send(&mut router, NOW, B, &packet("10.8.0.3", HOST, 50, b"sealed")).0, Forward::Reply);
    assert_eq!(
        send(&mut router, NOW, B, &packet("10.8.0.3", "192.0.2.98", 50, b"sealed")).0,
        Forward::To(LAN)
    );
    assert_eq!(send(&mut router, NOW, LAN, &packet(HOST, "192.0.2.10", 50, b"sealed")).0, Forward::To(A));
    assert_eq!(
        send(&mut router, NOW, LAN, &packet("192.0.2.98", "192.0.2.10", 50, b"sealed")).0,
        Forward::To(B)
    );
}

#[test]
fn a_block_is_one_clients_and_its_ports_come_at_random() {
    let nat = Nat::Blocks { size: 1024, addresses: alloc::vec![] };
    let mut router = router(RouterConfig { nat, ..lan() }, 64);
    let mut ports = alloc::vec::Vec::new();
    for number in 0..100 {
        let out = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000 + number), (HOST, 53), b""));
        assert_eq!(out.0.0, ip("192.0.2.10"));
        ports.push(out.0.1);
    }
    assert!(ports.iter().all(|port| (1024..2048).contains(port)));
    assert!(ports.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) <= 2).count() < 10);
    // Sixty-three have one; the next gets none.
    for number in 2..=64_u32 {
        let source = alloc::format!("10.8.0.{}", number + 1);
        let packet = udp((&source, 4000), (HOST, 53), b"");
        let (forward, out) = send(&mut router, NOW, Zone::Peer(peer(number)), &packet);
        if number == 64 {
            assert_eq!(forward, Forward::Reply);
        } else {
            let port = crate::router::testing::ends(&out).0.1;
            assert_eq!((u32::from(port) - 1024) / 1024, number - 1);
        }
    }
}

#[test]
fn a_lan_host_does_not_reach_by_its_inside_address_who_is_translated() {
    let mut config = identity(&[("192.0.2.200", "192.0.2.201")]);
    let direct = udp((HOST, 53), ("10.8.0.2", 4000), b"");
    let mut hidden = router(config.clone(), 1);
    refuse(&mut hidden, NOW, LAN, DropReason::Filtered, &direct);
    config.nat_exempt = alloc::vec![ip(HOST).into()];
    let mut exempt = router(config, 1);
    let _ = pass(&mut exempt, NOW, LAN, A, &direct);
}
