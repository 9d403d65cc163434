//! The management interface and the status, as the programs that use them see them.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod behaviour;
mod dialogue;
#[path = "../lab/mod.rs"]
mod lab;
mod monitors;

use lab::network::{Network, SERVER_IPV4};
use lab::pki::{Keys, Pki};
use lab::process::Process;
use lab::program::Program;
use lab::{Folder, PATIENCE};

const UP: &str = "Initialization Sequence Completed";
/// Where the interface is, unless it is a unix socket.
const PORT: u16 = 7505;

/// Two namespaces and a folder.
struct Place {
    network: Network,
    folder: Folder,
}

impl Place {
    fn new(test: &str) -> Self {
        Self { network: Network::new(), folder: Folder::new(test) }
    }

    /// A server that is up.
    fn serve(&self, program: Program, more: &str) -> Process {
        let mut server = self.start_server(program, more);
        server.expect_line(UP, PATIENCE);
        server
    }

    fn start_server(&self, program: Program, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "port 1194\nproto udp\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\n\
             server-ipv6 fd00:8::/64\nkeepalive 1 8\ndh none\nverb 3\n{pki}{more}"
        );
        program.start(&self.network.server, &self.folder, "server", &text)
    }

    fn start_client(&self, program: Program, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("client1");
        let text = format!(
            "client\nremote {SERVER_IPV4} 1194\nproto udp\nnobind\ndev tun\nremote-cert-tls server\nverb 3\n\
             explicit-exit-notify 1\n{pki}{more}"
        );
        program.start(&self.network.client, &self.folder, "client", &text)
    }

    /// A client that is up.
    fn connect(&self, program: Program, more: &str) -> Process {
        let mut client = self.start_client(program, more);
        client.expect_line(UP, PATIENCE);
        client
    }
}
