//! Wrong things end in one clear sentence on both ends: at adit's in adit's words, at stock OpenVPN's by the alert or
//! the message that adit sends.
//!
//! OpenVPN 2.6 writes of an alert in its own log, but never sends one. What it refuses therefore shows at adit as a
//! silence, and adit's sentence can only say after what.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki, Purpose, static_key};
use lab::process::Process;
use lab::program::Program::{self, Adit, Stock};
use lab::program::path;
use lab::{Folder, PATIENCE};

/// Two ends that cannot come together.
struct Case {
    name: &'static str,
    server: End,
    client: End,
    /// What adit logs as the server, and stock OpenVPN as its client.
    adit_serves: Option<[&'static str; 2]>,
    /// What stock OpenVPN logs as the server, and adit as its client.
    adit_connects: Option<[&'static str; 2]>,
}

/// What is special about one end.
#[derive(Clone, Copy)]
struct End {
    /// Whose certificate it has. What it trusts is the CA with EC keys.
    issuer: Keys,
    certificate: &'static str,
    /// More directives; `DIR` stands for the case's folder.
    more: &'static str,
    /// What the wall clock says there.
    clock: Option<&'static str>,
}

const SERVER: End = End { issuer: Keys::Ec, certificate: "server", more: "", clock: None };
const CLIENT: End = End { issuer: Keys::Ec, certificate: "client1", more: "", clock: None };

/// When nobody had a VPN.
const EPOCH: &str = "1970-01-01 00:00:07";

/// At adit, after stock OpenVPN has not liked its certificate.
const REFUSED_IN_SILENCE: &str = "TLS Error: the TLS handshake stopped half-way: the peer may have refused our \
                                  certificate, which its log would tell";

const ONLY_TLS_1_0: &str = "tls-version-min 1.0\ntls-version-max 1.0\ntls-cert-profile insecure\n\
                            tls-cipher DEFAULT:@SECLEVEL=0\n";

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "an expired client",
            server: SERVER,
            client: End { certificate: "expired-client", ..CLIENT },
            adit_serves: Some([
                "TLS Error: TLS handshake failed: the peer's certificate (CN=expired-client) expired on 2020-01-11",
                "SSL alert: certificate expired",
            ]),
            adit_connects: Some([
                "VERIFY ERROR: depth=0, error=certificate has expired: CN=expired-client",
                REFUSED_IN_SILENCE,
            ]),
        },
        Case {
            name: "an expired client over TLS 1.2",
            server: SERVER,
            client: End { certificate: "expired-client", more: "tls-version-max 1.2\n", ..CLIENT },
            adit_serves: Some([
                "TLS Error: TLS handshake failed: the peer's certificate (CN=expired-client) expired on 2020-01-11",
                "SSL alert: certificate expired",
            ]),
            adit_connects: Some([
                "VERIFY ERROR: depth=0, error=certificate has expired: CN=expired-client",
                REFUSED_IN_SILENCE,
            ]),
        },
        Case {
            name: "an expired server",
            server: End { certificate: "expired-server", ..SERVER },
            client: CLIENT,
            adit_serves: Some([REFUSED_IN_SILENCE, "VERIFY ERROR: depth=0, error=certificate has expired"]),
            adit_connects: Some([
                "SSL alert: certificate expired",
                "TLS Error: TLS handshake failed: the peer's certificate (CN=expired-server) expired on 2020-01-11",
            ]),
        },
        Case {
            name: "a client of the future",
            server: SERVER,
            client: End { certificate: "future-client", ..CLIENT },
            adit_serves: Some([
                "the peer's certificate (CN=future-client) is not yet valid: it begins on 2999-01-01, and the clock \
                 of this system says 20",
                "SSL alert: certificate expired",
            ]),
            adit_connects: Some([
                "VERIFY ERROR: depth=0, error=certificate is not yet valid",
                REFUSED_IN_SILENCE,
            ]),
        },
        Case {
            name: "a server of the future",
            server: End { certificate: "future-server", ..SERVER },
            client: CLIENT,
            adit_serves: Some([
                REFUSED_IN_SILENCE,
                "VERIFY ERROR: depth=0, error=certificate is not yet valid",
            ]),
            adit_connects: Some([
                "SSL alert: certificate expired",
                "the peer's certificate (CN=future-server) is not yet valid: it begins on 2999-01-01, and the clock \
                 of this system says 20",
            ]),
        },
        Case {
            name: "a server whose clock says 1970",
            server: End { clock: Some(EPOCH), ..SERVER },
            client: CLIENT,
            adit_serves: Some([
                "the clock of this system is wrong, it says 1970-01-01: ",
                "SSL alert: certificate expired",
            ]),
            adit_connects: None,
        },
        Case {
            name: "a client whose clock says 1970",
            server: SERVER,
            client: End { clock: Some(EPOCH), ..CLIENT },
            adit_serves: None,
            adit_connects: Some([
                "SSL alert: certificate expired",
                "the clock of this system is wrong, it says 1970-01-01: ",
            ]),
        },
        Case {
            name: "a revoked client",
            server: End { more: "crl-verify DIR/crl.pem\n", ..SERVER },
            client: End { certificate: "revoked-client", ..CLIENT },
            adit_serves: Some([
                "the peer's certificate (CN=revoked-client) is revoked (crl-verify)",
                "SSL alert: certificate revoked",
            ]),
            adit_connects: Some([
                "VERIFY ERROR: depth=0, error=certificate revoked: CN=revoked-client",
                REFUSED_IN_SILENCE,
            ]),
        },
        Case {
            name: "a revoked server",
            server: End { certificate: "revoked-server", ..SERVER },
            client: End { more: "crl-verify DIR/crl.pem\n", ..CLIENT },
            adit_serves: Some([
                REFUSED_IN_SILENCE,
                "VERIFY ERROR: depth=0, error=certificate revoked: CN=revoked-server",
            ]),
            adit_connects: Some([
                "SSL alert: certificate revoked",
                "the peer's certificate (CN=revoked-server) is revoked (crl-verify)",
            ]),
        },
        Case {
            name: "a client of another CA",
            server: SERVER,
            client: End { issuer: Keys::Rsa, ..CLIENT },
            adit_serves: Some([
                "the peer's certificate (CN=client1) is signed by another CA than ours, which has the same name: \
                 CN=Easy-RSA CA",
                "SSL alert: unknown CA",
            ]),
            adit_connects: Some(["VERIFY ERROR: depth=", REFUSED_IN_SILENCE]),
        },
        Case {
            name: "a client with a server's certificate",
            server: SERVER,
            client: End { certificate: "server", ..CLIENT },
            adit_serves: Some([
                "the client presents a server-only certificate (CN=server)",
                "SSL alert: unsupported certificate",
            ]),
            adit_connects: Some([
                "VERIFY ERROR: depth=0, error=unsuitable certificate purpose",
                REFUSED_IN_SILENCE,
            ]),
        },
        Case {
            name: "two tls-crypt keys",
            server: End { more: "tls-crypt DIR/one.key\n", ..SERVER },
            client: End { more: "tls-crypt DIR/other.key\n", ..CLIENT },
            adit_serves: Some([
                "TLS Error: tls-crypt unwrapping failed from [AF_INET]192.0.2.2:",
                "Server poll timeout, restarting",
            ]),
            adit_connects: Some([
                "tls-crypt unwrapping failed from [AF_INET]192.0.2.2:",
                "no answer from the server: the port may be blocked, the address wrong, or the control channel key \
                 another",
            ]),
        },
        Case {
            name: "no common cipher",
            server: End { more: "data-ciphers AES-128-GCM\n", ..SERVER },
            client: End { more: "data-ciphers AES-256-GCM\n", ..CLIENT },
            adit_serves: Some([
                "Data channel cipher negotiation failed (no shared cipher)",
                "AUTH_FAILED,Data channel cipher negotiation failed (no shared cipher)",
            ]),
            adit_connects: Some([
                "SENT CONTROL [client1]: 'AUTH_FAILED,Data channel cipher negotiation failed (no shared cipher)'",
                "authentication failed: Data channel cipher negotiation failed (no shared cipher)",
            ]),
        },
        Case {
            name: "a client of TLS 1.0",
            server: SERVER,
            client: End { more: ONLY_TLS_1_0, ..CLIENT },
            adit_serves: Some([
                "the peer offers TLS 1.0 at most; adit needs TLS 1.2",
                "SSL alert: protocol version",
            ]),
            adit_connects: None,
        },
        Case {
            name: "a server of TLS 1.0",
            server: End { more: ONLY_TLS_1_0, ..SERVER },
            client: CLIENT,
            adit_serves: None,
            adit_connects: Some([
                "TLS error: Unsupported protocol.",
                "TLS Error: the server does not answer in TLS: it may accept none of our TLS versions",
            ]),
        },
    ]
}

