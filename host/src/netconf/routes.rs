//! Routes through the tunnel and around it, as changes.

use std::net::{IpAddr, Ipv4Addr};

use adit::config::{Ipv4Route, Ipv6Route, RouteAddress, RouteSettings};

use super::change::{Change, Route, covers};
use super::hop::Hop;
use super::netlink::LocalAddress;

/// What the system looks like before there are routes through the tunnel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The TUN device.
    pub(crate) dev: String,
    /// The other end of the tunnel (`vpn_gateway`), where it has an address.
    pub(crate) vpn: Option<Ipv4Addr>,
    /// Whether the tunnel has an IPv6 address.
    pub(crate) has_ipv6: bool,
    /// The server's outer address (`remote_host`).
    pub(crate) remote: Option<IpAddr>,
    /// The way to it.
    pub(crate) to_remote: Option<Hop>,
    /// The default routes (`net_gateway`).
    pub(crate) net: Option<Route>,
    pub(crate) net_v6: Option<Route>,
    /// The addresses of all devices.
    pub(crate) addresses: Vec<LocalAddress>,
}

/// The changes that put `routes` into force, and sentences about what cannot be, or may surprise.
pub(crate) fn route_steps(routes: &RouteSettings, around: &Surroundings) -> (Vec<Change>, Vec<String>) {
    let mut plan =
        Plan { around, routes, around_tunnel: Vec::new(), through: Vec::new(), problems: Vec::new() };
    let blocked = plan.redirect();
    for route in &routes.ipv4 {
        plan.ipv4(route);
    }
    for route in &routes.ipv6 {
        plan.ipv6(route);
    }
    plan.redirect_ipv6();
    plan.keep_server_reachable();
    for route in &plan.through {
        plan.problems.extend(clash(route, around));
    }
    let Plan { around_tunnel, through, problems, .. } = plan;
    let through = through.into_iter().chain(blocked).map(Change::AddRoute);
    (around_tunnel.into_iter().chain(through).collect(), problems)
}

struct Plan<'a> {
    around: &'a Surroundings,
    routes: &'a RouteSettings,
    /// What keeps some destinations out of the tunnel: done first.
    around_tunnel: Vec<Change>,
    through: Vec<Route>,
    problems: Vec<String>,
}

