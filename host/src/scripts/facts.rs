//! What scripts are told, as variables of their environment: OpenVPN's names.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use adit::config::{
    AddressFamily, Bind, DnsSettings, HostConfig, Ipv4Network, Ipv6Network, Listener, LogTarget, Remote,
    RouteAddress, RouteSettings,
};
use adit::{Transport, UnixTime};

use super::env::Env;
use crate::netconf::{Interface, Ipv4Setup, Surroundings};

/// What is the same for the whole run: `setenv`, and how the process was started. `config` is the file's name as the
/// command line has it.
pub(crate) fn of_process(config: Option<&str>, host: &HostConfig, started: UnixTime) -> Env {
    let mut env = Env::default();
    for (name, value) in &host.scripts.environment {
        env.set(name, value);
    }
    if let Some(config) = config {
        env.set("config", config);
    }
    let to_file = matches!(host.log.target, LogTarget::Truncate(_) | LogTarget::Append(_));
    env.set("verb", host.log.verb);
    env.set("daemon", u8::from(host.process.daemon.is_some()));
    env.set("daemon_log_redirect", u8::from(to_file));
    env.set("daemon_start_time", started.0);
    env.set("daemon_pid", std::process::id());
    env
}

/// `remote_N`, `proto_N`... of a client.
pub(crate) fn of_remotes(env: &mut Env, remotes: &[Remote]) {
    for (number, remote) in (1..).zip(remotes) {
        let end = if remote.transport == Transport::Tcp { "-client" } else { "" };
        env.set(&format!("proto_{number}"), proto(remote.transport, remote.family, end));
        env.set(&format!("remote_{number}"), &remote.host);
        env.set(&format!("remote_port_{number}"), remote.port);
        if let Some(bind) = &remote.connection.bind {
            of_bind(env, number, bind);
        }
    }
}

/// `local_N`, `proto_N`... of a server.
pub(crate) fn of_listeners(env: &mut Env, listeners: &[Listener]) {
    for (number, listener) in (1..).zip(listeners) {
        let end = if listener.transport == Transport::Tcp { "-server" } else { "" };
        env.set(&format!("proto_{number}"), proto(listener.transport, listener.family, end));
        of_bind(env, number, &listener.bind);
        if let Some(port) = listener.bind.port {
            env.set(&format!("remote_port_{number}"), port);
        }
    }
}

fn of_bind(env: &mut Env, number: usize, bind: &Bind) {
    if let Some(host) = &bind.host {
        env.set(&format!("local_{number}"), host);
    }
    if let Some(port) = bind.port {
        env.set(&format!("local_port_{number}"), port);
    }
}

fn proto(transport: Transport, family: Option<AddressFamily>, end: &str) -> String {
    let name = if transport == Transport::Tcp { "tcp" } else { "udp" };
    let family = match family {
        Some(AddressFamily::V4) => "4",
        Some(AddressFamily::V6) => "6",
        None => "",
    };
    format!("{name}{family}{end}")
}

/// The device and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceFacts {
    name: String,
    interface: Interface,
    /// The other end's IPv6 address.
    ipv6_remote: Option<Ipv6Addr>,
}

impl DeviceFacts {
    pub(crate) fn new(name: &str, interface: &Interface, ipv6_remote: Option<Ipv6Addr>) -> Self {
        Self { name: name.to_owned(), interface: *interface, ipv6_remote }
    }

    pub(crate) fn set(&self, env: &mut Env) {
        env.set("dev", &self.name);
        env.set("dev_type", "tun");
        env.set("tun_mtu", self.interface.mtu);
        match self.interface.ipv4 {
            Some(Ipv4Setup::Subnet { address, prefix }) => {
                env.set("ifconfig_local", address);
                env.set("ifconfig_netmask", netmask(prefix));
            }
            Some(Ipv4Setup::PointToPoint { local, peer }) => {
                env.set("ifconfig_local", local);
                env.set("ifconfig_remote", peer);
            }
            None => {}
        }
        if let Some(ipv6) = self.interface.ipv6 {
            env.set("ifconfig_ipv6_local", ipv6.address);
            env.set("ifconfig_ipv6_netbits", ipv6.prefix);
            set_some(env, "ifconfig_ipv6_remote", self.ipv6_remote);
        }
    }

    /// What `up` and `down` are given beside their own words.
    pub(crate) fn arguments(&self, context: &str) -> Vec<String> {
        let (local, other) = match self.interface.ipv4 {
            Some(Ipv4Setup::Subnet { address, prefix }) => (address.to_string(), netmask(prefix).to_string()),
            Some(Ipv4Setup::PointToPoint { local, peer }) => (local.to_string(), peer.to_string()),
            None => Default::default(),
        };
        let mtu = self.interface.mtu.to_string();
        [&self.name, &mtu, "0", &local, &other, context].map(str::to_owned).into()
    }
}

/// The netmask of that many bits.
pub(super) fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Network { address: Ipv4Addr::UNSPECIFIED, prefix }.netmask()
}

