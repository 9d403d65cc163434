//! Routes through the tunnel, as a profile or a server's push names them. Applying them is the host's.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::server::{Ipv4Network, Ipv6Network};
use super::values;

/// Everything that says where packets go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteSettings {
    /// `route`, in order.
    pub ipv4: Vec<Ipv4Route>,
    /// `route` to a host by its name: the host looks it up, for one route to each of its addresses.
    pub named: Vec<NamedRoute>,
    /// `route-ipv6`, in order.
    pub ipv6: Vec<Ipv6Route>,
    /// `route-gateway`: what `vpn_gateway` means, where it is not the other end's address.
    pub gateway: Option<Ipv4Addr>,
    /// `route-ipv6-gateway`
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// `route-metric`: the metric of routes that name none.
    pub metric: Option<u32>,
    /// `route-delay`: when routes are added, after the device is up; `None` at once.
    pub delay: Option<RouteDelay>,
    /// `redirect-gateway`, `redirect-private`
    pub redirect_gateway: Option<RedirectGateway>,
    /// `block-ipv6`: answer inner IPv6 packets with an ICMP error instead of sending them.
    pub block_ipv6: bool,
}

/// `route NETWORK NETMASK GATEWAY METRIC`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Route {
    /// Where to: a network's address, or a special name for a single one.
    pub destination: RouteAddress<Ipv4Addr>,
    /// The length of the prefix in bits.
    pub prefix: u8,
    /// By way of.
    pub gateway: RouteAddress<Ipv4Addr>,
    /// The metric, if it is not `route-metric`'s.
    pub metric: Option<u32>,
}

/// `route NAME NETMASK GATEWAY METRIC`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRoute {
    /// The host's name, that passed as a domain's.
    pub name: String,
    /// The route to each of its addresses, which stand in place of this one's destination.
    pub route: Ipv4Route,
}

impl NamedRoute {
    /// The route to `address`, one of those that the name stands for.
    pub fn to(&self, address: Ipv4Addr) -> Ipv4Route {
        let network = Ipv4Network::containing(address, self.route.prefix).address;
        Ipv4Route { destination: RouteAddress::Ip(network), ..self.route }
    }
}

/// `route-delay AFTER WINDOW`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteDelay {
    /// How long after the device is up.
    pub after: Duration,
    /// For how long to try, where the first attempt fails.
    pub window: Duration,
}

/// `route-ipv6 NETWORK/BITS GATEWAY METRIC`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Route {
    /// Where to.
    pub network: Ipv6Network,
    /// By way of.
    pub gateway: RouteAddress<Ipv6Addr>,
    /// The metric, if it is not `route-metric`'s.
    pub metric: Option<u32>,
}

/// An address in a route, or a name for one that only the host knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAddress<A> {
    /// The address itself.
    Ip(A),
    /// `vpn_gateway`: the other end of the tunnel, or `route-gateway`.
    VpnGateway,
    /// `net_gateway`: where the default route led before there was a tunnel.
    NetGateway,
    /// `remote_host`: the server's outer address.
    RemoteHost,
}

/// The flags of `redirect-gateway`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectGateway {
    /// `redirect-private` and no `redirect-gateway`: only the flags' side effects; the default route stays.
    pub private: bool,
    /// `local`: the server is on a directly connected network and needs no route of its own.
    pub local: bool,
    /// `autolocal`: find that out.
    pub autolocal: bool,
    /// `def1`: two routes of /1 instead of replacing the default route.
    pub def1: bool,
    /// `bypass-dhcp`: keep the DHCP server reachable directly; on Linux nothing to do, as in OpenVPN.
    pub bypass_dhcp: bool,
    /// `bypass-dns`: keep the DNS servers reachable directly; on Linux nothing to do, as in OpenVPN.
    pub bypass_dns: bool,
    /// `block-local`: let nothing reach the local network but the gateway.
    pub block_local: bool,
    /// `ipv6`: the IPv6 default route too.
    pub ipv6: bool,
    /// `!ipv4`: the IPv4 default route not.
    pub not_ipv4: bool,
}

