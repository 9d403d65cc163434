//! The LAN port from the LAN's side: frames in, frames out.

mod host;
mod ndp;

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::super::testing::{assert_checksums, ip, peer, ping, router_with, send, udp};
use super::super::{Forward, Router, RouterEvent, Zone};
use super::{LanLink, MacAddress};
use crate::buffer::PacketBuf;
use crate::config::{ForwardTarget, LanConfig, Nat, PortForward, Protocol, RouterConfig};
use crate::reason::DropReason;
use crate::time::Instant;

const US: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const HOST: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x10]);
const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0x66]);
const LINK: LanLink = LanLink { mac: US, mtu: 1500 };
/// The port's own address, a host beside it, the gateway.
const OURS: &str = "10.0.1.3";
const NEAR: &str = "10.0.2.2";
const GATE: &str = "10.0.0.1";

/// Clients, and a LAN port whose addresses have been looked after, at 10 s.
fn lan_router(clients: u32) -> Router {
    let mut router = fresh(clients);
    pass(&mut router, Instant::ZERO, START);
    router
}

const START: Instant = Instant::from_secs(10);

fn fresh(clients: u32) -> Router {
    let lan = LanConfig {
        device: "eth0".to_string(),
        addresses: vec![(ip(OURS), 16), (ip("fd00:1::3"), 64)],
        gateways: vec![ip(GATE)],
    };
    let config = RouterConfig { lan: Some(lan), ..RouterConfig::default() };
    router_with(config, clients, |setup| setup.lan = Some(LINK))
}

/// Lets time pass. What is sent meanwhile, with when and where.
fn pass(router: &mut Router, from: Instant, until: Instant) -> Vec<(Instant, Zone, Vec<u8>)> {
    let mut out = Vec::new();
    let mut now = from;
    loop {
        out.extend(drain(router, now).into_iter().map(|(zone, packet)| (now, zone, packet)));
        match router.next_timeout() {
            Some(deadline) if deadline.at <= until => now = deadline.at.max(now),
            _ => return out,
        }
        router.handle_timeout(now);
    }
}

/// All that the router itself sends.
fn drain(router: &mut Router, now: Instant) -> Vec<(Zone, Vec<u8>)> {
    let mut memory = vec![0; 2048];
    let mut out = Vec::new();
    loop {
        let mut buf = PacketBuf::new(&mut memory, 64..64).unwrap();
        let Some(zone) = router.poll_output(now, &mut buf) else { return out };
        out.push((zone, buf.payload().to_vec()));
    }
}

fn frame(to: MacAddress, from: MacAddress, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ethertype.to_be_bytes(), payload].concat()
}

/// An ARP frame; operation 1 asks, 2 answers.
fn arp(to: MacAddress, operation: u8, sender: (MacAddress, &str), target: (MacAddress, &str)) -> Vec<u8> {
    let octets = |text: &str| match ip(text) {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => panic!("ARP is for IPv4"),
    };
    let message = [
        &[0, 1, 8, 0, 6, 4, 0, operation][..],
        &sender.0.0,
        &octets(sender.1),
        &target.0.0,
        &octets(target.1),
    ]
    .concat();
    frame(to, sender.0, 0x0806, &message)
}

const ALL: MacAddress = MacAddress([0xFF; 6]);
const NOBODY: MacAddress = MacAddress([0; 6]);

fn asks(from: (MacAddress, &str), target: &str) -> Vec<u8> {
    arp(ALL, 1, from, (NOBODY, target))
}

fn answers(from: (MacAddress, &str), to: (MacAddress, &str)) -> Vec<u8> {
    arp(to.0, 2, from, to)
}

fn from_lan(router: &mut Router, now: Instant, frame: &[u8]) -> (Forward, Vec<u8>) {
    send(router, now, Zone::Lan, frame)
}

