//! From a finished key exchange to a connected client: who it is, whether it may, and what it gets.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::peers::{Identity, Peer, Stage};
use super::settings::{Assignment, push_list};
use super::{AuthDecision, Server};
use crate::error::{Error, UsageError};
use crate::event::{CloseReason, Event, RequestId};
use crate::session::{ClientHello, Negotiated, SessionEvent, choose_cipher};
use crate::time::Instant;
use crate::wire::message::{mask_secrets, push_replies};
use crate::wire::{ControlMessage, IvProto, WirePeerId};

/// A PUSH_REQUEST is not answered again within this time.
const PUSH_INTERVAL: core::time::Duration = core::time::Duration::from_secs(30);

/// Whether a peer is who it says.
#[derive(Debug)]
pub(super) enum AuthState {
    /// Its key exchange has not arrived, or its session is over.
    Unknown,
    /// The host was asked.
    Pending { request: RequestId, until: Instant },
    /// It is.
    Granted,
}

impl Server {
    /// Answers [`Event::AuthRequested`].
    pub fn reply_auth(
        &mut self,
        now: Instant,
        request: RequestId,
        decision: AuthDecision,
    ) -> Result<(), Error> {
        let asked =
            |auth: &AuthState| matches!(auth, AuthState::Pending { request: asked, .. } if *asked == request);
        let index = self.peers.iter().find(|(_, peer)| asked(&peer.auth)).map(|(index, _)| index);
        let index = index.ok_or(UsageError::NoSuchRequest)?;
        if let Some(peer) = self.peers.get_mut(index) {
            peer.auth =
                if decision == AuthDecision::Accept { AuthState::Granted } else { AuthState::Unknown };
        }
        match decision {
            AuthDecision::Accept => self.try_admit(now, index),
            AuthDecision::Refuse { reason } => self.refuse(now, index, CloseReason::AuthFailed(reason)),
        }
        self.drain(now, index);
        Ok(())
    }

