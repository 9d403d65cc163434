use adit::config::RedirectGateway;

use super::*;

fn around() -> Surroundings {
    let hop = Hop { via: Some([192, 0, 2, 1].into()), dev: "eth0".into(), source: None };
    let net = Route { via: hop.via, dev: Some("eth0".into()), ..Route::to(Ipv4Addr::UNSPECIFIED, 0) };
    Surroundings {
        dev: "tun0".into(),
        vpn: Some([10, 8, 0, 5].into()),
        has_ipv6: true,
        remote: Some([203, 0, 113, 5].into()),
        to_remote: Some(hop),
        net: Some(net),
        net_v6: None,
        addresses: vec![local("eth0", [192, 0, 2, 7], 24)],
    }
}

fn local(dev: &str, address: [u8; 4], prefix: u8) -> LocalAddress {
    LocalAddress { dev: dev.into(), address: address.into(), prefix }
}

fn ipv4(destination: RouteAddress<Ipv4Addr>, prefix: u8, gateway: RouteAddress<Ipv4Addr>) -> Ipv4Route {
    Ipv4Route { destination, prefix, gateway, metric: None }
}

fn redirecting(set: impl FnOnce(&mut RedirectGateway)) -> RouteSettings {
    let mut redirect = RedirectGateway::default();
    set(&mut redirect);
    let mut routes = RouteSettings::default();
    routes.redirect_gateway = Some(redirect);
    routes
}

fn plan(routes: &RouteSettings, around: &Surroundings) -> (Vec<String>, Vec<String>) {
    let (changes, problems) = route_steps(routes, around);
    (changes.iter().map(Change::to_string).collect(), problems)
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
    let (changes, problems) = plan(&routes, &around());
    assert_eq!(
        changes,
        [
            "route add 10.0.0.0/8 via 192.0.2.1 dev eth0 metric 7",
            "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
            "route add 10.0.0.0/16 via 10.8.0.5",
            "route add 10.0.0.0/24 via 10.8.0.5",
            "route add 10.0.0.0/25 via 192.0.2.99",
        ]
    );
    assert!(problems.is_empty());
    routes.gateway = Some([10, 8, 0, 1].into());
    routes.metric = Some(50);
    assert_eq!(plan(&routes, &around()).0[2], "route add 10.0.0.0/16 via 10.8.0.1 metric 50");
    let nameless = Surroundings { vpn: None, ..around() };
    routes.gateway = None;
    assert_eq!(plan(&routes, &nameless).0[2], "route add 10.0.0.0/16 dev tun0 metric 50");
}

#[test]
fn the_default_route_in_two_halves() {
    let mut routes = redirecting(|redirect| {
        redirect.def1 = true;
        redirect.ipv6 = true;
    });
    routes.metric = Some(9);
    let (changes, _) = route_steps(&routes, &around());
    let texts: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert_eq!(
        texts,
        [
            "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
            "route add 0.0.0.0/1 via 10.8.0.5",
            "route add 128.0.0.0/1 via 10.8.0.5",
            "route add ::/3 dev tun0 metric 9",
            "route add 2000::/4 dev tun0 metric 9",
            "route add 3000::/4 dev tun0 metric 9",
            "route add fc00::/7 dev tun0 metric 9",
        ]
    );
    let undo = changes[0].inverse().map(|change| change.to_string());
    assert_eq!(undo.as_deref(), Some("route del 203.0.113.5/32 via 192.0.2.1 dev eth0"));
    let without_address = Surroundings { has_ipv6: false, ..around() };
    assert_eq!(plan(&routes, &without_address).0.len(), 3);
}

#[test]
fn the_default_route_replaced_and_restored() {
    let routes = redirecting(|redirect| redirect.local = true);
    let (changes, _) = route_steps(&routes, &around());
    assert_eq!(changes[0].to_string(), "route del 0.0.0.0/0 via 192.0.2.1 dev eth0");
    let undo = changes[0].inverse().map(|change| change.to_string());
    assert_eq!(undo.as_deref(), Some("route add 0.0.0.0/0 via 192.0.2.1 dev eth0"));
    assert_eq!(changes[1].to_string(), "route add 0.0.0.0/0 via 10.8.0.5");
    assert_eq!(changes.len(), 2);
    // One with a metric need not go: ours is better.
    let mut around = around();
    around.net = around.net.map(|net| Route { metric: Some(100), ..net });
    assert_eq!(plan(&routes, &around).0, ["route add 0.0.0.0/0 via 10.8.0.5"]);
}

