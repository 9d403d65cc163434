//! [`TunnelHooks`]: what scripts are told about the device, its addresses and routes: `up`, `route-up`,
//! `route-pre-down`, `down`; and, at a client, about its server: `ipchange`, `tls-verify`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use adit::config::{Command, DnsSettings, HostConfig, RouteSettings, SessionConfig};
use adit::{Instant, Path, PeerCertificate, PeerId, RequestId};

use super::env::Env;
use super::facts::{self, DeviceFacts, RoutingFacts};
use super::runner::{End, Script};
use super::verify::Verification;
use super::{PATIENCE, Queue, Scripts, peer};
use crate::clock::Clock;
use crate::log::Log;
use crate::poller::Poller;
use crate::signals::Signals;

/// A moment in the life of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// It is open and has its addresses.
    Up,
    /// The routes are there.
    RouteUp,
    /// The routes are about to go.
    RoutePreDown,
    /// It is closed, or about to be.
    Down,
}

/// What the end of a script is for.
#[derive(Debug)]
enum Then {
    Hook(Hook),
    Verify(Verification),
    Nothing,
}

/// What has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The script of that moment, and whether all is well.
    Hook(Hook, bool),
    /// The verification of the server's certificates, and whether they will do.
    Verified(RequestId, bool),
}

/// The hooks, and the device as they know it.
pub(crate) struct TunnelHooks {
    scripts: Scripts<Then>,
    /// What was told before there was a session.
    process: Env,
    device: Option<DeviceFacts>,
    /// How long a decision may take.
    patience: Duration,
    log: Rc<Log>,
}

impl TunnelHooks {
    /// `base` is what all scripts are told.
    pub(crate) fn new(host: &HostConfig, session: &SessionConfig, base: Env, log: Rc<Log>) -> Self {
        let scripts = Scripts::new(host, base.clone(), Rc::clone(&log));
        Self { scripts, process: base, device: None, patience: session.hand_window, log }
    }

    // ---- the server, at a client ----

    /// A session with the server at `path` begins: what was told of the one before is no longer true.
    pub(crate) fn begin(&mut self, path: &Path) {
        self.scripts.base = self.process.clone();
        if let Some(device) = &self.device {
            device.set(&mut self.scripts.base);
        }
        peer::set_untrusted(&mut self.scripts.base, path);
    }

    /// The server is who it should be. Runs `ipchange`.
    pub(crate) fn authenticated(
        &mut self,
        now: Instant,
        poller: &Poller,
        path: &Path,
        certificate: Option<&PeerCertificate>,
    ) {
        let base = &mut self.scripts.base;
        if let Some(certificate) = certificate {
            base.remove_all("X509_");
            peer::set_certificates(base, certificate, 0);
        }
        peer::set_trusted(base, path);
        let Some(command) = &self.scripts.config.ipchange else { return };
        let mut env = base.clone();
        env.set("script_type", "ipchange");
        let mut words = command.words.clone();
        let (ip, port) = (path.remote.ip(), path.remote.port());
        let family = if ip.is_none_or(|ip| ip.is_ipv4()) { "AF_INET" } else { "AF_INET6" };
        words.push(format!("[{family}]{} {port}", ip.map(|ip| ip.to_string()).unwrap_or_default()));
        let hook = "--ipchange";
        let script = Script { hook, words, env, timeout: PATIENCE, answers: false, then: Then::Nothing };
        self.scripts.runner.submit(now, poller, Queue::Host, script);
    }

    /// Asks `tls-verify` about the server's certificates; whether it is all the same to it.
    pub(crate) fn verify(
        &mut self,
        now: Instant,
        poller: &Poller,
        request: RequestId,
        path: &Path,
        certificate: Arc<PeerCertificate>,
    ) -> bool {
        let verification = Verification::new(request, path, certificate, self.scripts.base.clone());
        self.ask(now, poller, verification)
    }

    fn ask(&mut self, now: Instant, poller: &Poller, verification: Verification) -> bool {
        let Some(command) = &self.scripts.config.tls_verify else { return true };
        match verification.next(command, self.patience, Then::Verify) {
            Ok(script) => {
                self.scripts.runner.submit(now, poller, Queue::Session(PeerId::SERVER), script);
                false
            }
            Err(_) => true,
        }
    }

    // ---- the device ----

    /// There is a device now, and routes are to come.
    pub(crate) fn set_device(&mut self, device: DeviceFacts, routing: &RoutingFacts) {
        device.set(&mut self.scripts.base);
        routing.set(&mut self.scripts.base);
        self.device = Some(device);
    }

    /// The routes are there.
    pub(crate) fn routes_added(&mut self, routes: &RouteSettings) {
        let redirect = routes.redirect_gateway;
        if !routes.ipv4.is_empty() || !routes.ipv6.is_empty() || redirect.is_some() {
            let redirected = redirect.is_some_and(|redirect| !redirect.private && !redirect.not_ipv4);
            self.scripts.base.set("redirect_gateway", u8::from(redirected));
        }
    }

