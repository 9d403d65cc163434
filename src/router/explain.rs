//! [`Router::explain`]: what would become of the first packet of a flow, and why, without any packet.
//!
//! Goes the way of [`forward`](super::forward), asks the same tables and rules, and changes nothing. A test holds the two
//! together.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::address::Address;
use super::forward::check_addresses;
use super::icmp::IcmpError;
use super::limits::{LimitKind, answerable, is_beyond_share};
use super::packet::{Inner, TCP, Transport, Tuple, UDP};
use super::rules::{Asked, Because, Judgement};
use super::services::serves;
use super::zone::Zone;
use super::{Common, Family, Router, Way};
use crate::config::{Action, IpNetwork, Nat, RuleMode};
use crate::peer::PeerId;
use crate::reason::DropReason;
use crate::time::Instant;

/// Where what is to be explained comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From there.
    Zone(Zone),
    /// From the client of that identity, whether it is connected or not.
    Identity(String),
}

/// What is to be explained: the first packet of a flow, with the addresses that it has behind `client-nat`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// Its source; the client's own address if there is none.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: IpAddr,
    /// The protocol's number above IP.
    pub protocol: u8,
    /// The port it goes to (TCP, UDP), or its type (ICMP); 0 for others.
    pub selector: u16,
}

impl Probe {
    /// To that address, by that protocol, to that port.
    pub fn new(destination: IpAddr, protocol: u8, selector: u16) -> Self {
        Self { source: None, destination, protocol, selector }
    }
}

/// What the sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Silence,
    /// A TCP reset.
    Reset,
    /// An ICMP error of that type and code.
    Icmp(u8, u8),
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes there.
    Passes(Zone),
    /// The router itself answers it: a ping, a name.
    Served,
    /// It is dropped.
    Dropped(DropReason, Told),
    /// It would be judged like this, but its client is not connected.
    NotConnected(bool),
}

/// One step, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// `source`, `route`, `rule`, `limits`, `nat`.
    pub step: &'static str,
    /// A sentence.
    pub text: String,
    /// The line of the configuration that decided there.
    pub line: Option<u32>,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The steps, in order, as far as it comes.
    pub findings: Vec<Finding>,
    /// And the end.
    pub fate: Fate,
}

impl Explanation {
    fn add(&mut self, step: &'static str, text: String) {
        self.findings.push(Finding { step, text, line: None });
    }
}

/// ```text
/// source: 10.8.0.6 is client1's
/// route: 10.0.2.2 is beyond the LAN port (10.0.0.0/16)
/// rule: line 12 allows it: allow group:ops 10.0.2.2/32 tcp 22
/// limits: client1 has 5 flows, of 100
/// nat: its source becomes 10.0.1.3
/// it goes to lan
/// ```
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { step, text, .. } in &self.findings {
            writeln!(f, "{step}: {text}")?;
        }
        match self.fate {
            Fate::Passes(zone) => write!(f, "it goes to {zone}"),
            Fate::Served => f.write_str("the router answers it"),
            Fate::NotConnected(true) => f.write_str("it would pass, if the client were connected"),
            Fate::NotConnected(false) => f.write_str("it would be dropped, if the client were connected"),
            Fate::Dropped(reason, told) => {
                write!(f, "it is dropped ({reason}), ")?;
                match told {
                    Told::Silence => f.write_str("and nobody is told"),
                    Told::Reset => f.write_str("and its sender gets a TCP reset"),
                    Told::Icmp(kind, code) => write!(f, "and its sender gets ICMP {kind}/{code}"),
                }
            }
        }
    }
}

impl Router {
    /// What would become of the first packet of such a flow, and why. Changes nothing.
    pub fn explain(&self, now: Instant, from: &Origin, probe: &Probe) -> Explanation {
        let tick = super::tick(now);
        match probe.destination {
            IpAddr::V4(destination) => {
                Explain::new(&self.common, &self.v4, tick).run(from, probe, destination)
            }
            IpAddr::V6(destination) => {
                Explain::new(&self.common, &self.v6, tick).run(from, probe, destination)
            }
        }
    }
}

/// As it would be read from a packet.
fn inner<A: Address>(probe: &Probe, destination: A) -> Inner<A> {
    let transport = match probe.protocol {
        TCP => Transport::Tcp { flags: super::packet::tcp_flags::SYN },
        UDP => Transport::Udp,
        protocol if protocol == A::ICMP => Transport::Echo { request: true },
        _ => Transport::Other,
    };
    let has_port = matches!(probe.protocol, TCP | UDP);
    let tuple = Tuple {
        source: probe.source.and_then(A::of).unwrap_or(A::UNSPECIFIED),
        destination,
        source_port: 0,
        destination_port: if has_port { probe.selector } else { 0 },
    };
    Inner {
        protocol: probe.protocol,
        transport,
        offset: A::HEADER,
        tuple,
        fragment: None,
        dont_fragment: false,
        datagram: None,
        hops: 64,
        len: A::HEADER,
    }
}

