//! The address pool (`ifconfig-pool`): who has which inner address, and who had it before.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::config::{Ipv4Network, Ipv6Network, Lease, ServerConfig, Topology};

/// The most addresses that a pool hands out.
const MAX_POOL: u32 = 65_536;

/// Inner addresses, numbered from 0; number `n` of IPv4 goes with number `n` of IPv6.
#[derive(Debug)]
pub(super) struct Pool {
    topology: Topology,
    v4: Option<Ipv4Network>,
    v6: Option<Ipv6Network>,
    count: u32,
    /// Every number that was ever in use, or is kept for somebody. Those behind it are fresh.
    slots: BTreeMap<u32, Slot>,
    /// Counts releases, so that the one released longest ago can be told.
    releases: u64,
}

#[derive(Debug)]
struct Slot {
    owner: Option<String>,
    in_use: bool,
    released: u64,
}

impl Pool {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let v4_count = config.network.map(|network| count_v4(config.topology, network));
        let v6_count = config.network_v6.map(|network| {
            let room = 128u32.saturating_sub(u32::from(network.prefix));
            1u32.checked_shl(room).unwrap_or(u32::MAX).saturating_sub(first_v6(network) as u32)
        });
        let count = v4_count.into_iter().chain(v6_count).min().unwrap_or(0).min(MAX_POOL);
        let mut pool = Self {
            topology: config.topology,
            v4: config.network,
            v6: config.network_v6,
            count,
            slots: BTreeMap::new(),
            releases: 0,
        };
        for lease in &config.leases {
            if let Some(number) = pool.number_of(lease) {
                let slot = Slot { owner: Some(lease.common_name.clone()), in_use: false, released: 0 };
                pool.slots.entry(number).or_insert(slot);
            }
        }
        pool
    }

    /// Takes an address for `owner`: the one it had before, a fresh one, or that released longest ago.
    pub(super) fn acquire(&mut self, owner: Option<&str>) -> Option<u32> {
        let number = self
            .slots
            .iter()
            .find(|(_, slot)| !slot.in_use && owner.is_some() && slot.owner.as_deref() == owner)
            .map(|(&number, _)| number)
            .or_else(|| self.first_fresh())
            .or_else(|| {
                let free = self.slots.iter().filter(|(_, slot)| !slot.in_use);
                free.min_by_key(|(_, slot)| slot.released).map(|(&number, _)| number)
            })?;
        let slot = Slot { owner: owner.map(ToString::to_string), in_use: true, released: 0 };
        self.slots.insert(number, slot);
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
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.owner = None;
        }
    }

    /// Keeps an address that a client was given otherwise from being handed out, if it is one of the pool's. Answers
    /// the number to be released; none if it is in use, by whom it was handed out to before.
    pub(super) fn hold(&mut self, address: Ipv4Addr) -> Option<u32> {
        let number = self.number_at(address)?;
        let slot = self.slots.entry(number).or_insert(Slot { owner: None, in_use: false, released: 0 });
        if core::mem::replace(&mut slot.in_use, true) {
            return None;
        }
        slot.owner = None;
        Some(number)
    }

    /// Whether there are addresses to hand out at all.
    pub(super) fn is_in_use(&self) -> bool {
        self.v4.is_some() || self.v6.is_some()
    }

    /// The client's IPv4 address, and the other argument of its `ifconfig`: netmask, or peer.
    pub(super) fn ipv4(&self, number: u32) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let network = self.v4?;
        let base = network.address.to_bits();
        Some(match self.topology {
            Topology::Subnet => (Ipv4Addr::from_bits(base + 2 + number), network.netmask()),
            Topology::P2p => (Ipv4Addr::from_bits(base + 4 + number), Ipv4Addr::from_bits(base + 1)),
            Topology::Net30 => {
                let block = base + 4 + 4 * number;
                (Ipv4Addr::from_bits(block + 2), Ipv4Addr::from_bits(block + 1))
            }
        })
    }

    /// The client's IPv6 address.
    pub(super) fn ipv6(&self, number: u32) -> Option<Ipv6Addr> {
        let network = self.v6?;
        Some(Ipv6Addr::from_bits(network.address.to_bits() + first_v6(network) + u128::from(number)))
    }

    /// What `ifconfig-pool-persist` stores.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.slots
            .iter()
            .filter_map(|(&number, slot)| {
                let common_name = slot.owner.clone()?;
                let ipv4 = self.ipv4(number).map(|(address, _)| match self.topology {
                    Topology::Net30 => Ipv4Addr::from_bits(address.to_bits() & !3),
                    Topology::Subnet | Topology::P2p => address,
                });
                Some(Lease { common_name, ipv4, ipv6: self.ipv6(number) })
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

    fn number_at(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.v4?.address.to_bits())?;
        let number = match self.topology {
            Topology::Subnet => offset.checked_sub(2)?,
            Topology::P2p => offset.checked_sub(4)?,
            Topology::Net30 => offset.checked_sub(4)? / 4,
        };
        (number < self.count).then_some(number)
    }

    fn number_of(&self, lease: &Lease) -> Option<u32> {
        let number = match (lease.ipv4, self.v4, lease.ipv6, self.v6) {
            (Some(address), Some(_), ..) => self.number_at(address)?,
            (_, _, Some(address), Some(network)) => {
                let offset = address.to_bits().checked_sub(network.address.to_bits())?;
                u32::try_from(offset.checked_sub(first_v6(network))?).ok()?
            }
            _ => return None,
        };
        (number < self.count).then_some(number)
    }
}

