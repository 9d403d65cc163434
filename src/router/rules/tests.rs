//! Rules alone, against the plain way; and what they do to packets.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::RangeInclusive;

use proptest::prelude::*;

use super::super::packet::{ICMP, TCP, UDP, tcp_flags};
use super::super::testing::{assert_checksums, ip, peer, ping, router, send, tcp, udp};
use super::super::{Denial, Forward, Router, RouterEvent, Zone};
use super::{Asked, Because, Judgement, Rules};
use crate::config::{Action, Group, IpNetwork, Protocol, RouterConfig, Rule, RuleMode, Who};
use crate::reason::DropReason;
use crate::time::Instant;

const NOW: Instant = Instant::ZERO;

/// `allow|deny|reject WHO NETWORK/PREFIX [PROTO [PORTS...]]`, as the directive; `line` counts from 1.
fn rule(line: u32, text: &str) -> Rule {
    let mut words = text.split(' ');
    let mut next = || words.next().expect("another word");
    let action = match next() {
        "allow" => Action::Allow,
        "deny" => Action::Deny,
        "reject" => Action::Reject,
        other => panic!("{other}"),
    };
    let who = match next().split_once(':') {
        None => Who::All,
        Some(("client", name)) => Who::Client(name.into()),
        Some(("group", name)) => Who::Group(name.into()),
        Some(_) => panic!("{text}"),
    };
    let (address, prefix) = next().split_once('/').expect("a prefix");
    let destination = IpNetwork::containing(ip(address), prefix.parse().expect("a number"));
    let protocol = match words.next() {
        None => Protocol::Any,
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("icmp") => Protocol::Icmp,
        Some(number) => Protocol::Number(number.parse().expect("a number")),
    };
    let ports = words.map(|word| match word.split_once('-') {
        Some((first, last)) => first.parse().expect("a port")..=last.parse().expect("a port"),
        None => word.parse().expect("a port")..=word.parse().expect("a port"),
    });
    Rule { action, who, destination, protocol, ports: ports.collect(), line }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    (1..).zip(texts).map(|(line, text)| rule(line, text)).collect()
}

fn group(name: &str, members: &[&str]) -> Group {
    Group { name: name.into(), members: members.iter().map(|member| String::from(*member)).collect() }
}

fn config(texts: &[&str]) -> RouterConfig {
    RouterConfig {
        rules: rules(texts),
        groups: vec![group("ops", &["client1", "client3"])],
        ..RouterConfig::default()
    }
}

/// What becomes of one packet from that client.
fn from_client(router: &mut Router, number: u32, packet: &[u8]) -> (Forward, Vec<u8>) {
    send(router, NOW, Zone::Peer(peer(number)), packet)
}

fn syn(from: &str, to: &str, port: u16) -> Vec<u8> {
    tcp((from, 40_000), (to, port), tcp_flags::SYN, b"")
}

const TO_HOST: Forward = Forward::To(Zone::Host);
const DENIED: Forward = Forward::Drop(DropReason::Denied);

fn denials(router: &mut Router) -> Vec<Denial> {
    core::iter::from_fn(|| router.poll_event())
        .filter_map(|event| match event {
            RouterEvent::Denied(denial) => Some(denial),
            _ => None,
        })
        .collect()
}

