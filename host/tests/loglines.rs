//! The lines of a server's log that programs look for (fail2ban, monitors), byte for byte as OpenVPN writes them: what
//! is listed here stands in the logs of both programs.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::place::UP;
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::program::path;
use lab::{Folder, PATIENCE, Turn, run, wait_until};
use rustix::process::Signal;

/// A time as it stands before each line.
const TIME: &str = "2016-07-24 09:35:09 ";

/// What a client does, and the lines at the server. `TIME` and `PORT` stand for any. A line that ends in `*` begins
/// like this.
struct Case {
    name: &'static str,
    server: &'static str,
    client: &'static str,
    lines: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "comes and goes",
        server: "keepalive 1 4\n",
        client: "explicit-exit-notify 1\n",
        lines: &[
            "TIME UDPv4 link local (bound): [AF_INET][undef]:1194",
            "TIME UDPv4 link remote: [AF_UNSPEC]",
            "TIME Initialization Sequence Completed",
            "TIME 192.0.2.2:PORT VERIFY OK: depth=1, CN=Easy-RSA CA",
            "TIME 192.0.2.2:PORT VERIFY OK: depth=0, CN=client1",
            "TIME 192.0.2.2:PORT peer info: IV_VER=2.6*",
            "TIME 192.0.2.2:PORT peer info: IV_PLAT=linux",
            "TIME 192.0.2.2:PORT Control Channel: TLSv1.3, cipher TLSv1.3 TLS_AES_256_GCM_SHA384*",
            "TIME 192.0.2.2:PORT [client1] Peer Connection Initiated with [AF_INET]192.0.2.2:PORT",
            "TIME client1/192.0.2.2:PORT MULTI: Learn: 10.8.0.2 -> client1/192.0.2.2:PORT",
            "TIME client1/192.0.2.2:PORT MULTI: primary virtual IP for client1/192.0.2.2:PORT: 10.8.0.2",
            "TIME client1/192.0.2.2:PORT SENT CONTROL [client1]: 'PUSH_REPLY,*",
            // `delayed-exit` or `remote-exit`, by how the client says it.
            "TIME client1/192.0.2.2:PORT SIGTERM[soft,*",
            "TIME SIGTERM[hard,] received, process exiting",
        ],
    },
    Case {
        name: "falls silent",
        server: "keepalive 1 2\n",
        client: "ping-restart 0\npull-filter ignore ping\n",
        lines: &[
            "TIME client1/192.0.2.2:PORT [client1] Inactivity timeout (--ping-restart), restarting",
            "TIME client1/192.0.2.2:PORT SIGUSR1[soft,ping-restart] received, client-instance restarting",
        ],
    },
    Case {
        name: "hangs up",
        server: "proto tcp-server\nkeepalive 10 60\n",
        client: "proto tcp-client\n",
        lines: &[
            "TIME Listening for incoming TCP connection on [AF_INET][undef]:1194",
            "TIME TCPv4_SERVER link local (bound): [AF_INET][undef]:1194",
            "TIME TCPv4_SERVER link remote: [AF_UNSPEC]",
            "TIME TCP connection established with [AF_INET]192.0.2.2:PORT",
            "TIME 192.0.2.2:PORT TLS: Initial packet from [AF_INET]192.0.2.2:PORT, sid=*",
            "TIME client1/192.0.2.2:PORT Connection reset, restarting [0]",
            "TIME client1/192.0.2.2:PORT SIGUSR1[soft,connection-reset] received, client-instance restarting",
        ],
    },
    Case {
        name: "is a stranger",
        server: "",
        client: "ca DIR/ca.crt\ncert DIR/other.crt\nkey DIR/other.key\n",
        lines: &[
            "TIME 192.0.2.2:PORT VERIFY ERROR: depth=0, error=*",
            "TIME 192.0.2.2:PORT TLS Error: TLS handshake failed*",
            "TIME 192.0.2.2:PORT SIGUSR1[soft,tls-error] received, client-instance restarting",
        ],
    },
    Case {
        name: "has another tls-auth key",
        server: "tls-auth DIR/one.key 0\n",
        client: "tls-auth DIR/two.key 1\n",
        lines: &["TIME TLS Error: incoming packet authentication failed from [AF_INET]192.0.2.2:PORT"],
    },
    Case {
        name: "has another tls-crypt key",
        server: "tls-crypt DIR/one.key\n",
        client: "tls-crypt DIR/two.key\n",
        lines: &["TIME TLS Error: tls-crypt unwrapping failed from [AF_INET]192.0.2.2:PORT"],
    },
    Case {
        name: "has another tls-crypt key, by TCP",
        server: "proto tcp-server\ntls-crypt DIR/one.key\n",
        client: "proto tcp-client\ntls-crypt DIR/two.key\n",
        lines: &["TIME 192.0.2.2:PORT TLS Error: tls-crypt unwrapping failed from [AF_INET]192.0.2.2:PORT"],
    },
];

