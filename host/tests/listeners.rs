//! A server's sockets: several at once on one table of sessions, both families, several addresses; and ends that are
//! killed.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;

use lab::network::{SERVER_IPV4, SERVER_IPV6};
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::{PATIENCE, wait_until};
use rustix::process::Signal;

/// The server's other addresses.
const SECOND_IPV4: &str = "192.0.2.10";
const SECOND_IPV6: &str = "2001:db8::10";

impl Place {
    /// Gives the server's end its other addresses too.
    fn with_second_addresses(self) -> Self {
        let server = &self.network.server;
        server.run("ip", &["address", "add", &format!("{SECOND_IPV4}/24"), "dev", "eth0"]);
        server.run("ip", &["address", "add", &format!("{SECOND_IPV6}/64"), "dev", "eth0", "nodad"]);
        self
    }

    fn serve(&self, program: Program, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nduplicate-cn\nkeepalive 1 4\ndh none\n\
             verb 4\nstatus status 1\n{pki}{more}"
        );
        self.up_at_server(program, "server", &text)
    }

    /// A client with the device `tunN`.
    fn start_client(&self, program: Program, number: u8, more: &str) -> Process {
        let text = client_text(&format!("dev tun{number}\n{more}"));
        self.start_at_client(program, &format!("client{number}"), &text)
    }

    fn connect(&self, program: Program, number: u8, more: &str) -> Process {
        let mut client = self.start_client(program, number, more);
        client.expect_line(UP, PATIENCE);
        client
    }

    /// Pings the server's inner address by the device `tunN`.
    fn ping_by(&self, number: u8) {
        let device = format!("tun{number}");
        let words = ["-n", "-c", "3", "-i", "0.2", "-W", "3", "-I", &device, "10.8.0.1"];
        let report = self.network.client.run("ping", &words);
        assert!(report.contains(" 0% packet loss"), "{report}");
    }
}

#[test]
fn one_server_listens_by_udp_and_tcp_and_both_families_with_one_pool() {
    let place = Place::new("listeners");
    let server = place.serve(
        Adit,
        &format!(
            "local {SERVER_IPV4} 1194 udp\nlocal {SERVER_IPV6} 1194 udp\nlocal * 443 tcp-server\n\
             local * 443 tcp6-server\nlocal {SERVER_IPV4} 53 udp4\n"
        ),
    );
    for line in [
        "UDPv4 link local (bound): [AF_INET]192.0.2.1:1194",
        "UDPv6 link local (bound): [AF_INET6]2001:db8::1:1194",
        "Listening for incoming TCP connection on [AF_INET][undef]:443",
        "TCPv6_SERVER link local (bound): [AF_INET6][undef]:443",
        "UDPv4 link local (bound): [AF_INET]192.0.2.1:53",
    ] {
        assert_eq!(server.count(line), 1, "{line}: {}", server.log());
    }
    let remotes = [
        format!("proto udp\nremote {SERVER_IPV4} 1194\n"),
        format!("proto udp6\nremote {SERVER_IPV6} 1194\n"),
        format!("proto tcp\nremote {SERVER_IPV4} 443\n"),
        format!("proto tcp6\nremote {SERVER_IPV6} 443\n"),
        format!("proto udp\nremote {SERVER_IPV4} 53\n"),
    ];
    let clients: Vec<Process> =
        (0..).zip(&remotes).map(|(number, remote)| place.connect(Stock, number, remote)).collect();
    for number in 0..clients.len() {
        place.ping_by(number as u8);
        let address = format!("MULTI: Learn: 10.8.0.{} -> client1/", number + 2);
        assert_eq!(server.count(&address), 1, "{}", server.log());
    }
    let status = || fs::read_to_string(place.folder.path().join("status")).unwrap_or_default();
    assert!(wait_until(PATIENCE, || status().matches("\nclient1,").count() == 5), "{}", status());
    server.signal(Signal::TERM);
    for (remote, mut client) in remotes.iter().zip(clients) {
        let reason = if remote.contains("tcp") { "Connection reset" } else { "ping-restart" };
        client.expect_any_line(&[reason, "server-pushed-connection-reset"], PATIENCE);
    }
}

#[test]
fn ipv6_serves_ipv4_too_unless_told_otherwise() {
    let place = Place::new("dual");
    for proto in ["udp6", "tcp6-server"] {
        let server = place.serve(Adit, &format!("proto {proto}\n"));
        let proto = proto.trim_end_matches("-server").trim_end_matches('6');
        drop(place.connect(Stock, 0, &format!("proto {proto}4\nremote {SERVER_IPV4} 1194\n")));
        assert!(server.count("192.0.2.2:") > 0 && server.count("::ffff") == 0, "{}", server.log());
        drop(place.connect(Stock, 0, &format!("proto {proto}6\nremote {SERVER_IPV6} 1194\n")));
    }
    let _server = place.serve(Adit, "proto tcp6-server\nbind ipv6only\n");
    drop(place.connect(Stock, 0, &format!("proto tcp6\nremote {SERVER_IPV6} 1194\n")));
    let mut client = place.start_client(Stock, 0, &format!("proto tcp4\nremote {SERVER_IPV4} 1194\n"));
    client.expect_line("Connection refused", PATIENCE);
}

