//! Random packets, times, clients and rules, compared on every step with a model of `nat masquerade` that is too plain to
//! be wrong: vectors that are searched from end to end.
//!
//! `ADIT_MODEL_STEPS` is how many steps are made, `ADIT_MODEL_SEED` where chance begins; a failure tells both.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use crate::PeerId;
use crate::config::{Action, IpNetwork, Lifetimes, Protocol, RouterConfig, Rule, Who};
use crate::router::packet::tcp_flags::{ACK, SYN};
use crate::router::packet::{ICMP, TCP, UDP};
use crate::router::testing::{
    End, GATEWAY, Random, assert_checksums, ends, ip, masquerade, ping, pong, router, send, tcp, udp,
};
use crate::router::zone::ZoneId;
use crate::router::{ClientSetup, Forward, Router, Zone};
use crate::time::Instant;

const CLIENTS: u32 = 4;
/// Ports of one client of each protocol.
const PORTS: u32 = 3;
/// Inside ports: a clash of classes and parities among few.
const INSIDE: [u16; 7] = [500, 501, 1023, 1024, 4000, 4001, 65535];
const HOSTS: [&str; 4] = ["192.0.2.99", "192.0.2.100", "198.51.100.7", "203.0.113.9"];
const HOST_PORTS: [u16; 3] = [2000, 2001, 33_000];
const OWN: &str = "192.0.2.10";
/// A flow that is so near its end may be there or not: a tick, and a slot of the wheel.
const UNCERTAIN: u64 = 3000;

/// Steps that a test makes if nobody says otherwise.
const STEPS: usize = 300_000;

/// One flow, begun by a client.
#[derive(Clone, Debug)]
struct Flow {
    protocol: u8,
    client: u32,
    port: u16,
    host: End,
    /// When it was last kept alive, in milliseconds.
    last: u64,
}

/// An inside end and its outside port.
#[derive(Clone, Debug)]
struct Mapping {
    protocol: u8,
    client: u32,
    port: u16,
    outside: u16,
}

struct Model {
    router: Router,
    random: Random,
    now: u64,
    flows: Vec<Flow>,
    mappings: Vec<Mapping>,
    /// The generation of each client, and whether it is there.
    clients: [(u32, bool); CLIENTS as usize],
    /// Which hosts rules allow.
    allowed: [bool; HOSTS.len()],
    /// What has happened, so that chance is seen to have come everywhere.
    seen: [usize; 8],
}

/// What `seen` counts.
#[derive(Clone, Copy)]
enum Seen {
    Kept,
    Moved,
    Reused,
    NoPort,
    Refused,
    Answered,
    KeptOut,
    Ended,
}

fn client_address(client: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(GATEWAY.to_bits() + client)
}

fn lifetime(protocol: u8) -> u64 {
    let lifetimes = Lifetimes::default();
    let lifetime = match protocol {
        TCP => lifetimes.tcp_transitory,
        UDP => lifetimes.udp,
        _ => lifetimes.icmp,
    };
    lifetime.as_millis() as u64
}

