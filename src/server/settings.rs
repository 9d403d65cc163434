//! What a client is given, and what is pushed to whom.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addressing::Addressing;
use crate::config::lexer;
use crate::config::{
    Ifconfig, IfconfigIpv6, IfconfigOther, InstanceConfig, IpNetwork, PushChange, ServerConfig, Topology,
};
use crate::session::Negotiated;
use crate::wire::{IvProto, PeerInfo, WirePeerId};

/// A client's inner addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    pub(super) ipv4: Option<Ipv4Assignment>,
    pub(super) ipv6: Option<IfconfigIpv6>,
}

/// An IPv4 address, with all that its `ifconfig` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv4Assignment {
    /// What is routed to the client.
    pub(super) local: Ipv4Addr,
    /// What the client is told, which the alias of `ifconfig-push` may make another address.
    pub(super) pushed: Ipv4Addr,
    /// The netmask, or the other end's address.
    pub(super) other: Ipv4Addr,
}

impl Addresses {
    /// Those that the pool has under `number`.
    pub(super) fn from_pool(addressing: &Addressing, number: u32) -> Self {
        let ipv4 = addressing.pool_v4.and_then(|range| range.get(number));
        let ipv4 = ipv4.map(|(local, other)| Ipv4Assignment { local, pushed: local, other });
        Self { ipv4, ipv6: addressing.pool_v6.and_then(|range| range.get(number)) }
    }

    /// What one client's own settings make of them. A static IPv4 address takes the place of all that the pool gives,
    /// as in OpenVPN.
    pub(super) fn with(self, addressing: &Addressing, instance: &InstanceConfig) -> Self {
        let mut out = self;
        if let Some(push) = instance.ifconfig_push {
            let pushed = push.alias.unwrap_or(push.local);
            out.ipv4 = Some(Ipv4Assignment { local: push.local, pushed, other: push.remote_netmask });
            out.ipv6 = None;
        }
        if let Some(push) = instance.ifconfig_ipv6_push {
            let gateway = push.remote.or_else(|| addressing.ipv6.map(|own| own.local));
            out.ipv6 =
                gateway.map(|gateway| IfconfigIpv6 { local: push.local, prefix: push.prefix, gateway });
        }
        out
    }

    /// The IPv4 address as the client configures it.
    pub(super) fn ifconfig(&self, topology: Topology) -> Option<Ifconfig> {
        let Ipv4Assignment { local, other, .. } = self.ipv4?;
        let prefix = (topology == Topology::Subnet)
            .then(|| other.to_bits().leading_ones() as u8)
            .map(IfconfigOther::Subnet);
        Some(Ifconfig { local, other: prefix.unwrap_or(IfconfigOther::Peer(other)) })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = self.ipv4.map(|ipv4| IpAddr::V4(ipv4.local));
        ipv4.into_iter().chain(self.ipv6.map(|ipv6| IpAddr::V6(ipv6.local)))
    }
}

/// What a server decides for one client beside its addresses.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) addresses: Addresses,
    pub(super) wire_peer_id: Option<WirePeerId>,
    pub(super) negotiated: Negotiated,
}

/// The options for one client: those for all, as its own settings change them, then what belongs to this session.
/// OpenVPN's order, in which `ifconfig` comes late.
pub(super) fn push_list(
    config: &ServerConfig,
    addressing: &Addressing,
    instance: &InstanceConfig,
    info: &PeerInfo,
    assignment: &Assignment,
) -> Vec<String> {
    let mut options = config.push.clone();
    options.extend_from_slice(&addressing.push);
    options.extend_from_slice(&config.push_last);
    let (mut no_ipv4, mut no_ipv6) = (false, false);
    for change in &instance.push {
        match change {
            PushChange::Add(option) => options.push(option.clone()),
            PushChange::Reset => options.clear(),
            PushChange::Remove(what) if what == "ifconfig" => no_ipv4 = true,
            PushChange::Remove(what) if what == "ifconfig-ipv6" => no_ipv6 = true,
            PushChange::Remove(what) => options.retain(|option| !option.starts_with(what.as_str())),
        }
    }
    // What lies behind the client itself must not be sent back to us by it.
    options.retain(|option| route_of(option).is_none_or(|network| !instance.iroutes.contains(&network)));

    if let Some(IfconfigIpv6 { local, prefix, gateway }) = assignment.addresses.ipv6.filter(|_| !no_ipv6) {
        options.push(format!("ifconfig-ipv6 {local}/{prefix} {gateway}"));
    }
    if let Some(Ipv4Assignment { pushed, other, .. }) = assignment.addresses.ipv4.filter(|_| !no_ipv4) {
        options.push(format!("ifconfig {pushed} {other}"));
    }
    if let Some(id) = assignment.wire_peer_id {
        options.push(format!("peer-id {}", id.get()));
    }
    // Who cannot negotiate would only complain of it.
    if info.get("IV_CIPHERS").or_else(|| info.get("IV_NCP")).is_some() {
        options.push(format!("cipher {}", assignment.negotiated.cipher));
    }
    options.extend(flag_option(info.iv_proto(), &assignment.negotiated));
    if info.get("IV_MTU").is_some() {
        options.push(format!("tun-mtu {}", config.session.tun_mtu));
    }
    options
}

/// The network that a pushed `route` or `route-ipv6` names.
fn route_of(option: &str) -> Option<IpNetwork> {
    let words = lexer::split(option).ok()?;
    let word = |n: usize| words.get(n).map(|word| word.text.as_str());
    match (word(0)?, word(1)?, word(2)) {
        ("route", network, netmask) => {
            let network: Ipv4Addr = network.parse().ok()?;
            let netmask: Ipv4Addr = netmask.map_or(Ok(Ipv4Addr::BROADCAST), str::parse).ok()?;
            Some(IpNetwork::containing(network.into(), netmask.to_bits().leading_ones() as u8))
        }
        ("route-ipv6", network, _) => {
            let (network, bits) = network.split_once('/').unwrap_or((network, "128"));
            let network: Ipv6Addr = network.parse().ok()?;
            Some(IpNetwork::containing(network.into(), bits.parse().ok()?))
        }
        _ => None,
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
