//! [`ClientHooks`]: what a server's scripts are told and asked about its clients, and the files of `client-config-dir`.
//!
//! The engine asks by events and goes on; its answer comes when a script has ended, or has written it to a file.

mod told;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use adit::config::{
    Credentials, HostConfig, Ifconfig, IfconfigIpv6, IfconfigOther, InstanceConfig, IpNetwork, ServerConfig,
    Topology,
};
use adit::server::{AuthDecision, ConnectDecision, Server};
use adit::{Event, Instant, Path, PeerCertificate, PeerId, RequestId, TokenSession, VerifyDecision};

use super::ccd::{ClientConfigs, Found};
use super::connect::{self, Connecting};
use super::env::Env;
use super::facts::netmask;
use super::login::{self, Login};
use super::runner::{End, Script};
use super::verify::Verification;
use super::{LAST_PATIENCE, Queue, Scripts, peer};
use crate::errors::cause;
use crate::lines::Narrator;
use crate::log::Log;
use crate::run::Node;
use crate::signals::Signals;
use crate::sys::local_time;

/// How soon a file is looked at again; each time twice as late, up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// What the end of a script is for.
#[derive(Debug)]
enum Then {
    Verify(PeerId, Verification),
    Login(Box<Login>),
    Connect(Box<Connecting>),
    Learn(PeerId),
    Nothing,
}

/// Who has promised to answer by a file.
#[derive(Debug)]
enum Deferred {
    /// Until then.
    Login(Box<Login>, Instant),
    Connect(Box<Connecting>),
}

/// What is known of a session.
#[derive(Debug, Default)]
struct Known {
    /// `IV_*`
    info: Vec<(String, String)>,
    /// Where it began.
    began: Option<Path>,
    /// What `client-connect` was told, which later scripts are told too.
    env: Option<Env>,
    /// Since when, by the calendar.
    since: u64,
    /// `client-connect` has agreed, or there is none: `client-disconnect` is due.
    connected: bool,
    /// `client-connect` has not decided yet.
    undecided: bool,
    /// The session is over, although `client-connect` has not decided yet; until when that is waited for.
    gone: Option<Instant>,
    common_name: Option<String>,
}

/// The hooks, and what goes on in them.
pub(crate) struct ClientHooks {
    scripts: Scripts<Then>,
    configs: Option<ClientConfigs>,
    topology: Topology,
    /// How long a decision may take.
    patience: Duration,
    log: Rc<Log>,
    known: BTreeMap<PeerId, Known>,
    deferred: Vec<(Instant, Duration, Deferred)>,
    /// Addresses that nobody has any more, and when scripts are told so.
    unlearning: Vec<(Instant, IpNetwork)>,
}

impl ClientHooks {
    pub(crate) fn new(host: &HostConfig, config: &ServerConfig, log: Rc<Log>) -> Self {
        Self {
            scripts: Scripts::new(host, Env::default(), Rc::clone(&log)),
            configs: host.client_config_dir.as_ref().map(ClientConfigs::new),
            topology: config.topology,
            patience: config.session.hand_window,
            log,
            known: BTreeMap::new(),
            deferred: Vec::new(),
            unlearning: Vec::new(),
        }
    }

    /// What all scripts are told, those about clients too.
    pub(crate) fn set_base(&mut self, base: Env) {
        self.scripts.base = base;
    }