    /// Acts on what a session has to tell.
    pub(super) fn session_event(&mut self, now: Instant, index: usize, event: SessionEvent) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let id = peer.id;
        match event {
            SessionEvent::HandshakeCompleted { protocol, renegotiation } => {
                peer.session.tell_handshake(id, protocol, renegotiation, &mut self.events);
            }
            SessionEvent::ClientHello(hello) => self.hello(now, index, hello),
            SessionEvent::Active { .. } => {
                peer.active = true;
                self.try_admit(now, index);
            }
            SessionEvent::Message(text) => self.message(now, index, &text),
            SessionEvent::Failed(reason) => self.close(now, index, reason),
            SessionEvent::Started { .. } => {} // told when the session was made
        }
    }

    /// The client's half of the key exchange: fixes who it is, and asks the host if there is a login to verify.
    fn hello(&mut self, now: Instant, index: usize, mut hello: Box<ClientHello>) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let id = peer.id;
        let certificate = peer.session.certificate();
        // Taken out: a password stays no longer than it takes to ask about it.
        let credentials = hello.credentials.take();
        let username = credentials.as_ref().map(|credentials| credentials.username.clone());
        let mut identity = Identity {
            common_name: certificate.and_then(|certificate| certificate.common_name.clone()),
            username: username.clone(),
            certificate: certificate.map(|certificate| certificate.sha256),
        };
        if self.config.username_as_common_name && username.is_some() {
            identity.common_name.clone_from(&username);
        }
        if peer.is_connected() {
            peer.active = false;
            if identity != peer.identity {
                let text = "the client's certificate or user name changed in a renegotiation".to_string();
                return self.close(now, index, CloseReason::Tls(text));
            }
        } else {
            let owned = |(name, value): (&str, &str)| (name.to_string(), value.to_string());
            let lines = hello.peer_info.lines().map(owned).collect();
            self.events.push(Event::PeerInfo { peer: id, lines });
        }
        let common_name = identity.common_name.clone();
        peer.identity = identity;
        peer.auth = AuthState::Granted;
        if self.config.verify_user_pass {
            let Some(credentials) = credentials else {
                return self.refuse(
                    now,
                    index,
                    CloseReason::AuthFailed("a user name and a password are needed".into()),
                );
            };
            self.requests += 1;
            let request = RequestId(self.requests);
            peer.auth = AuthState::Pending { request, until: now + self.shared.config.hand_window };
            self.events.push(Event::AuthRequested { request, peer: id, common_name, credentials });
        }
        if !peer.is_connected() {
            peer.hello = Some(hello);
        }
    }

    /// Goes on once both the key exchange is delivered and the peer is authenticated.
    pub(super) fn try_admit(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if !peer.active || !matches!(peer.auth, AuthState::Granted) {
            return;
        }
        let result = match (peer.stage, peer.session.negotiated().copied()) {
            (Stage::Handshake, _) => self.admit(now, index),
            (Stage::Connected, Some(negotiated)) => {
                peer.session.rekey(now, peer.id, negotiated, &mut self.events)
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => {}
            Err(reason @ CloseReason::Tls(_)) => self.close(now, index, reason),
            Err(reason) => self.refuse(now, index, reason),
        }
    }

    /// Gives a client its addresses, keys and options.
    fn admit(&mut self, now: Instant, index: usize) -> Result<(), CloseReason> {
        self.take_over(index);
        let connected = self.peers.iter().filter(|(_, peer)| peer.is_connected()).count();
        if connected >= self.config.max_clients as usize {
            return Err(CloseReason::Limit("clients (max-clients)"));
        }
        let unix = self.env.unix(now);
        let Some(peer) = self.peers.get_mut(index) else { return Ok(()) };
        let Some(hello) = &peer.hello else { return Ok(()) };
        let config = &self.shared.config;
        let cipher =
            choose_cipher(config, &hello.peer_info, &hello.options).ok_or(CloseReason::NoSharedCipher)?;
        let proto = hello.peer_info.iv_proto();
        let negotiated = Negotiated {
            cipher,
            key_export: config.key_export && proto.contains(IvProto::TLS_KEY_EXPORT),
            cc_exit: proto.contains(IvProto::CC_EXIT_NOTIFY),
        };
        if self.config.network.is_some() || self.config.network_v6.is_some() {
            let owner = peer.identity.common_name.as_deref().filter(|_| !self.config.duplicate_cn);
            peer.number = Some(self.pool.acquire(owner).ok_or(CloseReason::Limit("addresses in the pool"))?);
        }
        peer.session.make_keys(now, negotiated)?;
        let wire_peer_id = WirePeerId::new(index as u32).filter(|_| proto.contains(IvProto::DATA_V2));
        let assignment = Assignment { number: peer.number, wire_peer_id, negotiated };
        let options = push_list(&self.config, &self.pool, &hello.peer_info, &assignment);
        peer.push_replies = push_replies(&options);

        let ipv4 = peer.number.and_then(|number| self.pool.ipv4(number)).map(|(address, _)| address);
        let ipv6 = peer.number.and_then(|number| self.pool.ipv6(number));
        let addresses: Vec<_> = ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6)).collect();
        if let Some(data) = peer.session.data_mut() {
            data.set_wire_peer_id(wire_peer_id);
            data.set_sources(addresses.clone());
        }
        for address in addresses {
            self.routes.insert(address, index);
        }
        peer.session.start_keepalive(now, config.ping, config.ping_timeout);
        peer.hello = None;
        peer.stage = Stage::Connected;
        peer.connected_since = unix;
        let (id, path) = (peer.id, *peer.session.path());
        let common_name = peer.identity.common_name.clone().or_else(|| peer.identity.username.clone());
        self.events.push(Event::PeerAuthenticated { peer: id, common_name, path });
        self.events.push(Event::Connected { peer: id, cipher, ipv4, ipv6 });
        if proto.contains(IvProto::REQUEST_PUSH) {
            self.push_reply(now, index);
        }
        Ok(())
    }

    /// Ends the sessions that this one replaces: those of the same client, unless `duplicate-cn` lets it have
    /// several, and in any case one from the same address.
    fn take_over(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let (name, path) = (peer.identity.common_name.clone(), *peer.session.path());
        let is_replaced = |(other, peer): &(usize, &Peer)| {
            let same_name = name.is_some() && peer.identity.common_name == name && !self.config.duplicate_cn;
            *other != index && peer.is_connected() && (same_name || peer.session.path().same_remote(&path))
        };
        let replaced: Vec<_> = self.peers.iter().filter(is_replaced).map(|(other, _)| other).collect();
        for other in replaced {
            self.end(other, CloseReason::TakenOver, None);
        }
    }

    /// Tells the client that it may not, and why, as far as it concerns it.
    pub(super) fn refuse(&mut self, now: Instant, index: usize, reason: CloseReason) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let text = match &reason {
            CloseReason::AuthFailed(text) if text.is_empty() => "AUTH_FAILED".to_string(),
            CloseReason::AuthFailed(text) => alloc::format!("AUTH_FAILED,{text}"),
            CloseReason::AuthTimeout => "AUTH_FAILED".to_string(),
            // It may come in later, and is to try again, not to end.
            CloseReason::Limit(_) => match &peer.hello {
                Some(hello) if hello.peer_info.iv_proto().contains(IvProto::AUTH_FAIL_TEMP) => {
                    alloc::format!("AUTH_FAILED,TEMP:{reason}")
                }
                _ => "RESTART".to_string(),
            },
            other => alloc::format!("AUTH_FAILED,{other}"),
        };
        peer.session.send_message(&text);
        let id = peer.id;
        self.events.push(Event::MessageSent { peer: id, text });
        self.leave(now, index, reason);
    }

    fn message(&mut self, now: Instant, index: usize, text: &str) {
        let Some(peer) = self.peers.get(index) else { return };
        let id = peer.id;
        self.events.push(Event::MessageReceived { peer: id, text: mask_secrets(text) });
        match ControlMessage::parse(text) {
            ControlMessage::PushRequest => {
                let recent = peer.pushed_at.is_some_and(|at| now.since(at) < PUSH_INTERVAL);
                if peer.is_connected() && !recent {
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

    /// Whose authentication the host has not answered in time.
    pub(super) fn check_auth_deadline(&mut self, now: Instant, index: usize) {
        let late = |auth: &AuthState| matches!(auth, AuthState::Pending { until, .. } if *until <= now);
        if self.peers.get(index).is_some_and(|peer| late(&peer.auth)) {
            self.refuse(now, index, CloseReason::AuthTimeout);
        }
    }
}
