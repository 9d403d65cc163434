//! The configurations of `examples/config` in the style of others: each is found to be in order, and connects to stock OpenVPN.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::adit;
use crate::lab::names::NameServer;
use crate::lab::network::{Network, SERVER_IPV4};
use crate::lab::pki::{Keys, Pki, static_key};
use crate::lab::place::UP;
use crate::lab::process::Process;
use crate::lab::program::Program::{Adit, Stock};
use crate::lab::program::path;
use crate::lab::{Folder, PATIENCE, run_cases, traffic};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/config");

/// A sample, and what stock OpenVPN needs to be its other end.
struct Case {
    sample: &'static str,
    /// More of the command line, as the system has it.
    options: &'static str,
    /// Of the stock end; `KEY` is the static key, `LOGIN` a name and a password.
    peer: &'static str,
    /// Whom the client pings, and what it has then.
    server: &'static str,
    address: &'static str,
}

const SERVERS: [Case; 4] = [
    Case {
        sample: "openwrt-server.conf",
        options: "--status openwrt.status --cd DIR",
        peer: "proto udp\ntls-crypt KEY\nauth SHA256\ncompress stub-v2\n",
        server: "192.168.200.1",
        address: "192.168.200.2/24",
    },
    Case {
        sample: "opnsense-server.conf",
        options: "",
        peer: "proto udp\ntls-auth KEY 1\nauth SHA512\nauth-user-pass LOGIN\n",
        server: "10.10.0.1",
        // By the override.
        address: "10.10.0.77/24",
    },
    Case {
        sample: "vyos-server.conf",
        options: "",
        peer: "proto tcp-client\ntls-crypt KEY\nauth SHA256\n",
        server: "10.23.1.1",
        address: "10.23.1.10/24",
    },
    Case {
        sample: "pfsense-server.conf",
        options: "",
        peer: "proto udp\ntls-auth KEY 1\nauth SHA256\nauth-user-pass LOGIN\n",
        server: "10.99.0.1",
        address: "10.99.0.2/24",
    },
];

const CLIENTS: [Case; 5] = [
    Case {
        sample: "openwrt-client.conf",
        options: "--status openwrt.status --cd DIR",
        peer: "port 1194\nproto udp\ntls-auth KEY 0\nauth SHA256\n",
        server: "10.8.0.1",
        address: "10.8.0.2/24",
    },
    Case {
        sample: "vyos-client.conf",
        options: "",
        peer: "port 1194\nproto tcp-server\nauth SHA512\n",
        server: "10.8.0.1",
        address: "10.8.0.2/24",
    },
    Case {
        sample: "pfsense-export.ovpn",
        options: "",
        peer: "port 1194\nproto udp\ntls-auth KEY 0\nauth SHA256\n",
        server: "10.8.0.1",
        address: "10.8.0.2/24",
    },
    Case {
        sample: "provider.ovpn",
        options: "",
        peer: "port 1194\nproto udp\ntls-crypt KEY\nauth SHA512\nverify-client-cert none\n\
               auth-user-pass-verify /bin/true via-file\nscript-security 2\ncomp-lzo no\nallow-compression yes\n",
        server: "10.8.0.1",
        address: "10.8.0.2/24",
    },
    Case {
        sample: "aws-client.ovpn",
        options: "",
        peer: "port 443\nproto udp\nreneg-sec 0\n",
        server: "10.8.0.1",
        address: "10.8.0.2/24",
    },
];

#[test]
fn the_servers_serve_stock_clients() {
    run_cases(
        &SERVERS,
        |case| case.sample.to_owned(),
        |case| {
            let lab = Lab::new(case);
            let mut server = lab.sample(case, &lab.network.server);
            server.expect_line(UP, PATIENCE);
            let text = format!(
                "client\ndev tun\nremote {SERVER_IPV4} 1194\nnobind\nremote-cert-tls server\nverb 3\n{}{}",
                lab.pki.directives("client1"),
                lab.peer(case)
            );
            let mut client = Stock.start(&lab.network.client, &lab.folder, "client", &text);
            client.expect_line(UP, PATIENCE);
            lab.carries(case);
        },
    );
}

