//! What `adit --probe` says of stock OpenVPN servers, of firewalls, and of other services.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::lab::network::{Network, SERVER_IPV4, SERVER_IPV6};
use crate::lab::pki::{Keys, Pki, static_key};
use crate::lab::place::UP;
use crate::lab::process::Process;
use crate::lab::program::Program::{self, Adit, Stock};
use crate::lab::program::path;
use crate::lab::{Folder, PATIENCE};

/// What lets packets vanish, or has somebody say no.
const FIREWALL: &str = "table inet lab {
    chain input {
        type filter hook input priority 0;
        udp dport 5000 drop
        tcp dport 5000 drop
        udp dport 5001 reject with icmpx type admin-prohibited
        udp dport 5002 reject
        tcp dport 5002 reject with tcp reset
    }
}
";

/// A question and its answer.
struct Case {
    args: &'static str,
    outcome: &'static str,
    /// In the sentence, or one of the causes.
    said: &'static str,
    status: i32,
}

const fn case(args: &'static str, outcome: &'static str, said: &'static str, status: i32) -> Case {
    Case { args, outcome, said, status }
}

const CASES: [Case; 26] = [
    // Servers, with the right key or none.
    case("192.0.2.1 1194", "answered", "does not protect its control packets (no tls-auth", 0),
    case("2001:db8::1 1194 udp6", "answered", "(cookie handshake)", 0),
    case("192.0.2.1 1195 udp --tls-crypt static.key", "answered", "protected by tls-crypt, with this key", 0),
    case("192.0.2.1 1196 --tls-auth static.key 1", "answered", "protected by tls-auth, with this key", 0),
    case("192.0.2.1 1197 tcp --tls-crypt static.key", "answered", "protected by tls-crypt, with this key", 0),
    case("192.0.2.1 1198 tcp-client", "answered", "does not protect its control packets", 0),
    case("192.0.2.1 1199 --tls-crypt static.key", "answered", "(cookie handshake)", 0),
    // With a key where there is none.
    case("192.0.2.1 1194 udp --tls-crypt static.key", "answered", "will not understand a client", 1),
    // Without the right key.
    case("192.0.2.1 1195", "silent", "has a key for its control channel", 1),
    case("192.0.2.1 1195 udp --tls-crypt other.key", "silent", "tls-crypt has another key", 1),
    case("192.0.2.1 1196 --tls-auth static.key 0", "silent", "the same direction instead", 1),
    case("192.0.2.1 1196 --tls-auth static.key 1 --auth SHA256", "silent", "another digest", 1),
    case("192.0.2.1 1197 tcp --tls-crypt other.key", "closed", "tls-crypt has another key", 1),
    case("192.0.2.1 1199", "silent", "has a key for its control channel", 1),
    // Firewalls.
    case("192.0.2.1 5000", "silent", "a firewall on the way, at the server", 1),
    case("192.0.2.1 5000 tcp", "silent", "a firewall on the way, at the server", 1),
    case("192.0.2.1 5001", "unreachable", "No route to host", 1),
    case("192.0.2.1 5002", "refused", "or a firewall rejects it", 1),
    case("192.0.2.1 5002 tcp", "refused", "a TCP reset says", 1),
    // No such port, no such way.
    case("192.0.2.1 6000", "refused", "an ICMP message says: nothing listens there over udp", 1),
    case("192.0.2.1 6000 tcp", "refused", "nothing listens there over tcp", 1),
    case("203.0.113.1 1194", "unreachable", "Network is unreachable", 1),
    // Other services.
    case("192.0.2.1 22 tcp", "other", "SSH answers there", 1),
    case("192.0.2.1 80 tcp", "other", "A web server answers there", 1),
    case("192.0.2.1 443 tcp", "other", "TLS by itself answers there", 1),
    case("192.0.2.1 25 tcp", "other", "it says \"220 mail.example ESMTP\"", 1),
];

/// A server of the lab.
struct Server {
    program: Program,
    port: u16,
    proto: &'static str,
    wrap: &'static str,
}

const SERVERS: [Server; 6] = [
    Server { program: Stock, port: 1194, proto: "udp6", wrap: "" },
    Server { program: Stock, port: 1195, proto: "udp", wrap: "tls-crypt static.key\n" },
    Server { program: Stock, port: 1196, proto: "udp", wrap: "tls-auth static.key 0\n" },
    Server { program: Stock, port: 1197, proto: "tcp-server", wrap: "tls-crypt static.key\n" },
    Server { program: Stock, port: 1198, proto: "tcp-server", wrap: "" },
    Server { program: Adit, port: 1199, proto: "udp", wrap: "tls-crypt static.key\n" },
];

impl Server {
    fn start(&self, network: &Network, folder: &Folder, pki: &Pki) -> Process {
        let Self { program, port, proto, wrap } = self;
        let text = format!(
            "cd {}\nproto {proto}\nport {port}\ndev tun\ntopology subnet\nserver 10.8.{}.0 255.255.255.0\ndh none\n\
             verb 3\n{}{wrap}",
            path(folder.path()),
            port % 100,
            pki.directives("server")
        );
        program.start(&network.server, folder, &format!("server-{port}"), &text)
    }
}