/// The rules of issue 4: the group may use one host by ssh and ping, and nobody anything else.
#[test]
fn only_the_group_reaches_the_one_port_of_the_one_host() {
    let config = config(&["allow group:ops 10.0.2.2/32 tcp 22", "allow group:ops 10.0.2.2/32 icmp"]);
    let mut router = router(config, 3);
    for (number, own) in [(1, "10.8.0.2"), (3, "10.8.0.4")] {
        assert_eq!(from_client(&mut router, number, &syn(own, "10.0.2.2", 22)).0, TO_HOST);
        assert_eq!(from_client(&mut router, number, &ping(own, "10.0.2.2", 1, 1)).0, TO_HOST);
        assert_eq!(from_client(&mut router, number, &syn(own, "10.0.2.2", 23)).0, Forward::Reply);
        assert_eq!(from_client(&mut router, number, &syn(own, "10.0.2.3", 22)).0, Forward::Reply);
        assert_eq!(from_client(&mut router, number, &udp((own, 1), ("10.0.2.2", 22), b"")).0, Forward::Reply);
    }
    assert!(denials(&mut router).iter().all(|denial| denial.line.is_none()));
    assert_eq!(from_client(&mut router, 2, &syn("10.8.0.3", "10.0.2.2", 22)).0, Forward::Reply);
    let [denial] = &denials(&mut router)[..] else { panic!("one") };
    assert_eq!(denial.identity.as_deref(), Some("client2"));
    assert_eq!((denial.destination, denial.protocol, denial.selector), (ip("10.0.2.2"), TCP, 22));
    assert_eq!((denial.line, denial.silent), (None, false));
    assert_eq!(router.drops().get(DropReason::Denied), 7);
    assert_eq!(router.flows(), 4);
}

#[test]
fn at_the_gateway_s_address_pings_and_names_are_open_and_what_else_the_host_serves_is_not() {
    let mut router = router(config(&["allow client:client1 10.8.0.1/32 tcp 22"]), 2);
    for (number, own, ssh) in [(1, "10.8.0.2", TO_HOST), (2, "10.8.0.3", Forward::Reply)] {
        assert_eq!(from_client(&mut router, number, &ping(own, "10.8.0.1", 1, 1)).0, Forward::Reply);
        assert_eq!(from_client(&mut router, number, &udp((own, 1), ("10.8.0.1", 53), b"")).0, TO_HOST);
        assert_eq!(from_client(&mut router, number, &syn(own, "10.8.0.1", 22)).0, ssh);
        assert_eq!(from_client(&mut router, number, &syn(own, "10.8.0.1", 7505)).0, Forward::Reply);
    }
}

#[test]
fn a_refusal_is_told_by_icmp_and_by_a_reset_and_a_denial_by_nothing() {
    for (own, other) in [("10.8.0.2", "192.0.2.1"), ("fd00:8::2", "2001:db8::1")] {
        let network = if own.contains(':') { "::/0" } else { "0.0.0.0/0" };
        let mut reject = router(config(&[&["reject all ", network].concat()]), 1);
        let (forward, packet) = from_client(&mut reject, 1, &udp((own, 1), (other, 2), b"?"));
        assert_eq!(forward, Forward::Reply);
        assert_checksums(&packet);
        let at = if own.contains(':') { 40 } else { 20 };
        // RFC 1812 §5.2.7.1: 3/13; RFC 4443 §3.1: 1/1.
        assert_eq!(packet[at..at + 2], if own.contains(':') { [1, 1] } else { [3, 13] });
        assert_eq!(reject.drops().get(DropReason::Denied), 1);

        let (forward, packet) = from_client(&mut reject, 1, &syn(own, other, 80));
        assert_eq!(forward, Forward::Reply);
        assert_checksums(&packet);
        let header = crate::wire::ip::IpHeader::parse(&packet).unwrap();
        assert_eq!((header.source, header.destination), (ip(other), ip(own)));
        assert_eq!(packet[at..at + 4], [80_u16.to_be_bytes(), 40_000_u16.to_be_bytes()].concat());
        assert_eq!(packet[at + 13], tcp_flags::RST | tcp_flags::ACK);

        let mut deny = router(config(&[&["deny all ", network].concat()]), 1);
        assert_eq!(from_client(&mut deny, 1, &udp((own, 1), (other, 2), b"?")).0, DENIED);
        assert_eq!(from_client(&mut deny, 1, &syn(own, other, 80)).0, DENIED);
        assert_eq!(deny.drops().get(DropReason::Denied), 2);
        let told = denials(&mut deny);
        assert!(told.len() == 2 && told.iter().all(|denial| denial.silent && denial.line == Some(1)));
    }
}

