//! Routes through the tunnel and around it, as commands.

use std::net::{IpAddr, Ipv4Addr};

use adit::config::{Ipv4Route, Ipv6Route, RedirectGateway, RouteAddress, RouteSettings};

use super::hop::Hop;
use super::plan::Step;

/// What the system looks like before there are routes through the tunnel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The TUN device.
    pub(crate) dev: String,
    /// The other end of the tunnel (`vpn_gateway`), where it has an address.
    pub(crate) vpn: Option<Ipv4Addr>,
    /// The server's outer address (`remote_host`).
    pub(crate) remote: Option<IpAddr>,
    /// The way to it.
    pub(crate) to_remote: Option<Hop>,
    /// The default routes (`net_gateway`).
    pub(crate) net: Option<Hop>,
    pub(crate) net_v6: Option<Hop>,
}

/// The commands that put `routes` into force, and sentences about what cannot be.
pub(crate) fn route_steps(routes: &RouteSettings, around: &Surroundings) -> (Vec<Step>, Vec<String>) {
    let mut plan = Plan { around, routes, steps: Vec::new(), problems: Vec::new() };
    if let Some(redirect) = &routes.redirect_gateway {
        plan.redirect(redirect);
    }
    for route in &routes.ipv4 {
        plan.ipv4(route);
    }
    for route in &routes.ipv6 {
        plan.ipv6(route);
    }
    (plan.steps, plan.problems)
}

struct Plan<'a> {
    around: &'a Surroundings,
    routes: &'a RouteSettings,
    steps: Vec<Step>,
    problems: Vec<String>,
}