#[test]
fn both_ends_say_what_is_wrong() {
    let cases = cases();
    let runs: Vec<Run<'_>> = cases
        .iter()
        .flat_map(|case| {
            let serves = case.adit_serves.map(|says| Run { case, server: Adit, client: Stock, says });
            let connects = case.adit_connects.map(|says| Run { case, server: Stock, client: Adit, says });
            [serves, connects].into_iter().flatten()
        })
        .collect();
    lab::run_cases(&runs, Run::name, Run::run);
}

struct Run<'a> {
    case: &'a Case,
    server: Program,
    client: Program,
    /// The server and the client.
    says: [&'static str; 2],
}

impl Run<'_> {
    fn name(&self) -> String {
        format!("{}, {:?} serves {:?}", self.case.name, self.server, self.client)
    }

    fn run(&self) {
        let folder = Folder::new(&self.name());
        fs::copy(troubles(), folder.path().join("crl.pem")).unwrap();
        for name in ["one.key", "other.key"] {
            fs::rename(static_key(folder.path()), folder.path().join(name)).unwrap();
        }
        let network = Network::new();
        let start = |program: Program, end: &End, namespace, name: &str, text: &str| -> Process {
            let text = text.to_owned() + &end.directives(&folder);
            match end.clock {
                Some(clock) => program.start_when(clock, namespace, &folder, name, &text),
                None => program.start(namespace, &folder, name, &text),
            }
        };
        let mut server = start(self.server, &self.case.server, &network.server, "server", SERVER_TEXT);
        server.expect_line("Initialization Sequence Completed", PATIENCE);
        let client_text = format!("{CLIENT_TEXT}remote {SERVER_IPV4} 1194\n");
        let mut client = start(self.client, &self.case.client, &network.client, "client", &client_text);
        server.expect_line(self.says[0], PATIENCE);
        client.expect_line(self.says[1], PATIENCE);
        assert_eq!(client.count("Initialization Sequence Completed"), 0);
    }
}