/// RFC 9293 §3.5.2, group 1: without ACK the reset has sequence 0 and acknowledges all that came; with ACK its sequence
/// is what was acknowledged. A reset is never answered.
#[test]
fn rfc_9293_3_5_2_a_reset_takes_its_numbers_from_the_segment() {
    let answer = |flags, payload: &[u8]| {
        let mut router = router(config(&["reject all 0.0.0.0/0"]), 1);
        let packet = tcp(("10.8.0.2", 1000), ("192.0.2.1", 80), flags, payload);
        let (forward, packet) = from_client(&mut router, 1, &packet);
        (forward == Forward::Reply).then(|| {
            assert_checksums(&packet);
            let word =
                |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
            assert_eq!((packet.len(), &packet[34..36]), (40, &[0, 0][..]));
            (word(24), word(28), packet[33])
        })
    };
    let [fin, syn, rst, ack] = [tcp_flags::FIN, tcp_flags::SYN, tcp_flags::RST, tcp_flags::ACK];
    // The helper's segments have sequence 1 and acknowledge 1.
    assert_eq!(answer(syn, b""), Some((0, 2, rst | ack)));
    assert_eq!(answer(syn, b"early"), Some((0, 7, rst | ack)));
    assert_eq!(answer(syn | fin, b"12"), Some((0, 5, rst | ack)));
    assert_eq!(answer(0, b"123"), Some((0, 4, rst | ack)));
    assert_eq!(answer(ack, b"123"), Some((1, 0, rst)));
    assert_eq!(answer(syn | ack, b""), Some((1, 0, rst)));
    assert_eq!(answer(rst, b""), None);
    assert_eq!(answer(rst | ack, b""), None);
}

#[test]
fn a_change_of_rules_reaches_a_live_flow_at_its_next_packet_in_either_direction() {
    for back in [false, true] {
        let mut router = router(config(&["allow all 192.0.2.0/24"]), 1);
        let forth_packet = tcp(("10.8.0.2", 1000), ("192.0.2.1", 22), tcp_flags::ACK, b"keys");
        let back_packet = tcp(("192.0.2.1", 22), ("10.8.0.2", 1000), tcp_flags::ACK, b"echo");
        assert_eq!(from_client(&mut router, 1, &forth_packet).0, TO_HOST);
        assert_eq!(send(&mut router, NOW, Zone::Host, &back_packet).0, Forward::To(Zone::Peer(peer(1))));
        assert_eq!(router.flows(), 1);

        // Another rule that allows it, too: it goes on.
        router.configure(NOW, config(&["allow all 192.0.2.1/32 tcp 22"]));
        assert_eq!(from_client(&mut router, 1, &forth_packet).0, TO_HOST);
        assert_eq!(router.flows(), 1);

        router.configure(NOW, config(&["allow all 198.51.100.0/24"]));
        let (from, packet) =
            if back { (Zone::Host, &back_packet) } else { (Zone::Peer(peer(1)), &forth_packet) };
        let (forward, answer) = send(&mut router, NOW, from, packet);
        assert_eq!(forward, Forward::Reply);
        assert_eq!(answer[33], tcp_flags::RST);
        assert_checksums(&answer);
        assert_eq!(router.flows(), 0);
        let [denial] = &denials(&mut router)[..] else { panic!("one") };
        assert_eq!((denial.identity.as_deref(), denial.selector), (Some("client1"), 22));
        // Nor does either end begin it anew.
        assert_eq!(from_client(&mut router, 1, &forth_packet).0, Forward::Reply);
        assert_eq!(send(&mut router, NOW, Zone::Host, &back_packet).0, Forward::Reply);
        assert_eq!(router.flows(), 0);

        router.configure(NOW, config(&["deny all 192.0.2.1/32", "allow all 0.0.0.0/0"]));
        assert_eq!(from_client(&mut router, 1, &forth_packet).0, DENIED);
        router.configure(NOW, config(&["allow all 0.0.0.0/0"]));
        assert_eq!(from_client(&mut router, 1, &forth_packet).0, TO_HOST);
    }
}