/// Sends a client's datagram to a host on the LAN: what the router made of it, and what it sent beside.
fn to_lan(router: &mut Router, now: Instant, client: u32, to: &str) -> (Forward, Vec<(Zone, Vec<u8>)>) {
    let source = (10 << 24 | 8 << 16) + 1 + client;
    let source = core::net::Ipv4Addr::from_bits(source).to_string();
    let packet = udp((&source, 4000), (to, 53), b"?");
    let (forward, _) = send(router, now, Zone::Peer(peer(client)), &packet);
    (forward, drain(router, now))
}

#[test]
fn it_answers_for_its_own_address_and_for_no_other() {
    let mut router = lan_router(1);
    let (forward, _) = from_lan(&mut router, START, &asks((HOST, NEAR), OURS));
    assert_eq!(forward, Forward::Consumed);
    assert_eq!(drain(&mut router, START), [(Zone::Lan, answers((US, OURS), (HOST, NEAR)))]);
    // The host's kernel, a client, somebody else, nobody.
    for other in ["10.0.1.4", "10.8.0.2", "10.0.2.3", "0.0.0.0", "255.255.255.255", "10.0.255.255"] {
        let _ = from_lan(&mut router, START, &asks((HOST, NEAR), other));
        assert_eq!(drain(&mut router, START), [], "{other}");
    }
}

#[test]
fn an_address_is_answered_for_from_claim_to_release() {
    let mut router = lan_router(0);
    let leased = ip("10.0.1.200");
    let ask = asks((HOST, NEAR), "10.0.1.200");
    let _ = from_lan(&mut router, START, &ask);
    assert_eq!(drain(&mut router, START), []);
    router.common.lan.as_mut().unwrap().claim(leased);
    router.common.lan.as_mut().unwrap().claim(leased);
    // While it is being looked after there is no answer yet.
    router.handle_timeout(START);
    let _ = from_lan(&mut router, START, &ask);
    assert_eq!(drain(&mut router, START), [(Zone::Lan, asks((US, "0.0.0.0"), "10.0.1.200"))]);
    let later = START + Duration::from_secs(5);
    pass(&mut router, START, later);
    let _ = from_lan(&mut router, later, &ask);
    assert_eq!(drain(&mut router, later), [(Zone::Lan, answers((US, "10.0.1.200"), (HOST, NEAR)))]);
    router.common.lan.as_mut().unwrap().release(leased);
    let _ = from_lan(&mut router, later, &ask);
    assert_eq!(drain(&mut router, later).len(), 1, "somebody else needs it still");
    router.common.lan.as_mut().unwrap().release(leased);
    let _ = from_lan(&mut router, later, &ask);
    assert_eq!(drain(&mut router, later), []);
}

/// RFC 5227 §2.1.1 and §2.3: probes come from nobody, announcements are requests for one's own address.
#[test]
fn addresses_are_probed_then_announced() {
    let mut router = fresh(0);
    let sent = pass(&mut router, Instant::ZERO, START);
    let v4: Vec<_> = sent.iter().filter(|(.., frame)| frame[12..14] == [8, 6]).collect();
    let probe = asks((US, "0.0.0.0"), OURS);
    let announcement = asks((US, OURS), OURS);
    let expected = [&probe, &probe, &probe, &announcement, &announcement];
    assert_eq!(v4.iter().map(|(.., frame)| frame).collect::<Vec<_>>(), expected);
    let at = |index: usize| v4[index].0.as_nanos() / 1_000_000;
    assert_eq!([at(0), at(1), at(2), at(3), at(4)], [0, 330, 660, 990, 2990]);
    assert_eq!(router.next_timeout().map(|deadline| deadline.at), None);
}

#[test]
fn who_has_our_address_may_say_so_again_and_the_wait_begins_anew() {
    let mut router = fresh(1);
    router.handle_timeout(Instant::ZERO);
    let claim = asks((OTHER, OURS), NEAR);
    for at in [100, 30_000] {
        let _ = from_lan(&mut router, Instant::from_millis(at), &claim);
    }
    for seconds in [60, 61, 89] {
        let now = Instant::from_secs(seconds);
        router.handle_timeout(now);
        let next = router.next_timeout().expect("it is tried again").at;
        assert!(next > now, "{next:?} at {seconds} s");
    }
}

