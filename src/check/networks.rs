//! A server's networks: the clients' own, those that are pushed, and the DNS servers in them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use crate::config::{
    Diagnostic, DirectiveInfo, DnsSettings, Ipv4Network, Ipv6Network, Outline, RouteAddress, RouteSettings,
    Stated, lexer,
};

/// What so many routers at home are set to that a client's own network is likely to be one of them.
const AT_HOME: [[u8; 4]; 2] = [[192, 168, 0, 0], [192, 168, 1, 0]];

/// A server's networks, each with the statement that it comes from.
#[derive(Default)]
struct Networks<'a> {
    pools: Vec<(Ipv4Network, &'a Stated)>,
    pools_v6: Vec<Ipv6Network>,
    pushed: Vec<(Ipv4Network, &'a Stated)>,
    pushed_v6: Vec<Ipv6Network>,
    /// All of a client's packets come.
    redirected: bool,
    redirected_v6: bool,
    dns: Vec<(IpAddr, &'a Stated)>,
}

pub(super) fn findings(outline: &Outline) -> Vec<Diagnostic> {
    let (networks, mut found) = Networks::of(outline);
    for &(address, push) in &networks.dns {
        if !networks.reach(address) {
            let clause = format!(
                "no pushed route leads to the DNS server {address}, which is not in the clients' network either: \
                 push \"route {address}\" too"
            );
            let clause = if address.is_ipv6() { clause.replace("\"route ", "\"route-ipv6 ") } else { clause };
            found.push(push.warn(1, clause));
        }
    }
    for &(pool, server) in &networks.pools {
        for &(route, push) in &networks.pushed {
            if route.contains(pool.address) && route.prefix < pool.prefix {
                let clause = format!(
                    "the clients' network {} lies within {}, which is pushed as a route: machines there take clients \
                     for neighbours and do not answer through the VPN, unless the server translates addresses (NAT) \
                     or their router has a route to the server",
                    shown(pool),
                    shown(route)
                );
                found.push(server.warn(1, clause));
            } else if pool.contains(route.address) {
                let clause = format!(
                    "{} lies within the clients' own network {}: clients reach it without a route",
                    shown(route),
                    shown(pool)
                );
                found.push(push.warn(1, clause));
            }
        }
    }
    for &(network, stated) in networks.pools.iter().chain(&networks.pushed) {
        if AT_HOME.iter().any(|home| network.contains(Ipv4Addr::from(*home)) && network.prefix >= 16) {
            let clause = format!(
                "{} is what many networks at home have, too: clients there cannot tell the two apart",
                shown(network)
            );
            found.push(stated.warn(1, clause));
        }
    }
    found
}

impl<'a> Networks<'a> {
    fn of(outline: &'a Outline) -> (Self, Vec<Diagnostic>) {
        let mut networks = Self::default();
        let mut found = Vec::new();
        for stated in outline.iter() {
            let argument = |n| stated.argument(n).unwrap_or_default();
            match stated.name() {
                "server" => {
                    networks.pools.extend(network(argument(1), argument(2)).map(|network| (network, stated)));
                }
                "server-ipv6" | "ifconfig-ipv6-pool" => networks.pools_v6.extend(network_v6(argument(1))),
                "push" => {
                    if let Err(clause) = networks.pushed(argument(1), stated) {
                        found.push(stated.warn(1, clause));
                    }
                }
                _ => {}
            }
        }
        (networks, found)
    }

    /// Takes a pushed option in; or says what clients will not like about it.
    fn pushed(&mut self, option: &str, push: &'a Stated) -> Result<(), String> {
        let words = lexer::split(option).map_err(|error| format!("'{option}': {error}"))?;
        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        if let Some(name) = words.first().filter(|name| DirectiveInfo::find(name).is_none()) {
            let nearest = DirectiveInfo::nearest(name);
            let hint = nearest.map(|nearest| format!(": did you mean '{nearest}'?")).unwrap_or_default();
            return Err(format!("clients do not know '{name}'{hint}"));
        }
        let (mut routes, mut dns) = (RouteSettings::default(), DnsSettings::default());
        if let Some(result) = routes.apply(&words).or_else(|| dns.apply(&words)) {
            // Options for other systems are none of ours to judge.
            if let Err(clause) = result
                && words.first() != Some(&"dhcp-option")
            {
                return Err(format!("'{option}': {clause}"));
            }
        }
        for route in &routes.ipv4 {
            // Around the tunnel lead those by `net_gateway`.
            if let (RouteAddress::Ip(address), true) =
                (route.destination, route.gateway != RouteAddress::NetGateway)
            {
                self.pushed.push((Ipv4Network::containing(address, route.prefix), push));
            }
        }
        self.pushed_v6.extend(routes.ipv6.iter().map(|route| route.network));
        if let Some(redirect) = routes.redirect_gateway.filter(|redirect| !redirect.private) {
            self.redirected |= !redirect.not_ipv4;
            self.redirected_v6 |= redirect.ipv6;
        }
        let servers = dns.servers.values().flat_map(|server| &server.addresses).map(|(address, _)| *address);
        self.dns.extend(servers.chain(dns.addresses.iter().copied()).map(|address| (address, push)));
        Ok(())
    }

    /// Whether a client's packets to this address come into the tunnel.
    fn reach(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                let mut all = self.pools.iter().chain(&self.pushed);
                self.redirected || all.any(|(network, _)| network.contains(address))
            }
            IpAddr::V6(address) => {
                let mut all = self.pools_v6.iter().chain(&self.pushed_v6);
                self.redirected_v6 || all.any(|network| network.contains(address))
            }
        }
    }
}

fn network(address: &str, netmask: &str) -> Option<Ipv4Network> {
    let netmask: Ipv4Addr = netmask.parse().ok()?;
    Some(Ipv4Network::containing(address.parse().ok()?, netmask.to_bits().leading_ones() as u8))
}

fn network_v6(word: &str) -> Option<Ipv6Network> {
    let (address, prefix) = word.split_once('/').unwrap_or((word, "64"));
    Some(Ipv6Network::containing(address.parse().ok()?, prefix.parse().ok()?))
}

fn shown(network: Ipv4Network) -> String {
    format!("{}/{}", network.address, network.prefix)
}