#[test]
fn another_clients_coming_and_going_leaves_flows_as_they_are() {
    let mut router = router(config(&["allow client:client1 192.0.2.0/24", "allow all 10.8.0.0/16"]), 2);
    let packet = udp(("10.8.0.2", 1000), ("192.0.2.1", 53), b"?");
    assert_eq!(from_client(&mut router, 1, &packet).0, TO_HOST);
    router.client_down(NOW, peer(2));
    assert_eq!(from_client(&mut router, 1, &packet).0, TO_HOST);
    assert_eq!(
        send(&mut router, NOW, Zone::Host, &udp(("192.0.2.1", 53), ("10.8.0.2", 1000), b"!")).0,
        Forward::To(Zone::Peer(peer(1)))
    );
    assert_eq!(router.flows(), 1);
}

#[test]
fn a_flow_whose_way_has_changed_is_begun_anew() {
    let mut router = router(config(&["allow all 0.0.0.0/0"]), 2);
    let packet = udp(("10.8.0.2", 1000), ("10.20.0.1", 53), b"?");
    assert_eq!(from_client(&mut router, 1, &packet).0, TO_HOST);
    router.add_network(NOW, peer(2), IpNetwork::containing(ip("10.20.0.0"), 16));
    assert_eq!(from_client(&mut router, 1, &packet).0, Forward::To(Zone::Peer(peer(2))));
    // What comes back the old way belongs to nothing any more, and from outside nothing begins.
    let answer = udp(("10.20.0.1", 53), ("10.8.0.2", 1000), b"!");
    assert_eq!(send(&mut router, NOW, Zone::Host, &answer).0, Forward::Reply);
    assert_eq!(send(&mut router, NOW, Zone::Peer(peer(2)), &answer).0, Forward::To(Zone::Peer(peer(1))));
    assert_eq!(router.flows(), 1);
}

#[test]
fn between_clients_the_one_that_begins_is_judged() {
    let mut router = router(config(&["allow client:client1 10.8.0.3/32"]), 2);
    let there = udp(("10.8.0.2", 1000), ("10.8.0.3", 2000), b"?");
    let back = udp(("10.8.0.3", 2000), ("10.8.0.2", 1000), b"!");
    assert_eq!(from_client(&mut router, 2, &back).0, Forward::Reply);
    assert_eq!(from_client(&mut router, 1, &there).0, Forward::To(Zone::Peer(peer(2))));
    assert_eq!(from_client(&mut router, 2, &back).0, Forward::To(Zone::Peer(peer(1))));
}

#[test]
fn from_outside_nothing_begins_once_there_is_a_rule() {
    let packet = udp(("192.0.2.1", 1000), ("10.8.0.2", 2000), b"?");
    let logging = RouterConfig { log_flows: true, ..RouterConfig::default() };
    let mut open = router(logging, 1);
    assert_eq!(send(&mut open, NOW, Zone::Host, &packet).0, Forward::To(Zone::Peer(peer(1))));
    let mut closed = router(config(&["allow all 0.0.0.0/0"]), 1);
    assert_eq!(send(&mut closed, NOW, Zone::Host, &packet).0, Forward::Reply);
    let [denial] = &denials(&mut closed)[..] else { panic!("one") };
    assert_eq!((denial.from, denial.identity.as_deref()), (Zone::Host, Some("client1")));
}

#[test]
fn a_flood_of_refused_packets_is_counted_and_told_a_few_times() {
    let mut router = router(config(&["deny all 0.0.0.0/0"]), 2);
    for port in 0..5000 {
        assert_eq!(from_client(&mut router, 1, &udp(("10.8.0.2", 1), ("192.0.2.1", port), b"")).0, DENIED);
    }
    assert_eq!(from_client(&mut router, 2, &udp(("10.8.0.3", 1), ("192.0.2.1", 7), b"")).0, DENIED);
    let told = denials(&mut router);
    assert_eq!(told.iter().filter(|denial| denial.identity.as_deref() == Some("client1")).count(), 4);
    assert_eq!(told.iter().filter(|denial| denial.identity.as_deref() == Some("client2")).count(), 1);
    let later = Instant::from_secs(10);
    let packet = udp(("10.8.0.2", 1), ("192.0.2.1", 9), b"");
    assert_eq!(send(&mut router, later, Zone::Peer(peer(1)), &packet).0, DENIED);
    assert_eq!(denials(&mut router)[0].untold, 4996);
    assert_eq!(router.drops().get(DropReason::Denied), 5002);
}

