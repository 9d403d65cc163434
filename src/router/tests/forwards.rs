//! `port-forward`: an outside port is a client's, or a host's.

use crate::config::{Action, ForwardTarget, Nat, PortForward, Protocol, RouterConfig, Rule, Who};
use crate::reason::DropReason;
use crate::router::packet::tcp_flags::{ACK, SYN};
use crate::router::testing::{
    A, B, LAN, NOW, client, end, ip, lan, masquerade, output, pass, peer, refuse, router, secs, send, tcp,
    udp,
};
use crate::router::{Forward, Zone};

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";

fn forward(protocol: Protocol, address: &str, port: u16, to: ForwardTarget, to_port: u16) -> PortForward {
    PortForward { protocol, address: ip(address), ports: port..=port, to, to_port, from: None }
}

fn to_client(name: &str) -> ForwardTarget {
    ForwardTarget::Client(name.into())
}

fn with(config: RouterConfig, forwards: &[PortForward]) -> RouterConfig {
    RouterConfig { port_forwards: forwards.to_vec(), ..config }
}

#[test]
fn what_comes_to_the_port_goes_to_the_client_while_it_is_there() {
    for config in [lan(), masquerade()] {
        let mut router =
            router(with(config, &[forward(Protocol::Tcp, X, 8443, to_client("client1"), 443)]), 1);
        let came = pass(&mut router, NOW, LAN, A, &tcp((HOST, 5000), (X, 8443), SYN, b""));
        assert_eq!(came, (end(HOST, 5000), end("10.8.0.2", 443)));
        let back = pass(&mut router, NOW, A, LAN, &tcp(("10.8.0.2", 443), (HOST, 5000), SYN | ACK, b""));
        assert_eq!(back, (end(X, 8443), end(HOST, 5000)));
        router.client_down(NOW, peer(1));
        let (gone, _) = send(&mut router, NOW, LAN, &tcp((HOST, 5001), (X, 8443), SYN, b""));
        assert_eq!(gone, Forward::Drop(DropReason::NoMapping));
        router.client_up(NOW, peer(5), client(5, "client1"));
        let came = pass(&mut router, NOW, LAN, Zone::Peer(peer(5)), &tcp((HOST, 5002), (X, 8443), SYN, b""));
        assert_eq!(came.1, end("10.8.0.6", 443));
    }
}

#[test]
fn ranges_keep_their_order_and_from_keeps_others_out() {
    let mut ranged = forward(Protocol::Udp, X, 5000, to_client("client1"), 6000);
    ranged.ports = 5000..=5010;
    ranged.from = Some(crate::config::IpNetwork::containing(ip("198.51.100.0"), 24));
    let mut router = router(with(masquerade(), &[ranged]), 1);
    let came = pass(&mut router, NOW, LAN, A, &udp(("198.51.100.7", 1), (X, 5010), b""));
    assert_eq!(came.1, end("10.8.0.2", 6010));
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &udp(("198.51.101.7", 1), (X, 5010), b""));
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &udp(("198.51.100.7", 1), (X, 5011), b""));
}

#[test]
fn a_forwarded_port_is_nobody_elses() {
    let mut router =
        router(with(masquerade(), &[forward(Protocol::Udp, X, 4000, to_client("client1"), 9)]), 2);
    let out = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", 4000), (HOST, 53), b"")).0;
    assert_ne!(out.1, 4000);
    let out = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), (HOST, 53), SYN, b"")).0;
    assert_eq!(out.1, 4000);
}

#[test]
fn it_is_allowed_whatever_the_rules_say() {
    let rule = Rule {
        action: Action::Deny,
        who: Who::All,
        destination: crate::config::IpNetwork::containing(ip("0.0.0.0"), 0),
        protocol: Protocol::Any,
        ports: alloc::vec![],
        line: 1,
    };
    let config = RouterConfig { rules: alloc::vec![rule], ..masquerade() };
    let mut router = router(with(config, &[forward(Protocol::Tcp, X, 8443, to_client("client1"), 443)]), 2);
    let syn = tcp((HOST, 5000), (X, 8443), SYN, b"");
    let _ = pass(&mut router, NOW, LAN, A, &syn);
    // And still is when the rules are looked at again.
    router.client_up(NOW, peer(9), client(9, "client9"));
    let _ = pass(&mut router, NOW, A, LAN, &tcp(("10.8.0.2", 443), (HOST, 5000), SYN | ACK, b""));
    refuse(&mut router, NOW, B, DropReason::Denied, &tcp(("10.8.0.3", 1), (HOST, 80), SYN, b""));
}

