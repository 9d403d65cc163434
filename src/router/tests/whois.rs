//! Who it was.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::config::{Nat, RouterConfig};
use crate::limits::Limits;
use crate::router::testing::{ip, masquerade, pass, peer, router, router_within, send, udp};
use crate::router::{FlowRecord, LogSearch, Question, Router, RouterEvent, Timestamp, Zone};
use crate::time::Instant;

const OWN: &str = "192.0.2.10";

fn logging() -> RouterConfig {
    RouterConfig { log_flows: true, ..masquerade() }
}

/// One datagram of that client to a host outside; the port that it is seen with.
fn out(router: &mut Router, now: Instant, number: u32, port: u16) -> u16 {
    let source = alloc::format!("10.8.0.{}", number + 1);
    let packet = udp((&source, port), ("192.0.2.99", 53), b"?");
    pass(router, now, Zone::Peer(peer(number)), Zone::Lan, &packet).0.1
}

fn question(port: u16) -> Question {
    Question { port: Some(port), protocol: Some(17), ..Question::new(ip(OWN)) }
}

fn who(router: &Router, port: u16, at: Instant) -> Vec<String> {
    let answer = router.whois(&question(port), at);
    assert!(answer.is_complete());
    answer.holders.iter().map(|holder| holder.identity.to_string()).collect()
}

