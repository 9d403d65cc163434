//! The host of a client: links to its server, the login, and the system's side of what the server pushes.

mod closing;
mod links;
mod login;
mod management;
mod proxy;
mod system;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use adit::client::Client;
use adit::config::{ClientConfig, Credentials, HostConfig, Ipv4Route, Remapped, Remote, TunnelSettings};
use adit::{CloseReason, Event, Instant, LinkId, Path, RequestId, Role as EngineRole, VerifyDecision};

use crate::device::Tunnel;
use crate::errors::cause;
use crate::file::Output;
use crate::guard::{self, Guard};
use crate::io::LinkChange;
use crate::lines::{Narrator, family_address};
use crate::log::Log;
use crate::management::{Answer, ByteCounts, Command, State, StateName};
use crate::netconf::Watch;
use crate::password::Prompt;
use crate::privileges::Privileges;
use crate::resolve::{Found, LookedUp};
use crate::run::{Node, Outcome, Role};
use crate::scripts::{Done, Env, Hook, TunnelHooks, facts};
use crate::signals::{Request, Signals};
use crate::status;
use crate::task::Task;
use crate::timer::Every;
use closing::Closing;
use links::tcp_failed;
use system::{Named, Stage};

/// What a client waits for before it can connect.
#[derive(Debug)]
enum Waiting {
    /// Addresses of the remote that is wanted, and perhaps of others.
    LookUp(Task<LookedUp>, Attempt),
    /// The user.
    Prompt(Prompt, RequestId),
    /// The user, by the management interface.
    Interface(RequestId),
    /// The user, about a login at a proxy.
    ProxyLogin(Prompt, Attempt),
}

/// What the engine asked for a link to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt {
    /// Index into the configuration's remotes.
    remote: usize,
    /// Which of its addresses.
    address: usize,
}

/// What a client's loop knows beside the engine.
pub(crate) struct ClientRole {
    host: HostConfig,
    remotes: Vec<Remote>,
    connect_timeout: Duration,
    tun_mtu: u16,
    log: Rc<Log>,
    narrator: Narrator,
    privileges: Privileges,
    waiting: Option<Waiting>,
    /// A beginning that waits for the management interface's release, or for the end of the tunnel before.
    held: Option<Event>,
    /// A tunnel that is being closed.
    closing: Option<Closing>,
    /// The next one waits for that.
    up_waits: bool,
    /// The link in use, and where it leads to: the server's address, or a proxy's.
    link: Option<(LinkId, SocketAddr)>,
    /// What the engine asked for last.
    attempt: Option<Attempt>,
    /// The connection to a SOCKS proxy that keeps its relay open.
    control: Option<LinkId>,
    /// What the user said of logins at the remotes' proxies.
    proxy_logins: BTreeMap<usize, Credentials>,
    /// A TCP connection must be there by then.
    opening: Option<Instant>,
    /// The addresses of remotes that were looked up, by their numbers.
    found: BTreeMap<usize, Found>,
    /// Since when no name could be resolved.
    unresolved: Option<Instant>,
    tunnel: Option<Tunnel>,
    /// The guard of a tunnel that is closed.
    guard: Option<Guard>,
    /// What is still to be done until the tunnel counts as up.
    stage: Option<Stage>,
    /// The look-up of names in routes.
    names: Option<Task<Vec<Named>>>,
    named_routes: Vec<Ipv4Route>,
    hooks: TunnelHooks,
    /// Why the tunnel goes, for scripts.
    signal: Option<String>,
    /// Tells of changes of the network under the tunnel.
    watch: Option<Watch>,
    /// What the tunnel was set up by.
    settings: Option<TunnelSettings>,
    connected: bool,
    status: Every,
    status_file: Option<Output>,
    /// What follows when the engine has left.
    leaving: Option<Outcome>,
    outcome: Option<Outcome>,
}