#[test]
fn an_address_that_somebody_has_is_not_used_and_tried_again_later() {
    // An answer, an announcement, another packet of his, and somebody who also wants it.
    for claim in [
        answers((OTHER, OURS), (US, "0.0.0.0")),
        asks((OTHER, OURS), OURS),
        asks((OTHER, OURS), NEAR),
        asks((OTHER, "0.0.0.0"), OURS),
    ] {
        let mut router = fresh(1);
        router.handle_timeout(Instant::ZERO);
        let (forward, _) = from_lan(&mut router, Instant::from_millis(100), &claim);
        assert_eq!(forward, Forward::Consumed);
        let Some(RouterEvent::AddressConflict { address, mac, kept: false }) = router.poll_event() else {
            panic!("a conflict")
        };
        assert_eq!((address, mac), (ip(OURS), OTHER));
        let ours_in_use =
            |sent: &[(Instant, Zone, Vec<u8>)]| sent.iter().any(|(.., f)| *f == asks((US, OURS), OURS));
        let sent = pass(&mut router, Instant::from_millis(100), Instant::from_secs(60));
        assert!(!ours_in_use(&sent));
        let now = Instant::from_secs(60);
        let _ = from_lan(&mut router, now, &asks((HOST, NEAR), OURS));
        assert_eq!(drain(&mut router, now), [], "it is not ours");
        // A minute later nobody objects.
        let sent = pass(&mut router, now, Instant::from_secs(65));
        assert!(ours_in_use(&sent));
    }
}

/// RFC 5227 §2.4 (c): the address of a router is kept, and defended once in ten seconds.
#[test]
fn an_address_in_use_is_defended_without_a_quarrel() {
    let mut router = lan_router(0);
    let claim = asks((OTHER, OURS), OURS);
    let mut announced = 0;
    for tenth in 0..100 {
        let now = START + Duration::from_millis(100 * tenth);
        let _ = from_lan(&mut router, now, &claim);
        announced += pass(&mut router, now, now).len();
    }
    assert_eq!(announced, 1);
    assert!(matches!(router.poll_event(), Some(RouterEvent::AddressConflict { kept: true, .. })));
    assert!(router.poll_event().is_none());
    let later = START + Duration::from_secs(11);
    let _ = from_lan(&mut router, later, &claim);
    assert_eq!(pass(&mut router, later, later).len(), 1);
    // Who asks first whether he may have it is told.
    let _ = from_lan(&mut router, later, &asks((OTHER, "0.0.0.0"), OURS));
    assert_eq!(drain(&mut router, later), [(Zone::Lan, answers((US, OURS), (OTHER, "0.0.0.0")))]);
}

#[test]
fn a_packet_waits_for_its_neighbour_and_the_next_ones_do_not() {
    let mut router = lan_router(1);
    let (forward, beside) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!(forward, Forward::Consumed);
    assert_eq!(beside, [(Zone::Lan, asks((US, OURS), NEAR))]);
    let (forward, beside) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!((forward, beside.len()), (Forward::Consumed, 0), "one question is enough");
    let (forward, _) = from_lan(&mut router, START, &answers((HOST, NEAR), (US, OURS)));
    assert_eq!(forward, Forward::Consumed);
    let sent = drain(&mut router, START);
    assert_eq!(sent.len(), 2);
    for (zone, sent) in &sent {
        assert_eq!(*zone, Zone::Lan);
        assert_eq!(sent[..14], frame(HOST, US, 0x0800, b""));
        assert_checksums(&sent[14..]);
        assert_eq!(sent[14 + 8], 63, "a hop");
    }
    let (forward, beside) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!((forward, beside.len()), (Forward::To(Zone::Lan), 0));
}

#[test]
fn what_is_not_on_the_lan_goes_to_the_gateway_and_what_is_for_all_goes_nowhere() {
    let mut router = lan_router(1);
    let (_, beside) = to_lan(&mut router, START, 1, "192.0.2.1");
    assert_eq!(beside, [(Zone::Lan, asks((US, OURS), GATE))]);
    for all in ["10.0.255.255", "10.0.0.0"] {
        let (forward, beside) = to_lan(&mut router, START, 1, all);
        assert_eq!((forward, beside.len()), (Forward::Drop(DropReason::Multicast), 0), "{all}");
    }
}

