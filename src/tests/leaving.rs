//! Who leaves says so, and the other end knows at once.

use core::time::Duration;

use crate::event::CloseReason;
use crate::reason::DropReason;
use crate::sim::{LinkQuality, World, WorldBuilder, tail};

#[test]
fn a_client_that_leaves_is_gone_within_a_second() {
    let mut builder = WorldBuilder::new(40);
    builder.client.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.clients[0].client.disconnect(world.now);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit], "{}", tail(&world.trace));
    assert_eq!(world.client_closings(0), [&CloseReason::Requested]);
    world.run_for(Duration::from_secs(10));
    assert!(world.server.is_idle());
    assert!(world.server.next_timeout().is_none(), "a server without sessions needs no timer");
}

#[test]
fn the_notice_survives_a_lossy_link() {
    let mut gone = 0;
    for seed in 0..50 {
        let mut builder = WorldBuilder::new(seed);
        builder.client.session.explicit_exit_notify = Some(20);
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(Duration::from_secs(5), World::is_up));
        world.quality = LinkQuality { loss: 30, ..LinkQuality::GOOD };
        world.clients[0].client.disconnect(world.now);
        world.run_for(Duration::from_secs(25));
        gone += usize::from(world.server_closings() == [&CloseReason::RemoteExit]);
    }
    assert!(gone >= 49, "{gone} of 50");
}

#[test]
fn a_server_that_shuts_down_tells_its_clients() {
    let mut builder = WorldBuilder::new(41);
    builder.server.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.server.shutdown(world.now);
    world.run_for(Duration::from_millis(500));
    assert!(world.server.is_idle(), "{}", tail(&world.trace));
    assert_eq!(world.client_closings(0), [&CloseReason::RemoteRestart(std::string::String::new())]);

    // The client tries again at once, in vain.
    world.run_for(Duration::from_secs(5));
    assert!(world.server.is_idle() && world.server.drops().get(DropReason::ShuttingDown) > 0);
}

#[test]
fn a_client_with_ping_exit_does_not_come_back() {
    let mut builder = WorldBuilder::new(43);
    builder.client.session.ping_timeout =
        Some(crate::config::PingTimeout { after: Duration::from_secs(30), exit: true });
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.quality.loss = 100;
    world.run_for(Duration::from_secs(300));
    assert_eq!(world.client_closings(0), [&CloseReason::PingExit], "{}", tail(&world.trace));
}

/// OpenVPN counts from the first packet of a client on, and not only once the tunnel is up.
#[test]
fn ping_exit_ends_a_client_that_nobody_has_answered() {
    let mut builder = WorldBuilder::new(45);
    builder.client.session.ping_timeout =
        Some(crate::config::PingTimeout { after: Duration::from_secs(30), exit: true });
    builder.quality.loss = 100;
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(29));
    assert!(world.client_closings(0).is_empty());
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.client_closings(0), [&CloseReason::PingExit], "{}", tail(&world.trace));
}

#[test]
fn silence_ends_a_session_at_ping_restart() {
    let mut builder = WorldBuilder::new(42);
    builder.server.session.ping_timeout =
        Some(crate::config::PingTimeout { after: Duration::from_secs(30), exit: false });
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.run_for(Duration::from_millis(500));
    world.quality.loss = 100;
    world.run_for(Duration::from_secs(29));
    assert!(world.server_closings().is_empty());
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_closings(), [&CloseReason::PingTimeout]);
}

#[test]
fn a_client_that_leaves_does_not_come_back_when_the_server_ends_the_session_first() {
    let mut builder = WorldBuilder::new(44);
    builder.client.session.explicit_exit_notify = Some(5);
    builder.server.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    world.clients[0].client.disconnect(world.now);
    world.server.shutdown(world.now);
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.client_closings(0), [&CloseReason::Requested], "{}", tail(&world.trace));
    assert!(world.clients[0].client.next_timeout().is_none());
}

#[test]
fn a_notice_that_crosses_a_renegotiation_is_heard() {
    let mut builder = WorldBuilder::new(45);
    builder.client.session.explicit_exit_notify = Some(1);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let peer = world.server.peers().next().expect("a client").peer;
    world.clients[0].client.disconnect(world.now);
    world.server.renegotiate(world.now, peer).expect("a client");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit], "{}", tail(&world.trace));
}

/// The notice cannot be sealed while a worker has the data state; the host's loop must not turn for it.
#[test]
fn a_client_leaves_without_its_notice_when_a_worker_has_the_data_state() {
    let mut builder = WorldBuilder::new(46);
    builder.client.session.explicit_exit_notify = Some(1);
    // A client that does not pull knows nothing of EXIT, and so sends OCC's notice.
    builder.client.pull = false;
    builder.client.session.data_ciphers_fallback = Some(crate::Cipher::Aes256Gcm);
    builder.client.session.key_export = false;
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), |world| world.server.peers().count() == 1));
    let data = world.clients[0].client.detach(world.now, crate::PeerId::SERVER).expect("a connected client");
    world.clients[0].client.disconnect(world.now);
    world.run_for(Duration::from_millis(500));
    assert!(world.client_closings(0).is_empty());
    world.clients[0].client.attach(world.now, data);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.client_closings(0), [&CloseReason::Requested], "{}", tail(&world.trace));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit]);
}

#[test]
fn nothing_is_told_of_a_session_after_its_end() {
    use crate::config::{AuthUserPass, Credentials};
    use crate::event::Event;
    use crate::server::AuthDecision;

    let mut builder = WorldBuilder::new(47);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = AuthUserPass::Given(Credentials {
        username: "joe".into(),
        password: zeroize::Zeroizing::new("secret".into()),
    });
    let mut world = builder.build();
    world.start();
    let request = |world: &World| {
        let mut requests = world.server_events.iter().filter_map(|event| match event {
            Event::AuthRequested { request, .. } => Some(*request),
            _ => None,
        });
        requests.next_back()
    };
    world.run_for(Duration::from_secs(1));
    let login = request(&world).expect("a request");
    world.server.reply_auth(world.now, login, AuthDecision::Accept).expect("a request that is open");
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    // It renegotiates, says that it leaves while its login is verified, and goes on talking.
    world.clients[0].client.renegotiate(world.now);
    world.run_for(Duration::from_secs(1));
    let login = request(&world).expect("a request");
    world.clients[0].client.say("EXIT");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_closings(), [&CloseReason::RemoteExit], "{}", tail(&world.trace));
    let told = world.server_events.len();
    world.clients[0].client.say("PUSH_REQUEST");
    world.server.reply_auth(world.now, login, AuthDecision::Accept).expect_err("its session is over");
    world.run_for(Duration::from_secs(3));
    let after = &world.server_events[told..];
    assert!(after.is_empty(), "{after:?}");
}
