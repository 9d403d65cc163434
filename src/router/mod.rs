//! The virtual router: what comes out of the tunnel goes somewhere, by routes, NAT and rules, without the kernel's help.
//!
//! Sans-IO, and useful without any tunnel: packets and the time go in by [`Router::forward`], and it says where they go
//! next, changed in place. Knows packets and nothing of sessions; a client is what [`Router::client_up`] said.
//!
//! A packet passes these steps ([`forward`](self)), each a file: it is read (`packet`), its source checked, a later
//! fragment given the ports of its first (`fragments`), its flow found (`flow`). One that has no flow yet is
//! admitted (`admit`): routed (`table`), judged by the `rules`, counted against its client's limits, translated if
//! need be, and given one. Then it is carried: rewritten, a hop counted, sizes minded. What cannot go on is dropped for
//! a reason, and its sender perhaps told (`icmp`).

#![expect(dead_code, reason = "steps that are yet to come use it")]

mod address;
mod admit;
mod batch;
mod clients;
mod configure;
mod egress;
mod event;
mod explain;
mod flow;
mod forward;
mod fragments;
mod header;
mod icmp;
mod identification;
mod lan;
mod limits;
mod nat;
mod outbox;
mod packet;
mod quote;
mod random;
mod record;
mod reset;
mod rules;
mod services;
mod sources;
mod table;
#[cfg(test)]
mod testing;
mod wheel;
mod whois;
mod zone;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::buffer::PacketBuf;
use crate::config::{IpNetwork, RouterConfig};
use crate::limits::Limits;
use crate::peer::PeerId;
use crate::reason::{DropCounters, DropReason};
use crate::time::{Deadline, Instant, TimerKind};

use address::Address;
use clients::Clients;
use event::Events;
use flow::{FlowId, Flows};
use fragments::Fragments;
use icmp::ErrorBudget;
use identification::Identifications;
use lan::LanPort;
use nat::Nat;
use outbox::Outbox;
use random::Random;
use rules::Rules;
use services::Forwarder;
use whois::{Leases, Past, Ring};
use zone::ZoneId;

pub use batch::Hop;
pub use clients::ClientSetup;
pub use event::{Denial, FlowInfo, Lease, RouterEvent};
pub use explain::{Explanation, Fate, Finding, Origin, Probe, Told};
pub use lan::{LanLink, MacAddress, Offload, Segments};
pub use limits::LimitKind;
pub use nat::Netmaps;
pub use record::{BadRecord, FlowRecord, LogAnswer, LogSearch, OutsideEnd, RecordKind, Timestamp};
pub use services::DnsRequest;
pub use sources::Sources;
pub use table::RouteTable;
pub use whois::{Holder, Question, WhoisAnswer};
pub use zone::Zone;

/// Flows that one call of [`Router::handle_timeout`] looks at, at most: a storm of them must not hold up packets.
const EXPIRE_BUDGET: usize = 1024;

/// What the router is beside its configuration: its place in the network.
#[derive(Clone, Debug, Default)]
pub struct RouterSetup {
    /// Its address on the clients' side, which answers pings and names itself in errors.
    pub gateway_ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub gateway_ipv6: Option<Ipv6Addr>,
    /// The clients' networks: an address within them that no client has is nowhere.
    pub networks: alloc::vec::Vec<IpNetwork>,
    /// `client-to-client`: clients reach each other. Otherwise what is for another client goes to the host.
    pub client_to_client: bool,
    /// The largest packet that the host's port takes, in bytes; none if there is no host port.
    pub host_mtu: Option<u16>,
    /// The interface of the LAN port. With it, and with [`RouterConfig::lan`], packets of [`Zone::Lan`] are Ethernet frames;
    /// without, they are IP packets.
    pub lan: Option<LanLink>,
}

impl RouterSetup {
    /// The addresses on the clients' side.
    fn gateways(&self) -> impl Iterator<Item = IpAddr> + use<> {
        self.gateway_ipv4.map(IpAddr::V4).into_iter().chain(self.gateway_ipv6.map(IpAddr::V6))
    }
}

/// Routes, rules and NAT.
pub struct Router {
    common: Common,
    /// How much room there is, if packets belong to flows.
    limits: Limits,
    /// What a LAN port is made with, once its device is known.
    lan_seed: u64,
    v4: Family<Ipv4Addr>,
    v6: Family<Ipv6Addr>,
}

