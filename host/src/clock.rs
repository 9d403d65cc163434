//! The clocks of the host. The engine has none: it is told the time with every call.

use adit::{Instant, UnixTime};
use rustix::time::{ClockId, clock_gettime};

/// How far the engine's wall clock may be from the system's, in seconds: the two round differently.
const TOLERANCE: u64 = 1;

/// Time since the machine began, and the wall clock. The time that the machine sleeps counts: keys and peers grow old
/// in it too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The wall clock as the engine was last told it, and when that was.
    told: (Instant, UnixTime),
}

impl Clock {
    /// A clock that takes the engine to be told the time now.
    pub(crate) fn new() -> Self {
        Self { told: (boot_time(), wall_time()) }
    }

    /// Now, on a clock that never jumps.
    pub(crate) fn now(&self) -> Instant {
        boot_time()
    }

    /// Now by the calendar; 1970 if the system's clock stands before it.
    pub(crate) fn unix(&self) -> UnixTime {
        wall_time()
    }

    /// The same, finer.
    pub(crate) fn wall(&self) -> WallTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        WallTime { seconds: since.as_secs(), micros: since.subsec_micros() }
    }

    /// The wall clock if somebody has set it since the engine was told.
    pub(crate) fn correction(&mut self) -> Option<UnixTime> {
        self.corrected_by(boot_time(), wall_time())
    }

    fn corrected_by(&mut self, now: Instant, unix: UnixTime) -> Option<UnixTime> {
        let (at, then) = self.told;
        let expected = then.0 + now.since(at).as_secs();
        let jumped = expected.abs_diff(unix.0) > TOLERANCE;
        jumped.then(|| {
            self.told = (now, unix);
            unix
        })
    }
}

/// The time since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WallTime {
    pub(crate) seconds: u64,
    pub(crate) micros: u32,
}

fn boot_time() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    Instant::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Rounded up: a certificate that was issued a moment ago must not count as not valid yet.
fn wall_time() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixTime(since.as_secs() + u64::from(since.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_was_set_is_told_again() {
        let mut clock = Clock { told: (Instant::from_secs(100), UnixTime(1000)) };
        assert_eq!(clock.corrected_by(Instant::from_secs(150), UnixTime(1051)), None);
        assert_eq!(clock.corrected_by(Instant::from_secs(150), UnixTime(9000)), Some(UnixTime(9000)));
        assert_eq!(clock.corrected_by(Instant::from_secs(160), UnixTime(9010)), None);
        assert_eq!(clock.corrected_by(Instant::from_secs(170), UnixTime(5)), Some(UnixTime(5)));
    }
}
