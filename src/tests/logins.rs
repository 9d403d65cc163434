//! Logins that are refused, tokens that expire, servers that need more time.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use zeroize::Zeroizing;

use crate::config::{AuthRetry, AuthUserPass, Credentials};
use crate::event::{CloseReason, Event, RequestId};
use crate::packet::Verdict;
use crate::server::AuthDecision;
use crate::sim::{World, WorldBuilder, numbered, tail};
use crate::{Instant, PeerId};

fn joe(password: &str) -> Credentials {
    Credentials { username: "joe".into(), password: Zeroizing::new(password.into()) }
}

fn builder(seed: u64, source: AuthUserPass, retry: AuthRetry) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = source;
    builder.client.auth_retry = retry;
    builder
}

/// Runs until the server is asked about a login that nobody has decided; who, and by which password.
fn login(world: &mut World) -> (RequestId, PeerId, String) {
    let seen = asked(world).len();
    assert!(
        world.run_until(Duration::from_secs(60), |world| asked(world).len() > seen),
        "{}",
        tail(&world.trace)
    );
    asked(world).pop().expect("it was just there")
}

fn asked(world: &World) -> Vec<(RequestId, PeerId, String)> {
    let request = |event: &Event| match event {
        Event::AuthRequested { request, peer, credentials, .. } => {
            Some((*request, *peer, credentials.password.as_str().into()))
        }
        _ => None,
    };
    world.server_events.iter().filter_map(request).collect()
}

fn decide(world: &mut World, request: RequestId, accept: bool) {
    let decision = if accept { AuthDecision::Accept } else { AuthDecision::Refuse { reason: "no".into() } };
    let now = world.now;
    world.server.reply_auth(now, request, decision).expect("an open request");
    world.run_for(Duration::from_secs(1));
}

fn questions(world: &World) -> Vec<RequestId> {
    let request = |event: &Event| match event {
        Event::CredentialsRequested { request } => Some(*request),
        _ => None,
    };
    world.clients[0].events.iter().filter_map(request).collect()
}

fn answer(world: &mut World, password: &str) {
    let (now, question) = (world.now, *questions(world).last().expect("a question"));
    world.clients[0].client.provide_credentials(now, question, joe(password)).expect("an open question");
}

/// Packets go both ways.
fn flows(world: &mut World) {
    let before = (world.server_inbox.len(), world.clients[0].inbox.len());
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&numbered(1, 2, 1)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.server_inbox.len(), world.clients[0].inbox.len()), (before.0 + 1, before.1 + 1));
}

#[test]
fn auth_retry_none_ends_it() {
    let mut world = builder(220, AuthUserPass::Given(joe("pw")), AuthRetry::None).build();
    world.start();
    let (request, ..) = login(&mut world);
    decide(&mut world, request, false);
    assert_eq!(world.client_closings(0), [&CloseReason::AuthFailed("no".into())]);
    world.run_for(Duration::from_secs(100));
    assert_eq!(asked(&world).len(), 1);
}

#[test]
fn auth_retry_nointeract_tries_the_same_again_after_ten_seconds() {
    let mut world = builder(221, AuthUserPass::Ask, AuthRetry::NoInteract).build();
    world.start();
    answer(&mut world, "pw");
    let (request, ..) = login(&mut world);
    decide(&mut world, request, false);
    let refused: Instant = world.now;
    assert_eq!(world.client_closings(0), [&CloseReason::AuthRetry("no".into())]);
    let (request, _, password) = login(&mut world);
    assert_eq!(password, "pw");
    let waited = world.now.since(refused);
    assert!((8..12).contains(&waited.as_secs()), "{waited:?}");
    decide(&mut world, request, true);
    assert!(world.is_up());
    assert_eq!(questions(&world).len(), 1);
}