fn class(port: u16) -> bool {
    port < 1024
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut config = masquerade();
        config.client_limits.ports = Some(PORTS);
        Self {
            router: router(config, CLIENTS),
            random: Random::new(seed),
            now: 0,
            flows: Vec::new(),
            mappings: Vec::new(),
            clients: [(1, true); CLIENTS as usize],
            allowed: [true; HOSTS.len()],
            seen: [0; 8],
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn zone(&self, client: u32) -> Zone {
        Zone::Peer(PeerId::new(client, self.clients[client as usize - 1].0))
    }

    fn count(&mut self, what: Seen) {
        self.seen[what as usize] += 1;
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())]
    }

    fn client(&mut self) -> u32 {
        self.random.below(CLIENTS as usize) as u32 + 1
    }

    fn step(&mut self) -> String {
        match self.random.below(100) {
            0..50 => self.go_out(),
            50..80 => self.come_in(),
            80..94 => self.wait(),
            94..97 => self.change_rules(),
            _ => self.come_or_go(),
        }
    }

    /// A client sends something.
    fn go_out(&mut self) -> String {
        let client = self.client();
        let (protocol, mut port) = (self.one(&[TCP, UDP, ICMP]), self.one(&INSIDE));
        let at = self.random.below(HOSTS.len());
        let mut host = (ip(HOSTS[at]), self.one(&HOST_PORTS));
        // Most goes on with what is there.
        let mine: Vec<Flow> = self.flows.iter().filter(|flow| flow.client == client).cloned().collect();
        let (mut protocol, mut at) = (protocol, at);
        if !mine.is_empty() && !self.random.chance(3) {
            let flow = &mine[self.random.below(mine.len())];
            (protocol, port, host) = (flow.protocol, flow.port, flow.host);
            at = HOSTS.iter().position(|name| ip(name) == host.0).expect("one of them");
        }
        if protocol == ICMP {
            host.1 = 0;
        }
        let address = client_address(client).to_string();
        let packet = match protocol {
            TCP => tcp((&address, port), (HOSTS[at], host.1), SYN, b""),
            UDP => udp((&address, port), (HOSTS[at], host.1), b"out"),
            _ => ping(&address, HOSTS[at], port, 1),
        };
        let what = format!("{protocol} from {address} {port} to {} {}", host.0, host.1);
        let (now, zone) = (self.instant(), self.zone(client));
        let (forward, out) = send(&mut self.router, now, zone, &packet);
        let is_it = |flow: &Flow| {
            (flow.protocol, flow.client, flow.port, flow.host) == (protocol, client, port, host)
        };
        let known = self.flows.iter().position(is_it);
        if !self.clients[client as usize - 1].1 || !self.allowed[at] {
            assert!(!matches!(forward, Forward::To(_)), "{what}: {forward:?}");
            if let Some(known) = known {
                self.end(known);
            }
            self.count(Seen::Refused);
            return what;
        }
        let found =
            self.mappings.iter().position(|it| (it.protocol, it.client, it.port) == (protocol, client, port));
        let had = self.mappings.iter().filter(|it| (it.protocol, it.client) == (protocol, client)).count();
        if found.is_none() && had == PORTS as usize {
            assert!(!matches!(forward, Forward::To(_)), "{what}: {forward:?}");
            self.count(Seen::NoPort);
            return what;
        }
        assert_eq!(forward, Forward::To(Zone::Lan), "{what}");
        assert_checksums(&out);
        assert_eq!(out[8], 63, "{what}");
        let (source, destination) = ends(&out);
        assert_eq!((source.0, destination), (ip(OWN), host), "{what}");
        match found {
            Some(found) => {
                assert_eq!(source.1, self.mappings[found].outside, "{what}");
                self.count(Seen::Reused);
            }
            None => {
                let taken: BTreeSet<u16> =
                    self.mappings.iter().filter(|it| it.protocol == protocol).map(|it| it.outside).collect();
                assert!(!taken.contains(&source.1), "{what}: {} is another's", source.1);
                if taken.contains(&port) {
                    assert!(protocol == ICMP || class(source.1) == class(port), "{what}: {}", source.1);
                    assert_eq!(source.1 % 2, port % 2, "{what}");
                    self.count(Seen::Moved);
                } else {
                    assert_eq!(source.1, port, "{what}");
                    self.count(Seen::Kept);
                }
                self.mappings.push(Mapping { protocol, client, port, outside: source.1 });
            }
        }
        match known {
            Some(known) => self.flows[known].last = self.now,
            None => self.flows.push(Flow { protocol, client, port, host, last: self.now }),
        }
        what
    }

    /// Something comes to the router's own address.
    fn come_in(&mut self) -> String {
        let protocol = self.one(&[TCP, UDP, ICMP]);
        let (mut protocol, mut at, mut port) =
            (protocol, self.random.below(HOSTS.len()), self.one(&HOST_PORTS));
        let mut outside = self.one(&INSIDE);
        // To a mapping, and most from where it was sent to.
        if !self.mappings.is_empty() && !self.random.chance(4) {
            let number = self.random.below(self.mappings.len());
            let mapping = self.mappings[number].clone();
            (protocol, outside) = (mapping.protocol, mapping.outside);
            let of_it: Vec<Flow> = self.flows.iter().filter(|flow| is_of(flow, &mapping)).cloned().collect();
            if !of_it.is_empty() && !self.random.chance(3) {
                let flow = &of_it[self.random.below(of_it.len())];
                at = HOSTS.iter().position(|name| ip(name) == flow.host.0).expect("one of them");
                port = flow.host.1;
            }
        }
        if protocol == ICMP {
            port = 0;
        }
        let host = (ip(HOSTS[at]), port);
        let packet = match protocol {
            TCP => tcp((HOSTS[at], port), (OWN, outside), SYN | ACK, b""),
            UDP => udp((HOSTS[at], port), (OWN, outside), b"in"),
            _ => pong(HOSTS[at], OWN, outside, 1),
        };
        let what = format!("{protocol} from {} {port} to {outside}", host.0);
        let now = self.instant();
        let (forward, out) = send(&mut self.router, now, Zone::Lan, &packet);
        let mapping =
            self.mappings.iter().find(|it| (it.protocol, it.outside) == (protocol, outside)).cloned();
        let flow = mapping
            .as_ref()
            .and_then(|it| self.flows.iter().position(|flow| is_of(flow, it) && flow.host == host));
        let Some((flow, mapping)) = flow.zip(mapping) else {
            assert!(!matches!(forward, Forward::To(_)), "{what}: {forward:?}");
            self.count(Seen::KeptOut);
            return what;
        };
        if !self.allowed[at] {
            assert!(!matches!(forward, Forward::To(_)), "{what}: {forward:?}");
            self.end(flow);
            self.count(Seen::Refused);
            return what;
        }
        assert_eq!(forward, Forward::To(self.zone(mapping.client)), "{what}");
        assert_checksums(&out);
        let inside = (client_address(mapping.client).into(), mapping.port);
        assert_eq!(ends(&out), (host, inside), "{what}");
        // TCP's ends look after each other; nobody else outside keeps a mapping open (RFC 4787 REQ-6).
        if protocol == TCP {
            self.flows[flow].last = self.now;
        }
        self.count(Seen::Answered);
        what
    }

    /// Time passes, to where each flow is certainly there or certainly gone.
    fn wait(&mut self) -> String {
        self.now += match self.random.below(12) {
            0 => 1 + self.random.next() % 300_000,
            1..5 => 1 + self.random.next() % 20_000,
            _ => 1 + self.random.next() % 1000,
        };
        self.settle();
        format!("waited to {}", self.now)
    }

    fn settle(&mut self) {
        while let Some(end) = self
            .flows
            .iter()
            .map(|flow| flow.last + lifetime(flow.protocol))
            .find(|&end| self.now + 200 > end && self.now < end + UNCERTAIN)
        {
            self.now = end + UNCERTAIN;
        }
        let gone = |flow: &Flow, now| flow.last + lifetime(flow.protocol) < now;
        while let Some(at) = self.flows.iter().position(|flow| gone(flow, self.now)) {
            self.end(at);
        }
        self.run_timers();
    }

    fn run_timers(&mut self) {
        let now = self.instant();
        while self.router.next_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.router.handle_timeout(now);
        }
    }

    /// Rules allow some hosts and not others; without a rule all are allowed.
    fn change_rules(&mut self) -> String {
        let mut config = RouterConfig { rules: Vec::new(), ..masquerade() };
        config.client_limits.ports = Some(PORTS);
        self.allowed = [true; HOSTS.len()];
        if !self.random.chance(3) {
            for (at, host) in HOSTS.iter().enumerate() {
                self.allowed[at] = !self.random.chance(4);
                config.rules.push(Rule {
                    action: if self.allowed[at] { Action::Allow } else { Action::Deny },
                    who: Who::All,
                    destination: IpNetwork::containing(ip(host), 32),
                    protocol: Protocol::Any,
                    ports: Vec::new(),
                    line: at as u32,
                });
            }
        }
        self.router.configure(self.instant(), config);
        format!("allowed: {:?}", self.allowed)
    }

    /// A client goes, or comes again.
    fn come_or_go(&mut self) -> String {
        let client = self.client();
        let (now, Zone::Peer(peer)) = (self.instant(), self.zone(client)) else {
            unreachable!("a client's zone")
        };
        let (generation, is_there) = self.clients[client as usize - 1];
        if is_there && !self.random.chance(3) {
            return format!("client {client} stays");
        }
        if is_there {
            self.router.client_down(now, peer);
            while let Some(at) = self.flows.iter().position(|flow| flow.client == client) {
                self.end(at);
            }
            self.run_timers();
            self.clients[client as usize - 1].1 = false;
        } else {
            self.clients[client as usize - 1] = (generation + 1, true);
            let Zone::Peer(peer) = self.zone(client) else { unreachable!("a client's zone") };
            let setup = ClientSetup {
                identity: format!("client{client}"),
                networks: alloc::vec![core::net::IpAddr::V4(client_address(client)).into()],
                mtu: 1500,
                limits: None,
            };
            self.router.client_up(now, peer, setup);
        }
        format!("client {client} {}", if is_there { "went" } else { "came" })
    }

    fn end(&mut self, at: usize) {
        let ended = self.flows.swap_remove(at);
        let (flows, mappings) = (&self.flows, &mut self.mappings);
        mappings.retain(|it| !is_of(&ended, it) || flows.iter().any(|flow| is_of(flow, it)));
        self.count(Seen::Ended);
    }

    /// What is true after every step.
    fn check(&self) {
        assert_eq!(self.router.flows(), self.flows.len(), "flows");
        let family = &self.router.v4;
        let mut arrivals = BTreeSet::new();
        for (_, flow) in family.flows.iter() {
            for way in 0..2 {
                let (zone, tuple) = (flow.zones[way].raw(), flow.tuples[way]);
                let ends = (tuple.source, tuple.source_port, tuple.destination, tuple.destination_port);
                assert!(arrivals.insert((zone, flow.protocol, ends)), "two flows for {tuple:?}");
            }
        }
        for flow in &self.flows {
            let tuple = crate::router::packet::Tuple {
                source: client_address(flow.client),
                source_port: flow.port,
                destination: match flow.host.0 {
                    core::net::IpAddr::V4(host) => host,
                    core::net::IpAddr::V6(_) => unreachable!("all hosts are IPv4's"),
                },
                destination_port: flow.host.1,
            };
            let zone = ZoneId::from(self.zone(flow.client));
            assert!(family.flows.find(zone, flow.protocol, &tuple).is_some(), "lost: {flow:?}");
        }
        let mappings = &family.nat.mappings;
        assert_eq!(mappings.len(), self.mappings.len(), "mappings");
        let own = OWN.parse().expect("an address");
        for it in &self.mappings {
            let found = mappings.find_outside(it.protocol, own, it.outside).and_then(|id| mappings.get(id));
            let inside = found.map(|found| (found.zone, found.inside, found.inside_port));
            let zone = ZoneId::from(self.zone(it.client));
            assert_eq!(inside, Some((zone, client_address(it.client), it.port)), "{it:?}");
        }
        for client in 1..=CLIENTS {
            let Zone::Peer(peer) = self.zone(client) else { continue };
            let Some(record) = self.router.common.clients.get(peer) else {
                assert!(!self.clients[client as usize - 1].1, "client {client} is lost");
                continue;
            };
            let of = |protocol| {
                let ports = self.mappings.iter().filter(|it| (it.protocol, it.client) == (protocol, client));
                ports.count() as u32
            };
            assert_eq!(record.ports, [of(TCP), of(UDP), of(ICMP)], "ports of client {client}");
        }
    }
}