impl RouteSettings {
    /// Takes the option in if it is one of these. `None` if it is none of them, else whether its words are right.
    pub(crate) fn apply(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        Some(match words {
            ["route", network, rest @ ..] if rest.len() <= 3 => self.ipv4_route(network, rest),
            ["route-ipv6", network, rest @ ..] if rest.len() <= 2 => {
                ipv6_route(network, rest).map(|route| self.ipv6.push(route))
            }
            ["route-gateway", "dhcp"] => Err("'dhcp' is for Ethernet tunnels (tap)".into()),
            ["route-gateway", address] => values::ipv4(address).map(|address| self.gateway = Some(address)),
            ["route-ipv6-gateway", address] => {
                values::ipv6(address).map(|address| self.ipv6_gateway = Some(address))
            }
            ["route-metric", metric] => parse_metric(metric).map(|metric| self.metric = Some(metric)),
            ["route-delay", rest @ ..] if rest.len() <= 2 => {
                route_delay(rest).map(|delay| self.delay = Some(delay))
            }
            [name @ ("redirect-gateway" | "redirect-private"), flags @ ..] => {
                let before = self.redirect_gateway;
                let mut redirect = before.unwrap_or_default();
                // Where both stand, the gateway is redirected.
                redirect.private =
                    *name == "redirect-private" && before.is_none_or(|redirect| redirect.private);
                redirect.set(flags).map(|()| self.redirect_gateway = Some(redirect))
            }
            ["block-ipv6"] => {
                self.block_ipv6 = true;
                Ok(())
            }
            _ => return None,
        })
    }

    fn ipv4_route(&mut self, network: &str, rest: &[&str]) -> Result<(), String> {
        // What has only digits and dots is an address, or a slip.
        let is_name = special::<Ipv4Addr>(network).is_none()
            && network.contains(|c: char| !c.is_ascii_digit() && c != '.');
        if is_name {
            let name = values::domain(network)
                .map_err(|_| format!("'{network}' is neither an IPv4 address nor a host's name"))?;
            let route = ipv4_route("0.0.0.0", rest)?;
            self.named.push(NamedRoute { name, route });
        } else {
            self.ipv4.push(ipv4_route(network, rest)?);
        }
        Ok(())
    }
}

