//! A client's address changes (`float`).

use core::time::Duration;

use crate::event::Event;
use crate::sim::{World, WorldBuilder, numbered, tail};
use crate::{DropReason, LinkId, Packet, Path, Verdict};

#[test]
fn a_client_that_moved_is_followed_at_its_first_packet() {
    let mut world = WorldBuilder::new(60).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.move_client(0);
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_inbox.len(), 1, "{}", tail(&world.trace));
    assert!(world.server_events.iter().any(|event| matches!(event, Event::Floated { .. })));
    assert_eq!(world.send_from_server(&numbered(1, 2, 2)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.clients[0].inbox.len(), 1);
}

#[test]
fn a_replayed_packet_moves_nobody() {
    let mut world = WorldBuilder::new(61).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    let copy = world.last_from_client().expect("a packet was sent");
    world.inject_to_server("203.0.113.9:999".parse().expect("an address"), &copy);
    world.run_for(Duration::from_secs(1));
    assert!(!world.server_events.iter().any(|event| matches!(event, Event::Floated { .. })));
    assert_eq!(world.server.drops().get(DropReason::DataReplay), 1);
}

#[test]
fn nobody_floats_onto_a_tcp_connection() {
    let mut world = WorldBuilder::new(62).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    let copy = world.last_from_client().expect("a packet was sent");
    let path = Path::tcp(LinkId(9), "203.0.113.9:999".parse().expect("an address"));
    world.server.link_opened(world.now, path);
    let mut framed = std::vec![0, copy.len() as u8];
    framed.extend_from_slice(&copy);
    let mut packet = Packet::default();
    world.server.handle_stream(world.now, LinkId(9), &mut framed, &mut packet);
    assert_eq!((packet.verdict, packet.reason), (Verdict::Drop, DropReason::WrongAddress));
    // It was not taken for the first of its number: from the client itself it still arrives.
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_inbox.len(), 1);
}

/// A server that answers from another address than it was asked at, such as one of several lines.
#[test]
fn a_client_follows_its_server_only_with_float() {
    for float in [true, false] {
        let mut builder = WorldBuilder::new(63);
        builder.client.float = float;
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(Duration::from_secs(5), World::is_up));
        world.server_from = Some("198.51.100.2:1194".parse().expect("an address"));
        assert_eq!(world.send_from_server(&numbered(1, 2, 2)), Verdict::Transmit);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.clients[0].inbox.len(), usize::from(float));
        assert_eq!(world.clients[0].client.drops().get(DropReason::WrongAddress), u64::from(!float));
        let floated = |event: &Event| matches!(event, Event::Floated { .. });
        assert_eq!(world.clients[0].events.iter().any(floated), float);
    }
}
