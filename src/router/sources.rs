//! [`Sources`]: which outer addresses may talk to the server at all (`source-allow`, `source-deny`).
//!
//! Asked by the server for every datagram of an address that it does not know, and every new connection, before any
//! cryptography and before any reply: what is denied costs a search and is never answered
//! ([`DropReason::SourceDenied`](crate::DropReason::SourceDenied)). Also asked before a client floats to another address,
//! and for the addresses of all clients when the lists change.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::table::Bits;
use crate::config::{IpNetwork, SourceRule};

/// Compiled source lists. The first rule that fits decides; what none fits is denied if the last one allows, else
/// allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Where each stretch of addresses begins, and whether it is allowed: ascending, the first at zero. None if there
    /// are no rules.
    v4: Vec<(u32, bool)>,
    v6: Vec<(u128, bool)>,
}

impl Sources {
    /// From the lists, in order.
    pub fn new(rules: &[SourceRule]) -> Self {
        let Some(last) = rules.last() else { return Self::default() };
        let (mut v4, mut v6) = (BTreeMap::from([(0, !last.allow)]), BTreeMap::from([(0, !last.allow)]));
        // What comes earlier is painted over what comes later.
        for SourceRule { allow, network } in rules.iter().rev() {
            match network {
                IpNetwork::V4(network) => {
                    let first = network.address.to_bits();
                    paint(&mut v4, first, first | !u32::MAX.prefix(network.prefix), *allow);
                }
                IpNetwork::V6(network) => {
                    let first = network.address.to_bits();
                    paint(&mut v6, first, first | !u128::MAX.prefix(network.prefix), *allow);
                }
            }
        }
        Self { v4: stretches(v4), v6: stretches(v6) }
    }

    /// Whether packets from that address are looked at. An IPv4 address in IPv6's form (`::ffff:192.0.2.1`, as sockets
    /// for both families have it) is one of IPv4.
    #[inline]
    pub fn allows(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        }
    }
}

/// Gives all addresses from `first` to `last` the same verdict.
fn paint<B: Bits + Next>(stretches: &mut BTreeMap<B, bool>, first: B, last: B, allow: bool) {
    if let Some(behind) = last.next() {
        let verdict = stretches.range(..=behind).next_back().is_some_and(|(_, verdict)| *verdict);
        stretches.insert(behind, verdict);
    }
    while let Some((&inside, _)) = stretches.range(first..=last).next() {
        stretches.remove(&inside);
    }
    stretches.insert(first, allow);
}

/// Neighbours of the same verdict are one.
fn stretches<B>(all: BTreeMap<B, bool>) -> Vec<(B, bool)> {
    let mut out: Vec<(B, bool)> = all.into_iter().collect();
    out.dedup_by_key(|(_, verdict)| *verdict);
    out
}

#[inline]
fn find<B: Ord + Copy>(stretches: &[(B, bool)], address: B) -> bool {
    let behind = stretches.partition_point(|(first, _)| *first <= address);
    behind.checked_sub(1).and_then(|at| stretches.get(at)).is_none_or(|(_, verdict)| *verdict)
}

/// The number after.
trait Next: Sized {
    fn next(self) -> Option<Self>;
}

impl Next for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Next for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn rule(allow: bool, address: &str, prefix: u8) -> SourceRule {
        SourceRule { allow, network: IpNetwork::containing(address.parse().expect("an address"), prefix) }
    }

    fn allows(sources: &Sources, address: &str) -> bool {
        sources.allows(address.parse().expect("an address"))
    }

    #[test]
    fn a_list_of_denials_lets_all_others_in_and_a_list_of_permits_nobody_else() {
        assert!(allows(&Sources::new(&[]), "203.0.113.9"));
        let denied = Sources::new(&[rule(false, "203.0.113.0", 24)]);
        assert!(!allows(&denied, "203.0.113.255") && !allows(&denied, "::ffff:203.0.113.1"));
        assert!(allows(&denied, "203.0.112.255") && allows(&denied, "203.0.114.0") && allows(&denied, "::1"));
        let allowed = Sources::new(&[rule(true, "203.0.113.0", 24)]);
        assert!(allows(&allowed, "203.0.113.0"));
        assert!(!allows(&allowed, "203.0.114.0") && !allows(&allowed, "2001:db8::1"));
    }

    #[test]
    fn the_first_that_fits_decides() {
        let all = [rule(false, "192.0.2.66", 32), rule(true, "192.0.2.0", 24), rule(false, "0.0.0.0", 0)];
        let sources = Sources::new(&all);
        assert!(!allows(&sources, "192.0.2.66") && allows(&sources, "192.0.2.67"));
        assert!(!allows(&sources, "255.255.255.255") && allows(&sources, "ffff::"));
    }

    proptest! {
        #[test]
        fn as_one_rule_after_the_other(
            rules in prop::collection::vec((any::<bool>(), any::<bool>(), any::<u8>(), 0u8..=9), 0..12),
            addresses in prop::collection::vec((any::<bool>(), any::<u8>()), 40),
        ) {
            // At the upper end, where the next address would be beyond the last.
            let address = |v6: bool, bits: u8| -> IpAddr {
                if v6 {
                    Ipv6Addr::from_bits(u128::MAX - u128::from(bits)).into()
                } else {
                    Ipv4Addr::from_bits(u32::MAX - u32::from(bits)).into()
                }
            };
            let rules: Vec<SourceRule> = rules
                .into_iter()
                .map(|(allow, v6, bits, host)| {
                    let prefix = if host == 9 { 0 } else { if v6 { 128 - host } else { 32 - host } };
                    SourceRule { allow, network: IpNetwork::containing(address(v6, bits), prefix) }
                })
                .collect();
            let sources = Sources::new(&rules);
            for (v6, bits) in addresses {
                let address = address(v6, bits);
                let first = rules.iter().find(|rule| rule.network.contains(address)).map(|rule| rule.allow);
                let default = rules.last().is_none_or(|last| !last.allow);
                prop_assert_eq!(sources.allows(address), first.unwrap_or(default));
            }
        }
    }
}
