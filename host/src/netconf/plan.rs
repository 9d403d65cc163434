//! The TUN device's addresses, as changes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use adit::config::Ipv4Network;

use super::change::{Address, Change, Route};

/// How the TUN device is to be set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// `tun-mtu`, in bytes.
    pub(crate) mtu: u16,
    /// `txqueuelen`, in packets.
    pub(crate) queue: Option<u32>,
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
pub(crate) fn interface_steps(dev: &str, interface: &Interface) -> Vec<Change> {
    let address = |address: IpAddr, prefix, peer| {
        Change::AddAddress(Address { dev: dev.to_owned(), address, prefix, peer })
    };
    let ipv4 = interface.ipv4.map(|setup| match setup {
        Ipv4Setup::Subnet { address: own, prefix } => address(own.into(), prefix, None),
        Ipv4Setup::PointToPoint { local, peer } => address(local.into(), 32, Some(peer)),
    });
    let ipv6 = interface.ipv6.map(|setup| address(setup.address.into(), setup.prefix, None));
    let up = Change::Up { dev: dev.to_owned(), mtu: interface.mtu, queue: interface.queue };
    [up].into_iter().chain(ipv4).chain(ipv6).collect()
}

/// The route of a server to its whole pool, where the device's address does not bring it along (net30, p2p).
pub(crate) fn pool_route(dev: &str, pool: Ipv4Network, setup: Ipv4Setup) -> Option<Change> {
    match setup {
        Ipv4Setup::Subnet { .. } => None,
        Ipv4Setup::PointToPoint { peer, .. } => Some(Change::AddRoute(Route {
            via: Some(peer.into()),
            dev: Some(dev.to_owned()),
            ..Route::to(pool.address, pool.prefix)
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(steps: &[Change]) -> Vec<String> {
        steps.iter().map(Change::to_string).collect()
    }

    #[test]
    fn a_subnet_with_ipv6() {
        let interface = Interface {
            mtu: 1500,
            queue: None,
            ipv4: Some(Ipv4Setup::Subnet { address: [10, 8, 0, 1].into(), prefix: 24 }),
            ipv6: Some(Ipv6Setup { address: "fd00::1".parse().unwrap(), prefix: 64 }),
        };
        let steps = interface_steps("tun0", &interface);
        assert_eq!(
            texts(&steps),
            [
                "link set dev tun0 up mtu 1500",
                "address add 10.8.0.1/24 dev tun0",
                "address add fd00::1/64 dev tun0",
            ]
        );
        let undo = steps[1].inverse().map(|change| change.to_string());
        assert_eq!(undo.as_deref(), Some("address del 10.8.0.1/24 dev tun0"));
    }

    #[test]
    fn point_to_point_needs_a_route_to_the_pool() {
        let setup = Ipv4Setup::PointToPoint { local: [10, 8, 0, 1].into(), peer: [10, 8, 0, 2].into() };
        let interface = Interface { mtu: 1400, queue: Some(500), ipv4: Some(setup), ipv6: None };
        assert_eq!(
            texts(&interface_steps("tun7", &interface)),
            [
                "link set dev tun7 up mtu 1400 txqueuelen 500",
                "address add 10.8.0.1/32 peer 10.8.0.2 dev tun7"
            ]
        );
        let pool = Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 };
        let step = pool_route("tun7", pool, setup).unwrap();
        assert_eq!(step.to_string(), "route add 10.8.0.0/24 via 10.8.0.2 dev tun7");
        let subnet = Ipv4Setup::Subnet { address: [10, 8, 0, 1].into(), prefix: 24 };
        assert_eq!(pool_route("tun7", pool, subnet), None);
    }
}
