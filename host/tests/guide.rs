//! Configurations that people have: the texts of a guide of 2016, and the samples that Debian's package brings.
//!
//! The texts are taken as they are, but for the server's address, and the folder of Debian's state files. The keys are
//! those of Debian's samples or easy-rsa's. Either end is adit or stock OpenVPN, as far as that still takes the text.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::time::Duration;
use std::fs;
use std::path::Path;

use rustix::process::Signal;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::place::UP;
use lab::program::Program::{self, Adit, Stock};
use lab::{Folder, PATIENCE, Turn, traffic, wait_until};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/guide-2016");
const DEBIAN: &str = "/usr/share/doc/openvpn/examples";

/// A server's and a client's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// The guide's first pair.
    QuickStart,
    /// The guide's last pair: another network, a pushed route, a log file.
    Final,
    /// Debian's samples.
    Debian,
    /// The same with their `tls-auth` lines made effective.
    DebianTlsAuth,
}

/// Whose keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Debian's samples: the server is `Test-Server`, the client `Test-Client`.
    Debian,
    /// easy-rsa: `server` and `client1`.
    EasyRsa,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    text: Text,
    keys: From,
    server: Program,
    client: Program,
}

#[test]
fn the_texts_make_tunnels() {
    let mut cases = Vec::new();
    for (text, keys) in [
        (Text::QuickStart, From::Debian),
        (Text::QuickStart, From::EasyRsa),
        (Text::Final, From::Debian),
        (Text::Final, From::EasyRsa),
        (Text::Debian, From::EasyRsa),
        (Text::DebianTlsAuth, From::Debian),
    ] {
        for (server, client) in [(Adit, Adit), (Adit, Stock), (Stock, Adit)] {
            // Stock OpenVPN refuses the 1024 bits of the quick start's dh1024.pem.
            if (text, server) != (Text::QuickStart, Stock) {
                cases.push(Case { text, keys, server, client });
            }
        }
    }
    lab::run_cases(&cases, Case::name, Case::run);
}

impl Case {
    fn name(&self) -> String {
        let Self { text, keys, server, client } = self;
        format!("{text:?} with {keys:?}'s keys, {server:?} serves {client:?}")
    }

    fn run(&self) {
        let folders = [Folder::new(&(self.name() + " server")), Folder::new(&(self.name() + " client"))];
        for folder in &folders {
            self.copy_keys(folder.path());
        }
        let [server_folder, client_folder] = &folders;
        let network = Network::new();
        let [server_name, client_name] = self.names();

        let mut server = self.server.start(&network.server, server_folder, "server", &self.server_text());
        if self.text == Text::Final {
            server = server.logging_to("openvpn.log");
        }
        server.expect_line(UP, PATIENCE);
        let status = server_folder.path().join("openvpn-status.log");
        let written = || fs::read_to_string(&status).is_ok_and(|text| text.ends_with("END\n"));
        assert!(wait_until(PATIENCE, written), "no status at the start");
        let mut client = self.client.start(&network.client, client_folder, "client", &self.client_text());
        client.expect_line(UP, PATIENCE);
        for line in [
            format!("VERIFY OK: depth=0, {}", self.subject(client_name)),
            format!("[{client_name}] Peer Connection Initiated with [AF_INET]192.0.2.2:"),
            format!("SENT CONTROL [{client_name}]: 'PUSH_REPLY,"),
        ] {
            server.expect_line(&line, PATIENCE);
        }
        for line in [
            "UDPv4 link remote: [AF_INET]192.0.2.1:1194",
            &format!("VERIFY OK: depth=0, {}", self.subject(server_name)),
            &format!("[{server_name}] Peer Connection Initiated with [AF_INET]192.0.2.1:1194"),
            "PUSH: Received control message: 'PUSH_REPLY,",
        ] {
            client.expect_line(line, PATIENCE);
        }

        let Addresses { server: inner, client: ours, peer, .. } = self.addresses();
        let shown = network.client.run("ip", &["-4", "-oneline", "address", "show", "dev", "tun0"]);
        let expected = match peer {
            Some(peer) => format!("inet {ours} peer {peer}/32"),
            None => format!("inet {ours}/24"),
        };
        assert!(shown.contains(&expected), "{expected}: {shown}");
        traffic::ping(&network.client, inner);
        traffic::ping(&network.server, ours);
        if self.text == Text::Final {
            let routes = network.client.run("ip", &["-4", "route"]);
            let route = format!("10.0.0.0/16 via {} dev tun0", peer.unwrap_or(inner));
            assert!(routes.contains(&route), "{route}: {routes}");
        }

        client.signal(Signal::TERM);
        client.expect_exit(PATIENCE);
        server.signal(Signal::TERM);
        server.expect_exit(PATIENCE);
        self.check_files(server_folder.path());
    }

