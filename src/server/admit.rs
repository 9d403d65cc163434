//! From a finished key exchange to a connected client: who it is, whether it may, and what it gets.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::Server;
use super::ask::{AuthState, ConnectState};
use super::login::TokenCheck;
use super::peers::{Identity, Peer, Stage};
use super::settings::{Addresses, Assignment, push_list};
use crate::config::{Credentials, InstanceConfig, IpNetwork};
use crate::event::{CloseReason, Event};
use crate::session::{ClientHello, Negotiated, SessionEvent, choose_cipher};
use crate::time::Instant;
use crate::wire::message::{mask_secrets, push_replies};
use crate::wire::{ControlMessage, IvProto, WirePeerId};

/// A PUSH_REQUEST is not answered again within this time.
const PUSH_INTERVAL: core::time::Duration = core::time::Duration::from_secs(30);

impl Server {
    /// Acts on what a session has to tell.
    pub(super) fn session_event(&mut self, now: Instant, index: usize, event: SessionEvent) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let id = peer.id;
        match event {
            SessionEvent::HandshakeCompleted { protocol, renegotiation } => {
                peer.session.tell_handshake(id, protocol, renegotiation, &mut self.events);
            }
            SessionEvent::CertificateReceived(certificate) => self.ask_about_certificate(index, certificate),
            SessionEvent::ClientHello(hello) => self.hello(now, index, hello),
            SessionEvent::Active { .. } => {
                peer.active = true;
                self.try_admit(now, index);
            }
            SessionEvent::Message(text) => self.message(now, index, &text),
            SessionEvent::BadMessage(reason) => self.drops.count(reason),
            SessionEvent::Failed(reason) => self.close(now, index, reason),
            SessionEvent::Started { .. } => {} // told when the session was made
        }
    }

    /// The client's half of the key exchange: fixes who it is, and asks the host if there is a login to verify.
    fn hello(&mut self, now: Instant, index: usize, mut hello: Box<ClientHello>) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let id = peer.id;
        let renegotiation = peer.is_connected();
        let certificate = peer.session.certificate().map(Arc::clone);
        // Its handshake may have begun under the lists before.
        let is_older = self.crl_since.is_some_and(|since| peer.session.negotiating_since() <= since);
        let unix = self.env.unix(now);
        if is_older && certificate.as_ref().is_some_and(|seen| self.shared.tls.is_revoked(seen, unix)) {
            return self.close(now, index, CloseReason::Revoked);
        }
        // Taken out: a password stays no longer than it takes to ask about it.
        let credentials = hello.credentials.take();
        let username = credentials.as_ref().map(|credentials| credentials.username.clone());
        let mut identity = Identity {
            common_name: certificate.as_ref().and_then(|certificate| certificate.common_name.clone()),
            username: username.filter(|username| !username.is_empty()),
            certificate: certificate.as_ref().map(|certificate| certificate.sha256()),
        };
        // A name that nobody verifies must not become anybody's identity.
        let named = self.config.username_as_common_name && self.config.verify_user_pass;
        if named && identity.username.is_some() {
            identity.common_name.clone_from(&identity.username);
        }
        if renegotiation {
            peer.active = false;
            if !peer.is_same(&identity) {
                let text = "the client's certificate or user name changed in a renegotiation".to_string();
                return self.close(now, index, CloseReason::Tls(text));
            }
        } else {
            let owned = |(name, value): (&str, &str)| (name.to_string(), value.to_string());
            let lines = hello.peer_info.lines().map(owned).collect();
            self.events.push(Event::PeerInfo { peer: id, lines });
            peer.identity = identity;
        }
        peer.auth = AuthState::Granted;
        peer.hello = Some(hello);
        if self.config.verify_user_pass {
            self.verify_login(now, index, credentials, renegotiation);
        }
    }

    fn verify_login(
        &mut self,
        now: Instant,
        index: usize,
        credentials: Option<Credentials>,
        renegotiation: bool,
    ) {
        let credentials = match credentials {
            Some(credentials) if !credentials.username.is_empty() => credentials,
            _ if self.config.auth_user_pass_optional => {
                Credentials { username: String::new(), password: Zeroizing::new(String::new()) }
            }
            _ => {
                let reason = CloseReason::AuthFailed("a user name and a password are needed".into());
                return self.refuse(now, index, reason);
            }
        };
        let token = match self.check_token(now, index, &credentials) {
            TokenCheck::Ask(token) => token,
            TokenCheck::Accept => return,
            TokenCheck::Refuse(reason) => {
                return self.refuse(now, index, CloseReason::AuthFailed(reason.into()));
            }
        };
        let request = self.next_request();
        let until = now + self.shared.config.hand_window;
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.auth = AuthState::Pending { request, until };
        self.events.push(Event::AuthRequested {
            request,
            peer: peer.id,
            path: *peer.session.path(),
            common_name: peer.identity.common_name.clone(),
            certificate: peer.session.certificate().map(Arc::clone),
            credentials,
            renegotiation,
            token,
        });
    }

    /// Goes on once both the key exchange is delivered and the peer is authenticated.
    pub(super) fn try_admit(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if !peer.active || !matches!(peer.auth, AuthState::Granted) {
            return;
        }
        match (peer.stage, &peer.connect, peer.session.negotiated().copied()) {
            (Stage::Handshake, ConnectState::Open, _) => self.prepare(now, index),
            (Stage::Connected, _, Some(negotiated)) => {
                peer.hello = None;
                match peer.session.rekey(now, peer.id, negotiated, &mut self.events) {
                    Ok(()) => self.push_token(now, index),
                    Err(reason) => self.close(now, index, reason),
                }
            }
            _ => {}
        }
    }

    /// The peer is who it says: it takes the place of its earlier self, gets an entry in the pool, and the host is asked
    /// if it wants a say.
    fn prepare(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let (id, path) = (peer.id, *peer.session.path());
        let common_name = peer.identity.common_name.clone().or_else(|| peer.identity.username.clone());
        self.events.push(Event::PeerAuthenticated { peer: id, common_name, path });
        self.take_over(now, index);
        if self.is_full() {
            return self.refuse(now, index, CloseReason::Limit("clients (max-clients)"));
        }
        self.reserve(index);
        if !self.config.connect_by_host {
            return self.admit(now, index, &InstanceConfig::default());
        }
        let request = self.next_request();
        let until = now + self.shared.config.hand_window;
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.connect = ConnectState::Asked { request, until };
        self.events.push(Event::ClientConnectRequested {
            request,
            peer: id,
            path,
            common_name: peer.identity.common_name.clone(),
            username: peer.identity.username.clone(),
            certificate: peer.session.certificate().map(Arc::clone),
            ipv4: peer.addresses.ifconfig(self.addressing.topology),
            ipv6: peer.addresses.ipv6,
        });
    }

    fn is_full(&self) -> bool {
        let connected = self.peers.iter().filter(|(_, peer)| peer.is_connected()).count();
        connected >= self.config.max_clients as usize
    }

    /// Takes an entry of the pool, if there is one.
    fn reserve(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let owner = peer.identity.common_name.as_deref().filter(|_| !self.config.duplicate_cn);
        if let Some(number) = self.pool.acquire(owner) {
            peer.numbers.push(number);
            peer.addresses = Addresses::from_pool(&self.addressing, number);
        }
    }

    /// Gives a client its addresses, keys and options.
    pub(super) fn admit(&mut self, now: Instant, index: usize, instance: &InstanceConfig) {
        self.take_over(now, index); // once more: the host may have taken its time
        let admitted = if self.is_full() {
            Err(CloseReason::Limit("clients (max-clients)"))
        } else {
            self.try_connect(now, index, instance)
        };
        match admitted {
            Ok(()) => {}
            Err(reason @ (CloseReason::Tls(_) | CloseReason::Certificate(_))) => {
                self.close(now, index, reason)
            }
            Err(reason) => self.refuse(now, index, reason),
        }
    }

    fn try_connect(
        &mut self,
        now: Instant,
        index: usize,
        instance: &InstanceConfig,
    ) -> Result<(), CloseReason> {
        let unix = self.env.unix(now);
        self.assign(index, instance)?;
        if let (Some(peer), Some(name)) = (self.peers.get_mut(index), &instance.override_username) {
            peer.rename(name, self.config.username_as_common_name);
        }
        let token = self.token_options(now, index);
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
        let assignment = Assignment { addresses: peer.addresses, wire_peer_id, negotiated, token };
        let options = push_list(&self.config, &self.addressing, instance, &hello.peer_info, &assignment);
        peer.push_replies = push_replies(&options);
        if let Some(data) = peer.session.data_mut() {
            data.set_wire_peer_id(wire_peer_id);
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
        self.route_to(index, instance);
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
    fn route_to(&mut self, index: usize, instance: &InstanceConfig) {
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
        }
        for network in networks {
            self.give(network, index);
        }
    }

    /// The network is this client's from now on, and nobody else's.
    pub(super) fn give(&mut self, network: IpNetwork, index: usize) {
        let before = self.routes.insert(network, index).filter(|&before| before != index);
        if let Some(peer) = before.and_then(|before| self.peers.get_mut(before)) {
            peer.networks.retain(|other| *other != network);
            if let Some(data) = peer.session.data_mut() {
                data.set_sources(peer.networks.clone());
            }
        }
    }

    /// Ends the sessions that this one replaces: those of the same client, unless `duplicate-cn` lets it have
    /// several, and in any case one from the same address.
    fn take_over(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let (name, path) = (peer.identity.common_name.clone(), *peer.session.path());
        let is_replaced = |(other, peer): &(usize, &Peer)| {
            let same_name = name.is_some() && peer.identity.common_name == name && !self.config.duplicate_cn;
            *other != index && peer.is_connected() && (same_name || peer.session.path().same_remote(&path))
        };
        let replaced: Vec<_> = self.peers.iter().filter(is_replaced).map(|(other, _)| other).collect();
        for other in replaced {
            self.end(now, other, CloseReason::TakenOver, None);
        }
    }

    /// Tells the client that it may not, and why, as far as it concerns it.
    pub(super) fn refuse(&mut self, now: Instant, index: usize, reason: CloseReason) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let text = match &reason {
            CloseReason::AuthFailed(text) if text.is_empty() => "AUTH_FAILED".to_string(),
            CloseReason::AuthFailed(text) => format!("AUTH_FAILED,{text}"),
            CloseReason::ConnectRefused(text) if !text.is_empty() => format!("AUTH_FAILED,{text}"),
            CloseReason::AuthTimeout | CloseReason::ConnectRefused(_) => "AUTH_FAILED".to_string(),
            // It may come in later, and is to try again, not to end.
            CloseReason::Limit(_) => match &peer.hello {
                Some(hello) if hello.peer_info.iv_proto().contains(IvProto::AUTH_FAIL_TEMP) => {
                    format!("AUTH_FAILED,TEMP:{reason}")
                }
                _ => "RESTART".to_string(),
            },
            other => format!("AUTH_FAILED,{other}"),
        };
        self.tell(index, &text);
        self.leave(now, index, reason);
    }

    fn message(&mut self, now: Instant, index: usize, text: &str) {
        let Some(peer) = self.peers.get(index) else { return };
        let id = peer.id;
        self.events.push(Event::MessageReceived { peer: id, text: mask_secrets(text) });
        match ControlMessage::parse(text) {
            ControlMessage::PushRequest => {
                let recent = peer.pushed_at.is_some_and(|at| now.since(at) < PUSH_INTERVAL);
                if !peer.is_connected() {
                    if let Some(peer) = self.peers.get_mut(index) {
                        peer.push_requested = true;
                    }
                } else if !recent {
                    self.push_reply(now, index);
                }
            }
            ControlMessage::Exit => self.close(now, index, CloseReason::RemoteExit),
            _ => self.events.notice(id, "an unknown control message of the client was ignored"),
        }
    }

    fn push_reply(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.pushed_at = Some(now);
        for reply in &peer.push_replies {
            peer.session.send_message(reply);
            self.events.push(Event::MessageSent { peer: peer.id, text: mask_secrets(reply) });
        }
    }
}

impl Peer {
    /// Whether who renegotiates is who connected. With `override-username`, it may give either name.
    fn is_same(&self, identity: &Identity) -> bool {
        let renamed = self.username_override.is_some() && identity.username == self.username_override;
        let same_user = renamed || identity.username == self.identity.username;
        same_user && identity.certificate == self.identity.certificate
    }

    /// `override-username`
    fn rename(&mut self, name: &str, username_as_common_name: bool) {
        self.username_override = Some(name.to_string());
        if username_as_common_name {
            self.identity.common_name = self.username_override.clone();
        }
    }

    /// The user name that it is known by.
    pub(super) fn username(&self) -> Option<&str> {
        self.username_override.as_deref().or(self.identity.username.as_deref())
    }
}
