//! The order of the remotes, and the pause between attempts (`connect-retry`).

use core::time::Duration;

use crate::config::ConnectRetry;

/// Rounds over all remotes before the pause begins to double.
const PATIENT_ROUNDS: u32 = 5;

/// Which remote is tried, and how often in vain.
#[derive(Debug)]
pub(super) struct Remotes {
    count: usize,
    index: usize,
    failures: u32,
    retry: ConnectRetry,
}

impl Remotes {
    pub(super) fn new(count: usize, retry: ConnectRetry) -> Self {
        Self { count: count.max(1), index: 0, failures: 0, retry }
    }

    pub(super) fn current(&self) -> usize {
        self.index
    }

    /// Chooses the remote of the next attempt and answers how long to wait for it.
    ///
    /// After a session that was up, the same remote is tried again.
    pub(super) fn after_failure(&mut self, was_up: bool) -> Duration {
        if was_up {
            self.failures = 0;
            return self.retry.pause;
        }
        self.failures = self.failures.saturating_add(1);
        self.index = (self.index + 1) % self.count;
        let rounds = self.failures / u32::try_from(self.count).unwrap_or(u32::MAX);
        let doublings = rounds.saturating_sub(PATIENT_ROUNDS - 1).min(16);
        self.retry.pause.max(Duration::from_secs(1)).saturating_mul(1 << doublings).min(self.retry.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_take_turns_and_the_pause_doubles_after_five_rounds() {
        let mut remotes = Remotes::new(2, ConnectRetry::default());
        let pauses: std::vec::Vec<_> =
            (0..16).map(|_| (remotes.current(), remotes.after_failure(false).as_secs())).collect();
        assert_eq!(pauses[..4], [(0, 1), (1, 1), (0, 1), (1, 1)]);
        assert_eq!(pauses[8..10], [(0, 1), (1, 2)]);
        assert_eq!(pauses[15].1, 16);
    }

    #[test]
    fn a_session_that_was_up_is_renewed_with_the_same_remote() {
        let mut remotes = Remotes::new(3, ConnectRetry::default());
        remotes.after_failure(false);
        assert_eq!(remotes.current(), 1);
        remotes.after_failure(true);
        assert_eq!(remotes.current(), 1);
    }

    #[test]
    fn the_pause_has_a_cap() {
        let mut remotes = Remotes::new(1, ConnectRetry::default());
        let last = (0..100).map(|_| remotes.after_failure(false)).last();
        assert_eq!(last, Some(Duration::from_secs(300)));
    }
}
