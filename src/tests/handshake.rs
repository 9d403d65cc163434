//! A session begins, and packets flow both ways.

use core::time::Duration;
use std::string::ToString;

use crate::config::{TlsVersion, TlsVersionMax};
use crate::event::{CloseReason, Event, Refusal};
use crate::packet::Verdict;
use crate::sim::{World, WorldBuilder, numbered, tail};
use crate::{Cipher, DropReason, Framing};

fn up(builder: WorldBuilder) -> World {
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(60), World::is_up), "{}", tail(&world.trace));
    world
}

fn exchange(world: &mut World) {
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 7)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&numbered(1, 2, 8)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_inbox, [numbered(2, 1, 7)]);
    assert_eq!(world.clients[0].inbox, [numbered(1, 2, 8)]);
}

#[test]
fn packets_flow_both_ways_with_every_cipher_framing_and_tls_version() {
    for cipher in Cipher::DEFAULT_LIST {
        for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
            for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
                for key_export in [false, true] {
                    let mut builder = WorldBuilder::new(1);
                    builder.server.session.data_ciphers = [cipher].into();
                    builder.server.session.framing = framing;
                    builder.client.session.framing = framing;
                    builder.server.session.tls.version_max = TlsVersionMax(version);
                    builder.server.session.key_export = key_export;
                    exchange(&mut up(builder));
                }
            }
        }
    }
}

#[test]
fn the_server_tells_who_came() {
    let world = up(WorldBuilder::new(2));
    let peers: std::vec::Vec<_> = world.server.peers().collect();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].common_name, Some("client1"));
    assert_eq!(peers[0].ipv4, Some([10, 8, 0, 2].into()));
    let settings = world.clients[0].client.settings().expect("settings of a connected client");
    assert_eq!(settings.ifconfig.map(|ifconfig| ifconfig.local), Some([10, 8, 0, 2].into()));
}

#[test]
fn a_handshake_in_two_round_trips_and_the_tls_flights() {
    let world = up(WorldBuilder::new(3));
    // 10 ms each way: resets, hello, the server's flight, the client's with its key exchange, the server's answer.
    let elapsed = world.now.since(crate::Instant::from_secs(1));
    assert!(elapsed <= Duration::from_millis(100), "took {elapsed:?}\n{}", tail(&world.trace));
}

#[test]
fn no_shared_cipher_is_said_on_both_ends() {
    let mut builder = WorldBuilder::new(4);
    builder.server.session.data_ciphers = [Cipher::Aes256Gcm].into();
    builder.client.session.data_ciphers = [Cipher::ChaCha20Poly1305].into();
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.server_closings(), [&CloseReason::NoSharedCipher]);
    let text = CloseReason::NoSharedCipher.to_string();
    assert_eq!(world.client_closings(0), [&CloseReason::AuthFailed(text)]);
}

#[test]
fn a_client_cannot_send_from_an_address_that_is_not_its_own() {
    let mut world = up(WorldBuilder::new(5));
    assert_eq!(world.send_from_client(0, &numbered(77, 1, 1)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert!(world.server_inbox.is_empty());
    assert_eq!(world.server.drops().get(DropReason::BadSource), 1);
}

#[test]
fn clients_reach_each_other_if_the_server_lets_them() {
    for client_to_client in [true, false] {
        let mut builder = WorldBuilder::new(6);
        builder.clients = 2;
        builder.server.duplicate_cn = true;
        builder.server.client_to_client = client_to_client;
        let mut world = up(builder);
        let target = match world.server.peers().next().and_then(|peer| peer.ipv4) {
            Some(address) => address.octets()[3],
            None => panic!("a client without address"),
        };
        let sender = world
            .clients
            .iter()
            .position(|end| {
                end.client
                    .settings()
                    .and_then(|settings| settings.ifconfig)
                    .is_some_and(|ifconfig| ifconfig.local.octets()[3] != target)
            })
            .expect("two clients have two addresses");
        let source = if target == 2 { 3 } else { 2 };
        assert_eq!(world.send_from_client(sender, &numbered(source, target, 9)), Verdict::Transmit);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.clients[1 - sender].inbox.len(), usize::from(client_to_client));
        assert_eq!(world.server_inbox.len(), usize::from(!client_to_client));
    }
}

#[test]
fn a_second_session_of_the_same_client_takes_over() {
    let mut builder = WorldBuilder::new(7);
    builder.clients = 2;
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.server.peers().count(), 1);
    assert!(world.server_closings().contains(&&CloseReason::TakenOver));
}