fn is_of(flow: &Flow, mapping: &Mapping) -> bool {
    (flow.protocol, flow.client, flow.port) == (mapping.protocol, mapping.client, mapping.port)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_router_does_what_the_plain_model_does() {
    let seed = number("ADIT_MODEL_SEED").unwrap_or_else(|| std::process::id().into());
    let steps = number("ADIT_MODEL_STEPS").map_or(STEPS, |steps| steps as usize);
    let mut model = Model::new(seed);
    let mut past = Past { seed, steps: VecDeque::new() };
    for number in 0..steps {
        if past.steps.len() == 50 {
            past.steps.pop_front();
        }
        let what = model.step();
        past.steps.push_back(format!("step {number}: {what}"));
        model.check();
    }
    std::eprintln!("{:?} of {steps} steps", model.seen);
    assert!(model.seen.iter().all(|count| *count * 1000 > steps), "chance has not come everywhere");
    // The wheel has lost none.
    model.now += Duration::from_secs(3 * 3600).as_millis() as u64;
    model.settle();
    model.check();
    assert_eq!((model.flows.len(), model.router.flows()), (0, 0));
    assert_eq!(model.router.next_timeout().map(|deadline| deadline.reason), None);
}

/// What has happened lately, for who looks why the test has failed.
struct Past {
    seed: u64,
    steps: VecDeque<String>,
}

impl Drop for Past {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("ADIT_MODEL_SEED={}", self.seed);
            for step in &self.steps {
                std::eprintln!("  {step}");
            }
        }
    }
}
