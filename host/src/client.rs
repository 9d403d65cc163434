//! The host of a client: links to its server, the login, and the system's side of what the server pushes.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::rc::Rc;
use std::time::Duration;

use adit::client::Client;
use adit::config::{
    ClientConfig, Credentials, HostConfig, IfconfigOther, Remote, RouteSettings, TunnelSettings,
};
use adit::{CloseReason, Event, Instant, LinkId, Path, RequestId, Role as EngineRole, Transport};

use crate::device::Tunnel;
use crate::errors::cause;
use crate::file::Output;
use crate::io::{Io, Link, LinkChange};
use crate::lines::{Narrator, family_address};
use crate::log::Log;
use crate::netconf::{Interface, Ipv4Setup, Ipv6Setup, Surroundings, route_steps};
use crate::password::{self, Prompt};
use crate::poller::Source;
use crate::privileges::Privileges;
use crate::resolve::{Ends, Target, family_of, random_host};
use crate::run::{Node, Outcome, Role};
use crate::signals::Request;
use crate::status;
use crate::sys::local_time;
use crate::task::Task;
use crate::tcp::Connection;
use crate::timer::Every;
use crate::udp::{Udp, any_address};

/// What a client waits for before it can connect.
#[derive(Debug)]
enum Waiting {
    /// Addresses, for a link by this transport.
    LookUp(Task<Result<Ends, String>>, Transport),
    /// The user.
    Prompt(Prompt, RequestId),
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
    /// The link in use, and the server's address.
    link: Option<(LinkId, SocketAddr)>,
    /// A TCP connection must be there by then.
    opening: Option<Instant>,
    /// Which of a remote's addresses is tried.
    turn: usize,
    /// Since when no name could be resolved.
    unresolved: Option<Instant>,
    tunnel: Option<Tunnel>,
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
    /// Begins: `tunnel` is what an earlier run kept.
    pub(crate) fn start(
        host: HostConfig,
        config: &ClientConfig,
        privileges: Privileges,
        status_file: Option<Output>,
        tunnel: Option<Tunnel>,
        node: &mut Node<Client>,
    ) -> Self {
        let now = node.clock.now();
        let status = Every::new(host.status.as_ref().map(|status| status.interval), now);
        node.engine.start(now);
        Self {
            remotes: config.remotes.clone(),
            connect_timeout: config.connect_timeout,
            tun_mtu: config.session.tun_mtu,
            log: Rc::clone(&node.io.log),
            narrator: Narrator::new(EngineRole::Client),
            privileges,
            waiting: None,
            link: None,
            opening: None,
            turn: 0,
            unresolved: None,
            tunnel,
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
    pub(crate) fn finish(mut self, node: &mut Node<Client>, keep: bool) -> Option<Tunnel> {
        self.write_status(node);
        node.io.close_links();
        let tunnel = self.tunnel.take()?;
        if keep {
            return Some(tunnel.park(&mut node.io));
        }
        tunnel.close(&mut node.io, &self.log);
        None
    }

    // ---- links ----

    /// Looks up the remote's address; the link follows when it is known.
    fn look_up(&mut self, node: &mut Node<Client>, now: Instant, remote: usize) {
        node.io.close_links();
        (self.link, self.opening) = (None, None);
        let begin = || {
            let remote = self.remotes.get(remote).ok_or("the configuration names no such remote")?;
            let task = self.target(remote).look_up().map_err(|error| cause(&error))?;
            node.io.poller.add(&task, Source::Task, false).map_err(|error| cause(&error))?;
            Ok::<_, String>(Waiting::LookUp(task, remote.transport))
        };
        match begin() {
            Ok(waiting) => self.waiting = Some(waiting),
            Err(why) => node.engine.connect_failed(now, &why),
        }
    }

    fn target(&self, remote: &Remote) -> Target {
        let mut host = remote.host.clone();
        if self.host.remote_random_hostname && host.parse::<std::net::IpAddr>().is_err() {
            let mut random = [0; 6];
            crate::fill_random(&mut random);
            host = random_host(&host, random);
        }
        Target {
            host,
            port: remote.port,
            family: remote.family,
            turn: self.turn,
            local: self.host.local.clone(),
            local_port: self.host.local_port,
        }
    }

    fn looked_up(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        transport: Transport,
        found: Result<Ends, String>,
    ) {
        let ends = match found {
            Ok(ends) => ends,
            Err(why) => {
                let since = *self.unresolved.get_or_insert(now);
                if self.host.resolv_retry.is_some_and(|patience| now.since(since) >= patience) {
                    self.log.error(format_args!("{why}; giving up, as resolv-retry says"));
                    self.outcome = Some(Outcome::Exit(1));
                } else {
                    node.engine.connect_failed(now, &why);
                }
                return;
            }
        };
        self.unresolved = None;
        match self.open_link(&mut node.io, transport, ends) {
            Ok(Some(path)) => {
                let _ = node.engine.connect(now, path);
            }
            Ok(None) => self.opening = Some(now + self.connect_timeout),
            Err(why) => node.engine.connect_failed(now, &why),
        }
    }

    /// The path of a UDP link at once; a TCP link is only begun.
    fn open_link(
        &mut self,
        io: &mut Io,
        transport: Transport,
        Ends { remote, local }: Ends,
    ) -> Result<Option<Path>, String> {
        let to = family_address(&remote.into());
        let version = if remote.is_ipv4() { 4 } else { 6 };
        match transport {
            Transport::Udp => {
                let bind = local.unwrap_or_else(|| any_address(Some(family_of(remote)), 0));
                let udp = Udp::bind(bind)
                    .map_err(|error| format!("cannot bind UDP to {bind}: {}", cause(&error)))?;
                let link = io.add_link(Link::Udp(udp)).map_err(|error| error.to_string())?;
                let bound =
                    local.map_or_else(|| "(not bound)".to_owned(), |local| family_address(&local.into()));
                self.log.info(format_args!("UDPv{version} link local: {bound}"));
                self.log.info(format_args!("UDPv{version} link remote: {to}"));
                self.link = Some((link, remote));
                Ok(Some(Path::udp(link, remote)))
            }
            Transport::Tcp => {
                self.log.info(format_args!("Attempting to establish TCP connection with {to}"));
                let connection = Connection::open(remote, local).map_err(|error| tcp_failed(&to, &error))?;
                let link = io.add_link(Link::Tcp(connection)).map_err(|error| error.to_string())?;
                self.link = Some((link, remote));
                Ok(None)
            }
        }
    }

    // ---- the login ----

    fn log_in(&mut self, node: &mut Node<Client>, now: Instant, request: RequestId) {
        match &self.host.auth_user_pass_file {
            Some(path) => {
                let read = password::from_file(FilePath::new(path));
                self.logged_in(node, now, request, read);
            }
            None => {
                let asked = Prompt::open().and_then(|prompt| {
                    let watched = node.io.poller.add(&prompt, Source::Task, false);
                    watched.map_err(|error| cause(&error)).map(|()| prompt)
                });
                match asked {
                    Ok(prompt) => self.waiting = Some(Waiting::Prompt(prompt, request)),
                    Err(why) => self.logged_in(node, now, request, Err(why)),
                }
            }
        }
    }

    fn logged_in(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        request: RequestId,
        credentials: Result<Credentials, String>,
    ) {
        match credentials {
            Ok(credentials) => {
                let _ = node.engine.provide_credentials(now, request, credentials);
            }
            Err(why) => {
                self.log.error(why);
                self.outcome = Some(Outcome::Exit(1));
            }
        }
    }

    // ---- the tunnel ----

    /// The session is up: sets the system up for it, unless it is set up like this already.
    fn up(&mut self, node: &mut Node<Client>) {
        self.connected = true;
        let settings = node.engine.settings().cloned().unwrap_or_default();
        if let Some((link, _)) = self.link
            && let Some(Link::Udp(udp)) = node.io.link(link)
        {
            udp.set_buffers(settings.sndbuf, settings.rcvbuf);
        }
        if self.settings.as_ref().is_some_and(|before| is_same_setup(before, &settings)) {
            let name = self.tunnel.as_ref().map_or("", Tunnel::name);
            self.log.info(format_args!("Preserving previous TUN/TAP instance: {name}"));
        } else if let Err(why) = self.set_up(node, &settings) {
            self.log.error(why);
            self.outcome = Some(Outcome::Exit(1));
            return;
        }
        self.settings = Some(settings);
        self.log.info("Initialization Sequence Completed");
        if let Err(why) = self.privileges.drop_now(&self.log) {
            self.log.error(why);
            self.outcome = Some(Outcome::Exit(1));
        }
    }

    fn set_up(&mut self, node: &mut Node<Client>, settings: &TunnelSettings) -> Result<(), String> {
        let first = self.settings.is_none();
        let mut tunnel = match self.tunnel.take() {
            // Kept by an earlier run.
            Some(mut tunnel) if first => {
                tunnel.resume(&mut node.io, &self.log)?;
                tunnel
            }
            other => {
                if let Some(old) = other {
                    self.log.info("NOTE: Pulled options changed on restart, will need to close and reopen TUN/TAP device.");
                    old.close(&mut node.io, &self.log);
                }
                Tunnel::open(&self.host.dev, &mut node.io, &self.log)?
            }
        };
        let around = tunnel.surroundings(self.link.map(|(_, address)| address.ip().to_canonical()));
        tunnel.configure(&interface(settings, self.tun_mtu), &self.log);
        let vpn = match settings.ifconfig.map(|ifconfig| ifconfig.other) {
            Some(IfconfigOther::Peer(peer)) => Some(peer),
            Some(IfconfigOther::Subnet(_)) | None => None,
        };
        let routes = all_routes(&self.host.routes, &settings.routes);
        let (steps, problems) = route_steps(&routes, &Surroundings { vpn, ..around });
        tunnel.apply(steps, &self.log);
        for problem in problems {
            self.log.warning(problem);
        }
        if settings.dns != Default::default() {
            self.log.info("NOTE: the server pushed DNS settings; the system's resolver is left as it is");
        }
        self.tunnel = Some(tunnel);
        Ok(())
    }

    fn down(&mut self, node: &mut Node<Client>) {
        self.settings = None;
        if let Some(tunnel) = self.tunnel.take() {
            tunnel.close(&mut node.io, &self.log);
        }
    }

    fn closed(&mut self, node: &mut Node<Client>, reason: &CloseReason) {
        if !std::mem::take(&mut self.connected) {
            // An address that has worked is tried again first.
            self.turn = self.turn.wrapping_add(1);
        }
        if reason.is_final() {
            let failed = !matches!(reason, CloseReason::Requested);
            let outcome = self.leaving.unwrap_or_else(|| Outcome::Exit(u8::from(failed)));
            self.outcome.get_or_insert(outcome);
        } else if !self.host.persist_tun {
            self.down(node);
        }
    }

    // ---- the status ----

    fn status_text(&self, node: &Node<Client>) -> String {
        let mut traffic = node.io.traffic();
        traffic.auth_read = traffic.tun_written;
        status::client(local_time(node.clock.unix()), &traffic)
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
            self.log.line(line.verb, line.text);
        }
        match event {
            Event::ConnectRequested { remote } => self.look_up(node, now, remote),
            Event::CredentialsRequested { request } => self.log_in(node, now, request),
            Event::Connected { .. } => self.up(node),
            Event::LinkClosed { link } => node.io.close_link(link),
            Event::Closed { reason, .. } => self.closed(node, &reason),
            _ => {}
        }
    }

    fn handle_signal(&mut self, node: &mut Node<Client>, now: Instant, name: &'static str, request: Request) {
        match request {
            // Asked twice: at once.
            Request::Exit if self.leaving.is_some() => self.outcome = Some(Outcome::Exit(0)),
            Request::Exit => {
                self.waiting = None;
                self.log.info(format_args!("{name}[hard,] received, process exiting"));
                self.leaving = Some(Outcome::Exit(0));
                node.engine.disconnect(now);
            }
            Request::Reload => {
                self.waiting = None;
                self.log.info(format_args!("{name}[hard,] received, process restarting"));
                self.leaving.get_or_insert(Outcome::Reload);
                node.engine.disconnect(now);
            }
            Request::Restart => {
                self.log.info(format_args!("{name}[hard,] received, process restarting"));
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
        let Some((_, remote)) = self.link.filter(|(ours, _)| *ours == link) else { return };
        self.opening = None;
        let to = family_address(&remote.into());
        match change {
            LinkChange::Connected => {
                self.log.info(format_args!("TCP connection established with {to}"));
                let _ = node.engine.connect(now, Path::tcp(link, remote));
            }
            LinkChange::Failed(error) => node.engine.connect_failed(now, &tcp_failed(&to, &error)),
            LinkChange::Closed => node.engine.link_closed(now, link),
        }
    }

    fn handle_task(&mut self, node: &mut Node<Client>, now: Instant) {
        match self.waiting.take() {
            Some(Waiting::LookUp(task, transport)) => match task.take() {
                Some(found) => self.looked_up(node, now, transport, found),
                None => self.waiting = Some(Waiting::LookUp(task, transport)),
            },
            Some(Waiting::Prompt(prompt, request)) => match prompt.take() {
                Some(answer) => {
                    // The terminal comes back before anything is printed to it.
                    drop(prompt);
                    self.logged_in(node, now, request, answer);
                }
                None => self.waiting = Some(Waiting::Prompt(prompt, request)),
            },
            None => {}
        }
    }

    fn handle_timeout(&mut self, node: &mut Node<Client>, now: Instant) {
        if self.opening.is_some_and(|deadline| deadline <= now)
            && let Some((link, remote)) = self.link.take()
        {
            self.opening = None;
            node.io.close_link(link);
            let to = family_address(&remote.into());
            node.engine.connect_failed(
                now,
                &format!("TCP: connect to {to} failed: no answer within connect-timeout"),
            );
        }
        if self.status.take(now) {
            self.write_status(node);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.opening.into_iter().chain(self.status.next()).min()
    }

    fn outcome(&self, _node: &Node<Client>) -> Option<Outcome> {
        self.outcome
    }
}

fn tcp_failed(to: &str, error: &std::io::Error) -> String {
    format!("TCP: connect to {to} failed: {}", cause(error))
}

/// Whether the system would be set up in the same way; tokens and timers do not matter to it.
fn is_same_setup(before: &TunnelSettings, now: &TunnelSettings) -> bool {
    before.ifconfig == now.ifconfig
        && before.ifconfig_ipv6 == now.ifconfig_ipv6
        && before.routes == now.routes
        && before.dns == now.dns
        && before.tun_mtu == now.tun_mtu
}

fn interface(settings: &TunnelSettings, tun_mtu: u16) -> Interface {
    Interface {
        mtu: settings.tun_mtu.unwrap_or(tun_mtu),
        ipv4: settings.ifconfig.map(|ifconfig| match ifconfig.other {
            IfconfigOther::Subnet(prefix) => Ipv4Setup::Subnet { address: ifconfig.local, prefix },
            IfconfigOther::Peer(peer) => Ipv4Setup::PointToPoint { local: ifconfig.local, peer },
        }),
        ipv6: settings
            .ifconfig_ipv6
            .map(|ifconfig| Ipv6Setup { address: ifconfig.local, prefix: ifconfig.prefix }),
    }
}

/// The profile's own routes, then the pushed ones, which win where there can be only one.
fn all_routes(own: &RouteSettings, pushed: &RouteSettings) -> RouteSettings {
    let mut all = pushed.clone();
    all.ipv4.splice(0..0, own.ipv4.iter().copied());
    all.ipv6.splice(0..0, own.ipv6.iter().copied());
    all.gateway = all.gateway.or(own.gateway);
    all.ipv6_gateway = all.ipv6_gateway.or(own.ipv6_gateway);
    all.metric = all.metric.or(own.metric);
    all.redirect_gateway = all.redirect_gateway.or(own.redirect_gateway);
    all.block_ipv6 |= own.block_ipv6;
    all
}
