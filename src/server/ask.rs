//! What the host is asked about a client, its answers, and their deadlines: the certificate, the login, and whether the
//! client may connect. Nobody else's packets wait for an answer.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::time::Duration;

use super::Server;
use super::peers::{Peer, Stage};
use crate::certificate::PeerCertificate;
use crate::config::InstanceConfig;
use crate::error::{Error, UsageError};
use crate::event::{CloseReason, Event, RequestId, VerifyDecision};
use crate::time::Instant;
use crate::wire::IvProto;
use crate::wire::message::mask_secrets;

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

/// Whether a peer that is who it says may connect.
#[derive(Debug)]
pub(super) enum ConnectState {
    /// Nobody has asked yet, or its session is over.
    Open,
    /// The host was asked.
    Asked { request: RequestId, until: Instant },
    /// It may, or has.
    Settled,
}

/// The host's answer to [`Event::AuthRequested`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthDecision {
    /// It is who it says.
    Accept,
    /// It is not; `reason` is told to the client, and may be empty.
    Refuse {
        /// One sentence for the client's user.
        reason: String,
    },
    /// Not yet known: the deadline moves, and the client is told to wait. The request stays open for another answer.
    Pending {
        /// How long from now; at most half of `reneg-sec` or `hand-window`, whichever is more, as clients do it.
        timeout: Duration,
        /// How the user proves who it is (`webauth`, `openurl`, `crtext`). A client that does not know the method is
        /// refused.
        method: String,
        /// What the client's program shows or opens, such as `WEB_AUTH::https://example.org/`. Empty for nothing.
        extra: String,
    },
}

/// The host's answer to [`Event::ClientConnectRequested`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectDecision {
    /// It may, with these settings beside those for all.
    Accept(Box<InstanceConfig>),
    /// It may not; `reason` is told to the client, and may be empty.
    Refuse {
        /// One sentence for the client's user.
        reason: String,
    },
}

impl Server {
    /// Answers [`Event::VerifyRequested`].
    pub fn reply_verify(
        &mut self,
        now: Instant,
        request: RequestId,
        decision: VerifyDecision,
    ) -> Result<(), Error> {
        let index = self.asked(|peer| peer.verify == Some(request))?;
        if let Some(peer) = self.peers.get_mut(index) {
            peer.verify = None;
            peer.session.certificate_judged(now, decision == VerifyDecision::Accept);
        }
        self.drain(now, index);
        Ok(())
    }

    /// Answers [`Event::AuthRequested`].
    pub fn reply_auth(
        &mut self,
        now: Instant,
        request: RequestId,
        decision: AuthDecision,
    ) -> Result<(), Error> {
        let index = self.asked(
            |peer| matches!(peer.auth, AuthState::Pending { request: asked, .. } if asked == request),
        )?;
        match decision {
            AuthDecision::Accept => {
                self.set_auth(index, AuthState::Granted);
                self.try_admit(now, index);
            }
            AuthDecision::Refuse { reason } => {
                self.set_auth(index, AuthState::Unknown);
                self.refuse(now, index, CloseReason::AuthFailed(reason));
            }
            AuthDecision::Pending { timeout, method, extra } => {
                self.auth_pending(now, index, timeout, &method, &extra);
            }
        }
        self.drain(now, index);
        Ok(())
    }

    /// Answers [`Event::ClientConnectRequested`].
    pub fn reply_connect(
        &mut self,
        now: Instant,
        request: RequestId,
        decision: ConnectDecision,
    ) -> Result<(), Error> {
        let index = self.asked(
            |peer| matches!(peer.connect, ConnectState::Asked { request: asked, .. } if asked == request),
        )?;
        if let Some(peer) = self.peers.get_mut(index) {
            peer.connect = ConnectState::Settled;
        }
        match decision {
            ConnectDecision::Accept(instance) if !instance.disable => self.admit(now, index, &instance),
            ConnectDecision::Accept(_) => {
                self.refuse(now, index, CloseReason::ConnectRefused("this client is disabled".to_string()));
            }
            ConnectDecision::Refuse { reason } => {
                self.refuse(now, index, CloseReason::ConnectRefused(reason));
            }
        }
        self.drain(now, index);
        Ok(())
    }

    pub(super) fn ask_about_certificate(&mut self, index: usize, certificate: Arc<PeerCertificate>) {
        let request = self.next_request();
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.verify = Some(request);
        let (peer, path) = (peer.id, *peer.session.path());
        self.events.push(Event::VerifyRequested { request, peer, path, certificate });
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Whose decision has not come in time.
    pub(super) fn check_deadlines(&mut self, now: Instant, index: usize) {
        if self.peers.get(index).and_then(Peer::decision_due).is_some_and(|due| due <= now) {
            self.refuse(now, index, CloseReason::AuthTimeout);
        }
    }

    fn asked(&self, is_asked: impl Fn(&Peer) -> bool) -> Result<usize, UsageError> {
        let found = self.peers.iter().find(|(_, peer)| is_asked(peer)).map(|(index, _)| index);
        found.ok_or(UsageError::NoSuchRequest)
    }

    fn set_auth(&mut self, index: usize, auth: AuthState) {
        if let Some(peer) = self.peers.get_mut(index) {
            peer.auth = auth;
        }
    }

    /// Tells the client to wait for the end of its login (AUTH_PENDING, INFO_PRE).
    fn auth_pending(&mut self, now: Instant, index: usize, timeout: Duration, method: &str, extra: &str) {
        let config = &self.shared.config;
        let longest =
            config.renegotiate.after.map_or(config.hand_window, |after| config.hand_window.max(after / 2));
        let timeout = timeout.min(longest);
        let Some(peer) = self.peers.get_mut(index) else { return };
        if let AuthState::Pending { until, .. } = &mut peer.auth {
            *until = now + timeout;
        }
        let Some(hello) = &peer.hello else { return };
        let mut known = hello.peer_info.get("IV_SSO").unwrap_or_default().split(',');
        if !method.is_empty() && !known.any(|known| known == method) {
            let reason =
                format!("Authentication failed, required pending auth method '{method}' not supported");
            return self.refuse(now, index, CloseReason::AuthFailed(reason));
        }
        let pending = if hello.peer_info.iv_proto().contains(IvProto::AUTH_PENDING_KW) {
            format!("AUTH_PENDING,timeout {}", timeout.as_secs())
        } else {
            "AUTH_PENDING".to_string()
        };
        self.tell(index, &pending);
        if !extra.is_empty() {
            self.tell(index, &format!("INFO_PRE,{extra}"));
        }
    }

    /// Sends a control message.
    pub(super) fn tell(&mut self, index: usize, text: &str) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.session.send_message(text);
        self.events.push(Event::MessageSent { peer: peer.id, text: mask_secrets(text) });
    }
}

impl Peer {
    /// Until when the host must decide about it.
    pub(super) fn decision_due(&self) -> Option<Instant> {
        match (self.stage, &self.auth, &self.connect) {
            (Stage::Leaving { .. }, ..) => None,
            (_, AuthState::Pending { until, .. }, _) | (_, _, ConnectState::Asked { until, .. }) => {
                Some(*until)
            }
            _ => None,
        }
    }
}