impl RedirectGateway {
    fn set(&mut self, flags: &[&str]) -> Result<(), String> {
        for flag in flags {
            match *flag {
                "local" => self.local = true,
                "autolocal" => self.autolocal = true,
                "def1" => self.def1 = true,
                "bypass-dhcp" => self.bypass_dhcp = true,
                "bypass-dns" => self.bypass_dns = true,
                "block-local" => self.block_local = true,
                "ipv6" => self.ipv6 = true,
                "!ipv4" => self.not_ipv4 = true,
                other => {
                    return Err(format!(
                        "'{other}' is not one of local, autolocal, def1, bypass-dhcp, bypass-dns, block-local, ipv6, !ipv4"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Host bits of the network are cleared, as a kernel would refuse them.
fn ipv4_route(network: &str, rest: &[&str]) -> Result<Ipv4Route, String> {
    let [mask, gateway, metric] = padded(rest);
    let destination = special(network).map_or_else(|| values::ipv4(network).map(RouteAddress::Ip), Ok)?;
    let prefix = mask.map_or(Ok(32), values::netmask)?;
    Ok(Ipv4Route {
        destination: match destination {
            RouteAddress::Ip(address) => RouteAddress::Ip(Ipv4Network::containing(address, prefix).address),
            special => special,
        },
        prefix,
        gateway: route_gateway(gateway, values::ipv4)?,
        metric: metric.map(parse_metric).transpose()?,
    })
}

fn ipv6_route(network: &str, rest: &[&str]) -> Result<Ipv6Route, String> {
    let [gateway, metric] = padded(rest);
    let (address, prefix) = values::ipv6_with_prefix(network)?;
    Ok(Ipv6Route {
        network: Ipv6Network::containing(address, prefix),
        gateway: route_gateway(gateway, values::ipv6)?,
        metric: metric.map(parse_metric).transpose()?,
    })
}

/// The words of optional places; `default` stands for "not given".
fn padded<'a, const N: usize>(words: &[&'a str]) -> [Option<&'a str>; N] {
    core::array::from_fn(|n| words.get(n).copied().filter(|word| *word != "default"))
}

fn route_gateway<A>(
    word: Option<&str>,
    parse: impl Fn(&str) -> Result<A, String>,
) -> Result<RouteAddress<A>, String> {
    let Some(word) = word else { return Ok(RouteAddress::VpnGateway) };
    special(word).map_or_else(|| parse(word).map(RouteAddress::Ip), Ok)
}

fn special<A>(word: &str) -> Option<RouteAddress<A>> {
    match word {
        "vpn_gateway" => Some(RouteAddress::VpnGateway),
        "net_gateway" => Some(RouteAddress::NetGateway),
        "remote_host" => Some(RouteAddress::RemoteHost),
        _ => None,
    }
}

fn route_delay(words: &[&str]) -> Result<RouteDelay, String> {
    /// OpenVPN's own.
    const WINDOW: Duration = Duration::from_secs(30);
    let seconds = |word: Option<&&str>| word.map(|word| values::seconds(word, 0)).transpose();
    let after = seconds(words.first())?.unwrap_or_default();
    let window = seconds(words.get(1))?.unwrap_or(WINDOW);
    Ok(RouteDelay { after, window })
}

fn parse_metric(word: &str) -> Result<u32, String> {
    values::number(word, 0..=i32::MAX as u64)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn parse(line: &str) -> Result<RouteSettings, String> {
        let words: Vec<_> = line.split(' ').collect();
        let mut routes = RouteSettings::default();
        routes.apply(&words).ok_or_else(|| "not a route option".to_string())?.map(|()| routes)
    }

    #[test]
    fn ipv4_routes() {
        let route = |line| parse(line).map(|routes| routes.ipv4[0]);
        let plain = Ipv4Route {
            destination: RouteAddress::Ip(Ipv4Addr::new(10, 0, 0, 0)),
            prefix: 16,
            gateway: RouteAddress::VpnGateway,
            metric: None,
        };
        assert_eq!(route("route 10.0.0.0 255.255.0.0"), Ok(plain));
        assert_eq!(route("route 10.0.3.4 255.255.0.0"), Ok(plain));
        assert_eq!(
            route("route 10.0.0.0 255.255.0.0 net_gateway 5"),
            Ok(Ipv4Route { gateway: RouteAddress::NetGateway, metric: Some(5), ..plain })
        );
        assert_eq!(
            route("route remote_host default default 7"),
            Ok(Ipv4Route {
                destination: RouteAddress::RemoteHost,
                prefix: 32,
                gateway: RouteAddress::VpnGateway,
                metric: Some(7)
            })
        );
        assert!(route("route 10.0.0.0 255.0.255.0").is_err());
        assert!(route("route 10.0.0.0 255.0.0.0 vpn_gateway 1 2").is_err());
        for wrong in ["route 10.0.0", "route exa;mple.com", "route 10.0.0.0/8"] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_stands_for_addresses() {
        let routes = parse("route www.example.com 255.255.255.0 net_gateway 5").unwrap();
        let [named] = &routes.named[..] else { panic!("{routes:?}") };
        assert_eq!(named.name, "www.example.com");
        assert_eq!(
            named.to([192, 0, 2, 77].into()),
            Ipv4Route {
                destination: RouteAddress::Ip(Ipv4Addr::new(192, 0, 2, 0)),
                prefix: 24,
                gateway: RouteAddress::NetGateway,
                metric: Some(5)
            }
        );
    }

    #[test]
    fn routes_may_wait() {
        let delay = |line| parse(line).map(|routes| routes.delay.map(|delay| (delay.after, delay.window)));
        let seconds = Duration::from_secs;
        assert_eq!(delay("route-delay"), Ok(Some((seconds(0), seconds(30)))));
        assert_eq!(delay("route-delay 5 60"), Ok(Some((seconds(5), seconds(60)))));
        assert!(delay("route-delay x").is_err());
    }

    #[test]
    fn ipv6_routes() {
        let route = parse("route-ipv6 2001:db8:1::5/64 fe80::1 3").unwrap().ipv6[0];
        assert_eq!(route.network.address.to_string(), "2001:db8:1::");
        assert_eq!((route.network.prefix, route.metric), (64, Some(3)));
        assert_eq!(route.gateway, RouteAddress::Ip("fe80::1".parse().unwrap()));
    }

    #[test]
    fn gateways_of_all_routes() {
        let mut routes = RouteSettings::default();
        assert_eq!(routes.apply(&["route-ipv6-gateway", "fd07::9"]), Some(Ok(())));
        assert_eq!(routes.apply(&["route-gateway", "10.7.0.9"]), Some(Ok(())));
        assert_eq!(routes.ipv6_gateway, Some(Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, 0, 9)));
        assert_eq!(routes.gateway, Some(Ipv4Addr::new(10, 7, 0, 9)));
        assert!(routes.apply(&["route-ipv6-gateway", "10.7.0.9"]).is_some_and(|applied| applied.is_err()));
    }

    #[test]
    fn flags_of_redirect_gateway() {
        let redirect =
            parse("redirect-gateway def1 bypass-dhcp ipv6 !ipv4").unwrap().redirect_gateway.unwrap();
        assert!(
            redirect.def1 && redirect.bypass_dhcp && redirect.ipv6 && redirect.not_ipv4 && !redirect.private
        );
        let mut both = parse("redirect-private").unwrap();
        assert!(both.redirect_gateway.unwrap().private);
        for words in [["redirect-gateway", "def1"], ["redirect-private", "local"]] {
            both.apply(&words).unwrap().unwrap();
            assert!(!both.redirect_gateway.unwrap().private);
        }
        assert!(parse("redirect-gateway def2").unwrap_err().contains("'def2' is not one of"));
    }
}
