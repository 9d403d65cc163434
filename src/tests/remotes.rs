//! Where a client tries, in which order, and how long it waits in between.

use core::time::Duration;
use std::vec::Vec;

use crate::config::{ConnectRetry, Connection, Mssfix, Remote};
use crate::event::{CloseReason, Event};
use crate::path::Transport;
use crate::sim::{World, WorldBuilder, tail, tls_crypt};

fn remote() -> Remote {
    Remote {
        host: "vpn.example".into(),
        port: 1194,
        transport: Transport::Udp,
        family: None,
        connection: Connection::default(),
    }
}

/// A client with so many remotes that waits 10 s for an answer.
fn client_of(seed: u64, remotes: usize) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    builder.client.remotes = std::vec![remote(); remotes];
    builder.client.connect_timeout = Duration::from_secs(10);
    builder
}

/// Remote and address of each attempt.
fn tried(world: &World) -> Vec<(usize, usize)> {
    world.clients[0].tried.iter().map(|&(_, remote, address)| (remote, address)).collect()
}

/// Seconds between attempts.
fn gaps(world: &World) -> Vec<u64> {
    let times = world.clients[0].tried.iter().map(|&(at, ..)| at);
    times.clone().zip(times.skip(1)).map(|(before, after)| after.since(before).as_secs()).collect()
}

fn up(world: &mut World) {
    let within = Duration::from_secs(300);
    assert!(world.run_until(within, World::is_up), "{}", tail(&world.trace));
}

fn peer(world: &World) -> crate::PeerId {
    world.server.peers().next().expect("a client").peer
}

#[test]
fn all_addresses_of_a_remote_then_the_next_remote_without_a_pause() {
    let mut world = client_of(200, 3).build();
    world.clients[0].addresses = [2, 3].into();
    world.clients[0].server_at = Some((1, 1));
    world.start();
    up(&mut world);
    assert_eq!(tried(&world), [(0, 0), (0, 1), (1, 0), (1, 1)]);
    assert_eq!(gaps(&world), [10, 10, 10], "connect-timeout, and nothing more");
    assert_eq!(world.client_closings(0), std::vec![&CloseReason::NoAnswer; 3]);
}

#[test]
fn a_complete_session_is_renewed_where_it_was_and_a_broken_one_goes_on() {
    let mut world = client_of(201, 2).build();
    world.clients[0].addresses = [1, 2].into();
    world.clients[0].server_at = Some((1, 1));
    world.start();
    up(&mut world);
    world.restart_server();
    // The new server knows nothing of the session; the client finds out by its silence.
    world.run_until(Duration::from_secs(200), |world| !world.is_up());
    up(&mut world);
    assert_eq!(tried(&world)[3..], [(1, 1)], "the same address");
    assert_eq!(world.client_closings(0).last(), Some(&&CloseReason::PingTimeout));
}

#[test]
fn sigusr1_looks_the_same_remote_up_anew() {
    let mut world = client_of(202, 2).build();
    world.clients[0].addresses = [1, 2].into();
    world.clients[0].server_at = Some((1, 1));
    world.start();
    up(&mut world);
    let now = world.now;
    world.clients[0].client.restart(now);
    up(&mut world);
    assert_eq!(tried(&world)[3..], [(1, 0), (1, 1)]);
}

#[test]
fn the_pause_doubles_after_five_rounds_and_not_for_ever() {
    let mut builder = client_of(203, 1);
    // A server that refuses at once leaves the pauses alone.
    builder.server.session.data_ciphers = [crate::Cipher::Aes128Gcm].into();
    builder.client.session.data_ciphers = [crate::Cipher::Aes256Gcm].into();
    builder.client.auth_retry = crate::config::AuthRetry::Interact;
    let retry = ConnectRetry { pause: Duration::from_secs(2), max: Duration::from_secs(30) };
    builder.client.remotes[0].connection.connect_retry = Some(retry);
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(200));
    let pauses: Vec<_> = (world.clients[0].events.iter())
        .filter_map(|event| match event {
            Event::Paused { pause } => Some(pause.as_secs()),
            _ => None,
        })
        .collect();
    // AUTH_FAILED stays at the remote, which is no new round.
    assert_eq!(pauses[..6], [2; 6]);

    let mut builder = client_of(203, 2);
    for remote in &mut builder.client.remotes {
        remote.connection.connect_retry = Some(retry);
    }
    let mut world = builder.build();
    world.quality.loss = 100;
    world.start();
    for _ in 0..30 {
        let now = world.now;
        world.clients[0].client.restart(now);
        let paused = |world: &World| world.clients[0].client.next_timeout();
        let at = paused(&world).expect("a pause").at;
        world.run_until(Duration::from_secs(60), |world| world.now >= at);
    }
    let gaps = gaps(&world);
    assert_eq!(gaps[..11], [2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4]);
    assert_eq!(gaps.last(), Some(&30), "{gaps:?}");
}

