//! The session's clocks: when something is due, and what is done then.

use core::time::Duration;

use super::Session;
use crate::algorithm::Role;
use crate::config::{Inactive, PingTimeout, SessionConfig};
use crate::control::Progress;
use crate::event::CloseReason;
use crate::host::Environment;
use crate::time::{Deadline, Instant, TimerKind};

/// What the session's deadlines are computed from; nothing here is armed or cancelled.
pub(super) struct Timers {
    ping_timeout: Option<PingTimeout>,
    /// Whether a silence ends the session: at a client from its first packet on, at a server once it is connected.
    watches_silence: bool,
    /// `inactive`
    inactive: Option<Duration>,
    /// `session-timeout`
    ends: Option<Instant>,
}

impl Timers {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self { ping_timeout: config.ping_timeout, watches_silence: false, inactive: None, ends: None }
    }
}

impl Session {
    /// Silence is noticed from the beginning, and lasts until any authentic packet comes, as in OpenVPN.
    pub(crate) fn watch_silence(&mut self, timeout: Option<PingTimeout>) {
        self.timers.watches_silence = true;
        self.timers.ping_timeout = timeout;
    }

    /// From here on pings are sent, and silence is noticed.
    pub(crate) fn start_keepalive(
        &mut self,
        now: Instant,
        ping: Option<Duration>,
        timeout: Option<PingTimeout>,
    ) {
        self.watch_silence(timeout);
        if let Some(data) = self.data_mut() {
            data.note_received(now);
            data.set_ping(ping);
        }
    }

    /// The session is connected from `now` on, and ends if too little goes through it (`inactive`), or after some time
    /// (`session-timeout`).
    pub(crate) fn limit_life(
        &mut self,
        now: Instant,
        inactive: Option<Inactive>,
        session_timeout: Option<Duration>,
    ) {
        self.timers.inactive = inactive.map(|inactive| inactive.after);
        self.timers.ends = session_timeout.map(|after| now + after);
        if let (Some(Inactive { bytes, .. }), Some(data)) = (inactive, self.data_mut()) {
            data.watch_activity(now, bytes);
        }
    }

    /// The earliest of the session's deadlines.
    pub(crate) fn next_timeout(&self) -> Option<Deadline> {
        if self.failed {
            return None;
        }
        let deadline = |at: Option<Instant>, reason| at.map(|at| Deadline { at, reason });
        let data = self.data();
        [
            deadline(self.current.channel.next_timeout(), TimerKind::Retransmit),
            deadline(
                self.previous.as_ref().and_then(|previous| previous.channel.next_timeout()),
                TimerKind::Retransmit,
            ),
            deadline(self.hand_window_end(), TimerKind::HandWindow),
            deadline(self.renegotiation_due(), TimerKind::Renegotiate),
            deadline(data.and_then(|data| data.next_expiry()), TimerKind::LameDuck),
            deadline(data.and_then(|data| data.ping_due()), TimerKind::Ping),
            self.ping_timeout_at().map(|(at, exit)| Deadline {
                at,
                reason: if exit { TimerKind::PingExit } else { TimerKind::PingRestart },
            }),
            deadline(self.inactive_at(), TimerKind::Inactive),
            deadline(self.timers.ends, TimerKind::SessionTimeout),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due. Retransmissions and pings are due in [`poll_transmit`](Self::poll_transmit).
    pub(crate) fn handle_timeout(&mut self, env: &mut Environment, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.hand_window_end()) {
            return self.fail(self.why_too_late());
        }
        if is_due(self.inactive_at()) {
            return self.fail(CloseReason::Inactive);
        }
        if is_due(self.timers.ends) {
            return self.fail(CloseReason::SessionTimeout);
        }
        if let Some((_, exit)) = self.ping_timeout_at().filter(|(at, _)| *at <= now) {
            return self.fail(if exit { CloseReason::PingExit } else { CloseReason::PingTimeout });
        }
        if let Some(data) = self.data_mut() {
            data.expire(now);
        }
        if is_due(self.renegotiation_due()) {
            self.renegotiate(env, now);
        }
    }

    /// Whether the keys' use asks for a renegotiation; to be asked after packets went through the data state.
    pub(crate) fn wants_renegotiation(&self) -> bool {
        self.current.keys_made && self.data().is_some_and(|data| data.wants_renegotiation().is_some())
    }

    /// How far the negotiation got tells what may be wrong.
    fn why_too_late(&self) -> CloseReason {
        let is_client = self.shared.role == Role::Client;
        if self.awaits_judgement() {
            return CloseReason::AuthTimeout;
        }
        // The next attempt asks once more.
        if self.current.login_asked {
            return CloseReason::HandshakeTimeout;
        }
        match self.current.channel.progress() {
            Progress::Silence if is_client && !self.is_renegotiating() => CloseReason::NoAnswer,
            Progress::Heard if is_client => CloseReason::NoTls,
            Progress::TlsAnswered => CloseReason::FellSilent,
            Progress::Silence | Progress::Heard | Progress::Tls => CloseReason::HandshakeTimeout,
        }
    }

    fn hand_window_end(&self) -> Option<Instant> {
        self.current.active_since.is_none().then(|| self.current.started + self.shared.config.hand_window)
    }

    fn renegotiation_due(&self) -> Option<Instant> {
        let after = self.shared.config.renegotiate.after?;
        self.current.keys_made.then_some(self.current.active_since? + after)
    }

    /// Like a silence, this only shows in the data state.
    fn inactive_at(&self) -> Option<Instant> {
        Some(self.data()?.last_active() + self.timers.inactive?)
    }

    fn ping_timeout_at(&self) -> Option<(Instant, bool)> {
        // A worker that has the data state hears the peer; nobody else can tell.
        let PingTimeout { after, exit } = self.timers.ping_timeout.filter(|_| self.timers.watches_silence)?;
        Some((self.data()?.last_received() + after, exit))
    }
}