impl Plan<'_> {
    fn add(&mut self, v6: bool, destination: &str, hop: &str, metric: Option<u32>) {
        let metric = metric.or(self.routes.metric).filter(|&metric| metric > 0);
        let metric = metric.map_or_else(String::new, |metric| format!(" metric {metric}"));
        self.steps.push(Step::route(v6, &format!("{destination} {hop}{metric}")));
    }

    fn ipv4(&mut self, route: &Ipv4Route) {
        let destination = match route.destination {
            RouteAddress::Ip(address) => Ok(IpAddr::V4(address)),
            RouteAddress::VpnGateway => self.vpn().map(IpAddr::V4).ok_or("vpn_gateway"),
            RouteAddress::NetGateway => self.around.net.as_ref().and_then(|hop| hop.via).ok_or("net_gateway"),
            RouteAddress::RemoteHost => self.around.remote.filter(IpAddr::is_ipv4).ok_or("remote_host"),
        };
        let gateway = match route.gateway {
            RouteAddress::Ip(address) => self.reach(address),
            RouteAddress::VpnGateway => Ok(self.through_tunnel()),
            RouteAddress::NetGateway => self.around.net.as_ref().map(Hop::to_string).ok_or("net_gateway"),
            RouteAddress::RemoteHost => Err("remote_host"),
        };
        match (destination, gateway) {
            (Ok(destination), Ok(hop)) => {
                self.add(false, &format!("{destination}/{}", route.prefix), &hop, route.metric);
            }
            (Err(unknown), _) | (_, Err(unknown)) => self.unknown("route", unknown),
        }
    }

    fn ipv6(&mut self, route: &Ipv6Route) {
        let destination = format!("{}/{}", route.network.address, route.network.prefix);
        match (route.gateway, &self.around.net_v6) {
            (RouteAddress::NetGateway, Some(hop)) => {
                self.add(true, &destination, &hop.to_string(), route.metric)
            }
            (RouteAddress::NetGateway, None) => self.unknown("route-ipv6", "net_gateway"),
            (RouteAddress::RemoteHost, _) => self.unknown("route-ipv6", "remote_host"),
            // A TUN device has no neighbours to ask for: every gateway behind it is the device.
            (RouteAddress::VpnGateway | RouteAddress::Ip(_), _) => {
                self.add(true, &destination, &format!("dev {}", self.around.dev), route.metric);
            }
        }
    }

    fn redirect(&mut self, redirect: &RedirectGateway) {
        self.keep_server_reachable(redirect);
        if redirect.private {
            return;
        }
        if !redirect.not_ipv4 {
            let tunnel = self.through_tunnel();
            if redirect.def1 {
                self.add(false, "0.0.0.0/1", &tunnel, None);
                self.add(false, "128.0.0.0/1", &tunnel, None);
            } else {
                if let Some(hop) = &self.around.net {
                    let command = format!("route del default {hop}");
                    let undo = Some(format!("route add default {hop}"));
                    self.steps.push(Step { command, undo });
                }
                self.add(false, "default", &tunnel, None);
            }
        }
        if redirect.ipv6 {
            // More specific than any default route, so that none has to go; fc00::/7 takes in what is used locally.
            let tunnel = format!("dev {}", self.around.dev);
            for destination in ["::/3", "2000::/4", "3000::/4", "fc00::/7"] {
                self.add(true, destination, &tunnel, None);
            }
        }
    }

    /// The tunnel's own packets must not go into the tunnel. A server on our own network is reached without a router,
    /// by a route that is more specific already.
    fn keep_server_reachable(&mut self, redirect: &RedirectGateway) {
        if redirect.local {
            return;
        }
        match (self.around.remote, &self.around.to_remote) {
            (Some(remote), Some(hop)) if hop.via.is_some() => {
                let bits = if remote.is_ipv4() { 32 } else { 128 };
                self.steps.push(Step::route(remote.is_ipv6(), &format!("{remote}/{bits} {hop}")));
            }
            (Some(_), Some(_)) => {}
            (remote, _) => {
                let server = remote.map_or_else(|| "the server".to_owned(), |remote| remote.to_string());
                self.problems.push(format!(
                    "redirect-gateway: there is no route to {server} outside the tunnel, so that the tunnel may cut itself off"
                ));
            }
        }
    }

    fn vpn(&self) -> Option<Ipv4Addr> {
        self.routes.gateway.or(self.around.vpn)
    }

    fn through_tunnel(&self) -> String {
        let dev = &self.around.dev;
        self.vpn().map_or_else(|| format!("dev {dev}"), |gateway| format!("via {gateway} dev {dev}"))
    }

    /// By a router with an address: through the tunnel if it is the tunnel's end, else wherever the kernel finds it.
    fn reach(&self, gateway: Ipv4Addr) -> Result<String, &'static str> {
        Ok(if self.vpn() == Some(gateway) { self.through_tunnel() } else { format!("via {gateway}") })
    }

    fn unknown(&mut self, option: &str, name: &str) {
        self.problems.push(format!("{option}: {name} is not known here, so that the route is left out"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        let hop = |text| Hop::parse(text);
        Surroundings {
            dev: "tun0".into(),
            vpn: Some([10, 8, 0, 5].into()),
            remote: Some([203, 0, 113, 5].into()),
            to_remote: hop("203.0.113.5 via 192.0.2.1 dev eth0 src 192.0.2.7"),
            net: hop("default via 192.0.2.1 dev eth0"),
            net_v6: None,
        }
    }

    fn ipv4(destination: RouteAddress<Ipv4Addr>, prefix: u8, gateway: RouteAddress<Ipv4Addr>) -> Ipv4Route {
        Ipv4Route { destination, prefix, gateway, metric: None }
    }

    fn plan(routes: &RouteSettings, around: &Surroundings) -> (Vec<String>, Vec<String>) {
        let (steps, problems) = route_steps(routes, around);
        (steps.into_iter().map(|step| step.command).collect(), problems)
    }

    #[test]
    fn routes_by_every_kind_of_gateway() {
        let network = RouteAddress::Ip([10, 0, 0, 0].into());
        let mut routes = RouteSettings::default();
        routes.ipv4 = vec![
            ipv4(network, 16, RouteAddress::VpnGateway),
            Ipv4Route { metric: Some(7), ..ipv4(network, 8, RouteAddress::NetGateway) },
            ipv4(RouteAddress::RemoteHost, 32, RouteAddress::NetGateway),
            ipv4(network, 24, RouteAddress::Ip([10, 8, 0, 5].into())),
            ipv4(network, 25, RouteAddress::Ip([192, 0, 2, 99].into())),
        ];
        let (commands, problems) = plan(&routes, &around());
        assert_eq!(
            commands,
            [
                "route add 10.0.0.0/16 via 10.8.0.5 dev tun0",
                "route add 10.0.0.0/8 via 192.0.2.1 dev eth0 metric 7",
                "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
                "route add 10.0.0.0/24 via 10.8.0.5 dev tun0",
                "route add 10.0.0.0/25 via 192.0.2.99",
            ]
        );
        assert!(problems.is_empty());
        routes.gateway = Some([10, 8, 0, 1].into());
        routes.metric = Some(50);
        assert_eq!(plan(&routes, &around()).0[0], "route add 10.0.0.0/16 via 10.8.0.1 dev tun0 metric 50");
    }

    #[test]
    fn the_default_route_in_two_halves() {
        let mut redirect = RedirectGateway::default();
        redirect.def1 = true;
        redirect.ipv6 = true;
        let mut routes = RouteSettings::default();
        routes.redirect_gateway = Some(redirect);
        let (steps, _) = route_steps(&routes, &around());
        let commands: Vec<&str> = steps.iter().map(|step| step.command.as_str()).collect();
        assert_eq!(
            commands,
            [
                "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
                "route add 0.0.0.0/1 via 10.8.0.5 dev tun0",
                "route add 128.0.0.0/1 via 10.8.0.5 dev tun0",
                "-6 route add ::/3 dev tun0",
                "-6 route add 2000::/4 dev tun0",
                "-6 route add 3000::/4 dev tun0",
                "-6 route add fc00::/7 dev tun0",
            ]
        );
        assert_eq!(steps[0].undo.as_deref(), Some("route del 203.0.113.5/32 via 192.0.2.1 dev eth0"));
    }

    #[test]
    fn the_default_route_replaced_and_restored() {
        let mut redirect = RedirectGateway::default();
        redirect.local = true;
        let mut routes = RouteSettings::default();
        routes.redirect_gateway = Some(redirect);
        let (steps, _) = route_steps(&routes, &around());
        assert_eq!(steps[0].command, "route del default via 192.0.2.1 dev eth0");
        assert_eq!(steps[0].undo.as_deref(), Some("route add default via 192.0.2.1 dev eth0"));
        assert_eq!(steps[1].command, "route add default via 10.8.0.5 dev tun0");
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn a_server_next_door_needs_no_route_and_an_unreachable_one_is_told() {
        let mut redirect = RedirectGateway::default();
        redirect.private = true;
        let mut routes = RouteSettings::default();
        routes.redirect_gateway = Some(redirect);
        let next_door = Surroundings { to_remote: Hop::parse("203.0.113.5 dev eth0"), ..around() };
        assert_eq!(plan(&routes, &next_door), (vec![], vec![]));
        let nowhere = Surroundings { to_remote: None, ..around() };
        let (commands, problems) = plan(&routes, &nowhere);
        assert!(commands.is_empty());
        assert!(problems[0].contains("no route to 203.0.113.5"));
    }

    #[test]
    fn an_unknown_gateway_leaves_the_route_out() {
        let mut routes = RouteSettings::default();
        routes.ipv4 = vec![ipv4(RouteAddress::Ip([10, 0, 0, 0].into()), 8, RouteAddress::NetGateway)];
        let (commands, problems) = plan(&routes, &Surroundings { net: None, ..around() });
        assert!(commands.is_empty());
        assert_eq!(problems, ["route: net_gateway is not known here, so that the route is left out"]);
    }
}
