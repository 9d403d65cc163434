//! The host of a server: its sockets, its TUN device, the leases, the status file.

mod lan;
mod management;
mod router;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use adit::config::{
    HostConfig, Ifconfig, IfconfigIpv6, IfconfigOther, Ipv4Network, Listener as ListenerConfig, ServerConfig,
};
use adit::router::{DnsRequest, LanLink, RouterEvent};
use adit::server::Server;
use adit::{Event, Instant, LinkId, Path, Role as EngineRole, Transport};

use crate::crl::CrlFile;
use crate::device::Tunnel;
use crate::errors::cause;
use crate::file::Output;
use crate::flow_log::SharedFlowLog;
use crate::io::{Link, LinkChange};
use crate::lines::{Narrator, family_address};
use crate::log::Log;
use crate::management::{Answer, ByteCounts, Command, State, StateName};
use crate::names::Names;
use crate::netconf::{Interface, Ipv4Setup, Ipv6Setup, Surroundings, pool_route, route_steps};
use crate::persist;
use crate::poller::Source;
use crate::privileges::Privileges;
use crate::resolve::resolve;
use crate::run::{Node, Outcome, Role};
use crate::scripts::facts::{self, DeviceFacts, RoutingFacts};
use crate::scripts::{ClientHooks, Env, Hook, TunnelHooks};
use crate::signals::{Request, Signals};
use crate::socket::{Families, any_address};
use crate::tcp::Listener;
use crate::timer::Every;
use crate::udp::Udp;

/// How long the listener rests when the system has no descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The files that a server writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// `status`
    pub(crate) status: Option<Output>,
    /// `ifconfig-pool-persist`
    pub(crate) leases: Option<Output>,
    /// `flow-log`
    pub(crate) flows: Option<SharedFlowLog>,
}

/// What a server's loop knows beside the engine.
pub(crate) struct ServerRole {
    host: HostConfig,
    log: Rc<Log>,
    narrator: Narrator,
    tunnel: Option<Tunnel>,
    hooks: TunnelHooks,
    clients: ClientHooks,
    status: Every,
    leases: Every,
    files: Files,
    crl: Option<CrlFile>,
    /// `dns-forward`: made when a client first asks.
    names: Option<Names>,
    /// When to accept connections again.
    accept_again: Option<Instant>,
    /// The signal by which the configuration is to be read again.
    reload: Option<&'static str>,
    /// What follows when all clients have been told.
    leaving: Option<Outcome>,
    /// Of the routes that the LAN port knows.
    routes_version: u32,
    /// What scripts are told of the reason.
    signal: Option<String>,
    at_once: bool,
}

impl ServerRole {
    /// Begins: opens device and sockets, and gives up privileges. `env` is what all scripts are told, `tunnel` what an
    /// earlier run kept.
    pub(crate) fn start(
        host: HostConfig,
        config: &ServerConfig,
        mut env: Env,
        privileges: Privileges,
        files: Files,
        tunnel: Option<Tunnel>,
        (node, signals): (&mut Node<Server>, &Signals),
    ) -> Result<Self, String> {
        let log = Rc::clone(&node.io.log);
        facts::of_listeners(&mut env, &host.listeners);
        let mut role = Self {
            narrator: Narrator::new(EngineRole::Server, None),
            tunnel: None,
            hooks: TunnelHooks::new(&host, &config.session, env, Rc::clone(&log)),
            clients: ClientHooks::new(&host, config, Rc::clone(&log)),
            status: Every::new(host.status.as_ref().and_then(|status| status.interval), node.clock.now()),
            leases: Every::new(
                host.pool_persist.as_ref().and_then(|persist| persist.interval),
                node.clock.now(),
            ),
            files,
            names: None,
            crl: host.crl_file.as_deref().map(|path| CrlFile::new(path, &node.io.log)),
            accept_again: None,
            reload: None,
            leaving: None,
            routes_version: 0,
            signal: None,
            at_once: false,
            log,
            host,
        };
        // The sockets first: where another server runs already, nothing of its is touched.
        role.listen(node)?;
        role.open_lan(config, node)?;
        if let Some(flows) = &role.files.flows {
            flows.borrow_mut().begin(&node.clock);
        }
        node.management.state(role.state(node, StateName::AssignIp, ""));
        role.tunnel = Some(match tunnel {
            Some(tunnel) => role.resume(config, tunnel, node, signals)?,
            None => role.set_up(config, node, signals)?,
        });
        role.clients.set_base(role.hooks.env().clone());
        if has_routes(&role.host) {
            node.management.state(State::of(StateName::AddRoutes));
        }
        privileges.drop_now(&role.log)?;
        role.log.milestone("Initialization Sequence Completed");
        node.management.state(role.state(node, StateName::Connected, "SUCCESS"));
        Ok(role)
    }

