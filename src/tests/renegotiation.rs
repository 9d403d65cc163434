//! New keys, while packets flow.

use core::time::Duration;

use crate::event::Event;
use crate::packet::Verdict;
use crate::sim::{World, WorldBuilder, numbered, tail};

/// Sends numbered packets both ways for so long, and checks that all of them arrive.
fn none_missing(world: &mut World, time: Duration) {
    none_missing_while(world, time, |_, _| {});
}

/// The same; `each` is called with the number of every packet before it is sent.
fn none_missing_while(world: &mut World, time: Duration, mut each: impl FnMut(&mut World, u32)) {
    let end = world.now + time;
    let mut sent = 0;
    while world.now < end {
        each(world, sent);
        assert_eq!(world.send_from_client(0, &numbered(2, 1, sent)), Verdict::Transmit);
        assert_eq!(world.send_from_server(&numbered(1, 2, sent)), Verdict::Transmit);
        sent += 1;
        world.run_for(Duration::from_millis(50));
    }
    world.run_for(Duration::from_secs(1));
    let expected_at_server: std::vec::Vec<_> = (0..sent).map(|number| numbered(2, 1, number)).collect();
    let expected_at_client: std::vec::Vec<_> = (0..sent).map(|number| numbered(1, 2, number)).collect();
    assert_eq!(world.server_inbox, expected_at_server);
    assert_eq!(world.clients[0].inbox, expected_at_client);
}

fn rekeys(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Rekeyed { .. })).count()
}

#[test]
fn keys_change_by_time_and_no_packet_is_lost() {
    for (client, server) in [(None, Some(20)), (Some(20), None), (Some(20), Some(20))] {
        let mut builder = WorldBuilder::new(20);
        builder.client.session.renegotiate.after = client.map(Duration::from_secs);
        builder.server.session.renegotiate.after = server.map(Duration::from_secs);
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(Duration::from_secs(5), World::is_up));
        // Nine renegotiations go once round the key ids, whose last is 7 and whose next is then 1.
        none_missing(&mut world, Duration::from_secs(200));
        assert!(rekeys(&world.server_events) >= 9, "{}", tail(&world.trace));
        assert_eq!(rekeys(&world.server_events), rekeys(&world.clients[0].events));
    }
}

#[test]
fn keys_change_faster_than_they_come_into_use() {
    let mut world = WorldBuilder::new(23).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    // Every half second, while a new key may wait for a minute until it sends.
    none_missing_while(&mut world, Duration::from_secs(20), |world, number| {
        if number % 10 == 0 {
            world.clients[0].client.renegotiate(world.now);
        }
    });
    assert!(rekeys(&world.server_events) >= 30, "{}", tail(&world.trace));
}

#[test]
fn keys_change_by_packets() {
    let mut builder = WorldBuilder::new(21);
    // A key is replaced for what it has carried, and begins to carry at the latest when hand-window has passed.
    builder.server.session.renegotiate.packets = Some(100);
    builder.server.session.hand_window = Duration::from_secs(5);
    builder.client.session.hand_window = Duration::from_secs(5);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    none_missing(&mut world, Duration::from_secs(60));
    assert!(rekeys(&world.server_events) >= 5, "{}", tail(&world.trace));
}

#[test]
fn both_ends_may_begin_at_once() {
    let mut builder = WorldBuilder::new(22);
    builder.client.session.renegotiate.after = None;
    builder.server.session.renegotiate.after = None;
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    for _ in 0..10 {
        let peer = world.server.peers().next().expect("a client").peer;
        world.server.renegotiate(world.now, peer).expect("a client");
        world.clients[0].client.renegotiate(world.now);
        world.run_for(Duration::from_secs(5));
    }
    assert_eq!(rekeys(&world.server_events), 10, "{}", tail(&world.trace));
    assert_eq!(rekeys(&world.clients[0].events), 10);
}
