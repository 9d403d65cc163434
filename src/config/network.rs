//! [`IpNetwork`]: a network, or a single address, of either family.

use core::fmt;
use core::net::IpAddr;

use super::server::{Ipv4Network, Ipv6Network};

/// A network of either family. A single address is one of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpNetwork {
    /// IPv4.
    V4(Ipv4Network),
    /// IPv6.
    V6(Ipv6Network),
}

impl IpNetwork {
    /// The network of that size that holds `address`.
    pub fn containing(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(Ipv4Network::containing(address, prefix)),
            IpAddr::V6(address) => Self::V6(Ipv6Network::containing(address, prefix)),
        }
    }

    /// Whether `address` is one of its.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(network), IpAddr::V4(address)) => network.contains(address),
            (Self::V6(network), IpAddr::V6(address)) => network.contains(address),
            (Self::V4(_), IpAddr::V6(_)) | (Self::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The network address.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::V4(network) => network.address.into(),
            Self::V6(network) => network.address.into(),
        }
    }

    /// The length of the prefix in bits.
    pub fn prefix(&self) -> u8 {
        match self {
            Self::V4(network) => network.prefix,
            Self::V6(network) => network.prefix,
        }
    }

    /// Whether it is a single address.
    pub fn is_host(&self) -> bool {
        match self {
            Self::V4(network) => network.prefix == 32,
            Self::V6(network) => network.prefix == 128,
        }
    }
}

impl From<IpAddr> for IpNetwork {
    fn from(address: IpAddr) -> Self {
        Self::containing(address, 128)
    }
}

/// `10.8.0.6`, `10.1.0.0/16`, as OpenVPN's status file has it.
impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address())?;
        if self.is_host() { Ok(()) } else { write!(f, "/{}", self.prefix()) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn network(address: &str, prefix: u8) -> IpNetwork {
        IpNetwork::containing(address.parse().unwrap(), prefix)
    }

    #[test]
    fn host_bits_are_cut_off_and_hosts_print_without_a_prefix() {
        assert_eq!(network("10.1.2.3", 16).to_string(), "10.1.0.0/16");
        assert_eq!(network("10.1.2.3", 32).to_string(), "10.1.2.3");
        assert_eq!(network("fd00::1", 64).to_string(), "fd00::/64");
        assert_eq!(IpNetwork::from("fd00::1".parse::<IpAddr>().unwrap()).to_string(), "fd00::1");
    }

    #[test]
    fn families_do_not_mix() {
        let contains = |network: IpNetwork, address: &str| network.contains(address.parse().unwrap());
        assert!(contains(network("10.1.0.0", 16), "10.1.255.255"));
        assert!(!contains(network("10.1.0.0", 16), "10.2.0.0"));
        assert!(contains(network("0.0.0.0", 0), "192.0.2.1"));
        assert!(!contains(network("0.0.0.0", 0), "::1"));
        assert!(contains(network("fd00::", 63), "fd00:0:0:1::"));
        assert!(!contains(network("fd00::", 64), "fd00:0:0:1::"));
    }
}
