//! A server whose router keeps flows: what is more than plain forwarding, through the whole engine.

use core::time::Duration;
use std::string::ToString;
use std::vec::Vec;

use crate::DropReason;
use crate::config::{IpNetwork, RouterConfig, SourceRule};
use crate::event::{CloseReason, Event};
use crate::packet::{Batch, HEADROOM, Packet, Port, Verdict};
use crate::router::RouterEvent;
use crate::sim::{World, WorldBuilder, between, numbered, pki, tail};
use crate::wire::checksum::checksum;
use crate::wire::ip::IpHeader;

const SLOT: usize = 2048;

/// A server that logs flows, with this many clients that are connected.
fn world(seed: u64, clients: usize, more: fn(&mut WorldBuilder)) -> World {
    let mut builder = WorldBuilder::new(seed);
    builder.clients = clients;
    builder.server.router.log_flows = true;
    builder.server.client_to_client = true;
    builder.vary = |number, config| {
        if number == 1 {
            config.session.tls = pki::other_client();
        }
    };
    more(&mut builder);
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    world
}

/// The packet with so many hops left.
fn with_hops(mut packet: Vec<u8>, hops: u8) -> Vec<u8> {
    packet[8] = hops;
    packet[10..12].fill(0);
    let sum = checksum([&packet[..20]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn flows(world: &World) -> Vec<&RouterEvent> {
    let mut flows = Vec::new();
    for event in &world.server_events {
        if let Event::Router(event @ (RouterEvent::FlowStarted(_) | RouterEvent::FlowEnded(_))) = event {
            flows.push(event);
        }
    }
    flows
}

#[test]
fn packets_of_flows_count_their_hops_and_the_host_hears_whose_they_are() {
    let mut world = world(300, 2, |_| {});
    let _ = world.send_from_client(0, &between([10, 8, 0, 2], [192, 0, 2, 9], 1));
    let _ = world.send_from_client(0, &between([10, 8, 0, 2], [10, 8, 0, 3], 2));
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_inbox, [with_hops(between([10, 8, 0, 2], [192, 0, 2, 9], 1), 63)]);
    assert_eq!(world.clients[1].inbox, [with_hops(between([10, 8, 0, 2], [10, 8, 0, 3], 2), 63)]);
    let [RouterEvent::FlowStarted(first), RouterEvent::FlowStarted(_)] = flows(&world)[..] else {
        panic!("{:?}", flows(&world));
    };
    assert_eq!(first.identity.as_deref(), Some("client1"));
    assert_eq!(first.inside, "10.8.0.2:12345".parse().unwrap());
    assert_eq!(first.destination, "192.0.2.9:7".parse().unwrap());
}

#[test]
fn the_host_answers_at_the_gateways_address() {
    let mut world = world(301, 1, |_| {});
    let _ = world.send_from_client(0, &numbered(2, 1, 1));
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_inbox.len(), 1);
    let _ = world.send_from_server(&numbered(1, 2, 2));
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.clients[0].inbox.len(), 1);
}

#[test]
fn who_sends_a_packet_that_ends_here_is_told_in_the_tunnel() {
    let mut world = world(302, 1, |_| {});
    let dies = with_hops(between([10, 8, 0, 2], [192, 0, 2, 9], 1), 1);
    let _ = world.send_from_client(0, &dies);
    let _ = world.send_from_client(0, &numbered(2, 77, 2)); // nobody's
    world.run_for(Duration::from_millis(100));
    let [exceeded, unreachable] = &world.clients[0].inbox[..] else { panic!("two answers") };
    for (answer, kind) in [(exceeded, 11), (unreachable, 3)] {
        let header = IpHeader::parse(answer).unwrap();
        assert_eq!(header.source, core::net::IpAddr::from([10, 8, 0, 1]));
        assert_eq!((answer[9], answer[20]), (1, kind));
    }
    assert_eq!(exceeded[28..], dies[..]);
    let drops = world.server.drops();
    assert_eq!((drops.get(DropReason::HopsExceeded), drops.get(DropReason::NoRoute)), (1, 1));
    assert_eq!(drops.total(), 2, "the server counts nothing twice");
}

#[test]
fn the_hosts_packets_are_answered_to_the_host() {
    let mut world = world(303, 1, |_| {});
    let verdict = world.send_from_server(&with_hops(numbered(1, 2, 1), 1));
    assert_eq!(verdict, Verdict::Deliver, "an answer to the host, from which it came");
}