fn judged(texts: &[&str], groups: &[Group], mode: RuleMode, who: &str, to: &str) -> bool {
    let rules = Rules::new(&rules(texts), groups, mode);
    let asked = Asked { destination: ip(to), protocol: TCP, selector: 443 };
    rules.judge(&rules.layers_of(who), &asked).is_allowed()
}

/// The example of AWS' own page "Authorization rules for Active Directory groups not working as expected": five rules,
/// and who has access to what.
#[test]
fn longest_prefix_is_as_aws_documents_it() {
    let texts = [
        "allow group:one 10.1.0.0/16",
        "allow group:one 0.0.0.0/0",
        "allow group:two 0.0.0.0/0",
        "allow group:three 0.0.0.0/0",
        "allow group:two 172.131.0.0/16",
    ];
    let groups = [group("one", &["a"]), group("two", &["b"]), group("three", &["c"])];
    let may = |who, to| judged(&texts, &groups, RuleMode::LongestPrefix, who, to);
    for (who, ten, hundred) in [("a", true, false), ("b", false, true), ("c", false, false)] {
        assert_eq!(
            (may(who, "10.1.2.3"), may(who, "172.131.0.1"), may(who, "192.0.2.1")),
            (ten, hundred, true)
        );
    }
    // In the union all three have all.
    assert!(["a", "b", "c"].iter().all(|who| judged(&texts, &groups, RuleMode::Union, who, "10.1.2.3")));
    // Without the first and the last, all three have all networks.
    let may = |who| judged(&texts[1..4], &groups, RuleMode::LongestPrefix, who, "10.1.2.3");
    assert!(may("a") && may("b") && may("c") && !may("d"));
}

#[test]
fn the_longest_prefix_shuts_out_even_by_a_rule_for_another_port() {
    let texts = ["allow all 10.0.0.0/8", "allow client:a 10.0.2.2/32 tcp 22"];
    assert!(judged(&texts, &[], RuleMode::Union, "a", "10.0.2.2"));
    assert!(!judged(&texts, &[], RuleMode::LongestPrefix, "a", "10.0.2.2"));
    assert!(judged(&texts, &[], RuleMode::LongestPrefix, "a", "10.0.2.3"));
}

// ---- against the plain way ----

/// The rules as their definition reads, one after the other.
fn plainly(rules: &[Rule], groups: &[Group], mode: RuleMode, identity: &str, asked: &Asked) -> Judgement {
    let is_about = |who: &Who| match who {
        Who::All => true,
        Who::Client(name) => name == identity,
        Who::Group(name) => groups
            .iter()
            .any(|group| group.name == *name && group.members.iter().any(|member| member == identity)),
    };
    let longest = rules.iter().filter(|rule| rule.destination.contains(asked.destination));
    let longest = longest.map(|rule| rule.destination.prefix()).max();
    let fits = |rule: &(u32, &Rule)| {
        let rule = rule.1;
        is_about(&rule.who)
            && rule.destination.contains(asked.destination)
            && (mode == RuleMode::Union || Some(rule.destination.prefix()) == longest)
            && match rule.protocol {
                Protocol::Any => true,
                Protocol::Tcp => asked.protocol == 6,
                Protocol::Udp => asked.protocol == 17,
                Protocol::Icmp => asked.protocol == if asked.destination.is_ipv4() { 1 } else { 58 },
                Protocol::Number(number) => asked.protocol == number,
            }
            && (rule.ports.is_empty() || rule.ports.iter().any(|range| range.contains(&asked.selector)))
    };
    let fitting: Vec<(u32, &Rule)> = (0..).zip(rules).filter(fits).collect();
    let refusal = fitting.iter().find(|(_, rule)| rule.action != Action::Allow);
    match refusal.or_else(|| fitting.first()) {
        Some((number, rule)) => Judgement { action: rule.action, because: Because::Rule(*number) },
        None => Judgement { action: Action::Reject, because: Because::NoneFits },
    }
}

