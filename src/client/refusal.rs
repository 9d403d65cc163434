//! What the server says when it lets nobody in, or not for now: AUTH_FAILED, RESTART, AUTH_PENDING.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::remotes::Next;
use super::{Client, State};
use crate::config::{AuthRetry, SessionConfig};
use crate::event::{CloseReason, Event};
use crate::peer::PeerId;

impl Client {
    /// The login was refused, or the token that stood for it.
    pub(super) fn auth_failed(&mut self, reason: &str) -> CloseReason {
        self.retry.next = Some(Next::Stay);
        if let Some(text) = reason.strip_prefix("TEMP") {
            let Temporary { next, backoff, text } = Temporary::parse(text);
            (self.retry.next, self.retry.backoff) = (Some(next), backoff);
            return CloseReason::RefusedForNow(text.to_string());
        }
        // Not only `SESSION:` says so: a server that was started again does not know that it was a token.
        if self.login.drop_token() {
            return CloseReason::TokenRefused(
                reason.strip_prefix("SESSION:").unwrap_or(reason).trim().to_string(),
            );
        }
        if reason.starts_with("CRV1:") {
            return CloseReason::AuthFailed(
                "the server asks for a second factor by dynamic challenge (CRV1), which is not supported yet"
                    .to_string(),
            );
        }
        match self.config.auth_retry {
            AuthRetry::None => return CloseReason::AuthFailed(reason.to_string()),
            AuthRetry::Interact => self.login.forget(),
            AuthRetry::NoInteract => {}
        }
        CloseReason::AuthRetry(reason.to_string())
    }

    /// RESTART. `[P]` keeps the password that was asked for, `[N]` sends us on.
    pub(super) fn restart_asked(&mut self, text: &str) -> CloseReason {
        let (flags, text) = flagged(text);
        if !flags.contains('P') {
            self.login.forget();
        }
        if flags.contains('N') {
            self.retry.next = Some(Next::Address);
        }
        CloseReason::RemoteRestart(text.trim().to_string())
    }

    /// AUTH_PENDING: gives the server as long as it says, within what we are willing to wait.
    pub(super) fn auth_pending(&mut self, keywords: &str) {
        let Some(config) = self.session.as_ref().map(|session| &session.shared().config) else { return };
        let timeout = patience(keywords, config);
        self.pull.wait_for(timeout);
        if let State::Pull { since, until } = &mut self.state {
            *until = *since + timeout;
        }
        self.events.push(Event::AuthPending { peer: PeerId::SERVER, timeout });
    }
}

/// At most half of `reneg-sec`, and `hand-window` where the server names no time.
fn patience(keywords: &str, config: &SessionConfig) -> Duration {
    let most = config.renegotiate.after.map_or(Duration::ZERO, |after| after / 2).max(config.hand_window);
    let asked =
        keywords.split(',').find_map(|word| word.trim().strip_prefix("timeout ")?.trim().parse().ok());
    asked.map_or(config.hand_window, Duration::from_secs).min(most)
}

/// What follows `AUTH_FAILED,TEMP`: `[backoff SECONDS,advance no|addr|remote]:TEXT`, all of which may be missing.
#[derive(Debug, PartialEq, Eq)]
struct Temporary {
    next: Next,
    backoff: Duration,
    text: String,
}

impl Temporary {
    fn parse(text: &str) -> Self {
        let (flags, text) = flagged(text);
        let mut out = Self { next: Next::Stay, backoff: Duration::ZERO, text: String::new() };
        for flag in flags.split(',') {
            match flag.trim().split_once(' ') {
                Some(("backoff", seconds)) => {
                    out.backoff = Duration::from_secs(seconds.trim().parse::<u32>().unwrap_or(0).into());
                }
                Some(("advance", "no")) => out.next = Next::Stay,
                Some(("advance", "addr")) => out.next = Next::Address,
                Some(("advance", "remote")) => out.next = Next::Remote,
                _ => {}
            }
        }
        out.text = text.strip_prefix(':').unwrap_or_default().trim().to_string();
        out
    }
}

/// Flags in brackets, and what follows them.
fn flagged(text: &str) -> (&str, &str) {
    text.strip_prefix('[').and_then(|rest| rest.split_once(']')).unwrap_or(("", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_refusals() {
        let parsed = |text| {
            let Temporary { next, backoff, text } = Temporary::parse(text);
            (next, backoff.as_secs(), text)
        };
        for (text, expected) in [
            ("", (Next::Stay, 0, "")),
            (":full", (Next::Stay, 0, "full")),
            ("[backoff 42,advance no]: later", (Next::Stay, 42, "later")),
            ("[advance addr]:", (Next::Address, 0, "")),
            ("[advance remote,backoff 7]", (Next::Remote, 7, "")),
            ("[backoff -3,advance where,frob]:x", (Next::Stay, 0, "x")),
            ("[backoff 99999999999]", (Next::Stay, 0, "")),
            ("[backoff 3", (Next::Stay, 0, "")),
        ] {
            assert_eq!(parsed(text), (expected.0, expected.1, expected.2.to_string()), "{text}");
        }
    }

    #[test]
    fn patience_has_bounds() {
        let config = SessionConfig::default();
        let seconds = |keywords| patience(keywords, &config).as_secs();
        assert_eq!(seconds(""), 60);
        assert_eq!(seconds("timeout 300"), 300);
        assert_eq!(seconds("frob 1,timeout 5"), 5);
        assert_eq!(seconds("timeout 100000"), 1800);
        assert_eq!(seconds("timeout x"), 60);
        let mut config = config;
        config.renegotiate.after = None;
        assert_eq!(patience("timeout 300", &config).as_secs(), 60);
    }
}
