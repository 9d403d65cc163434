//! [`RouterConfig`]: what the virtual router is told: its ports, NAT, rules, limits.
//!
//! Plain values, made from directives or by hand. The router puts another one into force at any time.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use super::network::IpNetwork;
use super::server::Ipv4Network;

/// All that a [`Router`](crate::router::Router) is told. The default forwards as OpenVPN does: by destination, without
/// a look at anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterConfig {
    /// `lan-port`: a network that the router takes part in by Ethernet.
    pub lan: Option<LanConfig>,
    /// `nat`: which source address packets have beyond the clients' side.
    pub nat: Nat,
    /// `nat-exempt`: no NAT towards these networks.
    pub nat_exempt: Vec<IpNetwork>,
    /// `nat-mapping`
    pub mapping: Mapping,
    /// `nat-filtering`
    pub filtering: Filtering,
    /// `nat-timeout`
    pub lifetimes: Lifetimes,
    /// `nat-inbound-refresh`: packets from outside keep a mapping alive too.
    pub inbound_refresh: bool,
    /// `port-forward`, in order.
    pub port_forwards: Vec<PortForward>,
    /// `client-nat`, in order: prefixes that are translated one to one, without state.
    pub netmaps: Vec<Netmap>,
    /// `group`
    pub groups: Vec<Group>,
    /// `allow`, `deny`, `reject`, in order.
    pub rules: Vec<Rule>,
    /// `rule-mode`
    pub rule_mode: RuleMode,
    /// `source-allow`, `source-deny`, in order: who may talk to the server at all, by outer address.
    pub sources: Vec<SourceRule>,
    /// `flow-log`: every flow's beginning and end is an event.
    pub log_flows: bool,
    /// `client-limit`: what each client may have.
    pub client_limits: ClientLimits,
    /// `dns-forward`
    pub dns: Option<DnsForward>,
}

/// `lan-port DEVICE ADDRESS/BITS [GATEWAY]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanConfig {
    /// The device's name, for the host.
    pub device: String,
    /// The router's own addresses there, each with the length of its prefix in bits: at most one of either family.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Where packets go that are for none of these networks; at most one of either family. Without one they go to the
    /// host.
    pub gateways: Vec<IpAddr>,
}

/// `nat`: where a client's packets seem to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Nat {
    /// From its own address; whoever answers needs a route to it.
    #[default]
    Off,
    /// `nat masquerade [ADDRESS]`: all from one address, the LAN port's own by default.
    Masquerade(Option<IpAddr>),
    /// `nat blocks SIZE [ADDRESS...]`: from a block of that many ports each, which tells who it was.
    Blocks {
        /// Ports of a block: a power of two, 64 to 16384. Blocks begin at port 1024.
        size: u16,
        /// The addresses; the LAN port's own if there are none.
        addresses: Vec<IpAddr>,
    },
    /// `nat identity FIRST-LAST...`: from an address of its own for each identity.
    Identity(Vec<RangeInclusive<IpAddr>>),
}

/// How an inside address and port becomes an outside one (RFC 4787, 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// The same one towards every destination.
    #[default]
    EndpointIndependent,
    /// `nat-mapping tcp-per-destination`: TCP may share an outside port towards different destinations (RFC 7857, 3),
    /// so that more connections fit one address; UDP and ICMP stay endpoint-independent.
    TcpPerDestination,
}

/// Who may send to a mapping from outside (RFC 4787, 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filtering {
    /// Anybody.
    EndpointIndependent,
    /// Whose address the inside has sent to.
    AddressDependent,
    /// Whose address and port the inside has sent to; as Linux does.
    #[default]
    AddressAndPortDependent,
}

/// How long what is idle is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// UDP (RFC 4787 REQ-5: two minutes at least).
    pub udp: Duration,
    /// UDP to a port below 1024 that got one answer, as DNS.
    pub udp_well_known: Duration,
    /// TCP that is established (RFC 5382 REQ-5: 2 h 4 min at least).
    pub tcp_established: Duration,
    /// TCP that is being set up or closed (RFC 5382 REQ-5: 4 min at least).
    pub tcp_transitory: Duration,
    /// ICMP queries (RFC 5508 REQ-2: 60 s at least).
    pub icmp: Duration,
    /// Any other protocol.
    pub other: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            udp: Duration::from_secs(300),
            udp_well_known: Duration::from_secs(30),
            tcp_established: Duration::from_secs(2 * 3600 + 4 * 60),
            tcp_transitory: Duration::from_secs(240),
            icmp: Duration::from_secs(60),
            other: Duration::from_secs(300),
        }
    }
}

/// What a rule or a port forward is about, above IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Any.
    #[default]
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP over IPv4, ICMPv6 over IPv6.
    Icmp,
    /// The protocol of that number.
    Number(u8),
}

/// `port-forward PROTO ADDRESS PORT[-LAST] TO PORT [from NETWORK]`: what comes to an outside address and port goes to a
/// client or a host, and is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortForward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it comes to: an address of the router.
    pub address: IpAddr,
    /// And to which ports.
    pub ports: RangeInclusive<u16>,
    /// Where it goes.
    pub to: ForwardTarget,
    /// And to which port the first of `ports`; the others follow.
    pub to_port: u16,
    /// From where only, if not from everywhere.
    pub from: Option<IpNetwork>,
}

/// The end of a port forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardTarget {
    /// The client of that common name, while it is connected.
    Client(String),
    /// A host by its address.
    Address(IpAddr),
}

