//! RFC 7857, updates to the behavioural requirements. Sections by number; the text was not at hand where these were
//! written, only summaries of it and RFC 6146 §3.5.2, whose state machine it refers to.

use crate::config::{Filtering, Mapping, RouterConfig};
use crate::reason::DropReason;
use crate::router::Router;
use crate::router::packet::tcp_flags::{ACK, FIN, RST, SYN};
use crate::router::testing::{
    A, B, LAN, NOW, end, masquerade, pass, ping, refuse, router, secs, segment, tcp, udp,
};
use crate::time::Instant;

const X: &str = "192.0.2.10";
const HOST: &str = "192.0.2.99";
const IN: (&str, u16) = ("10.8.0.2", 4000);
const OUT: (&str, u16) = (HOST, 22);
const EXT: (&str, u16) = (X, 4000);

#[track_caller]
fn forth(router: &mut Router, now: Instant, flags: u8, seq: u32, ack: u32) {
    let _ = pass(router, now, A, LAN, &segment(IN, OUT, flags, seq, ack, b""));
}

#[track_caller]
fn back(router: &mut Router, now: Instant, flags: u8, seq: u32, ack: u32) {
    let _ = pass(router, now, LAN, A, &segment(OUT, EXT, flags, seq, ack, b""));
}

fn established() -> Router {
    let mut router = router(masquerade(), 1);
    forth(&mut router, NOW, SYN, 100, 0);
    back(&mut router, NOW, SYN | ACK, 500, 101);
    forth(&mut router, NOW, ACK, 101, 501);
    router
}

/// Whether the connection outlives the transitory time, counted from `since`.
fn lasts(router: &mut Router, since: u64) -> bool {
    for second in since..since + 244 {
        router.handle_timeout(secs(second));
    }
    router.flows() == 1
}

/// §2.1: four minutes until the handshake was seen both ways, and after a FIN both ways.
#[test]
fn rfc7857_section_2_1_the_states_of_a_connection() {
    type Step = fn(&mut Router);
    let steps: [(Step, bool); 7] = [
        (|router| forth(router, NOW, SYN, 100, 0), false),
        (|router| back(router, NOW, SYN | ACK, 500, 101), false),
        (|router| forth(router, NOW, ACK, 101, 501), true),
        (|router| back(router, NOW, FIN | ACK, 501, 101), true),
        (|router| forth(router, NOW, ACK, 101, 502), true),
        (|router| forth(router, NOW, FIN | ACK, 101, 502), false),
        (|router| back(router, NOW, ACK, 502, 102), false),
    ];
    for count in 1..=steps.len() {
        let mut router = router(masquerade(), 1);
        for (step, _) in &steps[..count] {
            step(&mut router);
        }
        assert_eq!(lasts(&mut router, 0), steps[count - 1].1, "after {count} steps");
    }
}

/// An acknowledgement alone, from one side, sets nothing up.
#[test]
fn rfc7857_section_2_1_a_connection_met_in_the_middle_needs_both_ends() {
    let mut router = router(masquerade(), 1);
    forth(&mut router, NOW, ACK, 101, 501);
    assert!(!lasts(&mut router, 0));
    forth(&mut router, secs(300), ACK, 101, 501);
    back(&mut router, secs(300), ACK, 501, 101);
    assert!(lasts(&mut router, 300));
}

/// §2.2: a reset in the window leaves four minutes, one that is not leaves all as it was; what comes afterwards from
/// both ends shows that it was none.
#[test]
fn rfc7857_section_2_2_resets() {
    for (sequence, in_window) in
        [(501, true), (501 + 65_535, true), (500, false), (501 + 1_000_000, false), (0x8000_0000, false)]
    {
        let mut router = established();
        back(&mut router, secs(1), RST, sequence, 0);
        assert_eq!(lasts(&mut router, 1), !in_window, "{sequence}");
    }
    let mut alive = established();
    back(&mut alive, secs(1), RST, 501, 0);
    forth(&mut alive, secs(2), ACK, 101, 501);
    back(&mut alive, secs(2), ACK, 501, 101);
    assert!(lasts(&mut alive, 2));
    // One from inside, likewise.
    let mut ended = established();
    forth(&mut ended, secs(1), RST, 101, 0);
    assert!(!lasts(&mut ended, 1));
}