#[test]
fn auth_retry_interact_asks_again() {
    let mut world = builder(222, AuthUserPass::Ask, AuthRetry::Interact).build();
    world.start();
    answer(&mut world, "wrong");
    let (request, ..) = login(&mut world);
    decide(&mut world, request, false);
    world.run_for(Duration::from_secs(2));
    assert_eq!(questions(&world).len(), 2, "{}", tail(&world.trace));
    answer(&mut world, "right");
    let (request, _, password) = login(&mut world);
    assert_eq!(password, "right");
    decide(&mut world, request, true);
    assert!(world.is_up());
}

/// Connects with a token that the server pushed.
fn with_token(seed: u64, retry: AuthRetry) -> World {
    let mut builder = builder(seed, AuthUserPass::Ask, retry);
    builder.server.push = ["auth-token TOKEN".into()].into();
    let mut world = builder.build();
    world.start();
    answer(&mut world, "pw");
    let (request, _, password) = login(&mut world);
    assert_eq!(password, "pw");
    decide(&mut world, request, true);
    assert!(world.is_up(), "{}", tail(&world.trace));
    world
}

#[test]
fn a_token_stands_for_the_login_in_renegotiations_and_reconnections() {
    let mut world = with_token(223, AuthRetry::None);
    let now = world.now;
    world.clients[0].client.renegotiate(now);
    let (request, peer, password) = login(&mut world);
    assert_eq!(password, "TOKEN");
    decide(&mut world, request, true);
    let now = world.now;
    // RESTART without [P] forgets what was asked for, but not the token.
    world.server.disconnect(now, peer, "RESTART").expect("a client");
    let (request, _, password) = login(&mut world);
    assert_eq!(password, "TOKEN");
    decide(&mut world, request, true);
    assert!(world.is_up());
    assert_eq!(questions(&world).len(), 1);
}

#[test]
fn an_expired_token_is_dropped_and_the_real_login_used() {
    for (notice, reason) in [
        ("AUTH_FAILED,SESSION: token expired", "token expired"),
        ("AUTH_FAILED", ""),
        ("AUTH_FAILED,whatever", "whatever"),
    ] {
        let mut world = with_token(224, AuthRetry::None);
        let (now, peer) = (world.now, world.server.peers().next().expect("a client").peer);
        world.server.disconnect(now, peer, notice).expect("a client");
        let (request, _, password) = login(&mut world);
        assert_eq!(password, "pw", "{notice}");
        assert_eq!(world.client_closings(0), [&CloseReason::TokenRefused(reason.into())]);
        decide(&mut world, request, false);
        assert_eq!(world.client_closings(0)[1..], [&CloseReason::AuthFailed("no".into())]);
        assert_eq!(questions(&world).len(), 1);
    }
}

#[test]
fn auth_nocache_asks_for_each_session() {
    let mut builder = builder(225, AuthUserPass::Ask, AuthRetry::None);
    builder.client.auth_nocache = true;
    let mut world = builder.build();
    for session in 1..=2 {
        if session == 1 {
            world.start();
        }
        assert!(world.run_until(Duration::from_secs(5), |world| questions(world).len() == session));
        answer(&mut world, "pw");
        let (request, peer, _) = login(&mut world);
        decide(&mut world, request, true);
        assert!(world.is_up());
        let now = world.now;
        world.server.disconnect(now, peer, "RESTART,[P]").expect("a client");
    }
}

#[test]
fn auth_nocache_asks_for_each_renegotiation_while_data_flows() {
    let mut builder = builder(228, AuthUserPass::Ask, AuthRetry::None);
    builder.client.auth_nocache = true;
    let mut world = builder.build();
    world.start();
    answer(&mut world, "pw");
    let (request, peer, _) = login(&mut world);
    decide(&mut world, request, true);
    assert!(world.is_up());
    for (begins_here, password) in [(true, "first"), (false, "second")] {
        let (now, before) = (world.now, questions(&world).len());
        if begins_here {
            world.clients[0].client.renegotiate(now);
        } else {
            world.server.renegotiate(now, peer).expect("a client");
        }
        world.run_for(Duration::from_secs(20));
        assert_eq!(questions(&world).len(), before + 1, "{}", tail(&world.trace));
        flows(&mut world);
        answer(&mut world, password);
        let (request, _, given) = login(&mut world);
        assert_eq!(given, password);
        decide(&mut world, request, true);
        world.run_for(Duration::from_secs(5));
        flows(&mut world);
    }
    assert_eq!(world.client_closings(0), [] as [&CloseReason; 0]);
    // Nobody answers.
    let now = world.now;
    world.clients[0].client.renegotiate(now);
    assert!(
        world.run_until(Duration::from_secs(90), |world| !world.client_closings(0).is_empty()),
        "{}",
        tail(&world.trace)
    );
    assert_eq!(world.client_closings(0), [&CloseReason::HandshakeTimeout]);
    // An answer after the end is nobody's.
    let (now, question) = (world.now, *questions(&world).last().expect("a question"));
    assert!(world.clients[0].client.provide_credentials(now, question, joe("late")).is_err());
}

