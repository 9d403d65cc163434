//! What the host decides about a peer: its certificate, its login, and whether it may connect.

use alloc::boxed::Box;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::config::{
    AuthUserPass, Credentials, IfconfigIpv6Push, IfconfigPush, InstanceConfig, NamedText, NoFiles,
    PingTimeout,
};
use crate::event::{CloseReason, Event, RequestId, VerifyDecision};
use crate::packet::Verdict;
use crate::server::{AuthDecision, ConnectDecision};
use crate::sim::{World, WorldBuilder, numbered, tail};
use crate::tls::PeerCertificate;

fn login(name: &str) -> AuthUserPass {
    AuthUserPass::Given(Credentials {
        username: name.into(),
        password: zeroize::Zeroizing::new("secret".into()),
    })
}

/// The last event that `pick` likes, of those of the server or of client 0.
fn last<'a, T>(events: &'a [Event], pick: impl Fn(&'a Event) -> Option<T>) -> Option<T> {
    events.iter().rev().find_map(pick)
}

fn certificate_question(event: &Event) -> Option<(RequestId, &PeerCertificate)> {
    match event {
        Event::VerifyRequested { request, certificate, .. } => Some((*request, certificate)),
        _ => None,
    }
}

fn login_question(event: &Event) -> Option<RequestId> {
    match event {
        Event::AuthRequested { request, .. } => Some(*request),
        _ => None,
    }
}

fn connect_question(event: &Event) -> Option<RequestId> {
    match event {
        Event::ClientConnectRequested { request, .. } => Some(*request),
        _ => None,
    }
}

fn sent(events: &[Event]) -> Vec<&str> {
    let mut texts = Vec::new();
    for event in events {
        if let Event::MessageSent { text, .. } = event {
            texts.push(text.as_str());
        }
    }
    texts
}

fn instance(text: &str) -> Box<InstanceConfig> {
    let (config, findings) = InstanceConfig::parse([&NamedText::file("ccd/client1", text)], &mut NoFiles);
    assert_eq!(findings, []);
    Box::new(config)
}

#[test]
fn each_end_may_be_asked_about_the_others_certificate() {
    for (at_server, decision) in [
        (true, Some(VerifyDecision::Accept)),
        (true, Some(VerifyDecision::Refuse)),
        (true, None),
        (false, Some(VerifyDecision::Accept)),
        (false, Some(VerifyDecision::Refuse)),
        (false, None),
    ] {
        let mut builder = WorldBuilder::new(200);
        builder.server.session.tls.verify_by_host = at_server;
        builder.client.session.tls.verify_by_host = !at_server;
        builder.server.verify_user_pass = true;
        builder.client.auth_user_pass = login("joe");
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(3));
        let events = if at_server { &world.server_events } else { &world.clients[0].events };
        let (request, certificate) = last(events, certificate_question).expect("a question");
        let name = if at_server { "client1" } else { "server" };
        assert_eq!(certificate.common_name.as_deref(), Some(name));
        assert_eq!(certificate.chain.len(), 2);
        // Neither is a password read before the certificate is accepted, nor is it sent.
        assert_eq!(last(&world.server_events, login_question), None, "{}", tail(&world.trace));
        if let Some(decision) = decision {
            let now = world.now;
            let answer = |world: &mut World| match at_server {
                true => world.server.reply_verify(now, request, decision),
                false => world.clients[0].client.reply_verify(now, request, decision),
            };
            answer(&mut world).expect("an open question");
            answer(&mut world).expect_err("it is settled");
        }
        world.run_for(Duration::from_secs(2));
        let asked = last(&world.server_events, login_question);
        assert_eq!(asked.is_some(), decision == Some(VerifyDecision::Accept));
        match (asked, at_server) {
            (Some(request), _) => {
                world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
                assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
            }
            (None, _) => {
                world.run_until(Duration::from_secs(60), |world| {
                    !world.server_closings().is_empty() && !world.client_closings(0).is_empty()
                });
                let closings = if at_server { world.server_closings() } else { world.client_closings(0) };
                match decision {
                    Some(_) => assert!(
                        closings[0].to_string().ends_with("was refused by this host (tls-verify)"),
                        "{closings:?}"
                    ),
                    None => assert_eq!(closings[0], &CloseReason::AuthTimeout),
                }
                assert!(!world.is_up());
            }
        }
    }
}

