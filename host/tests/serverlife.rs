//! What a server gives its clients: many options, addresses in every form, settings of their own, tokens. Stock clients
//! take it, and get what a stock server would give them.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;

use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::traffic::ping;
use lab::{PATIENCE, run_cases, wait_until};
use rustix::process::Signal;

impl Place {
    /// Our server.
    fn serve(&self, more: &str) -> Process {
        self.serve_by(Adit, more)
    }

    fn serve_by(&self, program: Program, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!("dev tun\nkeepalive 1 4\ndh none\nverb 4\n{pki}{more}");
        self.up_at_server(program, "server", &text)
    }

    /// A stock client of it.
    fn connect(&self, more: &str) -> Process {
        let text = client_text(&format!("remote {SERVER_IPV4}\nverb 4\n{more}"));
        self.up_at_client(Stock, "client", &text)
    }

    /// What `ip` shows in the client's namespace.
    fn at_client(&self, words: &[&str]) -> String {
        self.network.client.run("ip", words)
    }
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

/// A configuration, and the file of `client1` in its `client-config-dir`.
struct Pushes {
    name: &'static str,
    server: &'static str,
    client1: &'static str,
}

/// The options that `program`'s server pushes, but for those that belong to the session.
fn pushed(place: &Place, program: Program, case: &Pushes) -> Vec<String> {
    let server = place.serve_by(program, &format!("client-config-dir ccd\n{}", case.server));
    let client = place.connect("");
    drop(server);
    let log = client.log();
    let reply = log.lines().find_map(|line| line.split_once("PUSH: Received control message: 'PUSH_REPLY,"));
    let (_, reply) = reply.unwrap_or_else(|| panic!("{log}"));
    let of_session = ["peer-id ", "cipher ", "protocol-flags ", "tun-mtu "];
    let options = reply.trim_end_matches('\'').split(',').map(str::to_owned);
    options.filter(|option| !of_session.iter().any(|word| option.starts_with(word))).collect()
}

#[test]
fn one_clients_settings_change_what_is_pushed_as_openvpn_does_it() {
    let cases = [
        Pushes {
            name: "subnet",
            server: "topology subnet\nserver 10.8.0.0 255.255.255.0\nroute 10.66.0.0 255.255.0.0\n\
                     push \"route 10.66.0.0 255.255.0.0\"\npush \"route 10.67.0.0 255.255.0.0\"\n\
                     push \"dhcp-option DNS 10.8.0.1\"\npush \"route 10.68.0.0 255.255.0.0\"\n",
            client1: "ifconfig-push 10.8.0.77 255.255.255.0\niroute 10.66.0.0 255.255.0.0\n\
                      push-remove \"route 10.67\"\npush \"route 10.69.0.0 255.255.0.0\"\n",
        },
        Pushes {
            name: "net30",
            server: "topology net30\nserver 10.8.0.0 255.255.255.0\nclient-to-client\n",
            client1: "ifconfig-push 10.8.0.9 10.8.0.10 10.8.0.13\n",
        },
        Pushes {
            name: "p2p",
            server: "topology p2p\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/64\n",
            client1: "push-remove dhcp-option\nifconfig-ipv6-push fd00:8::99/64\n",
        },
        Pushes {
            name: "reset",
            server: "topology subnet\nserver 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/64\n\
                     push \"route 10.67.0.0 255.255.0.0\"\n",
            client1: "push-reset\npush \"topology subnet\"\npush \"route-gateway 10.8.0.1\"\npush-remove ifconfig-ipv6\n",
        },
    ];
    let run = |case: &Pushes| {
        let place = Place::within(case.name);
        fs::create_dir(place.folder.path().join("ccd")).unwrap();
        place.folder.write("ccd/client1", case.client1);
        let stock = pushed(&place, Stock, case);
        let ours = pushed(&place, Adit, case);
        assert_eq!(ours, stock);
    };
    run_cases(&cases, |case| case.name.to_owned(), run);
}

#[test]
fn a_network_behind_a_client_is_reached() {
    let place = Place::new("iroute");
    fs::create_dir(place.folder.path().join("ccd")).unwrap();
    place.folder.write("ccd/client1", "iroute 10.66.0.0 255.255.0.0\niroute-ipv6 fd00:66::/48\n");
    let _server = place.serve(
        "server 10.8.0.0 255.255.255.0\nserver-ipv6 fd00:8::/64\nclient-config-dir ccd\n\
         route 10.66.0.0 255.255.0.0\nroute-ipv6 fd00:66::/48\nroute 10.67.0.0 255.255.0.0\n",
    );
    let _client = place.connect("");
    place.at_client(&["address", "add", "10.66.1.1/16", "dev", "lo"]);
    place.at_client(&["address", "add", "fd00:66::1/48", "dev", "lo", "nodad"]);
    ping(&place.network.server, "10.66.1.1");
    ping(&place.network.server, "fd00:66::1");
    // The kernel sends these here too, and they are nobody's.
    place.at_client(&["address", "add", "10.67.1.1/16", "dev", "lo"]);
    let lost =
        ["netns", "exec", place.network.server.name(), "ping", "-n", "-c", "1", "-W", "1", "10.67.1.1"];
    assert!(!lab::run_unchecked("ip", &lost).status.success());
    // From within that network, too.
    let words = ["-n", "-c", "3", "-i", "0.2", "-W", "3", "-I", "10.66.1.1", "10.8.0.1"];
    let report = place.network.client.run("ping", &words);
    assert!(report.contains(" 0% packet loss"), "{report}");
}

#[test]
fn a_token_takes_the_place_of_the_password() {
    let place = Place::new("token");
    let _script = place.script("verify", "echo \"$username $password\" >>calls");
    place.folder.write("login", "joe\nsecret\n");
    let serve = || {
        place.serve(
            "server 10.8.0.0 255.255.255.0\nscript-security 3\nauth-user-pass-verify ./verify via-env\n\
             auth-gen-token 0 600\nreneg-sec 2\n",
        )
    };
    let calls = || fs::read_to_string(place.folder.path().join("calls")).unwrap_or_default();
    let server = serve();
    let mut client = place.connect("auth-user-pass login\nreneg-sec 0\n");
    assert_eq!(calls(), "joe secret\n");
    // Renegotiations ask nobody.
    let rekeyed = || server.count("data channel keys renewed");
    assert!(wait_until(PATIENCE, || rekeyed() >= 2), "{}", server.log());
    // Nor does a reconnection.
    client.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || client.count(UP) >= 2), "{}", client.log());
    assert_eq!(calls(), "joe secret\n");
    assert_eq!(server.count("SESS_ID_AT_"), 0, "a token is in the log");
    // Another run has another key: its client comes back with the password.
    drop(server);
    let before = client.count(UP);
    let server = serve();
    client.expect_line("AUTH_FAILED", PATIENCE);
    assert!(wait_until(PATIENCE, || client.count(UP) > before), "{}\n{}", client.log(), server.log());
    assert_eq!(calls(), "joe secret\njoe secret\n");
}
