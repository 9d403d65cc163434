//! What a server pushes, and what the client's own configuration makes of it.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use crate::config::{PullAction, PullFilter};
use crate::event::{CloseReason, Event};
use crate::reason::DropReason;
use crate::sim::{World, WorldBuilder, tail};

fn world(seed: u64, push: &[&str], filters: &[(PullAction, &str)], route_nopull: bool) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.server.push = push.iter().map(|option| String::from(*option)).collect();
    builder.client.pull_filters =
        filters.iter().map(|&(action, prefix)| PullFilter { action, prefix: prefix.into() }).collect();
    builder.client.route_nopull = route_nopull;
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(3));
    world
}

fn notices(world: &World) -> Vec<&str> {
    let mut notices = Vec::new();
    for event in &world.clients[0].events {
        if let Event::Notice { text, .. } = event {
            notices.push(text.as_str());
        }
    }
    notices
}

const ROUTES: [&str; 4] =
    ["route 10.1.0.0 255.255.0.0", "route 10.2.0.0 255.255.0.0", "dhcp-option DNS 10.1.0.1", "ping 7"];

#[test]
fn the_first_filter_that_fits_decides() {
    let filters = [
        (PullAction::Accept, "route 10.1."),
        (PullAction::Ignore, "route"),
        (PullAction::Ignore, "dhcp-option DNS"),
    ];
    let world = world(260, &ROUTES, &filters, false);
    let settings = world.clients[0].client.settings().expect("a connected client");
    assert_eq!(settings.routes.ipv4.len(), 1);
    assert!(settings.routes.gateway.is_none(), "route-gateway begins like that, too");
    assert_eq!(settings.dns, Default::default());
    assert_eq!(settings.ping, Some(Some(Duration::from_secs(7))));
    assert_eq!(notices(&world).iter().filter(|text| text.contains("pull-filter ignore")).count(), 3);
}

#[test]
fn a_rejected_option_ends_the_session_and_the_client_tries_again() {
    let world = world(261, &ROUTES, &[(PullAction::Reject, "route 10.2")], false);
    let closings = world.client_closings(0);
    assert!(closings.len() > 1, "{}", tail(&world.trace));
    assert_eq!(closings[0], &CloseReason::BadPush("pull-filter reject 'route 10.2' fits one".into()));
}

#[test]
fn route_nopull_takes_addresses_but_no_routes_and_no_dns() {
    let push = [&ROUTES[..], &["redirect-gateway def1", "route-ipv6 fd00::/8", "block-ipv6"]].concat();
    let world = world(262, &push, &[], true);
    let settings = world.clients[0].client.settings().expect("a connected client");
    assert!(settings.ifconfig.is_some() && settings.routes.gateway.is_some());
    let routes = &settings.routes;
    assert!(routes.ipv4.is_empty() && routes.ipv6.is_empty() && routes.redirect_gateway.is_none());
    assert!(!routes.block_ipv6);
    assert_eq!(settings.dns, Default::default());
}

/// What a renegotiation brings passes the same filters as the first push.
#[test]
fn a_later_token_passes_the_filters_too() {
    let mut world = world(268, &[], &[(PullAction::Ignore, "auth-token")], false);
    let peer = world.server.peers().next().expect("a client").peer;
    let before = notices(&world).len();
    world.server.say(peer, "PUSH_REPLY,auth-token TOKEN");
    world.run_for(Duration::from_secs(1));
    assert!(notices(&world)[before..].iter().any(|told| told.contains("pull-filter ignore 'auth-token'")));
    let mut world = self::world(269, &[], &[(PullAction::Reject, "auth-token")], false);
    let peer = world.server.peers().next().expect("a client").peer;
    world.server.say(peer, "PUSH_REPLY,auth-token TOKEN");
    world.run_for(Duration::from_secs(1));
    assert!(matches!(world.client_closings(0)[0], CloseReason::BadPush(_)), "{}", tail(&world.trace));
}

#[test]
fn our_own_topology_holds_where_none_is_pushed() {
    let mut builder = WorldBuilder::new(263);
    builder.client.topology = Some(crate::config::Topology::P2p);
    builder.client.pull_filters =
        [PullFilter { action: PullAction::Ignore, prefix: "topology".into() }].into();
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up));
    let settings = world.clients[0].client.settings().expect("a connected client");
    assert_eq!(settings.topology, Some(crate::config::Topology::P2p));
}

