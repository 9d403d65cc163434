//! The virtual router: what its directives mean to each other.

use alloc::format;
use core::net::IpAddr;

use super::Finishing;
use crate::config::network::IpNetwork;
use crate::config::router::{Nat, RouterConfig, Who};

impl Finishing<'_> {
    pub(super) fn router(&mut self) {
        self.lan();
        self.outside_addresses();
        self.port_forwards();
        self.rules();
        if let Some(path) = self.draft.host.flow_log.take() {
            self.draft.host.flow_log = Some(self.draft.path(&path));
        }
    }

    fn lan(&mut self) {
        let gateways = core::mem::take(&mut self.draft.lan_gateways);
        let Some(lan) = &mut self.draft.server.router.lan else {
            if !gateways.is_empty() {
                self.draft.error("lan-gateway", "there is no LAN to have it: 'lan-port' is missing");
            }
            return;
        };
        let mut wrong = None;
        for gateway in gateways {
            let is_near = |&(address, prefix): &(IpAddr, u8)| {
                IpNetwork::containing(address, prefix).contains(gateway) && address != gateway
            };
            if !lan.addresses.iter().any(is_near) {
                wrong = Some(format!("{gateway} is in no network of 'lan-port', or is its own address"));
            } else if lan.gateways.iter().any(|other| other.is_ipv4() == gateway.is_ipv4()) {
                wrong = Some("there may be one IPv4 and one IPv6 gateway".into());
            } else {
                lan.gateways.push(gateway);
            }
        }
        let own = lan.addresses.clone();
        let clients = self.draft.server.network;
        for (address, prefix) in own {
            if let (IpNetwork::V4(lan), Some(clients)) = (IpNetwork::containing(address, prefix), clients)
                && (lan.contains(clients.address) || clients.contains(lan.address))
            {
                let clause = format!(
                    "the LAN {lan} and the clients' network {clients} overlap: give 'server' another network",
                    lan = IpNetwork::V4(lan),
                    clients = IpNetwork::V4(clients),
                );
                self.draft.error("lan-port", clause);
            }
        }
        if let Some(wrong) = wrong {
            self.draft.error("lan-gateway", wrong);
        }
    }

    /// NAT needs addresses, and a LAN answers only for those that are its own.
    fn outside_addresses(&mut self) {
        let router = &self.draft.server.router;
        let lan = router.lan.as_ref();
        let mut complaints = alloc::vec::Vec::new();
        let mut doubts = alloc::vec::Vec::new();
        let none_given = match &router.nat {
            Nat::Masquerade(address) => address.is_none(),
            Nat::Blocks { addresses, .. } => addresses.is_empty(),
            Nat::Off | Nat::Identity(_) => false,
        };
        if none_given && lan.is_none() {
            complaints.push("to which address? There is no 'lan-port' to take it from, so write it".into());
        }
        if let (Nat::Identity(ranges), Some(lan)) = (&router.nat, lan) {
            for range in ranges {
                let shown = format!("{}-{}", range.start(), range.end());
                if lan.addresses.iter().any(|(own, _)| range.contains(own)) {
                    complaints.push(format!("{shown} holds the LAN port's own address"));
                }
                let is_near = |&(address, prefix): &(IpAddr, u8)| {
                    let network = IpNetwork::containing(address, prefix);
                    network.contains(*range.start()) && network.contains(*range.end())
                };
                if !lan.addresses.iter().any(is_near) {
                    doubts.push(format!(
                        "{shown} is not within the network of 'lan-port': the LAN needs a route to it"
                    ));
                }
            }
        }
        if router.nat == Nat::Off && !router.nat_exempt.is_empty() {
            self.draft.warning("nat-exempt", "this has no effect without 'nat'");
        }
        for clause in complaints {
            self.draft.error("nat", clause);
        }
        for clause in doubts {
            self.draft.warning("nat", clause);
        }
    }

    fn port_forwards(&mut self) {
        let router = &self.draft.server.router;
        let strange = router.port_forwards.iter().find(|forward| !is_outside(router, forward.address));
        if let Some(forward) = strange {
            let clause = format!(
                "{} is no outside address of the router: neither that of 'lan-port' nor one of 'nat'",
                forward.address
            );
            self.draft.error("port-forward", clause);
        }
    }

    fn rules(&mut self) {
        let router = &self.draft.server.router;
        let unknown = router.rules.iter().find_map(|rule| match &rule.who {
            Who::Group(name) if !router.groups.iter().any(|group| group.name == *name) => {
                Some((rule.line, name.clone()))
            }
            _ => None,
        });
        if let Some((line, name)) = unknown {
            let known = router.groups.iter().map(|group| group.name.as_str()).collect::<alloc::vec::Vec<_>>();
            let clause = match known.as_slice() {
                [] => format!("line {line}: there is no group '{name}': 'group {name} MEMBER...' is missing"),
                known => format!("line {line}: there is no group '{name}', but {}", known.join(", ")),
            };
            let directive =
                ["allow", "deny", "reject"].into_iter().find(|name| self.draft.position(name).is_some());
            self.draft.error(directive.unwrap_or("allow"), clause);
        }
        if self.draft.position("rule-mode").is_some() && self.draft.server.router.rules.is_empty() {
            self.draft.warning("rule-mode", "this has no effect without rules");
        }
    }
}

/// Whether packets from outside may come to that address of the router.
fn is_outside(router: &RouterConfig, address: IpAddr) -> bool {
    let lan = router.lan.iter().flat_map(|lan| &lan.addresses).any(|(own, _)| *own == address);
    lan || match &router.nat {
        Nat::Off => false,
        Nat::Masquerade(own) => *own == Some(address),
        Nat::Blocks { addresses, .. } => addresses.contains(&address),
        Nat::Identity(ranges) => ranges.iter().any(|range| range.contains(&address)),
    }
}

#[cfg(test)]
mod tests;
