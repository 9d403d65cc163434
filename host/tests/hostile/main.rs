//! Stock OpenVPN as the tool of somebody hostile: what it can be made to send reaches no script, file, terminal or
//! program unchecked, and costs no more than its limit.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
#[path = "../lab/mod.rs"]
mod lab;
mod pushes;

use std::fs;

use lab::network::SERVER_IPV4;
use lab::pki::{Keys, Pki};
use lab::place::{self, Place};
use lab::process::Process;
use lab::program::path;

/// What all of it tries to do: make this file.
const PWNED: &str = "pwned";

impl Place {
    /// The path of a file that no test makes.
    fn pwned(&self) -> String {
        path(&self.folder.path().join(PWNED)).to_owned()
    }

    /// A script that writes down its arguments and its environment, each call after the one before, and says yes.
    fn hook(&self) -> String {
        let calls = path(&self.folder.path().join("calls")).to_owned();
        let text = format!(
            "{{ echo \"== $script_type\"; for word; do printf 'word=%s\\n' \"$word\"; done; env; }} >>{calls}"
        );
        self.script("hook", &text)
    }

    /// What a file in the folder holds, which must be UTF-8.
    fn text(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn server_text(more: &str) -> String {
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    format!(
        "port 1194\ndev tun\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 4\nkeepalive 1 10\n{pki}{more}"
    )
}

fn client_text(more: &str) -> String {
    place::client_text(&format!("remote {SERVER_IPV4} 1194 udp\n{more}"))
}

/// Nothing in `text` begins a line that nobody wrote; beyond that, a script is told a name as it is.
fn expect_lines(what: &str, text: &str) {
    let odd = |c: char| c.is_control() && c != '\n';
    if let Some(line) = text.lines().find(|line| line.contains(odd)) {
        panic!("{what}: {}", line.escape_debug());
    }
}

/// Nothing in `text` moves a terminal's cursor, begins a line that nobody wrote, or reads other than it is.
fn expect_printable(what: &str, text: &str) {
    let odd = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    if let Some(line) = text.lines().find(|line| line.contains(odd)) {
        panic!("{what}: {}", line.escape_debug());
    }
}

/// The most memory that a process has had so far, in kB.
fn peak_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
