//! Scripts: what they are told, what they decide, and that nobody's packets wait for them.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connect;
mod environment;
#[path = "../lab/mod.rs"]
mod lab;
mod login;
mod settings;

use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::program::{Program, path};
use lab::{PATIENCE, wait_until};

impl Place {
    /// adit's server, with `more` in its configuration.
    fn serve(&self, more: &str) -> Process {
        self.serve_by(Adit, more)
    }

    fn serve_by(&self, program: Program, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 3\n\
             script-security 2\n{pki}{more}"
        );
        self.up_at_server(program, "server", &text)
    }

    /// Stock OpenVPN's client, with the certificate of `name`.
    fn start_client(&self, name: &str, more: &str) -> Process {
        self.start_client_by(Stock, name, more)
    }

    fn start_client_by(&self, program: Program, name: &str, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives(name);
        self.start_bare_client_by(program, name, &format!("{pki}{more}"))
    }

    fn start_bare_client_by(&self, program: Program, name: &str, more: &str) -> Process {
        let dev = if more.contains("dev ") { "" } else { "dev tun\n" };
        let text =
            format!("client\nnobind\n{dev}remote {SERVER_IPV4} 1194\nremote-cert-tls server\nverb 3\n{more}");
        self.start_at_client(program, name, &text)
    }

    fn connect(&self, name: &str, more: &str) -> Process {
        let mut client = self.start_client(name, more);
        client.expect_line(UP, PATIENCE);
        client
    }

    /// Waits until a file in the folder has a line that begins so.
    fn expect_in_file(&self, name: &str, start: &str) {
        let found = wait_until(PATIENCE, || self.file(name).lines().any(|line| line.starts_with(start)));
        assert!(found, "{start}: {}", self.file(name));
    }
}

/// `auth-user-pass` by a file.
fn login(place: &Place, name: &str, password: &str) -> String {
    let file = place.folder.write(&format!("{name}.login"), format!("{name}\n{password}\n"));
    format!("auth-user-pass {}\n", path(&file))
}