#[test]
fn every_reason_for_silence_that_can_be_told_is_told() {
    let folder = Folder::new("probe");
    let network = Network::new();
    let pki = Pki::easy_rsa(Keys::Ec);
    let other = folder.path().join("other.key");
    std::fs::rename(static_key(folder.path()), &other).unwrap();
    static_key(folder.path());
    network.server.run("nft", &["-f", path(&folder.write("firewall", FIREWALL))]);
    let mut servers = SERVERS.map(|server| server.start(&network, &folder, &pki));
    let certificate = [pki.certificate("server"), pki.key("server")];
    let certificate = certificate.each_ref().map(|file| path(file));
    let web = ["s_server", "-www", "-accept", "443", "-cert", certificate[0], "-key", certificate[1]];
    let mut web = Process::start(&network.server, folder.path(), "web", "openssl", &web);
    web.expect_line("ACCEPT", PATIENCE);
    serve(&network, 22, Some("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "");
    serve(&network, 25, Some("220 mail.example ESMTP\r\n"), "");
    serve(&network, 80, None, "HTTP/1.1 200 OK\r\n\r\nhello");
    for server in &mut servers {
        server.expect_line(UP, PATIENCE);
    }

    // All at the same time: most of them wait.
    let wrong: Vec<String> = thread::scope(|scope| {
        let asked: Vec<_> = CASES.iter().map(|case| scope.spawn(|| case.wrong(&network, &folder))).collect();
        asked.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Case {
    /// What is wrong with the answer, if anything is.
    fn wrong(&self, network: &Network, folder: &Folder) -> Option<String> {
        let args: Vec<&str> = self.args.split(' ').collect();
        let args = [&["--probe"], &args[..], &["--json"]].concat();
        let (report, status) = probe(network, folder, &args);
        let target = &report["targets"][0];
        let said = format!("{} {}", target["message"], target["causes"]).replace("\\\"", "\"");
        let right = target["outcome"] == self.outcome
            && said.contains(self.said)
            && status == self.status
            && report["answered"] == (status == 0);
        (!right).then(|| format!("{}: {status}: {target:#}", self.args))
    }
}

fn probe(network: &Network, folder: &Folder, args: &[&str]) -> (Value, i32) {
    let output = Command::new("ip")
        .args(["netns", "exec", network.client.name(), Adit.executable()])
        .args(args)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {output:?}"));
    (report, output.status.code().unwrap())
}

/// Accepts connections on this port for as long as the program runs; says `greeting` at once, and `answer` after an
/// empty line has come.
fn serve(network: &Network, port: u16, greeting: Option<&'static str>, answer: &'static str) {
    let listener = network.server.inside(|| TcpListener::bind((SERVER_IPV4, port))).unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                if let Some(greeting) = greeting {
                    let _ = connection.write_all(greeting.as_bytes());
                }
                let (mut heard, mut byte) = (Vec::new(), [0]);
                while connection.read(&mut byte).is_ok_and(|len| len > 0) {
                    heard.push(byte[0]);
                    if heard.ends_with(b"\r\n\r\n") {
                        let _ = connection.write_all(answer.as_bytes());
                        return;
                    }
                }
            });
        }
    });
}

#[test]
fn a_profile_s_remotes_are_all_asked_with_its_key() {
    let folder = Folder::new("probe profile");
    let network = Network::new();
    let pki = Pki::easy_rsa(Keys::Ec);
    static_key(folder.path());
    let server = Server { program: Stock, port: 1195, proto: "udp6", wrap: "tls-crypt static.key\n" };
    let mut server = server.start(&network, &folder, &pki);
    server.expect_line(UP, PATIENCE);
    folder.write(
        "client.ovpn",
        format!(
            "client\ndev tun\nremote {SERVER_IPV4} 6000 udp\nremote {SERVER_IPV6} 1195 udp\n\
             remote {SERVER_IPV4} 1195 tcp-client\ntls-crypt static.key\n{}",
            pki.directives("client1")
        ),
    );
    let (report, status) = probe(&network, &folder, &["--probe", "client.ovpn", "--json"]);
    assert_eq!((status, &report["answered"]), (0, &true.into()));
    assert_eq!(report["targets"][1]["protection"], "tls-crypt");
    let outcomes: Vec<&str> = report["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["refused", "answered", "refused"]);
    assert_eq!(report["targets"][1]["cookie"], true);

    for (args, sentence) in [
        (&["--probe"][..], "it is written: --probe FILE, or --probe HOST PORT [udp|tcp]"),
        (&["--probe", "nowhere.ovpn"], "cannot read 'nowhere.ovpn': No such file or directory"),
        (
            &["--probe", "server-1195.conf"],
            "server-1195.conf is a server's: the probe goes out from a client",
        ),
        (&["--probe", "vpn.example", "65536"], "'65536' is not a port, 1 to 65535"),
        (&["--probe", "vpn.example", "1194", "sctp"], "'sctp' is not a protocol: udp or tcp"),
        (&["--probe", "vpn.example", "1194", "--tls-cript", "x"], "'--tls-cript' does not go with"),
    ] {
        let output = crate::adit(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(sentence), "{args:?}: {output:?}");
    }
}