/// Runs one packet through what a worker does with it, or what comes from it.
fn through(inner: &[u8], peer: crate::PeerId, each: impl FnOnce(&mut Batch<'_>)) -> (Packet, Vec<u8>) {
    let mut slab = [0; SLOT];
    slab[HEADROOM..HEADROOM + inner.len()].copy_from_slice(inner);
    let mut packets = [Packet { peer, ..Packet::new(0..SLOT, HEADROOM..HEADROOM + inner.len()) }];
    let mut batch = Batch::new(&mut slab, &mut packets, 1);
    each(&mut batch);
    (batch.packets[0], batch.bytes(0).to_vec())
}

#[test]
fn a_workers_packets_pass_the_router_and_what_is_for_its_peer_comes_back() {
    let mut world = world(304, 1, |_| {});
    let peer = world.server.peers().next().expect("a client").peer;
    let mut data = world.server.detach(world.now, peer).expect("a connected client");
    let now = world.now;
    let _ = world.send_from_client(0, &between([10, 8, 0, 2], [192, 0, 2, 9], 1));
    let outer = world.last_from_client().expect("a packet was sent");
    let (opened, inner) = through(&outer, peer, |batch| {
        batch.packets[0].path = *data.path();
        data.open(now, batch);
    });
    assert_eq!((opened.verdict, opened.port, opened.peer), (Verdict::Deliver, Port::Worker, peer));
    let (routed, inner) =
        through(&inner, peer, |batch| world.server.handle_tunnel_packets(now, Port::Worker, batch));
    assert_eq!((routed.verdict, routed.port, routed.peer), (Verdict::Deliver, Port::Host, peer));
    assert_eq!(inner, with_hops(between([10, 8, 0, 2], [192, 0, 2, 9], 1), 63));

    // What is not its own does not pass by this way either.
    let forged = between([10, 8, 0, 3], [192, 0, 2, 9], 1);
    let (dropped, _) =
        through(&forged, peer, |batch| world.server.handle_tunnel_packets(now, Port::Worker, batch));
    assert_eq!((dropped.verdict, dropped.reason), (Verdict::Drop, DropReason::BadSource));
    let nobody = crate::PeerId::NONE;
    let (dropped, _) =
        through(&forged, nobody, |batch| world.server.handle_tunnel_packets(now, Port::Worker, batch));
    assert_eq!((dropped.verdict, dropped.reason), (Verdict::Drop, DropReason::BadSource));

    let answer = between([192, 0, 2, 9], [10, 8, 0, 2], 2);
    let (given, inner) =
        through(&answer, nobody, |batch| world.server.handle_tunnel_packets(now, Port::Host, batch));
    assert_eq!((given.verdict, given.port, given.peer), (Verdict::Deliver, Port::Worker, peer));
    let (sealed, outer) = through(&inner, peer, |batch| data.seal(now, batch));
    assert_eq!(sealed.verdict, Verdict::Transmit);
    let (arrived, inner) = through(&outer, peer, |batch| {
        batch.packets[0].path = crate::Path::udp(crate::LinkId(0), "198.51.100.1:1194".parse().unwrap());
        world.clients[0].client.handle_datagrams(now, batch);
    });
    assert_eq!((arrived.verdict, inner), (Verdict::Deliver, with_hops(answer, 63)));
}

#[test]
fn a_denied_source_is_dropped_before_all_else_and_its_session_ends_when_it_is_denied() {
    let mut builder = WorldBuilder::new(305);
    builder.clients = 2;
    builder.vary = |number, config| {
        if number == 1 {
            config.session.tls = pki::other_client();
        }
    };
    let deny = |address: &str| SourceRule {
        allow: false,
        network: IpNetwork::containing(address.parse().expect("an address"), 32),
    };
    builder.server.router.sources.push(deny("192.0.2.1"));
    let mut world = builder.build();
    world.start();
    world.run_for(Duration::from_secs(5));
    assert!(!world.clients[0].client.is_connected() && world.clients[1].client.is_connected());
    let denied = world.server.drops().get(DropReason::SourceDenied);
    assert!(denied > 0);
    let of_first = |event: &Event| matches!(event, Event::SessionStarted { path, .. } if path.remote.to_string().starts_with("192.0.2.1:"));
    assert!(!world.server_events.iter().any(of_first));

    // Plain forwarding goes on as it was; only who may talk has changed.
    let mut config = RouterConfig::default();
    config.sources.push(deny("192.0.2.2"));
    world.server.configure_router(world.now, config);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_closings(), [&CloseReason::SourceDenied]);
    assert!(world.run_until(Duration::from_secs(200), |world| world.clients[0].client.is_connected()));
    assert_eq!(world.send_from_client(0, &numbered(3, 1, 7)), Verdict::Transmit);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.server_inbox.len(), 1);

    let path = crate::Path::tcp(crate::LinkId(9), "192.0.2.2:5000".parse().unwrap());
    let denied = world.server.drops().get(DropReason::SourceDenied);
    world.server.link_opened(world.now, path);
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.server.drops().get(DropReason::SourceDenied), denied + 1);
    let closed = |event: &Event| matches!(event, Event::LinkClosed { link } if *link == path.link);
    assert!(world.server_events.iter().any(closed));
}

#[test]
fn rules_that_come_later_bind_a_worker_when_its_state_is_back() {
    let mut builder = WorldBuilder::new(306);
    builder.clients = 1;
    let mut world = builder.build();
    world.start();
    assert!(world.run_until(Duration::from_secs(6), World::is_up), "{}", tail(&world.trace));
    let peer = world.server.peers().next().expect("a client").peer;
    let data = world.server.detach(world.now, peer).expect("a connected client");
    world.server.configure_router(world.now, RouterConfig { log_flows: true, ..RouterConfig::default() });
    world.run_for(Duration::from_millis(1));
    let asks = |event: &Event| matches!(event, Event::AttachRequested { peer: asked } if *asked == peer);
    assert!(world.server_events.iter().any(asks));
    world.server.attach(world.now, data);
    let mut data = world.server.detach(world.now, peer).expect("it is back");
    let now = world.now;
    let _ = world.send_from_client(0, &numbered(2, 1, 1));
    let outer = world.last_from_client().expect("a packet was sent");
    let (opened, _) = through(&outer, peer, |batch| {
        batch.packets[0].path = *data.path();
        data.open(now, batch);
    });
    assert_eq!((opened.verdict, opened.port), (Verdict::Deliver, Port::Worker));
}
