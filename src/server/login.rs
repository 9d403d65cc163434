//! Who a client says it is, in each key exchange, and whether a token or the host must vouch for it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use zeroize::Zeroizing;

use super::Server;
use super::ask::AuthState;
use super::peers::{Identity, Peer};
use super::token::Verdict;
use crate::config::Credentials;
use crate::event::{CloseReason, Event, TokenSession};
use crate::session::ClientHello;
use crate::time::Instant;

/// What a login is worth before the host has been asked.
enum TokenCheck {
    /// The host decides, and is told this.
    Ask(Option<TokenSession>),
    /// A token speaks for it.
    Accept,
    /// It does not; the client is told so.
    Refuse(&'static str),
}

impl Server {
    /// The client's half of the key exchange: fixes who it is, and asks the host if there is a login to verify.
    pub(super) fn hello(&mut self, now: Instant, index: usize, mut hello: Box<ClientHello>) {
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

    /// Looks at a password that may be a token. Notes the session that goes on with it, or begins.
    fn check_token(&mut self, now: Instant, index: usize, credentials: &Credentials) -> TokenCheck {
        let (Some(tokens), Some(peer)) = (&self.tokens, self.peers.get_mut(index)) else {
            return TokenCheck::Ask(None);
        };
        let unix = self.env.unix(now);
        let before = peer.login.filter(|_| peer.is_connected());
        let verdict = tokens.verify(&credentials.username, &credentials.password, before, unix);
        if tokens.external_auth() || verdict == Verdict::NoToken {
            let login = verdict.session().or(before).unwrap_or_else(|| tokens.begin(&mut self.env, unix));
            peer.login = Some(login);
            return TokenCheck::Ask(tokens.external_auth().then(|| verdict.told(login)));
        }
        match verdict.session() {
            // A token for nobody's name proves no name.
            Some(session) if !session.is_for_nobody() => {
                peer.login = Some(session);
                TokenCheck::Accept
            }
            Some(_) => TokenCheck::Refuse(""),
            None if matches!(verdict, Verdict::Valid { .. }) => TokenCheck::Refuse("SESSION: token expired"),
            None => TokenCheck::Refuse(""),
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
    pub(super) fn rename(&mut self, name: &str, username_as_common_name: bool) {
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