/// RFC 1122 §2.3.2.1: no more than one question a second; RFC 1812 §5.2.7.1: then the sender is told.
#[test]
fn nobody_there_is_told_to_the_sender() {
    let mut router = lan_router(1);
    let (forward, first) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!((forward, first.len()), (Forward::Consumed, 1));
    let sent = pass(&mut router, START, START + Duration::from_secs(5));
    let question = asks((US, OURS), NEAR);
    let at = |seconds: u64| START + Duration::from_secs(seconds);
    assert_eq!(sent[..2], [(at(1), Zone::Lan, question.clone()), (at(2), Zone::Lan, question)]);
    let [(when, zone, error)] = &sent[2..] else { panic!("{sent:?}") };
    assert_eq!((*when, *zone), (at(3), Zone::Peer(peer(1))));
    assert_checksums(error);
    assert_eq!(error[20..22], [3, 1]);
    let quoted = &error[28..];
    assert_eq!(quoted[12..20], [10, 8, 0, 2, 10, 0, 2, 2], "as the client has sent it");
    assert_eq!(router.drops().get(DropReason::NoNeighbour), 1);
    // It is asked for again when there is a reason.
    let (forward, beside) = to_lan(&mut router, at(6), 1, NEAR);
    assert_eq!((forward, beside.len()), (Forward::Consumed, 1));
}

fn learnt(router: &mut Router) {
    let _ = to_lan(router, START, 1, NEAR);
    let _ = from_lan(router, START, &answers((HOST, NEAR), (US, OURS)));
    assert_eq!(drain(router, START).len(), 1);
}

/// RFC 4861 §7.3.3, and RFC 1122 §2.3.2.1 (2) for ARP: asked at its own address, while packets go on.
#[test]
fn a_neighbour_is_asked_again_before_it_is_forgotten() {
    let mut router = lan_router(1);
    learnt(&mut router);
    let now = START + Duration::from_secs(31);
    let (forward, beside) = to_lan(&mut router, now, 1, NEAR);
    assert_eq!(forward, Forward::To(Zone::Lan));
    let question = arp(HOST, 1, (US, OURS), (NOBODY, NEAR));
    assert_eq!(beside, [(Zone::Lan, question.clone())]);
    let _ = from_lan(&mut router, now, &answers((HOST, NEAR), (US, OURS)));
    assert_eq!(to_lan(&mut router, now + Duration::from_secs(29), 1, NEAR), (Forward::To(Zone::Lan), vec![]));

    let now = now + Duration::from_secs(31);
    let (_, beside) = to_lan(&mut router, now, 1, NEAR);
    assert_eq!(beside, [(Zone::Lan, question.clone())]);
    let sent: Vec<_> =
        pass(&mut router, now, now + Duration::from_secs(10)).into_iter().map(|(.., frame)| frame).collect();
    let anybody = asks((US, OURS), NEAR);
    assert_eq!(sent, [question.clone(), question, anybody.clone(), anybody.clone(), anybody]);
    assert_eq!(router.next_timeout().map(|deadline| deadline.reason), Some(crate::time::TimerKind::Flow));
}

#[test]
fn only_answers_to_our_own_questions_are_believed() {
    let mut router = lan_router(1);
    // Nobody asked.
    let _ = from_lan(&mut router, START, &answers((OTHER, NEAR), (US, OURS)));
    let _ = from_lan(&mut router, START, &asks((OTHER, NEAR), OURS));
    let _ = drain(&mut router, START);
    let (forward, _) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!(forward, Forward::Consumed);
    // To all, to another, about another, from no single interface.
    for lie in [
        arp(ALL, 2, (OTHER, NEAR), (ALL, OURS)),
        answers((OTHER, NEAR), (US, "10.0.1.4")),
        answers((OTHER, "10.0.2.9"), (US, OURS)),
        answers((ALL, NEAR), (US, OURS)),
        asks((OTHER, NEAR), NEAR),
    ] {
        let _ = from_lan(&mut router, START, &lie);
        assert_eq!(drain(&mut router, START), []);
    }
    let _ = from_lan(&mut router, START, &answers((HOST, NEAR), (US, OURS)));
    assert_eq!(drain(&mut router, START)[0].1[..6], HOST.0);
}

