//! `--probe`: does an OpenVPN server answer at this address, and if none does, what can be the cause.
//!
//! All addresses of all remotes are asked at the same time, each by a thread of its own. [`udp`] and [`tcp`] ask,
//! [`report`] says what came of it. What is protocol is the engine's [`Probe`](adit::client::Probe). Needs no root.

mod report;
mod target;
mod tcp;
mod udp;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use adit::wire::SessionId;

use crate::clock::Clock;
use crate::fill_random;
use report::Report;
use target::{Request, Target};

/// An OpenVPN server answered, and a client with these keys could come in.
const ANSWERED: u8 = 0;
/// Not so.
const NOT_ANSWERED: u8 = 1;
/// The command line, or the profile, is wrong.
const USAGE: u8 = 2;

/// What came of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// An OpenVPN server answers.
    Answered {
        /// Our protection of control packets is its own.
        protection_fits: bool,
        /// It keeps nothing before the address is proven.
        cookie: Option<bool>,
    },
    /// Something answers that is no OpenVPN server, or one that we do not understand.
    Other(Service),
    /// The machine, or a firewall, says that there is nothing.
    Refused,
    /// There is no way to the address, for this cause.
    Unreachable(String),
    /// Nothing comes back, or over TCP not even a connection.
    Silent,
    /// Over TCP: the connection is accepted, and nothing is said.
    Mute,
    /// Over TCP: the connection is accepted, and closed after our packet.
    Closed,
    /// The name has no address, for this cause.
    Unresolved(String),
}

/// What answers, if it is not OpenVPN.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Service {
    /// TLS by itself, as web servers have it.
    Tls,
    /// A web server.
    Http,
    /// SSH.
    Ssh,
    /// Something that says this first.
    Text(String),
    /// An OpenVPN server's answer, by its form, but under another key.
    Unreadable,
    /// Some bytes.
    Unknown,
}

/// What came of one address, and how.
#[derive(Debug)]
struct Finding {
    target: Target,
    outcome: Outcome,
    /// How many packets were sent.
    packets: u32,
    /// Until the answer, or in all.
    after: Duration,
}

pub(super) fn run(args: &[String]) -> ExitCode {
    let request = match Request::parse(args) {
        Ok(request) => request,
        Err(sentences) => {
            for sentence in sentences {
                super::usage("probe", &sentence);
            }
            return ExitCode::from(USAGE);
        }
    };
    let findings = ask(&request);
    let report = Report::new(&request, &findings);
    print!("{}", if request.json { report.json() } else { report.text() });
    ExitCode::from(if report.answered() { ANSWERED } else { NOT_ANSWERED })
}

/// Asks all of them, and gives back what came of it in the order of the profile.
fn ask(request: &Request) -> Vec<Finding> {
    thread::scope(|scope| {
        let started: Vec<_> = request
            .remotes
            .iter()
            .map(|remote| {
                scope.spawn(|| {
                    let targets = match remote.targets() {
                        Ok(targets) => targets,
                        Err(cause) => return vec![remote.unresolved(cause)],
                    };
                    thread::scope(|scope| {
                        let asked: Vec<_> =
                            targets.into_iter().map(|target| scope.spawn(move || target.ask())).collect();
                        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
                    })
                })
            })
            .collect();
        started.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    })
}

impl Target {
    fn ask(self) -> Finding {
        let keys = &self.protection.keys;
        let clock = Clock::new();
        let started = clock.now();
        let (outcome, packets) = match self.address {
            Some(address) if self.is_tcp() => tcp::ask(address, keys, clock),
            Some(address) => udp::ask(address, keys, clock),
            None => (Outcome::Silent, 0),
        };
        Finding { target: self, outcome, packets, after: clock.now().since(started) }
    }
}

fn random_session_id() -> SessionId {
    let mut bytes = [0; SessionId::LEN];
    fill_random(&mut bytes);
    // All zero is no session id.
    bytes[0] |= 1;
    SessionId::from_bytes(bytes)
}