#[test]
fn connect_retry_max_gives_up_after_whole_rounds() {
    let mut builder = client_of(204, 2);
    builder.client.connect_retry_max = Some(2);
    let mut world = builder.build();
    world.quality.loss = 100;
    world.start();
    world.run_for(Duration::from_secs(1000));
    assert_eq!(tried(&world), [(0, 0), (1, 0), (0, 0), (1, 0)]);
    assert_eq!(world.client_closings(0).last(), Some(&&CloseReason::RetriesExhausted(2)));
    assert!(world.clients[0].client.next_timeout().is_none());
}

#[test]
fn remote_random_shuffles_and_repeats_itself_for_a_seed() {
    let order = |seed| {
        let mut builder = client_of(seed, 8);
        builder.client.remote_random = true;
        let mut world = builder.build();
        world.quality.loss = 100;
        world.start();
        world.run_for(Duration::from_secs(75));
        tried(&world).iter().map(|(remote, _)| *remote).collect::<Vec<_>>()
    };
    let one = order(205);
    let mut sorted = one.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..8).collect::<Vec<_>>());
    assert_eq!(one, order(205));
    assert!((206..210).any(|seed| order(seed) != one));
}

#[test]
fn restart_with_n_goes_to_the_next_address_and_without_stays() {
    for (message, expected) in [
        ("RESTART", (0, 0)),
        ("RESTART,[P]later", (0, 0)),
        ("RESTART,[N]", (0, 1)),
        ("AUTH_FAILED,TEMP[advance addr]:x", (0, 1)),
        ("AUTH_FAILED,TEMP[advance remote]:x", (1, 0)),
        ("AUTH_FAILED,TEMP[advance no]:x", (0, 0)),
        ("AUTH_FAILED,TEMP:x", (0, 0)),
    ] {
        let mut world = client_of(206, 2).build();
        world.clients[0].addresses = [2].into();
        world.start();
        up(&mut world);
        let (now, client) = (world.now, peer(&world));
        world.server.disconnect(now, client, message).expect("a client");
        world.run_until(Duration::from_secs(5), |world| world.clients[0].tried.len() == 2);
        assert_eq!(tried(&world)[1..], [expected], "{message}");
    }
}

#[test]
fn a_temporary_refusal_is_waited_out_as_long_as_it_says() {
    for (backoff, pause) in [(42, 42), (4_000_000, 300)] {
        let mut world = client_of(207, 1).build();
        world.start();
        up(&mut world);
        let (now, client) = (world.now, peer(&world));
        let message = std::format!("AUTH_FAILED,TEMP[backoff {backoff}]: full");
        world.server.disconnect(now, client, &message).expect("a client");
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.client_closings(0), [&CloseReason::RefusedForNow("full".into())]);
        let told = |event: &Event| matches!(event, Event::Paused { pause: told } if told.as_secs() == pause);
        assert!(world.clients[0].events.iter().any(told), "{}", tail(&world.trace));
    }
}

#[test]
fn each_remote_may_have_settings_of_its_own() {
    let mut builder = client_of(208, 2);
    builder.server.session.wrap = tls_crypt();
    builder.server.session.explicit_exit_notify = Some(1);
    // The first knows no key; the second has all that it needs, and a shorter patience.
    builder.client.remotes[1].connection.wrap = Some(tls_crypt());
    builder.client.remotes[1].connection.mssfix = Some(Mssfix::Fixed(1000));
    builder.client.remotes[1].connection.explicit_exit_notify = Some(2);
    builder.client.remotes[0].connection.connect_timeout = Some(Duration::from_secs(3));
    let mut world = builder.build();
    world.start();
    up(&mut world);
    assert_eq!((tried(&world), gaps(&world)), ([(0, 0), (1, 0)].into(), [3].into()));
    let now = world.now;
    world.clients[0].client.disconnect(now);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit], "it said that it leaves");
}

#[test]
fn a_network_without_a_way_is_left_at_once_but_only_before_the_first_answer() {
    let mut world = client_of(209, 2).build();
    world.clients[0].server_at = Some((1, 0));
    world.start();
    let now = world.now;
    world.clients[0].client.link_unreachable(now, crate::LinkId(7));
    assert!(world.client_closings(0).is_empty(), "another link");
    world.clients[0].client.link_unreachable(now, crate::LinkId(0));
    up(&mut world);
    assert_eq!((tried(&world), gaps(&world)), ([(0, 0), (1, 0)].into(), [1].into()));
    let now = world.now;
    world.clients[0].client.link_unreachable(now, crate::LinkId(0));
    world.run_for(Duration::from_secs(1));
    assert!(world.is_up(), "the way may come back");
}
