//! The clocks of the host. The engine has none: it is told the time with every call.

use adit::{Instant, UnixTime};

/// Monotonic time since the process began, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Now, since this clock was made.
    pub(crate) fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Now by the calendar; 1970 if the system's clock stands before it.
    pub(crate) fn unix(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixTime(since.map_or(0, |since| since.as_secs()))
    }
}