impl ClientRole {
    /// Begins: `env` is what all scripts are told, `tunnel` what an earlier run kept.
    pub(crate) fn start(
        host: HostConfig,
        config: &ClientConfig,
        mut env: Env,
        privileges: Privileges,
        status_file: Option<Output>,
        tunnel: Option<Tunnel>,
        node: &mut Node<Client>,
    ) -> Self {
        let now = node.clock.now();
        if tunnel.is_none() && !privileges.are_dropped() {
            guard::repair(&node.io.log);
        }
        let status = Every::new(host.status.as_ref().and_then(|status| status.interval), now);
        node.engine.start(now);
        facts::of_remotes(&mut env, &config.remotes);
        facts::of_dns(&mut env, &host.dns);
        Self {
            hooks: TunnelHooks::new(&host, &config.session, env, Rc::clone(&node.io.log)),
            signal: None,
            remotes: config.remotes.clone(),
            connect_timeout: config.connect_timeout,
            tun_mtu: config.session.tun_mtu,
            log: Rc::clone(&node.io.log),
            narrator: Narrator::new(EngineRole::Client, host.process.remap_usr1),
            privileges,
            waiting: None,
            held: None,
            closing: None,
            up_waits: false,
            link: None,
            attempt: None,
            control: None,
            proxy_logins: BTreeMap::new(),
            opening: None,
            found: BTreeMap::new(),
            unresolved: None,
            tunnel,
            guard: None,
            stage: None,
            names: None,
            named_routes: Vec::new(),
            watch: None,
            settings: None,
            connected: false,
            status,
            status_file,
            leaving: None,
            outcome: None,
            host,
        }
    }

    /// Ends: closes everything, or keeps the tunnel for the next run.
    pub(crate) fn finish(mut self, node: &mut Node<Client>, keep: bool, signals: &Signals) -> Option<Tunnel> {
        self.write_status(node);
        node.io.close_links();
        if let Some(name) = &node.end {
            self.signal = Some(name.to_lowercase());
        }
        match self.tunnel.take() {
            Some(tunnel) if keep => {
                if self.host.scripts.up_restart {
                    self.hooks.run(&node.clock, Hook::Down, "restart", self.signal.as_deref(), signals);
                }
                return Some(tunnel.park(&mut node.io));
            }
            tunnel => {
                self.tunnel = tunnel;
                self.down(node, node.clock.now());
            }
        }
        self.finish_closing(node, signals);
        if let Some(guard) = self.guard {
            guard.finish(&self.log);
        }
        None
    }

    fn closed(&mut self, node: &mut Node<Client>, now: Instant, reason: &CloseReason) {
        self.connected = false;
        self.signal = Some(signal(reason).to_owned());
        if reason.is_final() {
            // OpenVPN's: also a refused login is a SIGTERM that it raises for itself.
            let failed = matches!(reason, CloseReason::RetriesExhausted(_));
            let outcome = self.leaving.unwrap_or_else(|| Outcome::Exit(u8::from(failed)));
            self.outcome.get_or_insert(outcome);
        } else if let Some(remapped) = self.host.process.remap_usr1 {
            // For signals from outside the process has seen to it; this one is our own.
            self.outcome.get_or_insert(match remapped {
                Remapped::Sighup => Outcome::Reload,
                Remapped::Sigterm => Outcome::Exit(0),
            });
        } else if !self.host.persist_tun {
            self.down(node, now);
        } else if self.host.scripts.up_restart && self.tunnel.is_some() {
            self.hooks.start(now, &node.io.poller, Hook::Down, "restart", None);
        }
    }

    /// `tls-verify` has judged the server's certificates, or not yet.
    fn verified(&self, node: &mut Node<Client>, now: Instant, request: RequestId, yes: Option<bool>) {
        let decision = match yes {
            Some(true) => VerifyDecision::Accept,
            Some(false) => VerifyDecision::Refuse,
            None => return,
        };
        let _ = node.engine.reply_verify(now, request, decision);
    }

    // ---- the status ----

    fn status_text(&self, node: &Node<Client>) -> String {
        let mut traffic = node.io.traffic();
        traffic.auth_read = traffic.tun_written;
        status::client(node.clock.unix(), &traffic)
    }

    fn write_status(&self, node: &Node<Client>) {
        if let Some(file) = &self.status_file
            && let Err(error) = file.replace(&self.status_text(node))
        {
            self.log.warning(format_args!("cannot write {}: {}", file.path().display(), cause(&error)));
        }
    }
}

