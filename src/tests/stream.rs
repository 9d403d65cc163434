//! Sessions over TCP, whose bytes arrive cut anywhere.

use core::net::SocketAddr;
use std::string::ToString;
use std::vec::Vec;

use crate::client::Client;
use crate::config::{ClientConfig, Ipv4Network, ServerConfig};
use crate::event::{CloseReason, Event};
use crate::host::Host;
use crate::packet::{Batch, HEADROOM, Packet, Port, Verdict};
use crate::path::{LinkId, Path};
use crate::server::Server;
use crate::sim::{Random, TODAY, numbered, pki};
use crate::time::Instant;
use crate::{DropReason, UnixTime};

const SLOT: usize = 4096;

/// Both ends of one TCP connection, and the bytes on their way in each direction.
struct Pair {
    now: Instant,
    client: Client,
    server: Server,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    at_server: Vec<Vec<u8>>,
    at_client: Vec<Vec<u8>>,
    closings: Vec<CloseReason>,
    links_closed: usize,
    random: Random,
}

fn host(seed: u64) -> Host {
    let mut random = Random::new(seed);
    Host::new(move |out: &mut [u8]| random.fill(out), UnixTime(TODAY.0))
}

fn remote() -> SocketAddr {
    "192.0.2.1:1194".parse().expect("an address")
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    fn with(seed: u64, more: impl Fn(&mut ServerConfig)) -> Self {
        let now = Instant::from_secs(1);
        let network = Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 };
        let mut server_config = ServerConfig::new(network);
        server_config.session.tls = pki::server();
        more(&mut server_config);
        let mut client_config = ClientConfig::new();
        client_config.session.tls = pki::client();
        let mut server = Server::new(server_config, host(seed), now).expect("a server");
        let mut client = Client::new(client_config, host(seed + 1), now).expect("a client");
        server.link_opened(now, Path::tcp(LinkId(7), remote()));
        client.start(now);
        client.connect(now, Path::tcp(LinkId(3), remote())).expect("a client that asked");
        Self {
            now,
            client,
            server,
            to_server: Vec::new(),
            to_client: Vec::new(),
            at_server: Vec::new(),
            at_client: Vec::new(),
            closings: Vec::new(),
            links_closed: 0,
            random: Random::new(seed + 2),
        }
    }

    /// Moves bytes, a few at a time, until nothing moves any more.
    fn run(&mut self) {
        let (mut server_unread, mut client_unread) = (Vec::new(), Vec::new());
        loop {
            self.collect();
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return;
            }
            let count = self.random.below(40) as usize + 1;
            server_unread.extend(self.to_server.drain(..count.min(self.to_server.len())));
            client_unread.extend(self.to_client.drain(..count.min(self.to_client.len())));
            self.read_at_server(&mut server_unread);
            self.read_at_client(&mut client_unread);
        }
    }

    fn read_at_server(&mut self, unread: &mut Vec<u8>) {
        loop {
            let mut packet = Packet::default();
            let used = self.server.handle_stream(self.now, LinkId(7), unread, &mut packet);
            if packet.verdict == Verdict::Deliver {
                self.at_server.push(unread[packet.range()].to_vec());
            }
            unread.drain(..used);
            if used == 0 {
                return;
            }
        }
    }

    fn read_at_client(&mut self, unread: &mut Vec<u8>) {
        loop {
            let mut packet = Packet::default();
            let used = self.client.handle_stream(self.now, LinkId(3), unread, &mut packet);
            if packet.verdict == Verdict::Deliver {
                self.at_client.push(unread[packet.range()].to_vec());
            }
            unread.drain(..used);
            if used == 0 {
                return;
            }
        }
    }

    fn collect(&mut self) {
        let mut slab = [0; SLOT];
        loop {
            let mut packets = [Packet::free(0..SLOT)];
            let mut batch = Batch::new(&mut slab, &mut packets, 0);
            self.client.poll_transmits(self.now, &mut batch);
            if batch.len > 0 {
                self.to_server.extend_from_slice(batch.bytes(0));
                continue;
            }
            self.server.poll_transmits(self.now, &mut batch);
            if batch.len == 0 {
                break;
            }
            self.to_client.extend_from_slice(batch.bytes(0));
        }
        while let Some(event) = self.server.poll_event().or_else(|| self.client.poll_event()) {
            match event {
                Event::Closed { reason, .. } => self.closings.push(reason),
                Event::LinkClosed { .. } => self.links_closed += 1,
                _ => {}
            }
        }
    }

    /// What is sent now never arrives.
    fn collect_lost(&mut self) {
        self.collect();
        self.to_server.clear();
        self.to_client.clear();
    }

    fn send_from_client(&mut self, inner: &[u8]) {
        let mut slab = [0; SLOT];
        slab[HEADROOM..HEADROOM + inner.len()].copy_from_slice(inner);
        let mut packets = [Packet::new(0..SLOT, HEADROOM..HEADROOM + inner.len())];
        let mut batch = Batch::new(&mut slab, &mut packets, 1);
        self.client.handle_tunnel_packets(self.now, Port::Host, &mut batch);
        assert_eq!(batch.packets[0].verdict, Verdict::Transmit);
        self.to_server.extend_from_slice(batch.bytes(0));
    }
}

#[test]
fn bytes_may_be_cut_anywhere() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed);
        pair.run();
        assert!(pair.client.is_connected(), "seed {seed}");
        for number in 0..10 {
            pair.send_from_client(&numbered(2, 1, number));
        }
        pair.run();
        let expected: Vec<_> = (0..10).map(|number| numbered(2, 1, number)).collect();
        assert_eq!(pair.at_server, expected);
    }
}

