//! Random packets, clients that come and go, and time: at each step what NAT counts is what its flows say, and in the end
//! nothing is left.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::config::{Filtering, ForwardTarget, Mapping, Nat, PortForward, Protocol, RouterConfig};
use crate::router::flow::FlowState;
use crate::router::packet::tcp_flags::{ACK, FIN, RST, SYN};
use crate::router::testing::{
    LAN, Random, client, ends, identity, ip, masquerade, peer, ping, pong, router, segment, send, udp,
};
use crate::router::{Forward, Router, Zone};
use crate::time::Instant;

const CLIENTS: usize = 3;

fn configs() -> Vec<RouterConfig> {
    let forward = PortForward {
        protocol: Protocol::Any,
        address: ip("192.0.2.10"),
        ports: 4000..=4003,
        to: ForwardTarget::Client("client1".into()),
        to_port: 4001,
        from: None,
    };
    let mut out = Vec::new();
    for nat in [
        masquerade().nat,
        Nat::Blocks { size: 64, addresses: alloc::vec![ip("192.0.2.11")] },
        identity(&[("192.0.2.200", "192.0.2.201")]).nat,
    ] {
        for filtering in
            [Filtering::EndpointIndependent, Filtering::AddressDependent, Filtering::AddressAndPortDependent]
        {
            for mapping in [Mapping::EndpointIndependent, Mapping::TcpPerDestination] {
                let port_forwards = alloc::vec![forward.clone()];
                let mut config = RouterConfig { filtering, mapping, port_forwards, ..masquerade() };
                config.nat = nat.clone();
                config.client_limits.ports = Some(6);
                out.push(config);
            }
        }
    }
    out
}

/// What the flows say of mappings, ports and permits must be what is counted.
fn check(router: &Router, gone: &BTreeSet<u32>) {
    let mut users: BTreeMap<(u8, Ipv4Addr, u16), Ipv4Addr> = BTreeMap::new();
    let mut outside = BTreeSet::new();
    for (_, flow) in router.v4.flows.iter() {
        let ends = [(FlowState::SOURCE_MAPPED, flow.tuples[1]), (FlowState::TARGET_MAPPED, flow.tuples[0])];
        for (bit, arrives) in ends {
            if !flow.state.is(bit) {
                continue;
            }
            let end = (flow.protocol, arrives.destination, arrives.destination_port);
            let id =
                router.v4.nat.mappings.find_outside(end.0, end.1, end.2).expect("a flow's mapping is there");
            let mapping = router.v4.nat.mappings.get(id).expect("its record");
            assert_eq!((mapping.outside, mapping.outside_port), (end.1, end.2));
            // Two flows of one outside end are of one inside end.
            assert_eq!(*users.entry(end).or_insert(mapping.inside), mapping.inside);
        }
        assert!(outside.insert((flow.zones[0], flow.protocol, format!("{:?}", flow.tuples[0]))));
    }
    assert_eq!(router.v4.nat.mappings.len(), users.len());
    for number in 1..=CLIENTS as u32 {
        if gone.contains(&number) {
            continue;
        }
        let zone = Zone::Peer(peer(number));
        for (which, protocol) in [(0, 6), (1, 17), (2, 1)] {
            let own = users.keys().filter(|&&(other, address, port)| {
                let mapping = router.v4.nat.mappings.find_outside(other, address, port);
                let mapping = mapping.and_then(|id| router.v4.nat.mappings.get(id)).expect("it was there");
                other == protocol && mapping.zone.get() == zone
            });
            let counted = router.common.clients.get(peer(number)).expect("it is connected").ports[which];
            assert_eq!(counted as usize, own.count());
            assert!(counted <= 6);
        }
    }
}

fn step(router: &mut Router, random: &mut Random, now: Instant, seen: &mut Vec<(String, u16)>) {
    let number = 1 + random.below(CLIENTS) as u32;
    let own = format!("10.8.0.{}", number + 1);
    let host = format!("192.0.2.{}", 90 + random.below(3));
    let port = 4000 + random.below(8) as u16;
    let flags = [SYN, ACK, SYN | ACK, FIN | ACK, RST][random.below(5)];
    let outside = if seen.is_empty() || random.chance(4) {
        ("192.0.2.10".into(), port)
    } else {
        seen[random.below(seen.len())].clone()
    };
    let far = (&*host, 50 + random.below(6) as u16);
    let near = (&*own, port);
    let ours = (&*outside.0, outside.1);
    let zone = Zone::Peer(peer(number));
    let (from, packet) = match random.below(9) {
        0 | 1 => (zone, udp(near, far, b"data")),
        2 | 3 => (zone, segment(near, far, flags, 1, 1, b"")),
        4 => (zone, ping(&own, &host, port, 1)),
        5 => (LAN, udp(far, ours, b"data")),
        6 => (LAN, segment(far, ours, flags, 1, 1, b"")),
        7 => (LAN, pong(&host, &outside.0, outside.1, 1)),
        _ if random.chance(2) => (zone, udp(near, ours, b"data")),
        _ => (zone, segment(near, ours, flags, 1, 1, b"")),
    };
    let (forward, sent) = send(router, now, from, &packet);
    if forward == Forward::To(LAN) && from != LAN {
        let (address, port) = ends(&sent).0;
        seen.push((format!("{address}"), port));
        if seen.len() > 8 {
            seen.remove(0);
        }
    }
}

#[test]
fn what_nat_counts_is_what_flows_say_and_in_the_end_nothing_is_left() {
    for (seed, config) in (1..).zip(configs()) {
        let (mut random, mut now) = (Random::new(seed), Instant::ZERO);
        let mut router = router(config, CLIENTS as u32);
        let (mut seen, mut gone) = (Vec::new(), BTreeSet::new());
        for _ in 0..1500 {
            match random.below(60) {
                0 => {
                    let number = 1 + random.below(CLIENTS) as u32;
                    if gone.remove(&number) {
                        router.client_up(now, peer(number), client(number, &format!("client{number}")));
                    } else {
                        gone.insert(number);
                        router.client_down(now, peer(number));
                        router.handle_timeout(now);
                    }
                }
                1..=4 => {
                    now += core::time::Duration::from_secs(1 + random.below(150) as u64);
                    router.handle_timeout(now);
                }
                _ => step(&mut router, &mut random, now, &mut seen),
            }
            check(&router, &gone);
        }
        for number in (1..=CLIENTS as u32).filter(|number| !gone.contains(number)) {
            router.client_down(now, peer(number));
        }
        for _ in 0..40 {
            now += core::time::Duration::from_secs(600);
            router.handle_timeout(now);
        }
        assert_eq!(
            (router.flows(), router.v4.nat.mappings.len(), router.v4.nat.permits()),
            (0, 0, 0),
            "seed {seed}"
        );
    }
}
