//! [`Rules`]: who may go where.
//!
//! Made once from the configuration's rules and groups, and the same for all clients: rules are sorted into layers, one
//! for each WHO that is named, and a client has the layers that are about it. So a thousand clients share what is said of
//! all, and a look costs a search for each prefix length in use; nothing is allocated.
//!
//! The destination is that of the packet as it leaves, translated if it is; the client is the one that began the flow.

mod layer;
mod live;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::address::Address;
use super::flow::{Direction, Flow};
use super::packet::{Inner, TCP, Transport, UDP};
use super::table::RouteTable;
use super::zone::Zone;
use super::{Common, Family};
use crate::config::{Action, Group, Rule, RuleMode, Who};

use layer::Layer;

pub(super) use live::{Still, deny, look_again};

/// What is asked of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) destination: IpAddr,
    /// The protocol's number above IP.
    pub(super) protocol: u8,
    /// The port it goes to (TCP, UDP), or its type (ICMP); 0 for others.
    pub(super) selector: u16,
}

impl Asked {
    /// Whether the gateway itself would serve that at its address, or the host's own resolver in its place: pings, names.
    pub(super) fn is_for_gateway_service<A: Address>(&self) -> bool {
        const DNS: u16 = 53;
        let is_name = matches!(self.protocol, TCP | UDP) && self.selector == DNS;
        is_name || (self.protocol == A::ICMP && self.selector == u16::from(A::ECHO))
    }

    /// About the flow that a packet begins, which goes to `destination` and `port` as translated.
    pub(super) fn of_packet<A: Address>(inner: &Inner<A>, destination: A, port: u16) -> Self {
        let selector = match inner.transport {
            Transport::Echo { request: true } => A::ECHO.into(),
            Transport::Echo { request: false } => A::ECHO_REPLY.into(),
            Transport::Tcp { .. }
            | Transport::Udp
            | Transport::IcmpError
            | Transport::IcmpOther
            | Transport::Later
            | Transport::Other => port,
        };
        Self { destination: destination.into(), protocol: inner.protocol, selector }
    }

    /// About a flow that there is.
    pub(super) fn of_flow<A: Address>(flow: &Flow<A>) -> Self {
        let leaves = flow.leaves_as(Direction::Forth);
        let selector = if flow.protocol == A::ICMP { A::ECHO.into() } else { leaves.destination_port };
        Self { destination: leaves.destination.into(), protocol: flow.protocol, selector }
    }
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) action: Action,
    pub(super) because: Because,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Because {
    /// There are no rules.
    NoRules,
    /// It is for the router itself, whose services are open to every client.
    Gateway,
    /// A `port-forward` allows what it forwards.
    Forwarded,
    /// No client has part in it.
    Transit,
    /// The rule of that number.
    Rule(u32),
    /// No rule fits, and there are rules.
    NoneFits,
    /// It was begun from outside, and there are rules.
    FromOutside,
}

impl Judgement {
    const fn allow(because: Because) -> Self {
        Self { action: Action::Allow, because }
    }

    const fn reject(because: Because) -> Self {
        Self { action: Action::Reject, because }
    }

    pub(super) fn is_allowed(self) -> bool {
        self.action == Action::Allow
    }
}

/// The layers that are about one client.
pub(super) type Layers = Box<[u32]>;

/// All rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    mode: RuleMode,
    layers: Vec<Layer>,
    all: Option<u32>,
    /// The layers of each identity that is named, by itself or in a group.
    named: BTreeMap<Box<str>, Vec<u32>>,
    /// Every rule's network, and how long its prefix is: which of them count under [`RuleMode::LongestPrefix`].
    networks: RouteTable<u8>,
}

