//! The address pool (`ifconfig-pool`): who has which inner address, and who had it before.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::addressing::{Addressing, RangeV4, RangeV6};
use crate::config::{Lease, ServerConfig};

/// Inner addresses, numbered from 0; number `n` of IPv4 goes with number `n` of IPv6.
#[derive(Debug)]
pub(super) struct Pool {
    v4: Option<RangeV4>,
    v6: Option<RangeV6>,
    count: u32,
    /// Every number that was ever in use, or is kept for somebody. Those behind it are fresh.
    slots: BTreeMap<u32, Slot>,
    /// Counts releases, so that the one released longest ago can be told.
    releases: u64,
}

#[derive(Debug, Default)]
struct Slot {
    owner: Option<String>,
    in_use: bool,
    released: u64,
    /// It is its owner's for ever.
    fixed: bool,
}

impl Pool {
    pub(super) fn new(config: &ServerConfig, addressing: &Addressing) -> Self {
        let (v4, v6) = (addressing.pool_v4, addressing.pool_v6);
        let counts = v4.map(|range| range.count()).into_iter().chain(v6.map(|range| range.count()));
        let mut pool = Self { v4, v6, count: counts.min().unwrap_or(0), slots: BTreeMap::new(), releases: 0 };
        for lease in &config.leases {
            if let Some(number) = pool.number_of(lease) {
                let owner = Some(lease.common_name.clone());
                let slot = Slot { owner, fixed: config.leases_fixed, ..Slot::default() };
                pool.slots.entry(number).or_insert(slot);
            }
        }
        pool
    }

    /// Takes an address for `owner`: the one it had before, a fresh one, or that released longest ago.
    pub(super) fn acquire(&mut self, owner: Option<&str>) -> Option<u32> {
        let free = || self.slots.iter().filter(|(_, slot)| !slot.in_use);
        let number = free()
            .find(|(_, slot)| owner.is_some() && slot.owner.as_deref() == owner)
            .map(|(&number, _)| number)
            .or_else(|| self.first_fresh())
            .or_else(|| {
                let free = free().filter(|(_, slot)| !slot.fixed);
                free.min_by_key(|(_, slot)| slot.released).map(|(&number, _)| number)
            })?;
        let slot = self.slots.entry(number).or_default();
        slot.in_use = true;
        if !slot.fixed {
            slot.owner = owner.map(ToString::to_string);
        }
        Some(number)
    }

