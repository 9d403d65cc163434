//! One case: a server and a client meet, carry traffic, renegotiate under it, and part.

use core::net::SocketAddr;
use core::time::Duration;

use rustix::process::Signal;

use crate::lab::network::{Network, SERVER_IPV4, SERVER_IPV6};
use crate::lab::pki::{Pki, static_key};
use crate::lab::place::UP;
use crate::lab::process::Process;
use crate::lab::program::{Program, path};
use crate::lab::{Folder, PATIENCE, traffic};
use crate::table::{Cipher, Derivation, Outer, Row, Tls, Transport, Wrap};

/// adit's directive that keeps it from offering or pushing `key-derivation tls-ekm`, so that both ends use the PRF.
const WITHOUT_EKM: &str = "disable-tls-ekm\n";

const NEGOTIATED: &str = "Control Channel: TLS";

/// Which programs meet, and who acts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) row: Row,
    pub(crate) server: Program,
    pub(crate) client: Program,
    /// Whose `reneg-sec` it is.
    pub(crate) renegotiates: End,
    /// Who goes first at the end.
    pub(crate) leaves: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Server,
    Client,
}

impl Case {
    pub(crate) fn name(&self) -> String {
        format!("{:?} serves {:?} {}", self.server, self.client, self.row.name())
    }

    pub(crate) fn run(&self) {
        let folder = Folder::new(&self.name());
        let network = Network::new();
        let static_key = path(&static_key(folder.path())).to_owned();

        let mut server =
            self.server.start(&network.server, &folder, "server", &self.server_text(&static_key));
        server.expect_line(UP, PATIENCE);
        let mut client =
            self.client.start(&network.client, &folder, "client", &self.client_text(&static_key));
        client.expect_line(UP, PATIENCE);
        server.expect_line("[client1] Peer Connection Initiated with [AF_INET", PATIENCE);
        traffic::ping(&network.client, "10.8.0.1");
        traffic::ping(&network.client, "fd00:8::1");
        self.check_negotiation(&mut server, &mut client);

        let negotiated = client.count(NEGOTIATED);
        let responder = SocketAddr::from(([10, 8, 0, 1], 7007));
        let echoes =
            traffic::echoes(&network.server, &network.client, responder, 1000, Duration::from_secs(12));
        assert_eq!(echoes, traffic::Echoes::default(), "echoes");
        let renegotiations = client.count(NEGOTIATED) - negotiated;
        assert!(renegotiations >= 2, "{renegotiations} renegotiations under the echoes");

        let rates = traffic::iperf(&network.server, &network.client, "10.8.0.1", folder.path());
        println!("{}: {:.2} Gbit/s up, {:.2} down", self.name(), rates.up / 1e9, rates.down / 1e9);

        self.part(server, client);
    }

    /// What a stock end says about the tunnel is the truth.
    fn check_negotiation(&self, server: &mut Process, client: &mut Process) {
        let Row(_, _, cipher, _, tls, derivation, _) = self.row;
        let version = match tls {
            Tls::V1_2 => "Control Channel: TLSv1.2,",
            Tls::V1_3 => "Control Channel: TLSv1.3,",
        };
        for (program, process) in [(self.server, server), (self.client, client)] {
            if program == Program::Stock {
                process.expect_line(version, PATIENCE);
                process.expect_line(&format!("Data Channel: cipher '{}'", cipher_name(cipher)), PATIENCE);
                assert_eq!(process.count("tls-ekm") > 0, derivation == Derivation::Ekm, "tls-ekm in the log");
            }
        }
    }

