//! [`RouteTable`]: where an address is: with a client that has it or a network that holds it (`iroute`), beyond a port,
//! or nowhere.
//!
//! The longest prefix decides, the router's own networks included. A look-up takes one step for each length that is in use, of which there is one unless
//! there are iroutes, and allocates nothing.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{IpNetwork, Ipv4Network, Ipv6Network};

/// Networks, and what has each.
#[derive(Debug)]
pub struct RouteTable<T> {
    v4: Table<u32, T>,
    v6: Table<u128, T>,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self { v4: Table::default(), v6: Table::default() }
    }
}

impl<T: Copy + PartialEq> RouteTable<T> {
    /// The network is `owner`'s from now on. Gives back whose it was.
    pub fn insert(&mut self, network: IpNetwork, owner: T) -> Option<T> {
        match network {
            IpNetwork::V4(Ipv4Network { address, prefix }) => {
                self.v4.insert((prefix, address.to_bits()), owner)
            }
            IpNetwork::V6(Ipv6Network { address, prefix }) => {
                self.v6.insert((prefix, address.to_bits()), owner)
            }
        }
    }

    /// The network is no longer `owner`'s. If it has become somebody else's meanwhile, it stays that.
    pub fn remove(&mut self, network: IpNetwork, owner: T) {
        match network {
            IpNetwork::V4(Ipv4Network { address, prefix }) => {
                self.v4.remove((prefix, address.to_bits()), owner);
            }
            IpNetwork::V6(Ipv6Network { address, prefix }) => {
                self.v6.remove((prefix, address.to_bits()), owner);
            }
        }
    }

    /// Whose `address` is.
    #[inline]
    pub fn find(&self, address: IpAddr) -> Option<T> {
        match address {
            IpAddr::V4(address) => self.v4.find(address.to_bits()),
            IpAddr::V6(address) => self.v6.find(address.to_bits()),
        }
    }

    /// Whose exactly this network is.
    pub fn get(&self, network: IpNetwork) -> Option<T> {
        match network {
            IpNetwork::V4(Ipv4Network { address, prefix }) => self.v4.get((prefix, address.to_bits())),
            IpNetwork::V6(Ipv6Network { address, prefix }) => self.v6.get((prefix, address.to_bits())),
        }
    }

    /// All of them: IPv4 first, hosts before networks.
    pub fn iter(&self) -> impl Iterator<Item = (IpNetwork, T)> {
        let v4 = self.v4.iter().map(|((prefix, bits), owner)| {
            (IpNetwork::containing(Ipv4Addr::from_bits(bits).into(), prefix), owner)
        });
        let v6 = self.v6.iter().map(|((prefix, bits), owner)| {
            (IpNetwork::containing(Ipv6Addr::from_bits(bits).into(), prefix), owner)
        });
        v4.chain(v6)
    }
}

/// The networks of one family.
#[derive(Debug)]
struct Table<B, T> {
    owners: BTreeMap<(u8, B), T>,
    /// The lengths in use, longest first, and how many networks have each.
    lengths: Vec<(u8, usize)>,
}

impl<B, T> Default for Table<B, T> {
    fn default() -> Self {
        Self { owners: BTreeMap::new(), lengths: Vec::new() }
    }
}

/// An address as a number.
pub(super) trait Bits: Copy + Ord {
    /// The first `len` bits of it, the others zero.
    fn prefix(self, len: u8) -> Self;
}

impl Bits for u32 {
    #[inline]
    fn prefix(self, len: u8) -> Self {
        self & Self::MAX.checked_shl(32 - Self::from(len)).unwrap_or(0)
    }
}

impl Bits for u128 {
    #[inline]
    fn prefix(self, len: u8) -> Self {
        self & Self::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)
    }
}

impl<B: Bits, T: Copy + PartialEq> Table<B, T> {
    fn insert(&mut self, network: (u8, B), owner: T) -> Option<T> {
        let before = self.owners.insert(network, owner);
        if before.is_none() {
            match self.lengths.iter().position(|(len, _)| *len <= network.0) {
                Some(at) if self.lengths[at].0 == network.0 => self.lengths[at].1 += 1,
                at => self.lengths.insert(at.unwrap_or(self.lengths.len()), (network.0, 1)),
            }
        }
        before
    }