/// `client-nat snat|dnat NETWORK NETMASK ALIAS`, seen from the side that has the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netmap {
    /// `snat` translates the source of packets that go into the tunnel (and the destination of what comes out of it);
    /// `dnat` the destination of those (and the source of what comes).
    pub source: bool,
    /// The addresses that are translated.
    pub network: Ipv4Network,
    /// What their first address becomes; the others follow.
    pub alias: Ipv4Addr,
}

/// `group NAME MEMBER...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Common names of certificates, or user names with `username-as-common-name`.
    pub members: Vec<String>,
}

/// `all`, `client:NAME`, `group:NAME`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every client.
    All,
    /// The client of that common name.
    Client(String),
    /// The members of that group.
    Group(String),
}

/// `allow|deny|reject WHO NETWORK [PROTO [PORTS|TYPES]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What happens.
    pub action: Action,
    /// Whose packets.
    pub who: Who,
    /// To where.
    pub destination: IpNetwork,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which ports (TCP, UDP), or of which types (ICMP); none stands for all.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Where it was written, for whoever asks which rule decided.
    pub line: u32,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Allow,
    /// It is dropped in silence.
    Deny,
    /// It is dropped, and its sender told: ICMP "administratively prohibited", for TCP a RST.
    Reject,
}

/// `rule-mode`: which of the rules that fit decides. Once there is a rule, what none allows is rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleMode {
    /// A `deny` or `reject` that fits, else an `allow` that fits.
    #[default]
    Union,
    /// Only those with the longest destination prefix count, as in AWS Client VPN's authorization rules; among them as
    /// in `Union`.
    LongestPrefix,
}

/// `source-allow NETWORK`, `source-deny NETWORK`: the first that fits decides; what none fits is denied if the last is
/// an allow, else allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceRule {
    /// Whether it allows.
    pub allow: bool,
    /// Outer addresses.
    pub network: IpNetwork,
}

/// `client-limit WHAT N`: what one client may have at most; `None` is no limit but the table's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Flows at a time.
    pub flows: Option<u32>,
    /// New flows a second; a second's worth may come at once.
    pub new_flows: Option<u32>,
    /// Outside ports at a time, of each protocol.
    pub ports: Option<u32>,
    /// Bytes a second from the client; a second's worth may come at once.
    pub rate_from: Option<u64>,
    /// Bytes a second to the client.
    pub rate_to: Option<u64>,
    /// Bytes in both directions in one session.
    pub bytes: Option<u64>,
}

/// `dns-forward SERVER [DOMAIN...]`, once or more: names that clients ask the gateway for are asked from these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsForward {
    /// In order; of those whose domains fit, the one with the longest decides.
    pub servers: Vec<DnsUpstream>,
}

/// A name server that queries are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsUpstream {
    /// Where it is.
    pub address: SocketAddr,
    /// The domains that it is asked for, without a trailing dot; all if there are none.
    pub domains: Vec<String>,
}

impl RouterConfig {
    /// Whether anything is set that plain forwarding does not need, so that packets belong to flows.
    pub fn is_stateful(&self) -> bool {
        self.lan.is_some()
            || self.nat != Nat::Off
            || self.log_flows
            || !self.port_forwards.is_empty()
            || !self.rules.is_empty()
            || self.dns.is_some()
            || self.client_limits != ClientLimits::default()
    }

    /// What the router answers for on the LAN all the time: the port's own addresses, what is forwarded, what clients are
    /// hidden behind.
    pub(crate) fn fixed_lan_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.lan.iter().flat_map(|lan| &lan.addresses).map(|(address, _)| *address);
        let forwarded = self.port_forwards.iter().map(|forward| forward.address);
        let translated: &[IpAddr] = match &self.nat {
            Nat::Masquerade(address) => address.as_slice(),
            Nat::Blocks { addresses, .. } => addresses,
            Nat::Off | Nat::Identity(_) => &[],
        };
        own.chain(forwarded).chain(translated.iter().copied())
    }

    /// All addresses that the router may answer for on the LAN: nobody else there may have one of them.
    pub fn lan_addresses(&self) -> Vec<RangeInclusive<IpAddr>> {
        let leased: &[RangeInclusive<IpAddr>] = match &self.nat {
            Nat::Identity(ranges) => ranges,
            Nat::Off | Nat::Masquerade(_) | Nat::Blocks { .. } => &[],
        };
        self.fixed_lan_addresses().map(|one| one..=one).chain(leased.iter().cloned()).collect()
    }

    /// The LAN port's own IPv4 address.
    pub fn lan_ipv4(&self) -> Option<Ipv4Addr> {
        self.lan.as_ref()?.addresses.iter().find_map(|(address, _)| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }

    /// The LAN port's own IPv6 address.
    pub fn lan_ipv6(&self) -> Option<Ipv6Addr> {
        self.lan.as_ref()?.addresses.iter().find_map(|(address, _)| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(*address),
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Reject => "reject",
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Client(name) => write!(f, "client:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Icmp => f.write_str("icmp"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// As it would be written: `allow group:ops 10.0.2.2/32 tcp 22`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, who, destination, protocol, ports, line: _ } = self;
        write!(f, "{action} {who} {}/{}", destination.address(), destination.prefix())?;
        if *protocol != Protocol::Any || !ports.is_empty() {
            write!(f, " {protocol}")?;
        }
        for range in ports {
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, " {first}")?,
                (first, last) => write!(f, " {first}-{last}")?,
            }
        }
        Ok(())
    }
}
