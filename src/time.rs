//! Time as the caller tells it: the core reads no clock.
//!
//! [`Instant`] is monotonic and has no meaning but its differences; [`UnixTime`] is the wall clock, needed for
//! certificate validity and the time stamp of wrapped control packets. [`Deadline`] is an instant with its reason.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// A point in monotonic time: nanoseconds since an origin that the host chooses once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The host's origin.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// The instant `secs` seconds after the origin.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the origin.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

/// Seconds since 1970-01-01 00:00:00 UTC, in 64 bits: certificates may end after 2038, and do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct UnixTime(pub u64);

/// The wall clock, tied to the monotonic one at a point that the host states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    at: Instant,
    unix: UnixTime,
}

impl WallClock {
    pub(crate) fn new(at: Instant, unix: UnixTime) -> Self {
        Self { at, unix }
    }

    pub(crate) fn unix(&self, now: Instant) -> UnixTime {
        UnixTime(self.unix.0 + now.since(self.at).as_secs())
    }
}

/// When the engine next needs [`handle_timeout`](crate::Client::handle_timeout), and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// The instant; it may lie in the past, which means "now".
    pub at: Instant,
    /// What will be done then.
    pub reason: TimerKind,
}

/// All clocks of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TimerKind {
    /// A control packet was not acknowledged (`tls-timeout`).
    Retransmit,
    /// The key negotiation must have ended, or one have begun on a TCP connection (`hand-window`).
    HandWindow,
    /// No first answer from the server (`connect-timeout`).
    ConnectTimeout,
    /// The client repeats its PUSH_REQUEST.
    PushRequest,
    /// Nothing was sent for a while (`ping`).
    Ping,
    /// Nothing was received for too long (`ping-restart`).
    PingRestart,
    /// Nothing was received for too long (`ping-exit`).
    PingExit,
    /// The key has been in use for `reneg-sec`.
    Renegotiate,
    /// A replaced key ends its days (`tran-window`).
    LameDuck,
    /// The host has not answered an authentication request.
    AuthDeadline,
    /// A client gets a new token (`auth-gen-token`).
    AuthToken,
    /// A session that was told to end is forgotten.
    ScheduledExit,
    /// The client's pause between two attempts (`connect-retry`).
    ConnectRetry,
    /// Too little has gone through the tunnel (`inactive`).
    Inactive,
    /// The session has lasted as long as it may (`session-timeout`).
    SessionTimeout,
    /// A flow through the router may be over.
    Flow,
    /// A host on the LAN is asked for, or the LAN told of an address of ours.
    Neighbour,
    /// The gateway's DNS forwarder: a query without an answer, or a TCP connection.
    GatewayDns,
}

impl fmt::Display for TimerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retransmit => "tls-timeout",
            Self::HandWindow => "hand-window",
            Self::ConnectTimeout => "connect-timeout",
            Self::PushRequest => "push-request",
            Self::Ping => "ping",
            Self::PingRestart => "ping-restart",
            Self::PingExit => "ping-exit",
            Self::Renegotiate => "reneg-sec",
            Self::LameDuck => "tran-window",
            Self::AuthDeadline => "auth-deadline",
            Self::AuthToken => "auth-token",
            Self::ScheduledExit => "scheduled-exit",
            Self::ConnectRetry => "connect-retry",
            Self::Inactive => "inactive",
            Self::SessionTimeout => "session-timeout",
            Self::Flow => "flow",
            Self::Neighbour => "neighbour",
            Self::GatewayDns => "gateway-dns",
        })
    }
}