const SERVER_TEXT: &str = "port 1194\nproto udp\ndev tun\nserver 10.8.0.0 255.255.255.0\ndh none\nkeepalive 10 60\nhand-window 4\nverb 3\n";
const CLIENT_TEXT: &str = "client\nproto udp\ndev tun\nnobind\nhand-window 4\nconnect-timeout 4\nverb 3\n";

impl End {
    fn directives(&self, folder: &Folder) -> String {
        let issuer = Pki::easy_rsa(self.issuer);
        let (ca, certificate) = (Pki::easy_rsa(Keys::Ec).ca(), issuer.certificate(self.certificate));
        let key = issuer.key(self.certificate);
        let more = self.more.replace("DIR", path(folder.path()));
        format!("ca {}\ncert {}\nkey {}\n{more}", path(&ca), path(&certificate), path(&key))
    }
}

/// Adds certificates with troubles to the PKI; its revocation list.
fn troubles() -> PathBuf {
    static MADE: Once = Once::new();
    let pki = Pki::easy_rsa(Keys::Ec);
    MADE.call_once(|| {
        for (purpose, end) in [(Purpose::Server, "server"), (Purpose::Client, "client")] {
            pki.issue_for_ten_days_of("2020-01-01 12:00:00", purpose, &format!("expired-{end}"));
            pki.issue_for_ten_days_of("2999-01-01 12:00:00", purpose, &format!("future-{end}"));
            pki.issue_revoked(purpose, &format!("revoked-{end}"));
        }
    });
    pki.revocation_list()
}