#[test]
fn a_broken_length_ends_the_link() {
    let mut pair = Pair::new(1);
    pair.run();
    pair.to_server.extend_from_slice(&[0, 0, 1, 2, 3]);
    pair.run();
    assert!(matches!(pair.closings[..], [CloseReason::LinkBroken(_)]));
    assert_eq!(pair.links_closed, 1);
    assert_eq!(pair.server.drops().get(DropReason::BadStreamLength), 1);
    assert!(pair.server.is_idle());
}

#[test]
fn a_forged_data_packet_ends_the_link() {
    let mut pair = Pair::new(2);
    pair.run();
    pair.send_from_client(&numbered(2, 1, 0));
    let last = pair.to_server.len() - 1;
    pair.to_server[last] ^= 1;
    pair.run();
    assert!(
        matches!(pair.closings[..], [CloseReason::LinkBroken(text)] if text.contains("decryption-error"))
    );
}

#[test]
fn a_reset_of_the_connection_is_told_at_once() {
    let mut pair = Pair::new(3);
    pair.run();
    pair.server.link_closed(pair.now, LinkId(7));
    pair.client.link_closed(pair.now, LinkId(3));
    pair.collect();
    assert_eq!(pair.closings, [CloseReason::LinkClosed, CloseReason::LinkClosed]);
    assert_eq!(CloseReason::LinkClosed.to_string(), "connection reset");
}

#[test]
fn a_link_that_nobody_opened_is_refused() {
    let mut pair = Pair::new(4);
    let mut packet = Packet::default();
    assert_eq!(pair.server.handle_stream(pair.now, LinkId(99), &mut [0, 1, 0x38], &mut packet), 3);
    assert_eq!((packet.verdict, packet.reason), (Verdict::Drop, DropReason::UnknownPeer));
}

#[test]
fn a_connection_without_a_session_is_closed_after_hand_window() {
    let mut pair = Pair::new(5);
    pair.run();
    let idle = Path::tcp(LinkId(8), remote());
    pair.server.link_opened(pair.now, idle);
    // Garbage keeps nothing open.
    let mut packet = Packet::default();
    assert_eq!(pair.server.handle_stream(pair.now, idle.link, &mut [0, 1, 0x38], &mut packet), 3);
    let hand_window = core::time::Duration::from_secs(60);
    pair.now += hand_window - core::time::Duration::from_nanos(1);
    pair.server.handle_timeout(pair.now);
    pair.collect();
    assert_eq!(pair.links_closed, 0);
    let due = pair.server.next_timeout().map(|deadline| deadline.at);
    pair.now = due.expect("a deadline");
    pair.server.handle_timeout(pair.now);
    pair.collect();
    assert_eq!(pair.links_closed, 1);
    assert_eq!(pair.server.peers().count(), 1, "a session keeps its connection");
    assert_eq!(pair.server.handle_stream(pair.now, idle.link, &mut [0, 1, 0x38], &mut packet), 3);
    assert_eq!(packet.reason, DropReason::UnknownPeer);
}

#[test]
fn connections_have_a_limit() {
    let now = Instant::from_secs(1);
    let mut config = ServerConfig::new(Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 });
    config.session.tls = pki::server();
    let mut server = Server::with_limits(config, host(6), crate::Limits::TINY, now).expect("a server");
    let sessions = crate::Limits::TINY.sessions as u32;
    for link in 0..=sessions {
        server.link_opened(now, Path::tcp(LinkId(link), remote()));
    }
    let closed = core::iter::from_fn(|| server.poll_event()).find_map(|event| match event {
        Event::LinkClosed { link } => Some(link),
        _ => None,
    });
    assert_eq!(closed, Some(LinkId(sessions)));
}

/// A client may begin anew on its connection. The session that it replaces must not take the connection along.
#[test]
fn a_connection_ends_with_its_last_session() {
    let mut pair = Pair::new(7);
    pair.run();
    for _ in 0..3 {
        pair.client.restart(pair.now);
        pair.collect_lost();
        pair.now = pair.client.next_timeout().expect("a pause").at;
        pair.client.handle_timeout(pair.now);
        pair.client.connect(pair.now, Path::tcp(LinkId(3), remote())).expect("a client that asked");
        pair.run();
        assert!(pair.client.is_connected());
        assert_eq!(pair.server.peers().count(), 1);
    }
    pair.send_from_client(&numbered(2, 1, 1));
    pair.run();
    assert_eq!(pair.at_server.len(), 1);
}

#[test]
fn what_the_router_answers_is_longer_than_the_frame_and_comes_all_the_same() {
    let mut pair = Pair::with(5, |config| config.router.log_flows = true);
    pair.run();
    pair.send_from_client(&numbered(2, 1, 1));
    pair.send_from_client(&numbered(2, 77, 2)); // nobody's
    pair.run();
    let mut arrived = numbered(2, 1, 1);
    arrived[8] -= 1;
    arrived[10..12].fill(0);
    let sum = crate::wire::checksum::checksum([&arrived[..20]]);
    arrived[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(pair.at_server, [arrived]);
    let [answer] = &pair.at_client[..] else { panic!("one answer: {:?}", pair.at_client) };
    assert_eq!((answer[9], answer[20]), (1, 3), "ICMP: unreachable");
    assert_eq!(answer[28..], numbered(2, 77, 2)[..]);
    assert_eq!(pair.server.drops().total(), 1);
}