fn secs(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

#[test]
fn a_port_of_the_shared_address_leads_to_its_client_even_when_it_has_gone() {
    let mut router = router(logging(), 2);
    let first = out(&mut router, secs(10), 1, 4000);
    let second = out(&mut router, secs(10), 2, 4000);
    assert_ne!(first, second);
    assert_eq!(who(&router, first, secs(11)), ["client1"]);
    assert_eq!(who(&router, second, secs(11)), ["client2"]);
    assert!(who(&router, first, secs(9)).is_empty() && who(&router, 4001, secs(11)).is_empty());
    let answer = router.whois(&question(first), secs(11)).to_string();
    assert_eq!(answer, "client1: 192.0.2.10:4000 for 10.8.0.2:4000 to 192.0.2.99:53");

    out(&mut router, secs(20), 1, 4000);
    router.client_down(secs(21), peer(1));
    router.handle_timeout(secs(21));
    assert_eq!(router.flows(), 1);
    assert_eq!(who(&router, first, secs(15)), ["client1"]);
    assert!(who(&router, first, secs(25)).is_empty());
    let ended = core::iter::from_fn(|| router.poll_event()).find_map(|event| match event {
        RouterEvent::FlowEnded(flow) => Some(flow),
        _ => None,
    });
    assert_eq!(ended.expect("an end").identity.as_deref(), Some("client1"));
}

#[test]
fn a_client_that_comes_in_anothers_place_does_not_inherit_what_it_did() {
    let mut router = router(logging(), 1);
    let port = out(&mut router, secs(10), 1, 4000);
    let (before, after) = (peer(1), crate::PeerId::new(1, 2));
    router.client_down(secs(20), before);
    let client = crate::router::ClientSetup {
        identity: "other".into(),
        networks: alloc::vec![ip("10.8.0.2").into()],
        mtu: 1500,
        limits: None,
    };
    router.client_up(secs(20), after, client);
    router.handle_timeout(secs(21));
    assert_eq!(who(&router, port, secs(10)), ["client1"]);
    assert!(who(&router, port, secs(30)).is_empty());
    let at = |seconds| {
        let answer = router.whois(&Question::new(ip("10.8.0.2")), secs(seconds));
        answer.holders.iter().map(|holder| holder.identity.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(at(10), ["client1"]);
    assert_eq!(at(22), ["other"]);
}

#[test]
fn what_is_forgotten_is_said_to_be() {
    let limits = Limits { history: 4, ..Limits::ROUTER };
    let mut router = router_within(&limits, masquerade(), 1);
    let at = |number: u16| secs(1000 * u64::from(number));
    for number in 1..=10 {
        router.handle_timeout(at(number));
        out(&mut router, at(number), 1, number);
    }
    let known = |number| {
        let answer = router.whois(&question(number), at(number));
        (answer.holders.len(), answer.is_complete())
    };
    assert_eq!((known(10), known(9), known(6)), ((1, true), (1, true), (1, true)));
    assert_eq!((known(5), known(1)), ((0, false), (0, false)));
    assert!(router.whois(&question(1), at(1)).to_string().contains("the flow log may know more"));
}

#[test]
fn without_translation_an_address_leads_to_who_had_it() {
    let mut router = router(RouterConfig::default(), 2);
    router.add_network(secs(5), peer(2), crate::config::IpNetwork::containing(ip("10.20.0.0"), 16));
    router.client_down(secs(10), peer(2));
    let at = |address, seconds| {
        let answer = router.whois(&Question::new(ip(address)), secs(seconds));
        answer.holders.first().map(|holder| holder.identity.to_string())
    };
    assert_eq!(at("10.8.0.3", 9).as_deref(), Some("client2"));
    assert_eq!(at("10.20.3.4", 9).as_deref(), Some("client2"));
    assert_eq!(at("10.20.3.4", 4), None);
    assert_eq!(at("10.8.0.3", 11), None);
    assert_eq!(at("10.8.0.2", 11).as_deref(), Some("client1"));
}

/// The events become lines, and the lines tell the same when the router itself has forgotten.
#[test]
fn the_log_of_its_events_tells_the_same() {
    let mut router = router(logging(), 2);
    let clock = |at: Instant| Timestamp(1_795_870_200_000 + at.as_nanos() / 1_000_000);
    let port = out(&mut router, secs(10), 1, 4000);
    let _ = send(&mut router, secs(11), Zone::Lan, &udp(("192.0.2.99", 53), (OWN, port), b"an answer"));
    router.client_down(secs(20), peer(1));
    router.handle_timeout(secs(21));
    let port_of_second = out(&mut router, secs(30), 2, 4000);
    let log: String = core::iter::from_fn(|| router.poll_event())
        .filter_map(|event| FlowRecord::of(&event, clock))
        .map(|record| record.to_string() + "\n")
        .collect();
    let line = log.lines().find(|line| line.contains("\"end\",")).expect("an end");
    for part in [
        r#""event":"end","identity":"client1","protocol":"udp","inside":"10.8.0.2:4000""#,
        r#""outside":"192.0.2.10:4000","destination":"192.0.2.99:53""#,
        r#""bytes":66,"sent":29,"received":37"#,
    ] {
        assert!(line.contains(part), "{line}");
    }
    for (port, at, expected) in [
        (port, 10, &["client1"][..]),
        (port_of_second, 31, &["client2"]),
        (port_of_second, 5000, &["client2"]),
        (4001, 10, &[]),
    ] {
        let mut search = LogSearch::new(question(port), clock(secs(at)));
        log.lines().for_each(|line| search.line(line));
        let answer = search.finish();
        assert_eq!(answer.malformed, 0);
        assert_eq!(answer.identities(), expected);
    }
    // The address in the tunnel, by its lease.
    let mut search = LogSearch::new(Question::new(ip("10.8.0.2")), clock(secs(15)));
    log.lines().for_each(|line| search.line(line));
    assert_eq!(search.finish().identities(), ["client1"]);
}

#[test]
fn an_address_of_its_own_and_a_block_lead_to_the_identity_by_the_lease() {
    let identity = Nat::Identity([ip("192.0.2.200")..=ip("192.0.2.220")].into());
    let blocks = Nat::Blocks { size: 1024, addresses: [ip("192.0.2.77")].into() };
    for nat in [identity, blocks] {
        let mut router = router(RouterConfig { nat, ..logging() }, 2);
        let source = |number| alloc::format!("10.8.0.{}", number + 1);
        let seen = [1, 2].map(|number| {
            let packet = udp((&source(number), 4000), ("192.0.2.99", 53), b"?");
            pass(&mut router, secs(10), Zone::Peer(peer(number)), Zone::Lan, &packet).0
        });
        router.client_down(secs(20), peer(1));
        let log: String = core::iter::from_fn(|| router.poll_event())
            .filter_map(|event| FlowRecord::of(&event, |at| Timestamp(at.as_nanos() / 1_000_000)))
            .map(|record| record.to_string() + "\n")
            .collect();
        for ((address, port), expected) in seen.into_iter().zip(["client1", "client2"]) {
            let question = Question { port: Some(port), ..Question::new(address) };
            let answer = router.whois(&question, secs(15));
            let leases: Vec<_> = answer.holders.iter().filter(|holder| holder.protocol.is_none()).collect();
            assert_eq!(leases.len(), 1);
            assert!(answer.holders.iter().all(|holder| &*holder.identity == expected), "{answer}");
            let mut search = LogSearch::new(question, Timestamp(15_000));
            log.lines().filter(|line| line.contains("lease")).for_each(|line| search.line(line));
            assert_eq!(search.finish().identities(), [expected]);
        }
        let (address, port) = seen[0];
        let question = Question { port: Some(port), ..Question::new(address) };
        assert!(router.whois(&question, secs(25)).holders.iter().all(|holder| holder.protocol.is_some()));
    }
}