    /// Ends: writes the files, and closes everything or keeps the device for the next run.
    pub(crate) fn finish(
        &mut self,
        node: &mut Node<Server>,
        keep: bool,
        signals: &Signals,
    ) -> Option<Tunnel> {
        self.write_leases(node);
        if self.leaving.is_none() {
            self.write_status(node);
        }
        self.write_flows();
        node.io.close_links();
        node.io.close_listeners();
        if !self.at_once {
            self.clients.finish(node, signals);
        }
        let mut tunnel = self.tunnel.take()?;
        let (hooks, clock, signal) = (&mut self.hooks, &node.clock, self.signal.as_deref());
        if keep {
            if self.host.scripts.up_restart {
                hooks.run(clock, Hook::Down, "restart", signal, signals);
            }
            return Some(tunnel.park(&mut node.io));
        }
        hooks.run(clock, Hook::RoutePreDown, "init", signal, signals);
        tunnel.remove_routes(&self.log);
        if self.host.scripts.down_pre {
            hooks.run(clock, Hook::Down, "init", signal, signals);
            drop(tunnel.close(&mut node.io, &self.log));
        } else {
            drop(tunnel.close(&mut node.io, &self.log));
            hooks.run(clock, Hook::Down, "init", signal, signals);
        }
        None
    }

    /// Opens the device and sets it up, with the routes of the configuration.
    fn set_up(
        &mut self,
        config: &ServerConfig,
        node: &mut Node<Server>,
        signals: &Signals,
    ) -> Result<Tunnel, String> {
        let log = Rc::clone(&self.log);
        let mut tunnel = Tunnel::open(&self.host.dev, &mut node.io, &log)?;
        let around = tunnel.surroundings(None);
        let around = Surroundings { vpn: config.network.map(second), ..around };
        let interface = interface(&self.host, config, &node.engine);
        if !self.host.ifconfig_noexec {
            tunnel.configure(&interface, &log);
        }
        self.tell_hooks(node, tunnel.name(), &interface, &around);
        if !self.hooks.run(&node.clock, Hook::Up, "init", None, signals) {
            return Err("the up script has failed".into());
        }
        let pool = config.network.zip(interface.ipv4);
        let pool_route = pool.and_then(|(network, setup)| pool_route(tunnel.name(), network, setup));
        tunnel.apply(pool_route.into_iter().collect(), &log);
        if !self.host.route_noexec {
            let (steps, problems) = route_steps(&self.host.routes, &around);
            tunnel.apply(steps, &log);
            for problem in problems {
                log.warning(problem);
            }
            self.hooks.routes_added(&self.host.routes);
        }
        self.hooks.run(&node.clock, Hook::RouteUp, "init", None, signals);
        Ok(tunnel)
    }

    /// Goes on with the device of an earlier run.
    fn resume(
        &mut self,
        config: &ServerConfig,
        mut tunnel: Tunnel,
        node: &mut Node<Server>,
        signals: &Signals,
    ) -> Result<Tunnel, String> {
        tunnel.resume(&mut node.io, &self.log)?;
        let around = tunnel.surroundings(None);
        let around = Surroundings { vpn: config.network.map(second), ..around };
        self.tell_hooks(node, tunnel.name(), &interface(&self.host, config, &node.engine), &around);
        self.hooks.routes_added(&self.host.routes);
        if self.host.scripts.up_restart && !self.hooks.run(&node.clock, Hook::Up, "restart", None, signals) {
            return Err("the up script has failed".into());
        }
        Ok(tunnel)
    }