/// What adit says of its own configuration before it starts.
#[test]
fn what_cannot_be_read_is_said_at_once() {
    let (ec, rsa) = (Pki::easy_rsa(Keys::Ec), Pki::easy_rsa(Keys::Rsa));
    let folder = Folder::new("own");
    let certificate = fs::read_to_string(ec.certificate("client1")).unwrap();
    let begin = certificate.find("-----BEGIN").unwrap();
    let bad_line = certificate[..begin].lines().count() + 3;
    let (head, pem) = certificate.split_at(begin);
    let mut lines: Vec<&str> = pem.lines().collect();
    lines[2] = "This is not base64!";
    let damaged = folder.write("damaged.crt", format!("{head}{}\n", lines.join("\n")));
    let missing = folder.path().join("missing.crt");

    let (ca, cert, key) = (ec.ca(), ec.certificate("client1"), ec.key("client1"));
    let [ca, cert, key] = [path(&ca), path(&cert), path(&key)];
    let (other_key, damaged, missing) = (rsa.key("client1"), path(&damaged), path(&missing));
    let other_key = path(&other_key);
    for (files, sentence) in [
        ([missing, cert, key], format!(":4:4: ca: cannot read '{missing}': No such file or directory")),
        ([ca, "/", key], ":5:6: cert: cannot read '/': Is a directory".to_owned()),
        (
            [ca, damaged, key],
            format!("{damaged}:{bad_line}:19: '!' is no character of base64 in the CERTIFICATE block"),
        ),
        ([ca, key, key], format!("{key}:1: expected a certificate ('-----BEGIN CERTIFICATE-----'), found")),
        ([ca, cert, other_key], format!("the private key in {other_key} do not belong together")),
    ] {
        for role in ["client\nremote 192.0.2.1", "server 10.8.0.0 255.255.255.0"] {
            let [ca, cert, key] = files;
            let dev = if role.contains('\n') { "dev null" } else { "dev null\n" };
            let file = folder.write("own.conf", format!("{role}\n{dev}\nca {ca}\ncert {cert}\nkey {key}\n"));
            let output = lab::run_unchecked(Adit.executable(), &[path(&file)]);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let hits = said.lines().filter(|line| line.contains(&sentence)).count();
            assert_eq!(hits, 1, "{sentence}: {said}");
            assert!(!output.status.success());
            println!("{said}");
        }
    }
}

/// A password can be asked of clients only by what can verify it.
#[test]
fn a_server_that_could_let_nobody_in_does_not_start() {
    let folder = Folder::new("login");
    let own = Pki::easy_rsa(Keys::Ec).directives("server");
    let text = format!("server 10.8.0.0 255.255.255.0\ndev null\nverify-client-cert none\n{own}");
    let output = lab::run_unchecked(Adit.executable(), &[path(&folder.write("own.conf", text))]);
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said + String::from_utf8_lossy(&output.stderr);
    let sentence = "verify-client-cert: clients without a certificate must log in, and there is no 'auth-user-pass-verify' \
                    to verify it";
    assert!(said.contains(sentence), "{said}");
    assert!(!output.status.success());
}
