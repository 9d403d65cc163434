//! RFC 5382, NAT behavioural requirements for TCP. Each test names the requirement that it is for, and rests on its
//! text. REQ-6 is as RFC 4787 REQ-10; REQ-9 is tested with ICMP errors.

use core::time::Duration;

use crate::config::{Filtering, Lifetimes, RouterConfig};
use crate::reason::DropReason;
use crate::router::packet::tcp_flags::{ACK, FIN, RST, SYN};
use crate::router::testing::{
    A, B, LAN, NOW, end, masquerade, output, pass, refuse, router, secs, segment, send, tcp,
};
use crate::router::{Forward, Router};
use crate::time::Instant;

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";
const IN: (&str, u16) = ("10.8.0.2", 4000);
const OUT: (&str, u16) = (HOST, 22);
const EXT: (&str, u16) = (X, 4000);

fn filtering(filtering: Filtering) -> RouterConfig {
    RouterConfig { filtering, ..masquerade() }
}

/// A segment from inside.
#[track_caller]
fn forth(router: &mut Router, now: Instant, flags: u8, seq: u32, ack: u32) {
    let sent = pass(router, now, A, LAN, &segment(IN, OUT, flags, seq, ack, b""));
    assert_eq!(sent, (end(EXT.0, EXT.1), end(OUT.0, OUT.1)));
}

/// A segment from outside.
#[track_caller]
fn back(router: &mut Router, now: Instant, flags: u8, seq: u32, ack: u32) {
    let sent = pass(router, now, LAN, A, &segment(OUT, EXT, flags, seq, ack, b""));
    assert_eq!(sent, (end(OUT.0, OUT.1), end(IN.0, IN.1)));
}

#[track_caller]
fn shake_hands(router: &mut Router, now: Instant) {
    forth(router, now, SYN, 100, 0);
    back(router, now, SYN | ACK, 500, 101);
    forth(router, now, ACK, 101, 501);
}

/// REQ-1: endpoint-independent mapping.
#[test]
fn rfc5382_req_1_one_outside_end_towards_all_destinations() {
    let mut router = router(masquerade(), 2);
    let _ = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), OUT, SYN, b""));
    let first = pass(&mut router, NOW, A, LAN, &tcp(IN, OUT, SYN, b"")).0;
    assert_ne!(first.1, 4000);
    for host in ["192.0.2.98", "203.0.113.7"] {
        for port in [22, 443, 50000] {
            assert_eq!(pass(&mut router, NOW, A, LAN, &tcp(IN, (host, port), SYN, b"")).0, first);
        }
    }
}

/// REQ-2: all valid sequences of packets, begun from inside.
#[test]
fn rfc5382_req_2_every_valid_sequence_passes() {
    let mut usual = router(masquerade(), 1);
    forth(&mut usual, NOW, SYN, 100, 0);
    forth(&mut usual, secs(1), SYN, 100, 0); // once more
    back(&mut usual, secs(1), SYN | ACK, 500, 101);
    back(&mut usual, secs(2), SYN | ACK, 500, 101);
    forth(&mut usual, secs(2), ACK, 101, 501);
    // Half-closed: the other half goes on.
    forth(&mut usual, secs(3), FIN | ACK, 101, 501);
    back(&mut usual, secs(3), ACK, 501, 102);
    for second in [1000, 5000, 9000] {
        usual.handle_timeout(secs(second));
        back(&mut usual, secs(second), ACK, 501, 102);
        forth(&mut usual, secs(second), ACK, 102, 502);
    }
    back(&mut usual, secs(9001), FIN | ACK, 502, 102);
    forth(&mut usual, secs(9001), ACK, 102, 503);
    back(&mut usual, secs(9002), FIN | ACK, 502, 102); // once more, within the time that both wait
    forth(&mut usual, secs(9002), ACK, 102, 503);
    // The same ends again.
    shake_hands(&mut usual, secs(9100));
    usual.handle_timeout(secs(9100 + 7000));
    back(&mut usual, secs(9100 + 7000), ACK, 501, 101);

    // Data in the SYN (RFC 7413), and an answer with data.
    let mut fast = router(masquerade(), 1);
    let opening = segment(IN, OUT, SYN, 100, 0, b"GET / HTTP/1.0\r\n\r\n");
    let _ = pass(&mut fast, NOW, A, LAN, &opening);
    let _ = pass(&mut fast, NOW, LAN, A, &segment(OUT, EXT, SYN | ACK, 500, 119, b"HTTP/1.0 200 OK"));
    forth(&mut fast, NOW, ACK, 119, 516);

    // A reset in each state.
    for state in 0..4 {
        let mut reset = router(masquerade(), 1);
        let steps: [fn(&mut Router); 3] = [
            |router| forth(router, NOW, SYN, 100, 0),
            |router| back(router, NOW, SYN | ACK, 500, 101),
            |router| forth(router, NOW, ACK, 101, 501),
        ];
        forth(&mut reset, NOW, SYN, 100, 0);
        for step in &steps[..state] {
            step(&mut reset);
        }
        back(&mut reset, NOW, RST | ACK, 501, 101);
        forth(&mut reset, NOW, RST, 101, 0);
    }
}

