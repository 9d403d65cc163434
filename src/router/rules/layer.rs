//! [`Layer`]: the rules about one WHO, to be searched by destination.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use super::super::packet::{ICMP, ICMPV6, TCP, UDP};
use super::super::table::Bits;
use super::{Asked, has_ports};
use crate::config::{Action, IpNetwork, Protocol, Rule};

/// Rules about one WHO.
#[derive(Debug)]
pub(super) struct Layer {
    v4: Sorted<u32>,
    v6: Sorted<u128>,
}

impl Layer {
    /// Rules with their numbers.
    pub(super) fn new(rules: &[(u32, &Rule)]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for &(number, rule) in rules {
            let whole = [0..=u16::MAX];
            let ranges = if rule.ports.is_empty() { &whole[..] } else { &rule.ports };
            for range in ranges {
                let test = Test {
                    first: *range.start(),
                    last: *range.end(),
                    // No protocol but those with ports has any.
                    every_port: rule.ports.is_empty(),
                    protocol: rule.protocol,
                    action: rule.action,
                    number,
                };
                match rule.destination {
                    IpNetwork::V4(network) => v4.push((network.prefix, network.address.to_bits(), test)),
                    IpNetwork::V6(network) => v6.push((network.prefix, network.address.to_bits(), test)),
                }
            }
        }
        Self { v4: Sorted::new(v4), v6: Sorted::new(v6) }
    }

    /// Gives number and action of every rule that fits, to `each`; with `only`, of those whose prefix has that length.
    #[inline]
    pub(super) fn each_fit(&self, asked: &Asked, only: Option<u8>, each: impl FnMut(u32, Action)) {
        match asked.destination {
            IpAddr::V4(address) => self.v4.each_fit(address.to_bits(), asked, only, each),
            IpAddr::V6(address) => self.v6.each_fit(address.to_bits(), asked, only, each),
        }
    }
}

/// The rules for destinations of one family.
#[derive(Debug)]
struct Sorted<B> {
    /// The prefix lengths in use, longest first, and where the rules of each are.
    lengths: Vec<(u8, Range<usize>)>,
    /// By network within a length.
    networks: Vec<B>,
    /// What else they ask for, in the same places.
    tests: Vec<Test>,
}

impl<B: Bits> Sorted<B> {
    fn new(mut rules: Vec<(u8, B, Test)>) -> Self {
        rules.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.number.cmp(&b.2.number)));
        let mut lengths: Vec<(u8, Range<usize>)> = Vec::new();
        for (at, (prefix, ..)) in rules.iter().enumerate() {
            match lengths.last_mut() {
                Some((last, range)) if last == prefix => range.end = at + 1,
                _ => lengths.push((*prefix, at..at + 1)),
            }
        }
        let (networks, tests) = rules.into_iter().map(|(_, network, test)| (network, test)).unzip();
        Self { lengths, networks, tests }
    }

    #[inline]
    fn each_fit(&self, address: B, asked: &Asked, only: Option<u8>, mut each: impl FnMut(u32, Action)) {
        for (prefix, range) in &self.lengths {
            if only.is_some_and(|only| only != *prefix) {
                continue;
            }
            let network = address.prefix(*prefix);
            let networks = &self.networks[range.clone()];
            let first = networks.partition_point(|other| *other < network);
            let those = networks[first..].iter().take_while(|other| **other == network).count();
            let start = range.start + first;
            for test in &self.tests[start..start + those] {
                if test.fits(asked) {
                    each(test.number, test.action);
                }
            }
        }
    }
}

/// What a rule asks for beside the destination's address.
#[derive(Clone, Copy, Debug)]
struct Test {
    number: u32,
    first: u16,
    last: u16,
    every_port: bool,
    protocol: Protocol,
    action: Action,
}

impl Test {
    #[inline]
    fn fits(&self, asked: &Asked) -> bool {
        let protocol = match self.protocol {
            Protocol::Any => true,
            Protocol::Tcp => asked.protocol == TCP,
            Protocol::Udp => asked.protocol == UDP,
            Protocol::Icmp => asked.protocol == if asked.destination.is_ipv4() { ICMP } else { ICMPV6 },
            Protocol::Number(number) => asked.protocol == number,
        };
        let selectable = has_ports(asked.protocol) || self.protocol == Protocol::Icmp;
        protocol
            && (self.every_port
                || (selectable && self.first <= asked.selector && asked.selector <= self.last))
    }
}