    fn remove(&mut self, network: (u8, B), owner: T) {
        if self.owners.get(&network) != Some(&owner) {
            return;
        }
        self.owners.remove(&network);
        if let Some(at) = self.lengths.iter().position(|(len, _)| *len == network.0) {
            self.lengths[at].1 -= 1;
            if self.lengths[at].1 == 0 {
                self.lengths.remove(at);
            }
        }
    }

    #[inline]
    fn find(&self, address: B) -> Option<T> {
        self.lengths.iter().find_map(|&(len, _)| self.owners.get(&(len, address.prefix(len))).copied())
    }

    fn get(&self, network: (u8, B)) -> Option<T> {
        self.owners.get(&network).copied()
    }

    fn iter(&self) -> impl Iterator<Item = ((u8, B), T)> {
        self.owners.iter().rev().map(|(network, owner)| (*network, *owner))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str, prefix: u8) -> IpNetwork {
        IpNetwork::containing(text.parse().expect("an address"), prefix)
    }

    fn find(routes: &RouteTable<usize>, address: &str) -> Option<usize> {
        routes.find(address.parse().expect("an address"))
    }

    #[test]
    fn the_longest_prefix_decides_in_both_families() {
        let mut routes = RouteTable::default();
        for (owner, (address, prefix)) in
            [("10.0.0.0", 8), ("10.1.0.0", 16), ("10.1.2.3", 32), ("::", 0), ("fd00::", 64), ("fd00::5", 128)]
                .into_iter()
                .enumerate()
        {
            assert_eq!(routes.insert(network(address, prefix), owner), None);
        }
        assert_eq!(find(&routes, "10.2.0.1"), Some(0));
        assert_eq!(find(&routes, "10.1.0.1"), Some(1));
        assert_eq!(find(&routes, "10.1.2.3"), Some(2));
        assert_eq!(find(&routes, "192.0.2.1"), None);
        assert_eq!(find(&routes, "2001:db8::1"), Some(3));
        assert_eq!(find(&routes, "fd00::1"), Some(4));
        assert_eq!(find(&routes, "fd00::5"), Some(5));
    }

    #[test]
    fn a_network_goes_to_the_last_who_has_it_and_is_not_taken_away_by_the_first() {
        let mut routes: RouteTable<usize> = RouteTable::default();
        let site = network("10.1.0.0", 16);
        routes.insert(site, 1);
        assert_eq!(routes.insert(site, 2), Some(1));
        routes.remove(site, 1);
        assert_eq!(find(&routes, "10.1.0.1"), Some(2));
        routes.remove(site, 2);
        assert_eq!(find(&routes, "10.1.0.1"), None);
        assert_eq!(routes.iter().count(), 0);
    }

    proptest! {
        /// Against the plain way: all networks, the longest of those that hold the address.
        #[test]
        fn as_a_search_through_all(
            changes in prop::collection::vec((0u32..64, 24u8..=32, 0usize..4, any::<bool>()), 0..60),
            addresses in prop::collection::vec(0u32..64, 20),
        ) {
            let mut routes = RouteTable::default();
            let mut plain: Vec<(IpNetwork, usize)> = Vec::new();
            for (bits, prefix, owner, add) in changes {
                let network = IpNetwork::containing(Ipv4Addr::from_bits(bits << 2).into(), prefix);
                if add {
                    routes.insert(network, owner);
                    plain.retain(|(other, _)| *other != network);
                    plain.push((network, owner));
                } else {
                    routes.remove(network, owner);
                    plain.retain(|entry| *entry != (network, owner));
                }
            }
            prop_assert_eq!(routes.iter().count(), plain.len());
            for bits in addresses {
                let address = Ipv4Addr::from_bits(bits << 2).into();
                let longest = plain.iter().filter(|(network, _)| network.contains(address));
                let expected = longest.max_by_key(|(network, _)| network.prefix()).map(|(_, owner)| *owner);
                prop_assert_eq!(routes.find(address), expected);
            }
        }
    }
}
