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
