//! The gateway's services, as clients see them; over TCP with smoltcp at their end.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::name::tests::query;
use crate::buffer::PacketBuf;
use crate::config::{DnsForward, DnsUpstream, RouterConfig};
use crate::reason::DropReason;
use crate::router::testing::{assert_checksums, ip, peer, ping, router, send, udp};
use crate::router::{DnsRequest, Forward, Router, RouterEvent, Zone};
use crate::time::Instant;

fn forwarding(servers: &[(&str, &[&str])]) -> RouterConfig {
    let servers = servers.iter().map(|(address, domains)| DnsUpstream {
        address: SocketAddr::new(ip(address), 53),
        domains: domains.iter().map(|&domain| domain.into()).collect(),
    });
    RouterConfig { dns: Some(DnsForward { servers: servers.collect() }), ..RouterConfig::default() }
}

fn plain() -> RouterConfig {
    forwarding(&[("10.0.0.2", &[])])
}

#[test]
fn the_gateway_answers_pings() {
    for (client, gateway, hops) in [("10.8.0.2", "10.8.0.1", 8), ("fd00:8::2", "fd00:8::1", 7)] {
        let mut router = router(plain(), 1);
        let (forward, reply) =
            send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &ping(client, gateway, 7, 1));
        assert_eq!(forward, Forward::Reply);
        assert_checksums(&reply);
        let mut expected = ping(gateway, client, 7, 1);
        let kind = expected.len() - 16;
        expected[kind] = if client.contains(':') { 129 } else { 0 };
        assert_eq!((reply[kind], reply[hops]), (expected[kind], 64));
        assert_eq!(reply[kind + 4..], expected[kind + 4..]);
        assert_eq!(router.flows(), 0);
    }
}

#[test]
fn a_ping_in_fragments_comes_back_in_fragments() {
    let whole = ping("10.8.0.2", "10.8.0.1", 7, 1);
    let fragment = |from: usize, to: usize, bits: u16| {
        let mut packet = [&whole[..20], &whole[20 + from..20 + to]].concat();
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet[6..8].copy_from_slice(&(bits | (from / 8) as u16).to_be_bytes());
        packet[10..12].fill(0);
        let sum = crate::wire::checksum::checksum([&packet[..20]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    };
    let mut router = router(plain(), 1);
    let mut body = Vec::new();
    for packet in [fragment(0, 8, 0x2000), fragment(8, 16, 0)] {
        let (forward, reply) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
        assert_eq!(forward, Forward::Reply);
        assert_eq!((reply[4..8].to_vec(), &reply[12..16]), (packet[4..8].to_vec(), &[10, 8, 0, 1][..]));
        body.extend_from_slice(&reply[20..]);
    }
    assert_eq!(body[0], 0);
    assert_eq!(crate::wire::checksum::checksum([&body[..]]), 0);
    assert_eq!(body[8..], whole[28..]);
}

/// The question that the host is asked.
#[track_caller]
fn asked(router: &mut Router) -> (DnsRequest, SocketAddr, bool, Vec<u8>) {
    match router.poll_event() {
        Some(RouterEvent::DnsQuery { request, server, by_tcp, message }) => {
            (request, server, by_tcp, message.to_vec())
        }
        other => panic!("no question: {other:?}"),
    }
}

fn output(router: &mut Router) -> Option<(Zone, Vec<u8>)> {
    let mut memory = vec![0; 4096];
    let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
    let zone = router.poll_output(Instant::ZERO, &mut buf)?;
    Some((zone, buf.payload().to_vec()))
}

/// An answer with `extra` bytes behind the question.
fn answer(query: &[u8], extra: usize) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer.resize(answer.len() + extra, 0xAB);
    answer
}

#[test]
fn a_query_is_asked_and_its_answer_comes_from_the_gateway() {
    for (client, gateway) in [("10.8.0.2", "10.8.0.1"), ("fd00:8::2", "fd00:8::1")] {
        let mut router = router(plain(), 1);
        let question = query(7, "www.example");
        let packet = udp((client, 4000), (gateway, 53), &question);
        let (forward, _) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
        assert_eq!(forward, Forward::Consumed);
        let (request, server, by_tcp, message) = asked(&mut router);
        assert_eq!((server.to_string().as_str(), by_tcp), ("10.0.0.2:53", false));
        assert_eq!(message, question);
        let answered = answer(&question, 100);
        router.dns_answer(Instant::ZERO, request, Some(&answered));
        let (zone, packet) = output(&mut router).unwrap();
        assert_eq!(zone, Zone::Peer(peer(1)));
        assert_checksums(&packet);
        assert_eq!(packet, {
            let mut expected = udp((gateway, 53), (client, 4000), &answered);
            if client.contains('.') {
                expected[4..12].copy_from_slice(&packet[4..12]);
            }
            expected
        });
        // Once is enough.
        router.dns_answer(Instant::ZERO, request, Some(&answered));
        assert!(output(&mut router).is_none());
    }
}

#[test]
fn names_go_to_the_server_with_the_longest_domain() {
    let config =
        forwarding(&[("10.0.0.2", &[]), ("10.0.0.3", &["example", "lan"]), ("10.0.0.4", &["corp.example"])]);
    for (name, server) in [
        ("www.test", "10.0.0.2:53"),
        ("www.example", "10.0.0.3:53"),
        ("printer.LAN", "10.0.0.3:53"),
        ("www.corp.example", "10.0.0.4:53"),
        ("notcorp.example", "10.0.0.3:53"),
    ] {
        let mut router = router(config.clone(), 1);
        let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(7, name));
        let _ = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
        assert_eq!(asked(&mut router).1.to_string(), server, "{name}");
    }
    let mut router = router(forwarding(&[("10.0.0.3", &["lan"])]), 1);
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(7, "www.example"));
    let (forward, _) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
    assert_eq!(forward, Forward::Drop(DropReason::NoService));
}