/// A client by the outside address, by the gateway's, and the one that it is forwarded to itself.
#[test]
fn clients_use_it_too() {
    let forwards = [
        forward(Protocol::Tcp, X, 8443, to_client("client1"), 443),
        forward(Protocol::Tcp, "10.8.0.1", 8443, to_client("client1"), 443),
    ];
    let mut router = router(with(masquerade(), &forwards), 2);
    let came = pass(&mut router, NOW, B, A, &tcp(("10.8.0.3", 5000), (X, 8443), SYN, b""));
    assert_eq!(came, (end(X, 5000), end("10.8.0.2", 443)));
    let back = pass(&mut router, NOW, A, B, &tcp(("10.8.0.2", 443), (X, 5000), SYN | ACK, b""));
    assert_eq!(back, (end(X, 8443), end("10.8.0.3", 5000)));
    let came = pass(&mut router, NOW, B, A, &tcp(("10.8.0.3", 5000), ("10.8.0.1", 8443), SYN, b""));
    assert_eq!(came, (end("10.8.0.3", 5000), end("10.8.0.2", 443)));
    for (own, port) in [(X, 5001), ("10.8.0.1", 5002)] {
        let came = pass(&mut router, NOW, A, A, &tcp(("10.8.0.2", port), (own, 8443), SYN, b""));
        assert_eq!(came, (end(own, port), end("10.8.0.2", 443)));
        let back = pass(&mut router, NOW, A, A, &tcp(("10.8.0.2", 443), (own, port), SYN | ACK, b""));
        assert_eq!(back, (end(own, 8443), end("10.8.0.2", port)));
    }
}

/// From the LAN to a host on the LAN: with Linux it takes a rule more, or times out.
#[test]
fn from_the_lan_back_to_the_lan_it_comes_from_us() {
    let to = ForwardTarget::Address(ip("192.0.2.80"));
    for config in [lan(), masquerade()] {
        let mut router = router(with(config, &[forward(Protocol::Tcp, X, 8080, to.clone(), 80)]), 1);
        let came = pass(&mut router, NOW, LAN, LAN, &tcp((HOST, 5000), (X, 8080), SYN, b""));
        assert_eq!(came, (end(X, 5000), end("192.0.2.80", 80)));
        // Something else has changed meanwhile.
        router.client_up(NOW, peer(9), client(9, "client9"));
        let back = pass(&mut router, NOW, LAN, LAN, &tcp(("192.0.2.80", 80), (X, 5000), SYN | ACK, b""));
        assert_eq!(back, (end(X, 8080), end(HOST, 5000)));
        // A client reaches the host by it as well.
        let came = pass(&mut router, NOW, A, LAN, &tcp(("10.8.0.2", 5001), (X, 8080), SYN, b""));
        assert_eq!(came.1, end("192.0.2.80", 80));
    }
}

#[test]
fn when_it_is_taken_away_its_flows_end_at_their_next_packet() {
    let config = with(masquerade(), &[forward(Protocol::Udp, X, 5000, to_client("client1"), 6000)]);
    let mut router = router(config, 1);
    let packet = udp((HOST, 1), (X, 5000), b"");
    let _ = pass(&mut router, NOW, LAN, A, &packet);
    router.configure(secs(1), masquerade());
    refuse(&mut router, secs(1), LAN, DropReason::NoMapping, &packet);
    assert!(output(&mut router, secs(1)).is_none());
    assert_eq!(router.flows(), 0);
}

/// Without NAT there is nothing outside but what is forwarded.
#[test]
fn another_kind_of_nat_is_put_into_force() {
    let mut router = router(masquerade(), 1);
    let out = udp(("10.8.0.2", 4000), (HOST, 53), b"");
    assert_eq!(pass(&mut router, NOW, A, LAN, &out).0, end(X, 4000));
    let addresses = alloc::vec![ip("192.0.2.11")];
    router.configure(NOW, RouterConfig { nat: Nat::Blocks { size: 64, addresses }, ..lan() });
    assert_eq!(pass(&mut router, NOW, A, LAN, &out).0.0, ip("192.0.2.11"));
    router.configure(NOW, lan());
    assert_eq!(pass(&mut router, NOW, A, LAN, &out).0, end("10.8.0.2", 4000));
}
