//! What is pushed to whom.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::pool::Pool;
use crate::config::{ServerConfig, Topology};
use crate::session::Negotiated;
use crate::wire::{IvProto, PeerInfo, WirePeerId};

/// What a server decides for one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assignment {
    /// The pool's number of its addresses.
    pub(super) number: Option<u32>,
    pub(super) wire_peer_id: Option<WirePeerId>,
    pub(super) negotiated: Negotiated,
}

/// The server's own inner IPv4 address: the first of the network.
pub(super) fn local_ipv4(config: &ServerConfig) -> Option<Ipv4Addr> {
    config.network.map(|network| Ipv4Addr::from_bits(network.address.to_bits() + 1))
}

/// The server's own inner IPv6 address.
pub(super) fn local_ipv6(config: &ServerConfig) -> Option<Ipv6Addr> {
    config.network_v6.map(|network| Ipv6Addr::from_bits(network.address.to_bits() + 1))
}

/// The options for one client: those for all, then its own. OpenVPN's order, in which `ifconfig` comes late.
pub(super) fn push_list(
    config: &ServerConfig,
    pool: &Pool,
    info: &PeerInfo,
    assignment: &Assignment,
) -> Vec<String> {
    let mut options = config.push.clone();
    topology_options(config, &mut options);
    if let Some(number) = assignment.number {
        if let (Some(address), Some(gateway), Some(network)) =
            (pool.ipv6(number), local_ipv6(config), config.network_v6)
        {
            options.push("tun-ipv6".into());
            options.push(format!("ifconfig-ipv6 {address}/{} {gateway}", network.prefix));
        }
        if let Some((address, other)) = pool.ipv4(number) {
            options.push(format!("ifconfig {address} {other}"));
        }
    }
    if let Some(id) = assignment.wire_peer_id {
        options.push(format!("peer-id {}", id.get()));
    }
    options.push(format!("cipher {}", assignment.negotiated.cipher));
    options.extend(flag_option(info.iv_proto(), &assignment.negotiated));
    if info.get("IV_MTU").is_some() {
        options.push(format!("tun-mtu {}", config.session.tun_mtu));
    }
    options
}

fn topology_options(config: &ServerConfig, options: &mut Vec<String>) {
    let (Some(network), Some(local)) = (config.network, local_ipv4(config)) else { return };
    let whole = format!("route {} {}", network.address, network.netmask());
    match config.topology {
        Topology::Subnet => options.extend([format!("route-gateway {local}"), "topology subnet".into()]),
        Topology::Net30 => {
            options.push(if config.client_to_client { whole } else { format!("route {local}") });
            options.push("topology net30".into());
        }
        Topology::P2p => {
            options.extend(config.client_to_client.then_some(whole));
            options.push("topology p2p".into());
        }
    }
}

/// How the keys are derived, in the words that the client understands.
fn flag_option(proto: IvProto, negotiated: &Negotiated) -> Option<String> {
    if proto.contains(IvProto::CC_EXIT_NOTIFY) {
        let tls_ekm = if negotiated.key_export { " tls-ekm" } else { "" };
        return Some(format!("protocol-flags cc-exit{tls_ekm}"));
    }
    negotiated.key_export.then(|| "key-derivation tls-ekm".into())
}