fn any_ports() -> impl Strategy<Value = Vec<RangeInclusive<u16>>> {
    prop::collection::vec((0u16..12, 0u16..4).prop_map(|(first, more)| first..=first + more), 0..3)
}

fn any_network() -> impl Strategy<Value = IpNetwork> {
    prop_oneof![
        3 => (0u32..32, 26u8..=32).prop_map(|(bits, prefix)| {
            IpNetwork::containing(Ipv4Addr::from_bits(0xC000_0200 | bits).into(), prefix)
        }),
        1 => (0u16..8, 120u8..=128)
            .prop_map(|(bits, prefix)| IpNetwork::containing(address_v6(bits), prefix)),
        1 => Just(IpNetwork::containing(ip("0.0.0.0"), 0)),
    ]
}

fn address_v6(bits: u16) -> IpAddr {
    core::net::Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, bits).into()
}

prop_compose! {
    pub(in super::super) fn any_rule()(
        action in prop_oneof![Just(Action::Allow), Just(Action::Allow), Just(Action::Deny), Just(Action::Reject)],
        who in prop_oneof![
            Just(Who::All),
            (1u8..4).prop_map(|number| Who::Client(alloc::format!("client{number}"))),
            (0u8..4).prop_map(|number| Who::Group(alloc::format!("g{number}"))),
        ],
        destination in any_network(),
        (protocol, ports) in prop_oneof![
            Just((Protocol::Any, Vec::new())),
            any_ports().prop_map(|ports| (Protocol::Tcp, ports)),
            any_ports().prop_map(|ports| (Protocol::Udp, ports)),
            any_ports().prop_map(|ports| (Protocol::Icmp, ports)),
            Just((Protocol::Number(47), Vec::new())),
        ],
        line in 1u32..1000,
    ) -> Rule {
        Rule { action, who, destination, protocol, ports, line }
    }
}

pub(in super::super) fn any_groups() -> impl Strategy<Value = Vec<Group>> {
    let one = (0u8..4, prop::collection::vec(1u8..4, 0..3)).prop_map(|(name, members)| Group {
        name: alloc::format!("g{name}"),
        members: members.iter().map(|number| alloc::format!("client{number}")).collect(),
    });
    prop::collection::vec(one, 0..6)
}

prop_compose! {
    fn any_asked()(
        destination in prop_oneof![
            3 => (0u32..32).prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(0xC000_0200 | bits))),
            1 => (0u16..8).prop_map(address_v6),
        ],
        protocol in prop_oneof![Just(TCP), Just(UDP), Just(ICMP), Just(58u8), Just(47u8)],
        selector in 0u16..16,
    ) -> Asked {
        let has_selector = protocol != 47;
        Asked { destination, protocol, selector: if has_selector { selector } else { 0 } }
    }
}

proptest! {
    #[test]
    fn as_the_definition_reads(
        rules in prop::collection::vec(any_rule(), 0..40),
        groups in any_groups(),
        asked in prop::collection::vec(any_asked(), 10),
    ) {
        for mode in [RuleMode::Union, RuleMode::LongestPrefix] {
            let compiled = Rules::new(&rules, &groups, mode);
            prop_assert_eq!(compiled.is_empty(), rules.is_empty());
            for number in 1..5 {
                let identity = "client".to_string() + &number.to_string();
                let layers = compiled.layers_of(&identity);
                for asked in &asked {
                    let plainly = plainly(&rules, &groups, mode, &identity, asked);
                    prop_assert_eq!(compiled.judge(&layers, asked), plainly, "{:?} {:?}", mode, asked);
                }
            }
        }
    }
}