/// What both families share.
struct Common {
    config: RouterConfig,
    setup: RouterSetup,
    /// Whether packets belong to flows; plain forwarding needs none.
    stateful: bool,
    /// Grows whenever rules or routes change: flows of an earlier epoch are looked at again.
    epoch: u32,
    clients: Clients,
    rules: Rules,
    netmaps: Netmaps,
    table: RouteTable<Way>,
    /// When the packet at hand came.
    tick: u32,
    /// ICMP errors that may be sent to the outside.
    errors: ErrorBudget,
    outbox: Outbox,
    /// Answers that had no room where they were made, ready to go.
    answers: Outbox,
    lan: Option<LanPort>,
    events: Events,
    /// Flows that are no client's, IPv4 and IPv6.
    transit: [u32; 2],
    leases: Leases,
    sources: Sources,
    drops: DropCounters,
    random: Random,
    /// `dns-forward`
    dns: Option<Forwarder>,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    To(Zone),
    /// In a network of ours, where nobody has it.
    Nowhere,
}

/// What is kept for each family.
struct Family<A> {
    flows: Flows<A>,
    fragments: Fragments<A>,
    identifications: Identifications,
    /// Translated flows that have ended.
    past: Ring<Past<A>>,
    /// What keeps its tables fast under attack.
    seed: u64,
    nat: Nat<A>,
    /// The next record to be looked at for flows of clients that have gone; none if there are none.
    sweep: Option<u32>,
    /// The router's address on the clients' side.
    gateway: Option<A>,
    /// And at the LAN port.
    lan: Option<A>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Forward {
    /// It goes on, as it now lies in the buffer.
    To(Zone),
    /// The buffer now holds an answer for the zone that it came from.
    Reply,
    /// The router has taken it in.
    Consumed,
    /// It is dropped, and counted.
    Drop(DropReason),
}

/// Something came to its end: how the steps say it.
type Step<T> = Result<T, DropReason>;

impl Router {
    /// A router. `seed` is random and secret: it keeps tables fast and ports unpredictable under attack.
    pub fn new(
        config: RouterConfig,
        setup: RouterSetup,
        limits: &Limits,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        let stateful = config.is_stateful();
        let (flows, fragments) = if stateful { (limits.flows, limits.fragments) } else { (0, 0) };
        let [a, b, c, d] = *seed.as_chunks::<8>().0 else { unreachable!("32 bytes are four times eight") };
        let [a, b, c, d] = [a, b, c, d].map(u64::from_le_bytes);
        let mut random = Random::new([c, d]);
        let mut out = Self {
            limits: *limits,
            lan_seed: c,
            v4: Family::new(&config, flows, fragments, limits.history, a, now),
            v6: Family::new(&config, flows, fragments, limits.history, b, now),
            common: Common {
                stateful,
                epoch: 0,
                clients: Clients::default(),
                rules: Rules::new(&config.rules, &config.groups, config.rule_mode),
                netmaps: Netmaps::new(&config.netmaps),
                table: RouteTable::default(),
                tick: tick(now),
                errors: ErrorBudget::default(),
                outbox: Outbox::new(if stateful { limits.router_output } else { 0 }, 2048),
                answers: Outbox::new(if stateful { limits.router_output } else { 0 }, 2048),
                lan: LanPort::of(&config, &setup, limits, random.next()),
                events: Events::new(limits.events, tick(now)),
                transit: [0; 2],
                leases: Leases::new(limits.history),
                sources: Sources::new(&config.sources),
                drops: DropCounters::default(),
                dns: config.dns.clone().map(|dns| Forwarder::new(dns, random.next(), now)),
                random,
                config,
                setup,
            },
        };
        out.settle();
        out
    }

    // ---- commands ----

