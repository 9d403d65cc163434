//! A client's data state works in another thread while the server goes on with everything else.

use core::time::Duration;
use std::sync::mpsc;
use std::thread;
use std::vec::Vec;

use crate::event::{CloseReason, Event};
use crate::packet::{Batch, HEADROOM, Packet, Verdict};
use crate::sim::{World, WorldBuilder, numbered};
use crate::{Cipher, DropReason, Instant, PeerData, PeerId};

const SLOT: usize = 2048;

/// Opens one outer packet with a data state, in the thread that this is called in.
pub(super) fn open(data: &mut PeerData, now: Instant, outer: &[u8]) -> (Verdict, Vec<u8>) {
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

#[test]
fn a_client_discards_the_state_of_an_earlier_session() {
    let mut world = WorldBuilder::new(82).build();
    world.start();
    assert!(world.clients[0].client.detach(world.now, PeerId::SERVER).is_none(), "there are no keys yet");
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let stale = world.clients[0].client.detach(world.now, PeerId::SERVER).expect("a connected client");
    world.clients[0].client.restart(world.now);
    world.run_for(Duration::from_secs(5));
    assert!(world.is_up());
    let present = world.clients[0].client.detach(world.now, PeerId::SERVER).expect("a connected client");
    world.clients[0].client.attach(world.now, stale);
    assert!(world.clients[0].client.data().is_none(), "a state with the keys of another session");
    world.clients[0].client.attach(world.now, present);
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&numbered(1, 2, 2)), Verdict::Transmit);
    world.run_for(Duration::from_millis(100));
    assert_eq!((world.server_inbox.len(), world.clients[0].inbox.len()), (1, 1));
}

#[test]
fn a_detached_client_that_moves_is_asked_for_once_and_then_followed() {
    let mut world = WorldBuilder::new(83).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let peer = world.server.peers().next().expect("a client").peer;
    let data = world.server.detach(world.now, peer).expect("a connected client");
    world.move_client(0);
    for number in 0..3 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        world.run_for(Duration::from_millis(50));
    }
    let asks = |event: &&Event| matches!(event, Event::AttachRequested { peer: asked } if *asked == peer);
    assert_eq!(world.server_events.iter().filter(asks).count(), 1);
    world.server.attach(world.now, data);
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 3)), Verdict::Transmit);
    world.run_for(Duration::from_millis(50));
    assert_eq!(world.server_inbox.len(), 1);
    assert!(world.server_events.iter().any(|event| matches!(event, Event::Floated { .. })));
}

#[test]
fn what_a_worker_saw_takes_effect_when_the_state_is_back() {
    let mut builder = WorldBuilder::new(84);
    builder.server.session.renegotiate.packets = Some(5);
    builder.client.pull = false; // so that its farewell is one in the data channel
    builder.client.session.data_ciphers_fallback = Some(Cipher::Aes256Gcm);
    builder.client.session.key_export = false;
    builder.client.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), |world| world.server.peers().count() == 1));
    let peer = world.server.peers().next().expect("a client").peer;
    let rekeys = |world: &World| {
        world.server_events.iter().filter(|event| matches!(event, Event::Rekeyed { .. })).count()
    };

    let mut data = world.server.detach(world.now, peer).expect("a connected client");
    for number in 0..5 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        let outer = world.last_from_client().expect("a packet was sent");
        assert_eq!(open(&mut data, world.now, &outer).0, Verdict::Deliver);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(rekeys(&world), 0);
    world.server.attach(world.now, data);
    world.run_for(Duration::from_secs(1));
    assert_eq!(rekeys(&world), 1, "the key has carried as many packets as it may");

    let mut data = world.server.detach(world.now, peer).expect("a connected client");
    world.clients[0].client.disconnect(world.now);
    world.run_for(Duration::from_millis(100));
    let outer = world.last_from_client().expect("a notice was sent");
    assert_eq!(open(&mut data, world.now, &outer).0, Verdict::Consumed);
    assert!(data.remote_exit() && world.server_closings().is_empty());
    world.server.attach(world.now, data);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit]);
}

#[test]
fn keys_made_while_the_state_is_away_are_the_newest_few() {
    let mut world = WorldBuilder::new(85).build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let peer = world.server.peers().next().expect("a client").peer;
    let data = world.server.detach(world.now, peer).expect("a connected client");
    for _ in 0..10 {
        world.clients[0].client.renegotiate(world.now);
        world.run_for(Duration::from_secs(1));
    }
    world.server.attach(world.now, data);
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&numbered(1, 2, 2)), Verdict::Transmit);
    world.run_for(Duration::from_millis(100));
    assert_eq!((world.server_inbox.len(), world.clients[0].inbox.len()), (1, 1));
}
