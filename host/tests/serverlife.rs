//! What a server gives its clients: many options, addresses in every form. Stock clients take it.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::fmt::Write as _;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::traffic::ping;
use lab::{Folder, PATIENCE, Turn};

const UP: &str = "Initialization Sequence Completed";

/// Two namespaces and a folder, and the right to load the machine.
struct Place {
    network: Network,
    folder: Folder,
    _turn: Turn,
}

impl Place {
    fn new(test: &str) -> Self {
        let turn = Turn::wait();
        Self { network: Network::new(), folder: Folder::new(test), _turn: turn }
    }

    /// Our server.
    fn serve(&self, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!("dev tun\nkeepalive 1 10\ndh none\nverb 4\n{pki}{more}");
        let mut server = Adit.start(&self.network.server, &self.folder, "server", &text);
        server.expect_line(UP, PATIENCE);
        server
    }

    /// A stock client of it.
    fn connect(&self, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("client1");
        let text = format!(
            "client\nnobind\ndev tun\nremote {SERVER_IPV4}\nremote-cert-tls server\nverb 4\n{pki}{more}"
        );
        let mut client = Stock.start(&self.network.client, &self.folder, "client", &text);
        client.expect_line(UP, PATIENCE);
        client
    }

    /// What `ip` shows in the client's namespace.
    fn at_client(&self, words: &[&str]) -> String {
        self.network.client.run("ip", words)
    }
}

#[test]
fn five_hundred_routes_reach_a_stock_client() {
    let place = Place::new("routes-500");
    let mut more = String::from("server 10.8.0.0 255.255.255.0\n");
    for number in 0..500 {
        writeln!(more, "push \"route 10.{}.{}.0 255.255.255.0\"", 100 + number / 256, number % 256).unwrap();
    }
    let _server = place.serve(&more);
    let client = place.connect("");
    assert!(client.count("push-continuation 2") > 10, "the options fit one message");
    let routes = place.at_client(&["-4", "route", "show", "table", "main"]);
    assert_eq!(routes.lines().filter(|line| line.contains("via 10.8.0.1 dev tun")).count(), 500, "{routes}");
    ping(&place.network.client, "10.8.0.1");
}

#[test]
fn addresses_may_be_set_one_by_one() {
    let place = Place::new("by-hand");
    let server = place.serve(
        "mode server\ntls-server\ntopology subnet\npush \"topology subnet\"\npush \"route-gateway 10.9.0.254\"\n\
         ifconfig 10.9.0.254 255.255.255.0\nifconfig-pool 10.9.0.100 10.9.0.110 255.255.255.0\n\
         push tun-ipv6\nifconfig-ipv6 fd00:9::ffff/64 fd00:9::1\nifconfig-ipv6-pool fd00:9::77/64\n",
    );
    let _client = place.connect("");
    let addresses = place.at_client(&["address", "show", "dev", "tun0"]);
    assert!(addresses.contains("inet 10.9.0.100/24"), "{addresses}");
    assert!(addresses.contains("inet6 fd00:9::77/64"), "{addresses}");
    ping(&place.network.client, "10.9.0.254");
    ping(&place.network.client, "fd00:9::ffff");
    assert!(server.count("fd00:9::77") > 0, "{}", server.log());
}

#[test]
fn a_tunnel_may_be_ipv6_alone() {
    let place = Place::new("ipv6-alone");
    let _server = place.serve("server-ipv6 fd00:6::/64\ntls-server\nmode server\n");
    let _client = place.connect("");
    let addresses = place.at_client(&["address", "show", "dev", "tun0"]);
    assert!(addresses.contains("inet6 fd00:6::1000/64"), "{addresses}");
    assert!(!addresses.contains("inet 10."), "{addresses}");
    ping(&place.network.client, "fd00:6::1");
}