    /// Answers what `event` asks, sooner or later, and tells scripts what it tells.
    pub(crate) fn handle_event(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        event: Event,
        names: &Narrator,
    ) {
        match event {
            Event::SessionStarted { peer, path, .. } => {
                self.known.insert(peer, Known { began: Some(path), ..Known::default() });
            }
            Event::PeerInfo { peer, lines } => self.known.entry(peer).or_default().info = lines,
            Event::VerifyRequested { request, peer, path, certificate } => {
                let env = self.scripts.base.clone();
                let verification = Verification::new(request, &path, certificate, env);
                self.verify(node, now, peer, verification);
            }
            Event::AuthRequested {
                request,
                peer,
                path,
                common_name,
                certificate,
                credentials,
                token,
                ..
            } => {
                let mut env = self.client_env(peer, &path, certificate.as_deref());
                if let Some(name) = common_name {
                    env.set("common_name", name);
                }
                if let Some(TokenSession { state, session_id, .. }) = token {
                    env.set("session_state", state.name());
                    env.set("session_id", session_id);
                }
                self.log_in(node, now, (request, peer), &credentials, env);
            }
            Event::ClientConnectRequested {
                request,
                peer,
                path,
                common_name,
                username,
                certificate,
                ipv4,
                ipv6,
            } => {
                let mut env = self.client_env(peer, &path, certificate.as_deref());
                peer::set_trusted(&mut env, &path);
                if let Some(name) = username {
                    env.set("username", name);
                }
                env.remove("common_name");
                if let Some(name) = &common_name {
                    env.set("common_name", name);
                }
                let unix = node.clock.unix();
                env.set("time_unix", unix.0);
                env.set("time_ascii", local_time(unix));
                let known = self.known.entry(peer).or_default();
                known.since = unix.0;
                known.common_name = common_name;
                self.connect(node, now, (request, peer), env, (ipv4, ipv6), names);
            }
            Event::Connected { peer, .. } => self.learn(node, now, peer),
            Event::ClientDisconnected(summary) => self.disconnected(node, now, &summary),
            Event::Closed { peer, .. } => self.closed(node, now, peer),
            _ => {}
        }
    }

    /// A script may have ended.
    pub(crate) fn handle_script(&mut self, node: &mut Node<Server>, now: Instant, names: &Narrator) {
        for (then, end) in self.scripts.runner.reap(now, &node.io.poller) {
            self.ended(node, now, then, end, names);
        }
    }

