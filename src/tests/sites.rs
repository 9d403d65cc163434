//! Networks behind clients (`iroute`).

use alloc::boxed::Box;
use core::time::Duration;
use std::string::ToString;
use std::vec::Vec;

use crate::DropReason;
use crate::config::{InstanceConfig, NamedText, NoFiles};
use crate::event::Event;
use crate::packet::Verdict;
use crate::server::ConnectDecision;
use crate::sim::{World, WorldBuilder, between, pki, tail};
use crate::wire::icmpv6::NOBODY;

/// Two sites: `client1` has 10.1.0.0/16 behind it, `client-ed25519` has 10.1.7.0/24 and 10.2.0.0/16.
fn sites(seed: u64, more: fn(&mut WorldBuilder)) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.clients = 2;
    builder.server.connect_by_host = true;
    builder.vary = |number, config| {
        if number == 1 {
            config.session.tls = pki::other_client();
        }
    };
    more(&mut builder);
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(1));
    answer(&mut world);
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    world
}

fn answer(world: &mut World) {
    let questions = world.server_events.iter().filter_map(|event| match event {
        Event::ClientConnectRequested { request, common_name, .. } => Some((*request, common_name.clone())),
        _ => None,
    });
    for (request, common_name) in questions.collect::<Vec<_>>() {
        let text = match common_name.as_deref() {
            Some("client1") => "ifconfig-push 10.8.0.11 255.255.255.0\niroute 10.1.0.0 255.255.0.0\n",
            Some(_) => {
                "ifconfig-push 10.8.0.12 255.255.255.0\niroute 10.1.7.0 255.255.255.0\niroute 10.2.0.0 255.255.0.0\n"
            }
            None => "",
        };
        let (own, findings) = InstanceConfig::parse([&NamedText::file("ccd", text)], &mut NoFiles);
        assert_eq!(findings, []);
        let _ = world.server.reply_connect(world.now, request, ConnectDecision::Accept(Box::new(own)));
    }
}

#[test]
fn packets_go_to_the_site_with_the_longest_prefix() {
    let mut world = sites(240, |_| {});
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 1, 9, 9], 1)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 1, 7, 9], 2)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 2, 0, 1], 3)), Verdict::Transmit);
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 3, 0, 1], 4)), Verdict::Drop);
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 8, 0, 11], 5)), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    let numbers = |number: usize| -> Vec<u8> {
        let inbox = &world.clients[number].inbox;
        inbox.iter().map(|packet| packet[packet.len() - 1]).collect()
    };
    assert_eq!(numbers(0), [1, 5]);
    assert_eq!(numbers(1), [2, 3]);
    assert_eq!(world.server.drops().get(DropReason::NoRoute), 1);
}

#[test]
fn a_client_sends_from_its_addresses_and_networks_only() {
    let mut world = sites(241, |_| {});
    for (source, passes) in [
        ([10, 8, 0, 11], true),
        ([10, 1, 200, 3], true),
        // Within its own network, but the part of another client.
        ([10, 1, 7, 3], false),
        ([10, 2, 0, 1], false),
        ([10, 8, 0, 12], false),
        ([192, 0, 2, 1], false),
    ] {
        world.server_inbox.clear();
        let verdict = world.send_from_client(0, &between(source, [10, 8, 0, 1], 1));
        assert_eq!(verdict, Verdict::Transmit);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.server_inbox.len(), usize::from(passes), "{source:?}");
    }
    assert_eq!(world.server.drops().get(DropReason::BadSource), 4);
}

#[test]
fn a_worker_knows_what_is_another_client_s() {
    let mut world = sites(246, |_| {});
    let client1 = |world: &World| {
        world.server.peers().find(|peer| peer.common_name == Some("client1")).expect("a client").peer
    };
    let other = world.server.peers().find(|peer| peer.common_name != Some("client1")).expect("a client").peer;
    let peer = client1(&world);
    let mut data = world.server.detach(world.now, peer).expect("a data state");
    let sources =
        [([10, 8, 0, 11], true), ([10, 1, 200, 3], true), ([10, 1, 7, 3], false), ([10, 2, 0, 1], false)];
    let check = |world: &mut World, data: &mut crate::PeerData, sources: &[([u8; 4], bool)]| {
        for (source, passes) in sources {
            let packet = between(*source, [10, 8, 0, 1], 1);
            assert_eq!(world.send_from_client(0, &packet), Verdict::Transmit);
            let outer = world.last_from_client().expect("a packet was sent");
            let verdict = crate::tests::detach::open(data, world.now, &outer).0;
            assert_eq!(verdict, if *passes { Verdict::Deliver } else { Verdict::Drop }, "{source:?}");
        }
    };
    check(&mut world, &mut data, &sources);
    // Another part changes hands meanwhile: the state is asked for, and knows it when it is handed out again.
    let part = crate::config::IpNetwork::containing([10, 1, 200, 0].into(), 24);
    world.server.add_network(world.now, other, part).expect("a client");
    world.run_for(Duration::from_millis(100));
    let asks = |event: &&Event| matches!(event, Event::AttachRequested { peer: asked } if *asked == peer);
    assert_eq!(world.server_events.iter().filter(asks).count(), 1);
    world.server.attach(world.now, data);
    let mut data = world.server.detach(world.now, peer).expect("a data state");
    check(&mut world, &mut data, &[([10, 1, 200, 3], false), ([10, 1, 201, 3], true)]);
}