#[test]
fn what_does_not_fit_is_cut_and_what_fails_is_said() {
    let question = query(7, "www.example");
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &question);
    let big = answer(&question, 3000);
    let stranger = answer(&query(8, "www.example"), 0);
    for (given, flags, code) in [(Some(&big[..]), 2, 0), (None, 0, 2), (Some(&stranger[..]), 0, 2)] {
        let mut router = router(plain(), 1);
        let _ = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
        let (request, ..) = asked(&mut router);
        router.dns_answer(Instant::ZERO, request, given);
        let (_, reply) = output(&mut router).unwrap();
        let message = &reply[28..];
        assert_eq!(message.len(), question.len());
        assert_eq!((message[2] & 0x82, message[3] & 0xF), (0x80 | flags, code));
    }
}

#[test]
fn a_client_that_floods_queries_leaves_room_for_others() {
    let mut router = router(plain(), 2);
    let mut refused = 0;
    for id in 0..1000 {
        let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(id, "www.example"));
        let (forward, _) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
        refused += usize::from(forward == Forward::Drop(DropReason::ClientLimit));
    }
    assert_eq!(refused, 968);
    let packet = udp(("10.8.0.3", 4000), ("10.8.0.1", 53), &query(1, "www.example"));
    let (forward, _) = send(&mut router, Instant::ZERO, Zone::Peer(peer(2)), &packet);
    assert_eq!(forward, Forward::Consumed);
    // What nobody answers is forgotten in time.
    let due = router.next_timeout().unwrap().at;
    router.handle_timeout(due);
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(1, "www.example"));
    let (forward, _) = send(&mut router, due, Zone::Peer(peer(1)), &packet);
    assert_eq!(forward, Forward::Consumed);
}

/// A client's network device: what it sends, and what it gets.
struct Wire {
    sent: Vec<Vec<u8>>,
    got: Vec<Vec<u8>>,
}

struct In(Vec<u8>);
struct Out<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: SmolInstant) -> Option<(In, Out<'_>)> {
        if self.got.is_empty() {
            return None;
        }
        Some((In(self.got.remove(0)), Out(&mut self.sent)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Out<'_>> {
        Some(Out(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1400;
        capabilities
    }
}

#[test]
fn over_tcp_an_answer_may_be_of_any_length() {
    let mut router = router(plain(), 1);
    let mut wire = Wire { sent: Vec::new(), got: Vec::new() };
    let mut client = Interface::new(Config::new(HardwareAddress::Ip), &mut wire, SmolInstant::ZERO);
    client.update_ip_addrs(|all| all.push(IpCidr::new("10.8.0.2".parse().unwrap(), 16)).unwrap());
    let buffer = || tcp::SocketBuffer::new(vec![0; 65535]);
    let mut sockets = SocketSet::new(Vec::new());
    let handle = sockets.add(tcp::Socket::new(buffer(), buffer()));
    let gateway = (ip("10.8.0.1"), 53);
    sockets.get_mut::<tcp::Socket<'_>>(handle).connect(client.context(), gateway, 40_000).unwrap();

    let question = query(7, "www.example");
    let answered = answer(&question, 30_000);
    let (mut asked_once, mut received) = (false, Vec::new());
    for millis in 0..400 {
        let now = Instant::from_millis(millis * 10);
        client.poll(SmolInstant::from_millis(millis as i64 * 10), &mut wire, &mut sockets);
        for packet in core::mem::take(&mut wire.sent) {
            let _ = send(&mut router, now, Zone::Peer(peer(1)), &packet);
        }
        router.handle_timeout(now);
        if let Some(RouterEvent::DnsQuery { request, by_tcp, message, .. }) = router.poll_event() {
            assert!(by_tcp);
            assert_eq!(message[..], question[..]);
            router.dns_answer(now, request, Some(&answered));
        }
        while let Some((zone, packet)) = output(&mut router) {
            assert_eq!(zone, Zone::Peer(peer(1)));
            wire.got.push(packet);
        }
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        if socket.can_send() && !asked_once {
            asked_once = true;
            let message = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
            // In two pieces: the length says when it is whole.
            socket.send_slice(&message).unwrap();
        }
        let _ = socket.recv(|bytes| (bytes.len(), received.extend_from_slice(bytes)));
        if received.len() == answered.len() + 2 {
            socket.close();
        }
    }
    assert_eq!(received[..2], (answered.len() as u16).to_be_bytes());
    assert_eq!(received[2..], answered[..]);
    // The connection is over on either side, and nothing is kept.
    assert!(!sockets.get::<tcp::Socket<'_>>(handle).is_active());
    assert!(router.next_timeout().is_none());
}

#[test]
fn who_does_not_forward_names_hands_the_query_on() {
    let mut router = router(RouterConfig { log_flows: true, ..RouterConfig::default() }, 1);
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(7, "www.example"));
    let (forward, _) = send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet);
    assert_eq!(forward, Forward::To(Zone::Host));
}

#[test]
fn forwarding_of_names_comes_and_goes_with_the_configuration() {
    let packet = udp(("10.8.0.2", 4000), ("10.8.0.1", 53), &query(7, "www.example"));
    let mut router = router(RouterConfig { log_flows: true, ..RouterConfig::default() }, 1);
    router.configure(Instant::ZERO, plain());
    assert_eq!(send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet).0, Forward::Consumed);
    router.configure(Instant::ZERO, RouterConfig::default());
    assert_eq!(send(&mut router, Instant::ZERO, Zone::Peer(peer(1)), &packet).0, Forward::To(Zone::Host));
}
