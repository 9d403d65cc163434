//! What `server`, `server-ipv6` and the directives that they are short for say about addresses: our own, the clients',
//! and what is pushed to go with them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::config::{
    Ifconfig, IfconfigIpv6, IfconfigOther, IpNetwork, Ipv4Network, Ipv6Network, Ipv6Pool, ServerConfig,
    Topology,
};

/// The addresses of a server and its clients.
#[derive(Debug)]
pub(super) struct Addressing {
    pub(super) topology: Topology,
    /// Our own.
    pub(super) ipv4: Option<Ifconfig>,
    pub(super) ipv6: Option<IfconfigIpv6>,
    pub(super) pool_v4: Option<RangeV4>,
    pub(super) pool_v6: Option<RangeV6>,
    /// The options that go to every client.
    pub(super) push: Vec<String>,
}

/// IPv4 addresses to hand out.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeV4 {
    /// The first address, or the base of the first block.
    base: u32,
    /// Four under net30, where each client has a block.
    step: u32,
    count: u32,
    /// What the clients are told beside their address; the second of its block under net30.
    other: Option<Ipv4Addr>,
}

/// IPv6 addresses to hand out.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeV6 {
    base: u128,
    count: u32,
    prefix: u8,
    gateway: Option<Ipv6Addr>,
}

impl Addressing {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let topology = config.topology;
        let ipv4 = config.network.map(|network| own_ipv4(topology, network)).or(config.ifconfig);
        let ipv6 = config.network_v6.map(own_ipv6).or(config.ifconfig_ipv6);
        let pool_v4 = match (config.network, config.pool) {
            (_, Some(pool)) => {
                let netmask = pool.netmask.or_else(|| netmask(ipv4?));
                RangeV4::new(topology, pool.start, pool.end, ipv4, netmask)
            }
            (Some(network), None) if !config.nopool => RangeV4::of_server(topology, network, ipv4),
            (_, None) => None,
        };
        let pool_v6 = match (config.network_v6, config.pool_v6) {
            (_, Some(Ipv6Pool { start, prefix })) => {
                // The network's own address is everybody's who routes there.
                let network = Ipv6Network::containing(start, prefix).address;
                Some(RangeV6::new(start.to_bits().max(network.to_bits() + 1), prefix, ipv6))
            }
            (Some(network), None) => {
                let first = if network.prefix < 112 { 0x1000 } else { 2 };
                Some(RangeV6::new(network.address.to_bits() + first, network.prefix, ipv6))
            }
            (None, None) => None,
        };
        Self { topology, ipv4, ipv6, pool_v4, pool_v6, push: common_options(config) }
    }

    /// The networks that the clients' addresses are in: all of `server`, whatever the topology.
    pub(super) fn networks(&self, config: &ServerConfig) -> Vec<IpNetwork> {
        let ipv4 = config.network.or_else(|| self.network()).map(IpNetwork::V4);
        let ipv6 = self.ipv6.map(|own| IpNetwork::containing(own.local.into(), own.prefix));
        ipv4.into_iter().chain(ipv6).collect()
    }

    /// The network that all have in common, under topology subnet.
    pub(super) fn network(&self) -> Option<Ipv4Network> {
        match self.ipv4?.other {
            IfconfigOther::Subnet(prefix) => Some(Ipv4Network::containing(self.ipv4?.local, prefix)),
            IfconfigOther::Peer(_) => None,
        }
    }
}

impl RangeV4 {
    fn new(
        topology: Topology,
        start: Ipv4Addr,
        end: Ipv4Addr,
        own: Option<Ifconfig>,
        netmask: Option<Ipv4Addr>,
    ) -> Option<Self> {
        let (start, end) = (start.to_bits(), end.to_bits());
        let (base, step, count) = match topology {
            Topology::Net30 => {
                let base = start & !3;
                (base, 4, (end | 3).checked_sub(base)? / 4 + 1)
            }
            Topology::Subnet | Topology::P2p => (start, 1, end.checked_sub(start)?.saturating_add(1)),
        };
        let other = match topology {
            Topology::Subnet => netmask,
            Topology::P2p => own.map(|own| own.local),
            Topology::Net30 => None,
        };
        Some(Self { base, step, count: count.min(ServerConfig::MAX_POOL), other })
    }

