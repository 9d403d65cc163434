//! Sessions that end because little goes through them, or because their time is over.

use core::time::Duration;

use crate::config::Inactive;
use crate::event::CloseReason;
use crate::packet::Verdict;
use crate::sim::{World, WorldBuilder, numbered, tail};
use crate::time::TimerKind;

fn up(builder: WorldBuilder) -> World {
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    world
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn say_something(world: &mut World) {
    assert_eq!(world.send_from_client(0, &numbered(2, 1, 1)), Verdict::Transmit);
}

#[test]
fn an_idle_session_ends_and_pings_are_no_traffic() {
    for pushed in [true, false] {
        let mut builder = WorldBuilder::new(240);
        builder.server.session.ping = Some(seconds(5));
        builder.client.session.ping = Some(seconds(5));
        if pushed {
            builder.server.push = ["inactive 60".into()].into();
            // What is pushed counts.
            builder.client.inactive = Some(Inactive { after: seconds(1), bytes: 0 });
        } else {
            builder.client.inactive = Some(Inactive { after: seconds(60), bytes: 0 });
        }
        let mut world = up(builder);
        world.run_for(seconds(50));
        say_something(&mut world);
        world.run_for(seconds(55));
        assert!(world.is_up(), "{}", tail(&world.trace));
        world.run_for(seconds(6));
        assert_eq!(world.client_closings(0), [&CloseReason::Inactive]);
        assert!(world.clients[0].client.next_timeout().is_none(), "it does not come back");
    }
}

#[test]
fn packets_from_the_server_are_traffic_too() {
    let mut builder = WorldBuilder::new(241);
    builder.client.inactive = Some(Inactive { after: seconds(60), bytes: 0 });
    let mut world = up(builder);
    world.run_for(seconds(50));
    assert_eq!(world.send_from_server(&numbered(1, 2, 1)), Verdict::Transmit);
    world.run_for(seconds(50));
    assert!(world.is_up());
}

/// Five packets of 32 bytes make 160.
#[test]
fn fewer_bytes_than_inactive_says_count_as_idle() {
    for (bytes, survives) in [(160, true), (161, false)] {
        let mut builder = WorldBuilder::new(242);
        builder.client.inactive = Some(Inactive { after: seconds(60), bytes });
        let mut world = up(builder);
        for _ in 0..5 {
            world.run_for(seconds(10));
            say_something(&mut world);
        }
        world.run_for(seconds(40));
        assert_eq!(world.is_up(), survives, "{bytes}: {}", tail(&world.trace));
    }
}

#[test]
fn session_timeout_ends_a_busy_session() {
    for pushed in [true, false] {
        let mut builder = WorldBuilder::new(243);
        builder.client.session.ping_timeout = None;
        if pushed {
            builder.server.push = ["session-timeout 100".into()].into();
        } else {
            builder.client.session_timeout = Some(seconds(100));
        }
        let mut world = up(builder);
        for _ in 0..9 {
            world.run_for(seconds(11));
            say_something(&mut world);
        }
        assert!(world.is_up());
        let deadline = world.clients[0].client.next_timeout().expect("a deadline");
        assert_eq!(deadline.reason, TimerKind::SessionTimeout, "{deadline:?}");
        world.run_for(seconds(2));
        assert_eq!(world.client_closings(0), [&CloseReason::SessionTimeout]);
        assert!(world.clients[0].client.next_timeout().is_none());
    }
}
