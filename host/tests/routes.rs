//! Routes of a client: the same as stock OpenVPN's for the same options, gone afterwards, quick if they are many, and
//! following the network underneath.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::fmt::Write as _;
use core::time::Duration;

use lab::names::NameServer;
use lab::network::{Namespace, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::{PATIENCE, run_cases, traffic, wait_until};
use rustix::process::Signal;

/// The server's addresses behind a router, which is the server's namespace too.
const FAR_IPV4: &str = "198.51.100.1";
const FAR_IPV6: &str = "2001:db8:ffff::1";

impl Place {
    /// A client's namespace with default routes, and a server that is not on its own network.
    fn routed(name: &str) -> Self {
        let place = Self::within(name);
        let network = &place.network;
        for address in [format!("{FAR_IPV4}/32"), format!("{FAR_IPV6}/128")] {
            network.server.run("ip", &["address", "add", &address, "dev", "lo"]);
        }
        network.client.run("ip", &["route", "add", "default", "via", SERVER_IPV4]);
        network.client.run("ip", &["-6", "route", "add", "default", "via", "2001:db8::1"]);
        place
    }

    fn serve(&self, program: Program, more: &str) -> Process {
        // So that answers come from the address that was asked.
        let multihome = if program == Stock { "multihome\n" } else { "" };
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/64\nproto udp6\n\
             {multihome}dh none\nverb 3\nduplicate-cn\nkeepalive 10 60\n{pki}{more}"
        );
        self.up_at_server(program, "server", &text)
    }

    fn connect(&self, program: Program, more: &str) -> Process {
        self.up_at_client(program, &format!("{program:?}"), &client_text(more))
    }
}

/// The routes and addresses of a namespace, in an order of their own.
fn tables(namespace: &Namespace) -> String {
    let mut text = String::new();
    for (family, what) in [("-4", "route"), ("-6", "route"), ("-4", "address"), ("-6", "address")] {
        let shown = namespace.run("ip", &[family, "-o", what, "show"]);
        let mut lines: Vec<String> = shown
            .lines()
            // Numbers of devices, addresses that the kernel draws at random, and those that the pool deals out.
            .map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest))
            .filter(|line| !line.contains("inet6 fe80::"))
            .map(|line| line.split_ascii_whitespace().map(without_host).collect::<Vec<_>>().join(" "))
            .collect();
        lines.sort_unstable();
        let _ = writeln!(text, "{family} {what}\n{}", lines.join("\n"));
    }
    text
}

/// A word of a table, less what the pool chose in it.
fn without_host(word: &str) -> String {
    let (address, prefix) = word.split_once('/').unwrap_or((word, ""));
    let dealt =
        |pool: &str| address.strip_prefix(pool).is_some_and(|host| !["1", "", "0", "99"].contains(&host));
    match ["10.8.0.", "fd00:8::"].iter().find(|pool| dealt(pool)) {
        Some(pool) => format!("{pool}X/{prefix}"),
        None => word.to_owned(),
    }
}

/// Some options of a client.
struct Case {
    name: &'static str,
    options: &'static str,
    remote: &'static str,
}

const fn case(name: &'static str, options: &'static str) -> Case {
    Case { name, options, remote: FAR_IPV4 }
}

const CASES: &[&[Case]] = &[
    &[
        case("pushed routes", ""),
        case(
            "keywords",
            "route 10.20.0.0 255.255.0.0 net_gateway\nroute remote_host 255.255.255.255 net_gateway\n\
             route 10.21.0.0 255.255.0.0 vpn_gateway 9\nroute 10.22.0.0 255.255.0.0 192.0.2.77\n\
             route 10.23.0.1\nroute 10.24.0.0 255.255.0.0 default 5\nroute-gateway 10.8.0.99\n",
        ),
        case("route-metric", "route-metric 77\nredirect-gateway def1 ipv6\n"),
        case("redirect-gateway", "redirect-gateway\n"),
        case("def1", "redirect-gateway def1\n"),
        case("def1 local", "redirect-gateway def1 local\n"),
        case("autolocal", "redirect-gateway autolocal def1\n"),
        case("bypass", "redirect-gateway def1 bypass-dhcp bypass-dns\n"),
    ],
    &[
        case("block-local", "redirect-gateway def1 block-local\n"),
        case("ipv6", "redirect-gateway def1 ipv6\n"),
        case("ipv6 !ipv4", "redirect-gateway ipv6 !ipv4\n"),
        case("private", "redirect-private block-local\n"),
        case("both", "redirect-private def1\nredirect-gateway\n"),
        case("gateway, then private", "redirect-gateway def1\nredirect-private bypass-dns\n"),
        Case { name: "next door", options: "redirect-gateway def1\n", remote: SERVER_IPV4 },
        Case { name: "by IPv6", options: "redirect-gateway def1 ipv6 block-local\n", remote: FAR_IPV6 },
    ],
];