#[test]
fn max_clients_keeps_the_next_one_waiting() {
    let mut builder = WorldBuilder::new(8);
    builder.clients = 3;
    builder.server.duplicate_cn = true;
    builder.server.max_clients = 2;
    builder.client.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.server.peers().count(), 2);
    assert!(world.server_closings().iter().any(|reason| matches!(reason, CloseReason::Limit(_))));
    let refused = (0..3).find(|&number| !world.client_closings(number).is_empty()).expect("one of three");
    let told = "the limit of clients (max-clients) is reached".into();
    assert_eq!(world.client_closings(refused)[0], &CloseReason::RefusedForNow(told));

    let now = world.now;
    world.clients[(refused + 1) % 3].client.disconnect(now);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.server.peers().count(), 2);
    assert!(world.clients[refused].client.settings().is_some(), "still outside");
}

#[test]
fn a_login_waits_for_the_host_and_is_refused_at_its_deadline() {
    use crate::config::{AuthUserPass, Credentials};
    use crate::server::AuthDecision;

    for decision in [Some(AuthDecision::Accept), Some(AuthDecision::Refuse { reason: "wrong".into() }), None]
    {
        let mut builder = WorldBuilder::new(9);
        builder.server.verify_user_pass = true;
        builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
            username: "joe".into(),
            password: zeroize::Zeroizing::new("secret".into()),
        });
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(3));
        assert!(!world.is_up(), "connected before the login was verified");
        let request = world.server_events.iter().find_map(|event| match event {
            Event::AuthRequested { request, credentials, .. } => {
                let Credentials { username, password } = credentials;
                assert_eq!((username.as_str(), password.as_str()), ("joe", "secret"));
                assert!(!std::format!("{event:?}").contains("secret"), "a password in a log");
                Some(*request)
            }
            _ => None,
        });
        let request = request.expect("a request");
        let accepted = decision == Some(AuthDecision::Accept);
        if let Some(decision) = decision {
            world.server.reply_auth(world.now, request, decision.clone()).expect("a request that is open");
            world.server.reply_auth(world.now, request, decision).expect_err("it is settled");
        }
        world.run_for(Duration::from_secs(if accepted { 2 } else { 70 }));
        assert_eq!(world.is_up(), accepted, "{}", tail(&world.trace));
        if !accepted {
            assert!(
                matches!(world.client_closings(0)[..], [CloseReason::AuthFailed(_)]),
                "{}",
                tail(&world.trace)
            );
        }
    }
}

#[test]
fn a_client_without_a_certificate_logs_in_where_the_server_lets_it() {
    use crate::config::{AuthUserPass, Credentials, VerifyClientCert};
    use crate::server::AuthDecision;

    for verify in [VerifyClientCert::None, VerifyClientCert::Optional] {
        let mut builder = WorldBuilder::new(10);
        builder.server.session.tls.verify_client_cert = verify;
        builder.server.verify_user_pass = true;
        builder.client.session.tls.cert = None;
        builder.client.session.tls.key = None;
        builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
            username: "joe".into(),
            password: zeroize::Zeroizing::new("secret".into()),
        });
        let mut world = builder.build();
        world.start();
        world.run_for(Duration::from_secs(3));
        let request = world.server_events.iter().find_map(|event| match event {
            Event::AuthRequested { request, common_name: None, .. } => Some(*request),
            _ => None,
        });
        let request = request.expect("a request");
        world.server.reply_auth(world.now, request, AuthDecision::Accept).expect("a request that is open");
        world.run_for(Duration::from_secs(2));
        assert!(world.is_up(), "{verify:?}: {}", tail(&world.trace));
    }
}

