//! `connect-freq-initial`: how many first packets a server answers, so that it is no good as a reflector; and
//! `connect-freq`: how many sessions begin.

use core::time::Duration;

use crate::config::ConnectFrequency;
use crate::reason::DropReason;
use crate::time::Instant;

/// Counts answers to first packets, of all senders together, in periods that begin with an answer.
#[derive(Debug)]
pub struct InitialRateLimit {
    limit: ConnectFrequency,
    answered: u32,
    period_ends: Instant,
}

impl InitialRateLimit {
    /// At most `limit.count` answers in `limit.seconds`.
    pub fn new(limit: ConnectFrequency) -> Self {
        Self { limit, answered: 0, period_ends: Instant::ZERO }
    }

    /// Counts an answer that is about to be given. [`DropReason::RateLimited`] if it is one too many.
    pub fn answer(&mut self, now: Instant) -> Result<(), DropReason> {
        if now >= self.period_ends {
            self.answered = 0;
            self.period_ends = now + Duration::from_secs(self.limit.seconds.into());
        }
        if self.answered >= self.limit.count {
            return Err(DropReason::RateLimited);
        }
        self.answered += 1;
        Ok(())
    }

    /// An answer came to good: who completes the handshake was no reflection, and does not count.
    pub fn handshake_completed(&mut self) {
        self.answered = self.answered.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> InitialRateLimit {
        InitialRateLimit::new(ConnectFrequency { count: 3, seconds: 10 })
    }

    #[test]
    fn three_answers_in_ten_seconds_and_no_fourth() {
        let mut limit = limit();
        for secs in [5, 6, 14] {
            assert_eq!(limit.answer(Instant::from_secs(secs)), Ok(()));
        }
        let end = Instant::from_secs(15);
        assert_eq!(limit.answer(Instant::from_nanos(end.as_nanos() - 1)), Err(DropReason::RateLimited));
        for _ in 0..3 {
            assert_eq!(limit.answer(end), Ok(()));
        }
        assert_eq!(limit.answer(end), Err(DropReason::RateLimited));
    }

    #[test]
    fn a_completed_handshake_gives_its_answer_back() {
        let mut limit = limit();
        limit.handshake_completed();
        let now = Instant::from_secs(1);
        for _ in 0..3 {
            assert_eq!(limit.answer(now), Ok(()));
        }
        limit.handshake_completed();
        assert_eq!(limit.answer(now), Ok(()));
        assert_eq!(limit.answer(now), Err(DropReason::RateLimited));
    }
}
