//! The TUN device's addresses, as commands.

use std::net::{Ipv4Addr, Ipv6Addr};

use adit::config::Ipv4Network;

/// A command for `ip`, and the one that takes it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) undo: Option<String>,
}

impl Step {
    /// A step that needs no undoing.
    pub(crate) fn once(command: String) -> Self {
        Self { command, undo: None }
    }

    /// `ip route add ROUTE`, and `ip route del ROUTE`; IPv6 if `v6`.
    pub(crate) fn route(v6: bool, route: &str) -> Self {
        let family = if v6 { "-6 " } else { "" };
        Self {
            command: format!("{family}route add {route}"),
            undo: Some(format!("{family}route del {route}")),
        }
    }

    fn address(v6: bool, dev: &str, address: &str, more: &str) -> Self {
        let family = if v6 { "-6 " } else { "" };
        Self {
            command: format!("{family}addr add dev {dev} {address}{more}"),
            undo: Some(format!("{family}addr del dev {dev} {address}")),
        }
    }
}

/// How the TUN device is to be set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// `tun-mtu`, in bytes.
    pub(crate) mtu: u16,
    pub(crate) ipv4: Option<Ipv4Setup>,
    pub(crate) ipv6: Option<Ipv6Setup>,
}

/// `ifconfig`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv4Setup {
    /// `topology subnet`: an address in a network.
    Subnet { address: Ipv4Addr, prefix: u8 },
    /// `topology net30` and `p2p`: an address and that of the other end.
    PointToPoint { local: Ipv4Addr, peer: Ipv4Addr },
}

/// `ifconfig-ipv6`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ipv6Setup {
    pub(crate) address: Ipv6Addr,
    pub(crate) prefix: u8,
}

/// Brings `dev` up with its addresses.
pub(crate) fn interface_steps(dev: &str, interface: &Interface) -> Vec<Step> {
    let mut steps = vec![Step::once(format!("link set dev {dev} up mtu {}", interface.mtu))];
    steps.extend(interface.ipv4.map(|setup| match setup {
        Ipv4Setup::Subnet { address, prefix } => {
            Step::address(false, dev, &format!("{address}/{prefix}"), " broadcast +")
        }
        Ipv4Setup::PointToPoint { local, peer } => {
            Step::address(false, dev, &format!("local {local} peer {peer}"), "")
        }
    }));
    steps.extend(
        interface.ipv6.map(|Ipv6Setup { address, prefix }| {
            Step::address(true, dev, &format!("{address}/{prefix}"), "")
        }),
    );
    steps
}

/// The route of a server to its whole pool, where the device's address does not bring it along (net30, p2p).
pub(crate) fn pool_route(dev: &str, pool: Ipv4Network, setup: Ipv4Setup) -> Option<Step> {
    match setup {
        Ipv4Setup::Subnet { .. } => None,
        Ipv4Setup::PointToPoint { peer, .. } => {
            Some(Step::route(false, &format!("{}/{} via {peer} dev {dev}", pool.address, pool.prefix)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.command.as_str()).collect()
    }

    #[test]
    fn a_subnet_with_ipv6() {
        let interface = Interface {
            mtu: 1500,
            ipv4: Some(Ipv4Setup::Subnet { address: [10, 8, 0, 1].into(), prefix: 24 }),
            ipv6: Some(Ipv6Setup { address: "fd00::1".parse().unwrap(), prefix: 64 }),
        };
        let steps = interface_steps("tun0", &interface);
        assert_eq!(
            commands(&steps),
            [
                "link set dev tun0 up mtu 1500",
                "addr add dev tun0 10.8.0.1/24 broadcast +",
                "-6 addr add dev tun0 fd00::1/64",
            ]
        );
        assert_eq!(steps[1].undo.as_deref(), Some("addr del dev tun0 10.8.0.1/24"));
    }

    #[test]
    fn point_to_point_needs_a_route_to_the_pool() {
        let setup = Ipv4Setup::PointToPoint { local: [10, 8, 0, 1].into(), peer: [10, 8, 0, 2].into() };
        let interface = Interface { mtu: 1400, ipv4: Some(setup), ipv6: None };
        assert_eq!(
            commands(&interface_steps("tun7", &interface)),
            ["link set dev tun7 up mtu 1400", "addr add dev tun7 local 10.8.0.1 peer 10.8.0.2"]
        );
        let pool = Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 };
        let step = pool_route("tun7", pool, setup).unwrap();
        assert_eq!(step.command, "route add 10.8.0.0/24 via 10.8.0.2 dev tun7");
        let subnet = Ipv4Setup::Subnet { address: [10, 8, 0, 1].into(), prefix: 24 };
        assert_eq!(pool_route("tun7", pool, subnet), None);
    }
}