/// REQ-2a: simultaneous open, where the filter keeps strangers out: the first SYN from outside is too early, and its
/// repetition meets the connection.
#[test]
fn rfc5382_req_2a_simultaneous_open() {
    let mut router = router(masquerade(), 1);
    let syn = segment(OUT, EXT, SYN, 500, 0, b"");
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &syn);
    forth(&mut router, secs(1), SYN, 100, 0);
    back(&mut router, secs(1), SYN, 500, 0);
    forth(&mut router, secs(1), SYN | ACK, 100, 501);
    back(&mut router, secs(1), SYN | ACK, 500, 101);
    forth(&mut router, secs(1), ACK, 101, 501);
    router.handle_timeout(secs(7000));
    back(&mut router, secs(7000), ACK, 501, 101);
}

/// REQ-2: the same, begun from outside, where that is permitted.
#[test]
fn rfc5382_req_2_connections_from_outside_where_the_filter_lets_them_in() {
    let mut router = router(filtering(Filtering::EndpointIndependent), 1);
    let _ = pass(&mut router, NOW, A, LAN, &tcp(IN, ("192.0.2.98", 3478), SYN, b""));
    back(&mut router, NOW, SYN, 500, 0);
    forth(&mut router, NOW, SYN | ACK, 100, 501);
    back(&mut router, NOW, ACK, 501, 101);
    router.handle_timeout(secs(7000));
    forth(&mut router, secs(7000), ACK, 101, 501);
}

/// REQ-3: endpoint-independent or address-dependent filtering.
#[test]
fn rfc5382_req_3_who_may_connect_to_a_mapping() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    for (mode, lets_in) in [
        (EndpointIndependent, [true, true]),
        (AddressDependent, [true, false]),
        (AddressAndPortDependent, [false, false]),
    ] {
        let mut router = router(filtering(mode), 1);
        forth(&mut router, NOW, SYN, 100, 0);
        for (stranger, lets_in) in [(HOST, 23), ("192.0.2.98", 22)].into_iter().zip(lets_in) {
            let packet = tcp(stranger, EXT, SYN, b"");
            if lets_in {
                let _ = pass(&mut router, NOW, LAN, A, &packet);
            } else {
                refuse(&mut router, NOW, LAN, DropReason::Filtered, &packet);
            }
        }
    }
}

/// REQ-4: an unsolicited SYN is not answered for six seconds, and then with ICMP "port unreachable".
#[test]
fn rfc5382_req_4_an_unsolicited_syn_is_answered_after_six_seconds() {
    for (own, stranger) in [(X, HOST), ("2001:db8::10", "2001:db8::99")] {
        let mut router = router(masquerade(), 1);
        let syn = tcp((stranger, 5000), (own, 80), SYN, b"");
        refuse(&mut router, NOW, LAN, DropReason::NoMapping, &syn);
        refuse(&mut router, secs(3), LAN, DropReason::NoMapping, &syn); // once more changes nothing
        router.handle_timeout(Instant::from_millis(5900));
        assert!(output(&mut router, Instant::from_millis(5900)).is_none());
        let due = router.next_timeout().expect("an answer is due").at;
        assert!(due >= secs(6) && due <= Instant::from_millis(6500), "{due:?}");
        router.handle_timeout(due);
        let (to, error) = output(&mut router, due).expect("an answer");
        assert_eq!(to, LAN);
        crate::router::testing::assert_checksums(&error);
        let header = crate::wire::ip::IpHeader::parse(&error).expect("a packet");
        let ip = crate::router::testing::ip;
        assert_eq!((header.source, header.destination), (ip(own), ip(stranger)));
        let at = if own.contains(':') { 40 } else { 20 };
        assert_eq!(error[at..at + 2], if at == 40 { [1, 4] } else { [3, 3] });
        assert_eq!(error[at + 8..], syn);
        assert!(output(&mut router, due).is_none());
        assert!(router.next_timeout().is_none());
    }
}

/// REQ-4: if the same connection is begun from inside meanwhile, the SYN is dropped in silence.
#[test]
fn rfc5382_req_4_a_syn_that_is_met_from_inside_is_dropped_in_silence() {
    let mut router = router(masquerade(), 1);
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &tcp(OUT, EXT, SYN, b""));
    forth(&mut router, secs(5), SYN, 100, 0);
    router.handle_timeout(secs(7));
    assert!(output(&mut router, secs(7)).is_none());
}