#[test]
fn a_certificate_is_judged_in_every_renegotiation_while_data_flows() {
    let mut builder = WorldBuilder::new(201);
    builder.server.session.tls.verify_by_host = true;
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(1));
    let (first, _) = last(&world.server_events, certificate_question).expect("a question");
    world.server.reply_verify(world.now, first, VerifyDecision::Accept).expect("an open question");
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world.clients[0].client.renegotiate(world.now);
    for number in 0..40 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(world.server_inbox.len(), 40);
    let (second, _) = last(&world.server_events, certificate_question).expect("a question");
    assert_ne!(first, second);
    world.server.reply_verify(world.now, second, VerifyDecision::Accept).expect("an open question");
    world.run_for(Duration::from_secs(1));
    assert!(world.server_events.iter().any(|event| matches!(event, Event::Rekeyed { .. })));
}

#[test]
fn a_login_may_take_its_time_if_the_host_says_so() {
    let pending = |method: &str| AuthDecision::Pending {
        timeout: Duration::from_secs(500),
        method: method.to_string(),
        extra: "WEB_AUTH::https://sso.example/?q=1".into(),
    };
    let begin = |seed| {
        let mut builder = WorldBuilder::new(seed);
        builder.server.verify_user_pass = true;
        builder.client.auth_user_pass = login("joe");
        builder.client.peer_info = [("IV_SSO".into(), "webauth,crtext".into())].into();
        builder.client.session.hand_window = Duration::from_secs(300);
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(1));
        let request = last(&world.server_events, login_question).expect("a question");
        (world, request)
    };
    let (mut world, request) = begin(202);
    world.server.reply_auth(world.now, request, pending("webauth")).expect("an open question");
    world.run_for(Duration::from_secs(200));
    assert!(world.server_closings().is_empty(), "{}", tail(&world.trace));
    let texts = sent(&world.server_events);
    assert!(texts[0].starts_with("AUTH_PENDING"), "{texts:?}");
    // A link that logs somebody in stays out of logs.
    assert_eq!(texts[1], "INFO_PRE,WEB_AUTH:...");
    let received = |event: &Event| match event {
        Event::MessageReceived { text, .. } => Some(text.clone()),
        _ => None,
    };
    assert!(world.clients[0].events.iter().filter_map(received).any(|text| text.starts_with("AUTH_PENDING")));
    world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));

    // Its time ends, too.
    let (mut world, request) = begin(203);
    world.server.reply_auth(world.now, request, pending("webauth")).expect("an open question");
    assert!(world.run_until(Duration::from_secs(600), |world| !world.server_closings().is_empty()));
    assert_eq!(world.server_closings(), [&CloseReason::AuthTimeout]);

    // Who cannot do it is told so.
    let (mut world, request) = begin(204);
    world.server.reply_auth(world.now, request, pending("openurl")).expect("an open question");
    world.run_for(Duration::from_secs(1));
    let text = "Authentication failed, required pending auth method 'openurl' not supported";
    assert_eq!(world.client_closings(0), [&CloseReason::AuthFailed(text.into())]);
}

#[test]
fn a_login_may_be_left_out_where_it_is_optional() {
    for optional in [true, false] {
        let mut builder = WorldBuilder::new(205);
        builder.server.verify_user_pass = true;
        builder.server.auth_user_pass_optional = optional;
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(1));
        let Some(request) = last(&world.server_events, login_question) else {
            assert!(!optional);
            assert!(matches!(world.client_closings(0)[..], [CloseReason::AuthFailed(_)]));
            continue;
        };
        assert!(optional, "nobody is asked about nothing");
        world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
        assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
        assert_eq!(world.server.peers().next().expect("a client").username, None);
    }
}

