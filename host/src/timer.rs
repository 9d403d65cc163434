//! Something that is done every so often.

use std::time::Duration;

use adit::Instant;

/// A repeating timer, or none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Every {
    interval: Option<Duration>,
    next: Option<Instant>,
}

impl Every {
    /// Every `interval`, the first time at once; never without one.
    pub(crate) fn new(interval: Option<Duration>, now: Instant) -> Self {
        // A pause of zero would keep the loop spinning.
        let interval = interval.map(|interval| interval.max(Duration::from_secs(1)));
        Self { interval, next: interval.map(|_| now) }
    }

    /// When it is due next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Whether it is due; the next time is then an interval from now.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = self.interval.map(|interval| now + interval);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_an_interval_however_late_it_is_asked() {
        let mut every = Every::new(Some(Duration::from_secs(10)), Instant::ZERO);
        assert!(every.take(Instant::ZERO));
        assert!(!every.take(Instant::from_secs(9)));
        assert!(every.take(Instant::from_secs(35)));
        assert!(!every.take(Instant::from_secs(44)));
        assert_eq!(every.next(), Some(Instant::from_secs(45)));
        assert!(!Every::new(None, Instant::ZERO).take(Instant::from_secs(1)));
    }
}
