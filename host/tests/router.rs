//! The virtual router in a server, with stock clients: rules, NAT towards the host's kernel, changes under live sessions.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::net::{IpAddr, SocketAddr};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use lab::console::Console;
use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::traffic::ping;
use lab::{PATIENCE, run, run_unchecked, wait_until};
use rustix::process::Signal;

/// Hosts behind the server, reached by its kernel.
const BASTION: &str = "10.0.2.2";
const OTHER: &str = "10.0.2.3";
/// What clients seem to come from. The kernel sends it back into the tunnel.
const OUTSIDE: &str = "10.8.0.250";

fn server_text(rules: &str) -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    format!(
        "dev tun\nserver 10.8.0.0 255.255.255.0\nkeepalive 1 60\nexplicit-exit-notify 1\ndh none\nverb 3\n{pki}\
         push \"route 10.0.2.0 255.255.255.0\"\nnat masquerade {OUTSIDE}\n{rules}"
    )
}

impl Place {
    /// A server whose kernel has the hosts' addresses.
    fn serve(&self, rules: &str) -> Process {
        for address in [BASTION, OTHER] {
            self.network.server.run("ip", &["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        self.up_at_server(Adit, "server", &server_text(rules))
    }

    fn connect(&self) -> Process {
        self.up_at_client(Stock, "client", &client_text(&format!("remote {SERVER_IPV4}\n")))
    }

    fn listen(&self, port: u16) -> TcpListener {
        let address = SocketAddr::new(BASTION.parse().unwrap(), port);
        self.network.server.inside(|| TcpListener::bind(address)).unwrap()
    }

    fn open(&self, port: u16) -> std::io::Result<TcpStream> {
        let address = SocketAddr::new(BASTION.parse().unwrap(), port);
        let stream = self.network.client.inside(|| TcpStream::connect_timeout(&address, PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// What a ping from the client reports.
    fn ping_report(&self, address: &str) -> String {
        let words =
            ["netns", "exec", self.network.client.name(), "ping", "-n", "-c", "1", "-W", "3", address];
        String::from_utf8_lossy(&run_unchecked("ip", &words).stdout).into_owned()
    }
}

/// Sends a word through both ends of a connection.
fn exchange(client: &mut TcpStream, server: &mut TcpStream) {
    let mut word = [0; 4];
    client.write_all(b"ping").unwrap();
    server.read_exact(&mut word).unwrap();
    server.write_all(b"pong").unwrap();
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"pong");
}

#[test]
fn rules_hold_and_one_that_is_taken_away_ends_a_connection_and_no_session() {
    let place = Place::new("rules");
    let icmp = format!("allow all {BASTION}/32 icmp\n");
    let rules = format!("{icmp}allow client:client1 {BASTION}/32 tcp 7022\n");
    let mut server = place.serve(&rules);
    let client = place.connect();

    ping(&place.network.client, BASTION);
    ping(&place.network.client, "10.8.0.1");
    let report = place.ping_report(OTHER);
    assert!(report.contains("From 10.8.0.1") && report.contains("filtered"), "{report}");
    let refused = place.open(7023).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "a RST, not silence");

    let listener = place.listen(7022);
    let mut near = place.open(7022).unwrap();
    let (mut far, from) = listener.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(from.ip(), OUTSIDE.parse::<IpAddr>().unwrap());
    exchange(&mut near, &mut far);

    place.folder.write("server.conf", server_text(&icmp));
    server.signal(Signal::HUP);
    server.expect_line("only directives of the router have changed", PATIENCE);
    ping(&place.network.client, BASTION);
    // Its next packet is its last; that may be an acknowledgement still due, so that writing sees the end already.
    let mut word = [0; 4];
    let end = near.write_all(b"more").and_then(|()| near.read(&mut word)).map_err(|error| error.kind());
    assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
    assert_eq!((client.count(UP), server.count(UP)), (1, 1), "nobody connected anew");

    // Back again, and something else beside: now there is a restart.
    place
        .folder
        .write("server.conf", server_text(&format!("{rules}push \"route 10.0.3.0 255.255.255.0\"\n")));
    server.signal(Signal::HUP);
    assert!(wait_until(PATIENCE, || server.count(UP) == 2 && client.count(UP) == 2), "{}", server.log());
    drop(far);
    let mut near = place.open(7022).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    exchange(&mut near, &mut far);
}

#[test]
fn who_it_was_and_why_not() {
    let place = Place::new("whois");
    let rules = format!(
        "allow client:client1 {BASTION}/32 tcp 7022\nflow-log flows.jsonl\nmanagement server.sock unix\n\
         user nobody\ngroup nogroup\npersist-tun\n"
    );
    let server = place.serve(&rules);
    let client = place.connect();
    let path = |name: &str| place.folder.path().join(name);
    let listener = place.listen(7022);
    let mut near = place.open(7022).unwrap();
    let (mut far, from) = listener.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(&mut near, &mut far);
    let inside = near.local_addr().unwrap();

    // From the bastion's log to the certificate.
    let mut console = Console::unix(&path("server.sock"));
    let (address, port) = (from.ip().to_string(), from.port().to_string());
    let holder = format!("client1: {from} for {inside} to {BASTION}:7022");
    assert_eq!(console.ask(&format!("whois {address} {port} tcp")), [holder.as_str(), "END"]);
    assert_eq!(console.ask(&format!("whois {address} {}", from.port() ^ 1)), ["nobody", "END"]);
    let flows = console.ask("flows client1");
    assert!(flows[1].starts_with(&format!("FLOW,client1,tcp,{inside},{from},{BASTION}:7022,")), "{flows:?}");
    assert_eq!(console.ask("flows client2").len(), 2, "a title, and the end");

    // What is refused is refused for the reason that is told.
    assert!(place.ping_report(OTHER).contains("filtered"));
    assert!(
        server.count(&format!("denied: icmp type 8 to {OTHER}: no rule allows it")) > 0,
        "{}",
        server.log()
    );
    let why = console.ask(&format!("explain client1 {OTHER}")).join("\n");
    assert!(why.contains("rule: ") && why.contains("ICMP 3/13"), "{why}");
    let why = console.ask(&format!("explain client1 {BASTION} tcp 7022")).join("\n");
    assert!(why.contains("it goes to host"), "{why}");
    assert_eq!(console.ask("explain client1 bastion"), ["ERROR: 'bastion' is no IP address"]);

    // The same from the file, and after it was moved away.
    fs::rename(path("flows.jsonl"), path("flows.1")).unwrap();
    fs::write(path("flows.jsonl"), "").unwrap();
    run("chown", &["nobody", lab::program::path(&path("flows.jsonl"))]);
    let now = run("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]);
    server.signal(Signal::USR2);
    assert!(wait_until(PATIENCE, || server.count("OpenVPN STATISTICS") + server.count("ROUTING TABLE") > 0));
    // TCP would be remembered for some minutes after its end; with the session it ends at once.
    console.ask("kill client1");
    let ended = || place.file("flows.jsonl").contains("\"event\":\"end\"");
    assert!(wait_until(PATIENCE, ended), "{}", server.log());
    let files = [path("flows.1"), path("flows.jsonl")].map(|path| path.to_str().unwrap().to_owned());
    let words = ["--whois", &address, &port, "tcp", now.trim(), &files[0], &files[1]];
    let found = run(Adit.executable(), &words);
    assert!(found.starts_with(&format!("{holder}, 20")) && found.lines().count() == 1, "{found}");
    let long_ago = ["--whois", &address, &port, "tcp", "2020-01-01T00:00:00Z", &files[0]];
    assert_eq!(run_unchecked(Adit.executable(), &long_ago).status.code(), Some(1));
    for line in place.file("flows.1").lines().chain(place.file("flows.jsonl").lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["time"].is_string() && line["event"].is_string(), "{line}");
    }
    drop(client);
}

#[test]
fn an_outer_address_that_is_denied_gets_no_answer_and_loses_its_session() {
    let place = Place::new("source-deny");
    let server = place.serve("");
    let text = client_text(&format!("remote {SERVER_IPV4}\nhand-window 2\n"));
    let mut client = place.up_at_client(Stock, "client", &text);
    place.folder.write("server.conf", server_text("source-deny 192.0.2.2/32\n"));
    server.signal(Signal::HUP);
    let told = "its address may no longer talk to the server (source-deny)";
    assert!(wait_until(PATIENCE, || server.count(told) == 1), "{}", server.log());
    let before = server.count("TLS: Initial packet");
    client.signal(Signal::USR1);
    client.expect_line("TLS key negotiation failed to occur within 2 seconds", PATIENCE);
    assert_eq!(server.count("TLS: Initial packet"), before);
    place.folder.write("server.conf", server_text("source-deny 192.0.2.3/32\n"));
    server.signal(Signal::HUP);
    assert!(wait_until(PATIENCE, || client.count(UP) == 2), "{}\n{}", server.log(), client.log());
}

/// A name server at an address of the server's side, for which every name of `domain` is `answer`.
fn name_server(place: &Place, at: &str, domain: &str, answer: &str) -> Process {
    let options = [
        "--no-daemon".to_owned(),
        "--conf-file=/dev/null".to_owned(),
        "--no-resolv".to_owned(),
        "--no-hosts".to_owned(),
        "--bind-interfaces".to_owned(),
        format!("--listen-address={at}"),
        format!("--address=/{domain}/{answer}"),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut server = Process::start(&place.network.server, place.folder.path(), domain, "dnsmasq", &options);
    server.expect_line("started", PATIENCE);
    server
}

#[test]
fn the_gateway_answers_names_over_udp_and_tcp_each_from_its_server() {
    let place = Place::new("names");
    let mut server = place.serve(&format!("dns-forward {BASTION}\ndns-forward {OTHER} corp.example\n"));
    let _names = [
        name_server(&place, BASTION, "test", "192.0.2.1"),
        name_server(&place, OTHER, "corp.example", "192.0.2.2"),
    ];
    let _client = place.connect();
    let look_up = |name: &str, options: &str| {
        let text = format!("nameserver 10.8.0.1\noptions attempts:1 timeout:5 {options}\n");
        fs::write(place.network.client.etc().join("resolv.conf"), text).unwrap();
        let words = ["netns", "exec", place.network.client.name(), "getent", "ahostsv4", name];
        let output = run_unchecked("ip", &words);
        String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap_or("nothing").to_owned()
    };
    for options in ["", "use-vc"] {
        assert_eq!(look_up("www.test", options), "192.0.2.1", "{options}\n{}", server.log());
        assert_eq!(look_up("www.corp.example", options), "192.0.2.2", "{options}\n{}", server.log());
        assert_eq!(look_up("www.elsewhere", options), "nothing");
    }
    server.signal(Signal::TERM);
    assert!(server.expect_exit(PATIENCE).success());
}