    /// Of `server`: from +2 to the last but one under subnet, the others what +4 and broadcast-4 enclose.
    fn of_server(topology: Topology, network: Ipv4Network, own: Option<Ifconfig>) -> Option<Self> {
        let (first, last) = (network.address.to_bits(), network.broadcast().to_bits());
        let (start, end) = match topology {
            Topology::Subnet => (first + 2, last - 1),
            Topology::Net30 | Topology::P2p if network.prefix >= 29 => (first + 4, last),
            Topology::Net30 | Topology::P2p => (first + 4, last - 4),
        };
        let (start, end) = (Ipv4Addr::from_bits(start), Ipv4Addr::from_bits(end));
        Self::new(topology, start, end, own, Some(network.netmask()))
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The client's address, and the other argument of its `ifconfig`: netmask, or peer. `None` if nothing says what
    /// that is.
    pub(super) fn get(&self, number: u32) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let base = self.base + self.step * number;
        if self.step == 4 {
            Some((Ipv4Addr::from_bits(base + 2), Ipv4Addr::from_bits(base + 1)))
        } else {
            Some((Ipv4Addr::from_bits(base), self.other?))
        }
    }

    /// What `ifconfig-pool-persist` stores for it: the address, or the base of the block.
    pub(super) fn lease(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + self.step * number)
    }

    pub(super) fn number_of(&self, address: Ipv4Addr) -> Option<u32> {
        let number = address.to_bits().checked_sub(self.base)? / self.step;
        (number < self.count).then_some(number)
    }
}

impl RangeV6 {
    fn new(base: u128, prefix: u8, own: Option<IfconfigIpv6>) -> Self {
        let network = Ipv6Network::containing(Ipv6Addr::from_bits(base), prefix);
        let hosts = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        let left = hosts.saturating_sub(base - network.address.to_bits()).saturating_add(1);
        let count = u32::try_from(left).unwrap_or(ServerConfig::MAX_POOL).min(ServerConfig::MAX_POOL);
        Self { base, count, prefix, gateway: own.map(|own| own.local) }
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(super) fn address(&self, number: u32) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.base + u128::from(number))
    }

    /// All that the client's `ifconfig-ipv6` says. `None` if we have no address to name as the other end's.
    pub(super) fn get(&self, number: u32) -> Option<IfconfigIpv6> {
        Some(IfconfigIpv6 { local: self.address(number), prefix: self.prefix, gateway: self.gateway? })
    }

    pub(super) fn number_of(&self, address: Ipv6Addr) -> Option<u32> {
        let number = u32::try_from(address.to_bits().checked_sub(self.base)?).ok()?;
        (number < self.count).then_some(number)
    }
}

/// The first address of the network; point to point, the second is the other end's.
fn own_ipv4(topology: Topology, network: Ipv4Network) -> Ifconfig {
    let at = |offset| Ipv4Addr::from_bits(network.address.to_bits() + offset);
    let other = match topology {
        Topology::Subnet => IfconfigOther::Subnet(network.prefix),
        Topology::Net30 | Topology::P2p => IfconfigOther::Peer(at(2)),
    };
    Ifconfig { local: at(1), other }
}

fn own_ipv6(network: Ipv6Network) -> IfconfigIpv6 {
    let at = |offset| Ipv6Addr::from_bits(network.address.to_bits() + offset);
    IfconfigIpv6 { local: at(1), prefix: network.prefix, gateway: at(2) }
}

fn netmask(own: Ifconfig) -> Option<Ipv4Addr> {
    match own.other {
        IfconfigOther::Subnet(prefix) => Some(Ipv4Network { address: own.local, prefix }.netmask()),
        IfconfigOther::Peer(_) => None,
    }
}

/// What `server` and `server-ipv6` push to everybody. Who sets addresses one by one also pushes what goes with them.
fn common_options(config: &ServerConfig) -> Vec<String> {
    let mut options = Vec::new();
    if config.network_v6.is_some() {
        options.push("tun-ipv6".into());
    }
    let Some(network) = config.network else { return options };
    let local = own_ipv4(config.topology, network).local;
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
    options
}
