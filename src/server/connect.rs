//! What a client that may connect gets: addresses, keys, settings, and the networks that are routed to it.

use alloc::format;
use alloc::vec::Vec;

use super::Server;
use super::ask::ConnectState;
use super::peers::Stage;
use super::settings::{Assignment, push_list};
use crate::config::{InstanceConfig, IpNetwork};
use crate::event::{CloseReason, Event};
use crate::router::ClientSetup;
use crate::session::{Negotiated, choose_cipher};
use crate::time::Instant;
use crate::wire::icmpv6::NOBODY;
use crate::wire::{IvProto, WirePeerId};

impl Server {
    /// Makes the keys and lets data flow.
    pub(super) fn try_connect(
        &mut self,
        now: Instant,
        index: usize,
        instance: &InstanceConfig,
    ) -> Result<(), CloseReason> {
        let unix = self.env.unix(now);
        self.assign(index, instance)?;
        let Some(peer) = self.peers.get_mut(index) else { return Ok(()) };
        let Some(hello) = peer.hello.take() else { return Ok(()) };
        let config = &self.shared.config;
        let cipher = choose_cipher(
            instance.data_ciphers.as_deref().unwrap_or(&config.data_ciphers),
            instance.data_ciphers_fallback.or(config.data_ciphers_fallback),
            &hello.peer_info,
            &hello.options,
        );
        let proto = hello.peer_info.iv_proto();
        let negotiated = Negotiated {
            cipher: cipher.ok_or(CloseReason::NoSharedCipher)?,
            key_export: config.key_export && proto.contains(IvProto::TLS_KEY_EXPORT),
            cc_exit: proto.contains(IvProto::CC_EXIT_NOTIFY),
        };
        peer.session.make_keys(now, negotiated)?;
        let wire_peer_id = WirePeerId::new(index as u32).filter(|_| proto.contains(IvProto::DATA_V2));
        let assignment = Assignment { addresses: peer.addresses, wire_peer_id, negotiated };
        peer.push_list = push_list(&self.config, &self.addressing, instance, &hello.peer_info, &assignment);
        if let Some(data) = peer.session.data_mut() {
            data.set_wire_peer_id(wire_peer_id);
            data.block_ipv6(self.config.block_ipv6.then_some(NOBODY));
            if let Some(framing) = instance.framing {
                data.set_framing(framing);
            }
        }
        let timeout = instance.ping_timeout.unwrap_or(config.ping_timeout);
        peer.session.start_keepalive(now, instance.ping.unwrap_or(config.ping), timeout);
        let inactive = instance.inactive.unwrap_or(self.config.inactive);
        let session_timeout = instance.session_timeout.unwrap_or(self.config.session_timeout);
        peer.session.limit_life(now, inactive, session_timeout);
        peer.connect = ConnectState::Settled;
        peer.stage = Stage::Connected;
        peer.connected_since = unix;
        peer.connected_at = now;
        let id = peer.id;
        let (ipv4, ipv6) =
            (peer.addresses.ipv4.map(|ipv4| ipv4.local), peer.addresses.ipv6.map(|ipv6| ipv6.local));
        let is_awaited = peer.push_requested || proto.contains(IvProto::REQUEST_PUSH);
        self.route_to(now, index, instance);
        self.events.push(Event::Connected { peer: id, cipher: negotiated.cipher, ipv4, ipv6 });
        if is_awaited {
            self.push_reply(now, index);
        }
        Ok(())
    }

    /// Its addresses: those of the pool, or those that its own settings give it, which then are nobody else's.
    fn assign(&mut self, index: usize, instance: &InstanceConfig) -> Result<(), CloseReason> {
        let Some(peer) = self.peers.get_mut(index) else { return Ok(()) };
        peer.addresses = peer.addresses.with(&self.addressing, instance);
        if let Some(push) = instance.ifconfig_push {
            if let Some(network) = self.addressing.network().filter(|network| !network.contains(push.local)) {
                let (address, prefix) = (network.address, network.prefix);
                let text = format!("ifconfig-push: {} is not in the network {address}/{prefix}", push.local);
                self.events.notice(peer.id, text);
            }
            for number in peer.numbers.drain(..) {
                self.pool.give_up(number);
            }
            peer.numbers.extend(self.pool.hold(push.local.into()));
        } else if peer.numbers.is_empty() && self.pool.exists() {
            return Err(CloseReason::Limit("addresses in the pool"));
        }
        if let Some(push) = instance.ifconfig_ipv6_push {
            peer.numbers.extend(self.pool.hold(push.local.into()));
        }
        Ok(())
    }

    /// What is for its addresses, and for the networks behind it, is sealed for it; and it may send from them.
    fn route_to(&mut self, now: Instant, index: usize, instance: &InstanceConfig) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let most = instance.max_routes.unwrap_or(self.config.max_routes_per_client) as usize;
        let mut networks: Vec<IpNetwork> = peer.addresses.iter().map(IpNetwork::from).collect();
        let surplus = instance.iroutes.len().saturating_sub(most);
        for network in instance.iroutes.iter().take(most) {
            if !networks.contains(network) {
                networks.push(*network);
            }
        }
        if surplus > 0 {
            let text =
                format!("{surplus} iroutes of this client are left out: max-routes-per-client is {most}");
            self.events.notice(peer.id, text);
        }
        peer.max_networks = most;
        peer.networks.clone_from(&networks);
        if let Some(data) = peer.session.data_mut() {
            data.set_sources(networks.clone());
            data.set_routed(self.router.is_stateful());
        }
        let (id, identity) = (peer.id, &peer.identity);
        let identity = identity.common_name.clone().or_else(|| identity.username.clone());
        for network in &networks {
            self.displace(id, *network);
        }
        let client = ClientSetup {
            identity: identity.unwrap_or_default(),
            networks,
            mtu: self.shared.config.tun_mtu,
            limits: None,
        };
        self.router.client_up(now, id, client);
    }
}