#[test]
fn a_neighbour_that_is_there_cannot_be_talked_away_and_one_that_moved_is_found() {
    let mut router = lan_router(1);
    learnt(&mut router);
    let lie = asks((OTHER, NEAR), NEAR);
    let question = arp(HOST, 1, (US, OURS), (NOBODY, NEAR));
    let _ = from_lan(&mut router, START, &lie);
    assert_eq!(drain(&mut router, START), [(Zone::Lan, question.clone())], "where it was");
    let _ = from_lan(&mut router, START, &answers((OTHER, NEAR), (US, OURS)));
    let _ = from_lan(&mut router, START, &answers((HOST, NEAR), (US, OURS)));
    let (forward, _) = to_lan(&mut router, START, 1, NEAR);
    assert_eq!(forward, Forward::To(Zone::Lan));
    assert!(pass(&mut router, START, START + Duration::from_secs(20)).is_empty());

    let now = START + Duration::from_secs(20);
    let _ = from_lan(&mut router, now, &lie);
    let sent = pass(&mut router, now, now + Duration::from_secs(1));
    let frames: Vec<_> = sent.iter().map(|(.., frame)| frame.clone()).collect();
    assert_eq!(frames, [question, asks((US, OURS), NEAR)]);
    let now = now + Duration::from_secs(1);
    let _ = from_lan(&mut router, now, &answers((OTHER, NEAR), (US, OURS)));
    let packet = udp(("10.8.0.2", 4000), (NEAR, 53), b"?");
    let (forward, sent) = send(&mut router, now, Zone::Peer(peer(1)), &packet);
    assert_eq!(forward, Forward::To(Zone::Lan));
    assert_eq!(sent[..6], OTHER.0);
}

#[test]
fn who_sends_to_addresses_that_nobody_has_fills_no_table_and_stops_nobody() {
    let mut router = lan_router(2);
    let mut sent = 0;
    for number in 0..2000 {
        let nobody = core::net::Ipv4Addr::from_bits((10 << 24 | 3 << 8) + number).to_string();
        sent += to_lan(&mut router, START, 1, &nobody).1.len();
    }
    assert_eq!(sent, 16, "questions at a time");
    let (forward, beside) = to_lan(&mut router, START, 2, NEAR);
    assert_eq!((forward, beside.len()), (Forward::Consumed, 1));
    let _ = from_lan(&mut router, START, &answers((HOST, NEAR), (US, OURS)));
    assert_eq!(drain(&mut router, START).len(), 1);
    assert!(router.common.lan.as_ref().unwrap().neighbours.len() <= 17);
}

/// A whole /16 full of hosts: the table makes room, and those that are in use stay.
#[test]
fn a_full_table_forgets_what_was_not_used_for_longest() {
    let mut router = lan_router(1);
    let mut now = START;
    for number in 0..1000 {
        now += Duration::from_millis(10);
        let host = core::net::Ipv4Addr::from_bits((10 << 24 | 3 << 8) + number).to_string();
        let (forward, _) = to_lan(&mut router, now, 1, &host);
        assert_eq!(forward, Forward::Consumed, "{host}");
        let _ = from_lan(&mut router, now, &answers((HOST, &host), (US, OURS)));
        assert_eq!(drain(&mut router, now).len(), 1);
    }
    assert_eq!(router.common.lan.as_ref().unwrap().neighbours.len(), 256);
    let (forward, _) = to_lan(&mut router, now, 1, "10.0.6.231");
    assert_eq!(forward, Forward::To(Zone::Lan), "the last one");
}