struct Explain<'a, A> {
    common: &'a Common,
    family: &'a Family<A>,
    tick: u32,
    out: Explanation,
}

impl<'a, A: Address> Explain<'a, A> {
    fn new(common: &'a Common, family: &'a Family<A>, tick: u32) -> Self {
        let fate = Fate::Dropped(DropReason::NoRoute, Told::Silence);
        Self { common, family, tick, out: Explanation { findings: Vec::new(), fate } }
    }

    fn run(mut self, from: &Origin, probe: &Probe, destination: A) -> Explanation {
        let from = match from {
            Origin::Zone(zone) => *zone,
            Origin::Identity(identity) => match self.common.clients.find(identity) {
                Some(peer) => Zone::Peer(peer),
                None => {
                    self.of_a_stranger(identity, probe);
                    return self.out;
                }
            },
        };
        self.out.fate = match self.fate(from, probe, destination) {
            Ok(Some(to)) => Fate::Passes(to),
            Ok(None) => Fate::Served,
            Err((reason, told)) => Fate::Dropped(reason, told),
        };
        self.out
    }

    /// The rules alone, for who is not connected.
    fn of_a_stranger(&mut self, identity: &str, probe: &Probe) {
        self.out.add("source", format!("no client {identity} is connected"));
        let rules = &self.common.rules;
        let asked = self.asked(probe);
        let judgement = if rules.is_empty() {
            Judgement { action: Action::Allow, because: Because::NoRules }
        } else if self.is_gateway(probe.destination) && asked.is_for_gateway_service::<A>() {
            Judgement { action: Action::Allow, because: Because::Gateway }
        } else {
            rules.judge(&rules.layers_of(identity), &asked)
        };
        self.rule(judgement, &asked, identity);
        self.out.fate = Fate::NotConnected(judgement.is_allowed());
    }

    fn asked(&self, probe: &Probe) -> Asked {
        Asked { destination: probe.destination, protocol: probe.protocol, selector: probe.selector }
    }

    fn is_gateway(&self, destination: IpAddr) -> bool {
        self.family.gateway.is_some_and(|own| own.into() == destination)
    }

    fn fate(
        &mut self,
        from: Zone,
        probe: &Probe,
        destination: A,
    ) -> Result<Option<Zone>, (DropReason, Told)> {
        let (common, family) = (self.common, self.family);
        self.addresses(from, probe, destination)?;
        if !common.stateful {
            return self.plain_route(from, probe.destination).map(Some);
        }
        if probe.protocol == A::ICMP && probe.selector != A::ECHO.into() {
            let kind = probe.selector;
            self.out.add(
                "protocol",
                format!("an ICMP message of type {kind} begins nothing; an echo request does"),
            );
            return Err((DropReason::BadIcmp, Told::Silence));
        }
        let inner = inner(probe, destination);
        if serves(common, family, from, &inner) {
            self.out.add("service", format!("{destination:?} is the router's own address there"));
            return Ok(None);
        }
        let target = family.nat.target(common, from, &inner).map_err(|why| {
            let text =
                format!("{destination:?} is an outside address of ours, and stands for nobody there ({why})");
            self.out.add("nat", text);
            (why, Told::Silence)
        })?;
        if (target.address, target.port) != (destination, inner.tuple.destination_port) {
            self.out.add("nat", format!("it stands for {:?}, port {}", target.address, target.port));
        }
        let destination = target.address;
        let to = match target.zone {
            Some(zone) => Some(zone),
            None if target.forwarded => common.reach(destination),
            None => common.route(from, destination),
        };
        let Some(to) = to else {
            let text = match self.network_of(destination.into()) {
                Some((network, Way::Nowhere)) => {
                    format!("{destination:?} is in {network}, where nobody has it")
                }
                Some((network, Way::To(_))) => format!("{destination:?} is where it came from ({network})"),
                None => format!("there is no route to {destination:?}"),
            };
            self.out.add("route", text);
            return Err((DropReason::NoRoute, self.icmp(from, IcmpError::NoRoute)));
        };
        let by = self.network_of(destination.into()).filter(|(_, way)| *way == Way::To(to));
        let by = by.map_or_else(String::new, |(network, _)| format!(" ({network})"));
        self.out.add("route", format!("{destination:?} is reached by {}{by}", self.name(to)));

        let asked = Asked::of_packet(&inner, destination, target.port);
        let judgement = if target.forwarded {
            Judgement { action: Action::Allow, because: Because::Forwarded }
        } else {
            common.judge(family, from, to, &asked)
        };
        self.rule(judgement, &asked, &self.whose(from, to));
        if !judgement.is_allowed() && target.mapping.is_some() && from.is_outside() {
            return Err((DropReason::Filtered, Told::Silence));
        }
        match judgement.action {
            Action::Allow => {}
            Action::Deny => return Err((DropReason::Denied, Told::Silence)),
            Action::Reject if probe.protocol == TCP => return Err((DropReason::Denied, Told::Reset)),
            Action::Reject => return Err((DropReason::Denied, self.icmp(from, IcmpError::Prohibited))),
        }
        self.limits(from, to)?;
        self.nat(from, to, destination);
        Ok(Some(to))
    }