/// A flood of them costs no memory, and none is answered before its time.
#[test]
fn rfc5382_req_4_a_flood_of_syns_is_bounded() {
    let mut router = router(masquerade(), 1);
    for number in 0..10_000 {
        let syn = tcp((HOST, number), (X, 80), SYN, b"");
        assert!(matches!(send(&mut router, NOW, LAN, &syn).0, Forward::Drop(_)));
    }
    router.handle_timeout(secs(7));
    let answers = core::iter::from_fn(|| output(&mut router, secs(7))).count();
    assert!((1..=64).contains(&answers), "{answers}");
}

/// REQ-5: 2 h 4 min when established, 4 min otherwise, at least; REQ-5a: configurable.
#[test]
fn rfc5382_req_5_lifetimes() {
    let lifetimes = Lifetimes::default();
    assert!(lifetimes.tcp_established >= Duration::from_secs(2 * 3600 + 4 * 60));
    assert!(lifetimes.tcp_transitory >= Duration::from_secs(4 * 60));
    // Set up halfway, established, established and closed.
    for (state, alive, gone) in [(0, 239, 243), (1, 239, 243), (2, 7439, 7444), (3, 239, 243)] {
        let mut router = router(masquerade(), 1);
        forth(&mut router, NOW, SYN, 100, 0);
        if state >= 1 {
            back(&mut router, NOW, SYN | ACK, 500, 101);
        }
        if state >= 2 {
            forth(&mut router, NOW, ACK, 101, 501);
        }
        if state >= 3 {
            forth(&mut router, NOW, FIN | ACK, 101, 501);
            back(&mut router, NOW, FIN | ACK, 501, 102);
            forth(&mut router, NOW, ACK, 102, 502);
        }
        router.handle_timeout(secs(alive));
        assert_eq!(router.flows(), 1, "state {state}");
        // What is due beyond the wheel's reach is looked at now and then.
        for second in (alive..=gone).chain([gone]) {
            router.handle_timeout(secs(second));
        }
        assert_eq!(router.flows(), 0, "state {state}");
    }
}

/// An hour of silence does nothing to an established connection.
#[test]
fn rfc5382_req_5_an_hour_of_idle_tcp() {
    let mut router = router(masquerade(), 1);
    shake_hands(&mut router, NOW);
    while let Some(deadline) = router.next_timeout().filter(|deadline| deadline.at < secs(3600)) {
        router.handle_timeout(deadline.at);
    }
    back(&mut router, secs(3600), ACK, 501, 101);
    forth(&mut router, secs(3600), ACK, 101, 502);
}

/// REQ-7: no port overloading.
#[test]
fn rfc5382_req_7_no_two_inside_ends_share_a_port() {
    let mut router = router(masquerade(), 2);
    let one = pass(&mut router, NOW, A, LAN, &tcp(IN, OUT, SYN, b"")).0;
    let two = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), ("192.0.2.98", 22), SYN, b"")).0;
    assert_ne!(one, two);
}

/// REQ-8: hairpinning; REQ-8a: with the sender's outside end.
#[test]
fn rfc5382_req_8_clients_connect_by_their_outside_ends() {
    let mut router = router(filtering(Filtering::EndpointIndependent), 2);
    let _ = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 6000), OUT, SYN, b""));
    let syn = pass(&mut router, NOW, A, B, &tcp(IN, (X, 6000), SYN, b""));
    assert_eq!(syn, (end(X, 4000), end("10.8.0.3", 6000)));
    let answer = pass(&mut router, NOW, B, A, &tcp(("10.8.0.3", 6000), (X, 4000), SYN | ACK, b""));
    assert_eq!(answer, (end(X, 6000), end(IN.0, IN.1)));
}

/// REQ-10: no ICMP message ends a mapping or a connection.
#[test]
fn rfc5382_req_10_icmp_ends_nothing() {
    let mut router = router(masquerade(), 1);
    shake_hands(&mut router, NOW);
    let (_, outside) = send(&mut router, NOW, A, &segment(IN, OUT, ACK, 101, 501, b"abc"));
    for kind in 0..=255 {
        for code in 0..16 {
            let mut icmp = alloc::vec![kind, code, 0, 0, 0, 0, 0, 0];
            icmp.extend(&outside[..28]);
            let _ = send(&mut router, NOW, LAN, &crate::router::testing::packet("203.0.113.1", X, 1, &icmp));
        }
    }
    router.handle_timeout(secs(7000));
    back(&mut router, secs(7000), ACK, 501, 101);
}
