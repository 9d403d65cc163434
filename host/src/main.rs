//! The command `adit`: an OpenVPN client or server on Linux, by OpenVPN's own configuration files.
//!
//! [`run`] is the loop, [`io`] moves packets between the kernel and the engine, [`client`] and [`server`] do what each
//! role needs of the system. All decisions of the protocol are the engine's, in the crate `adit`.

#![deny(unsafe_code)]
// The host stands on std as a whole; telling core's part of it apart would only split every import in two.
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]

mod client;
mod clock;
mod device;
mod errors;
mod file;
mod io;
mod lines;
mod log;
mod netconf;
mod password;
mod persist;
mod poller;
mod privileges;
mod resolve;
mod run;
mod server;
mod signals;
mod status;
mod sys;
mod task;
mod tcp;
mod timer;
mod tools;
mod tun;
mod udp;

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use adit::client::Client;
use adit::config::{
    ClientConfig, Diagnostic, HostConfig, LogTarget, Profile, RoleConfig, ServerConfig, Severity,
};
use adit::server::Server;
use adit::{DropCounters, Host};

use client::ClientRole;
use clock::Clock;
use device::Tunnel;
use errors::cause;
use file::Output;
use io::Io;
use log::{Log, Verb};
use privileges::Privileges;
use run::{Node, Outcome};
use server::{Files, ServerRole};
use signals::Signals;

const HELP: &str = "\
adit: OpenVPN client and server

usage: adit FILE
       adit --config FILE [--OPTION [ARGUMENT]...]...
       adit --OPTION [ARGUMENT]...

Options are the directives of OpenVPN's configuration files, with -- before them; one that adit does not
have is refused by name. Files are looked for from the current directory, or from that of --cd.

  --help     this text
  --version  the version

Signals: TERM and INT leave, and tell the other end; HUP reads the configuration again; USR1 connects
anew; USR2 writes the status to the log.
";

/// The largest `tun-mtu` that a server may push to us, in bytes.
const MAX_PUSHED_MTU: u16 = 1600;

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            eprint!("{HELP}");
            ExitCode::FAILURE
        }
        [.., "--help" | "-h"] | ["--help" | "-h", ..] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        [.., "--version"] | ["--version", ..] => {
            println!("{}", version());
            ExitCode::SUCCESS
        }
        _ => match tools::run(&args) {
            Some(status) => status,
            None => start(args),
        },
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

/// Why the process cannot start, in sentences for standard error.
struct Failure(Vec<String>);

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self(vec![format!("adit: {sentence}")])
    }
}

/// What stays the same when SIGHUP and SIGUSR1 begin anew.
struct Process {
    args: Vec<String>,
    profile: Profile,
    privileges: Privileges,
    files: Files,
    log: Rc<Log>,
    clock: Clock,
    signals: Signals,
}

impl Process {
    fn start(args: Vec<String>) -> Result<Self, Failure> {
        let clock = Clock::new();
        let (profile, warnings) = load(&args)?;
        let host = &profile.host;
        let privileges = Privileges::find(host.process.user.as_deref(), host.process.group.as_deref())?;
        let log = Rc::new(open_log(host, clock)?);
        for warning in warnings {
            log.warning(warning);
        }
        log.info(version());
        if let Some(path) = &host.process.writepid {
            let pid = format!("{}\n", std::process::id());
            std::fs::write(path, pid)
                .map_err(|error| format!("writepid: cannot write {path}: {}", cause(&error)))?;
        }
        let files = open_files(host, &Files::default())?;
        let signals = Signals::new().map_err(|error| format!("cannot take over signals: {error}"))?;
        Ok(Self { args, profile, privileges, files, log, clock, signals })
    }

    /// Runs until the process is to end; its exit status.
    fn run(mut self) -> u8 {
        let mut kept = None;
        loop {
            match self.run_once(kept.take()) {
                Ok((Outcome::Exit(status), _)) => return status,
                Ok((Outcome::Restart, tunnel)) => kept = tunnel,
                Ok((Outcome::Reload, tunnel)) => {
                    kept = tunnel;
                    self.reload();
                }
                Err(why) => {
                    self.log.error(why);
                    self.log.info("Exiting due to fatal error");
                    return 1;
                }
            }
        }
    }

    /// Takes the configuration as it is now. One that cannot be used, or no longer be read, leaves the old in force.
    /// The log stays where it is.
    fn reload(&mut self) {
        match load(&self.args) {
            Ok((profile, warnings)) => {
                match open_files(&profile.host, &self.files) {
                    Ok(files) => self.files = files,
                    Err(why) => self.log.warning(why),
                }
                self.profile = profile;
                for warning in warnings {
                    self.log.warning(warning);
                }
            }
            Err(Failure(sentences)) => {
                for sentence in sentences {
                    self.log.error(sentence);
                }
                self.log.warning("the configuration stays as it was");
            }
        }
    }

    fn run_once(&mut self, kept: Option<Tunnel>) -> Result<(Outcome, Option<Tunnel>), String> {
        let profile = self.profile.clone();
        match profile.role {
            RoleConfig::Client(config) => self.run_client(config, profile.host, kept),
            RoleConfig::Server(config) => self.run_server(config, profile.host, kept),
        }
    }

