//! Tokens in the life of a client (`auth-gen-token`): taken for a password, made, pushed, and renewed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};

use super::Server;
use super::ask::AuthState;
use super::token::Verdict;
use crate::config::Credentials;
use crate::event::TokenSession;
use crate::time::Instant;

/// What a login is worth before the host has been asked.
pub(super) enum TokenCheck {
    /// The host decides, and is told this.
    Ask(Option<TokenSession>),
    /// A token speaks for it.
    Accept,
    /// It does not; the client is told so.
    Refuse(&'static str),
}

impl Server {
    /// Looks at a password that may be a token. Notes the session that goes on with it, or begins.
    pub(super) fn check_token(
        &mut self,
        now: Instant,
        index: usize,
        credentials: &Credentials,
    ) -> TokenCheck {
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

    /// The options that give a client its token: none without `auth-gen-token`, or without a login.
    pub(super) fn token_options(&mut self, now: Instant, index: usize) -> Vec<String> {
        let (Some(tokens), Some(peer)) = (&self.tokens, self.peers.get_mut(index)) else { return Vec::new() };
        let (Some(login), Some(user)) = (peer.login, peer.username()) else { return Vec::new() };
        let token = tokens.issue(user, login, self.env.unix(now));
        let mut options = Vec::from([format!("auth-token {}", &*token)]);
        // Who was given another name must come back under it.
        if peer.username_override.is_some() {
            options.push(format!("auth-token-user {}", Base64::encode_string(user.as_bytes())));
        }
        // At renegotiations there is a new one anyway.
        let reneg = self.shared.config.renegotiate.after;
        let own = tokens.renewal().filter(|renewal| reneg.is_none_or(|reneg| *renewal < reneg));
        peer.token_due = own.map(|renewal| now + renewal);
        options
    }

    /// Gives a client that is connected a new token.
    pub(super) fn push_token(&mut self, now: Instant, index: usize) {
        let options = self.token_options(now, index);
        if !options.is_empty() {
            self.tell(index, &format!("PUSH_REPLY,{}", options.join(",")));
        }
    }

    /// Whose token is due to be made anew. One whose login is just being verified waits for that.
    pub(super) fn renew_token(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if peer.token_due.is_none_or(|due| due > now) {
            return;
        }
        if peer.is_connected() && matches!(peer.auth, AuthState::Granted) {
            self.push_token(now, index);
        } else {
            peer.token_due = None;
        }
    }
}