#[test]
fn the_clients_come_to_stock_servers() {
    run_cases(
        &CLIENTS,
        |case| case.sample.to_owned(),
        |case| {
            let lab = Lab::new(case);
            let text = format!(
                "dev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nkeepalive 10 60\nverb 3\n\
             push \"route 172.16.5.0 255.255.255.0\"\n{}{}",
                lab.pki.directives("server"),
                lab.peer(case)
            );
            let mut server = Stock.start(&lab.network.server, &lab.folder, "server", &text);
            server.expect_line(UP, PATIENCE);
            let mut client = lab.sample(case, &lab.network.client);
            client.expect_line(UP, PATIENCE);
            lab.carries(case);
            let routes = lab.network.client.run("ip", &["route"]);
            assert!(routes.contains("172.16.5.0/24"), "{routes}");
        },
    );
}

/// A folder that is `/etc/openvpn` to a sample, and a network in which `vpn.example.net` is the server.
struct Lab {
    _names: NameServer,
    folder: Folder,
    network: Network,
    pki: Pki,
}

impl Lab {
    fn new(case: &Case) -> Self {
        let folder = Folder::new(case.sample);
        let network = Network::new();
        let pki = Pki::easy_rsa(Keys::Ec);
        for (name, file) in [
            ("ca.crt", pki.ca()),
            ("server.crt", pki.certificate("server")),
            ("server.key", pki.key("server")),
            ("client1.crt", pki.certificate("client1")),
            ("client1.key", pki.key("client1")),
            ("static.key", static_key(folder.path())),
        ] {
            private(&folder, name, &fs::read(file).unwrap());
        }
        private(&folder, "login.txt", b"somebody\nsomething\n");
        private(&folder, "event.sh", b"#!/bin/sh\nexit 0\n");
        fs::set_permissions(folder.path().join("event.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        for directory in ["ccd", "csc"] {
            fs::create_dir(folder.path().join(directory)).unwrap();
        }
        let overrides = fs::read_to_string(format!("{SAMPLES}/opnsense-client-override")).unwrap();
        if case.sample.starts_with("opnsense") {
            folder.write("csc/client1", overrides);
        }
        let names = NameServer::start(&network, SERVER_IPV4.parse().unwrap());
        Self { _names: names, folder, network, pki }
    }

    /// Checks the sample and starts it.
    fn sample(&self, case: &Case, namespace: &crate::lab::network::Namespace) -> Process {
        let directory = path(self.folder.path());
        let mut text = fs::read_to_string(format!("{SAMPLES}/{}", case.sample)).unwrap();
        text = text.replace("/etc/openvpn", directory);
        for name in ["ca.crt", "client1.crt", "client1.key", "static.key"] {
            let file = fs::read_to_string(self.folder.path().join(name)).unwrap();
            text = text.replace(&format!("[{name}]\n"), &file);
        }
        let file = private(&self.folder, case.sample, text.as_bytes());
        let options = case.options.replace("DIR", directory);
        let mut args: Vec<&str> = options.split_whitespace().collect();
        args.extend(["--config", &file]);

        let checked = adit(self.folder.path(), &[&["--check"], &args[..], &["--json"]].concat());
        let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert!(checked.status.success(), "{report:#}");
        println!("{}: {} warnings", case.sample, report["configurations"][0]["warnings"]);
        Process::start(namespace, self.folder.path(), "sample", Adit.executable(), &args)
    }

    fn peer(&self, case: &Case) -> String {
        let [key, login] = ["static.key", "login.txt"].map(|name| self.folder.path().join(name));
        case.peer.replace("KEY", path(&key)).replace("LOGIN", path(&login))
    }

    fn carries(&self, case: &Case) {
        let shown = self.network.client.run("ip", &["-4", "-oneline", "address", "show"]);
        assert!(shown.contains(&format!("inet {} ", case.address)), "{}: {shown}", case.address);
        traffic::ping(&self.network.client, case.server);
    }
}

/// Writes a file that is its owner's alone, and gives back where.
fn private(folder: &Folder, name: &str, content: &[u8]) -> String {
    let file = folder.write(name, content);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    path(Path::new(&file)).to_owned()
}
