//! Certificates as easy-rsa makes them: with text before the PEM block, a client's without a subject alternative name
//! (Debian's sample server, in the tests of the guide, has none either), valid far beyond what 32 bits hold. And in
//! profiles as mail and editors of other systems leave them, with CRLF and a BOM.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use std::fs;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::place::UP;
use lab::program::Program::{self, Adit, Stock};
use lab::{Folder, PATIENCE, run, traffic};

#[derive(Clone, Copy, Debug)]
struct Case {
    keys: Keys,
    server: Program,
    client: Program,
}

#[test]
fn profiles_with_everything_inside() {
    let mut cases = Vec::new();
    for keys in [Keys::Rsa, Keys::Ec] {
        for (server, client) in [(Adit, Adit), (Adit, Stock), (Stock, Adit)] {
            cases.push(Case { keys, server, client });
        }
    }
    lab::run_cases(&cases, |case| format!("{case:?}"), Case::run);
}

impl Case {
    fn run(&self) {
        let pki = Pki::easy_rsa(self.keys);
        check_certificates(&pki, self.keys);
        let folder = Folder::new(&format!("{self:?}"));
        let network = Network::new();
        let text = "port 1194\nproto udp\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\n";
        let mut server =
            self.server.start(&network.server, &folder, "server", &profile(text, &pki, "server"));
        server.expect_line(UP, PATIENCE);
        let text = format!(
            "client\nproto udp\ndev tun\nremote {SERVER_IPV4} 1194\nnobind\nremote-cert-tls server\nverb 3\n"
        );
        let mut client =
            self.client.start(&network.client, &folder, "client", &profile(&text, &pki, "client1"));
        client.expect_line(UP, PATIENCE);
        server.expect_line("[client1] Peer Connection Initiated with [AF_INET]192.0.2.2:", PATIENCE);
        traffic::ping(&network.client, "10.8.0.1");
    }
}

/// The files are what this test is about.
fn check_certificates(pki: &Pki, keys: Keys) {
    for name in ["server", "client1"] {
        let file = pki.certificate(name);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("Certificate:\n    Data:\n"), "{text}");
        assert_eq!(text.contains("Subject Alternative Name"), name == "server", "{text}");
        let end = run("openssl", &["x509", "-noout", "-enddate", "-in", file.to_str().unwrap()]);
        assert_eq!(end.trim_end().ends_with(" 3023 GMT"), keys == Keys::Ec, "{end}");
    }
}

/// `text` with the files of `name` inline, complete as easy-rsa wrote them, after a BOM and with CRLF.
fn profile(text: &str, pki: &Pki, name: &str) -> String {
    let mut profile = format!("\u{FEFF}{text}");
    for (tag, file) in [("ca", pki.ca()), ("cert", pki.certificate(name)), ("key", pki.key(name))] {
        profile += &format!("<{tag}>\n{}</{tag}>\n", fs::read_to_string(file).unwrap());
    }
    profile.replace('\n', "\r\n")
}