/// How many clients an IPv4 network has room for: subnet from +2 to the last but one, the others in what +4 and
/// broadcast-4 enclose.
fn count_v4(topology: Topology, network: Ipv4Network) -> u32 {
    let size = network.broadcast().to_bits() - network.address.to_bits() + 1;
    match topology {
        Topology::Subnet => size.saturating_sub(3),
        Topology::P2p => size.saturating_sub(7),
        Topology::Net30 => (size / 4).saturating_sub(if size > 8 { 2 } else { 1 }),
    }
}

/// The offset of the first client's IPv6 address.
fn first_v6(network: Ipv6Network) -> u128 {
    if network.prefix < 112 { 0x1000 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(topology: Topology, address: [u8; 4], prefix: u8) -> Pool {
        let network = Ipv4Network { address: address.into(), prefix };
        Pool::new(&ServerConfig { topology, ..ServerConfig::new(network) })
    }

    fn address(pool: &Pool, number: u32) -> String {
        let (local, other) = pool.ipv4(number).expect("an IPv4 pool");
        std::format!("{local} {other}")
    }

    #[test]
    fn the_first_client_gets_what_openvpn_gives() {
        assert_eq!(address(&pool(Topology::Subnet, [10, 8, 0, 0], 24), 0), "10.8.0.2 255.255.255.0");
        assert_eq!(address(&pool(Topology::Net30, [10, 8, 0, 0], 24), 0), "10.8.0.6 10.8.0.5");
        assert_eq!(address(&pool(Topology::P2p, [10, 8, 0, 0], 24), 0), "10.8.0.4 10.8.0.1");
    }

    #[test]
    fn a_full_pool_refuses_and_reuses_what_was_released_longest_ago() {
        let mut pool = pool(Topology::Subnet, [10, 8, 0, 0], 29);
        let all: Vec<_> = (0..5).map(|n| pool.acquire(Some(&std::format!("c{n}"))).expect("room")).collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert_eq!(pool.acquire(Some("late")), None);
        pool.release(3);
        pool.release(1);
        assert_eq!(pool.acquire(Some("late")), Some(3));
    }

    #[test]
    fn a_client_gets_its_address_back() {
        let mut pool = pool(Topology::Net30, [10, 8, 0, 0], 24);
        let first = pool.acquire(Some("client1")).expect("room");
        pool.release(first);
        assert_eq!(pool.acquire(Some("client2")), Some(1), "client1's is kept while fresh ones are left");
        assert_eq!(pool.acquire(Some("client1")), Some(first));
    }

    #[test]
    fn leases_survive_a_restart_in_every_topology() {
        for topology in [Topology::Subnet, Topology::Net30, Topology::P2p] {
            let network = Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 };
            let mut config = ServerConfig { topology, ..ServerConfig::new(network) };
            config.network_v6 =
                Some(Ipv6Network { address: "fd00::".parse().expect("an address"), prefix: 64 });
            let mut pool = Pool::new(&config);
            pool.acquire(Some("a"));
            let b = pool.acquire(Some("b")).expect("room");
            config.leases = pool.leases();
            assert_eq!(Pool::new(&config).acquire(Some("b")), Some(b), "{topology:?}");
            assert_eq!(pool.ipv6(b), Some("fd00::1001".parse().expect("an address")));
        }
    }
}