    /// A client is connected: its addresses are its own from now on and nobody else's, and whatever else `client` says.
    pub fn client_up(&mut self, now: Instant, peer: PeerId, client: ClientSetup) {
        let tick = tick(now);
        let networks = client.networks.clone();
        let common = &mut self.common;
        common.tick = tick;
        common.clients.insert(peer, client, &common.rules, common.config.client_limits, tick);
        for network in networks {
            self.give(tick, peer, network);
        }
        self.common.epoch += 1;
        if !self.common.stateful && self.common.clients.any_limits() {
            self.set_stateful(tick, true);
            self.settle();
        } else {
            self.v4.nat.client_up(&mut self.common, tick, peer);
            self.v6.nat.client_up(&mut self.common, tick, peer);
        }
    }

    /// A client has gone: nothing is routed to it any more, and its flows end.
    pub fn client_down(&mut self, now: Instant, peer: PeerId) {
        let Some(client) = self.common.clients.remove(peer) else { return };
        for network in &client.networks {
            self.withdraw(peer, *network);
            self.common.lease_ended(tick(now), &client.identity, *network, None);
        }
        self.common.epoch += 1;
        let tick = tick(now);
        self.common.tick = tick;
        if let Some(dns) = &mut self.common.dns {
            dns.forget(Zone::Peer(peer));
        }
        self.v4.nat.client_down(&mut self.common, tick, peer);
        self.v6.nat.client_down(&mut self.common, tick, peer);
        self.v4.sweep = Some(0);
        self.v6.sweep = Some(0);
    }

    /// From now on the network is reached by way of this client, and of no other.
    pub fn add_network(&mut self, now: Instant, peer: PeerId, network: IpNetwork) {
        if let Some(client) = self.common.clients.get_mut(peer)
            && !client.networks.contains(&network)
        {
            client.networks.push(network);
            self.give(tick(now), peer, network);
            self.common.epoch += 1;
        }
    }

    /// Takes a network from a client.
    pub fn remove_network(&mut self, now: Instant, peer: PeerId, network: IpNetwork) {
        if let Some(client) = self.common.clients.get_mut(peer) {
            client.networks.retain(|other| *other != network);
            self.withdraw(peer, network);
            self.common.client_lease(tick(now), peer, network, false);
            self.common.epoch += 1;
        }
    }

    /// Routes a network to a client, and takes it from who had it.
    fn give(&mut self, tick: u32, peer: PeerId, network: IpNetwork) {
        let before = self.common.table.insert(network, Way::To(Zone::Peer(peer)));
        if let Some(Way::To(Zone::Peer(before))) = before
            && before != peer
            && let Some(client) = self.common.clients.get_mut(before)
        {
            client.networks.retain(|other| *other != network);
            self.common.client_lease(tick, before, network, false);
        }
        self.common.client_lease(tick, peer, network, true);
    }

    /// Takes a route from a client, if it still has it. One of our own networks becomes what it was.
    fn withdraw(&mut self, peer: PeerId, network: IpNetwork) {
        self.common.table.remove(network, Way::To(Zone::Peer(peer)));
        if self.common.stateful && self.common.setup.networks.contains(&network) {
            self.common.table.insert(network, Way::Nowhere);
        }
    }

    /// Answers a question of [`RouterEvent::DnsQuery`]: the name server's message, or `None` if there is none.
    pub fn dns_answer(&mut self, now: Instant, request: DnsRequest, answer: Option<&[u8]>) {
        self.common.dns_answer(now, request, answer);
    }

    // ---- input ----

    /// A packet that came `from` there. It is changed in place; an answer takes its place.
    pub fn forward(&mut self, now: Instant, from: Zone, buf: &mut PacketBuf<'_>) -> Forward {
        if self.common.lan.is_some() && from == Zone::Lan {
            return self.frame_in(now, buf);
        }
        match self.forward_packet(now, from, buf) {
            Forward::To(Zone::Lan) => self.frame_out(now, from, buf),
            other => other,
        }
    }

    /// The same for an IP packet, whatever way it came in.
    #[inline]
    fn forward_packet(&mut self, now: Instant, from: Zone, buf: &mut PacketBuf<'_>) -> Forward {
        if self.common.netmaps.is_empty() {
            return self.forward_translated(now, from, buf);
        }
        if matches!(from, Zone::Peer(_)) {
            self.common.netmaps.out_of_tunnel(buf.payload_mut());
        }
        let forward = self.forward_translated(now, from, buf);
        let to = match forward {
            Forward::To(zone) => Some(zone),
            Forward::Reply => Some(from),
            Forward::Consumed | Forward::Drop(_) => None,
        };
        if matches!(to, Some(Zone::Peer(_))) {
            self.common.netmaps.into_tunnel(buf.payload_mut());
        }
        forward
    }