#[test]
fn the_same_routes_as_stock_openvpn() {
    run_cases(
        CASES,
        |cases| format!("routes {}", cases[0].name),
        |cases| {
            let place = Place::routed(&format!("routes {}", cases[0].name));
            let _server = place.serve(
                Stock,
                "push \"route 10.9.0.0 255.255.0.0\"\npush \"route 10.10.1.2 255.255.255.255 vpn_gateway 33\"\n\
                 push \"route-ipv6 fd00:9::/48\"\npush \"route-ipv6 fd00:a::/48 fd00:8::1 7\"\n",
            );
            let before = tables(&place.network.client);
            for Case { name, options, remote } in *cases {
                let family = if remote.contains(':') { "udp6" } else { "udp4" };
                let options = format!("proto {family}\nremote {remote} 1194\n{options}");
                let [stock, adit] = [Stock, Adit].map(|program| {
                    let mut client = place.connect(program, &options);
                    let tables = tables(&place.network.client);
                    client.signal(Signal::TERM);
                    assert!(client.expect_exit(PATIENCE).success());
                    let after = self::tables(&place.network.client);
                    assert_eq!(after, before, "{name}: what {program:?} left");
                    tables
                });
                // Up to 2.6, a neighbour gets a route by way of the default gateway, which here is the same; since
                // 2.7, and here, one without.
                let stock = if *remote == SERVER_IPV4 {
                    stock.replace("192.0.2.1 via 192.0.2.1 dev eth0", "192.0.2.1 dev eth0 scope link")
                } else {
                    stock
                };
                assert_eq!(adit, stock, "{name}");
            }
        },
    );
}

#[test]
fn five_hundred_routes_either_way_round() {
    let mut pushes = String::new();
    for number in 0..500 {
        let _ = writeln!(pushes, "push \"route 10.{}.{}.0 255.255.255.0\"", 100 + number / 250, number % 250);
    }
    run_cases(
        &[(Stock, Adit), (Adit, Stock)],
        |(server, client)| format!("500 routes, {server:?} to {client:?}"),
        |(server, client)| {
            let place = Place::routed(&format!("500 routes {server:?}"));
            let _server = place.serve(*server, &pushes);
            let before = tables(&place.network.client);
            let mut client = place.connect(*client, &format!("proto udp4\nremote {SERVER_IPV4} 1194\n"));
            assert!(client.count("push-continuation 2") > 10, "the options fit one message");
            let routes = place.network.client.run("ip", &["route", "show", "via", "10.8.0.1"]);
            assert_eq!(routes.lines().count(), 500, "{routes}");
            traffic::ping(&place.network.client, "10.8.0.1");
            client.signal(Signal::TERM);
            assert!(client.expect_exit(PATIENCE).success());
            assert!(wait_until(PATIENCE, || tables(&place.network.client) == before));
        },
    );
}

/// The second way from the client to the server.
const OTHER_WAY: &str = "192.0.3.1";

impl Place {
    /// Joins client and server by a second cable.
    fn add_second_way(&self) {
        let (server, client) = (self.network.server.name(), self.network.client.name());
        let words =
            ["link", "add", "eth1", "netns", server, "type", "veth", "peer", "name", "eth1", "netns", client];
        lab::run("ip", &words);
        for (namespace, host) in [(&self.network.server, "1"), (&self.network.client, "2")] {
            namespace.run("ip", &["address", "add", &format!("192.0.3.{host}/24"), "dev", "eth1"]);
            namespace.run("ip", &["link", "set", "eth1", "up"]);
        }
    }

    fn way(&self) -> String {
        self.network.client.run("ip", &["route", "get", FAR_IPV4])
    }
}

