//! Loss, reordering, duplication, corruption, delay, and an MTU black hole: over a thousand seeds each.

use core::time::Duration;

use crate::event::{CloseReason, Event};
use crate::packet::Verdict;
use crate::sim::{LinkQuality, World, WorldBuilder, numbered, tail, tls_crypt};

const SEEDS: u64 = 1000;
const HAND_WINDOW: Duration = Duration::from_secs(60);

/// A world of that seed and quality; control packets wrapped by tls-crypt, so that a damaged one is dropped.
fn world(seed: u64, quality: LinkQuality) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.quality = quality;
    builder.server.session.wrap = tls_crypt();
    builder.client.session.wrap = tls_crypt();
    let mut world = builder.build();
    world.start();
    world
}

/// Runs a handshake and some packets under every seed. At least 99 % of the handshakes must complete within
/// hand-window; every other one must end by then, with its reason.
fn over_all_seeds(quality: LinkQuality) {
    let mut failures = std::vec::Vec::new();
    for seed in 0..SEEDS {
        let mut world = world(seed, quality);
        let over = |world: &World| !world.client_closings(0).is_empty();
        if !world.run_until(HAND_WINDOW, |world| world.is_authenticated() || over(world)) {
            panic!("seed {seed}: neither through nor over\n{}", tail(&world.trace));
        }
        world.run_until(HAND_WINDOW, |world| world.is_up() || over(world));
        if !world.is_up() {
            failures.push((seed, std::format!("{:?}", world.client_closings(0))));
            continue;
        }
        for number in 0..20 {
            assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
            world.run_for(Duration::from_millis(100));
        }
        world.run_for(Duration::from_secs(3));
        for packet in &world.server_inbox {
            assert!(
                (0..20).any(|number| *packet == numbered(2, 1, number)),
                "seed {seed}: a packet that was never sent"
            );
        }
        let mut unique = world.server_inbox.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), world.server_inbox.len(), "seed {seed}: a packet arrived twice");
    }
    assert!(failures.len() as u64 <= SEEDS / 100, "{} of {SEEDS}, as {:?}", failures.len(), failures.first());
}

#[test]
fn loss_of_thirty_percent() {
    over_all_seeds(LinkQuality { loss: 30, ..LinkQuality::GOOD });
}

#[test]
fn reordering_and_duplication() {
    over_all_seeds(LinkQuality { duplication: 30, jitter: Duration::from_millis(400), ..LinkQuality::GOOD });
}

#[test]
fn corruption() {
    over_all_seeds(LinkQuality { corruption: 5, loss: 5, ..LinkQuality::GOOD });
}

#[test]
fn corruption_without_protection_ends_with_its_reason_and_never_hangs() {
    for seed in 0..SEEDS {
        let mut builder = WorldBuilder::new(seed);
        builder.quality = LinkQuality { corruption: 20, ..LinkQuality::GOOD };
        let mut world = builder.build();
        world.start();
        let over = world
            .run_until(HAND_WINDOW, |world| world.is_authenticated() || !world.client_closings(0).is_empty());
        assert!(over, "seed {seed}: {}", tail(&world.trace));
    }
}

#[test]
fn a_delay_of_a_second() {
    over_all_seeds(LinkQuality { delay: Duration::from_secs(1), ..LinkQuality::GOOD });
}

#[test]
fn an_mtu_black_hole_below_max_packet_size_ends_with_its_reason() {
    // The default of 1250 bytes, IP and UDP headers included, just fits the first; no certificate fits the other.
    for seed in 0..SEEDS {
        let (mtu, works) = if seed % 2 == 0 { (1250 - 28, true) } else { (600, false) };
        let mut world = world(seed, LinkQuality { mtu, loss: 5, ..LinkQuality::GOOD });
        let over =
            world.run_until(HAND_WINDOW, |world| world.is_up() || !world.client_closings(0).is_empty());
        assert!(over, "seed {seed}: {}", tail(&world.trace));
        assert_eq!(world.is_up(), works, "seed {seed}, mtu {mtu}: {}", tail(&world.trace));
        if !works {
            assert_eq!(world.client_closings(0), [&CloseReason::NoTls], "seed {seed}");
        }
    }
}

#[test]
fn both_ends_renegotiate_at_once_over_a_bad_link() {
    for seed in 0..SEEDS {
        let mut world = world(seed, LinkQuality::GOOD);
        assert!(world.run_until(HAND_WINDOW, World::is_up));
        world.quality =
            LinkQuality { loss: 20, duplication: 10, jitter: Duration::from_millis(50), ..LinkQuality::GOOD };
        let peer = world.server.peers().next().expect("a client").peer;
        world.server.renegotiate(world.now, peer).expect("a client");
        world.clients[0].client.renegotiate(world.now);
        let rekeyed = |events: &[Event]| events.iter().any(|event| matches!(event, Event::Rekeyed { .. }));
        let done = world.run_until(HAND_WINDOW, |world| {
            rekeyed(&world.server_events) && rekeyed(&world.clients[0].events)
                || !world.client_closings(0).is_empty()
        });
        assert!(done, "seed {seed}: {}", tail(&world.trace));
        assert!(world.client_closings(0).is_empty(), "seed {seed}: {}", tail(&world.trace));
        world.quality = LinkQuality::GOOD;
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.server_inbox, [numbered(2, 1, 1)], "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || {
        let mut builder = WorldBuilder::new(99);
        builder.quality =
            LinkQuality { loss: 20, duplication: 10, jitter: Duration::from_millis(50), ..LinkQuality::GOOD };
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(120));
        world.trace
    };
    let (first, second) = (run(), run());
    assert!(first.lines().len() > 20);
    assert_eq!(first, second);
}

#[test]
fn a_restarted_server_is_found_again() {
    for seed in 0..SEEDS {
        let mut builder = WorldBuilder::new(seed);
        builder.client.session.ping = Some(Duration::from_secs(10));
        builder.client.session.ping_timeout =
            Some(crate::config::PingTimeout { after: Duration::from_secs(30), exit: false });
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(HAND_WINDOW, World::is_up));
        world.restart_server();
        assert!(
            world.run_until(HAND_WINDOW, |world| !world.client_closings(0).is_empty()),
            "silence was not noticed"
        );
        assert_eq!(world.client_closings(0), [&CloseReason::PingTimeout]);
        assert!(world.run_until(HAND_WINDOW, World::is_up), "seed {seed}: {}", tail(&world.trace));
    }
}