    /// The same, once `client-nat` has done its part.
    #[inline]
    fn forward_translated(&mut self, now: Instant, from: Zone, buf: &mut PacketBuf<'_>) -> Forward {
        let tick = tick(now);
        self.common.tick = tick;
        let step = match buf.payload().first().map(|first| first >> 4) {
            Some(4) => forward::forward(&mut self.common, &mut self.v4, now, from, buf),
            Some(6) => forward::forward(&mut self.common, &mut self.v6, now, from, buf),
            _ => Err(DropReason::BadInnerPacket),
        };
        step.unwrap_or_else(|reason| {
            self.common.drops.count(reason);
            Forward::Drop(reason)
        })
    }

    /// Keeps an answer of [`forward`](Self::forward) that is longer than what it answers, where that has no room around it.
    pub(crate) fn keep_answer(&mut self, zone: Zone, packet: &[u8]) {
        let kept = self.common.answers.push(zone, packet.len(), |slot| slot.copy_from_slice(packet));
        if let Err(reason) = kept {
            self.common.drops.count(reason);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let tick = tick(now);
        self.v4.expire(&mut self.common, tick);
        self.v6.expire(&mut self.common, tick);
        if let Some(lan) = &mut self.common.lan {
            lan.handle_timeout(now);
        }
        self.common.dns_timeout(now);
    }

    // ---- output ----

    /// Moves the next packet that the router itself sends into `buf`; to where it goes.
    pub fn poll_output(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Option<Zone> {
        while !self.common.answers.is_empty() {
            match self.common.answers.pop(buf) {
                Ok(zone) => return zone,
                Err(reason) => self.common.drops.count(reason),
            }
        }
        let zone = self.next_output(now, buf)?;
        if matches!(zone, Zone::Peer(_)) && !self.common.netmaps.is_empty() {
            self.common.netmaps.into_tunnel(buf.payload_mut());
        }
        Some(zone)
    }

    fn next_output(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Option<Zone> {
        loop {
            if let Some(zone) = self.poll_lan(now, buf) {
                return Some(zone);
            }
            match self.common.outbox.pop(buf) {
                Ok(Some(Zone::Lan)) => match self.frame_out(now, Zone::Lan, buf) {
                    Forward::To(zone) => return Some(zone),
                    Forward::Reply | Forward::Consumed | Forward::Drop(_) => {}
                },
                Ok(zone) => return zone,
                Err(reason) => self.common.drops.count(reason),
            }
        }
    }

    /// The next thing that the host is told.
    pub fn poll_event(&mut self) -> Option<RouterEvent> {
        self.common.events.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called.
    pub fn next_timeout(&self) -> Option<Deadline> {
        let sweeps = self.v4.sweep.is_some() || self.v6.sweep.is_some();
        let ticks = [
            self.v4.flows.next_tick(),
            self.v6.flows.next_tick(),
            self.v4.fragments.next_tick(),
            self.v6.fragments.next_tick(),
            self.v4.nat.unsolicited.next(),
            self.v6.nat.unsolicited.next(),
            sweeps.then_some(0),
        ];
        let flow = ticks.into_iter().flatten().min().map(instant);
        let lan = self.common.lan.as_ref().and_then(LanPort::next_timeout);
        let dns = self.common.dns.as_ref().and_then(Forwarder::next_timeout);
        let deadlines = [(flow, TimerKind::Flow), (lan, TimerKind::Neighbour), (dns, TimerKind::GatewayDns)];
        let soonest = deadlines.into_iter().filter_map(|(at, reason)| Some(Deadline { at: at?, reason }));
        soonest.min_by_key(|deadline| deadline.at)
    }

    // ---- getters ----

    /// How many packets were dropped, and why.
    pub fn drops(&self) -> &DropCounters {
        &self.common.drops
    }

    /// The client that exactly this network is routed to.
    pub fn owner(&self, network: IpNetwork) -> Option<PeerId> {
        match self.common.table.get(network)? {
            Way::To(Zone::Peer(peer)) => Some(peer),
            Way::To(Zone::Host | Zone::Lan) | Way::Nowhere => None,
        }
    }

    /// What is routed to clients: IPv4 before IPv6, hosts before networks.
    pub fn routes(&self) -> impl Iterator<Item = (IpNetwork, PeerId)> {
        self.common.table.iter().filter_map(|(network, way)| match way {
            Way::To(Zone::Peer(peer)) => Some((network, peer)),
            Way::To(Zone::Host | Zone::Lan) | Way::Nowhere => None,
        })
    }

    /// Which outer addresses may talk to the server, as the configuration in force says.
    pub fn sources(&self) -> &Sources {
        &self.common.sources
    }

    /// Whether packets belong to flows: there is something to do that plain forwarding cannot.
    pub fn is_stateful(&self) -> bool {
        self.common.stateful
    }

    /// All flows that clients have, in no particular order.
    pub fn list_flows(&self) -> impl Iterator<Item = FlowInfo> {
        let v4 = self.v4.flows.iter().filter_map(|(_, flow)| self.common.flow_info(flow));
        let v6 = self.v6.flows.iter().filter_map(|(_, flow)| self.common.flow_info(flow));
        v4.chain(v6)
    }

    /// How many flows there are.
    pub fn flows(&self) -> usize {
        self.v4.flows.len() + self.v6.flows.len()
    }
}

impl<A: Address> Family<A> {
    fn new(
        config: &RouterConfig,
        flows: usize,
        fragments: usize,
        history: usize,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            flows: Flows::new(flows, seed, tick(now)),
            fragments: Fragments::new(fragments, seed),
            identifications: Identifications::new(seed),
            past: Ring::new(history),
            seed,
            nat: Nat::new(config, flows, seed),
            sweep: None,
            gateway: None,
            lan: None,
        }
    }

    /// The router's own address towards that zone.
    fn own_address(&self, zone: Zone) -> Option<A> {
        match zone {
            Zone::Peer(_) | Zone::Host => self.gateway,
            Zone::Lan => self.lan,
        }
    }

    /// Ends a flow: no packet finds it any more, and what it held is free.
    fn end(&mut self, common: &mut Common, id: FlowId, tick: u32) {
        if let Some(flow) = self.flows.remove(id) {
            self.nat.ended(common, &flow, tick);
            self.remember(common, &flow);
            common.flow_ended(&flow);
        }
    }

    /// Ends the flows whose time is over, or whose client has gone.
    fn expire(&mut self, common: &mut Common, tick: u32) {
        self.fragments.expire(tick, &mut common.drops);
        let mut budget = EXPIRE_BUDGET;
        while budget > 0
            && let Some(id) = self.flows.next_due(tick)
        {
            budget -= 1;
            let Some(flow) = self.flows.get(id) else { continue };
            let due = flow.last.saturating_add(ticks(flow.lifetime(&common.config.lifetimes)));
            if due > tick {
                self.flows.reschedule(id, due);
            } else {
                self.end(common, id, tick);
            }
        }
        self.nat.answer_unsolicited(common, tick);
        let Some(first) = self.sweep else { return };
        let last = first.saturating_add(EXPIRE_BUDGET as u32).min(self.flows.records());
        for number in first..last {
            let gone = |zone: &ZoneId| {
                *zone != nat::HALFWAY
                    && matches!(zone.get(), Zone::Peer(peer) if common.clients.get(peer).is_none())
            };
            if let Some((id, flow)) = self.flows.record(number)
                && flow.zones.iter().any(gone)
            {
                self.end(common, id, tick);
            }
        }
        self.sweep = (last < self.flows.records()).then_some(last);
    }
}

/// A tick is 2^27 nanoseconds, about 134 ms: what flows measure their age in.
const TICK_SHIFT: u32 = 27;

#[inline]
fn tick(now: Instant) -> u32 {
    (now.as_nanos() >> TICK_SHIFT) as u32
}

/// When a tick begins.
fn instant(tick: u32) -> Instant {
    Instant::from_nanos(u64::from(tick) << TICK_SHIFT)
}

/// So many ticks that the time has certainly passed after them.
fn ticks(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() >> TICK_SHIFT) + 1).unwrap_or(u32::MAX)
}

impl core::fmt::Debug for Router {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Router").field("flows", &self.flows()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