/// An IPv6 packet with nothing in it, from an address that is nobody's.
fn ipv6() -> Vec<u8> {
    let mut packet = std::vec![0x60, 0, 0, 0, 0, 0, 59, 64];
    packet.extend(core::net::Ipv6Addr::new(0xFD15, 0, 0, 0, 0, 0, 0, 2).octets());
    packet.extend(core::net::Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1).octets());
    packet
}

#[test]
fn a_server_answers_all_ipv6_packets_of_clients_also_by_a_worker() {
    let mut world = sites(247, |builder| builder.server.block_ipv6 = true);
    let is_no_route = |packet: &[u8]| packet[6] == 58 && packet[40] == 1 && packet[8..24] == NOBODY.octets();
    assert_eq!(world.send_from_client(0, &ipv6()), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert!(world.server_inbox.is_empty());
    assert_eq!(world.clients[0].inbox.len(), 1);
    assert!(is_no_route(&world.clients[0].inbox[0]));

    let peer = world.server.peers().find(|peer| peer.common_name == Some("client1")).expect("a client").peer;
    let mut data = world.server.detach(world.now, peer).expect("a data state");
    assert_eq!(world.send_from_client(0, &ipv6()), Verdict::Transmit);
    let outer = world.last_from_client().expect("a packet was sent");
    let (verdict, answer) = crate::tests::detach::open(&mut data, world.now, &outer);
    assert_eq!(verdict, Verdict::Transmit);
    let mut client = world.clients[0].client.detach(world.now, crate::PeerId::SERVER).expect("a data state");
    let (verdict, answer) = crate::tests::detach::open(&mut client, world.now, &answer);
    assert_eq!(verdict, Verdict::Deliver);
    assert!(is_no_route(&answer));
}

#[test]
fn sites_reach_each_other_through_the_server() {
    let mut world = sites(242, |builder| builder.server.client_to_client = true);
    let packet = between([10, 1, 3, 3], [10, 2, 4, 4], 9);
    assert_eq!(world.send_from_client(0, &packet), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.clients[1].inbox, [packet]);
    assert!(world.server_inbox.is_empty());
}

#[test]
fn the_routing_table_is_told_and_ends_with_its_clients() {
    let mut world = sites(243, |_| {});
    let table = |world: &World| -> Vec<_> {
        let row = |(network, peer): (crate::config::IpNetwork, crate::server::PeerInfo<'_>)| {
            (network.to_string(), peer.common_name.unwrap_or_default().to_string())
        };
        world.server.routes().map(row).collect()
    };
    let row = |network: &str, name: &str| (network.to_string(), name.to_string());
    assert_eq!(
        table(&world),
        [
            row("10.8.0.12", "client-ed25519"),
            row("10.8.0.11", "client1"),
            row("10.1.7.0/24", "client-ed25519"),
            row("10.2.0.0/16", "client-ed25519"),
            row("10.1.0.0/16", "client1"),
        ]
    );
    let peer = world.server.peers().find(|peer| peer.common_name == Some("client1")).expect("a client");
    let (peer, id) = (peer.peer, peer.client_id);
    world.server.disconnect(world.now, peer, "RESTART").expect("a client");
    assert_eq!(table(&world).len(), 3);
    // It comes back, under another client id.
    world.run_for(Duration::from_secs(10));
    answer(&mut world);
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    assert_eq!(table(&world).len(), 5);
    let again = world.server.peers().find(|peer| peer.common_name == Some("client1")).expect("a client");
    assert!(again.client_id > id);
    assert!(again.last_activity.is_some());
}

#[test]
fn a_client_has_no_more_networks_than_it_may() {
    let mut world = sites(244, |builder| builder.server.max_routes_per_client = 1);
    assert_eq!(world.server.routes().count(), 4);
    assert_eq!(world.send_from_server(&between([192, 0, 2, 1], [10, 2, 0, 1], 1)), Verdict::Drop);
    let told = |event: &Event| matches!(event, Event::Notice { text, .. } if text.contains("max-routes-per-client is 1"));
    assert!(world.server_events.iter().any(told));
}

#[test]
fn networks_come_and_go_while_the_client_stays() {
    let mut world = sites(245, |builder| builder.server.max_routes_per_client = 2);
    let network = |text: &str| crate::config::IpNetwork::containing(text.parse().expect("an address"), 16);
    let peer = world.server.peers().find(|peer| peer.common_name == Some("client1")).expect("a client").peer;
    let outward = between([192, 0, 2, 1], [10, 9, 0, 1], 1);
    assert_eq!(world.send_from_server(&outward), Verdict::Drop);
    world.server.add_network(world.now, peer, network("10.9.0.0")).expect("a client");
    world.server.add_network(world.now, peer, network("10.9.0.0")).expect("it has it already");
    assert_eq!(world.send_from_server(&outward), Verdict::Transmit);
    let inward = between([10, 9, 0, 1], [10, 8, 0, 1], 2);
    assert_eq!(world.send_from_client(0, &inward), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.clients[0].inbox.len(), world.server_inbox.len()), (1, 1));
    world.server.add_network(world.now, peer, network("10.7.0.0")).expect_err("one more than it may have");
    // Not while a worker has what would have to change.
    let data = world.server.detach(world.now, peer).expect("a data state");
    world.server.remove_network(world.now, peer, network("10.9.0.0")).expect_err("it is detached");
    world.server.attach(world.now, data);
    world.server.remove_network(world.now, peer, network("10.9.0.0")).expect("a client");
    assert_eq!(world.send_from_server(&outward), Verdict::Drop);
    assert_eq!(world.send_from_client(0, &inward), Verdict::Transmit);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.drops().get(DropReason::BadSource), 1);
}
