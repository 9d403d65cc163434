//! The command `adit`: an OpenVPN client or server on Linux, by OpenVPN's own configuration files.
//!
//! [`process`] starts and restarts, [`run`] is the loop, [`io`] moves packets between the kernel and the engine, [`client`] and [`server`] do what each
//! role needs of the system. All decisions of the protocol are the engine's, in the crate `adit`.

#![deny(unsafe_code)]
// The host stands on std as a whole; telling core's part of it apart would only split every import in two.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod client;
mod clock;
mod crl;
mod daemon;
mod device;
mod dns;
mod errors;
mod file;
mod flow_log;
mod guard;
mod history;
mod io;
mod lan;
mod lines;
mod log;
mod management;
mod names;
mod netconf;
mod notify;
mod password;
mod peer_info;
mod persist;
mod poller;
mod privileges;
mod process;
mod proxy;
mod resolve;
mod run;
mod scripts;
mod server;
mod signals;
mod socket;
mod sources;
mod status;
mod sys;
mod syslog;
mod task;
mod tcp;
mod timer;
mod tools;
mod tun;
mod udp;

use std::process::ExitCode;

use process::{Failure, Process};

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    // Not for users: a client starts it.
    if args.first().is_some_and(|word| word == guard::WORD) {
        guard::run(args[1..].to_vec());
        return ExitCode::SUCCESS;
    }
    match tools::run(&args) {
        Some(status) => status,
        None => start(args),
    }
}

fn start(args: Vec<String>) -> ExitCode {
    match Process::start(args) {
        Ok(process) => ExitCode::from(process.run()),
        Err(Failure(sentences)) => {
            for sentence in sentences {
                eprintln!("{sentence}");
            }
            ExitCode::FAILURE
        }
    }
}

fn version() -> String {
    format!("adit {} {}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS)
}

/// The system's entropy.
///
/// # Panics
///
/// If the system has none to give: nothing could be kept secret then.
fn fill_random(mut out: &mut [u8]) {
    use rustix::rand::{GetRandomFlags, getrandom};
    while !out.is_empty() {
        match getrandom(&mut *out, GetRandomFlags::empty()) {
            Ok(count) => out = &mut out[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the system's entropy cannot be read: {error}"),
        }
    }
}