    /// What scripts are told by now.
    pub(crate) fn env(&self) -> &Env {
        &self.scripts.base
    }

    /// What the server, or the profile, says about names, and pushed variables.
    pub(crate) fn set_pushed(&mut self, dns: &DnsSettings, environment: &[(String, String)]) {
        facts::of_dns(&mut self.scripts.base, dns);
        for (name, value) in environment {
            self.scripts.base.set(name, value);
        }
    }

    /// The device has gone.
    pub(crate) fn forget_device(&mut self) {
        self.device = None;
    }

    /// Starts the script of that moment, if there is one; [`reap`](Self::reap) tells of its end.
    /// `signal` is why the tunnel goes, if it does.
    pub(crate) fn start(
        &mut self,
        now: Instant,
        poller: &Poller,
        hook: Hook,
        context: &str,
        signal: Option<&str>,
    ) -> bool {
        let Some(script) = self.script(hook, context, signal) else { return false };
        self.scripts.runner.submit(now, poller, Queue::Host, script);
        true
    }

    /// What has ended by now.
    pub(crate) fn reap(&mut self, now: Instant, poller: &Poller) -> Vec<Done> {
        let mut done = Vec::new();
        for (then, end) in self.scripts.runner.reap(now, poller) {
            match then {
                Then::Hook(hook) => done.push(Done::Hook(hook, end.is_success())),
                Then::Verify(verification) => {
                    let request = verification.request;
                    self.log.info(verification.line(end.is_success()));
                    if !end.is_success() {
                        done.push(Done::Verified(request, false));
                    } else if self.ask(now, poller, verification) {
                        done.push(Done::Verified(request, true));
                    }
                }
                Then::Nothing => {}
            }
        }
        done
    }

    /// When [`reap`](Self::reap) must be called, although nothing rings.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.scripts.runner.next_timeout()
    }

    /// Runs the script of that moment, if there is one, and waits for its end; whether all is well. For those who have
    /// nothing else to do meanwhile. A signal that asks for the end of the process ends that too.
    pub(crate) fn run(
        &mut self,
        clock: &Clock,
        hook: Hook,
        context: &str,
        signal: Option<&str>,
        signals: &Signals,
    ) -> bool {
        let Some(script) = self.script(hook, context, signal) else { return true };
        self.scripts.runner.enqueue(Queue::Host, script);
        let ends = self.finish(clock, signals);
        ends.is_some_and(|ends| ends.last().is_none_or(|(_, end)| end.is_success()))
    }

    /// Waits for all scripts that run or are to run: the moments whose have ended. `None` if somebody does not want to
    /// wait: they are killed.
    pub(crate) fn wait(&mut self, clock: &Clock, signals: &Signals) -> Option<Vec<Hook>> {
        let ends = self.finish(clock, signals)?;
        let hooks = ends.into_iter().filter_map(|(then, _)| match then {
            Then::Hook(hook) => Some(hook),
            Then::Verify(_) | Then::Nothing => None,
        });
        Some(hooks.collect())
    }

    fn finish(&mut self, clock: &Clock, signals: &Signals) -> Option<Vec<(Then, End)>> {
        let until = clock.now() + 2 * PATIENCE;
        let ends = self.scripts.runner.finish(|| clock.now(), until, Some(signals));
        if self.scripts.runner.is_idle() {
            return Some(ends);
        }
        self.log.warning("the scripts that still run are not waited for, and are killed");
        self.scripts.runner.kill(|_| true);
        None
    }

    fn script(&mut self, hook: Hook, context: &str, signal: Option<&str>) -> Option<Script<Then>> {
        let env = &mut self.scripts.base;
        if let Some(signal) = signal {
            env.set("signal", signal);
        }
        env.set("script_context", context);
        let command = self.command(hook)?;
        let mut words = command.words.clone();
        let mut env = self.scripts.base.clone();
        env.set("script_type", hook.script_type());
        if hook != Hook::RouteUp {
            words.extend(self.device.as_ref()?.arguments(context));
            self.log.info(words.join(" "));
        }
        Some(Script {
            hook: hook.name(),
            words,
            env,
            timeout: PATIENCE,
            answers: false,
            then: Then::Hook(hook),
        })
    }

    fn command(&self, hook: Hook) -> Option<&Command> {
        let config = &self.scripts.config;
        match hook {
            Hook::Up => config.up.as_ref(),
            Hook::RouteUp => config.route_up.as_ref(),
            Hook::RoutePreDown => config.route_pre_down.as_ref(),
            Hook::Down => config.down.as_ref(),
        }
    }
}

impl Hook {
    /// `script_type`
    fn script_type(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::RouteUp => "route-up",
            Self::RoutePreDown => "route-pre-down",
            Self::Down => "down",
        }
    }

    /// As the log names it.
    fn name(self) -> &'static str {
        match self {
            Self::Up | Self::RoutePreDown | Self::Down => "--up/--down",
            Self::RouteUp => "--route-up",
        }
    }
}
