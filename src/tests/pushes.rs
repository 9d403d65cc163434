//! What does not fit one PUSH_REPLY.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use crate::event::Event;
use crate::sim::{LinkQuality, World, WorldBuilder, tail};

fn replies(world: &World) -> Vec<String> {
    let reply = |event: &Event| match event {
        Event::MessageSent { text, .. } if text.starts_with("PUSH_REPLY") => Some(text.clone()),
        _ => None,
    };
    world.server_events.iter().filter_map(reply).collect()
}

#[test]
fn five_hundred_routes_go_in_messages_that_clients_take() {
    for quality in [LinkQuality::GOOD, LinkQuality { loss: 10, ..LinkQuality::GOOD }] {
        let mut builder = WorldBuilder::new(260);
        builder.quality = quality;
        builder.server.push = (0..500)
            .map(|number| std::format!("route 10.{}.{}.0 255.255.255.0", 100 + number / 256, number % 256))
            .collect();
        let mut world = builder.build();
        world.start();
        assert!(world.run_until(Duration::from_secs(120), World::is_up), "{}", tail(&world.trace));
        let replies = replies(&world);
        assert!(replies.len() > 15, "{}", replies.len());
        let (last, others) = replies.split_last().expect("a reply");
        // With its NUL, of the 1024 bytes that a client takes.
        assert!(replies.iter().all(|reply| reply.len() < 1024));
        assert!(others.iter().all(|reply| reply.ends_with(",push-continuation 2")));
        assert!(last.ends_with(",push-continuation 1"));
        let settings = world.clients[0].client.settings().expect("settings of a connected client");
        assert_eq!(settings.routes.ipv4.len(), 500);
        assert_eq!(settings.ifconfig.map(|ifconfig| ifconfig.local), Some([10, 8, 0, 2].into()));
    }
}