impl Role<Client> for ClientRole {
    fn handle_event(&mut self, node: &mut Node<Client>, now: Instant, event: Event) {
        for line in self.narrator.tell(&event) {
            self.log.line(line.level, remapped(line.text, self.host.process.remap_usr1));
        }
        if self.holds(node, &event) {
            return;
        }
        self.note_event(node, &event);
        match event {
            Event::SessionStarted { path, .. } => self.hooks.begin(&path),
            Event::VerifyRequested { request, path, certificate, .. } => {
                let is_fine = self.hooks.verify(now, &node.io.poller, request, &path, certificate);
                self.verified(node, now, request, is_fine.then_some(true));
            }
            Event::PeerAuthenticated { path, .. } => {
                let certificate = node.engine.certificate().cloned();
                self.hooks.authenticated(now, &node.io.poller, &path, certificate.as_deref());
            }
            Event::ConnectRequested { remote, address } => {
                self.look_up(node, now, Attempt { remote, address });
            }
            Event::CredentialsRequested { request } => self.log_in(node, now, request),
            Event::Connected { .. } => self.up(node, now),
            Event::LinkClosed { link } => node.io.close_link(link),
            Event::Closed { reason, .. } => {
                self.note_end(node, now, &reason);
                self.closed(node, now, &reason);
            }
            _ => {}
        }
    }

    fn handle_signal(&mut self, node: &mut Node<Client>, now: Instant, name: &'static str, request: Request) {
        if request != Request::Status {
            node.end = Some(name.to_owned());
        }
        match request {
            // Asked twice: at once.
            Request::Exit if self.leaving.is_some() => self.outcome = Some(Outcome::Exit(0)),
            Request::Exit => {
                self.waiting = None;
                node.farewell = Some(format!("{name}[hard,] received, process exiting"));
                self.leaving = Some(Outcome::Exit(0));
                node.engine.disconnect(now);
            }
            Request::Reload => {
                self.waiting = None;
                node.farewell = Some(format!("{name}[hard,] received, process restarting"));
                self.leaving.get_or_insert(Outcome::Reload);
                node.engine.disconnect(now);
            }
            Request::Restart => {
                self.log.info(format_args!("{name}[hard,] received, process restarting"));
                // A look-up is given up; a question to the user stays.
                if matches!(self.waiting, Some(Waiting::LookUp(..) | Waiting::ProxyLogin(..))) {
                    self.waiting = None;
                }
                node.engine.restart(now);
                // Between two attempts the pause ends.
                node.engine.start(now);
            }
            Request::Status => {
                for line in self.status_text(node).lines() {
                    self.log.info(line);
                }
            }
        }
    }

    fn handle_link(&mut self, node: &mut Node<Client>, now: Instant, link: LinkId, change: LinkChange) {
        if self.control == Some(link) {
            return self.control_closed(node, now);
        }
        let Some((_, remote)) = self.link.filter(|(ours, _)| *ours == link) else { return };
        self.opening = None;
        let to = family_address(&remote.into());
        match change {
            LinkChange::Connected => {
                self.log.info(format_args!("TCP connection established with {to}"));
                if node.engine.connect(now, Path::tcp(link, remote)).is_ok() {
                    node.management.state(State::of(StateName::Wait));
                }
            }
            LinkChange::Failed(error) => node.engine.connect_failed(now, &tcp_failed(&to, &error)),
            LinkChange::Relay(relay) => self.relay_opened(node, now, link, relay),
            LinkChange::Refused(refusal) => self.proxy_refused(node, now, refusal),
            LinkChange::Closed => node.engine.link_closed(now, link),
        }
    }

