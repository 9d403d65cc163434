//! From a finished key exchange to a connected client: the steps, and who is turned away.

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Server;
use super::ask::{AuthState, ConnectState};
use super::peers::{Peer, Stage};
use super::settings::Addresses;
use crate::config::InstanceConfig;
use crate::event::{CloseReason, Event};
use crate::reason::DropReason;
use crate::session::SessionEvent;
use crate::time::Instant;
use crate::wire::message::mask_secrets;
use crate::wire::{ControlMessage, IvProto};

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
            SessionEvent::BadMessage(text) => {
                self.drops.count(DropReason::MalformedControl);
                text.into_iter().for_each(|text| self.events.notice(id, text));
            }
            SessionEvent::Failed(reason) => self.close(now, index, reason),
            // Told when the session was made, and a client's.
            SessionEvent::Started { .. } | SessionEvent::LoginNeeded => {}
        }
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

    /// Gives a client its addresses, keys and options.
    pub(super) fn admit(&mut self, now: Instant, index: usize, instance: &InstanceConfig) {
        if let (Some(peer), Some(name)) = (self.peers.get_mut(index), &instance.override_username) {
            peer.rename(name, self.config.username_as_common_name);
        }
        // Once more: the host may have taken its time, and have given it another name.
        self.take_over(now, index);
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

    fn message(&mut self, now: Instant, index: usize, text: &str) {
        let Some(peer) = self.peers.get(index) else { return };
        let id = peer.id;
        self.events.push(Event::MessageReceived { peer: id, text: mask_secrets(text) });
        match ControlMessage::parse(text) {
            ControlMessage::PushRequest => self.push_requested(now, index),
            ControlMessage::Exit => self.close(now, index, CloseReason::RemoteExit),
            _ => self.events.notice(id, "an unknown control message of the client was ignored"),
        }
    }
}
