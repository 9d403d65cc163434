//! [`Router::configure`]: another configuration is put into force, and flows feel it at their next packet.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::Address;
use super::flow::{Flow, Flows};
use super::fragments::Fragments;
use super::nat::{Nat, Netmaps};
use super::outbox::Outbox;
use super::rules::Rules;
use super::services::Forwarder;
use super::sources::Sources;
use super::zone::Zone;
use super::{Common, Family, Router, Way, tick};
use crate::config::{IpNetwork, LanConfig, RouterConfig};
use crate::limits::Limits;
use crate::time::Instant;

impl Router {
    /// From now on `config` is in force. What it no longer allows ends at its next packet; connected clients stay.
    pub fn configure(&mut self, now: Instant, config: RouterConfig) {
        let tick = tick(now);
        self.unsettle();
        let common = &mut self.common;
        common.netmaps = Netmaps::new(&config.netmaps);
        common.tick = tick;
        common.rules = Rules::new(&config.rules, &config.groups, config.rule_mode);
        common.dns = config.dns.clone().map(|dns| match common.dns.take() {
            Some(forwarder) => forwarder.with(dns),
            None => Forwarder::new(dns, common.random.next(), now),
        });
        common.sources = Sources::new(&config.sources);
        for client in common.clients.iter_mut() {
            client.layers = common.rules.layers_of(&client.identity);
            let limits = client.limits.unwrap_or(config.client_limits);
            if *client.budget.limits() != limits {
                client.budget.set_limits(limits, tick);
            }
        }
        let stateful = config.is_stateful() || common.clients.any_limits();
        let restarts = stateful != common.stateful;
        // Who was told of a flow's beginning is told of its end.
        let log_flows = config.log_flows;
        let before = core::mem::replace(&mut common.config, config);
        common.config.log_flows |= before.log_flows;
        if restarts {
            self.v4.end_flows(&mut self.common, tick);
            self.v6.end_flows(&mut self.common, tick);
            self.set_stateful(tick, stateful);
        } else {
            let flows = if stateful { self.limits.flows } else { 0 };
            self.v4.translate_anew(&mut self.common, &before, flows, tick);
            self.v6.translate_anew(&mut self.common, &before, flows, tick);
        }
        self.common.config.log_flows = log_flows;
        self.common.epoch += 1;
        self.settle();
        self.configure_lan();
    }

    /// Takes over what the configuration says of routes.
    pub(super) fn settle(&mut self) {
        let common = &mut self.common;
        self.v4.gateway = common.setup.gateway_ipv4;
        self.v6.gateway = common.setup.gateway_ipv6;
        self.v4.lan = common.config.lan_ipv4();
        self.v6.lan = common.config.lan_ipv6();
        if common.stateful {
            for network in &common.setup.networks {
                if !common.table.iter().any(|(other, _)| other == *network) {
                    common.table.insert(*network, Way::Nowhere);
                }
            }
            // The host has the gateway's address too, and answers at it.
            if common.setup.host_mtu.is_some() {
                for gateway in common.setup.gateways() {
                    common.table.insert(gateway.into(), Way::To(Zone::Host));
                }
            }
        }
        for network in common.config.lan.iter().flat_map(lan_networks) {
            common.table.insert(network, Way::To(Zone::Lan));
        }
    }

    /// Takes back what [`settle`](Self::settle) has put into the table.
    fn unsettle(&mut self) {
        let common = &mut self.common;
        for network in &common.setup.networks {
            common.table.remove(*network, Way::Nowhere);
        }
        for gateway in common.setup.gateways() {
            common.table.remove(gateway.into(), Way::To(Zone::Host));
        }
        for network in common.config.lan.iter().flat_map(lan_networks) {
            common.table.remove(network, Way::To(Zone::Lan));
        }
    }

    /// From now on packets belong to flows, or no longer. There are none.
    pub(super) fn set_stateful(&mut self, tick: u32, stateful: bool) {
        let common = &mut self.common;
        common.stateful = stateful;
        let Limits { flows, fragments, router_output, .. } = self.limits;
        let [flows, fragments, router_output] =
            [flows, fragments, router_output].map(|room| if stateful { room } else { 0 });
        self.v4.start_over(common, flows, fragments, tick);
        self.v6.start_over(common, flows, fragments, tick);
        common.outbox = Outbox::new(router_output, 2048);
        common.answers = Outbox::new(router_output, 2048);
    }
}

impl<A: Address> Family<A> {
    fn end_flows(&mut self, common: &mut Common, tick: u32) {
        for number in 0..self.flows.records() {
            if let Some((id, _)) = self.flows.record(number) {
                self.end(common, id, tick);
            }
        }
    }

    /// Has room for so many flows from now on, and none of them.
    fn start_over(&mut self, common: &mut Common, flows: usize, fragments: usize, tick: u32) {
        self.fragments = Fragments::new(fragments, self.seed);
        self.flows = Flows::new(flows, self.seed, tick);
        self.begin_nat(common, flows, tick);
    }

    /// Puts what is said of NAT into force. If outside addresses or filters are others now, all flows that go outside
    /// end.
    fn translate_anew(&mut self, common: &mut Common, before: &RouterConfig, flows: usize, tick: u32) {
        if !self.nat.configure(before, &common.config) {
            return;
        }
        for number in 0..self.flows.records() {
            let is_outside = |flow: &Flow<A>| flow.zones.iter().any(|zone| zone.get().is_outside());
            let is_mapped = |flow: &Flow<A>| flow.tuples[0].reversed() != flow.tuples[1];
            if let Some((id, flow)) = self.flows.record(number)
                && (is_outside(flow) || is_mapped(flow))
            {
                self.end(common, id, tick);
            }
        }
        self.begin_nat(common, flows, tick);
    }

    /// Begins with no mapping and no lease but those of who is connected.
    fn begin_nat(&mut self, common: &mut Common, flows: usize, tick: u32) {
        self.nat.end_leases(common, tick);
        self.nat = Nat::new(&common.config, flows, self.seed);
        let peers: Vec<_> = common.clients.iter_mut().map(|client| client.peer).collect();
        for peer in peers {
            self.nat.client_up(common, tick, peer);
        }
    }
}

/// What is reached by the LAN port.
fn lan_networks(lan: &LanConfig) -> impl Iterator<Item = IpNetwork> {
    let near = lan.addresses.iter().map(|(address, prefix)| IpNetwork::containing(*address, *prefix));
    let far = lan.gateways.iter().map(|gateway| {
        let everything = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        IpNetwork::containing(everything, 0)
    });
    near.chain(far)
}
