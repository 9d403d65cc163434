//! One server, any number of clients, and the network between them.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use super::link::{LinkQuality, Random};
use super::pki;
use super::trace::Trace;
use crate::client::Client;
use crate::config::{ClientConfig, Ipv4Network, ServerConfig};
use crate::event::{CloseReason, Event};
use crate::host::Host;
use crate::packet::{Batch, HEADROOM, Packet, Port, TAILROOM, Verdict};
use crate::path::{LinkId, Path};
use crate::server::Server;
use crate::time::{Deadline, Instant, UnixTime};
use crate::wire::checksum::checksum;

/// Slots in a batch, each of this many bytes.
const SLOTS: usize = 8;
const SLOT: usize = 4096;

/// A day on which the test certificates are valid.
pub(crate) const TODAY: UnixTime = UnixTime(1_795_000_000);

pub(crate) struct WorldBuilder {
    pub(crate) seed: u64,
    pub(crate) quality: LinkQuality,
    pub(crate) clients: usize,
    pub(crate) server: ServerConfig,
    pub(crate) client: ClientConfig,
    /// What is different at client number so and so.
    pub(crate) vary: fn(usize, &mut ClientConfig),
}

impl WorldBuilder {
    /// A server and one client with certificates, no control channel protection, on a good link.
    pub(crate) fn new(seed: u64) -> Self {
        let network = Ipv4Network { address: Ipv4Addr::new(10, 8, 0, 0), prefix: 24 };
        let mut server = ServerConfig::new(network);
        server.session.tls = pki::server();
        let mut client = ClientConfig::new();
        client.session.tls = pki::client();
        Self { seed, quality: LinkQuality::GOOD, clients: 1, server, client, vary: |_, _| {} }
    }

    pub(crate) fn build(self) -> World {
        let mut random = Random::new(self.seed);
        let now = Instant::from_secs(1);
        let mut host = || {
            let mut entropy = Random::new(random.next());
            Host::new(move |out: &mut [u8]| entropy.fill(out), TODAY)
        };
        let server = Server::new(self.server.clone(), host(), now).expect("a server");
        let clients = (0..self.clients)
            .map(|number| {
                let mut config = self.client.clone();
                (self.vary)(number, &mut config);
                let client = Client::new(config, host(), now).expect("a client");
                End {
                    client,
                    address: client_address(number, 0),
                    attempts: 0,
                    keeps_address: false,
                    addresses: Vec::new(),
                    server_at: None,
                    tried: Vec::new(),
                    inbox: Vec::new(),
                    events: Vec::new(),
                }
            })
            .collect();
        World {
            now,
            random,
            quality: self.quality,
            server_config: self.server,
            server,
            server_events: Vec::new(),
            server_inbox: Vec::new(),
            clients,
            server_from: None,
            flights: BTreeMap::new(),
            sequence: 0,
            trace: Trace::default(),
            last_from_client: None,
            slab: std::vec![0; SLOTS * SLOT],
        }
    }
}

fn client_address(number: usize, attempt: u16) -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, number as u8 + 1), 40_000 + attempt).into()
}

fn server_address() -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 1194).into()
}

/// Where nothing answers.
fn nobodys_address() -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 1194).into()
}

/// A client's end of the world.
pub(crate) struct End {
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    attempts: u16,
    /// Binds the same port at every attempt.
    pub(crate) keeps_address: bool,
    /// How many addresses each remote has; one where this says nothing.
    pub(crate) addresses: Vec<usize>,
    /// Where the server is: number of the remote, and of its address. Everywhere, if this is `None`.
    pub(crate) server_at: Option<(usize, usize)>,
    /// Where it tried to connect to, and when.
    pub(crate) tried: Vec<(Instant, usize, usize)>,
    pub(crate) inbox: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Server,
    Client(usize),
}

struct Flight {
    to: To,
    from: SocketAddr,
    bytes: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    random: Random,
    pub(crate) quality: LinkQuality,
    server_config: ServerConfig,
    pub(crate) server: Server,
    pub(crate) server_events: Vec<Event>,
    pub(crate) server_inbox: Vec<Vec<u8>>,
    pub(crate) clients: Vec<End>,
    /// The server's packets come from there, not from where it is asked.
    pub(crate) server_from: Option<SocketAddr>,
    flights: BTreeMap<(Instant, u64), Flight>,
    sequence: u64,
    pub(crate) trace: Trace,
    last_from_client: Option<Vec<u8>>,
    slab: Vec<u8>,
}

impl World {
    /// Starts every client.
    pub(crate) fn start(&mut self) {
        for number in 0..self.clients.len() {
            self.clients[number].client.start(self.now);
        }
        self.settle();
    }

