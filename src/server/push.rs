//! What a client is pushed when it asks, and its tokens (`auth-gen-token`), which are made for each push anew.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::Server;
use super::ask::AuthState;
use crate::time::Instant;
use crate::wire::message::push_replies;

/// A PUSH_REQUEST is not answered again within this time.
const PUSH_INTERVAL: Duration = Duration::from_secs(30);

impl Server {
    /// The client asks for its options, which may not be there yet.
    pub(super) fn push_requested(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let recent = peer.pushed_at.is_some_and(|at| now.since(at) < PUSH_INTERVAL);
        if !peer.is_connected() {
            peer.push_requested = true;
        } else if !recent {
            self.push_reply(now, index);
        }
    }

    /// Pushes all its options, and its present token.
    pub(super) fn push_reply(&mut self, now: Instant, index: usize) {
        let token = self.token_options(now, index);
        let Some(peer) = self.peers.get_mut(index) else { return };
        peer.pushed_at = Some(now);
        let options = peer.push_list.iter().map(String::as_str).chain(token.iter().map(|option| &***option));
        for reply in push_replies(options) {
            self.tell(index, &reply);
        }
    }

    /// Gives a client that is connected a new token.
    pub(super) fn push_token(&mut self, now: Instant, index: usize) {
        let token = self.token_options(now, index);
        if !token.is_empty() {
            for reply in push_replies(token.iter().map(|option| &***option)) {
                self.tell(index, &reply);
            }
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

    /// The options that give a client its token: none without `auth-gen-token`, or without a login.
    fn token_options(&mut self, now: Instant, index: usize) -> Vec<Zeroizing<String>> {
        let (Some(tokens), Some(peer)) = (&self.tokens, self.peers.get_mut(index)) else { return Vec::new() };
        let (Some(login), Some(user)) = (peer.login, peer.username()) else { return Vec::new() };
        let token = tokens.issue(user, login, self.env.unix(now));
        let mut options = Vec::from([Zeroizing::new(format!("auth-token {}", &*token))]);
        // Who was given another name must come back under it.
        if peer.username_override.is_some() {
            let name = Base64::encode_string(user.as_bytes());
            options.push(Zeroizing::new(format!("auth-token-user {name}")));
        }
        // At renegotiations there is a new one anyway.
        let reneg = self.shared.config.renegotiate.after;
        let own = tokens.renewal().filter(|renewal| reneg.is_none_or(|reneg| *renewal < reneg));
        peer.token_due = own.map(|renewal| now + renewal);
        options
    }
}