    fn addresses(&mut self, from: Zone, probe: &Probe, destination: A) -> Result<(), (DropReason, Told)> {
        let (common, family) = (self.common, self.family);
        let own = || {
            let Zone::Peer(peer) = from else { return None };
            let mut networks = common.clients.get(peer)?.networks.iter();
            networks.find_map(|network| A::of(network.address()).filter(|_| network.is_host()))
        };
        let source = match probe.source {
            Some(source) => Some(A::of(source).ok_or_else(|| {
                self.out.add("source", format!("{source} and {destination:?} are of two families"));
                (DropReason::BadInnerPacket, Told::Silence)
            })?),
            None => own(),
        };
        let Some(source) = source else { return Ok(()) };
        let tuple = Tuple { source, destination, source_port: 0, destination_port: 0 };
        let judged = match from {
            _ if common.stateful => check_addresses(common, family, from, &tuple),
            Zone::Peer(peer) if !common.is_its(peer, source.into()) => Err(DropReason::BadSource),
            Zone::Peer(_) | Zone::Host | Zone::Lan => Ok(()),
        };
        let text = match (judged, from) {
            (Err(DropReason::Multicast), _) => {
                format!("{destination:?} is for many, and nothing is forwarded to many")
            }
            (Err(DropReason::Martian), _) => {
                format!("nothing goes from {source:?} to {destination:?} by way of the router")
            }
            (Ok(()), Zone::Peer(peer)) => format!("{source:?} is {}'s", self.identity(peer)),
            (Err(_), Zone::Peer(peer)) => format!("{source:?} is not {}'s", self.identity(peer)),
            (_, Zone::Host | Zone::Lan) => format!("{source:?} is outside"),
        };
        self.out.add("source", text);
        judged.map_err(|why| (why, Told::Silence))
    }

    /// Without flows: by destination alone.
    fn plain_route(&mut self, from: Zone, destination: IpAddr) -> Result<Zone, (DropReason, Told)> {
        let found = self.common.table.find(destination);
        let to = match (from, found) {
            (Zone::Peer(_), Some(Way::To(to @ Zone::Peer(_)))) if self.common.setup.client_to_client => {
                Some(to)
            }
            (Zone::Peer(_), _) => Some(Zone::Host),
            (Zone::Host | Zone::Lan, Some(Way::To(to))) => Some(to),
            (Zone::Host | Zone::Lan, _) => None,
        };
        match to {
            Some(to) => self.out.add("route", format!("{destination} is reached by {}", self.name(to))),
            None => self.out.add("route", format!("no client has {destination}")),
        }
        let reason =
            if self.common.is_for_many(destination) { DropReason::Multicast } else { DropReason::NoRoute };
        to.ok_or((reason, Told::Silence))
    }

