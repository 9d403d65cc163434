//! The system's side of a session: device, addresses, routes and name resolution, as the server pushed them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use adit::Instant;
use adit::client::Client;
use adit::config::{
    AddressFamily, DnsSettings, DnsUpdown, IfconfigOther, Ipv4Route, NamedRoute, RouteSettings,
    ScriptSecurity, TunnelSettings,
};

use super::ClientRole;
use crate::device::{self, Tunnel};
use crate::dns::{self, UserCommand};
use crate::io::{Io, Link};
use crate::management::{State, StateName};
use crate::netconf::{Interface, Ipv4Setup, Ipv6Setup, Moved, Surroundings, Watch, route_steps};
use crate::poller::Source;
use crate::resolve::resolve;
use crate::run::{Node, Outcome};
use crate::scripts::Hook;
use crate::scripts::facts::{DeviceFacts, RoutingFacts};
use crate::task::Task;

/// The routes that a host's name stands for.
pub(super) type Named = Result<Vec<Ipv4Route>, String>;

/// What is still to be done, in this order, until the tunnel counts as up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Names in routes are looked up.
    Names,
    /// The DNS settings are being applied; it goes on without them at this time.
    Dns { until: Instant },
    /// The `up` script runs.
    Up,
    /// The routes, at this time (`route-delay`).
    Routes { at: Instant },
    /// The `route-up` script runs.
    RouteUp,
}

/// How long the tunnel waits for its DNS settings: a program, or a lock, may hang.
const DNS_PATIENCE: Duration = Duration::from_secs(30);

impl Stage {
    /// When there is something to do, though nothing happens.
    fn due(self) -> Option<Instant> {
        match self {
            Self::Dns { until: at } | Self::Routes { at } => Some(at),
            Self::Names | Self::Up | Self::RouteUp => None,
        }
    }
}

impl ClientRole {
    /// The session is up: sets the system up for it, unless it is set up like this already.
    pub(super) fn up(&mut self, node: &mut Node<Client>, now: Instant) {
        self.connected = true;
        let settings = node.engine.settings().cloned().unwrap_or_default();
        match self.link.and_then(|(link, _)| node.io.link(link)) {
            Some(Link::Udp(udp)) => udp.set_buffers(settings.sndbuf, settings.rcvbuf),
            Some(Link::Tcp(connection)) => connection.set_buffers(settings.sndbuf, settings.rcvbuf),
            None => {}
        }
        if self.settings.as_ref().is_some_and(|before| is_same_setup(before, &settings)) {
            let name = self.tunnel.as_ref().map_or("", Tunnel::name);
            self.log.info(format_args!("Preserving previous TUN/TAP instance: {name}"));
            if self.host.scripts.up_restart {
                self.hooks.start(now, &node.io.poller, Hook::Up, "restart", None);
            }
            if self.stage.is_none() {
                self.complete(node);
            }
            return;
        }
        if self.settings.is_some() && self.tunnel.is_some() {
            self.log.info(
                "NOTE: Pulled options changed on restart, will need to close and reopen TUN/TAP device.",
            );
            self.down(node, now);
        }
        if self.is_closing() {
            self.up_waits = true;
            return;
        }
        if let Err(why) = self.open_tunnel(node, &settings) {
            self.log.error(why);
            self.outcome = Some(Outcome::Exit(1));
            return;
        }
        self.stage = Some(Stage::Names);
        self.names = self.look_up_names(node, &settings);
        self.settings = Some(settings);
        self.advance(node, now);
    }

    /// Begins to look up the hosts that routes lead to: before the tunnel's own name servers are asked.
    fn look_up_names(&self, node: &Node<Client>, settings: &TunnelSettings) -> Option<Task<Vec<Named>>> {
        let named = [&self.host.routes.named[..], &settings.routes.named].concat();
        if named.is_empty() || self.host.route_noexec {
            return None;
        }
        let task = Task::spawn("routes", move |_| {
            let look_up = |named: NamedRoute| {
                let addresses = resolve(&named.name, 0, Some(AddressFamily::V4))?;
                let ipv4 = addresses.iter().filter_map(|address| match address.ip() {
                    IpAddr::V4(address) => Some(named.to(address)),
                    IpAddr::V6(_) => None,
                });
                Ok(ipv4.collect())
            };
            named.into_iter().map(look_up).collect()
        });
        task.ok().filter(|task| node.io.poller.add(task, Source::Task, false).is_ok())
    }