    fn tell_hooks(&mut self, node: &Node<Server>, name: &str, interface: &Interface, around: &Surroundings) {
        let peer = node.engine.ipv6().map(|ipv6| ipv6.gateway);
        let routing = RoutingFacts::new(&self.host.routes, around, peer);
        self.hooks.set_device(DeviceFacts::new(name, interface, peer), &routing);
    }

    fn listen(&self, node: &mut Node<Server>) -> Result<(), String> {
        let listeners: Vec<(&ListenerConfig, SocketAddr)> = self
            .host
            .listeners
            .iter()
            .map(|listener| local_address(listener).map(|local| (listener, local)))
            .collect::<Result<_, _>>()?;
        for &(listener, local) in &listeners {
            // What another of ours serves by IPv4 is left to it.
            let beside = |other: &(&ListenerConfig, SocketAddr)| {
                other.0.transport == listener.transport && other.1.is_ipv4() && other.1.port() == local.port()
            };
            let only = listener.bind.ipv6_only || listeners.iter().any(beside);
            let families = if only { Families::Ipv6Only } else { Families::Both };
            self.listen_at(listener.transport, local, families, node)?;
        }
        Ok(())
    }

    fn listen_at(
        &self,
        transport: Transport,
        local: SocketAddr,
        families: Families,
        node: &mut Node<Server>,
    ) -> Result<(), String> {
        let at = family_address(&local.into());
        let version = if local.is_ipv4() { 4 } else { 6 };
        let options = &self.host.sockets;
        match transport {
            Transport::Udp => {
                let mut udp = Udp::bind(local, families, options)
                    .map_err(|error| format!("cannot bind UDP to {local}: {}", cause(&error)))?;
                if self.host.multihome {
                    udp.tell_local_address().map_err(|error| format!("multihome: {}", cause(&error)))?;
                }
                node.io.add_link(Link::Udp(udp)).map_err(|error| error.to_string())?;
                self.log.info(format_args!("UDPv{version} link local (bound): {at}"));
                self.log.info(format_args!("UDPv{version} link remote: [AF_UNSPEC]"));
            }
            Transport::Tcp => {
                let listener = Listener::bind(local, families, options);
                let listener = listener
                    .map_err(|error| format!("cannot listen for TCP on {local}: {}", cause(&error)))?;
                node.io.add_listener(listener).map_err(|error| error.to_string())?;
                self.log.info(format_args!("Listening for incoming TCP connection on {at}"));
                self.log.info(format_args!("TCPv{version}_SERVER link local (bound): {at}"));
                self.log.info(format_args!("TCPv{version}_SERVER link remote: [AF_UNSPEC]"));
            }
        }
        Ok(())
    }

    /// A state with the server's own addresses.
    fn state(&self, node: &Node<Server>, stage: StateName, detail: &str) -> State {
        let ipv4 = node.engine.ipv4().map(|ifconfig| ifconfig.local);
        let ipv6 = node.engine.ipv6().map(|ifconfig| ifconfig.local);
        State { ipv4, ipv6, ..State::because(stage, detail) }
    }

    fn write_status(&self, node: &Node<Server>) {
        if let Some(file) = &self.files.status {
            self.note(file, file.replace(&self.status_text(node, self.status_version())));
        }
    }

    fn write_flows(&self) {
        if let Some(flows) = &self.files.flows {
            flows.borrow_mut().flush(&self.log);
        }
    }

    fn write_leases(&self, node: &Node<Server>) {
        if let Some(file) = &self.files.leases {
            self.note(file, file.replace(&persist::format(&node.engine.leases())));
        }
    }