#[test]
fn the_local_network_blocked() {
    let routes = redirecting(|redirect| {
        redirect.private = true;
        redirect.block_local = true;
    });
    assert_eq!(
        plan(&routes, &around()).0,
        [
            "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
            "route add 192.0.2.1/32 via 192.0.2.1 dev eth0",
            "route add 192.0.2.128/25 via 10.8.0.5",
            "route add 192.0.2.0/25 via 10.8.0.5",
        ]
    );
}

#[test]
fn only_ipv6() {
    let routes = redirecting(|redirect| {
        redirect.not_ipv4 = true;
        redirect.ipv6 = true;
    });
    assert_eq!(plan(&routes, &around()).0.len(), 4);
}

#[test]
fn a_server_next_door_and_one_that_cannot_be_reached() {
    let routes = redirecting(|redirect| redirect.private = true);
    let hop = Hop { via: None, dev: "eth0".into(), source: None };
    let next_door = Surroundings { to_remote: Some(hop), ..around() };
    assert_eq!(plan(&routes, &next_door), (vec!["route add 203.0.113.5/32 dev eth0".into()], vec![]));
    let nowhere = Surroundings { to_remote: None, ..around() };
    let (changes, problems) = plan(&routes, &nowhere);
    assert!(changes.is_empty());
    assert!(problems[0].contains("no route to the server 203.0.113.5"));
}

#[test]
fn a_route_that_holds_the_server_leaves_it_out() {
    let mut routes = RouteSettings::default();
    let network = RouteAddress::Ip([203, 0, 113, 0].into());
    routes.ipv4 = vec![ipv4(network, 24, RouteAddress::VpnGateway)];
    assert_eq!(
        plan(&routes, &around()).0,
        ["route add 203.0.113.5/32 via 192.0.2.1 dev eth0", "route add 203.0.113.0/24 via 10.8.0.5"]
    );
    let remote = "2001:db8::1".parse().unwrap();
    let hop = Hop { via: Some("fe80::1".parse().unwrap()), dev: "eth0".into(), source: None };
    let by_ipv6 = Surroundings { remote: Some(remote), to_remote: Some(hop), ..around() };
    let routes = redirecting(|redirect| {
        redirect.not_ipv4 = true;
        redirect.ipv6 = true;
    });
    assert_eq!(plan(&routes, &by_ipv6).0[0], "route add 2001:db8::1/128 via fe80::1 dev eth0 metric 1");
}

#[test]
fn a_clash_with_the_local_network_is_told() {
    let mut routes = RouteSettings::default();
    routes.ipv4 = vec![
        ipv4(RouteAddress::Ip([10, 0, 0, 0].into()), 8, RouteAddress::VpnGateway),
        ipv4(RouteAddress::Ip([10, 0, 0, 128].into()), 25, RouteAddress::VpnGateway),
        ipv4(RouteAddress::Ip([172, 16, 0, 0].into()), 12, RouteAddress::VpnGateway),
    ];
    let around = Surroundings { addresses: vec![local("wlan0", [10, 0, 0, 9], 24)], ..around() };
    let (_, problems) = plan(&routes, &around);
    assert_eq!(
        problems,
        [
            "the route to 10.0.0.0/8 through the tunnel clashes with the local network 10.0.0.9/24 on wlan0: what \
             is there stays local and is out of reach through the tunnel",
            "the route to 10.0.0.128/25 through the tunnel clashes with the local network 10.0.0.9/24 on wlan0: \
             these addresses of it are out of reach while the tunnel is up",
        ]
    );
}

#[test]
fn an_unknown_gateway_leaves_the_route_out() {
    let mut routes = RouteSettings::default();
    routes.ipv4 = vec![ipv4(RouteAddress::Ip([10, 0, 0, 0].into()), 8, RouteAddress::NetGateway)];
    let (changes, problems) = plan(&routes, &Surroundings { net: None, ..around() });
    assert!(changes.is_empty());
    assert_eq!(problems, ["route: net_gateway is not known here, so that the route is left out"]);
}
