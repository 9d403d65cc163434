//! Addresses and pushes: what `server` and `server-ipv6` stand for.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::{View, enabled, quoted};
use crate::config::server::{Ipv4Network, Topology};

/// OpenVPN's numbers for them.
pub(super) fn topology(view: &View<'_>) -> String {
    let topology = match (view.server(), view.client()) {
        (Some(server), _) => server.topology,
        (None, Some(client)) => client.topology.unwrap_or(Topology::Net30),
        (None, None) => Topology::Net30,
    };
    match topology {
        Topology::Net30 => "1",
        Topology::P2p => "2",
        Topology::Subnet => "3",
    }
    .into()
}

/// `server NETWORK NETMASK`, and the topology.
fn own(view: &View<'_>) -> Option<(Ipv4Network, Topology)> {
    let server = view.server()?;
    Some((server.network?, server.topology))
}

fn after(network: Ipv4Network, n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.address.to_bits() + n)
}

/// Our address, and the netmask or the other end's.
pub(super) fn ifconfig(view: &View<'_>) -> (String, String) {
    match own(view) {
        Some((network, Topology::Subnet)) => {
            (quoted(Some(&after(network, 1).to_string())), quoted(Some(&network.netmask().to_string())))
        }
        Some((network, _)) => {
            (quoted(Some(&after(network, 1).to_string())), quoted(Some(&after(network, 2).to_string())))
        }
        None => (quoted(view.word("ifconfig", 1)), quoted(view.word("ifconfig", 2))),
    }
}

/// Our IPv6 address, the prefix's length, the other end's address.
pub(super) fn ifconfig_ipv6(view: &View<'_>) -> (String, String, String) {
    if let Some(network) = view.server().and_then(|server| server.network_v6) {
        // The address as it was written, host bits and all.
        let base = view.word("server-ipv6", 1).and_then(|word| word.split('/').next()?.parse().ok());
        let base: Ipv6Addr = base.unwrap_or(network.address);
        let at = |n: u128| quoted(Some(&Ipv6Addr::from_bits(base.to_bits() + n).to_string()));
        return (at(1), network.prefix.to_string(), at(2));
    }
    let (address, bits) = match view.word("ifconfig-ipv6", 1) {
        Some(word) => {
            word.split_once('/').map_or((Some(word), "64"), |(address, bits)| (Some(address), bits))
        }
        None => (None, "0"),
    };
    (quoted(address), bits.into(), quoted(view.word("ifconfig-ipv6", 2)))
}

pub(super) fn network(view: &View<'_>) -> (String, String) {
    match own(view) {
        Some((network, _)) => (network.address.to_string(), network.netmask().to_string()),
        None => ("0.0.0.0".into(), "0.0.0.0".into()),
    }
}

pub(super) fn network_ipv6(view: &View<'_>) -> (String, String) {
    match view.server().and_then(|server| server.network_v6) {
        Some(network) => (network.address.to_string(), network.prefix.to_string()),
        None => ("::".into(), "0".into()),
    }
}

/// Under net30 and p2p, the route to the clients.
pub(super) fn own_route(view: &View<'_>) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (network, topology) = own(view)?;
    (topology != Topology::Subnet).then(|| (network.address, network.netmask()))
}

pub(super) fn route_gateway(view: &View<'_>) -> String {
    let named = view.all("route-gateway").filter_map(|words| words.get(1)).rfind(|word| *word != "dhcp");
    match (named, own(view)) {
        (Some(gateway), _) => quoted(Some(gateway)),
        (None, Some((network, Topology::Subnet))) => quoted(Some(&after(network, 2).to_string())),
        (None, _) => quoted(None),
    }
}

/// What the profile pushes, then what its other directives imply.
pub(super) fn pushes(view: &View<'_>, lines: &mut Vec<String>) {
    let Some(server) = view.server() else {
        lines.extend(view.all("push").filter_map(|words| words.get(1)).map(|option| entry(option)));
        return;
    };
    lines.extend(server.push.iter().map(|option| entry(option)));
    if server.network_v6.is_some() {
        lines.push(entry("tun-ipv6"));
    }
    if let Some(network) = server.network {
        let first = after(network, 1);
        match server.topology {
            Topology::Subnet => lines.push(entry(&format!("route-gateway {first}"))),
            _ if server.client_to_client => {
                lines.push(entry(&format!("route {} {}", network.address, network.netmask())));
            }
            Topology::Net30 => lines.push(entry(&format!("route {first}"))),
            Topology::P2p => {}
        }
        let name = match server.topology {
            Topology::Subnet => "subnet",
            Topology::Net30 => "net30",
            Topology::P2p => "p2p",
        };
        lines.push(entry(&format!("topology {name}")));
    }
    lines.extend(server.push_last.iter().map(|option| entry(option)));
}

fn entry(option: &str) -> String {
    format!("  push_entry = '{option}'")
}

pub(super) fn pool(view: &View<'_>, lines: &mut Vec<String>) {
    let unset = Ipv4Addr::UNSPECIFIED;
    let nopool = view.server().is_some_and(|server| server.nopool);
    let named = view.server().and_then(|server| server.pool);
    let (defined, start, end, netmask) = match (own(view), named) {
        (None, None) => (false, unset, unset, unset),
        (own, Some(pool)) => {
            let own = own.filter(|(_, topology)| *topology == Topology::Subnet);
            let netmask = pool.netmask.or_else(|| own.map(|(network, _)| network.netmask()));
            (true, pool.start, pool.end, netmask.unwrap_or(unset))
        }
        (Some((network, Topology::Subnet)), None) => {
            let end = Ipv4Addr::from_bits(network.broadcast().to_bits() - 1);
            let (start, end) = if nopool { (unset, unset) } else { (after(network, 2), end) };
            (!nopool, start, end, network.netmask())
        }
        (Some(_), None) if nopool => (false, unset, unset, unset),
        (Some((network, _)), None) => {
            // The last block stays free, unless there is but one.
            let reserve = if network.prefix == 29 { 0 } else { 4 };
            let end = Ipv4Addr::from_bits(network.broadcast().to_bits() - reserve);
            (true, after(network, 4), end, unset)
        }
    };
    lines.push(format!("  ifconfig_pool_defined = {}", enabled(defined)));
    lines.push(format!("  ifconfig_pool_start = {start}"));
    lines.push(format!("  ifconfig_pool_end = {end}"));
    lines.push(format!("  ifconfig_pool_netmask = {netmask}"));
}

pub(super) fn pool_ipv6(view: &View<'_>, lines: &mut Vec<String>) {
    let (own, named) = view.server().map_or((None, None), |server| (server.network_v6, server.pool_v6));
    let (base, prefix) = match (own, named) {
        (Some(network), _) => {
            // Large pools begin further behind the server's own address.
            let first = if network.prefix < 112 { 0x1000 } else { 2 };
            let base = view.word("server-ipv6", 1).and_then(|word| word.split('/').next()?.parse().ok());
            let base: Ipv6Addr = base.unwrap_or(network.address);
            (Ipv6Addr::from_bits(base.to_bits() + first), network.prefix)
        }
        (None, Some(pool)) => (pool.start, pool.prefix),
        (None, None) => (Ipv6Addr::UNSPECIFIED, 0),
    };
    lines.push(format!("  ifconfig_ipv6_pool_defined = {}", enabled(own.is_some() || named.is_some())));
    lines.push(format!("  ifconfig_ipv6_pool_base = {base}"));
    lines.push(format!("  ifconfig_ipv6_pool_netbits = {prefix}"));
}