    /// Asks a name server for a client of the router.
    fn ask(
        &mut self,
        node: &mut Node<Server>,
        now: Instant,
        request: DnsRequest,
        server: SocketAddr,
        by_tcp: bool,
        query: &[u8],
    ) {
        if self.names.is_none() {
            let made = Names::new().and_then(|names| {
                node.io.poller.add(names.watched(), Source::Names, false)?;
                Ok(names)
            });
            self.names = made
                .inspect_err(|error| self.log.warning(format_args!("dns-forward: {}", cause(error))))
                .ok();
        }
        let Some(names) = &mut self.names else { return node.engine.dns_answer(now, request, None) };
        let mut random = [0; 2];
        crate::fill_random(&mut random);
        names.ask(now, request, server, by_tcp, query, random);
        self.answer_names(node, now);
    }

    fn answer_names(&mut self, node: &mut Node<Server>, now: Instant) {
        while let Some(answer) = self.names.as_mut().and_then(Names::next_answer) {
            node.engine.dns_answer(now, answer.request, answer.message.as_deref());
        }
    }

    fn note(&self, file: &Output, written: io::Result<()>) {
        if let Err(error) = written {
            self.log.warning(format_args!("cannot write {}: {}", file.path().display(), cause(&error)));
        }
    }

    /// The signal by which the configuration is to be read again, if there was one; the run goes on then.
    pub(crate) fn take_reload(&mut self) -> Option<&'static str> {
        self.reload.take()
    }

    /// Other files are written from now on.
    pub(crate) fn set_files(&mut self, files: Files) {
        self.write_flows();
        self.files = files;
    }

    /// All sessions end, and `outcome` follows.
    pub(crate) fn leave_by(&mut self, node: &mut Node<Server>, now: Instant, signal: &str, outcome: Outcome) {
        let what = if matches!(outcome, Outcome::Exit(_)) { "exiting" } else { "restarting" };
        node.farewell = Some(format!("{signal}[hard,] received, process {what}"));
        node.end = Some(signal.to_owned());
        self.signal = Some(signal.to_lowercase());
        self.leave(node, now, outcome);
    }

    fn leave(&mut self, node: &mut Node<Server>, now: Instant, outcome: Outcome) {
        self.at_once = self.leaving.is_some();
        if !self.at_once {
            // The last look at the clients: they are gone from the engine before they are from the network.
            self.write_status(node);
        }
        self.leaving.get_or_insert(outcome);
        node.engine.shutdown(now);
    }
}

impl Role<Server> for ServerRole {
    fn handle_event(&mut self, node: &mut Node<Server>, now: Instant, event: Event) {
        for line in self.narrator.tell(&event) {
            self.log.line(line.level, line.text);
        }
        // In time for the certificate, which comes later.
        if let (Event::SessionStarted { .. }, Some(crl)) = (&event, &mut self.crl) {
            crl.look(now, &mut node.engine);
        }
        match event {
            Event::LinkClosed { link } => node.io.close_link(link),
            Event::Router(RouterEvent::DnsQuery { request, server, by_tcp, message }) => {
                self.ask(node, now, request, server, by_tcp, &message);
            }
            Event::Router(event) => {
                if let Some(flows) = &self.files.flows {
                    flows.borrow_mut().tell(&event, &node.clock, &self.log);
                }
            }
            event => self.clients.handle_event(node, now, event, &self.narrator),
        }
    }

    fn handle_signal(&mut self, node: &mut Node<Server>, now: Instant, name: &'static str, request: Request) {
        match request {
            Request::Exit => self.leave_by(node, now, name, Outcome::Exit(0)),
            // Whether sessions have to end is seen when it has been read.
            Request::Reload if self.leaving.is_none() => self.reload = Some(name),
            Request::Reload => self.leave_by(node, now, name, Outcome::Reload),
            Request::Restart => self.leave_by(node, now, name, Outcome::Restart),
            Request::Status => {
                if let Some(flows) = &self.files.flows {
                    flows.borrow_mut().take_up(&self.log);
                }
                for line in self.status_text(node, self.status_version()).lines() {
                    self.log.info(line);
                }
            }
        }
    }

    fn settled(&mut self) {
        self.write_flows();
    }