/// A login that renegotiates is verified anew, and data flows meanwhile; a refusal then ends the session.
#[test]
fn a_login_is_verified_in_a_renegotiation_while_data_flows() {
    let mut builder = WorldBuilder::new(206);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = login("joe");
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(1));
    let request = last(&world.server_events, login_question).expect("a question");
    world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world.clients[0].client.renegotiate(world.now);
    for number in 0..20 {
        assert_eq!(world.send_from_client(0, &numbered(2, 1, number)), Verdict::Transmit);
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(world.server_inbox.len(), 20);
    let again = world.server_events.iter().rev().find_map(|event| match event {
        Event::AuthRequested { request, renegotiation: true, .. } => Some(*request),
        _ => None,
    });
    let refusal = AuthDecision::Refuse { reason: String::new() };
    world.server.reply_auth(world.now, again.expect("a question"), refusal).expect("an open question");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_closings(), [&CloseReason::AuthFailed(String::new())]);
}

fn asks_to_connect(seed: u64) -> (World, RequestId) {
    let mut builder = WorldBuilder::new(seed);
    builder.server.connect_by_host = true;
    builder.server.push = ["route 10.66.0.0 255.255.0.0".into(), "route 10.67.0.0 255.255.0.0".into()].into();
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(7));
    let request = last(&world.server_events, connect_question).expect("a question");
    (world, request)
}

#[test]
fn nothing_is_given_before_the_host_lets_the_client_connect() {
    let (mut world, request) = asks_to_connect(210);
    let offered = last(&world.server_events, |event| match event {
        Event::ClientConnectRequested { common_name, ipv4, .. } => Some((common_name.clone(), *ipv4)),
        _ => None,
    });
    let (common_name, ipv4) = offered.expect("a question");
    assert_eq!(common_name.as_deref(), Some("client1"));
    assert_eq!(ipv4.expect("an address").local, Ipv4Addr::new(10, 8, 0, 2));
    assert_eq!(world.server.peers().count(), 0);
    assert!(sent(&world.server_events).is_empty());
    assert_eq!(world.send_from_server(&numbered(1, 2, 1)), Verdict::Drop);
    let decision = ConnectDecision::Accept(Box::default());
    world.server.reply_connect(world.now, request, decision.clone()).expect("an open question");
    world.server.reply_connect(world.now, request, decision).expect_err("it is settled");
    // It had asked for its options before there were any, and gets them at once.
    world.run_for(Duration::from_millis(100));
    assert!(world.is_up(), "{}", tail(&world.trace));
    // A renegotiation is no new connection.
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.server_events.iter().filter_map(connect_question).count(), 1);
}

#[test]
fn a_client_may_be_refused_disabled_or_forgotten() {
    for (decision, reason) in [
        (Some(ConnectDecision::Refuse { reason: "not today".into() }), "the client was refused: not today"),
        (
            Some(ConnectDecision::Accept(instance("disable"))),
            "the client was refused: this client is disabled",
        ),
        (None, "authentication was not decided in time"),
    ] {
        let (mut world, request) = asks_to_connect(211);
        let answered = decision.is_some();
        if let Some(decision) = decision {
            world.server.reply_connect(world.now, request, decision).expect("an open question");
        }
        world.run_until(Duration::from_secs(70), |world| !world.server_closings().is_empty());
        assert_eq!(world.server_closings()[0].to_string(), reason, "{}", tail(&world.trace));
        world.run_for(Duration::from_secs(1));
        let told = matches!(world.client_closings(0)[..], [CloseReason::AuthFailed(_)]);
        assert_eq!(told, answered, "it has given up itself by the deadline");
        assert_eq!(world.server.routes().count(), 0);
    }
}