    /// What the server leaves behind: the client's lease, and a status of version 1.
    fn check_files(&self, folder: &Path) {
        let leases = fs::read_to_string(folder.join("ipp.txt")).unwrap();
        assert_eq!(leases, format!("{},{},\n", self.names()[1], self.addresses().lease));
        let status = fs::read_to_string(folder.join("openvpn-status.log")).unwrap();
        let lines: Vec<&str> = status.lines().collect();
        assert_eq!(lines[0], "OpenVPN CLIENT LIST", "{status}");
        assert!(lines[1].starts_with("Updated,20"), "{status}");
        assert_eq!(lines[2], "Common Name,Real Address,Bytes Received,Bytes Sent,Connected Since");
        assert!(lines.contains(&"ROUTING TABLE"), "{status}");
        assert_eq!(lines.last(), Some(&"END"), "{status}");
    }

    fn server_text(&self) -> String {
        match self.text {
            Text::QuickStart => read(FIXTURES, "quickstart-server.conf"),
            Text::Final => read(FIXTURES, "final-server.conf"),
            Text::Debian => debian("server.conf"),
            Text::DebianTlsAuth => effective(&debian("server.conf"), "tls-auth ta.key 0"),
        }
    }

    fn client_text(&self) -> String {
        let text = match self.text {
            Text::QuickStart => read(FIXTURES, "quickstart-client.conf"),
            Text::Final => read(FIXTURES, "final-client.conf"),
            Text::Debian => debian("client.conf"),
            Text::DebianTlsAuth => effective(&debian("client.conf"), "tls-auth ta.key 1"),
        };
        let placeholder = if self.text == Text::Final { "X.X.X.X" } else { "my-server-1" };
        assert!(text.contains(&format!("\nremote {placeholder} 1194\n")), "{text}");
        text.replace(placeholder, SERVER_IPV4)
    }

    /// Puts the files where the texts look for them.
    fn copy_keys(&self, folder: &Path) {
        let copy = |from: &Path, to: &str| fs::copy(from, folder.join(to)).unwrap();
        let samples = Path::new(DEBIAN).join("sample-keys");
        copy(&samples.join("dh2048.pem"), "dh2048.pem");
        copy(&samples.join("ta.key"), "ta.key");
        for (name, from) in [("server", 0), ("client", 1), ("client1", 1)] {
            let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
            match self.keys {
                From::Debian => {
                    let from = ["server", "client"][from];
                    copy(&samples.join(format!("{from}.crt")), &certificate);
                    copy(&samples.join(format!("{from}.key")), &key);
                }
                From::EasyRsa => {
                    let pki = Pki::easy_rsa(Keys::Rsa);
                    copy(&pki.certificate(self.names()[from]), &certificate);
                    copy(&pki.key(self.names()[from]), &key);
                }
            }
        }
        match self.keys {
            From::Debian => copy(&samples.join("ca.crt"), "ca.crt"),
            From::EasyRsa => copy(&Pki::easy_rsa(Keys::Rsa).ca(), "ca.crt"),
        };
    }

    /// The server's and the client's common name.
    fn names(&self) -> [&'static str; 2] {
        match self.keys {
            From::Debian => ["Test-Server", "Test-Client"],
            From::EasyRsa => ["server", "client1"],
        }
    }

