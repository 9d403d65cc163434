//! [`ServerConfig`].

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::push::{Ifconfig, IfconfigIpv6, Inactive};
use super::router::RouterConfig;
use super::session::SessionConfig;
use super::text::NamedText;

/// All that a [`Server`](crate::Server) is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// `ifconfig`: our own address, where no `server` sets it.
    pub ifconfig: Option<Ifconfig>,
    /// `ifconfig-ipv6`
    pub ifconfig_ipv6: Option<IfconfigIpv6>,
    /// `ifconfig-pool`: the clients' addresses, where no `server` sets them.
    pub pool: Option<Ipv4Pool>,
    /// `ifconfig-ipv6-pool`
    pub pool_v6: Option<Ipv6Pool>,
    /// `server ... nopool`: `server` sets all but the pool.
    pub nopool: bool,
    /// `push`: option texts, in order.
    pub push: Vec<String>,
    /// What `keepalive` and `tcp-nodelay` push: behind that of `server`, as in OpenVPN.
    pub push_last: Vec<String>,
    /// `client-to-client`
    pub client_to_client: bool,
    /// `dev null`: there is no host port, and what is for the host has no way.
    pub no_host_port: bool,
    /// `block-ipv6`: inner IPv6 packets of clients are answered by an error.
    pub block_ipv6: bool,
    /// `duplicate-cn`
    pub duplicate_cn: bool,
    /// `max-clients`
    pub max_clients: u32,
    /// `connect-freq-initial`: answers to first packets, per time.
    pub connect_freq_initial: ConnectFrequency,
    /// Clients also log in by name and password, which the host verifies (`auth-user-pass-verify` and the like).
    pub verify_user_pass: bool,
    /// `auth-user-pass-optional`: a client may leave name and password out; the host is asked about empty ones.
    pub auth_user_pass_optional: bool,
    /// The host decides about each client that is authenticated, before it gets addresses, and what is configured for
    /// it alone (`client-config-dir`, `client-connect`).
    pub connect_by_host: bool,
    /// `username-as-common-name`
    pub username_as_common_name: bool,
    /// `auth-gen-token`
    pub auth_gen_token: Option<AuthGenToken>,
    /// `max-routes-per-client`: the most `iroute`s of one client.
    pub max_routes_per_client: u32,
    /// `connect-freq`: new sessions, per time.
    pub connect_freq: Option<ConnectFrequency>,
    /// `inactive`: a client's session ends for want of traffic, unless its own settings say otherwise.
    pub inactive: Option<Inactive>,
    /// `session-timeout`: a client's session ends after this long, unless its own settings say otherwise.
    pub session_timeout: Option<Duration>,
    /// Leases from before, as of `ifconfig-pool-persist`: common name, IPv4, IPv6.
    pub leases: Vec<Lease>,
    /// `ifconfig-pool-persist FILE 0`: those leases are never anybody else's.
    pub leases_fixed: bool,
    /// The virtual router's directives.
    pub router: Box<RouterConfig>,
}

impl ServerConfig {
    /// The most addresses that a pool hands out; OpenVPN's.
    pub(crate) const MAX_POOL: u32 = 65_536;

    /// What `server NETWORK NETMASK` in a configuration file stands for, with OpenVPN's defaults.
    pub fn new(network: Ipv4Network) -> Self {
        Self { network: Some(network), ..Self::without_network() }
    }

    /// The same where addresses are set one by one (`mode server`).
    pub fn without_network() -> Self {
        Self { max_clients: 1024, max_routes_per_client: 256, ..Self::default() }
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

    /// Whether `address` is one of its.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        Self::containing(address, self.prefix).address == self.address
    }
}

/// `ifconfig-pool START END NETMASK`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Pool {
    /// The first address.
    pub start: Ipv4Addr,
    /// The last address.
    pub end: Ipv4Addr,
    /// The netmask that clients are told, if it is not that of `ifconfig`.
    pub netmask: Option<Ipv4Addr>,
}

/// `ifconfig-ipv6-pool START/BITS`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Pool {
    /// The first address that is handed out; it need not be the network's own.
    pub start: Ipv6Addr,
    /// The length of the network's prefix in bits.
    pub prefix: u8,
}

/// `auth-gen-token LIFETIME RENEWAL external-auth`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthGenToken {
    /// How long a login lasts; without end if there is none.
    pub lifetime: Option<Duration>,
    /// How often a token is made anew; `reneg-sec` if there is none.
    pub renewal: Option<Duration>,
    /// `external-auth`: the host is asked about tokens too.
    pub external_auth: bool,
    /// `auth-gen-token-secret`: the key file; a key of this run's own if there is none.
    pub secret: Option<NamedText>,
}

/// `connect-freq-initial N SECONDS`, `connect-freq N SECONDS`
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