    /// Gives an address back; it stays its owner's as long as others are free.
    pub(super) fn release(&mut self, number: u32) {
        self.releases += 1;
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.in_use = false;
            slot.released = self.releases;
        }
    }

    /// Gives an address back for good: its owner has got another one.
    pub(super) fn give_up(&mut self, number: u32) {
        self.release(number);
        if let Some(slot) = self.slots.get_mut(&number).filter(|slot| !slot.fixed) {
            slot.owner = None;
        }
    }

    /// Keeps an address that a client was given otherwise from being handed out, if it is one of the pool's. Answers
    /// the number to be released; none if it is in use, by whom it was handed out to before.
    pub(super) fn hold(&mut self, address: IpAddr) -> Option<u32> {
        let number = self.number_at(address)?;
        let slot = self.slots.entry(number).or_default();
        if core::mem::replace(&mut slot.in_use, true) {
            return None;
        }
        if !slot.fixed {
            slot.owner = None;
        }
        Some(number)
    }

    /// Whether there are addresses to hand out at all.
    pub(super) fn exists(&self) -> bool {
        self.count > 0
    }

    /// What `ifconfig-pool-persist` stores.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.slots
            .iter()
            .filter_map(|(&number, slot)| {
                let common_name = slot.owner.clone()?;
                let ipv4 = self.v4.map(|range| range.lease(number));
                Some(Lease { common_name, ipv4, ipv6: self.v6.map(|range| range.address(number)) })
            })
            .collect()
    }

    fn first_fresh(&self) -> Option<u32> {
        // The keys are in order: the first gap between them is the lowest fresh number.
        let mut fresh = 0;
        for &number in self.slots.keys() {
            if number != fresh {
                break;
            }
            fresh += 1;
        }
        (fresh < self.count).then_some(fresh)
    }

    fn number_at(&self, address: IpAddr) -> Option<u32> {
        let number = match address {
            IpAddr::V4(address) => self.v4?.number_of(address)?,
            IpAddr::V6(address) => self.v6?.number_of(address)?,
        };
        (number < self.count).then_some(number)
    }

    fn number_of(&self, lease: &Lease) -> Option<u32> {
        let ipv4 = lease.ipv4.filter(|_| self.v4.is_some()).map(IpAddr::V4);
        self.number_at(ipv4.or_else(|| lease.ipv6.map(IpAddr::V6))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Ipv4Network, Ipv4Pool, Ipv6Network, Ipv6Pool, Topology};

    fn of(config: &ServerConfig) -> Pool {
        Pool::new(config, &Addressing::new(config))
    }

    fn config(topology: Topology, prefix: u8) -> ServerConfig {
        let network = Ipv4Network { address: [10, 8, 0, 0].into(), prefix };
        ServerConfig { topology, ..ServerConfig::new(network) }
    }

    fn pool(topology: Topology, prefix: u8) -> Pool {
        of(&config(topology, prefix))
    }

    fn address(pool: &Pool, number: u32) -> String {
        let (local, other) = pool.v4.and_then(|range| range.get(number)).expect("an IPv4 pool");
        std::format!("{local} {other}")
    }

    #[test]
    fn the_first_client_gets_what_openvpn_gives() {
        assert_eq!(address(&pool(Topology::Subnet, 24), 0), "10.8.0.2 255.255.255.0");
        assert_eq!(address(&pool(Topology::Net30, 24), 0), "10.8.0.6 10.8.0.5");
        assert_eq!(address(&pool(Topology::P2p, 24), 0), "10.8.0.4 10.8.0.1");
    }

    #[test]
    fn a_full_pool_refuses_and_reuses_what_was_released_longest_ago() {
        let mut pool = pool(Topology::Subnet, 29);
        let all: Vec<_> = (0..5).map(|n| pool.acquire(Some(&std::format!("c{n}"))).expect("room")).collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert_eq!(pool.acquire(Some("late")), None);
        pool.release(3);
        pool.release(1);
        assert_eq!(pool.acquire(Some("late")), Some(3));
    }

    #[test]
    fn a_client_gets_its_address_back() {
        let mut pool = pool(Topology::Net30, 24);
        let first = pool.acquire(Some("client1")).expect("room");
        pool.release(first);
        assert_eq!(pool.acquire(Some("client2")), Some(1), "client1's is kept while fresh ones are left");
        assert_eq!(pool.acquire(Some("client1")), Some(first));
    }

    #[test]
    fn leases_survive_a_restart_in_every_topology() {
        for topology in [Topology::Subnet, Topology::Net30, Topology::P2p] {
            let mut config = config(topology, 24);
            config.network_v6 =
                Some(Ipv6Network { address: "fd00::".parse().expect("an address"), prefix: 64 });
            let mut pool = of(&config);
            pool.acquire(Some("a"));
            let b = pool.acquire(Some("b")).expect("room");
            config.leases = pool.leases();
            assert_eq!(of(&config).acquire(Some("b")), Some(b), "{topology:?}");
            let ipv6 = pool.v6.expect("an IPv6 pool").address(b);
            assert_eq!(ipv6, "fd00::1001".parse::<core::net::Ipv6Addr>().expect("an address"));
        }
    }

    /// The figures that OpenVPN logs ("IFCONFIG POOL IPv4: base=... size=...").
    #[test]
    fn pools_are_as_large_as_openvpns() {
        let count = |topology, prefix| pool(topology, prefix).count;
        assert_eq!(count(Topology::Subnet, 24), 253);
        assert_eq!(count(Topology::P2p, 24), 248);
        assert_eq!(count(Topology::Net30, 24), 62);
        assert_eq!(count(Topology::Subnet, 16), 65_533);
        assert_eq!(count(Topology::P2p, 29), 4);
        let v6 = |prefix| {
            let address = "fd00::".parse().expect("an address");
            let network_v6 = Some(Ipv6Network { address, prefix });
            of(&ServerConfig { network_v6, ..ServerConfig::without_network() }).count
        };
        assert_eq!((v6(64), v6(112), v6(124)), (65_536, 65_534, 14));
    }

    #[test]
    fn addresses_set_one_by_one() {
        let at = |text: &str| text.parse().expect("an address");
        let start_and_end = |netmask| Ipv4Pool { start: at("10.9.0.10"), end: at("10.9.0.20"), netmask };
        let ifconfig = |other| Some(crate::config::Ifconfig { local: at("10.9.0.1"), other });
        let mut config = ServerConfig::without_network();
        config.pool = Some(start_and_end(None));
        config.ifconfig = ifconfig(crate::config::IfconfigOther::Subnet(24));
        assert_eq!(address(&of(&config), 0), "10.9.0.10 255.255.255.0");
        assert_eq!(of(&config).count, 11);
        config.pool = Some(start_and_end(Some(at("255.255.0.0"))));
        assert_eq!(address(&of(&config), 10), "10.9.0.20 255.255.0.0");
        config.ifconfig = ifconfig(crate::config::IfconfigOther::Peer(at("10.9.0.2")));
        config.topology = Topology::P2p;
        assert_eq!(address(&of(&config), 1), "10.9.0.11 10.9.0.1");
        config.topology = Topology::Net30;
        assert_eq!(address(&of(&config), 0), "10.9.0.10 10.9.0.9");
        assert_eq!(of(&config).count, 4);

        config.pool_v6 = Some(Ipv6Pool { start: "fd00:9::".parse().expect("an address"), prefix: 64 });
        config.ifconfig_ipv6 = Some(crate::config::IfconfigIpv6 {
            local: "fd00:9::ffff".parse().expect("an address"),
            prefix: 64,
            gateway: "fd00:9::2".parse().expect("an address"),
        });
        let first = of(&config).v6.and_then(|range| range.get(0)).expect("an IPv6 pool");
        // Never the network's own address.
        assert_eq!(
            std::format!("{}/{} {}", first.local, first.prefix, first.gateway),
            "fd00:9::1/64 fd00:9::ffff"
        );
    }

    #[test]
    fn server_without_a_pool() {
        let mut config = config(Topology::Subnet, 24);
        config.nopool = true;
        assert!(!of(&config).exists());
        assert_eq!(of(&config).acquire(Some("client1")), None);
        config.pool =
            Some(Ipv4Pool { start: [10, 8, 0, 100].into(), end: [10, 8, 0, 101].into(), netmask: None });
        assert_eq!(address(&of(&config), 1), "10.8.0.101 255.255.255.0");
    }

    #[test]
    fn what_is_given_otherwise_is_not_handed_out() {
        let mut pool = pool(Topology::Subnet, 29);
        let held = pool.hold([10, 8, 0, 3].into()).expect("one of the pool's");
        assert_eq!(pool.hold([10, 8, 0, 3].into()), None, "it is in use");
        assert_eq!(pool.hold([10, 9, 0, 3].into()), None, "it is none of the pool's");
        assert_eq!(pool.acquire(Some("a")), Some(0));
        assert_eq!(pool.acquire(Some("b")), Some(2));
        pool.release(held);
        assert_eq!(pool.leases().len(), 2, "what is given otherwise is no lease");
    }

    #[test]
    fn fixed_leases_are_never_anybody_elses() {
        let mut config = config(Topology::Subnet, 29);
        let lease = |name: &str, last| Lease {
            common_name: name.to_string(),
            ipv4: Some([10, 8, 0, last].into()),
            ipv6: None,
        };
        config.leases = [lease("a", 3), lease("b", 5)].into();
        config.leases_fixed = true;
        let mut pool = of(&config);
        let others: Vec<_> = (0..4).map(|n| pool.acquire(Some(&std::format!("c{n}")))).collect();
        assert_eq!(others, [Some(0), Some(2), Some(4), None]);
        assert_eq!(pool.acquire(Some("a")), Some(1));
        pool.give_up(1);
        assert_eq!(pool.acquire(Some("a")), Some(1));
    }
}
