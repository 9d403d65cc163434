//! [`Router::configure`]: another configuration is put into force, and flows feel it at their next packet.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::Address;
use super::flow::{Flow, FlowId, Flows};
use super::fragments::Fragments;
use super::nat::{Nat, Netmaps};
use super::outbox::Outbox;
use super::rules::Rules;
use super::services::Forwarder;
use super::{Common, Family, Router, Way, Zone, tick};
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
        common.rules = Rules::new(&config.rules, &config.groups, config.rule_mode);
        common.dns = config.dns.clone().map(|dns| match common.dns.take() {
            Some(forwarder) => forwarder.with(dns),
            None => Forwarder::new(dns, common.random.next(), now),
        });
        let before = core::mem::replace(&mut common.config, config);
        for client in common.clients.iter_mut() {
            client.layers = common.rules.layers_of(&client.identity);
        }
        let stateful = common.config.is_stateful();
        if stateful != common.stateful {
            self.set_stateful(tick, stateful, before.log_flows);
        }
        let flows = if stateful { self.limits.flows } else { 0 };
        self.v4.translate_anew(&mut self.common, &before, flows, tick);
        self.v6.translate_anew(&mut self.common, &before, flows, tick);
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

    /// From now on packets belong to flows; or no longer, and all flows end.
    fn set_stateful(&mut self, tick: u32, stateful: bool, log_flows: bool) {
        let common = &mut self.common;
        common.stateful = stateful;
        // Who is told of a flow's beginning is told of its end.
        let logs = core::mem::replace(&mut common.config.log_flows, log_flows);
        let Limits { flows, fragments, router_output, .. } = self.limits;
        let [flows, fragments, router_output] =
            [flows, fragments, router_output].map(|room| if stateful { room } else { 0 });
        self.v4.start_over(common, flows, fragments, tick);
        self.v6.start_over(common, flows, fragments, tick);
        common.config.log_flows = logs;
        common.outbox = Outbox::new(router_output, 2048);
    }
}

impl<A: Address> Family<A> {
    /// Ends all flows, and has room for so many from now on.
    fn start_over(&mut self, common: &mut Common, flows: usize, fragments: usize, tick: u32) {
        self.fragments = Fragments::new(fragments, self.seed);
        for number in 0..self.flows.records() {
            self.end(common, FlowId(number), tick);
        }
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
        self.nat.end_leases(common);
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