#[test]
fn one_client_gets_what_its_own_settings_say() {
    let (mut world, request) = asks_to_connect(212);
    let own = instance(
        "ifconfig-push 10.8.0.77 255.255.255.0\nifconfig-ipv6-push fd00::77/64 fd00::1\n\
         push-remove \"route 10.66\"\npush \"route 10.68.0.0 255.255.0.0\"\nping 7\nping-exit 40\n\
         iroute 10.67.0.0 255.255.0.0\ndata-ciphers AES-128-GCM\n",
    );
    world.server.reply_connect(world.now, request, ConnectDecision::Accept(own)).expect("an open question");
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    let texts = sent(&world.server_events);
    let [reply] = texts[..] else { panic!("{texts:?}") };
    assert!(!reply.contains("10.66.0.0"), "{reply}");
    assert!(!reply.contains("10.67.0.0"), "its own network came back to it: {reply}");
    assert!(reply.contains(",route 10.68.0.0 255.255.0.0,"), "{reply}");
    assert!(reply.contains(",ifconfig 10.8.0.77 255.255.255.0,"), "{reply}");
    assert!(reply.contains(",ifconfig-ipv6 fd00::77/64 fd00::1,"), "{reply}");
    assert!(reply.contains(",cipher AES-128-GCM,"), "{reply}");
    let peer = world.server.peers().next().expect("a client");
    assert_eq!(peer.ipv4, Some([10, 8, 0, 77].into()));
    assert_eq!(peer.networks.len(), 3);
    // What the pool had offered is free again.
    assert_eq!(world.server.leases().iter().filter(|lease| lease.common_name == "client1").count(), 0);
    // `ping-exit 40` of its own: it falls silent.
    world.quality.loss = 100;
    assert!(world.run_until(Duration::from_secs(50), |world| !world.server_closings().is_empty()));
    assert_eq!(world.server_closings(), [&CloseReason::PingExit]);
    let ended = last(&world.server_events, |event| match event {
        Event::ClientDisconnected(summary) => Some(summary.clone()),
        _ => None,
    });
    let ended = ended.expect("a summary");
    assert_eq!(ended.ipv4.expect("an address").local, Ipv4Addr::new(10, 8, 0, 77));
    assert!(ended.connected_for >= Duration::from_secs(40) && ended.traffic.is_some());
}

#[test]
fn push_reset_leaves_only_what_belongs_to_the_session() {
    let (mut world, request) = asks_to_connect(213);
    let own = instance(
        "push \"route 10.1.0.0 255.255.0.0\"\npush-reset\npush \"topology subnet\"\npush-remove ifconfig-ipv6\n",
    );
    world.server.reply_connect(world.now, request, ConnectDecision::Accept(own)).expect("an open question");
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    let texts = sent(&world.server_events);
    assert!(
        texts[0].starts_with("PUSH_REPLY,topology subnet,ifconfig 10.8.0.2 255.255.255.0,peer-id 0,cipher "),
        "{texts:?}"
    );
}

#[test]
fn values_are_plain() {
    let own = instance(
        "ifconfig-push 10.8.0.9 10.8.0.10 192.0.2.9\nifconfig-ipv6-push fd00::9/64\nping-restart 0\n",
    );
    let expected = IfconfigPush {
        local: [10, 8, 0, 9].into(),
        remote_netmask: [10, 8, 0, 10].into(),
        alias: Some([192, 0, 2, 9].into()),
    };
    assert_eq!(own.ifconfig_push, Some(expected));
    assert_eq!(own.ifconfig_ipv6_push.and_then(|IfconfigIpv6Push { remote, .. }| remote), None);
    assert_eq!(own.ping_timeout, Some(None::<PingTimeout>));
}

#[test]
fn another_name_may_be_given() {
    let mut builder = WorldBuilder::new(214);
    builder.server.connect_by_host = true;
    builder.server.verify_user_pass = true;
    builder.server.username_as_common_name = true;
    builder.client.auth_user_pass = login("joe@example.org");
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(1));
    let request = last(&world.server_events, login_question).expect("a question");
    world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
    let request = last(&world.server_events, connect_question);
    world.run_for(Duration::from_secs(1));
    let request = request.or_else(|| last(&world.server_events, connect_question)).expect("a question");
    let own = instance("override-username joe");
    world.server.reply_connect(world.now, request, ConnectDecision::Accept(own)).expect("an open question");
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    let peer = world.server.peers().next().expect("a client");
    assert_eq!((peer.common_name, peer.username), (Some("joe"), Some("joe")));
    // It goes on to renegotiate under the name that it knows.
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(1));
    let request = last(&world.server_events, login_question).expect("a question");
    world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
    world.run_for(Duration::from_secs(1));
    assert!(world.server_closings().is_empty(), "{}", tail(&world.trace));
}