#[test]
fn one_asker_is_answered_so_often_a_second_and_others_all_the_same() {
    let mut router = lan_router(0);
    let (mut answered, mut limited) = (0, 0);
    for _ in 0..1000 {
        match from_lan(&mut router, START, &asks((OTHER, "10.0.9.9"), OURS)).0 {
            Forward::Consumed => answered += drain(&mut router, START).len(),
            Forward::Drop(DropReason::RateLimited) => limited += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((answered, limited), (64, 936));
    let _ = from_lan(&mut router, START, &asks((HOST, NEAR), OURS));
    assert_eq!(drain(&mut router, START).len(), 1);
    let later = START + Duration::from_secs(1);
    let _ = from_lan(&mut router, later, &asks((OTHER, "10.0.9.9"), OURS));
    assert_eq!(drain(&mut router, later).len(), 1);
}

#[test]
fn of_the_frames_on_the_wire_only_ours_are_taken() {
    let mut router = lan_router(1);
    let to_client = ping(NEAR, "10.8.0.2", 1, 1);
    let with = |to, ethertype, packet: &[u8]| frame(to, HOST, ethertype, packet);
    // Routed to us: the LAN has a route to the clients.
    let (forward, packet) = from_lan(&mut router, START, &with(US, 0x0800, &to_client));
    assert_eq!(
        (forward, packet[12..20].to_vec()),
        (Forward::To(Zone::Peer(peer(1))), to_client[12..20].to_vec())
    );
    let padded = [&with(US, 0x0800, &to_client)[..], &[0; 20]].concat();
    let (forward, packet) = from_lan(&mut router, START, &padded);
    assert_eq!((forward, packet.len()), (Forward::To(Zone::Peer(peer(1))), to_client.len()));

    let vlan = frame(US, HOST, 0x8100, &[&[0, 5, 8, 0][..], &to_client].concat());
    let from_ours = frame(US, US, 0x0800, &to_client);
    for other in [
        with(OTHER, 0x0800, &to_client), // another's
        with(ALL, 0x0800, &to_client),   // RFC 1122 §3.3.6
        with(MacAddress([1, 0, 0x5E, 0, 0, 1]), 0x0800, &ping(NEAR, "224.0.0.1", 1, 1)),
        with(US, 0x0800, &ping(NEAR, "10.0.1.4", 1, 1)), // the kernel's, by the same hardware address
        with(US, 0x0800, &ping(NEAR, "192.0.2.1", 1, 1)), // we are no router to elsewhere
        with(US, 0x86DD, &to_client),                    // not what it says
        with(US, 0x88CC, b"LLDP"),
        vlan,
        from_ours,
        with(US, 0x0800, &to_client)[..33].to_vec(),
        with(US, 0x0800, b""),
        vec![2; 13],
        vec![],
    ] {
        let (forward, _) = from_lan(&mut router, START, &other);
        assert_eq!(forward, Forward::Drop(DropReason::NotForUs), "{other:x?}");
    }
    assert_eq!(drain(&mut router, START), []);
    let (forward, _) = from_lan(&mut router, START, &with(US, 0x0800, &ping(OURS, "10.8.0.2", 1, 1)));
    assert_eq!(forward, Forward::Drop(DropReason::Martian));
}

/// An address of ours in our own network that nobody has: what we say to that goes back by the LAN.
#[test]
fn an_error_to_the_lan_finds_its_way_by_arp() {
    let mut router = lan_router(1);
    let (forward, _) = from_lan(&mut router, START, &frame(US, HOST, 0x0800, &ping(NEAR, "10.8.9.9", 1, 1)));
    assert_eq!(forward, Forward::Consumed);
    assert_eq!(drain(&mut router, START), [(Zone::Lan, asks((US, OURS), NEAR))]);
    let _ = from_lan(&mut router, START, &answers((HOST, NEAR), (US, OURS)));
    let sent = drain(&mut router, START);
    assert_eq!(sent[0].1[..14], frame(HOST, US, 0x0800, b""));
    assert_eq!(sent[0].1[14 + 20..14 + 22], [3, 0]);
    assert_checksums(&sent[0].1[14..]);
}

#[test]
fn a_new_link_is_a_new_lan() {
    let mut router = lan_router(1);
    learnt(&mut router);
    let mac = MacAddress([2, 0, 0, 0, 0, 2]);
    router.set_lan_link(START, LanLink { mac, mtu: 1400 });
    let sent = pass(&mut router, START, START + Duration::from_secs(1));
    assert_eq!(sent[0].2, asks((mac, "0.0.0.0"), OURS));
    let now = START + Duration::from_secs(1);
    let (forward, beside) = to_lan(&mut router, now, 1, NEAR);
    assert_eq!((forward, beside), (Forward::Consumed, vec![(Zone::Lan, asks((mac, OURS), NEAR))]));
}

#[test]
fn another_configuration_takes_addresses_and_gives_up_others() {
    let mut router = lan_router(0);
    let forward = |address: &str| PortForward {
        protocol: Protocol::Tcp,
        address: ip(address),
        ports: 443..=443,
        to: ForwardTarget::Client("client1".to_string()),
        to_port: 443,
        from: None,
    };
    let mut config = router.common.config.clone();
    config.port_forwards = vec![forward("10.0.1.50"), forward(OURS), forward("10.8.0.1")];
    router.configure(START, config.clone());
    let sent = pass(&mut router, START, START + Duration::from_secs(9));
    // What is ours already goes on, and the clients' gateway is no matter of the LAN's.
    assert!(sent.iter().all(|(_, _, frame)| frame[38..42] == [10, 0, 1, 50]), "{sent:x?}");
    assert_eq!(sent.len(), 5);
    let now = START + Duration::from_secs(9);
    let _ = from_lan(&mut router, now, &asks((HOST, NEAR), "10.0.1.50"));
    assert_eq!(drain(&mut router, now).len(), 1);
    assert!(router.lan_interests().contains(&(ip("10.0.1.50")..=ip("10.0.1.50"))));

    config.port_forwards.clear();
    config.lan.as_mut().unwrap().addresses[0] = (ip("10.0.1.9"), 16);
    let version = router.routes_version();
    router.configure(now, config.clone());
    assert_ne!(router.routes_version(), version);
    let later = now + Duration::from_secs(9);
    pass(&mut router, now, later);
    for (address, answered) in [("10.0.1.50", 0), (OURS, 0), ("10.0.1.9", 1)] {
        let _ = from_lan(&mut router, later, &asks((HOST, NEAR), address));
        assert_eq!(drain(&mut router, later).len(), answered, "{address}");
    }
    config.lan = None;
    router.configure(later, config);
    assert_eq!(router.next_timeout(), None);
}

#[test]
fn the_filter_is_told_what_may_come() {
    let lan = LanConfig { device: "eth0".to_string(), addresses: vec![(ip(OURS), 16)], gateways: vec![] };
    let nat = Nat::Identity(vec![ip("10.0.1.200")..=ip("10.0.1.220")]);
    let config = RouterConfig { lan: Some(lan), nat, ..RouterConfig::default() };
    let mut router = router_with(config, 2, |setup| setup.lan = Some(LINK));
    let site = crate::config::IpNetwork::containing(ip("192.168.7.0"), 24);
    router.add_network(START, peer(1), site);
    let expected = [
        (OURS, OURS),
        ("10.0.1.200", "10.0.1.220"),
        ("10.8.0.0", "10.8.255.255"),
        ("fd00:8::", "fd00:8::ffff:ffff:ffff:ffff"),
        ("192.168.7.0", "192.168.7.255"),
    ];
    assert_eq!(router.lan_interests(), expected.map(|(first, last)| ip(first)..=ip(last)));
}

#[test]
fn the_port_is_there_once_its_device_is_known() {
    let lan = LanConfig { device: "eth0".to_string(), addresses: vec![(ip(OURS), 16)], gateways: vec![] };
    let config = RouterConfig { lan: Some(lan), ..RouterConfig::default() };
    let mut router = router_with(config, 1, |_| {});
    assert_eq!(router.next_timeout(), None);
    router.set_lan_link(START, LINK);
    let sent = pass(&mut router, START, START);
    assert_eq!(sent, [(START, Zone::Lan, asks((US, "0.0.0.0"), OURS))]);
}