/// The line with the time, and the ports of 192.0.2.2, taken out.
fn normalise(line: &str) -> String {
    let shape =
        |line: &str| line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
    let stamped = line.get(..TIME.len()).is_some_and(|stamp| shape(stamp) == shape(TIME));
    let rest = if stamped { format!("TIME {}", &line[TIME.len()..]) } else { line.to_owned() };
    let mut out = String::new();
    let mut pieces = rest.split("192.0.2.2:");
    out.push_str(pieces.next().unwrap());
    for piece in pieces {
        let after = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push_str("192.0.2.2:PORT");
        out.push_str(after);
    }
    out
}

fn holds(log: &str, wanted: &str) -> bool {
    log.lines().map(normalise).any(|line| match wanted.strip_suffix('*') {
        Some(beginning) => line.starts_with(beginning),
        None => line == wanted,
    })
}

fn start(program: Program, network: &Network, folder: &Folder, case: &Case) -> (Process, Process) {
    let pki = Pki::easy_rsa(Keys::Ec);
    let inside = |text: &str| text.replace("DIR", path(folder.path()));
    let server_text = format!(
        "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\n{}{}",
        pki.directives("server"),
        inside(case.server),
    );
    let mut server = program.start(&network.server, folder, "server", &server_text);
    server.expect_line(UP, PATIENCE);
    let client_text = format!(
        "client\nremote {SERVER_IPV4} 1194\nnobind\ndev tun\nverb 3\n{}{}",
        pki.directives("client1"),
        inside(case.client),
    );
    let client = Stock.start(&network.client, folder, "client", &client_text);
    (server, client)
}

#[test]
fn a_servers_log_has_the_lines_that_programs_look_for() {
    for case in CASES {
        for program in [Stock, Adit] {
            let _turn = Turn::wait();
            let network = Network::new();
            let folder = Folder::new(&format!("{} {program:?}", case.name));
            for name in ["one.key", "two.key"] {
                run("openvpn", &["--genkey", "secret", path(&folder.path().join(name))]);
            }
            fs::copy(Pki::easy_rsa(Keys::Ec).ca(), folder.path().join("ca.crt")).unwrap();
            other_certificate(&folder);
            let (mut server, mut client) = start(program, &network, &folder, case);
            // A client that gets in leaves in its own way.
            let lets_in = case.lines.iter().any(|line| line.contains("client1"));
            if lets_in {
                client.expect_line(UP, PATIENCE);
                match case.name {
                    "falls silent" => {}
                    _ => client.signal(Signal::TERM),
                }
            }
            let last = "TIME SIGTERM[hard,] received, process exiting";
            let (at_end, before): (Vec<&str>, Vec<&str>) = case.lines.iter().partition(|line| **line == last);
            for line in before {
                let there = wait_until(PATIENCE, || holds(&server.log(), line));
                assert!(there, "{}: {program:?} does not say {line:?}\n{}", case.name, server.log());
            }
            server.signal(Signal::TERM);
            server.expect_exit(PATIENCE);
            assert!(at_end.iter().all(|line| holds(&server.log(), line)), "{}", server.log());
        }
    }
}

/// `other.crt` and `other.key`: signed by nobody that the server knows.
fn other_certificate(folder: &Folder) {
    let file = |name: &str| folder.path().join(name);
    let (key, certificate) = (file("other.key"), file("other.crt"));
    let words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=evil"];
    let words =
        [&["req", "-x509"], &words[..], &["-keyout", path(&key), "-out", path(&certificate)]].concat();
    run("openssl", &words);
}

#[test]
fn what_is_not_openvpn_is_said_with_its_address() {
    let _turn = Turn::wait();
    let network = Network::new();
    for program in [Stock, Adit] {
        let folder = Folder::new(&format!("garbage {program:?}"));
        let case = Case { name: "", server: "proto tcp-server\n", client: "proto tcp-client\n", lines: &[] };
        let (server, client) = start(program, &network, &folder, &case);
        drop(client);
        let mut stream = network.client.inside(|| TcpStream::connect((SERVER_IPV4, 1194))).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        for line in [
            "TIME 192.0.2.2:PORT WARNING: Bad encapsulated packet length from peer*",
            "TIME 192.0.2.2:PORT Connection reset, restarting [0]",
        ] {
            let there = wait_until(PATIENCE, || holds(&server.log(), line));
            assert!(there, "{program:?} does not say {line:?}\n{}", server.log());
        }
    }
}