impl Plan<'_> {
    fn ipv4(&mut self, route: &Ipv4Route) {
        let net = self.around.net.as_ref().and_then(|route| route.via);
        let destination = match route.destination {
            RouteAddress::Ip(address) => Ok(IpAddr::V4(address)),
            RouteAddress::VpnGateway => self.vpn().map(IpAddr::V4).ok_or("vpn_gateway"),
            RouteAddress::NetGateway => net.ok_or("net_gateway"),
            RouteAddress::RemoteHost => self.around.remote.filter(IpAddr::is_ipv4).ok_or("remote_host"),
        };
        let destination = match destination {
            Ok(destination) => destination,
            Err(name) => return self.unknown("route", name),
        };
        let metric = route.metric.or(self.routes.metric).filter(|&metric| metric > 0);
        let to = Route { metric, ..Route::to(destination, route.prefix) };
        match route.gateway {
            RouteAddress::Ip(gateway) => self.through.push(Route { via: Some(gateway.into()), ..to }),
            RouteAddress::VpnGateway => {
                let route = self.through_tunnel(to);
                self.through.push(route);
            }
            RouteAddress::NetGateway => match &self.around.net {
                Some(net) => {
                    let route = Route { via: net.via, dev: net.dev.clone(), ..to };
                    self.around_tunnel.push(Change::AddRoute(route));
                }
                None => self.unknown("route", "net_gateway"),
            },
            RouteAddress::RemoteHost => match self.around.remote.filter(IpAddr::is_ipv4) {
                Some(remote) => self.through.push(Route { via: Some(remote), ..to }),
                None => self.unknown("route", "remote_host"),
            },
        }
    }

    fn ipv6(&mut self, route: &Ipv6Route) {
        let metric = route.metric.or(self.routes.metric).filter(|&metric| metric > 0);
        let to = Route { metric, ..Route::to(route.network.address, route.network.prefix) };
        match (route.gateway, &self.around.net_v6) {
            (RouteAddress::NetGateway, Some(net)) => {
                let route = Route { via: net.via, dev: net.dev.clone(), ..to };
                self.around_tunnel.push(Change::AddRoute(route));
            }
            (RouteAddress::NetGateway, None) => self.unknown("route-ipv6", "net_gateway"),
            (RouteAddress::RemoteHost, _) => self.unknown("route-ipv6", "remote_host"),
            // A TUN device has no neighbours to ask for: every gateway behind it is the device.
            (RouteAddress::VpnGateway | RouteAddress::Ip(_), _) => {
                self.through.push(Route { dev: Some(self.around.dev.clone()), ..to });
            }
        }
    }

    /// `redirect-gateway` and `redirect-private` for IPv4. Answers what `block-local` adds at the end.
    fn redirect(&mut self) -> Vec<Route> {
        let Some(redirect) = self.routes.redirect_gateway.filter(|redirect| !redirect.not_ipv4) else {
            return Vec::new();
        };
        let around = self.around;
        let remote = around.remote.filter(IpAddr::is_ipv4);
        // How the server is reached, or, if that is by IPv6, everybody else.
        let net = around
            .net
            .as_ref()
            .and_then(|route| Some(Hop { via: route.via, dev: route.dev.clone()?, source: None }));
        let hop = if remote.is_some() { around.to_remote.clone() } else { net };
        if let (Some(remote), None, false) = (remote, &hop, redirect.local) {
            self.problems.push(format!(
                "redirect-gateway: the default route stays as it is, since there is no route to the server \
                 {remote} outside the tunnel"
            ));
            return Vec::new();
        }
        let network = hop.as_ref().and_then(|hop| gateway_network(hop, &around.addresses));
        if let (Some(remote), Some(hop), false) = (remote, &hop, redirect.local) {
            self.around_tunnel.push(Change::AddRoute(hop.route_to(remote)));
        }
        let mut blocked = Vec::new();
        if let (true, Some(hop), Some((gateway, network, prefix))) = (redirect.block_local, &hop, network)
            && prefix < 32
            && self.vpn().is_some()
        {
            self.around_tunnel.push(Change::AddRoute(hop.route_to(gateway.into())));
            // Two halves are more specific than the network itself, which stays.
            let upper = Ipv4Addr::from_bits(network.to_bits() | 1 << (31 - prefix));
            for half in [upper, network] {
                blocked.push(self.through_tunnel(Route::to(half, prefix + 1)));
            }
        }
        if redirect.private {
            return blocked;
        }
        let halves = [(Ipv4Addr::UNSPECIFIED, 1), (Ipv4Addr::new(128, 0, 0, 0), 1)];
        if redirect.def1 {
            for (half, prefix) in halves {
                let route = self.through_tunnel(Route::to(half, prefix));
                self.through.push(route);
            }
        } else {
            // One with a metric is worse than ours without. Only where there is none it must give way.
            if let Some(net) = around.net.as_ref().filter(|net| net.metric.unwrap_or(0) == 0) {
                self.around_tunnel.push(Change::DelRoute(net.clone()));
            }
            let route = self.through_tunnel(Route::to(Ipv4Addr::UNSPECIFIED, 0));
            self.through.push(route);
        }
        blocked
    }

    /// More specific than any default route, so that none has to go; fc00::/7 takes in what is used locally.
    fn redirect_ipv6(&mut self) {
        if !self.routes.redirect_gateway.is_some_and(|redirect| redirect.ipv6) || !self.around.has_ipv6 {
            return;
        }
        let metric = self.routes.metric.filter(|&metric| metric > 0);
        for (first, prefix) in [(0, 3), (0x2000, 4), (0x3000, 4), (0xFC00, 7)] {
            let to = Route::to([first, 0, 0, 0, 0, 0, 0, 0_u16], prefix);
            self.through.push(Route { dev: Some(self.around.dev.clone()), metric, ..to });
        }
    }

    /// The tunnel's own packets must not go into the tunnel, whichever route would take them there.
    fn keep_server_reachable(&mut self) {
        let Some(remote) = self.around.remote else { return };
        // The default route by IPv4 is `redirect`'s, which knows `local`.
        let takes = |route: &Route| route.contains(remote) && (remote.is_ipv6() || route.prefix > 1);
        if !self.through.iter().any(takes) {
            return;
        }
        match &self.around.to_remote {
            Some(hop) => {
                let metric = remote.is_ipv6().then_some(1);
                let route = Route { metric, ..hop.route_to(remote) };
                let change = Change::AddRoute(route);
                if !self.around_tunnel.contains(&change) {
                    self.around_tunnel.insert(0, change);
                }
            }
            None => self.problems.push(format!(
                "a route through the tunnel leads to the server {remote} itself, and there is no route to it \
                 outside the tunnel, so that the tunnel may cut itself off"
            )),
        }
    }

    fn vpn(&self) -> Option<Ipv4Addr> {
        self.routes.gateway.or(self.around.vpn)
    }

    /// By way of the tunnel's other end, or simply the device if that has no address.
    fn through_tunnel(&self, to: Route) -> Route {
        match self.vpn() {
            Some(gateway) => Route { via: Some(gateway.into()), ..to },
            None => Route { dev: Some(self.around.dev.clone()), ..to },
        }
    }

    fn unknown(&mut self, option: &str, name: &str) {
        self.problems.push(format!("{option}: {name} is not known here, so that the route is left out"));
    }
}

/// The router of a hop, and the network that it is in: the first one of ours that holds it.
fn gateway_network(hop: &Hop, addresses: &[LocalAddress]) -> Option<(Ipv4Addr, Ipv4Addr, u8)> {
    let Some(IpAddr::V4(gateway)) = hop.via else { return None };
    let own = addresses.iter().find(|own| covers(own.address, own.prefix, gateway.into()))?;
    let mask = u32::MAX.checked_shl(32 - u32::from(own.prefix)).unwrap_or(0);
    Some((gateway, Ipv4Addr::from_bits(gateway.to_bits() & mask), own.prefix))
}

/// What a user must know if a route through the tunnel takes over addresses of a network that the machine is in
/// itself. A whole default route does not count: the local network is more specific.
fn clash(route: &Route, around: &Surroundings) -> Option<String> {
    let local = around.addresses.iter().find(|own| {
        own.dev != around.dev
            && own.dev != "lo"
            && route.prefix > 7
            && own.prefix < if own.address.is_ipv4() { 31 } else { 127 }
            && (route.contains(own.address) || covers(own.address, own.prefix, route.destination))
    })?;
    let LocalAddress { dev, address, prefix } = local;
    let effect = if route.prefix > *prefix {
        "these addresses of it are out of reach while the tunnel is up"
    } else {
        "what is there stays local and is out of reach through the tunnel"
    };
    let Route { destination, prefix: bits, .. } = route;
    Some(format!(
        "the route to {destination}/{bits} through the tunnel clashes with the local network {address}/{prefix} \
         on {dev}: {effect}"
    ))
}

#[cfg(test)]
mod tests;
