//! The management interface and the status, as the programs that use them see them.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod behaviour;
mod dialogue;
#[path = "../lab/mod.rs"]
mod lab;
mod monitors;

use lab::PATIENCE;
use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program;

/// Where the interface is, unless it is a unix socket.
const PORT: u16 = 7505;

impl Place {
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
        self.start_at_server(program, "server", &text)
    }

    fn start_client(&self, program: Program, more: &str) -> Process {
        let more = format!("remote {SERVER_IPV4} 1194\nproto udp\nexplicit-exit-notify 1\n{more}");
        self.start_at_client(program, "client", &client_text(&more))
    }

    /// A client that is up.
    fn connect(&self, program: Program, more: &str) -> Process {
        let mut client = self.start_client(program, more);
        client.expect_line(UP, PATIENCE);
        client
    }
}