    /// Looks after what is due.
    pub(crate) fn handle_timeout(&mut self, node: &mut Node<Server>, now: Instant, names: &Narrator) {
        if self.scripts.runner.next_timeout().is_some_and(|at| at <= now) {
            self.handle_script(node, now, names);
        }
        for (_, pause, deferred) in self.deferred.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
            self.look_at(node, now, pause, deferred, names);
        }
        for (_, network) in self.unlearning.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
            self.unlearn(node, now, network);
        }
    }

    /// When to look again.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let deferred = self.deferred.iter().map(|(at, ..)| *at);
        let unlearning = self.unlearning.iter().map(|(at, _)| *at);
        deferred.chain(unlearning).chain(self.scripts.runner.next_timeout()).min()
    }

    /// All clients have gone, and the process may follow: waits for the scripts that are told so.
    pub(crate) fn finish(&mut self, node: &Node<Server>, signals: &Signals) {
        let clock = node.clock;
        let until = clock.now() + LAST_PATIENCE;
        // Nobody is left to be let in; the others count what comes and goes.
        self.scripts.runner.kill(|then| matches!(then, Then::Login(_) | Then::Verify(..)));
        self.deferred.retain(|(_, _, deferred)| !matches!(deferred, Deferred::Login(..)));
        for (_, network) in std::mem::take(&mut self.unlearning) {
            self.unlearn(node, clock.now(), network);
        }
        while !self.scripts.runner.is_idle() && clock.now() < until && !signals.ask_for_end() {
            for (then, end) in self.scripts.runner.finish(|| clock.now(), until, Some(signals)) {
                if let Then::Connect(connecting) = then {
                    self.connected_too_late(node, clock.now(), connecting.peer, end.is_success());
                }
            }
        }
    }

    // ---- tls-verify ----

    fn verify(&mut self, node: &mut Node<Server>, now: Instant, peer: PeerId, verification: Verification) {
        let request = verification.request;
        let asked = match &self.scripts.config.tls_verify {
            Some(command) => verification.next(command, self.patience, |next| Then::Verify(peer, next)),
            None => Err(verification),
        };
        match asked {
            Ok(script) => self.submit(node, now, Queue::Session(peer), script),
            Err(_) => {
                let _ = node.engine.reply_verify(now, request, VerifyDecision::Accept);
            }
        }
    }

    // ---- auth-user-pass-verify ----

    fn log_in(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        (request, peer): (RequestId, PeerId),
        credentials: &Credentials,
        env: Env,
    ) {
        let Some(script) = &self.scripts.config.auth_user_pass_verify else {
            self.log.warning("a client would log in, but there is no auth-user-pass-verify to ask");
            let refused = AuthDecision::Refuse { reason: String::new() };
            let _ = node.engine.reply_auth(now, request, refused);
            return;
        };
        let asked = Login::ask(
            (request, peer),
            script,
            credentials,
            env,
            &self.scripts.temporary,
            self.patience,
            |login| Then::Login(Box::new(login)),
        );
        match asked {
            Ok(script) => self.submit(node, now, Queue::Session(peer), script),
            Err(why) => {
                self.log.error(format_args!("TLS Auth Error: {why}"));
                let refused = AuthDecision::Refuse { reason: String::new() };
                let _ = node.engine.reply_auth(now, request, refused);
            }
        }
    }

    fn login_ended(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        mut login: Box<Login>,
        end: End,
        names: &Narrator,
    ) {
        match login.ended(end) {
            login::Said::Now(decision) => self.decide_login(node, now, &login, decision, names),
            login::Said::Later(pending) => {
                // Nobody would ever take it out again.
                if !self.is_here(login.peer) {
                    return;
                }
                self.tell_login(&login, "deferred", names);
                if let Some(pending) = pending {
                    let _ = node.engine.reply_auth(now, login.request, pending);
                }
                let until = now + login.patience;
                self.deferred.push((now + MIN_PAUSE, MIN_PAUSE, Deferred::Login(login, until)));
            }
            login::Said::Nonsense(why) => {
                self.log.warning(why);
                let refused = AuthDecision::Refuse { reason: String::new() };
                self.decide_login(node, now, &login, refused, names);
            }
        }
    }

    fn decide_login(
        &self,
        node: &mut Node<Server>,
        now: Instant,
        login: &Login,
        decision: AuthDecision,
        names: &Narrator,
    ) {
        if decision == AuthDecision::Accept {
            self.tell_login(login, "succeeded", names);
        } else {
            let name = names.name(login.peer);
            self.log.info(format_args!(
                "{name} TLS Auth Error: Auth Username/Password verification failed for peer"
            ));
        }
        let _ = node.engine.reply_auth(now, login.request, decision);
    }

    fn tell_login(&self, login: &Login, what: &str, names: &Narrator) {
        let (name, username) = (names.name(login.peer), &login.username);
        self.log.info(format_args!(
            "{name} TLS: Username/Password authentication {what} for username '{username}'"
        ));
    }

    // ---- client-config-dir and client-connect ----

    fn connect(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        (request, peer): (RequestId, PeerId),
        mut env: Env,
        (ipv4, ipv6): (Option<Ifconfig>, Option<IfconfigIpv6>),
        names: &Narrator,
    ) {
        let common_name = self.known.get(&peer).and_then(|known| known.common_name.clone());
        let mut settings = InstanceConfig::default();
        if let Some(configs) = &self.configs {
            let mut findings = Vec::new();
            match configs.find(common_name.as_deref(), &mut findings) {
                Found::File(text) => {
                    let name = names.name(peer);
                    self.log.info(format_args!(
                        "{name} OPTIONS IMPORT: reading client specific options from: {}",
                        text.file
                    ));
                    findings.extend(settings.extend(&text, &mut read).iter().map(ToString::to_string));
                }
                Found::Nothing => {}
                Found::Refused(why) => {
                    self.log.info(format_args!("{} TLS Auth Error: {why}", names.name(peer)));
                    let refused = ConnectDecision::Refuse { reason: String::new() };
                    let _ = node.engine.reply_connect(now, request, refused);
                    return;
                }
            }
            for finding in findings {
                self.log.warning(finding);
            }
        }
        self.set_pool(&mut env, &settings, ipv4, ipv6);
        let known = self.known.entry(peer).or_default();
        known.env = Some(env.clone());
        let command = self.scripts.config.client_connect.as_ref().filter(|_| !settings.disable);
        let Some(command) = command else {
            known.connected = !settings.disable;
            let decision = ConnectDecision::Accept(Box::new(settings));
            let _ = node.engine.reply_connect(now, request, decision);
            return;
        };
        known.undecided = true;
        let asked = Connecting::ask(
            (request, peer),
            command,
            settings,
            env,
            &self.scripts.temporary,
            self.patience,
            |connecting| Then::Connect(Box::new(connecting)),
        );
        match asked {
            Ok(script) => self.submit(node, now, self.queue(peer), script),
            Err(why) => {
                self.log.error(why);
                self.decide_connect(node, now, (request, peer), None);
            }
        }
    }

    fn connect_ended(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        connecting: Box<Connecting>,
        said: &connect::Said,
        pause: Duration,
        names: &Narrator,
    ) {
        let Connecting { request, peer, .. } = *connecting;
        match said {
            connect::Said::Later => {
                self.deferred.push((now + pause, pause, Deferred::Connect(connecting)));
            }
            connect::Said::No => {
                let name = names.name(peer);
                self.log.info(format_args!("{name} MULTI: the client-connect script has refused the client"));
                self.decide_connect(node, now, (request, peer), None);
            }
            connect::Said::Yes => {
                let mut settings = connecting.settings.clone();
                for finding in settings.extend(&connecting.text(), &mut read) {
                    self.log.warning(finding);
                }
                self.decide_connect(node, now, (request, peer), Some(settings));
            }
        }
    }

    /// Answers the engine; `None` refuses.
    fn decide_connect(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        (request, peer): (RequestId, PeerId),
        settings: Option<InstanceConfig>,
    ) {
        let Some(known) = self.known.get_mut(&peer) else { return };
        known.undecided = false;
        if known.gone.is_some() {
            self.connected_too_late(node, now, peer, settings.is_some());
            return;
        }
        known.connected = settings.is_some();
        if let (Some(env), Some(push)) = (&mut known.env, settings.as_ref().and_then(|it| it.ifconfig_push)) {
            set_ifconfig_push(env, self.topology, push.local, push.remote_netmask);
        }
        let decision = match settings {
            Some(settings) => ConnectDecision::Accept(Box::new(settings)),
            None => ConnectDecision::Refuse { reason: String::new() },
        };
        let _ = node.engine.reply_connect(now, request, decision);
    }

    /// The client has gone before its script said yes: that has counted it in, and counts it out again.
    fn connected_too_late(&mut self, node: &Node<Server>, now: Instant, peer: PeerId, yes: bool) {
        let queue = self.queue(peer);
        let Some(known) = self.known.remove(&peer) else { return };
        if let Some(env) = known.env.filter(|_| yes) {
            self.run_disconnect(node, now, queue, env, known.since, (0, 0));
        }
    }

    // ---- all of them ----

    fn submit(&mut self, node: &Node<Server>, now: Instant, queue: Queue, script: Script<Then>) {
        self.scripts.runner.submit(now, &node.io.poller, queue, script);
    }

    fn ended(&mut self, node: &mut Node<Server>, now: Instant, then: Then, end: End, names: &Narrator) {
        match then {
            Then::Verify(peer, verification) => {
                let line = verification.line(end.is_success());
                self.log.info(format_args!("{} {line}", names.name(peer)));
                if !self.is_here(peer) {
                    return;
                }
                if end.is_success() {
                    self.verify(node, now, peer, verification);
                } else {
                    let _ = node.engine.reply_verify(now, verification.request, VerifyDecision::Refuse);
                }
            }
            Then::Login(login) => self.login_ended(node, now, login, end, names),
            Then::Connect(connecting) => {
                let said = connecting.ended(end);
                self.connect_ended(node, now, connecting, &said, MIN_PAUSE, names);
            }
            // A firewall that was not told lets nobody through, or everybody: the client comes back, and it is told
            // again.
            Then::Learn(peer) if !end.is_success() => {
                self.log.info(format_args!(
                    "{} MULTI: Learn FAILED, the client must connect anew",
                    names.name(peer)
                ));
                let _ = node.engine.disconnect(now, peer, "RESTART");
            }
            Then::Learn(_) | Then::Nothing => {}
        }
    }

    fn look_at(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        pause: Duration,
        deferred: Deferred,
        names: &Narrator,
    ) {
        let pause = (pause * 2).min(MAX_PAUSE);
        match deferred {
            Deferred::Login(login, until) => match login.decided() {
                Some(decision) => self.decide_login(node, now, &login, decision, names),
                None if until <= now => {
                    let refused = AuthDecision::Refuse { reason: String::new() };
                    self.decide_login(node, now, &login, refused, names);
                }
                None => self.deferred.push((now + pause, pause, Deferred::Login(login, until))),
            },
            Deferred::Connect(connecting) => {
                let gone = self.known.get(&connecting.peer).and_then(|known| known.gone);
                let said = match connecting.decided() {
                    connect::Said::Later if gone.is_some_and(|until| until <= now) => connect::Said::No,
                    said => said,
                };
                self.connect_ended(node, now, connecting, &said, pause, names);
            }
        }
    }

    /// Whether the session still goes on.
    fn is_here(&self, peer: PeerId) -> bool {
        self.known.get(&peer).is_some_and(|known| known.gone.is_none())
    }

    /// What scripts about a client are told from its login on.
    fn client_env(&self, peer: PeerId, path: &Path, certificate: Option<&PeerCertificate>) -> Env {
        let mut env = self.scripts.base.clone();
        let known = self.known.get(&peer);
        peer::set_untrusted(&mut env, known.and_then(|known| known.began.as_ref()).unwrap_or(path));
        if let Some(certificate) = certificate {
            peer::set_certificates(&mut env, certificate, 0);
        }
        if let Some(known) = known {
            peer::set_info(&mut env, &known.info);
        }
        env
    }

    /// The queue of the client whose session this is. One without a name has none but its session's.
    fn queue(&self, peer: PeerId) -> Queue {
        let name = self.known.get(&peer).and_then(|known| known.common_name.clone());
        name.map_or(Queue::Session(peer), Queue::Client)
    }

    /// `ifconfig_pool_*`: the client's addresses.
    fn set_pool(
        &self,
        env: &mut Env,
        settings: &InstanceConfig,
        ipv4: Option<Ifconfig>,
        ipv6: Option<IfconfigIpv6>,
    ) {
        if let Some(push) = settings.ifconfig_push {
            set_ifconfig_push(env, self.topology, push.local, push.remote_netmask);
        } else if let Some(Ifconfig { local, other }) = ipv4 {
            env.set("ifconfig_pool_remote_ip", local);
            match other {
                IfconfigOther::Subnet(prefix) => env.set("ifconfig_pool_netmask", netmask(prefix)),
                IfconfigOther::Peer(peer) => env.set("ifconfig_pool_local_ip", peer),
            }
        }
        let own = settings.ifconfig_ipv6_push.map(|push| (push.local, push.prefix, push.remote));
        let pool = ipv6.map(|ipv6| (ipv6.local, ipv6.prefix, Some(ipv6.gateway)));
        if let Some((address, prefix, gateway)) = own.or(pool) {
            let gateway = gateway.or_else(|| ipv6.map(|ipv6| ipv6.gateway));
            env.set("ifconfig_pool_remote_ip6", address);
            env.set("ifconfig_pool_ip6_netbits", prefix);
            if let Some(gateway) = gateway {
                env.set("ifconfig_pool_local_ip6", gateway);
            }
        }
    }
}

fn set_ifconfig_push(env: &mut Env, topology: Topology, local: Ipv4Addr, other: Ipv4Addr) {
    env.set("ifconfig_pool_remote_ip", local);
    match topology {
        Topology::Subnet => env.set("ifconfig_pool_netmask", other),
        Topology::Net30 | Topology::P2p => env.set("ifconfig_pool_local_ip", other),
    }
}

/// Files that a client's settings include.
fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| cause(&error))
}
