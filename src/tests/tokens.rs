//! `auth-gen-token`: who has logged in once is not asked again.

use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::config::{AuthGenToken, AuthUserPass, Credentials, NamedText};
use crate::crypto::ServerKey;
use crate::event::{Event, RequestId, TokenState};
use crate::server::AuthDecision;
use crate::sim::{TODAY, World, WorldBuilder, tail};
use crate::time::UnixTime;

fn builder(seed: u64, token: AuthGenToken) -> WorldBuilder {
    let mut builder = WorldBuilder::new(seed);
    builder.server.verify_user_pass = true;
    builder.server.auth_gen_token = Some(token);
    builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
        username: "joe".into(),
        password: zeroize::Zeroizing::new("secret".into()),
    });
    builder
}

/// All questions about logins: the request, the password, and what it is worth as a token.
fn questions(world: &World) -> Vec<(RequestId, String, Option<TokenState>)> {
    let question = |event: &Event| match event {
        Event::AuthRequested { request, credentials, token, .. } => {
            let state = token.as_ref().map(|token| token.state);
            Some((*request, credentials.password.to_string(), state))
        }
        _ => None,
    };
    world.server_events.iter().filter_map(question).collect()
}

/// Lets the client in by its password.
fn up(world: &mut World) {
    let before = questions(world).len();
    world.run_until(Duration::from_secs(60), |world| questions(world).len() > before);
    let (request, password, _) = questions(world).pop().expect("a question");
    assert_eq!(password, "secret");
    world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
    assert!(world.run_until(Duration::from_secs(10), World::is_up), "{}", tail(&world.trace));
}

fn with_secret() -> AuthGenToken {
    let key = ServerKey::generate(|out| out.fill(9));
    let text = key.emit(ServerKey::AUTH_TOKEN);
    AuthGenToken { secret: Some(NamedText::file("token.key", text.as_bytes())), ..AuthGenToken::default() }
}

/// Begins anew, with a clock that has gone on.
fn restart(world: &mut World) {
    world.restart_server();
    let elapsed = world.now.since(crate::Instant::from_secs(1)).as_secs();
    world.server.set_wall_clock(world.now, UnixTime(TODAY.0 + elapsed));
    world.clients[0].client.restart(world.now);
}

#[test]
fn renegotiations_and_reconnections_ask_nobody() {
    let mut world = builder(250, AuthGenToken::default()).build();
    world.start();
    up(&mut world);
    for _ in 0..3 {
        world.clients[0].client.renegotiate(world.now);
        world.run_for(Duration::from_secs(5));
    }
    let rekeyed = |event: &&Event| matches!(event, Event::Rekeyed { .. });
    assert_eq!(world.server_events.iter().filter(rekeyed).count(), 3, "{}", tail(&world.trace));
    world.clients[0].client.restart(world.now);
    assert!(world.run_until(Duration::from_secs(30), World::is_up), "{}", tail(&world.trace));
    assert_eq!(questions(&world).len(), 1);
    // The token is in no log.
    assert!(!tail(&world.trace).contains("SESS_ID_AT_"));
}

#[test]
fn a_token_outlives_its_server_if_there_is_a_secret() {
    for (token, asked) in [(with_secret(), 1), (AuthGenToken::default(), 2)] {
        let mut world = builder(251, token).build();
        world.start();
        up(&mut world);
        world.run_for(Duration::from_secs(20));
        restart(&mut world);
        world.run_until(Duration::from_secs(60), |world| world.is_up() || questions(world).len() > 1);
        // A token of another key is refused, and the client comes back with its password.
        assert_eq!(questions(&world).len(), asked, "{}", tail(&world.trace));
        assert_eq!(world.is_up(), asked == 1);
    }
}

#[test]
fn a_login_ends_with_its_lifetime() {
    let token = AuthGenToken { lifetime: Some(Duration::from_secs(100)), ..AuthGenToken::default() };
    let mut world = builder(252, token).build();
    world.start();
    up(&mut world);
    world.run_for(Duration::from_secs(90));
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(15));
    assert!(world.is_up(), "{}", tail(&world.trace));
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(1));
    assert_eq!(
        world.server_closings().last().expect("an end").to_string(),
        "authentication failed: SESSION: token expired"
    );
    up(&mut world);
    assert_eq!(questions(&world).len(), 2);
}

#[test]
fn a_token_is_renewed_in_time() {
    let token = AuthGenToken { renewal: Some(Duration::from_secs(120)), ..AuthGenToken::default() };
    let mut world = builder(253, token).build();
    world.start();
    up(&mut world);
    let renewals = |world: &World| {
        let renewal = |event: &&Event| matches!(event, Event::MessageSent { text, .. } if text == "PUSH_REPLY,auth-token ...");
        world.server_events.iter().filter(renewal).count()
    };
    world.run_for(Duration::from_secs(1000));
    assert_eq!(renewals(&world), 8, "{}", tail(&world.trace));
    // The newest counts: with the first, its time would be over.
    world.clients[0].client.restart(world.now);
    assert!(world.run_until(Duration::from_secs(30), World::is_up), "{}", tail(&world.trace));
    assert_eq!(questions(&world).len(), 1);
}

#[test]
fn who_asks_for_its_options_once_more_gets_a_token_of_now() {
    let token = AuthGenToken { renewal: Some(Duration::from_secs(120)), ..AuthGenToken::default() };
    let mut world = builder(255, token).build();
    world.start();
    up(&mut world);
    world.run_for(Duration::from_secs(1000));
    let pushes = |world: &World| {
        let push =
            |event: &&Event| matches!(event, Event::MessageSent { text, .. } if text.contains(",ifconfig "));
        world.server_events.iter().filter(push).count()
    };
    let before = pushes(&world);
    world.clients[0].client.say("PUSH_REQUEST");
    world.run_for(Duration::from_secs(1));
    assert_eq!(pushes(&world), before + 1, "{}", tail(&world.trace));
    // With the first token, the time would be over.
    world.clients[0].client.restart(world.now);
    assert!(world.run_until(Duration::from_secs(30), World::is_up), "{}", tail(&world.trace));
    assert_eq!(questions(&world).len(), 1);
}

#[test]
fn the_host_may_judge_tokens_itself() {
    let token = AuthGenToken {
        external_auth: true,
        lifetime: Some(Duration::from_secs(50)),
        ..AuthGenToken::default()
    };
    let mut world = builder(254, token).build();
    world.start();
    up(&mut world);
    for expected in [TokenState::Authenticated, TokenState::Expired] {
        world.run_for(Duration::from_secs(30));
        world.clients[0].client.renegotiate(world.now);
        world.run_for(Duration::from_secs(2));
        let (request, password, state) = questions(&world).pop().expect("a question");
        assert_eq!(state, Some(expected));
        assert!(password.starts_with("SESS_ID_AT_"));
        world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
        world.run_for(Duration::from_secs(2));
        assert!(world.is_up(), "{}", tail(&world.trace));
    }
    assert_eq!(questions(&world)[0].2, Some(TokenState::Initial));
}
