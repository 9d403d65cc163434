//! [`Process`]: from the command line to a running role, and again at SIGHUP and SIGUSR1.
//!
//! Owns what outlives a run: the log, the signals, files that stay open, the device that `persist-tun` keeps. What a
//! role does is in [`client`](crate::client) and [`server`](crate::server).

mod live;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use std::{fs, io};

use adit::client::Client;
use adit::config::{
    AuthUserPass, ClientConfig, Credentials, Diagnostic, HostConfig, LogTarget, Outline, ProcessConfig,
    Profile, RoleConfig, ServerConfig, Severity,
};
use adit::server::Server;
use adit::{Endpoint, Host};

use crate::client::ClientRole;
use crate::clock::Clock;
use crate::daemon::{ask_login, detach, redirect_output};
use crate::device::Tunnel;
use crate::errors::cause;
use crate::file::Output;
use crate::flow_log::FlowLog;
use crate::io::{Io, Losses};
use crate::log::{Log, Sink, Verb};
use crate::management::{self, Management, State, StateName};
use crate::notify::Notifier;
use crate::privileges::Privileges;
use crate::run::{self, Node, Outcome};
use crate::scripts::{self, Env, facts};
use crate::server::{Files, ServerRole};
use crate::signals::Signals;
use crate::sources::Sources;
use crate::tools::missing_files;
use crate::{fill_random, version};

/// The largest `tun-mtu` that a server may push to us, in bytes.
const MAX_PUSHED_MTU: u16 = 1600;
/// What is locked into memory at least, if the limit can be raised, in bytes: OpenVPN's figure.
const LOCKED_MEMORY: u64 = 100 << 20;

/// What OpenVPN would wait before a restart.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The last line of a process that cannot go on.
const FATAL: &str = "Exiting due to fatal error";

/// Why the process cannot start, in sentences for standard error.
pub(crate) struct Failure(pub(crate) Vec<String>);

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self(vec![format!("adit: {sentence}")])
    }
}

/// What stays the same when SIGHUP and SIGUSR1 begin anew.
pub(crate) struct Process {
    args: Vec<String>,
    sources: Sources,
    profile: Profile,
    privileges: Privileges,
    files: Files,
    log: Rc<Log>,
    notifier: Rc<Notifier>,
    clock: Clock,
    signals: Signals,
    management: Management,
    /// Name and password that were asked for before the terminal was let go.
    login: Option<Credentials>,
    /// `writepid`, to be deleted at the end.
    pid_file: Option<String>,
}

impl Process {
    /// All up to the point where there is nothing left to be found wrong with the configuration; `daemon` is in the
    /// background then.
    pub(crate) fn start(args: Vec<String>) -> Result<Self, Failure> {
        let clock = Clock::new();
        let notifier = Rc::new(Notifier::from_env());
        let mut sources = Sources::default();
        let (profile, warnings, outline) = load(&args, &mut sources)?;
        let missing = missing_files(&outline);
        if !missing.is_empty() {
            return Err(Failure(missing));
        }
        let host = &profile.host;
        let process = &host.process;
        if process.user.is_none() && process.group.is_none() && process.chroot.is_none() {
            sources.forget();
        }
        let privileges = Privileges::find(host, has_lan(&profile.role))?;
        let unrun = scripts::check(host)?;
        let log = Rc::new(open_log(host, clock, &notifier)?);
        for warning in warnings {
            log.warning(warning);
        }
        if let Some(warning) = unrun {
            log.warning(warning);
        }
        show_settings(&log, host);
        log.info(version());
        let settled = settle(&profile, &log, clock, &notifier).inspect_err(|why| {
            log.error(why);
            log.info(FATAL);
        });
        // The log has it, and may be what standard error is.
        let Settled { files, signals, management, login } = settled.map_err(|_| Failure(Vec::new()))?;
        let pid_file = process.writepid.clone().filter(|_| process.chroot.is_none());
        Ok(Self {
            args,
            sources,
            profile,
            privileges,
            files,
            log,
            notifier,
            clock,
            signals,
            management,
            login,
            pid_file,
        })
    }