#[test]
fn a_session_by_udp_moves_with_the_default_route() {
    let place = Place::routed("moving");
    place.add_second_way();
    let client_ns = &place.network.client;
    let mut server = place.serve(Stock, "verb 4\n");
    let options = format!("proto udp4\nremote {FAR_IPV4} 1194\nredirect-gateway def1\n");
    let mut client = place.connect(Adit, &options);
    assert!(place.way().contains("dev eth0"));
    let echoes = std::thread::scope(|scope| {
        let echoes = scope.spawn(|| {
            let address = "10.8.0.1:7".parse().unwrap();
            traffic::echoes(&place.network.server, client_ns, address, 100, Duration::from_secs(2))
        });
        client_ns.run("ip", &["route", "replace", "default", "via", OTHER_WAY]);
        client.expect_line(
            "network changed: the server is reached via 192.0.3.1 by eth1 from 192.0.3.2 now",
            PATIENCE,
        );
        assert!(place.way().contains("dev eth1"));
        client_ns.run("ip", &["address", "del", "192.0.2.2/24", "dev", "eth0"]);
        echoes.join().unwrap()
    });
    server.expect_line(" floated from ", PATIENCE);
    assert!(echoes.missing.len() < 60, "{echoes:?}");
    assert!(!echoes.missing.contains(&99), "{echoes:?}");
    assert_eq!(client.count(UP), 1);
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    let left = client_ns.run("ip", &["-4", "route"]);
    assert_eq!(left.lines().count(), 2, "{left}");
}

#[test]
fn a_link_that_comes_back_gets_its_routes_back() {
    let place = Place::routed("link back");
    let client_ns = &place.network.client;
    let _server = place.serve(Stock, "");
    let options = format!("proto udp4\nremote {FAR_IPV4} 1194\nredirect-gateway def1\ntxqueuelen 77\n");
    let mut client = place.connect(Adit, &options);
    assert!(client_ns.run("ip", &["link", "show", "type", "tun"]).contains(" qlen 77"));
    client_ns.run("ip", &["link", "set", "eth0", "down"]);
    client.expect_line("network changed: there is no way to the server at present", PATIENCE);
    assert!(!place.way().contains("dev eth0"));
    // The way to the server leads through the tunnel now.
    lab::run_unchecked("ip", &["netns", "exec", client_ns.name(), "ping", "-c", "1", "-W", "1", "10.8.0.1"]);
    client.expect_line("Recursive routing detected", PATIENCE);
    client_ns.run("ip", &["link", "set", "eth0", "up"]);
    client_ns.run("ip", &["route", "add", "default", "via", SERVER_IPV4]);
    client.expect_line(
        "network changed: the server is reached via 192.0.2.1 by eth0 from 192.0.2.2 now",
        PATIENCE,
    );
    assert!(place.way().contains("dev eth0"));
    traffic::ping(client_ns, "10.8.0.1");
    assert_eq!(client.count(UP), 1);
}

#[test]
fn a_connection_whose_address_is_gone_is_made_anew() {
    let place = Place::routed("moving tcp");
    place.add_second_way();
    let client_ns = &place.network.client;
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    let text = format!(
        "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nproto tcp-server\ndh none\nverb 3\n\
         keepalive 60 600\n{pki}"
    );
    let mut server = Stock.start(&place.network.server, &place.folder, "server", &text);
    server.expect_line(UP, PATIENCE);
    let options = format!("proto tcp-client\nremote {FAR_IPV4} 1194\nredirect-gateway def1\n");
    let mut client = place.connect(Adit, &options);
    client_ns.run("ip", &["route", "replace", "default", "via", OTHER_WAY]);
    client_ns.run("ip", &["address", "del", "192.0.2.2/24", "dev", "eth0"]);
    client.expect_line("network changed: the server is reached via 192.0.3.1", PATIENCE);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2));
    traffic::ping(client_ns, "10.8.0.1");
    assert!(place.way().contains("dev eth1"));
}

#[test]
fn a_kept_tunnel_does_not_swallow_the_next_remote() {
    let place = Place::routed("kept");
    place.network.server.run("ip", &["address", "add", "198.51.100.2/32", "dev", "lo"]);
    let client_ns = &place.network.client;
    let before = client_ns.run("ip", &["-4", "route"]);
    let more = "keepalive 1 3\n";
    let server = place.serve(Stock, more);
    let options = format!(
        "proto udp4\nremote {FAR_IPV4} 1194\nremote 198.51.100.2 1194\nredirect-gateway def1\npersist-tun\n\
         server-poll-timeout 3\nconnect-retry 1 1\n"
    );
    let mut client = place.connect(Adit, &options);
    place.network.server.run("ip", &["address", "del", &format!("{FAR_IPV4}/32"), "dev", "lo"]);
    drop(server);
    let _server = place.serve(Stock, more);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    traffic::ping(client_ns, "10.8.0.1");
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    assert_eq!(client_ns.run("ip", &["-4", "route"]), before);
}

