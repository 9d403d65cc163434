//! Where a test happens: two namespaces, a folder, and the right to load the machine.
//!
//! What runs there is the test's: it adds methods of its own to [`Place`].

use std::fs;

use super::network::Network;
use super::pki::{Keys, Pki};
use super::process::Process;
use super::program::Program;
use super::{Folder, PATIENCE, Turn};

/// The line by which either program says that the tunnel, or the server, is there.
pub const UP: &str = "Initialization Sequence Completed";

/// Two namespaces and a folder.
pub struct Place {
    pub network: Network,
    pub folder: Folder,
    _turn: Option<Turn>,
}

impl Place {
    /// For a test of its own, which waits for its turn here.
    pub fn new(test: &str) -> Self {
        let turn = Turn::wait();
        Self { _turn: Some(turn), ..Self::within(test) }
    }

    /// For one in a table, whose runner waits for the turn ([`run_cases`](super::run_cases)).
    pub fn within(test: &str) -> Self {
        Self { network: Network::new(), folder: Folder::new(test), _turn: None }
    }

    /// Starts a program at the server's end.
    pub fn start_at_server(&self, program: Program, name: &str, text: &str) -> Process {
        program.start(&self.network.server, &self.folder, name, text)
    }

    /// The same, and waits until it is up.
    pub fn up_at_server(&self, program: Program, name: &str, text: &str) -> Process {
        until_up(self.start_at_server(program, name, text))
    }

    /// Starts a program at the client's end.
    pub fn start_at_client(&self, program: Program, name: &str, text: &str) -> Process {
        program.start(&self.network.client, &self.folder, name, text)
    }

    /// The same, and waits until it is up.
    pub fn up_at_client(&self, program: Program, name: &str, text: &str) -> Process {
        until_up(self.start_at_client(program, name, text))
    }

    /// An executable file with `text` behind its first line; its path.
    pub fn script(&self, name: &str, text: &str) -> String {
        self.folder.script(name, text)
    }

    /// What a file in the folder holds; nothing if it is not there.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn until_up(mut process: Process) -> Process {
    process.expect_line(UP, PATIENCE);
    process
}

/// A client's configuration with the certificate of `client1`, without a remote; `more` at its end.
pub fn client_text(more: &str) -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("client1");
    format!("client\nnobind\ndev tun\nremote-cert-tls server\nverb 3\n{pki}{more}")
}