    fn handle_task(&mut self, node: &mut Node<Client>, now: Instant) {
        match self.waiting.take() {
            Some(Waiting::LookUp(task, attempt)) => match task.take() {
                Some(found) => self.looked_up(node, now, attempt, found),
                None => self.waiting = Some(Waiting::LookUp(task, attempt)),
            },
            Some(Waiting::Prompt(prompt, request)) => match prompt.take() {
                Some(answer) => {
                    // The terminal comes back before anything is printed to it.
                    drop(prompt);
                    self.logged_in(node, now, request, answer);
                }
                None => self.waiting = Some(Waiting::Prompt(prompt, request)),
            },
            // It is no thread that answers this.
            Some(waiting @ Waiting::Interface(_)) => self.waiting = Some(waiting),
            Some(Waiting::ProxyLogin(prompt, attempt)) => match prompt.take() {
                Some(answer) => {
                    drop(prompt);
                    self.proxy_login_told(node, now, attempt, answer);
                }
                None => self.waiting = Some(Waiting::ProxyLogin(prompt, attempt)),
            },
            None => {}
        }
        self.advance(node, now);
    }

    fn handle_unreachable(&mut self, node: &mut Node<Client>, now: Instant) {
        if let Some((link, _)) = self.link {
            node.engine.link_unreachable(now, link);
        }
    }

    fn handle_script(&mut self, node: &mut Node<Client>, now: Instant) {
        for done in self.hooks.reap(now, &node.io.poller) {
            match done {
                Done::Hook(hook, well) => self.hook_ended(node, now, hook, well),
                Done::Verified(request, yes) => self.verified(node, now, request, Some(yes)),
            }
        }
    }

    fn handle_timeout(&mut self, node: &mut Node<Client>, now: Instant) {
        if self.hooks.next_timeout().is_some_and(|at| at <= now) {
            self.handle_script(node, now);
        }
        if self.opening.is_some_and(|deadline| deadline <= now)
            && let Some((link, remote)) = self.link.take()
        {
            self.opening = None;
            node.io.close_link(link);
            let to = family_address(&remote.into());
            self.log.info(format_args!("TCP: connect to {to} failed: no answer within connect-timeout"));
            node.engine.connect_timed_out(now);
        }
        self.tend(node, now);
        if self.status.take(now) {
            self.write_status(node);
        }
    }

    fn manage(&mut self, node: &mut Node<Client>, _now: Instant, command: &Command) -> Answer {
        self.answer(node, command)
    }

    fn byte_counts(&self, node: &Node<Client>) -> ByteCounts {
        self.own_bytes(node)
    }

    fn released(&mut self, node: &mut Node<Client>, now: Instant) {
        if self.is_closing() {
            return;
        }
        if let Some(event) = self.held.take() {
            self.handle_event(node, now, event);
        }
    }

    fn credentials_entered(&mut self, node: &mut Node<Client>, now: Instant, credentials: Credentials) {
        if let Some(request) = self.take_login_request() {
            self.logged_in(node, now, request, Ok(credentials));
        }
    }

    fn forget_passwords(&mut self, node: &mut Node<Client>) {
        node.engine.forget_credentials();
    }

    fn next_timeout(&self) -> Option<Instant> {
        let own = [self.opening, self.status.next(), self.next_tending(), self.hooks.next_timeout()];
        own.into_iter().flatten().min()
    }

    fn outcome(&self, _node: &Node<Client>) -> Option<Outcome> {
        self.outcome
    }
}

/// The signal that we would raise for ourselves is another one, if `remap-usr1` says so.
fn remapped(text: String, remap: Option<Remapped>) -> String {
    let (signal, what) = match remap {
        None => return text,
        Some(Remapped::Sighup) => ("SIGHUP", "restarting"),
        Some(Remapped::Sigterm) => ("SIGTERM", "exiting"),
    };
    match text.strip_prefix("SIGUSR1[soft,").and_then(|rest| rest.strip_suffix("restarting")) {
        Some(rest) => format!("{signal}[soft,{rest}{what}"),
        None => text,
    }
}

/// What scripts find as `signal`: OpenVPN's word for the reason.
fn signal(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::PingTimeout => "ping-restart",
        CloseReason::PingExit => "ping-exit",
        CloseReason::RemoteExit => "remote-exit",
        CloseReason::RemoteRestart(_) => "server-pushed-connection-reset",
        CloseReason::RemoteHalt(_) => "server-pushed-halt",
        CloseReason::LinkClosed => "connection-reset",
        CloseReason::AuthFailed(_) => "auth-failure",
        CloseReason::Restart => "sigusr1",
        CloseReason::Requested => "sigterm",
        _ => "tls-error",
    }
}