/// Nothing of it reaches the settings, and what is told of it is printable.
#[test]
fn shells_and_terminals_get_nothing_of_a_push() {
    let evil = [
        "dhcp-option DOMAIN $(reboot).example",
        "dhcp-option DNS `id`",
        "dhcp-option DOMAIN-SEARCH a;b",
        "dhcp-option DOMAIN \"a b\"",
        "dns server 0 address 10.1.0.1;reboot",
        "dns search-domains ../../etc/passwd",
        "route 10.1.0.0 255.255.0.0 $(id)",
        "route $IFS 255.255.0.0",
        "up /tmp/evil",
        "setenv LD_PRELOAD /tmp/evil.so",
        "script-security 3",
        "ifconfig-ipv6 fd00::2/64 $(id)x",
        "\u{202e}gpj.exe",
        "unbalanced \"quote",
        "",
    ];
    let mut builder = WorldBuilder::new(264);
    // What the tunnel cannot work without ends it: not that one here.
    builder.server.push = evil
        .iter()
        .filter(|option| !option.starts_with("ifconfig"))
        .map(|option| String::from(*option))
        .collect();
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(5), World::is_up), "{}", tail(&world.trace));
    let settings = world.clients[0].client.settings().expect("a connected client");
    assert_eq!(settings.dns, Default::default());
    assert!(settings.routes.ipv4.is_empty());
    let told = notices(&world);
    assert!(told.len() >= 10, "{told:?}");
    assert!(told.iter().all(|text| !text.contains(char::is_control)), "{told:?}");
}

#[test]
fn what_the_tunnel_needs_is_not_guessed() {
    let world = world(265, &["ifconfig-ipv6 fd00::2/64 $(id)"], &[], false);
    assert!(matches!(world.client_closings(0)[0], CloseReason::BadPush(_)), "{}", tail(&world.trace));
}

#[test]
fn a_megabyte_of_options_is_too_much() {
    let mut builder = WorldBuilder::new(266);
    builder.server.verify_user_pass = true;
    builder.client.auth_user_pass = crate::config::AuthUserPass::Given(crate::config::Credentials {
        username: "joe".into(),
        password: zeroize::Zeroizing::new("secret".into()),
    });
    let mut world = builder.build();
    world.start();
    let request = |event: &Event| match event {
        Event::AuthRequested { peer, .. } => Some(*peer),
        _ => None,
    };
    world.run_until(Duration::from_secs(5), |world| world.server_events.iter().any(|e| request(e).is_some()));
    let peer = world.server_events.iter().find_map(request).expect("a client that logs in");
    let options = ",route 10.0.0.0 255.0.0.0".repeat(36);
    let mut sent = 0;
    while sent < 1 << 20 && world.client_closings(0).is_empty() {
        world.server.say(peer, &std::format!("PUSH_REPLY{options},push-continuation 2"));
        sent += options.len();
        world.run_for(Duration::from_millis(200));
    }
    let limit = crate::Limits::default().pushed_options;
    assert!(sent < limit + 4096, "{sent}");
    let told = std::format!("they are more than {limit} bytes");
    assert_eq!(world.client_closings(0), [&CloseReason::BadPush(told)]);
    assert_eq!(world.clients[0].client.drops().get(DropReason::TooLarge), 1);
}

#[test]
fn messages_that_are_no_text_are_counted_told_escaped_and_go_no_further() {
    let mut world = world(267, &[], &[], false);
    let peer = world.server.peers().next().expect("a client").peer;
    let before = world.clients[0].events.len();
    let bad: [&[u8]; 4] = [
        b"PUSH_REPLY,route \xff\xfe 255.0.0.0",
        b"INFO,\x1b]0;title\x07",
        b"AUTH_FAILED,\xc3\x28",
        b"HALT,one\ntwo",
    ];
    for bytes in bad {
        world.server.say_bytes(peer, bytes);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.clients[0].client.drops().get(DropReason::MalformedControl), 4);
    let told: Vec<_> =
        notices(&world).into_iter().filter(|told| told.contains("not printable text")).collect();
    assert_eq!(world.clients[0].events.len() - before, told.len(), "{told:?}");
    assert!(told.iter().all(|told| told.is_ascii() && !told.contains(char::is_control)), "{told:?}");
    assert!(told[1].ends_with(r"'INFO,\x1b]0;title\x07'"), "{told:?}");
    assert_eq!(told.len(), 4);
    // All are counted, and nobody can fill a log with them.
    for _ in 0..20 {
        world.server.say_bytes(peer, b"\x07");
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.clients[0].client.drops().get(DropReason::MalformedControl), 24);
    assert_eq!(notices(&world).iter().filter(|told| told.contains("not printable text")).count(), 10);
    assert!(world.is_up());
}
