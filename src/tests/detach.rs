//! A client's data state works in another thread while the server goes on with everything else.

use core::time::Duration;
use std::sync::mpsc;
use std::thread;
use std::vec::Vec;

use crate::event::Event;
use crate::packet::{Batch, HEADROOM, Packet, Verdict};
use crate::sim::{World, WorldBuilder, numbered};
use crate::{DropReason, Instant, PeerData};

const SLOT: usize = 2048;

/// Opens one outer packet with a data state, in the thread that this is called in.
fn open(data: &mut PeerData, now: Instant, outer: &[u8]) -> (Verdict, Vec<u8>) {
    let mut slab = [0; SLOT];
    slab[HEADROOM..HEADROOM + outer.len()].copy_from_slice(outer);
    let mut packet = Packet::new(0..SLOT, HEADROOM..HEADROOM + outer.len());
    packet.path = *data.path();
    let mut packets = [packet];
    let mut batch = Batch::new(&mut slab, &mut packets, 1);
    data.open(now, &mut batch);
    (batch.packets[0].verdict, batch.bytes(0).to_vec())
}

#[test]
fn the_data_state_moves_to_another_thread_and_back_amid_traffic() {
    let mut builder = WorldBuilder::new(80);
    builder.server.session.hand_window = Duration::from_secs(4);
    builder.client.session.hand_window = Duration::from_secs(4);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 0)), Verdict::Transmit);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_inbox, [numbered(2, 1, 0)]);

    // Detached: the engine refuses the client's packets, a worker opens them.
    let peer = world.server.peers().next().expect("a client").peer;
    let mut data = world.server.detach(world.now, peer).expect("a connected client");
    assert!(world.server.detach(world.now, peer).is_none(), "it can be had once");
    let mut outer = Vec::new();
    for number in 1..=20 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        outer.push(world.last_from_client().expect("a packet was sent"));
    }
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server.drops().get(DropReason::Detached), 20);
    let (sender, receiver) = mpsc::channel();
    let opened: Vec<_> = thread::scope(|scope| {
        let now = world.now;
        let outer = &outer;
        let worker = scope.spawn(move || {
            let opened: Vec<_> = outer.iter().map(|outer| open(&mut data, now, outer)).collect();
            sender.send(data).expect("the other end waits");
            opened
        });
        worker.join().expect("a worker that does not panic")
    });
    let expected: Vec<_> = (1..=20).map(|number| (Verdict::Deliver, numbered(2, 1, number))).collect();
    assert_eq!(opened, expected);

    // New keys while it is away: the engine asks for it, and puts them in when it is back.
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(2));
    let asks = |event: &Event| matches!(event, Event::AttachRequested { peer: asked } if *asked == peer);
    assert!(world.server_events.iter().any(asks));
    world.server.attach(world.now, receiver.recv().expect("the worker gave it back"));
    world.run_for(Duration::from_secs(10));
    world.server_inbox.clear();
    for number in 21..=30 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        assert_eq!(world.send_from_server(&numbered(1, 2, number)), Verdict::Transmit);
    }
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_inbox.len(), 10);
    assert_eq!(world.clients[0].inbox.len(), 10);
}

#[test]
fn the_state_of_a_client_that_has_gone_is_discarded() {
    let mut world = WorldBuilder::new(81).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let peer = world.server.peers().next().expect("a client").peer;
    let data = world.server.detach(world.now, peer).expect("a connected client");
    world.server.disconnect(world.now, peer, "RESTART").expect("a connected client");
    world.run_for(Duration::from_secs(10));
    assert!(world.server.disconnect(world.now, peer, "").is_err(), "its handle is stale");
    world.server.attach(world.now, data);
    assert_eq!(world.server.peers().count(), 1, "the client has come back by itself, as another peer");
    assert_ne!(world.server.peers().next().expect("a client").peer, peer);
}
