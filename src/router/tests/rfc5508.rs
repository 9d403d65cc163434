//! RFC 5508, NAT behavioural requirements for ICMP: what concerns queries. What concerns errors is tested with those.

use core::time::Duration;

use crate::config::{Lifetimes, RouterConfig};
use crate::reason::DropReason;
use crate::router::Forward;
use crate::router::testing::{
    A, B, LAN, NOW, assert_checksums, end, identity, masquerade, packet, pass, ping, pong, refuse, router,
    secs, send, udp,
};

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";

/// REQ-1: queries from inside and their answers pass; REQ-1a and b: one identifier towards all destinations.
#[test]
fn rfc5508_req_1_one_identifier_towards_all_destinations() {
    let mut router = router(masquerade(), 2);
    let _ = pass(&mut router, NOW, B, LAN, &ping("10.8.0.3", HOST, 77, 1));
    let mut seen = alloc::collections::BTreeSet::new();
    for host in ["192.0.2.99", "192.0.2.98", "203.0.113.7"] {
        let out = pass(&mut router, NOW, A, LAN, &ping("10.8.0.2", host, 77, 1)).0;
        seen.insert(out.1);
        let back = pass(&mut router, NOW, LAN, A, &pong(host, X, out.1, 1));
        assert_eq!(back, (end(host, 0), end("10.8.0.2", 77)));
    }
    assert_eq!(seen.len(), 1);
    assert!(!seen.contains(&77));
}

/// REQ-2: 60 seconds at least; REQ-2a: configurable. RFC 7857 §11 says the same of the mapping.
#[test]
fn rfc5508_req_2_a_query_lives_for_a_minute_at_least() {
    assert!(Lifetimes::default().icmp >= Duration::from_secs(60));
    let lifetimes = Lifetimes { icmp: Duration::from_secs(90), ..Lifetimes::default() };
    for (config, alive, gone) in
        [(masquerade(), 59, 63), (RouterConfig { lifetimes, ..masquerade() }, 89, 93)]
    {
        let mut router = router(config, 1);
        let _ = pass(&mut router, NOW, A, LAN, &ping("10.8.0.2", HOST, 77, 1));
        router.handle_timeout(secs(alive));
        let _ = pass(&mut router, secs(alive), LAN, A, &pong(HOST, X, 77, 1));
        router.handle_timeout(secs(gone));
        assert_eq!(router.flows(), 0);
        refuse(&mut router, secs(gone), LAN, DropReason::BadIcmp, &pong(HOST, X, 77, 1));
    }
}

/// REQ-7: with an address for each, clients ping each other by it; RFC 7857 §12 confirms it.
#[test]
fn rfc5508_req_7_a_ping_between_outside_addresses() {
    let mut router = router(identity(&[("192.0.2.200", "192.0.2.201")]), 2);
    let sent = pass(&mut router, NOW, A, B, &ping("10.8.0.2", "192.0.2.201", 77, 1));
    assert_eq!(sent, (end("192.0.2.200", 77), end("10.8.0.3", 0)));
    let back = pass(&mut router, NOW, B, A, &pong("10.8.0.3", "192.0.2.200", 77, 1));
    assert_eq!(back, (end("192.0.2.201", 0), end("10.8.0.2", 77)));
    let own = pass(&mut router, NOW, A, A, &ping("10.8.0.2", "192.0.2.200", 78, 1));
    assert_eq!(own, (end("192.0.2.200", 78), end("10.8.0.2", 0)));
    let back = pass(&mut router, NOW, A, A, &pong("10.8.0.2", "192.0.2.200", 78, 1));
    assert_eq!(back, (end("192.0.2.200", 0), end("10.8.0.2", 78)));
    // From outside nobody answers for a client.
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &ping(HOST, "192.0.2.201", 77, 1));
}

/// REQ-8: when it may not be: "administratively prohibited"; RFC 6888 REQ-11 has another code for when it cannot be.
#[test]
fn rfc5508_req_8_who_may_have_no_more_is_told() {
    let mut config = masquerade();
    config.client_limits.ports = Some(2);
    let mut router = router(config, 1);
    for (source, host, error) in
        [("10.8.0.2", HOST, [3, 13]), ("fd00:8::2", "2001:db8::99", [1, 1])].into_iter()
    {
        // A limit is one for both families.
        let first = if source.contains(':') { 2 } else { 0 };
        for port in first..3 {
            let (forward, answer) = send(&mut router, NOW, A, &udp((source, 4000 + port), (host, 53), b""));
            if port < 2 {
                assert_eq!(forward, Forward::To(LAN));
            } else {
                assert_eq!(forward, Forward::Reply);
                assert_checksums(&answer);
                let at = if source.contains(':') { 40 } else { 20 };
                assert_eq!(answer[at..at + 2], error);
            }
        }
    }
    // Who has ports goes on, and other protocols have their own.
    let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", 4000), ("192.0.2.98", 53), b""));
    let _ = pass(&mut router, NOW, A, LAN, &ping("10.8.0.2", HOST, 1, 1));
    assert_eq!(router.drops().get(DropReason::ClientLimit), 2);
}

/// REQ-11: what is neither a query that we know nor an error is dropped.
#[test]
fn rfc5508_req_11_other_icmp_is_dropped() {
    let mut router = router(masquerade(), 1);
    // Source quench, redirect, router advertisement and solicitation, timestamp, information, address mask.
    for kind in [4, 5, 9, 10, 13, 14, 15, 16, 17, 18] {
        let message = packet("10.8.0.2", HOST, 1, &[kind, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        refuse(&mut router, NOW, A, DropReason::BadIcmp, &message);
    }
}