    fn subject(&self, name: &str) -> String {
        match self.keys {
            From::Debian => {
                format!("C=KG, ST=NA, O=OpenVPN-TEST, CN={name}, emailAddress=me@myhost.mydomain")
            }
            From::EasyRsa => format!("CN={name}"),
        }
    }

    /// Without `topology` in the text OpenVPN 2.6 gives each client a /30, and adit, like OpenVPN 2.7, an address.
    fn addresses(&self) -> Addresses {
        let net30 = self.server == Stock && self.text == Text::Final;
        match (self.text, net30) {
            (Text::Final, true) => Addresses {
                server: "10.0.255.1",
                client: "10.0.255.6",
                peer: Some("10.0.255.5"),
                lease: "10.0.255.4",
            },
            (Text::Final, false) => Addresses::in_subnet("10.0.255.1", "10.0.255.2"),
            _ => Addresses::in_subnet("10.8.0.1", "10.8.0.2"),
        }
    }
}

/// Addresses inside the tunnel.
struct Addresses {
    server: &'static str,
    client: &'static str,
    /// The other end of the client's /30.
    peer: Option<&'static str>,
    /// As the server writes it down.
    lease: &'static str,
}

impl Addresses {
    fn in_subnet(server: &'static str, client: &'static str) -> Self {
        Self { server, client, peer: None, lease: client }
    }
}

/// `status` for the third time, now every second: the last one counts, and its lines say who is there.
#[test]
fn the_status_file_lists_the_client() {
    let _turn = Turn::wait();
    let case = Case { text: Text::Final, keys: From::EasyRsa, server: Adit, client: Stock };
    let folder = Folder::new("status");
    case.copy_keys(folder.path());
    let network = Network::new();
    let text = case.server_text() + "status openvpn-status.log 1\n";
    let mut server = Adit.start(&network.server, &folder, "server", &text).logging_to("openvpn.log");
    server.expect_line(UP, PATIENCE);
    let mut client = Stock.start(&network.client, &folder, "client", &case.client_text());
    client.expect_line(UP, PATIENCE);
    traffic::ping(&network.client, "10.0.255.1");

    let file = folder.path().join("openvpn-status.log");
    let mut status = String::new();
    let listed = wait_until(Duration::from_secs(10), || {
        status = fs::read_to_string(&file).unwrap_or_default();
        status.contains("\nclient1,192.0.2.2:")
    });
    assert!(listed, "{status}");
    let lines: Vec<&str> = status.lines().collect();
    let columns: Vec<&str> = lines[3].split(',').collect();
    let [name, address, received, sent, since] = columns[..] else { panic!("{status}") };
    assert_eq!(name, "client1");
    for bytes in [received, sent] {
        // Three pings.
        assert!(bytes.parse::<u64>().unwrap() > 3 * 84, "{status}");
    }
    assert!(since.starts_with("20"), "{status}");
    assert_eq!(lines[4..6], ["ROUTING TABLE", "Virtual Address,Common Name,Real Address,Last Ref"]);
    assert!(lines[6].starts_with(&format!("10.0.255.2,client1,{address},20")), "{status}");
    assert_eq!(lines[7..], ["GLOBAL STATS", "Max bcast/mcast queue length,0", "END"]);
}

/// A sample configuration of Debian's, whose state files lie in its own folder.
fn debian(name: &str) -> String {
    read(&format!("{DEBIAN}/sample-config-files"), name).replace("/var/log/openvpn/", "")
}

/// `text` with the statement that stands in it behind a semicolon.
fn effective(text: &str, statement: &str) -> String {
    let commented = format!("\n;{statement}");
    assert!(text.contains(&commented), "{statement}: {text}");
    text.replace(&commented, &format!("\n{statement}"))
}

fn read(folder: &str, name: &str) -> String {
    let path = Path::new(folder).join(name);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `./test` installs it", path.display()))
}
