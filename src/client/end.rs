//! The end of a session, and what follows: another attempt, where and when, or none.

use core::time::Duration;

use super::remotes::Next;
use super::{Client, State};
use crate::config::AuthRetry;
use crate::event::{CloseReason, Event};
use crate::path::Transport;
use crate::peer::PeerId;
use crate::time::Instant;

/// The least pause of a client that goes on logging in as before after a refusal (`auth-retry nointeract`).
const NOINTERACT_PAUSE: Duration = Duration::from_secs(10);

/// What the end of a session means for the next attempt, beside what is usual.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// Where it goes; by default to the same address after a session that was complete, else to the next.
    pub(super) next: Option<Next>,
    /// The server asked for a pause of at least this.
    pub(super) backoff: Duration,
    /// Without any pause: enough time has passed.
    pub(super) at_once: bool,
}

impl Client {
    /// Ends the session. A client tries again after a pause, unless the reason is final.
    pub(super) fn close(&mut self, now: Instant, reason: CloseReason) {
        let was_up = matches!(self.state, State::Up | State::Leaving { .. });
        // Who leaves does not come back, whatever ends the session before its notice is through.
        let reason =
            if matches!(self.state, State::Leaving { .. }) { CloseReason::Requested } else { reason };
        (self.verify, self.relogin) = (None, None);
        if let Some(session) = self.session.take() {
            if session.path().transport == Transport::Tcp {
                self.events.push(Event::LinkClosed { link: session.path().link });
            }
            self.farewell = Some(session);
        }
        if matches!(&reason, CloseReason::AuthFailed(_)) {
            self.login.forget(); // whoever starts again asks for better ones
        }
        self.settings = None;
        let is_final = reason.is_final();
        self.state = State::Idle;
        self.events.push(Event::Closed { peer: PeerId::SERVER, reason });
        if !is_final {
            self.schedule_retry(now, was_up);
        }
    }

    fn schedule_retry(&mut self, now: Instant, was_up: bool) {
        let Retry { next, backoff, at_once } = core::mem::take(&mut self.retry);
        let floor = match self.config.auth_retry {
            AuthRetry::NoInteract => NOINTERACT_PAUSE,
            AuthRetry::None | AuthRetry::Interact => Duration::ZERO,
        };
        let pause =
            if at_once { Duration::ZERO } else { self.remotes.pause(self.connect_retry(), floor, backoff) };
        let next = next.unwrap_or(if was_up { Next::Stay } else { Next::Address });
        match self.remotes.advance(next) {
            Ok(()) => {
                self.state = State::Paused { until: now + pause };
                self.events.push(Event::Paused { pause });
            }
            Err(rounds) => {
                let reason = CloseReason::RetriesExhausted(rounds);
                self.events.push(Event::Closed { peer: PeerId::SERVER, reason });
            }
        }
    }
}