    fn rule(&mut self, judgement: Judgement, asked: &Asked, identity: &str) {
        let does = match judgement.action {
            Action::Allow => "allows",
            Action::Deny => "denies",
            Action::Reject => "rejects",
        };
        let (mut text, mut line) = (String::new(), None);
        match judgement.because {
            Because::NoRules => text += "there are no rules: everything may go",
            Because::Gateway => text += "the router's own services are open to every client",
            Because::Forwarded => text += "a port-forward allows what it forwards",
            Because::Transit => text += "rules are about clients, and none has part in it",
            Because::FromOutside => {
                text += "there are rules, and with them nothing begins from outside but by a port-forward";
            }
            Because::NoneFits => {
                text += &format!("none that is about {identity} fits, and what none allows is rejected");
            }
            Because::Rule(number) => {
                if let Some(rule) = self.common.config.rules.get(number as usize) {
                    text += &format!("line {} {does} it: {rule}", rule.line);
                    line = Some(rule.line);
                }
            }
        }
        let is_of_rules = matches!(judgement.because, Because::NoneFits | Because::Rule(_));
        if is_of_rules && self.common.config.rule_mode == RuleMode::LongestPrefix {
            let networks = self.common.config.rules.iter().map(|rule| rule.destination);
            let longest = networks.filter(|network| network.contains(asked.destination));
            if let Some(network) = longest.max_by_key(IpNetwork::prefix) {
                text += &format!(" (only those for {}/{} count)", network.address(), network.prefix());
            }
        }
        self.out.findings.push(Finding { step: "rule", text, line });
    }

    fn limits(&mut self, from: Zone, to: Zone) -> Result<(), (DropReason, Told)> {
        let (v6, room) = (A::VERSION == 6, self.family.flows.room());
        if room == 0 {
            self.out.add("limits", "the table of flows is full".into());
            return Err((DropReason::FlowsFull, self.icmp(from, IcmpError::HostUnreachable)));
        }
        let Some(peer) = answerable(from, to) else {
            if is_beyond_share(self.common.transit[usize::from(v6)], room) {
                self.out
                    .add("limits", "flows between the host and the LAN have their share of the table".into());
                return Err((DropReason::ClientLimit, self.icmp(from, IcmpError::Prohibited)));
            }
            return Ok(());
        };
        let Some(client) = self.common.clients.get(peer) else { return Ok(()) };
        let (name, budget) = (&client.identity, &client.budget);
        let count = budget.flow_count();
        let of = budget.limits().flows.map_or_else(String::new, |most| format!(", of {most}"));
        let (text, limit) = match budget.clone().take_flow(v6, room, self.tick) {
            Ok(()) => (format!("{name} has {count} flows{of}"), None),
            Err(LimitKind::NewFlows) => {
                (format!("{name} has begun as many flows in this second as it may"), Some(()))
            }
            Err(LimitKind::Share) => {
                (format!("{name} has {count} flows, twice as many as the table has room for"), Some(()))
            }
            Err(_) => (format!("{name} has {count} flows{of}, and no more may be"), Some(())),
        };
        self.out.add("limits", text);
        match limit {
            None => Ok(()),
            Some(()) => Err((DropReason::ClientLimit, self.icmp(from, IcmpError::Prohibited))),
        }
    }

    fn nat(&mut self, from: Zone, to: Zone, destination: A) {
        let config = &self.common.config;
        if config.nat == Nat::Off || !matches!(from, Zone::Peer(_)) || !to.is_outside() {
            return;
        }
        let exempt = config.nat_exempt.iter().find(|network| network.contains(destination.into()));
        let text = match (exempt, &config.nat) {
            (Some(network), _) => format!("none towards {network} (nat-exempt)"),
            (None, Nat::Off) => return,
            (None, Nat::Masquerade(Some(address))) => format!("its source becomes {address}"),
            (None, Nat::Masquerade(None)) => "its source becomes the LAN port's address".into(),
            (None, Nat::Blocks { size, .. }) => {
                format!("its source becomes one of the client's {size} ports")
            }
            (None, Nat::Identity(_)) => "its source becomes the client's own address outside".into(),
        };
        self.out.add("nat", text);
    }

    fn icmp(&self, from: Zone, error: IcmpError) -> Told {
        match self.family.own_address(from) {
            None => Told::Silence,
            Some(_) => {
                let (kind, code, _) = error.header(A::VERSION);
                Told::Icmp(kind, code)
            }
        }
    }

    fn network_of(&self, address: IpAddr) -> Option<(IpNetwork, Way)> {
        let all = self.common.table.iter().filter(|(network, _)| network.contains(address));
        all.max_by_key(|(network, _)| network.prefix())
    }

    fn identity(&self, peer: PeerId) -> String {
        self.common.identity_of(peer).map_or_else(|| "nobody".into(), |identity| identity.to_string())
    }

    fn whose(&self, from: Zone, to: Zone) -> String {
        answerable(from, to).map_or_else(|| "nobody".into(), |peer| self.identity(peer))
    }

    fn name(&self, zone: Zone) -> String {
        match zone {
            Zone::Peer(peer) => format!("client {}", self.identity(peer)),
            Zone::Host => "the host".into(),
            Zone::Lan => "the LAN port".into(),
        }
    }
}