    /// Runs until the process is to end; its exit status.
    pub(crate) fn run(mut self) -> u8 {
        let mut kept = None;
        let mut pause = Duration::ZERO;
        self.notifier.ready(std::process::id());
        let status = loop {
            match self.run_once(kept.take(), pause) {
                Ok((Outcome::Exit(status), _)) => break status,
                Ok((Outcome::Restart, tunnel)) => {
                    kept = tunnel;
                    pause = RESTART_PAUSE;
                }
                Ok((Outcome::Reload, tunnel)) => {
                    kept = tunnel;
                    pause = Duration::ZERO;
                    self.notifier.reloading();
                    self.reload();
                    self.notifier.ready(std::process::id());
                }
                Err(why) => {
                    self.management.fatal(&why);
                    self.log.error(why);
                    self.log.info(FATAL);
                    break 1;
                }
            }
        };
        self.management.flush();
        if let Some(path) = &self.pid_file {
            let _ = fs::remove_file(path);
        }
        status
    }

    /// Takes the configuration as it is now. One that cannot be used leaves the old in force; so does, after
    /// privileges were dropped, each file that can no longer be read. The log stays where it is.
    fn reload(&mut self) {
        if self.privileges.are_dropped() {
            self.sources.fall_back(self.profile.host.process.chroot.as_deref());
        }
        let loaded = load(&self.args, &mut self.sources);
        for note in self.sources.take_notes() {
            self.log.warning(note);
        }
        let usable = loaded.and_then(|(profile, warnings, _)| {
            self.try_out(&profile.role)?;
            Ok((profile, warnings))
        });
        match usable {
            Ok((profile, warnings)) => {
                match open_files(&profile.host, &self.files, &self.log) {
                    Ok(files) => self.files = files,
                    Err(why) => self.log.warning(why),
                }
                if profile.host.management != self.profile.host.management {
                    self.log
                        .warning("management: what has changed takes effect when the process starts anew");
                }
                self.log.adjust(&profile.host.log);
                show_settings(&self.log, &profile.host);
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

    /// Whether an engine can be made of it: a key, say, that is not the certificate's is found by nobody else.
    fn try_out(&self, role: &RoleConfig) -> Result<(), String> {
        let now = self.clock.now();
        match role {
            RoleConfig::Client(config) => Client::new(config.clone(), self.engine_host(), now)
                .map(drop)
                .map_err(|error| error.to_string()),
            RoleConfig::Server(config) => Server::new(config.clone(), self.engine_host(), now)
                .map(drop)
                .map_err(|error| error.to_string()),
        }
    }

    fn run_once(
        &mut self,
        kept: Option<Tunnel>,
        pause: Duration,
    ) -> Result<(Outcome, Option<Tunnel>), String> {
        let held = management::hold(&mut self.management, &mut self.signals, &self.log, pause);
        if let Some(outcome) = held.map_err(|error| format!("cannot wait for events: {error}"))? {
            return Ok((outcome, kept));
        }
        let profile = self.profile.clone();
        match profile.role {
            RoleConfig::Client(config) => self.run_client(config, profile.host, kept),
            RoleConfig::Server(config) => self.run_server(config, profile.host, kept),
        }
    }

    fn run_client(
        &mut self,
        mut config: ClientConfig,
        host: HostConfig,
        kept: Option<Tunnel>,
    ) -> Result<(Outcome, Option<Tunnel>), String> {
        crate::peer_info::complete(&mut config);
        if let (AuthUserPass::Ask, Some(login)) = (&config.auth_user_pass, &self.login) {
            config.auth_user_pass = AuthUserPass::Given(login.clone());
        }
        let io = self.io(config.session.tun_mtu.max(MAX_PUSHED_MTU))?;
        let engine = Client::new(config.clone(), self.engine_host(), self.clock.now());
        let engine = engine.map_err(|error| error.to_string())?;
        let mut node = self.node(engine, io);
        let status = self.files.status.clone();
        let env = self.env(&host);
        let mut role =
            ClientRole::start(host, &config, env, self.privileges.clone(), status, kept, &mut node);
        let outcome = run::run(&mut node, &mut role, &mut self.signals);
        self.tell_end(&outcome);
        let tunnel = role.finish(&mut node, self.keeps_tunnel(&outcome), &self.signals);
        self.note_end(&node);
        self.take_back(&mut node, &outcome);
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
        let mut node = self.node(engine, io);
        let env = self.env(&host);
        let (privileges, files) = (self.privileges.clone(), self.files.clone());
        let started =
            ServerRole::start(host, &config, env, privileges, files, kept, (&mut node, &self.signals));
        let mut role = started.inspect_err(|_| self.management = node.management.take())?;
        let outcome = self.run_and_reload(&mut node, &mut role);
        self.tell_end(&outcome);
        let tunnel = role.finish(&mut node, self.keeps_tunnel(&outcome), &self.signals);
        if let RoleConfig::Server(config) = &mut self.profile.role {
            config.leases = node.engine.leases();
        }
        self.note_end(&node);
        self.take_back(&mut node, &outcome);
        outcome.map(|outcome| (outcome, tunnel)).map_err(|error| error.to_string())
    }

    fn node<E>(&mut self, engine: E, io: Io) -> Node<E> {
        let management = self.management.take();
        Node { engine, io, clock: self.clock, management, farewell: None, end: None }
    }

    /// The management interface outlives the run, and its clients learn how that ended.
    fn take_back<E>(&mut self, node: &mut Node<E>, outcome: &io::Result<Outcome>) {
        self.management = node.management.take();
        let stage = match outcome {
            Ok(Outcome::Exit(_)) => StateName::Exiting,
            Ok(Outcome::Reload | Outcome::Restart) => StateName::Reconnecting,
            Err(_) => return,
        };
        self.management.state(State::because(stage, node.end.take().unwrap_or_default()));
        self.management.flush();
    }

    /// The service manager learns of the end before the device is taken down.
    fn tell_end(&self, outcome: &io::Result<Outcome>) {
        if matches!(outcome, Ok(Outcome::Exit(_)) | Err(_)) {
            self.notifier.stopping();
        }
    }

    /// `persist-tun` keeps the device over SIGUSR1; over SIGHUP too, if it could not be opened again.
    fn keeps_tunnel(&self, outcome: &io::Result<Outcome>) -> bool {
        let restart = match outcome {
            Ok(Outcome::Restart) => true,
            Ok(Outcome::Reload) => self.privileges.are_dropped(),
            Ok(Outcome::Exit(_)) | Err(_) => false,
        };
        restart && self.profile.host.persist_tun
    }

    fn io(&self, mtu: u16) -> Result<Io, String> {
        let io = Io::new(Rc::clone(&self.log), mtu);
        let mut io = io.map_err(|error| format!("cannot wait for events: {error}"))?;
        io.passtos = self.profile.host.sockets.passtos;
        Ok(io)
    }

    /// What all scripts are told.
    fn env(&self, host: &HostConfig) -> Env {
        let config = match self.args.as_slice() {
            [only] => Some(only),
            args => args.iter().skip_while(|arg| *arg != "--config").nth(1),
        };
        facts::of_process(config.map(String::as_str), host, self.clock.unix())
    }

    fn engine_host(&self) -> Host {
        Host::new(fill_random, self.clock.unix())
    }

    /// The last lines of a run.
    fn note_end<E: Endpoint>(&self, node: &Node<E>) {
        for (reason, count) in node.engine.drops().iter() {
            self.log.line(Verb::Debug, format_args!("dropped packets, {reason}: {count}"));
        }
        let Losses { tun, link } = node.io.losses;
        if tun + link > 0 {
            self.log.line(
                Verb::Debug,
                format_args!("packets that the system did not take: {tun} by TUN, {link} by the link"),
            );
        }
        if let Some(farewell) = &node.farewell {
            self.log.info(farewell);
        }
    }
}

/// From `verb 4` on, the settings under OpenVPN's heading.
fn show_settings(log: &Log, host: &HostConfig) {
    if !host.log.settings.is_empty() {
        log.info("Current Parameter Settings:");
    }
    for line in &host.log.settings {
        log.info(line);
    }
}

/// What was opened and asked for at the start.
struct Settled {
    files: Files,
    signals: Signals,
    management: Management,
    login: Option<Credentials>,
}

/// Opens what stays open, and sets the process up, in the background if it is to be there.
fn settle(profile: &Profile, log: &Rc<Log>, clock: Clock, notifier: &Notifier) -> Result<Settled, String> {
    let host = &profile.host;
    let process = &host.process;
    let files = open_files(host, &Files::default(), log)?;
    let management = Management::open(host.management.as_ref(), log, clock)?;
    // A service manager watches this very process.
    let foreground = match &process.daemon {
        Some(_) if !notifier.is_there() => {
            Some(detach().map_err(|error| format!("daemon: {}", cause(&error)))?)
        }
        _ => None,
    };
    if let Some(path) = &process.writepid {
        let pid = format!("{}\n", std::process::id());
        fs::write(path, pid).map_err(|error| format!("writepid: cannot write {path}: {}", cause(&error)))?;
    }
    let signals = Signals::new(process.remap_usr1);
    let mut signals = signals.map_err(|error| format!("cannot take over signals: {error}"))?;
    let mut login = None;
    if let Some(foreground) = foreground {
        login = ask_login(profile, &mut signals)?;
        foreground.release(log.is_file()).map_err(|error| format!("daemon: {}", cause(&error)))?;
    }
    set_priority(process, log);
    Ok(Settled { files, signals, management, login })
}

/// `nice` and `mlock`, as far as the system allows.
fn set_priority(process: &ProcessConfig, log: &Log) {
    if process.nice != 0 {
        match rustix::process::nice(process.nice) {
            Ok(_) => log.info(format_args!("nice {} succeeded", process.nice)),
            Err(error) => {
                log.warning(format_args!("nice {} failed: {}", process.nice, cause(&error.into())));
            }
        }
    }
    if process.mlock {
        match lock_memory() {
            Ok(()) => log.info("mlockall call succeeded"),
            Err(error) => log.warning(format_args!("mlockall call failed: {}", cause(&error))),
        }
    }
}

/// Reads the configuration that the command line names; warnings go to the log, once there is one.
fn load(args: &[String], sources: &mut Sources) -> Result<(Profile, Vec<Diagnostic>, Outline), Failure> {
    let parsed = Profile::from_args(args, sources);
    match parsed.profile {
        Some(profile) => Ok((profile, parsed.diagnostics, parsed.outline)),
        None => {
            let errors =
                parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            Err(Failure(errors.map(Diagnostic::to_string).collect()))
        }
    }
}

/// Opens the files that are written all the time. One that is open already stays so.
fn open_files(host: &HostConfig, before: &Files, log: &Log) -> Result<Files, String> {
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
    let flows = match (&host.flow_log, &before.flows) {
        (None, _) => None,
        (Some(path), Some(flows)) if flows.borrow().path() == Path::new(path) => {
            flows.borrow_mut().take_up(log);
            Some(Rc::clone(flows))
        }
        (Some(path), _) => {
            let opened = FlowLog::open(path);
            let opened =
                opened.map_err(|error| format!("flow-log: cannot write {path}: {}", cause(&error)))?;
            Some(Rc::new(RefCell::new(opened)))
        }
    };
    Ok(Files {
        status: open("status", status, &before.status)?,
        leases: open("ifconfig-pool-persist", leases, &before.leases)?,
        flows,
    })
}

/// Opens the log. If it is a file, all that this process and its scripts print goes there.
fn open_log(host: &HostConfig, clock: Clock, notifier: &Rc<Notifier>) -> Result<Log, String> {
    let named = |path: &str, error: &io::Error| format!("cannot open the log {path}: {}", cause(error));
    let sink = match (&host.log.target, &host.process.daemon) {
        (LogTarget::Stdout, Some(daemon)) => Sink::syslog(daemon.name.as_deref().unwrap_or("openvpn")),
        (LogTarget::Stdout, None) => Sink::Stdout,
        (LogTarget::Syslog(name), _) => Sink::syslog(name),
        (LogTarget::Truncate(path), _) => Sink::file(path, false).map_err(|error| named(path, &error))?,
        (LogTarget::Append(path), _) => Sink::file(path, true).map_err(|error| named(path, &error))?,
    };
    if let Some(file) = sink.as_file() {
        redirect_output(file).map_err(|error| format!("log: {}", cause(&error)))?;
    }
    Ok(Log::new(&host.log, sink, clock, Rc::clone(notifier)))
}

/// Keeps all memory of this process out of swap, now and later.
fn lock_memory() -> io::Result<()> {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Memlock);
    if limit.current.is_some_and(|current| current < LOCKED_MEMORY) {
        limit.current = Some(LOCKED_MEMORY);
        limit.maximum = limit.maximum.map(|maximum| maximum.max(LOCKED_MEMORY));
        // Without the right to raise it, what is allowed may still do.
        let _ = setrlimit(Resource::Memlock, limit);
    }
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)?)
}

fn has_lan(role: &RoleConfig) -> bool {
    matches!(role, RoleConfig::Server(config) if config.router.lan.is_some())
}
