//! [`ServerConfig`].

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::session::SessionConfig;

/// All that a [`Server`](crate::Server) is told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What both roles share.
    pub session: SessionConfig,
    /// `topology`
    pub topology: Topology,
    /// `server NETWORK NETMASK`: our address, the pool, what is pushed.
    pub network: Option<Ipv4Network>,
    /// `server-ipv6 NETWORK/BITS`
    pub network_v6: Option<Ipv6Network>,
    /// `push`: option texts, in order.
    pub push: Vec<String>,
    /// `client-to-client`
    pub client_to_client: bool,
    /// `duplicate-cn`
    pub duplicate_cn: bool,
    /// `max-clients`
    pub max_clients: u32,
    /// `connect-freq-initial`: answers to first packets, per time.
    pub connect_freq_initial: ConnectFrequency,
    /// Clients also log in by name and password, which the host verifies (`auth-user-pass-verify` and the like).
    pub verify_user_pass: bool,
    /// `username-as-common-name`
    pub username_as_common_name: bool,
    /// Leases from before, as of `ifconfig-pool-persist`: common name, IPv4, IPv6.
    pub leases: Vec<Lease>,
}

impl ServerConfig {
    /// What `server NETWORK NETMASK` in a configuration file stands for, with OpenVPN's defaults.
    pub fn new(network: Ipv4Network) -> Self {
        Self { network: Some(network), max_clients: 1024, ..Self::default() }
    }
}

/// `topology`, how IPv4 addresses are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// One address each, in a common network.
    #[default]
    Subnet,
    /// A /30 each.
    Net30,
    /// One address each, point to point.
    P2p,
}

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Network {
    /// The network address; host bits are zero.
    pub address: Ipv4Addr,
    /// The length of the prefix in bits.
    pub prefix: u8,
}

impl Ipv4Network {
    /// The network of that size that holds `address`. A prefix beyond 32 counts as 32.
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Self {
        let network = Self { address, prefix: prefix.min(32) };
        Self { address: address & network.netmask(), ..network }
    }

    /// The netmask.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0))
    }

    /// The broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.netmask().to_bits())
    }

    /// Whether `address` is one of its.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.netmask().to_bits() == self.address.to_bits()
    }
}

/// An IPv6 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Network {
    /// The network address; host bits are zero.
    pub address: Ipv6Addr,
    /// The length of the prefix in bits.
    pub prefix: u8,
}

impl Ipv6Network {
    /// The network of that size that holds `address`. A prefix beyond 128 counts as 128.
    pub fn containing(address: Ipv6Addr, prefix: u8) -> Self {
        let prefix = prefix.min(128);
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        Self { address: Ipv6Addr::from_bits(address.to_bits() & mask), prefix }
    }
}

/// `connect-freq-initial N SECONDS`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectFrequency {
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
}

impl Default for ConnectFrequency {
    fn default() -> Self {
        Self { count: 100, seconds: 10 }
    }
}

/// A line of `ifconfig-pool-persist`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub common_name: String,
    /// The address, or the block's base under net30.
    pub ipv4: Option<Ipv4Addr>,
    /// The address.
    pub ipv6: Option<Ipv6Addr>,
}
