//! What is routed to whom, and the router's configuration, under live sessions.

use alloc::vec::Vec;

use super::Server;
use super::peers::Peer;
use crate::config::{IpNetwork, RouterConfig};
use crate::error::{Error, UsageError};
use crate::event::{CloseReason, Event};
use crate::path::Path;
use crate::peer::PeerId;
use crate::router::{DnsRequest, LanLink, Router};
use crate::time::Instant;

impl Server {
    // ---- commands ----

    /// From now on the network is reached by way of this client, as by an `iroute` of its own settings.
    ///
    /// # Errors
    ///
    /// The client has gone, a worker has its data state, or it has as many networks as it may
    /// ([`max_routes_per_client`](crate::config::ServerConfig::max_routes_per_client), or its own).
    pub fn add_network(&mut self, now: Instant, peer: PeerId, network: IpNetwork) -> Result<(), Error> {
        let found =
            self.peers.by_id(peer).filter(|peer| peer.is_connected()).ok_or(UsageError::NoSuchPeer)?;
        if found.networks.contains(&network) {
            return Ok(());
        }
        if found.networks.len() >= found.max_networks + found.addresses.iter().count() {
            return Err(Error::Limit("networks of one client (max-routes-per-client)"));
        }
        let data = found.session.data_mut().ok_or(UsageError::NotAttached)?;
        found.networks.push(network);
        data.set_sources(found.networks.clone());
        self.displace(peer, network);
        self.router.add_network(now, peer, network);
        Ok(())
    }

    /// Takes a network from a client, which goes by way of nobody then.
    ///
    /// # Errors
    ///
    /// The client has gone, or a worker has its data state.
    pub fn remove_network(&mut self, now: Instant, peer: PeerId, network: IpNetwork) -> Result<(), Error> {
        let found =
            self.peers.by_id(peer).filter(|peer| peer.is_connected()).ok_or(UsageError::NoSuchPeer)?;
        let data = found.session.data_mut().ok_or(UsageError::NotAttached)?;
        found.networks.retain(|other| *other != network);
        data.set_sources(found.networks.clone());
        self.router.remove_network(now, peer, network);
        Ok(())
    }

    /// Puts another configuration of the router into force: rules, NAT, limits. Sessions stay, but for those whose outer
    /// address is denied from now on (`source-deny`); what is no longer allowed ends at its next packet. A client whose data state a worker has is asked for it if the worker routes by itself and
    /// may no longer, or the other way round; until then the worker goes on as before.
    pub fn configure_router(&mut self, now: Instant, config: RouterConfig) {
        let before = self.router.is_stateful();
        *self.config.router = config.clone();
        self.router.configure(now, config);
        let routed = self.router.is_stateful();
        for index in self.peers.indices() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            let path = *peer.session.path();
            if !self.may_talk(&path) {
                self.end(now, index, CloseReason::SourceDenied, None);
                continue;
            }
            let Some(peer) = self.peers.get_mut(index).filter(|peer| peer.is_connected()) else { continue };
            if let Some(data) = peer.session.data_mut() {
                data.set_routed(routed);
            } else if routed != before && peer.session.request_attach() {
                self.events.push(Event::AttachRequested { peer: peer.id });
            }
        }
    }

    /// The interface of the LAN port is this one, or has changed.
    pub fn set_lan_link(&mut self, now: Instant, link: LanLink) {
        self.router.set_lan_link(now, link);
    }

    /// Answers a question of [`RouterEvent::DnsQuery`](crate::router::RouterEvent::DnsQuery): the name server's message, or
    /// `None` if there is none.
    pub fn dns_answer(&mut self, now: Instant, request: DnsRequest, answer: Option<&[u8]>) {
        self.router.dns_answer(now, request, answer);
    }

    // ---- getters ----

    /// The router, to be asked: which flows there are, who it was, why a packet goes where it goes.
    pub fn router(&self) -> &Router {
        &self.router
    }

    // ---- private ----

    /// Whether anything from there is looked at (`source-allow`, `source-deny`).
    #[inline]
    pub(super) fn may_talk(&self, path: &Path) -> bool {
        path.remote.socket_addr().is_none_or(|remote| self.router.sources().allows(remote.ip()))
    }

    /// The networks of other clients within those of this one.
    pub(super) fn others_within(&self, id: PeerId) -> Vec<IpNetwork> {
        let found = self.peers.get(id.index()).filter(|peer| peer.has_networks());
        let Some(peer) = found else { return Vec::new() };
        let others = self.router.routes().filter(|(network, owner)| *owner != id && peer.holds(network));
        others.map(|(network, _)| network).collect()
    }

    /// The network is about to be this client's: it is no other's then.
    pub(super) fn displace(&mut self, by: PeerId, network: IpNetwork) {
        let before = self.router.owner(network).filter(|owner| *owner != by);
        if let Some(owner) = before.and_then(|before| self.peers.by_id(before)) {
            owner.networks.retain(|other| *other != network);
            if let Some(data) = owner.session.data_mut() {
                data.set_sources(owner.networks.clone());
            }
        }
        // Workers that let such packets pass learn of it with the data state that they get anew.
        let holds = |(_, peer): &(usize, &Peer)| {
            peer.id != by
                && peer.session.data().is_none()
                && (before == Some(peer.id) || peer.holds(&network))
        };
        let away: Vec<usize> = self.peers.iter().filter(holds).map(|(other, _)| other).collect();
        for other in away {
            if let Some(peer) = self.peers.get_mut(other)
                && peer.session.request_attach()
            {
                self.events.push(Event::AttachRequested { peer: peer.id });
            }
        }
    }
}