#[test]
fn who_is_given_another_s_name_takes_its_place() {
    let mut builder = WorldBuilder::new(219);
    builder.clients = 2;
    builder.server.connect_by_host = true;
    builder.server.verify_user_pass = true;
    builder.server.username_as_common_name = true;
    builder.client.auth_user_pass = login("joe@example.org");
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(1));
    let requests: Vec<_> = world.server_events.iter().filter_map(login_question).collect();
    assert_eq!(requests.len(), 2);
    for (number, request) in requests.into_iter().enumerate() {
        world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("an open question");
        world.run_for(Duration::from_secs(1));
        let request = last(&world.server_events, connect_question).expect("a question");
        let own = ConnectDecision::Accept(instance("override-username joe"));
        world.server.reply_connect(world.now, request, own).expect("an open question");
        world.run_for(Duration::from_millis(100));
        assert_eq!(world.server_closings().len(), number, "{}", tail(&world.trace));
    }
    assert_eq!(world.server_closings(), [&CloseReason::TakenOver]);
    let names: Vec<_> = world.server.peers().filter_map(|peer| peer.common_name).collect();
    assert_eq!(names, ["joe"]);
}

#[test]
fn who_leaves_while_the_host_decides_leaves_nothing_behind() {
    let (mut world, request) = asks_to_connect(215);
    world.clients[0].client.say("EXIT");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit], "{}", tail(&world.trace));
    let decision = ConnectDecision::Accept(Box::default());
    world.server.reply_connect(world.now, request, decision).expect_err("its session is over");
    // The next one gets the same address: the pool has it back.
    world.clients[0].client.restart(world.now);
    world.run_for(Duration::from_secs(5));
    let request = last(&world.server_events, connect_question).expect("a question");
    let decision = ConnectDecision::Accept(Box::default());
    world.server.reply_connect(world.now, request, decision).expect("an open question");
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    assert_eq!(world.server.peers().next().expect("a client").ipv4, Some([10, 8, 0, 2].into()));
}

#[test]
fn of_two_sessions_of_one_client_that_wait_one_remains() {
    let mut builder = WorldBuilder::new(216);
    builder.clients = 2;
    builder.server.connect_by_host = true;
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(2));
    let requests: Vec<_> = world.server_events.iter().filter_map(connect_question).collect();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let decision = ConnectDecision::Accept(Box::default());
        world.server.reply_connect(world.now, request, decision).expect("an open question");
    }
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server.peers().count(), 1);
    assert_eq!(world.server_closings(), [&CloseReason::TakenOver]);
    assert_eq!(world.server.routes().count(), 1);
}

/// Answers of one kind do not fit questions of another, nor those that nobody asked.
#[test]
fn an_answer_fits_its_question_only() {
    let (mut world, request) = asks_to_connect(217);
    let now = world.now;
    world.server.reply_auth(now, request, AuthDecision::Accept).expect_err("no login was asked about");
    world.server.reply_verify(now, request, VerifyDecision::Accept).expect_err("no certificate was");
    let other = RequestId(request.0 + 1);
    world
        .server
        .reply_connect(now, other, ConnectDecision::Accept(Box::default()))
        .expect_err("nobody asked");
    assert_eq!(world.server.peers().count(), 0);
}

#[test]
fn a_servers_clients_end_by_inactive_and_session_timeout_of_their_own() {
    for (text, ends_after) in [("session-timeout 30\n", 30), ("inactive 20 1000000\n", 20)] {
        let (mut world, request) = asks_to_connect(218);
        let own = ConnectDecision::Accept(instance(text));
        world.server.reply_connect(world.now, request, own).expect("an open question");
        assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
        world.run_for(Duration::from_secs(ends_after - 10));
        assert!(world.server_closings().is_empty(), "{}", tail(&world.trace));
        world.run_for(Duration::from_secs(12));
        assert_eq!(world.server_closings().len(), 1, "{text}: {}", tail(&world.trace));
    }
}