    fn handle_link(&mut self, node: &mut Node<Server>, now: Instant, link: LinkId, _change: LinkChange) {
        node.engine.link_closed(now, link);
    }

    fn handle_listener(&mut self, node: &mut Node<Server>, now: Instant, listener: u32) {
        loop {
            let accepted = node.io.accept(listener);
            match accepted {
                Ok(Some((link, remote))) => {
                    let from = family_address(&remote.into());
                    self.log.info(format_args!("TCP connection established with {from}"));
                    node.engine.link_opened(now, Path::tcp(link, remote));
                }
                Ok(None) => return,
                Err(error) => {
                    self.log.warning(format_args!("cannot accept a TCP connection: {}", cause(&error)));
                    node.io.watch_listeners(false);
                    self.accept_again = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn handle_script(&mut self, node: &mut Node<Server>, now: Instant) {
        self.clients.handle_script(node, now, &self.narrator);
    }

    fn handle_lan(&mut self, node: &mut Node<Server>, now: Instant, link: LanLink) {
        node.engine.set_lan_link(now, link);
    }

    fn handle_names(&mut self, node: &mut Node<Server>, now: Instant) {
        if let Some(names) = &mut self.names {
            names.receive();
        }
        self.answer_names(node, now);
    }

    fn handle_timeout(&mut self, node: &mut Node<Server>, now: Instant) {
        self.follow_routes(node);
        if let Some(names) = &mut self.names {
            names.handle_timeout(now);
        }
        self.answer_names(node, now);
        self.clients.handle_timeout(node, now, &self.narrator);
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_again = None;
            node.io.watch_listeners(true);
        }
        if self.status.take(now) && self.leaving.is_none() {
            self.write_status(node);
        }
        if self.leases.take(now) {
            self.write_leases(node);
        }
    }

    fn manage(&mut self, node: &mut Node<Server>, now: Instant, command: &Command) -> Answer {
        self.answer(node, now, command)
    }

    fn byte_counts(&self, node: &Node<Server>) -> ByteCounts {
        self.client_bytes(node)
    }

    fn next_timeout(&self) -> Option<Instant> {
        let own = [self.accept_again, self.status.next(), self.leases.next(), self.clients.next_timeout()];
        let names = self.names.as_ref().and_then(Names::next_timeout);
        own.into_iter().flatten().chain(names).min()
    }

    fn outcome(&self, node: &Node<Server>) -> Option<Outcome> {
        if self.reload.is_some() {
            return Some(Outcome::Reload);
        }
        self.leaving.filter(|_| self.at_once || node.engine.is_idle())
    }
}

fn has_routes(host: &HostConfig) -> bool {
    let any = !host.routes.ipv4.is_empty() || !host.routes.ipv6.is_empty();
    any && !host.route_noexec
}

/// Where a listener is bound.
fn local_address(listener: &ListenerConfig) -> Result<SocketAddr, String> {
    let port = listener.bind.port.unwrap_or(0);
    let Some(host) = &listener.bind.host else { return Ok(any_address(listener.family, port)) };
    let addresses = resolve(host, port, listener.family)?;
    addresses.first().copied().ok_or_else(|| format!("local: {host} has no address"))
}

/// The device's addresses.
fn interface(host: &HostConfig, config: &ServerConfig, engine: &Server) -> Interface {
    let ipv4 = engine.ipv4().map(|Ifconfig { local, other }| match other {
        IfconfigOther::Subnet(prefix) => Ipv4Setup::Subnet { address: local, prefix },
        IfconfigOther::Peer(peer) => Ipv4Setup::PointToPoint { local, peer },
    });
    let ipv6 = engine.ipv6();
    let ipv6 = ipv6.map(|IfconfigIpv6 { local, prefix, .. }| Ipv6Setup { address: local, prefix });
    Interface { mtu: config.session.tun_mtu, queue: host.txqueuelen, ipv4, ipv6 }
}

/// The second address of the network: where a server sends what is for its clients. The device takes anything, so
/// that under `topology subnet` it need not be anybody's.
fn second(network: Ipv4Network) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.address.to_bits() + 2)
}
