//! [`Forwards`]: port forwards. What comes to an outside address and port of ours goes to a client or a host.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::super::Common;
use super::super::address::Address;
use super::super::packet::{TCP, UDP};
use super::super::zone::Zone;
use crate::config::{ForwardTarget, IpNetwork, PortForward, Protocol};

/// One of them.
#[derive(Clone, Debug)]
struct Rule<A> {
    protocol: u8,
    address: A,
    ports: RangeInclusive<u16>,
    to: To<A>,
    to_port: u16,
    from: Option<IpNetwork>,
}

#[derive(Clone, Debug)]
enum To<A> {
    Client(String),
    Address(A),
}

/// Those of one family, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Forwards<A>(Vec<Rule<A>>);

impl<A: Address> Forwards<A> {
    pub(super) fn new(forwards: &[PortForward]) -> Self {
        let mut rules = Vec::new();
        for forward in forwards {
            let Some(address) = A::of(forward.address) else { continue };
            let protocols: &[u8] = match forward.protocol {
                Protocol::Tcp => &[TCP],
                Protocol::Udp => &[UDP],
                Protocol::Any => &[TCP, UDP],
                Protocol::Icmp | Protocol::Number(_) => &[],
            };
            for &protocol in protocols {
                let to = match &forward.to {
                    ForwardTarget::Client(name) => To::Client(name.clone()),
                    ForwardTarget::Address(address) => match A::of(*address) {
                        Some(address) => To::Address(address),
                        None => continue,
                    },
                };
                let (ports, to_port, from) = (forward.ports.clone(), forward.to_port, forward.from);
                rules.push(Rule { protocol, address, ports, to, to_port, from });
            }
        }
        Self(rules)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some are at that address.
    pub(super) fn contains(&self, address: A) -> bool {
        self.0.iter().any(|rule| rule.address == address)
    }

    /// Whether that outside end is taken, for whomever.
    pub(super) fn takes(&self, protocol: u8, address: A, port: u16) -> bool {
        self.0.iter().any(|rule| rule.is_at(protocol, address, port))
    }

    /// Where what comes from `source` to that end goes. Nowhere, while the client that it is for is not there.
    pub(super) fn find(
        &self,
        common: &Common,
        protocol: u8,
        source: A,
        (address, port): (A, u16),
    ) -> Option<(Option<Zone>, A, u16)> {
        let rule = self.0.iter().find(|rule| {
            rule.is_at(protocol, address, port)
                && rule.from.as_ref().is_none_or(|network| network.contains(source.into()))
        })?;
        let to_port = rule.to_port.checked_add(port - rule.ports.start())?;
        match &rule.to {
            To::Address(address) => Some((None, *address, to_port)),
            To::Client(name) => {
                let client = common.clients.get(common.clients.find(name)?)?;
                let mut own = client.networks.iter().filter_map(host::<A>);
                Some((Some(Zone::Peer(client.peer)), own.next()?, to_port))
            }
        }
    }
}

impl<A: Address> Rule<A> {
    fn is_at(&self, protocol: u8, address: A, port: u16) -> bool {
        self.protocol == protocol && self.address == address && self.ports.contains(&port)
    }
}

/// The address of a network of one.
pub(super) fn host<A: Address>(network: &IpNetwork) -> Option<A> {
    let address = network.address();
    (usize::from(network.prefix()) == 8 * A::LEN).then(|| A::of(address)).flatten()
}