impl Rules {
    /// `rules` go by their places in the slice.
    pub(super) fn new(rules: &[Rule], groups: &[Group], mode: RuleMode) -> Self {
        let mut out = Self { mode, ..Self::default() };
        let mut by_who: BTreeMap<(u8, &str), Vec<(u32, &Rule)>> = BTreeMap::new();
        for (number, rule) in (0..).zip(rules) {
            let who = match &rule.who {
                Who::All => (0, ""),
                Who::Client(name) => (1, &**name),
                Who::Group(name) => (2, &**name),
            };
            by_who.entry(who).or_default().push((number, rule));
            out.networks.insert(rule.destination, rule.destination.prefix());
        }
        for ((number, (kind, name)), rules) in (0..).zip(by_who.keys().copied()).zip(by_who.values()) {
            out.layers.push(Layer::new(rules));
            let members: BTreeSet<&str> = match kind {
                0 => {
                    out.all = Some(number);
                    continue;
                }
                1 => [name].into(),
                _ => {
                    let those = groups.iter().filter(|group| group.name == name);
                    those.flat_map(|group| &group.members).map(|member| &**member).collect()
                }
            };
            for member in members {
                out.named.entry(member.into()).or_default().push(number);
            }
        }
        out
    }

    /// Whether there are none, so that everything may go.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Those that are about `identity`.
    pub(super) fn layers_of(&self, identity: &str) -> Layers {
        let named = self.named.get(identity).map_or(&[][..], |layers| layers);
        self.all.into_iter().chain(named.iter().copied()).collect()
    }

    /// What the rules of these layers say. A `deny` or `reject` comes before an `allow`; of several, the one that was
    /// written first decides.
    pub(super) fn judge(&self, layers: &[u32], asked: &Asked) -> Judgement {
        let only = match self.mode {
            RuleMode::Union => None,
            // The networks of all rules, whomever they are about: who has no rule for the longest has none at all, as
            // AWS documents it ("Authorization rules for Active Directory groups not working as expected").
            RuleMode::LongestPrefix => match self.networks.find(asked.destination) {
                Some(prefix) => Some(prefix),
                None => return Judgement::reject(Because::NoneFits),
            },
        };
        let (mut refused, mut allowed): (Option<(u32, Action)>, Option<u32>) = (None, None);
        for layer in layers.iter().filter_map(|&layer| self.layers.get(layer as usize)) {
            layer.each_fit(asked, only, |number, action| match action {
                Action::Allow if allowed.is_none_or(|before| number < before) => allowed = Some(number),
                Action::Deny | Action::Reject if refused.is_none_or(|(before, _)| number < before) => {
                    refused = Some((number, action));
                }
                Action::Allow | Action::Deny | Action::Reject => {}
            });
        }
        match (refused, allowed) {
            (Some((number, action)), _) => Judgement { action, because: Because::Rule(number) },
            (None, Some(number)) => Judgement::allow(Because::Rule(number)),
            (None, None) => Judgement::reject(Because::NoneFits),
        }
    }
}

impl Common {
    /// Whether what began at `from` may go `to` there. What a `port-forward` admits need not be asked.
    pub(super) fn judge<A: Address>(
        &self,
        family: &Family<A>,
        from: Zone,
        to: Zone,
        asked: &Asked,
    ) -> Judgement {
        if self.rules.is_empty() {
            return Judgement::allow(Because::NoRules);
        }
        match (from, to) {
            // What the host serves there beside is for rules to allow, as everything else.
            (Zone::Peer(_), _)
                if family.gateway.is_some_and(|own| own.into() == asked.destination)
                    && asked.is_for_gateway_service::<A>() =>
            {
                Judgement::allow(Because::Gateway)
            }
            (Zone::Peer(peer), _) => match self.clients.get(peer) {
                Some(client) => self.rules.judge(&client.layers, asked),
                None => Judgement::reject(Because::NoneFits),
            },
            (Zone::Host | Zone::Lan, Zone::Peer(_)) => Judgement::reject(Because::FromOutside),
            (Zone::Host | Zone::Lan, Zone::Host | Zone::Lan) => Judgement::allow(Because::Transit),
        }
    }
}

/// Whether a protocol has ports.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, TCP | UDP)
}

#[cfg(test)]
pub(super) mod tests;
