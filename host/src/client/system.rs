//! The system's side of a session: device, addresses and routes, as the server pushed them.

use adit::client::Client;
use adit::config::{IfconfigOther, RouteSettings, TunnelSettings};

use super::ClientRole;
use crate::device::Tunnel;
use crate::io::Link;
use crate::netconf::{Interface, Ipv4Setup, Ipv6Setup, Surroundings, route_steps};
use crate::run::{Node, Outcome};

impl ClientRole {
    /// The session is up: sets the system up for it, unless it is set up like this already.
    pub(super) fn up(&mut self, node: &mut Node<Client>) {
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
        self.log.milestone("Initialization Sequence Completed");
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
        let (steps, problems) =
            route_steps(&routes, &Surroundings { vpn, has_ipv6: settings.ifconfig_ipv6.is_some(), ..around });
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

    pub(super) fn down(&mut self, node: &mut Node<Client>) {
        self.settings = None;
        if let Some(tunnel) = self.tunnel.take() {
            tunnel.close(&mut node.io, &self.log);
        }
    }
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