    fn run_client(
        &mut self,
        config: ClientConfig,
        host: HostConfig,
        kept: Option<Tunnel>,
    ) -> Result<(Outcome, Option<Tunnel>), String> {
        let io = self.io(config.session.tun_mtu.max(MAX_PUSHED_MTU))?;
        let engine = Client::new(config.clone(), self.engine_host(), self.clock.now());
        let engine = engine.map_err(|error| error.to_string())?;
        let mut node = Node { engine, io, clock: self.clock };
        let status = self.files.status.clone();
        let mut role = ClientRole::start(host, &config, self.privileges, status, kept, &mut node);
        let outcome = run::run(&mut node, &mut role, &mut self.signals);
        let tunnel = role.finish(&mut node, self.keeps_tunnel(&outcome));
        self.note_drops(node.engine.drops(), &node.io);
        outcome.map(|outcome| (outcome, tunnel)).map_err(|error| error.to_string())
    }

    fn run_server(
        &mut self,
        config: ServerConfig,
        host: HostConfig,
        kept: Option<Tunnel>,
    ) -> Result<(Outcome, Option<Tunnel>), String> {
        let io = self.io(config.session.tun_mtu)?;
        let engine = Server::new(config.clone(), self.engine_host(), self.clock.now());
        let engine = engine.map_err(|error| error.to_string())?;
        let mut node = Node { engine, io, clock: self.clock };
        let mut role =
            ServerRole::start(host, &config, self.privileges, self.files.clone(), kept, &mut node)?;
        let outcome = run::run(&mut node, &mut role, &mut self.signals);
        let tunnel = role.finish(&mut node, self.keeps_tunnel(&outcome));
        if let RoleConfig::Server(config) = &mut self.profile.role {
            config.leases = node.engine.leases();
        }
        self.note_drops(node.engine.drops(), &node.io);
        outcome.map(|outcome| (outcome, tunnel)).map_err(|error| error.to_string())
    }

    /// `persist-tun` keeps the device over SIGUSR1; over SIGHUP too, if it could not be opened again.
    fn keeps_tunnel(&self, outcome: &std::io::Result<Outcome>) -> bool {
        let restart = match outcome {
            Ok(Outcome::Restart) => true,
            Ok(Outcome::Reload) => self.privileges.are_dropped(),
            Ok(Outcome::Exit(_)) | Err(_) => false,
        };
        restart && self.profile.host.persist_tun
    }

    fn io(&self, mtu: u16) -> Result<Io, String> {
        Io::new(Rc::clone(&self.log), mtu).map_err(|error| format!("cannot wait for events: {error}"))
    }

    fn engine_host(&self) -> Host {
        Host::new(fill_random, self.clock.unix())
    }

    fn note_drops(&self, drops: &DropCounters, io: &Io) {
        for (reason, count) in drops.iter() {
            self.log.line(Verb::Debug, format_args!("dropped packets, {reason}: {count}"));
        }
        let lost = io.losses;
        if lost.tun + lost.link > 0 {
            let io::Losses { tun, link } = lost;
            self.log.line(
                Verb::Debug,
                format_args!("packets that the system did not take: {tun} by TUN, {link} by the link"),
            );
        }
    }
}

/// Reads the configuration that the command line names; warnings go to the log, once there is one.
fn load(args: &[String]) -> Result<(Profile, Vec<Diagnostic>), Failure> {
    let mut files = |path: &str| std::fs::read(path).map_err(|error| cause(&error));
    let parsed = Profile::from_args(args, &mut files);
    match parsed.profile {
        Some(profile) => Ok((profile, parsed.diagnostics)),
        None => {
            let errors =
                parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            Err(Failure(errors.map(Diagnostic::to_string).collect()))
        }
    }
}

/// Opens the files that are written all the time. One that is open already stays so.
fn open_files(host: &HostConfig, before: &Files) -> Result<Files, String> {
    let open = |option: &str, path: Option<&str>, before: &Option<Output>| {
        let Some(path) = path else { return Ok(None) };
        match before.as_ref().filter(|output| output.path() == Path::new(path)) {
            Some(output) => Ok(Some(output.clone())),
            None => Output::open(path)
                .map(Some)
                .map_err(|error| format!("{option}: cannot write {path}: {}", cause(&error))),
        }
    };
    let status = host.status.as_ref().map(|status| status.path.as_str());
    let leases = host.pool_persist.as_ref().filter(|persist| persist.interval.is_some());
    let leases = leases.map(|persist| persist.path.as_str());
    Ok(Files {
        status: open("status", status, &before.status)?,
        leases: open("ifconfig-pool-persist", leases, &before.leases)?,
    })
}

fn open_log(host: &HostConfig, clock: Clock) -> Result<Log, String> {
    let verb = host.log.verb;
    let (path, append) = match &host.log.target {
        LogTarget::Stdout => return Ok(Log::stdout(verb, clock)),
        LogTarget::Truncate(path) => (path, false),
        LogTarget::Append(path) => (path, true),
        LogTarget::Syslog(_) => return Err("syslog: this is not supported yet".into()),
    };
    let log = Log::file(Path::new(path), append, verb, clock);
    log.map_err(|error| format!("cannot open the log {path}: {}", cause(&error)))
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