    /// One end goes, and the other says so long before its ping-restart could.
    fn part(&self, mut server: Process, mut client: Process) {
        let (leaving, staying) = match self.leaves {
            End::Server => (&mut server, &mut client),
            End::Client => (&mut client, &mut server),
        };
        let gone = match (self.row.0, self.leaves) {
            // In the control channel, or in the data channel for an older peer.
            (Transport::Udp, End::Client) => &["CC-EEN exit message received by peer", "remote-exit"][..],
            (Transport::Udp, End::Server) => &["server-pushed-connection-reset"],
            (Transport::Tcp, _) => &["connection-reset"],
        };
        leaving.signal(Signal::TERM);
        staying.expect_any_line(gone, Duration::from_secs(10));
        leaving.expect_exit(PATIENCE);
    }

    fn server_text(&self, static_key: &str) -> String {
        let (cipher, family) = (cipher_name(self.row.2), self.family());
        let proto = match self.row.0 {
            Transport::Udp => format!("udp{family}"),
            Transport::Tcp => format!("tcp{family}-server"),
        };
        let exit = if self.row.0 == Transport::Udp { "explicit-exit-notify 1\n" } else { "" };
        format!(
            "proto {proto}\nport 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\n\
             server-ipv6 fd00:8::/64\ndh none\ndata-ciphers {cipher}\nkeepalive 10 60\nverb 3\n{exit}{}{}{}{}{}",
            self.pki().directives("server"),
            self.wrap(static_key, End::Server),
            self.tls(self.server),
            self.derivation(self.server),
            self.renegotiation(End::Server),
        )
    }

    fn client_text(&self, static_key: &str) -> String {
        let (cipher, family) = (cipher_name(self.row.2), self.family());
        let proto = match self.row.0 {
            Transport::Udp => format!("udp{family}"),
            Transport::Tcp => format!("tcp{family}-client"),
        };
        let remote = match self.row.1 {
            Outer::V4 => SERVER_IPV4,
            Outer::V6 => SERVER_IPV6,
        };
        let exit = if self.row.0 == Transport::Udp { "explicit-exit-notify 1\n" } else { "" };
        format!(
            "client\nproto {proto}\nremote {remote} 1194\nnobind\ndev tun\nremote-cert-tls server\n\
             data-ciphers {cipher}\nverb 3\n{exit}{}{}{}{}{}",
            self.pki().directives("client1"),
            self.wrap(static_key, End::Client),
            self.tls(self.client),
            self.derivation(self.client),
            self.renegotiation(End::Client),
        )
    }

    fn pki(&self) -> Pki {
        Pki::easy_rsa(self.row.6)
    }

    fn family(&self) -> &'static str {
        match self.row.1 {
            Outer::V4 => "4",
            Outer::V6 => "6",
        }
    }

    fn wrap(&self, static_key: &str, end: End) -> String {
        match (self.row.3, end) {
            (Wrap::Plain, _) => String::new(),
            (Wrap::TlsAuth, End::Server) => format!("tls-auth {static_key} 0\n"),
            (Wrap::TlsAuth, End::Client) => format!("tls-auth {static_key} 1\n"),
            (Wrap::TlsCrypt, _) => format!("tls-crypt {static_key}\n"),
        }
    }

    /// Stock OpenVPN narrows the versions; adit follows.
    fn tls(&self, program: Program) -> &'static str {
        match (program, self.row.4) {
            (Program::Adit, _) => "",
            (Program::Stock, Tls::V1_2) => "tls-version-max 1.2\n",
            (Program::Stock, Tls::V1_3) => "tls-version-min 1.3\n",
        }
    }

    fn derivation(&self, program: Program) -> &'static str {
        match (program, self.row.5) {
            (Program::Adit, Derivation::Prf) => WITHOUT_EKM,
            _ => "",
        }
    }

    fn renegotiation(&self, end: End) -> &'static str {
        if self.renegotiates == end { "reneg-sec 5\n" } else { "reneg-sec 0\n" }
    }
}

fn cipher_name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Aes128Gcm => "AES-128-GCM",
        Cipher::Aes256Gcm => "AES-256-GCM",
        Cipher::ChaCha20Poly1305 => "CHACHA20-POLY1305",
    }
}