#[test]
fn forgotten_passwords_are_asked_for_in_the_next_renegotiation_unless_there_is_a_token() {
    let mut world = builder(229, AuthUserPass::Ask, AuthRetry::None).build();
    world.start();
    answer(&mut world, "pw");
    let (request, ..) = login(&mut world);
    decide(&mut world, request, true);
    let now = world.now;
    world.clients[0].client.forget_credentials();
    world.clients[0].client.renegotiate(now);
    world.run_for(Duration::from_secs(2));
    assert_eq!(questions(&world).len(), 2, "{}", tail(&world.trace));

    let mut world = with_token(230, AuthRetry::None);
    let now = world.now;
    world.clients[0].client.forget_credentials();
    world.clients[0].client.renegotiate(now);
    let (_, _, password) = login(&mut world);
    assert_eq!(password, "TOKEN");
}

#[test]
fn restart_asks_again_unless_it_says_p() {
    for (notice, asked_again) in [("RESTART", 1), ("RESTART,[P]", 0), ("RESTART,[NP]x", 0), ("RESTART,P", 1)]
    {
        let mut world = builder(226, AuthUserPass::Ask, AuthRetry::None).build();
        world.start();
        answer(&mut world, "pw");
        let (request, peer, _) = login(&mut world);
        decide(&mut world, request, true);
        let now = world.now;
        world.server.disconnect(now, peer, notice).expect("a client");
        world.run_for(Duration::from_secs(5));
        assert_eq!(questions(&world).len(), 1 + asked_again, "{notice}");
    }
}

/// The server's own patience for the host's decision ends at its `hand-window`, so that one is longer here.
#[test]
fn a_client_waits_as_long_as_auth_pending_says() {
    for (says, connects) in
        [("AUTH_PENDING,timeout 300", true), ("AUTH_PENDING,timeout 10", false), ("", false)]
    {
        let mut builder = builder(227, AuthUserPass::Given(joe("pw")), AuthRetry::None);
        builder.server.session.hand_window = Duration::from_secs(600);
        builder.client.session.ping_timeout = None;
        let mut world = builder.build();
        world.start();
        let (request, peer, _) = login(&mut world);
        if !says.is_empty() {
            world.server.say(peer, says);
            world.server.say(peer, "INFO_PRE,WEB_AUTH::https://login.example/?state=x,y");
        }
        world.run_for(Duration::from_secs(100));
        let closed = !world.client_closings(0).is_empty();
        assert_eq!(closed, !connects, "{says}: {}", tail(&world.trace));
        if connects {
            decide(&mut world, request, true);
            assert!(world.is_up(), "{}", tail(&world.trace));
        }
        let pending = |event: &Event| matches!(event, Event::AuthPending { .. });
        assert_eq!(world.clients[0].events.iter().any(pending), !says.is_empty());
        let link = |event: &Event| matches!(event, Event::ServerInfo { text, .. } if text == "WEB_AUTH::https://login.example/?state=x,y");
        assert_eq!(world.clients[0].events.iter().any(link), !says.is_empty());
        let received =
            |event: &Event| matches!(event, Event::MessageReceived { text, .. } if text.contains("https"));
        assert!(!world.clients[0].events.iter().any(received), "a link that logs somebody in, in a log");
    }
}
