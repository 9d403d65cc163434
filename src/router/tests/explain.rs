//! What is explained is what happens.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use proptest::prelude::*;

use crate::config::{Action, ClientLimits, Group, IpNetwork, Protocol, RouterConfig, Rule, RuleMode, Who};
use crate::router::packet::{TCP, UDP, tcp_flags};
use crate::router::rules::tests::{any_groups, any_rule};
use crate::router::testing::{ip, lan, masquerade, packet, peer, ping, router, send, tcp, udp};
use crate::router::{Fate, Forward, Origin, Probe, Router, Told, Zone};
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;

/// The first packet of such a flow.
fn first(source: &str, probe: &Probe) -> Vec<u8> {
    let destination = probe.destination.to_string();
    match probe.protocol {
        TCP => tcp((source, 40_000), (&destination, probe.selector), tcp_flags::SYN, b""),
        UDP => udp((source, 40_000), (&destination, probe.selector), b""),
        1 | 58 => ping(source, &destination, 7, 1),
        protocol => packet(source, &destination, protocol, &[0; 20]),
    }
}

/// Explains, then sends, and holds one against the other.
fn holds(router: &mut Router, from: Zone, source: &str, mut probe: Probe) -> Result<(), TestCaseError> {
    probe.source = Some(ip(source));
    let before = (router.flows(), router.drops().total());
    let explained = router.explain(NOW, &Origin::Zone(from), &probe);
    prop_assert_eq!((router.flows(), router.drops().total()), before);
    let total = before.1;
    let (forward, packet) = send(router, NOW, from, &first(source, &probe));
    let told = match (forward, packet[0] >> 4) {
        (Forward::Reply, 4) if packet[9] == TCP => Told::Reset,
        (Forward::Reply, 6) if packet[6] == TCP => Told::Reset,
        (Forward::Reply, 4) => Told::Icmp(packet[20], packet[21]),
        (Forward::Reply, _) => Told::Icmp(packet[40], packet[41]),
        _ => Told::Silence,
    };
    let reason = crate::reason::DropReason::ALL;
    let counted = reason.iter().copied().find(|reason| match forward {
        Forward::Drop(why) => *reason == why,
        _ => explained.fate == Fate::Dropped(*reason, told),
    });
    let happened = match (forward, counted) {
        (Forward::To(zone), _) => Fate::Passes(zone),
        (Forward::Reply | Forward::Consumed, _) if router.drops().total() == total => Fate::Served,
        (Forward::Reply | Forward::Drop(_), Some(reason)) => Fate::Dropped(reason, told),
        (other, _) => return Err(TestCaseError::fail(alloc::format!("{other:?}, not\n{explained}"))),
    };
    prop_assert_eq!(explained.fate, happened, "{}", explained);
    if let Fate::Dropped(reason, _) = happened {
        prop_assert!(router.drops().get(reason) > 0);
    }
    Ok(())
}

const DESTINATIONS: [&str; 14] = [
    "10.8.255.255",
    "224.0.0.9",
    "127.0.0.1",
    "10.8.0.1",
    "192.0.2.1",
    "192.0.2.9",
    "192.0.2.31",
    "192.0.2.10",
    "10.8.0.3",
    "10.8.9.9",
    "198.51.100.1",
    "2001:db8::3",
    "fd00:8::3",
    "fd00:8::99",
];