#[test]
fn without_a_family_a_server_is_bound_as_openvpn_binds_it() {
    let place = Place::new("family");
    for proto in ["udp", "tcp-server"] {
        let lines = |program| {
            let server = place.serve(program, &format!("proto {proto}\n"));
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("[AF_"));
            // Without the time.
            lines.map(|line| line.splitn(4, ' ').last().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let stock = lines(Stock);
        assert_eq!(lines(Adit), stock);
        assert!(stock[0].contains("[AF_INET][undef]:1194"), "{stock:?}");
    }
}

#[test]
fn a_multihomed_server_answers_from_the_address_that_was_asked() {
    let place = Place::new("multihome").with_second_addresses();
    let second = [
        ("udp", format!("remote {SECOND_IPV4} 1194 udp\n")),
        ("udp6", format!("remote {SECOND_IPV4} 1194 udp\n")),
        ("udp6", format!("remote {SECOND_IPV6} 1194 udp6\n")),
    ];
    // Without it the kernel chooses, and a client turns down what comes from elsewhere.
    let server = place.serve(Adit, "proto udp\n");
    let mut client = place.start_client(Stock, 0, &second[0].1);
    client.expect_line("Incoming packet rejected from [AF_INET]192.0.2.1:1194", PATIENCE);
    drop((server, client));
    for (proto, remote) in second {
        let server = place.serve(Adit, &format!("proto {proto}\nmultihome\n"));
        let client = place.connect(Stock, 0, &remote);
        place.ping_by(0);
        // The other address is served as well.
        let _other = place.connect(Stock, 1, &format!("remote {SERVER_IPV4} 1194 udp\n"));
        place.ping_by(1);
        place.ping_by(0);
        assert_eq!(client.count("Incoming packet rejected"), 0, "{}", client.log());
        drop(server);
    }
}

#[test]
fn both_ends_get_over_a_kill() {
    let place = Place::new("kill");
    for (server_is, client_is) in [(Adit, Stock), (Stock, Adit)] {
        let server = place.serve(server_is, "port 1194\n");
        let client = place.connect(client_is, 0, &format!("remote {SERVER_IPV4} 1194\n"));
        place.ping_by(0);
        // Dropped is killed: it says nothing.
        drop(server);
        let mut server = place.serve(server_is, "port 1194\n");
        assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}", client.log());
        place.ping_by(0);

        drop(client);
        server.expect_line("[client1] Inactivity timeout (--ping-restart), restarting", PATIENCE);
        let client = place.connect(client_is, 0, &format!("remote {SERVER_IPV4} 1194\n"));
        place.ping_by(0);
        drop(client);
    }
}

#[test]
fn the_options_of_sockets_are_obeyed() {
    let place = Place::new("options");
    let options = "sndbuf 65536\nrcvbuf 131072\nmark 7\nbind-dev eth0\npasstos\n";
    let server = place.serve(Adit, options);
    let _client = place.connect(Adit, 0, &format!("{options}remote {SERVER_IPV4} 1194\n"));
    place.ping_by(0);
    for end in [&place.network.server, &place.network.client] {
        // The kernel doubles the sizes; the mark is hexadecimal, and root's alone to see.
        let report = end.run("ss", &["-u", "-a", "-n", "-m", "-e", "-p", "-O"]);
        let socket =
            report.lines().find(|line| line.contains("\"adit\"")).unwrap_or_else(|| panic!("{report}"));
        for detail in ["rb262144", "tb131072", "fwmark:0x7", "%eth0:"] {
            assert!(socket.contains(detail), "{detail}: {report}");
        }
    }
    drop(server);
    for (more, sentence) in [
        ("bind-dev no-such\n", "cannot bind UDP to 0.0.0.0:1194: bind-dev no-such: No such device"),
        ("local 203.0.113.1\n", "cannot bind UDP to 203.0.113.1:1194: Cannot assign requested address"),
    ] {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!("dev null\nserver 10.8.0.0 255.255.255.0\ndh none\n{pki}{more}");
        let mut server = Adit.start(&place.network.server, &place.folder, "refused", &text);
        assert_eq!(server.expect_exit(PATIENCE).code(), Some(1));
        assert_eq!(server.count(sentence), 1, "{}", server.log());
    }
}

#[test]
fn an_outer_packet_takes_over_the_tos_of_the_inner_one() {
    let place = Place::new("passtos");
    let _server = place.serve(Adit, "");
    let _client = place.connect(Adit, 0, &format!("passtos\nremote {SERVER_IPV4} 1194\n"));
    // What arrives at the server with this TOS is counted.
    let server = &place.network.server;
    server.run("nft", &["add", "table", "ip", "lab"]);
    server.run("nft", &["add chain ip lab in { type filter hook input priority 0; }"]);
    server.run("nft", &["add rule ip lab in udp dport 1194 ip dscp ef counter"]);
    let words = ["-n", "-c", "3", "-i", "0.2", "-W", "3", "-Q", "0xb8", "-I", "tun0", "10.8.0.1"];
    place.network.client.run("ping", &words);
    let rules = server.run("nft", &["list", "table", "ip", "lab"]);
    assert!(rules.contains("counter packets 3 "), "{rules}");
}