#[test]
fn blocked_ipv6_is_answered() {
    let place = Place::routed("block-ipv6");
    let refused = |case: &str, served: &str, more: &str| {
        let _server = place.serve(Adit, served);
        let options = format!("proto udp4\nremote {SERVER_IPV4} 1194\nredirect-gateway ipv6\n{more}");
        let mut client = place.connect(Adit, &options);
        let args = [
            "netns",
            "exec",
            place.network.client.name(),
            "ping",
            "-6",
            "-n",
            "-c",
            "1",
            "-W",
            "10",
            "2001:db8:77::1",
        ];
        let report = lab::run_unchecked("ip", &args);
        let report = String::from_utf8_lossy(&report.stdout).into_owned();
        assert!(report.contains("Destination unreachable: No route"), "{case}: {report}");
        client.signal(Signal::TERM);
        client.expect_exit(PATIENCE);
    };
    refused("own", "", "block-ipv6\n");
    refused("pushed", "push block-ipv6\n", "");
    refused("by the server", "block-ipv6\n", "");
}

#[test]
fn routes_to_names_and_routes_that_wait() {
    let place = Place::routed("names in routes");
    let _names = NameServer::start(&place.network, "192.0.2.1".parse().unwrap());
    let _server = place.serve(
        Stock,
        "push \"route pushed.example.com 255.255.255.255 vpn_gateway 4\"\npush \"route-delay 1\"\n",
    );
    let remote = format!("proto udp4\nremote {FAR_IPV4} 1194\n");
    let own = "route own.example.com 255.255.255.255 net_gateway 3\n";
    let routes = || place.network.client.run("ip", &["-4", "route"]);
    let mut client = place.connect(Adit, &format!("{remote}{own}"));
    assert!(routes().contains("192.0.2.1 via 192.0.2.1 dev eth0 metric 3"), "{}", routes());
    assert!(!routes().contains("metric 4"), "{}", routes());
    client.expect_line("a host name in a pushed route needs 'allow-pull-fqdn'", PATIENCE);
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
    let mut client = place.connect(Adit, &format!("{remote}allow-pull-fqdn\n"));
    assert!(routes().contains("192.0.2.1 via 10.8.0.1 dev tun0 metric 4"), "{}", routes());
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
}

#[test]
fn what_is_left_to_scripts_is_not_done() {
    let place = Place::routed("noexec");
    let _server = place.serve(Stock, "push \"route 10.9.0.0 255.255.0.0\"\n");
    let options = format!("proto udp4\nremote {FAR_IPV4} 1194\nredirect-gateway def1\nroute-noexec\n");
    let before = place.network.client.run("ip", &["-4", "route"]);
    let client = place.connect(Adit, &options);
    let after = place.network.client.run("ip", &["-4", "route"]);
    assert_eq!(after.lines().count(), before.lines().count() + 1, "{after}");
    drop(client);
    let _client = place.connect(Adit, &format!("{options}ifconfig-noexec\n"));
    let addresses = place.network.client.run("ip", &["-4", "-o", "address", "show", "tun0"]);
    assert_eq!(addresses, "");
}

#[test]
fn a_tunnel_kept_over_a_hangup_has_the_same_routes() {
    let place = Place::routed("hangup");
    let _server = place.serve(Stock, "push \"route 192.0.2.128 255.255.255.128\"\n");
    let before = tables(&place.network.client);
    let options = format!(
        "proto udp4\nremote {FAR_IPV4} 1194\nredirect-gateway\nroute 10.20.0.0 255.255.0.0 net_gateway\npersist-tun\n\
         persist-key\nuser nobody\ngroup nogroup\n"
    );
    let mut client = place.connect(Adit, &options);
    client.expect_line("clashes with the local network 192.0.2.2/24 on eth0", PATIENCE);
    client.expect_line("UID set to ", PATIENCE);
    let up = tables(&place.network.client);
    client.signal(Signal::HUP);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
    assert_eq!(tables(&place.network.client), up);
    client.signal(Signal::TERM);
    assert!(client.expect_exit(PATIENCE).success());
    assert_eq!(tables(&place.network.client), before);
}