    /// Runs until `done` says so, or until `limit` has passed. Answers whether it did.
    pub(crate) fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        let mut idle_rounds = 0;
        self.settle();
        loop {
            if done(self) {
                return true;
            }
            let arrival = self.flights.keys().next().map(|(at, _)| *at);
            let deadlines = self.deadlines().into_iter().map(|deadline| deadline.at);
            let Some(next) = arrival.into_iter().chain(deadlines).min().filter(|&next| next <= end) else {
                self.now = end;
                return done(self);
            };
            // A deadline that stays in the past would keep a host's loop turning for ever.
            idle_rounds = if next > self.now || arrival == Some(next) { 0 } else { idle_rounds + 1 };
            assert!(idle_rounds < 10, "a deadline is never met: {:?}", self.deadlines());
            self.now = self.now.max(next);
            self.arrivals();
            self.server.handle_timeout(self.now);
            for end in &mut self.clients {
                end.client.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    fn deadlines(&self) -> Vec<Deadline> {
        let clients = self.clients.iter().filter_map(|end| end.client.next_timeout());
        self.server.next_timeout().into_iter().chain(clients).collect()
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.clients.iter().all(|end| end.client.is_connected())
    }

    /// Whether the key negotiation of every client is complete.
    pub(crate) fn is_authenticated(&self) -> bool {
        let done = |event: &Event| matches!(event, Event::PeerAuthenticated { .. });
        self.clients.iter().all(|end| end.events.iter().any(done))
    }

    /// Sends an inner packet from a client into the tunnel.
    pub(crate) fn send_from_client(&mut self, number: usize, inner: &[u8]) -> Verdict {
        let mut packets = [Packet::new(0..SLOT, HEADROOM..HEADROOM + inner.len())];
        self.slab[HEADROOM..HEADROOM + inner.len()].copy_from_slice(inner);
        let mut batch = Batch::new(&mut self.slab, &mut packets, 1);
        self.clients[number].client.handle_tunnel_packets(self.now, Port::Host, &mut batch);
        let verdict = packets[0].verdict;
        if verdict == Verdict::Transmit {
            let bytes = self.slab[packets[0].range()].to_vec();
            self.launch(self.clients[number].address, To::Server, &bytes);
        }
        self.settle();
        verdict
    }

    /// Sends an inner packet from the server's side into the tunnel.
    pub(crate) fn send_from_server(&mut self, inner: &[u8]) -> Verdict {
        let mut packets = [Packet::new(0..SLOT, HEADROOM..HEADROOM + inner.len())];
        self.slab[HEADROOM..HEADROOM + inner.len()].copy_from_slice(inner);
        let mut batch = Batch::new(&mut self.slab, &mut packets, 1);
        self.server.handle_tunnel_packets(self.now, Port::Host, &mut batch);
        let (verdict, path) = (packets[0].verdict, packets[0].path);
        if verdict == Verdict::Transmit {
            let bytes = self.slab[packets[0].range()].to_vec();
            self.send_to(&path, &bytes);
        }
        self.settle();
        verdict
    }

    /// The server's process ends without a word and starts anew.
    pub(crate) fn restart_server(&mut self) {
        let mut entropy = Random::new(self.random.next());
        let host = Host::new(move |out: &mut [u8]| entropy.fill(out), TODAY);
        self.server = Server::new(self.server_config.clone(), host, self.now).expect("a server");
    }

    /// The last packet that a client has sent.
    pub(crate) fn last_from_client(&self) -> Option<Vec<u8>> {
        self.last_from_client.clone()
    }

    /// Somebody else sends a packet to the server.
    pub(crate) fn inject_to_server(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.launch(from, To::Server, bytes);
    }

    /// The client gets another address, as behind a NAT that forgot it.
    pub(crate) fn move_client(&mut self, number: usize) {
        let end = &mut self.clients[number];
        end.attempts += 1;
        end.address = client_address(number, end.attempts);
    }

    /// Why sessions ended, client by client.
    pub(crate) fn client_closings(&self, number: usize) -> Vec<&CloseReason> {
        self.clients[number].events.iter().filter_map(closing).collect()
    }

    pub(crate) fn server_closings(&self) -> Vec<&CloseReason> {
        self.server_events.iter().filter_map(closing).collect()
    }

    fn arrivals(&mut self) {
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let Flight { to, from, bytes } = entry.remove();
            let data = HEADROOM..HEADROOM + bytes.len();
            let mut packet = Packet::new(0..(data.end + TAILROOM).max(SLOT), data.clone());
            packet.path = Path::udp(LinkId(0), from);
            self.slab[data].copy_from_slice(&bytes);
            let mut packets = [packet];
            let mut batch = Batch::new(&mut self.slab, &mut packets, 1);
            match to {
                To::Server => self.server.handle_datagrams(self.now, &mut batch),
                To::Client(number) => self.clients[number].client.handle_datagrams(self.now, &mut batch),
            }
            let [packet] = packets;
            let who = if to == To::Server { "at server" } else { "at client" };
            let fate = match packet.verdict {
                Verdict::Drop => std::format!("dropped {}", packet.reason),
                verdict => std::format!("{verdict:?}"),
            };
            self.trace.packet(self.now, who, &bytes, &fate);
            let output = self.slab[packet.range()].to_vec();
            match (packet.verdict, to) {
                (Verdict::Deliver, To::Server) => self.server_inbox.push(output),
                (Verdict::Deliver, To::Client(number)) => self.clients[number].inbox.push(output),
                (Verdict::Transmit, To::Server) => self.send_to(&packet.path, &output),
                (Verdict::Transmit, To::Client(_)) => self.launch(from, To::Server, &output),
                (Verdict::Consumed | Verdict::Drop, _) => {}
                (Verdict::Pending, _) => panic!("a packet came back unprocessed"),
            }
            self.settle();
        }
    }

    /// Drains every engine: what it wants to send, and its events.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            busy |= self.drain(To::Server);
            for number in 0..self.clients.len() {
                busy |= self.drain(To::Client(number));
            }
            if !busy {
                return;
            }
        }
    }

    fn drain(&mut self, who: To) -> bool {
        let mut busy = false;
        let mut packets: [Packet; SLOTS] =
            core::array::from_fn(|slot| Packet::free(slot * SLOT..(slot + 1) * SLOT));
        let mut batch = Batch::new(&mut self.slab, &mut packets, 0);
        match who {
            To::Server => self.server.poll_transmits(self.now, &mut batch),
            To::Client(number) => self.clients[number].client.poll_transmits(self.now, &mut batch),
        }
        let len = batch.len;
        for packet in &packets[..len] {
            busy = true;
            let bytes = self.slab[packet.range()].to_vec();
            if packet.verdict == Verdict::Deliver && who == To::Server {
                self.server_inbox.push(bytes);
                continue;
            }
            assert_eq!(packet.verdict, Verdict::Transmit, "{:?}", packet.reason);
            match who {
                To::Server => self.send_to(&packet.path, &bytes),
                To::Client(_) if packet.path.remote != server_address().into() => {
                    self.trace.packet(self.now, "to nobody", &bytes, "lost");
                }
                To::Client(number) => self.launch(self.clients[number].address, To::Server, &bytes),
            }
        }
        while let Some(event) = match who {
            To::Server => self.server.poll_event(),
            To::Client(number) => self.clients[number].client.poll_event(),
        } {
            busy = true;
            self.event(who, event);
        }
        busy
    }

    fn event(&mut self, who: To, event: Event) {
        match who {
            To::Server => {
                self.trace.event(self.now, "server", &event);
                self.server_events.push(event);
            }
            To::Client(number) => {
                self.trace.event(self.now, &std::format!("client {number}"), &event);
                if let Event::ConnectRequested { remote, address } = event {
                    if !self.clients[number].keeps_address {
                        self.move_client(number);
                    }
                    let end = &mut self.clients[number];
                    end.tried.push((self.now, remote, address));
                    end.client.found_addresses(self.now, end.addresses.get(remote).copied().unwrap_or(1));
                    let is_there = end.server_at.is_none_or(|at| at == (remote, address));
                    let to = if is_there { server_address() } else { nobodys_address() };
                    end.client.connect(self.now, Path::udp(LinkId(0), to)).expect("a client that asked");
                }
                self.clients[number].events.push(event);
            }
        }
    }

    fn send_to(&mut self, path: &Path, bytes: &[u8]) {
        let to = self.clients.iter().position(|end| path.remote.socket_addr() == Some(end.address));
        match to {
            Some(number) => {
                let from = self.server_from.unwrap_or_else(server_address);
                self.launch(from, To::Client(number), bytes);
            }
            None => self.trace.packet(self.now, "to nobody", bytes, "lost"),
        }
    }

    fn launch(&mut self, from: SocketAddr, to: To, bytes: &[u8]) {
        if to == To::Server {
            self.last_from_client = Some(bytes.to_vec());
        }
        for (delay, bytes) in self.quality.carry(&mut self.random, bytes) {
            self.sequence += 1;
            self.flights.insert((self.now + delay, self.sequence), Flight { to, from, bytes });
        }
    }
}

fn closing(event: &Event) -> Option<&CloseReason> {
    match event {
        Event::Closed { reason, .. } => Some(reason),
        _ => None,
    }
}

/// An IPv4 packet with a UDP header and a number, from and to these hosts of 10.8.0.0/24.
pub(crate) fn numbered(from: u8, to: u8, number: u32) -> Vec<u8> {
    between([10, 8, 0, from], [10, 8, 0, to], number)
}

/// The same from and to any address.
pub(crate) fn between(from: [u8; 4], to: [u8; 4], number: u32) -> Vec<u8> {
    let mut packet = std::vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend_from_slice(&from);
    packet.extend_from_slice(&to);
    let sum = checksum([&packet[..]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(&[0x30, 0x39, 0, 7, 0, 12, 0, 0]);
    packet.extend_from_slice(&number.to_be_bytes());
    packet
}

/// The description of a run, for an assertion's message.
pub(crate) fn tail(trace: &Trace) -> String {
    let lines = trace.lines();
    lines[lines.len().saturating_sub(40)..].join("\n").to_string()
}