/// The routes that are to come, and what their gateways are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutingFacts {
    /// `vpn_gateway`
    vpn: Option<Ipv4Addr>,
    /// `net_gateway`; the inner `None` if there is no default route.
    net: Option<Option<Ipv4Addr>>,
    ipv4: Vec<Ipv4RouteFacts>,
    ipv6: Vec<Ipv6RouteFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Ipv4RouteFacts {
    network: Ipv4Addr,
    netmask: Ipv4Addr,
    gateway: Ipv4Addr,
    metric: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Ipv6RouteFacts {
    network: Ipv6Network,
    gateway: Option<Ipv6Addr>,
    metric: Option<u32>,
}

/// What a redirected default route is made of in IPv6.
const ALL_OF_IPV6: [(u16, u8); 4] = [(0, 3), (0x2000, 4), (0x3000, 4), (0xfc00, 7)];

impl RoutingFacts {
    /// Of `routes` in their surroundings. `ipv6_gateway` is the other end of the tunnel.
    pub(crate) fn new(routes: &RouteSettings, around: &Surroundings, ipv6_gateway: Option<Ipv6Addr>) -> Self {
        let mut facts = Self::default();
        let net = around.net.as_ref().and_then(|route| route.via).and_then(ipv4);
        let vpn = routes.gateway.or(around.vpn);
        let resolve = |address: RouteAddress<Ipv4Addr>| match address {
            RouteAddress::Ip(ip) => Some(ip),
            RouteAddress::VpnGateway => vpn,
            RouteAddress::NetGateway => net,
            RouteAddress::RemoteHost => around.remote.and_then(ipv4),
        };
        let redirect = routes.redirect_gateway;
        if !routes.ipv4.is_empty() || redirect.is_some() {
            (facts.vpn, facts.net) = (vpn, Some(net));
        }
        for route in &routes.ipv4 {
            if let (Some(network), Some(gateway)) = (resolve(route.destination), resolve(route.gateway)) {
                let Ipv4Network { address, prefix } = Ipv4Network::containing(network, route.prefix);
                let netmask = Ipv4Network { address, prefix }.netmask();
                let metric = route.metric.or(routes.metric);
                facts.ipv4.push(Ipv4RouteFacts { network: address, netmask, gateway, metric });
            }
        }
        let tunnel = routes.ipv6_gateway.or(ipv6_gateway);
        for route in &routes.ipv6 {
            let gateway = match route.gateway {
                RouteAddress::Ip(ip) => Some(ip),
                _ => tunnel,
            };
            let metric = route.metric.or(routes.metric);
            facts.ipv6.push(Ipv6RouteFacts { network: route.network, gateway, metric });
        }
        if redirect.is_some_and(|redirect| redirect.ipv6 && !redirect.private) {
            facts.ipv6.extend(ALL_OF_IPV6.map(|(first, prefix)| {
                let address = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0);
                let network = Ipv6Network { address, prefix };
                Ipv6RouteFacts { network, gateway: tunnel, metric: routes.metric }
            }));
        }
        facts
    }

    /// `route_network_N` and so on, for those who come by themselves to add routes.
    pub(crate) fn set(&self, env: &mut Env) {
        set_some(env, "route_vpn_gateway", self.vpn);
        set_some(env, "route_net_gateway", self.net.map(|net| net.unwrap_or(Ipv4Addr::UNSPECIFIED)));
        for (number, route) in (1..).zip(&self.ipv4) {
            env.set(&format!("route_network_{number}"), route.network);
            env.set(&format!("route_netmask_{number}"), route.netmask);
            env.set(&format!("route_gateway_{number}"), route.gateway);
            set_some(env, &format!("route_metric_{number}"), route.metric);
        }
        for (number, route) in (1..).zip(&self.ipv6) {
            let Ipv6Network { address, prefix } = route.network;
            env.set(&format!("route_ipv6_network_{number}"), format_args!("{address}/{prefix}"));
            set_some(env, &format!("route_ipv6_gateway_{number}"), route.gateway);
            set_some(env, &format!("route_ipv6_metric_{number}"), route.metric);
        }
    }
}

fn ipv4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

/// `foreign_option_N`, which scripts for the resolver read, and `dns_...`. Only what has passed the parser: names of
/// domains and addresses, not what a server wrote.
pub(crate) fn of_dns(env: &mut Env, dns: &DnsSettings) {
    let mut options = Vec::new();
    let address = |ip: &IpAddr| format!("{} {ip}", if ip.is_ipv4() { "DNS" } else { "DNS6" });
    if dns.servers.is_empty() {
        options.extend(dns.addresses.iter().map(address));
    } else {
        // The connection's own domain is among the foreign options alone.
        let mut dns = dns.clone();
        dns.domain = None;
        for (name, value) in crate::dns::variables(&dns) {
            env.set(&name, value);
        }
    }
    options.extend(dns.domain.iter().map(|name| format!("DOMAIN {name}")));
    options.extend(dns.ntp.iter().map(|ip| format!("NTP {ip}")));
    options.extend(dns.wins.iter().map(|ip| format!("WINS {ip}")));
    options.extend(dns.servers.values().flat_map(|server| &server.addresses).map(|(ip, _)| address(ip)));
    options.extend(dns.search_domains.iter().map(|name| format!("DOMAIN-SEARCH {name}")));
    for (number, option) in (1..).zip(options) {
        env.set(&format!("foreign_option_{number}"), format_args!("dhcp-option {option}"));
    }
}

fn set_some(env: &mut Env, name: &str, value: Option<impl Display>) {
    if let Some(value) = value {
        env.set(name, value);
    }
}
