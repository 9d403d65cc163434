//! Peers that do what OpenVPN never does: one test for each hole that OpenVPN had there.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use crate::config::{AuthUserPass, Credentials};
use crate::event::{CloseReason, Event};
use crate::packet::Verdict;
use crate::reason::DropReason;
use crate::server::AuthDecision;
use crate::sim::{World, WorldBuilder, numbered, tail};

fn connected(builder: WorldBuilder) -> World {
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world
}

fn with_login(seed: u64) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
        username: "joe".into(),
        password: zeroize::Zeroizing::new("secret".into()),
    });
    builder
}

/// An unwrapped control packet of a client, without acknowledgements.
fn control_packet(first_byte: u8, session_id: &[u8], message_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![first_byte];
    packet.extend_from_slice(session_id);
    packet.push(0);
    packet.extend_from_slice(&message_id.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn session_id(world: &World) -> [u8; 8] {
    let id = world.server_events.iter().rev().find_map(|event| match event {
        Event::SessionStarted { session_id, .. } => Some(*session_id),
        _ => None,
    });
    id.expect("a session")
}

fn texts(events: &[Event]) -> impl Iterator<Item = &String> {
    events.iter().filter_map(|event| match event {
        Event::MessageReceived { text, .. } | Event::MessageSent { text, .. } => Some(text),
        _ => None,
    })
}

/// CVE-2017-7478: a control packet larger than its buffer, where the client's hello should be.
#[test]
fn an_oversized_control_packet_is_dropped() {
    let mut builder = WorldBuilder::new(100);
    builder.quality.mtu = 4000;
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), |world| {
        world.server_events.iter().any(|event| matches!(event, Event::SessionStarted { .. }))
    }));
    let from = world.clients[0].address;
    let oversized = control_packet(0x20, &session_id(&world), 2, &[0x16; 3000]);
    world.inject_to_server(from, &oversized);
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    assert_eq!(world.server.drops().get(DropReason::TooLarge), 1);
}

/// OpenVPN 2.6.22: a hard reset, or a soft one, whose message id is not 0 brought the order of messages out of step.
#[test]
fn a_reset_is_message_0_or_nothing() {
    let mut world = connected(WorldBuilder::new(101));
    let (from, id) = (world.clients[0].address, session_id(&world));
    let malformed = |world: &World| world.server.drops().get(DropReason::MalformedControl);
    for (count, packet) in [
        control_packet(0x38, &[7; 8], 1, &[]), // of a session to be
        control_packet(0x38, &id, 1, &[]),
        control_packet(0x38, &id, 9, &[]),
        control_packet(0x19, &id, 1, &[]), // key id 1 would be the next
        control_packet(0x19, &id, u32::MAX, &[]),
    ]
    .iter()
    .enumerate()
    {
        world.inject_to_server(from, packet);
        world.run_for(Duration::from_secs(1));
        assert_eq!(malformed(&world), count as u64 + 1, "{}", tail(&world.trace));
    }
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(1));
    assert!(world.server_events.iter().any(|event| matches!(event, Event::Rekeyed { .. })));
}

/// CVE-2020-11810: a data packet with the peer-id of a client that has no keys yet moved that client to its sender.
#[test]
fn a_data_packet_before_there_are_keys_moves_nobody() {
    let mut world = with_login(102).build();
    world.start();
    world.run_for(Duration::from_secs(2));
    let stranger = "203.0.113.9:999".parse().expect("an address");
    let mut packet = std::vec![0x48, 0, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(&[0; 40]);
    world.inject_to_server(stranger, &packet);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.drops().get(DropReason::NotConnected), 1);
    accept(&mut world);
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    // Neither does a forgery afterwards.
    world.inject_to_server(stranger, &packet);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.drops().get(DropReason::DataAuthentication), 1);
    assert!(!world.server_events.iter().any(|event| matches!(event, Event::Floated { .. })));
}

fn accept(world: &mut World) {
    let requests = world.server_events.iter().filter_map(|event| match event {
        Event::AuthRequested { request, .. } => Some(*request),
        _ => None,
    });
    for request in requests.collect::<Vec<_>>() {
        let _ = world.server.reply_auth(world.now, request, AuthDecision::Accept);
    }
}

/// CVE-2020-15078: options, and with them a token, were pushed to a client whose login was still being verified.
#[test]
fn nothing_is_pushed_and_nothing_flows_before_the_login_is_verified() {
    let mut world = with_login(103).build();
    world.start();
    world.run_for(Duration::from_secs(3));
    for _ in 0..3 {
        world.clients[0].client.say("PUSH_REQUEST");
        world.run_for(Duration::from_secs(1));
    }
    assert!(texts(&world.server_events).filter(|text| *text == "PUSH_REQUEST").count() >= 3);
    assert!(!texts(&world.server_events).any(|text| text.starts_with("PUSH_REPLY")));
    assert_eq!(world.server.peers().count(), 0);
    assert_eq!(world.send_from_server(&numbered(1, 2, 1)), Verdict::Drop);
    accept(&mut world);
    assert!(world.run_until(Duration::from_secs(10), World::is_up), "{}", tail(&world.trace));
}

