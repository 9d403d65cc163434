//! A whole tunnel in one process: an OpenVPN server and an OpenVPN client with real certificates, over UDP on this
//! machine, and an IP stack behind each. No root, no TUN device, nothing installed.
//!
//! ```text
//!   client.rs    web.rs                          web.rs   server.rs
//!      |           |                                |         |
//!   +--+-----------+--+                          +--+---------+----+
//!   |  stack.rs       |  10.8.0.2      10.8.0.1  |  stack.rs       |    inner packets
//!   |  adit's Client  |                          |  adit's Server  |
//!   |  endpoint.rs    +------ UDP, 127.0.0.1 ----+  endpoint.rs    |    outer packets
//!   +-----------------+                          +-----------------+
//! ```
//!
//! Whoever embeds adit reads `endpoint.rs` first: it is the loop around an engine.

#![allow(unreachable_pub, reason = "the modules of a program")]
#![allow(clippy::std_instead_of_core, reason = "a host stands on std as a whole")]

mod client;
mod end;
mod options;
mod pki;
mod server;
mod slots;
mod stack;
mod web;

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::thread;

use adit::DropCounters;
use adit::config::{Parsed, Profile, Severity};

use client::{Guest, Transfer};
use options::{HELP, Options};
use pki::Pki;

/// Errors are sentences for whoever started this.
type Result<T> = core::result::Result<T, String>;

/// The server's address inside the tunnel, the first of `server 10.8.0.0 255.255.255.0`.
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

fn main() -> ExitCode {
    let done = Options::parse(std::env::args().skip(1)).and_then(|options| match options {
        Options::Help => {
            print!("{HELP}");
            Ok(())
        }
        Options::Demonstrate { bytes } => demonstrate(bytes),
        Options::Serve { bind, remote, profile } => serve(bind, remote, &profile),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("quickstart: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The whole story.
fn demonstrate(bytes: u64) -> Result<()> {
    let pki = Pki::new()?;
    let host = server::Host::new(&pki.server_profile(), (Ipv4Addr::LOCALHOST, 0).into())?;
    let outside = host.local_addr()?;
    println!("an OpenVPN server at udp://{outside} and a client, both in this process\n");
    fact("certificates", format_args!("a CA, {} and {}: ECDSA P-256", pki::SERVER, pki::CLIENT));

    let serving = thread::spawn(move || host.serve_one());
    let mut guest = Guest::new(&pki.client_profile("127.0.0.1", outside.port()))?;
    guest.join()?;
    let facts = &guest.facts;
    let (version, suite) = facts.tls;
    let millis = |end: adit::Instant| (end - facts.began).as_secs_f64() * 1e3;
    fact("handshake", format_args!("{version}, {suite}, {:.1} ms", millis(facts.authenticated)));
    if let Some(address) = facts.address {
        fact(
            "tunnel",
            format_args!("{address} <-> {INSIDE}, {}, up after {:.1} ms", facts.cipher, millis(facts.up)),
        );
    }

    let page = guest.fetch(INSIDE, "/")?;
    fact("page", format_args!("http://{INSIDE}/ is {}", page.status));
    fact("", format_args!("{}", page.body.lines().next().unwrap_or_default()));

    let down = guest.download(INSIDE, bytes)?;
    print_transfer("down", &down, bytes)?;
    let up = guest.upload(INSIDE, bytes)?;
    print_transfer("up", &up, bytes)?;
    fact("renegotiations", format_args!("{} under load", guest.facts.renegotiations));

    guest.settle()?;
    let left = guest.leave(|| serving.is_finished());
    let report = serving.join().map_err(|_| "the server's thread has panicked".to_owned())??;
    left?;

    let missing = |sent: u64, arrived: u64| sent.saturating_sub(arrived);
    let (sealed, opened) = (guest.end.sealed, guest.end.opened);
    fact("packets down", format_args!("{} sent, {} missing", report.sealed, missing(report.sealed, opened)));
    fact("packets up", format_args!("{sealed} sent, {} missing", missing(sealed, report.opened)));
    fact(
        "drops",
        format_args!("client: {}; server: {}", list(&guest.end.engine.drops()), list(&report.drops)),
    );
    Ok(())
}

fn print_transfer(name: &str, transfer: &Transfer, expected: u64) -> Result<()> {
    if transfer.bytes != expected {
        return Err(format!("of {expected} bytes {name}, {} have arrived", transfer.bytes));
    }
    fact(name, format_args!("{} bytes, {:.0} Mbit/s", transfer.bytes, transfer.rate()));
    Ok(())
}

fn fact(name: &str, text: core::fmt::Arguments<'_>) {
    println!("{name:>16}  {text}");
}

/// Each reason to drop a packet that occurred, with its count.
fn list(drops: &DropCounters) -> String {
    let items: Vec<String> = drops.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

/// Only the server, for whoever joins.
fn serve(bind: SocketAddr, remote: Option<String>, profile: &str) -> Result<()> {
    let pki = Pki::new()?;
    let host = server::Host::new(&pki.server_profile(), bind)?;
    let outside = host.local_addr()?;
    let remote = remote.unwrap_or_else(|| {
        let ip = outside.ip();
        if ip.is_unspecified() { Ipv4Addr::LOCALHOST.to_string() } else { ip.to_string() }
    });
    write_secret(profile, &pki.client_profile(&remote, outside.port()))
        .map_err(|error| format!("cannot write {profile}: {error}"))?;
    println!("serving on udp://{outside}; a stock OpenVPN joins by\n");
    println!("    sudo openvpn {profile}\n    curl http://{INSIDE}/\n");
    println!("Ctrl-C ends this, and makes {profile} useless.\n");
    host.serve()
}

/// Writes a file that holds a private key: only its owner may read it.
fn write_secret(path: &str, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // The file may be one of an earlier run.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

/// The settings of a profile, or what is wrong with it.
fn parsed(parsed: Parsed) -> Result<Profile> {
    parsed.profile.ok_or_else(|| {
        let errors = parsed.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(ToString::to_string).collect::<Vec<_>>().join("; ")
    })
}