#[test]
fn a_wrong_tls_crypt_key_is_said_at_the_server_but_not_every_time() {
    use crate::config::WrapConfig;
    use crate::sim::pki;

    let mut builder = WorldBuilder::new(11);
    builder.server.session.wrap = pki::tls_crypt();
    builder.client.session.wrap = WrapConfig::None;
    builder.client.connect_timeout = Duration::from_secs(20);
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(9));
    assert!(world.server.drops().total() > 1, "{}", tail(&world.trace));
    let refused: std::vec::Vec<_> = world
        .server_events
        .iter()
        .filter_map(|event| match event {
            Event::StrangerRefused { path, why } => Some((path.remote, *why)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [(world.clients[0].address.into(), Refusal::TlsCrypt)]);
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.client_closings(0), [&CloseReason::NoAnswer]);
}

/// A server may push before it has acknowledged our last packet, and then answers no request for half a minute.
#[test]
fn options_that_come_early_are_not_lost() {
    let pushed = |text: &str| text.starts_with("PUSH_REPLY");
    let mut early = 0;
    for size in (250..1000).step_by(50) {
        let mut builder = WorldBuilder::new(12);
        builder.client.session.max_packet_size = size;
        builder.quality.loses_bare_acks = true;
        let mut world = builder.build();
        world.start();
        let sent = |event: &Event| matches!(event, Event::MessageSent { text, .. } if pushed(text));
        if !world.run_until(Duration::from_secs(20), |world| world.server_events.iter().any(sent)) {
            continue; // more packets than the send window holds, and none of them acknowledged
        }
        world.run_for(Duration::from_millis(20));
        let received = |event: &Event| matches!(event, Event::MessageReceived { text, .. } if pushed(text));
        early += usize::from(!world.is_authenticated() && world.clients[0].events.iter().any(received));
        world.quality.loses_bare_acks = false;
        assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    }
    assert!(early > 0, "the case did not occur");
}

#[test]
fn a_refused_login_is_asked_for_again() {
    use crate::config::{AuthUserPass, Credentials};
    use crate::server::AuthDecision;

    let mut builder = WorldBuilder::new(13);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = AuthUserPass::Ask;
    let mut world = builder.build();
    let questions = |world: &World| {
        let request = |event: &Event| match event {
            Event::CredentialsRequested { request } => Some(*request),
            _ => None,
        };
        world.clients[0].events.iter().filter_map(request).collect::<std::vec::Vec<_>>()
    };
    world.start();
    let [first] = questions(&world)[..] else { panic!("one question") };
    let password = zeroize::Zeroizing::new("wrong".into());
    let credentials = Credentials { username: "joe".into(), password };
    world.clients[0].client.provide_credentials(world.now, first, credentials).expect("an open question");
    world.run_for(Duration::from_secs(2));
    let asked = world.server_events.iter().find_map(|event| match event {
        Event::AuthRequested { request, .. } => Some(*request),
        _ => None,
    });
    let decision = AuthDecision::Refuse { reason: "wrong".into() };
    world.server.reply_auth(world.now, asked.expect("a request"), decision).expect("an open request");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.client_closings(0), [&CloseReason::AuthFailed("wrong".into())]);
    world.start();
    assert_eq!(questions(&world).len(), 2, "{}", tail(&world.trace));
}

#[test]
fn a_client_is_found_by_its_handle_while_it_is_connected() {
    let mut world = up(WorldBuilder::new(14));
    let peer = world.server.peers().next().expect("a client").peer;
    assert_eq!(world.server.peer(peer).and_then(|info| info.common_name), Some("client1"));
    world.server.disconnect(world.now, peer, "HALT").expect("a connected client");
    assert!(world.server.peer(peer).is_none());
    assert!(
        world.server.disconnect(world.now, peer, "HALT").is_err(),
        "it is over, though it still acknowledges"
    );
    assert!(world.server.renegotiate(world.now, peer).is_err());
}

#[test]
fn connect_freq_lets_sessions_begin_one_after_the_other() {
    let mut builder = WorldBuilder::new(15);
    builder.clients = 4;
    builder.server.duplicate_cn = true;
    builder.server.connect_freq = Some(crate::config::ConnectFrequency { count: 2, seconds: 30 });
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.server.peers().count(), 2, "{}", tail(&world.trace));
    assert!(world.server.drops().get(DropReason::RateLimited) > 0);
    assert!(world.run_until(Duration::from_secs(200), World::is_up), "{}", tail(&world.trace));
}