proptest! {
    #[test]
    fn as_it_happens(
        (place, longest) in (0usize..4, any::<bool>()),
        rules in prop::collection::vec(any_rule(), 0..12),
        groups in any_groups(),
        (from, destination) in (0usize..4, prop::sample::select(&DESTINATIONS[..])),
        (protocol, port) in (prop_oneof![Just(6u8), Just(17), Just(0), Just(47)], 0u16..12),
        flows in prop::option::of(0u32..3),
        before in 0u16..3,
    ) {
        let place = [RouterConfig::default(), RouterConfig { log_flows: true, ..RouterConfig::default() }, lan(), masquerade()][place].clone();
        let config = RouterConfig {
            rules,
            groups,
            rule_mode: if longest { RuleMode::LongestPrefix } else { RuleMode::Union },
            client_limits: ClientLimits { flows, ..ClientLimits::default() },
            ..place
        };
        let mut router = router(config, 3);
        let destination = ip(destination);
        let v6 = destination.is_ipv6();
        for port in 0..before {
            let source = if v6 { "fd00:8::2" } else { "10.8.0.2" };
            let _ = send(&mut router, NOW, Zone::Peer(peer(1)), &udp((source, 7000 + port), (&destination.to_string(), 5), b""));
        }
        let (from, source) = match (from, v6) {
            (0, false) => (Zone::Host, "203.0.113.5"),
            (0, true) => (Zone::Host, "2001:db8:5::5"),
            (3, false) => (Zone::Lan, "192.0.2.99"),
            (3, true) => (Zone::Lan, "2001:db8::99"),
            (number, false) => (Zone::Peer(peer(number as u32)), ["", "10.8.0.2", "10.8.0.3"][number]),
            (number, true) => (Zone::Peer(peer(number as u32)), ["", "fd00:8::2", "fd00:8::3"][number]),
        };
        let (protocol, selector) = match (protocol, v6) {
            (0, false) => (1, 8),
            (0, true) => (58, 128),
            (47, _) => (47, 0),
            (protocol, _) => (protocol, port),
        };
        holds(&mut router, from, source, Probe::new(destination, protocol, selector))?;
    }
}

fn ops() -> RouterConfig {
    let rule = Rule {
        action: Action::Allow,
        who: Who::Group("ops".into()),
        destination: IpNetwork::containing(ip("10.0.2.2"), 32),
        protocol: Protocol::Tcp,
        ports: [22..=22].into(),
        line: 12,
    };
    let group = Group { name: "ops".into(), members: ["client1".to_string()].into() };
    RouterConfig { rules: [rule].into(), groups: [group].into(), ..masquerade() }
}

fn explained(router: &Router, who: &str, destination: IpAddr, port: u16) -> String {
    router.explain(NOW, &Origin::Identity(who.into()), &Probe::new(destination, TCP, port)).to_string()
}

#[test]
fn an_explanation_is_read_by_people() {
    let router = router(ops(), 2);
    assert_eq!(
        explained(&router, "client1", ip("10.0.2.2"), 22),
        "source: 10.8.0.2 is client1's\n\
         route: 10.0.2.2 is reached by the LAN port (0.0.0.0/0)\n\
         rule: line 12 allows it: allow group:ops 10.0.2.2/32 tcp 22\n\
         limits: client1 has 0 flows\n\
         nat: its source becomes the LAN port's address\n\
         it goes to lan"
    );
    assert_eq!(
        explained(&router, "client2", ip("10.0.2.2"), 22),
        "source: 10.8.0.3 is client2's\n\
         route: 10.0.2.2 is reached by the LAN port (0.0.0.0/0)\n\
         rule: none that is about client2 fits, and what none allows is rejected\n\
         it is dropped (denied), and its sender gets a TCP reset"
    );
    assert_eq!(
        explained(&router, "somebody", ip("10.0.2.2"), 22),
        "source: no client somebody is connected\n\
         rule: none that is about somebody fits, and what none allows is rejected\n\
         it would be dropped, if the client were connected"
    );
}

#[test]
fn the_line_that_decided_is_told() {
    let router = router(ops(), 1);
    let probe = Probe::new(ip("10.0.2.2"), TCP, 22);
    let explanation = router.explain(NOW, &Origin::Identity("client1".into()), &probe);
    let lines: Vec<u32> = explanation.findings.iter().filter_map(|finding| finding.line).collect();
    assert_eq!((lines, explanation.fate), ([12].into(), Fate::Passes(Zone::Lan)));
}