/// CVE-2023-46850, CVE-2026-40215, CVE-2026-12996: what a replaced session had still to send, or the buffer for it,
/// was used after the session had gone.
#[test]
fn a_replaced_session_sends_nothing_more() {
    let mut world = connected(WorldBuilder::new(104));
    world.clients[0].keeps_address = true;
    let peer = world.server.peers().next().expect("a client").peer;
    let old = session_id(&world);
    // The old session has packets to send and to repeat when the client begins anew from the same address.
    world.quality.loss = 100;
    world.server.renegotiate(world.now, peer).expect("a client");
    world.clients[0].client.restart(world.now);
    world.run_for(Duration::from_millis(900));
    world.quality.loss = 0;
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    assert_ne!(session_id(&world), old);
    world.run_for(Duration::from_millis(100));
    let foreign = |world: &World| world.clients[0].client.drops().get(DropReason::WrongSession);
    let before = foreign(&world);
    world.run_for(Duration::from_secs(60));
    assert_eq!(foreign(&world), before, "{}", tail(&world.trace));
    assert_eq!(world.server_closings(), [&CloseReason::TakenOver]);
}

/// CVE-2024-28882: a client kept its session for ever by repeating that it leaves.
#[test]
fn repeating_exit_does_not_keep_a_session() {
    let mut world = connected(WorldBuilder::new(105));
    for _ in 0..4 {
        world.clients[0].client.say("EXIT");
        world.run_for(Duration::from_secs(1));
    }
    assert!(!world.server.is_idle(), "it still acknowledges");
    world.clients[0].client.say("EXIT");
    world.run_for(Duration::from_millis(1100));
    assert!(world.server.is_idle(), "{}", tail(&world.trace));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit]);
}

/// CVE-2024-5594: control characters in a message reached logs and plug-ins.
#[test]
fn control_characters_in_a_message_reach_nobody() {
    let mut world = connected(WorldBuilder::new(106));
    let told = world.server_events.len();
    for text in ["EXIT\x07", "INFO,\x1b[2J", "PUSH_REQUEST\nEXIT", "X\u{85}", "\x7f"] {
        world.clients[0].client.say(text);
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(texts(&world.server_events[told..]).count(), 0, "{:?}", &world.server_events[told..]);
    assert_eq!(world.server.peers().count(), 1);
    // What follows is heard.
    world.clients[0].client.say("EXIT\r\n");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit]);
}

/// A session may neither hold on to the address of another client's session nor leave an older one of its own behind.
#[test]
fn a_session_takes_over_from_all_that_it_replaces() {
    let mut builder = with_login(107);
    builder.clients = 2;
    builder.client.auth_user_pass = AuthUserPass::Ask;
    builder.server.username_as_common_name = true;
    let mut world = builder.build();
    world.start();
    for (number, name) in ["ann", "bob"].into_iter().enumerate() {
        let request = world.clients[number].events.iter().find_map(|event| match event {
            Event::CredentialsRequested { request } => Some(*request),
            _ => None,
        });
        let password = zeroize::Zeroizing::new("secret".into());
        let credentials = Credentials { username: name.into(), password };
        let client = &mut world.clients[number].client;
        client.provide_credentials(world.now, request.expect("a question"), credentials).expect("its answer");
    }
    let log_in = |world: &mut World| {
        world.run_for(Duration::from_secs(2));
        accept(world);
        world.run_for(Duration::from_secs(1));
    };
    log_in(&mut world);
    assert_eq!(world.server.peers().count(), 2);
    // Bob begins anew, and has the address now that was Ann's.
    let address = world.clients[0].address;
    world.move_client(0);
    (world.clients[1].address, world.clients[1].keeps_address) = (address, true);
    world.clients[1].client.restart(world.now);
    log_in(&mut world);
    let names: Vec<_> = world.server.peers().filter_map(|peer| peer.common_name).collect();
    assert_eq!(names, ["bob"], "{}", tail(&world.trace));
    assert_eq!(world.server_closings(), [&CloseReason::TakenOver, &CloseReason::TakenOver]);
}

/// Who logs in by a name that nobody verifies stays who the certificate says.
#[test]
fn an_unverified_name_is_nobodys_identity() {
    let mut builder = WorldBuilder::new(108);
    builder.server.username_as_common_name = true;
    builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
        username: "bob".into(),
        password: zeroize::Zeroizing::new("anything".into()),
    });
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(3));
    assert!(world.is_up(), "{}", tail(&world.trace));
    let names: Vec<_> = world.server.peers().map(|peer| peer.common_name).collect();
    assert!(names.len() == 1 && names[0] != Some("bob"), "{names:?}");
}