    /// Goes on with setting the system up, as far as nothing has to be waited for.
    pub(super) fn advance(&mut self, node: &mut Node<Client>, now: Instant) {
        let closing = self.closing.as_mut().and_then(|closing| closing.tunnel.as_mut());
        let heard = match self.tunnel.as_mut().or(closing) {
            Some(tunnel) => tunnel.hear(&node.io, &self.log),
            None => device::hear(&mut self.guard, &node.io, &self.log),
        };
        if self.stage == Some(Stage::Names) {
            let found = match self.names.as_ref().map(Task::take) {
                Some(None) => return,
                Some(Some(found)) => found,
                None => Vec::new(),
            };
            self.names = None;
            self.named_routes.clear();
            for routes in found {
                match routes {
                    Ok(routes) => self.named_routes.extend(routes),
                    Err(why) => self.log.warning(format_args!("a route is left out: {why}")),
                }
            }
            self.tell_hooks();
            self.stage = Some(if self.apply_dns(node) {
                Stage::Dns { until: now + DNS_PATIENCE }
            } else {
                self.after_dns(node, now)
            });
        }
        if let Some(Stage::Dns { until }) = self.stage {
            let late = until <= now && !(heard.up || heard.ended);
            if late {
                self.log.warning("DNS: the settings are not in force yet; the tunnel does not wait for them");
            }
            if late || heard.up || heard.ended {
                self.stage = Some(self.after_dns(node, now));
            }
        }
        if matches!(self.stage, Some(Stage::Routes { at }) if at <= now) {
            self.add_routes(node);
            if self.hooks.start(now, &node.io.poller, Hook::RouteUp, "init", None) {
                self.stage = Some(Stage::RouteUp);
            } else {
                self.stage = None;
                self.complete(node);
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.read(now);
        }
    }

    /// Does what is due by now.
    pub(super) fn tend(&mut self, node: &mut Node<Client>, now: Instant) {
        if self.stage.and_then(Stage::due).is_some_and(|at| at <= now) {
            self.advance(node, now);
        }
        if self.watch.as_mut().is_some_and(|watch| watch.take(now)) {
            self.follow(node, now);
        }
    }

    /// When [`tend`](Self::tend) has something to do next.
    pub(super) fn next_tending(&self) -> Option<Instant> {
        let stage = self.stage.and_then(Stage::due);
        stage.into_iter().chain(self.watch.as_ref().and_then(Watch::due)).min()
    }

    /// The network under the tunnel may have changed. A session by UDP goes on from the new address, if the server can
    /// tell it by its peer-id and hears of it; any other begins anew, at once instead of after `ping-restart`.
    fn follow(&mut self, node: &mut Node<Client>, now: Instant) {
        let Some(tunnel) = &mut self.tunnel else { return };
        match tunnel.follow(&node.io, &self.log) {
            Moved::No => {}
            Moved::Lost => self.log.info("NOTE: network changed: there is no way to the server at present"),
            Moved::Yes { hop, elsewhere } => {
                let via = hop.via.map_or_else(String::new, |via| format!("via {via} "));
                let from = hop.source.map_or_else(String::new, |from| format!(" from {from}"));
                self.log.info(format_args!(
                    "NOTE: network changed: the server is reached {via}by {}{from} now",
                    hop.dev
                ));
                let floats = self.settings.as_ref().is_some_and(|settings| settings.peer_id.is_some())
                    && self.is_by_unbound_udp(node);
                if !elsewhere || floats {
                    node.engine.ping(now);
                } else {
                    node.engine.restart(now);
                    node.engine.start(now);
                }
            }
        }
    }

    fn is_by_unbound_udp(&self, node: &Node<Client>) -> bool {
        let bound = self
            .remotes
            .iter()
            .any(|remote| remote.connection.bind.as_ref().is_some_and(|bind| bind.host.is_some()));
        let link = self.link.and_then(|(link, _)| node.io.link(link));
        matches!(link, Some(Link::Udp(_))) && !bound
    }

    /// A link to `remote` is about to be opened. A tunnel that is kept must not swallow it.
    pub(super) fn keep_outside(&mut self, remote: IpAddr, io: &Io) {
        if let Some(tunnel) = &mut self.tunnel {
            tunnel.keep_outside(remote.to_canonical(), io, &self.log);
        }
    }

    /// The script of that moment has ended, well or not.
    pub(super) fn hook_ended(&mut self, node: &mut Node<Client>, now: Instant, hook: Hook, well: bool) {
        match (hook, self.stage) {
            (Hook::Up, _) if !well => {
                self.log.error("the up script has failed");
                self.outcome = Some(Outcome::Exit(1));
            }
            (Hook::Up, Some(Stage::Up)) => {
                self.stage = Some(self.routes_stage(now));
                self.advance(node, now);
            }
            (Hook::RouteUp, Some(Stage::RouteUp)) => {
                self.stage = None;
                self.complete(node);
            }
            (Hook::RoutePreDown | Hook::Down, _) => self.go_on_closing(node, now, hook),
            _ => {}
        }
    }

    /// What scripts are told about the device, its routes, and what else was pushed.
    fn tell_hooks(&mut self) {
        let (Some(tunnel), Some(settings)) = (&mut self.tunnel, &self.settings) else { return };
        let around = surroundings(tunnel, settings, self.link.map(|(_, address)| address.ip()));
        let peer = settings.ifconfig_ipv6.map(|ifconfig| ifconfig.gateway);
        let device =
            DeviceFacts::new(tunnel.name(), &interface(settings, self.tun_mtu, self.host.txqueuelen), peer);
        let mut routes = all_routes(&self.host.routes, &settings.routes);
        routes.ipv4.extend(&self.named_routes);
        let routing = RoutingFacts::new(&routes, &around, peer);
        self.hooks.set_device(device, &routing);
        self.hooks.set_pushed(&dns::merged(&self.host.dns, &settings.dns), &settings.environment);
    }

    fn after_dns(&mut self, node: &Node<Client>, now: Instant) -> Stage {
        if self.hooks.start(now, &node.io.poller, Hook::Up, "init", None) {
            Stage::Up
        } else {
            self.routes_stage(now)
        }
    }

    fn routes_stage(&self, now: Instant) -> Stage {
        let pushed = self.settings.as_ref().and_then(|settings| settings.routes.delay);
        let delay = pushed.or(self.host.routes.delay).map(|delay| delay.after);
        Stage::Routes { at: now + delay.unwrap_or_default() }
    }

    fn complete(&mut self, node: &mut Node<Client>) {
        if let (Some(tunnel), Some((_, remote))) = (&mut self.tunnel, self.link) {
            self.watch = tunnel.watch(remote.ip().to_canonical(), &node.io);
        }
        self.log.milestone("Initialization Sequence Completed");
        let path = node.engine.data().map(|data| *data.path());
        node.management.state(self.tunnel_state(node, StateName::Connected, path.as_ref()));
        if let Err(why) = self.privileges.drop_now(&self.log) {
            self.log.error(why);
            self.outcome = Some(Outcome::Exit(1));
        }
    }

    fn open_tunnel(&mut self, node: &mut Node<Client>, settings: &TunnelSettings) -> Result<(), String> {
        let mut tunnel = match self.tunnel.take() {
            // Kept by an earlier run.
            Some(mut tunnel) => {
                tunnel.resume(&mut node.io, &self.log)?;
                // The configuration may be another now, and what is found must be the system's own.
                tunnel.reset(&self.log);
                tunnel
            }
            None => Tunnel::open(&self.host.dev, &mut node.io, &self.log)?.guarded_by(self.guard.take()),
        };
        let command = match &self.host.dns_updown {
            DnsUpdown::Command(command) if self.host.scripts.security >= ScriptSecurity::Scripts => {
                let directory = self.host.process.cd.as_ref().map(PathBuf::from);
                Some(UserCommand { words: command.words.clone(), directory })
            }
            _ => None,
        };
        tunnel.prepare_guard(command, &self.privileges);
        node.management.state(self.tunnel_state(node, StateName::AssignIp, None));
        if !self.host.ifconfig_noexec {
            tunnel.configure(&interface(settings, self.tun_mtu, self.host.txqueuelen), &self.log);
        }
        self.tunnel = Some(tunnel);
        Ok(())
    }

    fn add_routes(&mut self, node: &mut Node<Client>) {
        let (Some(tunnel), Some(settings)) = (&mut self.tunnel, &self.settings) else { return };
        if self.host.route_noexec {
            return;
        }
        let around = surroundings(tunnel, settings, self.link.map(|(_, address)| address.ip()));
        let mut routes = all_routes(&self.host.routes, &settings.routes);
        routes.ipv4.extend(&self.named_routes);
        let (changes, problems) = route_steps(&routes, &around);
        if !changes.is_empty() {
            node.management.state(State::of(StateName::AddRoutes));
        }
        tunnel.apply_guarded(changes, &node.io, &self.log);
        self.hooks.routes_added(&routes);
        for problem in problems {
            self.log.warning(problem);
        }
    }

    /// Whether DNS settings are being applied.
    fn apply_dns(&mut self, node: &Node<Client>) -> bool {
        let (Some(tunnel), Some(settings)) = (&mut self.tunnel, &self.settings) else { return false };
        let all = dns::merged(&self.host.dns, &settings.dns);
        if all == DnsSettings::default() {
            return false;
        }
        let scripts = &self.host.scripts;
        let by_command = match &self.host.dns_updown {
            DnsUpdown::Disabled => return false,
            // Its author sees to that, as before there was anything else.
            DnsUpdown::Builtin if scripts.up.is_some() => {
                self.log.info(
                    "NOTE: DNS settings are left to the 'up' script; 'dns-updown force' applies them in any case",
                );
                return false;
            }
            DnsUpdown::Builtin | DnsUpdown::Forced => false,
            DnsUpdown::Command(_) if scripts.security < ScriptSecurity::Scripts => {
                self.log.warning("dns-updown: commands of the user's need 'script-security 2'");
                return false;
            }
            DnsUpdown::Command(_) => true,
        };
        for address in dns::unreachable(&all, settings.ifconfig.is_some(), settings.ifconfig_ipv6.is_some()) {
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            self.log.warning(format_args!(
                "DNS: the tunnel has no {family} address to reach server {address} from"
            ));
        }
        if self.privileges.are_dropped() && !tunnel.is_guarded() {
            self.log.warning("DNS: the server's settings cannot be applied, since root was given up");
            return false;
        }
        tunnel.dns_up(&all, by_command, &node.io, &self.log)
    }
}

/// How the system routes at present, as far as the tunnel's routes depend on it.
fn surroundings(tunnel: &mut Tunnel, settings: &TunnelSettings, remote: Option<IpAddr>) -> Surroundings {
    let vpn = match settings.ifconfig.map(|ifconfig| ifconfig.other) {
        Some(IfconfigOther::Peer(peer)) => Some(peer),
        Some(IfconfigOther::Subnet(_)) | None => None,
    };
    let around = tunnel.surroundings(remote.map(|remote| remote.to_canonical()));
    Surroundings { vpn, has_ipv6: settings.ifconfig_ipv6.is_some(), ..around }
}

/// Whether the system would be set up in the same way; tokens and timers do not matter to it.
fn is_same_setup(before: &TunnelSettings, now: &TunnelSettings) -> bool {
    before.ifconfig == now.ifconfig
        && before.ifconfig_ipv6 == now.ifconfig_ipv6
        && before.routes == now.routes
        && before.dns == now.dns
        && before.tun_mtu == now.tun_mtu
}

fn interface(settings: &TunnelSettings, tun_mtu: u16, queue: Option<u32>) -> Interface {
    Interface {
        mtu: settings.tun_mtu.unwrap_or(tun_mtu),
        queue,
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