/// §3: ports are shared between destinations only where that is configured, and no two flows have the same ends.
#[test]
fn rfc7857_section_3_ports_overlap_between_destinations() {
    let mut router = router(RouterConfig { mapping: Mapping::TcpPerDestination, ..masquerade() }, 2);
    let mut seen = alloc::collections::BTreeSet::new();
    let mut ports = alloc::collections::BTreeSet::new();
    for (who, source) in [(A, "10.8.0.2"), (B, "10.8.0.3")] {
        for host in ["192.0.2.91", "192.0.2.92", "192.0.2.93", "192.0.2.94"] {
            for port in 4000..4100 {
                let (own, other) =
                    pass(&mut router, NOW, who, LAN, &tcp((source, port), (host, 22), SYN, b""));
                assert!(seen.insert((own, other)));
                ports.insert(own.1);
                let back = pass(&mut router, NOW, LAN, who, &tcp((host, 22), (X, own.1), SYN | ACK, b""));
                assert_eq!(back.1, end(source, port));
            }
        }
    }
    assert_eq!(seen.len(), 800);
    assert!(ports.len() <= 500, "{}", ports.len());
}

/// §5 and §6: TCP's mappings and filters are not UDP's, nor ICMP's.
#[test]
fn rfc7857_sections_5_and_6_protocols_have_mappings_of_their_own() {
    let config = RouterConfig { filtering: Filtering::EndpointIndependent, ..masquerade() };
    let mut router = router(config, 2);
    let _ = pass(&mut router, NOW, A, LAN, &udp(IN, (HOST, 53), b""));
    refuse(&mut router, NOW, LAN, DropReason::NoMapping, &tcp((HOST, 1), EXT, SYN, b""));
    let other = pass(&mut router, NOW, B, LAN, &tcp(("10.8.0.3", 4000), OUT, SYN, b"")).0;
    assert_eq!(other, end(X, 4000));
    let ping = pass(&mut router, NOW, B, LAN, &ping("10.8.0.3", HOST, 4000, 1)).0;
    assert_eq!(ping, end(X, 4000));
}

/// §7: strangers do not keep a mapping open, nor does an end that refuses them (§7.1).
#[test]
fn rfc7857_section_7_resets_in_answer_to_strangers_keep_nothing_open() {
    let config = RouterConfig { filtering: Filtering::EndpointIndependent, ..masquerade() };
    let mut router = router(config, 1);
    forth(&mut router, NOW, SYN, 100, 0);
    for second in (0..300).step_by(10) {
        router.handle_timeout(secs(second));
        if second < 240 {
            let stranger = ("203.0.113.9", 1000 + second as u16);
            let _ = pass(&mut router, secs(second), LAN, A, &tcp(stranger, EXT, SYN, b""));
            let _ = pass(&mut router, secs(second), A, LAN, &tcp(IN, stranger, RST | ACK, b""));
        }
    }
    router.handle_timeout(secs(300));
    refuse(&mut router, secs(300), LAN, DropReason::NoMapping, &tcp(("203.0.113.9", 9), EXT, SYN, b""));
}

/// §9: a port that is not kept is a random one (RFC 6056): over the whole range, evenly.
#[test]
fn rfc7857_section_9_changed_ports_are_random() {
    let mut router = router(masquerade(), 2);
    let mut counts = [0_u32; 16];
    let mut last = 0_u16;
    let mut near = 0;
    for inside in 20_000..24_000 {
        let _ = pass(&mut router, NOW, A, LAN, &udp(("10.8.0.2", inside), (HOST, 53), b""));
    }
    for inside in 20_000..24_000 {
        let (_, port) = pass(&mut router, NOW, B, LAN, &udp(("10.8.0.3", inside), (HOST, 53), b"")).0;
        counts[usize::from(port - 1024) * 16 / 64512] += 1;
        near += u32::from(port.abs_diff(last) < 8);
        last = port;
    }
    // Chi-squared with 15 degrees of freedom is below 44 but once in ten thousand; the range taken by the first
    // client is missing in one or two of the sixteen parts.
    let free = |part: usize| {
        let ports = 1024 + part * 4032..1024 + (part + 1) * 4032;
        4032 - ports.filter(|port| (20_000..24_000).contains(port)).count()
    };
    let expected = |part| 4000.0 * free(part) as f64 / (64_512.0 - 4000.0);
    let chi: f64 = (0..16)
        .filter(|&part| expected(part) > 20.0)
        .map(|part| (f64::from(counts[part]) - expected(part)).powi(2) / expected(part))
        .sum();
    assert!(chi < 44.0, "{chi}: {counts:?}");
    assert!(near < 20, "{near} of 4000 were next to the one before");
}
