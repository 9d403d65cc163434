//! The order of the remotes and of their addresses, and the pause between attempts (`connect-retry`).
//!
//! Counts attempts; knows neither names nor addresses, which are the host's.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::ConnectRetry;
use crate::host::Environment;

/// Rounds over all remotes before the pause begins to double.
const PATIENT_ROUNDS: u32 = 5;
/// The most doublings.
const MAX_DOUBLINGS: u32 = 15;

/// Where the next attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To the same address.
    Stay,
    /// To the remote's next address, or if there is none to the next remote.
    Address,
    /// To the next remote.
    Remote,
}

/// Which remote is tried, and how often in vain.
#[derive(Debug)]
pub(super) struct Remotes {
    /// Indices into the configuration's remotes, in the order to try.
    order: Vec<usize>,
    at: usize,
    address: usize,
    /// How many addresses the present remote has.
    addresses: usize,
    /// Remotes that were tried since a session was last complete, the present one included.
    attempts: u32,
    /// `connect-retry-max`
    max_rounds: Option<u32>,
}

impl Remotes {
    pub(super) fn new(count: usize, max_rounds: Option<u32>) -> Self {
        let order = (0..count.max(1)).collect();
        Self { order, at: 0, address: 0, addresses: 1, attempts: 1, max_rounds }
    }

    /// `remote-random`
    pub(super) fn shuffle(&mut self, env: &mut Environment) {
        for end in (1..self.order.len()).rev() {
            let other = u64::from_le_bytes(env.random()) % (end as u64 + 1);
            self.order.swap(end, other as usize);
        }
    }

    /// The remote to try, and which of its addresses.
    pub(super) fn current(&self) -> (usize, usize) {
        (self.order.get(self.at).copied().unwrap_or_default(), self.address)
    }

    /// So many addresses the present remote has.
    pub(super) fn found(&mut self, addresses: usize) {
        self.addresses = addresses;
    }

    /// A session is complete: its remote is a good one. From 0, since the next attempt goes there again and is not one in
    /// vain; OpenVPN counts so, too.
    pub(super) fn completed(&mut self) {
        self.attempts = 0;
    }

    /// The name is to be looked up anew.
    pub(super) fn forget_addresses(&mut self) {
        (self.address, self.addresses) = (0, 1);
    }

    /// How long to wait for the next attempt. `least` is what was asked for on top of `retry`.
    pub(super) fn pause(&self, retry: ConnectRetry, floor: Duration, least: Duration) -> Duration {
        let rounds = self.attempts / u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        let doublings = rounds.saturating_sub(PATIENT_ROUNDS - 1).min(MAX_DOUBLINGS);
        let pause = retry.pause.max(Duration::from_secs(1)).max(floor);
        pause.saturating_mul(1 << doublings).max(least).min(retry.max.max(floor))
    }

    /// Goes on. `Err` with the number of rounds if that were one too many.
    pub(super) fn advance(&mut self, next: Next) -> Result<(), u32> {
        match next {
            Next::Stay => return Ok(()),
            Next::Address if self.address + 1 < self.addresses => {
                self.address += 1;
                return Ok(());
            }
            Next::Address | Next::Remote => {}
        }
        self.forget_addresses();
        self.at = (self.at + 1) % self.order.len();
        self.attempts = self.attempts.saturating_add(1);
        match self.max_rounds {
            Some(rounds) if self.attempts as usize > self.order.len().saturating_mul(rounds as usize) => {
                Err(rounds)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    /// Fails once: which remote and address that was, and the pause after it.
    fn fail(remotes: &mut Remotes) -> (usize, usize, u64) {
        let (remote, address) = remotes.current();
        let pause = remotes.pause(ConnectRetry::default(), NONE, NONE);
        remotes.advance(Next::Address).expect("no limit");
        (remote, address, pause.as_secs())
    }

    #[test]
    fn remotes_take_turns_and_the_pause_doubles_after_five_rounds() {
        let mut remotes = Remotes::new(2, None);
        let tried: Vec<_> = (0..16).map(|_| fail(&mut remotes)).collect();
        assert_eq!(tried[..4], [(0, 0, 1), (1, 0, 1), (0, 0, 1), (1, 0, 1)]);
        assert_eq!(tried[8..10], [(0, 0, 1), (1, 0, 2)]);
        assert_eq!(tried[15].2, 16);
    }

    #[test]
    fn all_addresses_of_a_remote_come_before_the_next_remote() {
        let mut remotes = Remotes::new(2, None);
        remotes.found(3);
        let tried: Vec<_> =
            (0..5).map(|_| fail(&mut remotes)).map(|(remote, address, _)| (remote, address)).collect();
        assert_eq!(tried, [(0, 0), (0, 1), (0, 2), (1, 0), (0, 0)]);
        assert_eq!(remotes.attempts, 4, "addresses are no rounds");
        remotes.found(3);
        assert_eq!(remotes.advance(Next::Remote), Ok(()));
        assert_eq!(remotes.current(), (0, 0));
    }

    #[test]
    fn a_session_that_was_complete_is_renewed_with_the_same_address() {
        let mut remotes = Remotes::new(3, None);
        remotes.found(2);
        fail(&mut remotes);
        for _ in 0..30 {
            fail(&mut remotes);
        }
        let here = remotes.current();
        remotes.completed();
        assert_eq!(remotes.pause(ConnectRetry::default(), NONE, NONE), Duration::from_secs(1));
        assert_eq!(remotes.advance(Next::Stay), Ok(()));
        assert_eq!(remotes.current(), here);
    }

    #[test]
    fn the_pause_has_a_cap_and_a_floor() {
        let mut remotes = Remotes::new(1, None);
        assert_eq!((0..100).map(|_| fail(&mut remotes)).last(), Some((0, 0, 300)));
        let remotes = Remotes::new(1, None);
        let pause = |floor, least| {
            let second = Duration::from_secs;
            remotes.pause(ConnectRetry::default(), second(floor), second(least)).as_secs()
        };
        assert_eq!([pause(10, 0), pause(0, 7), pause(10, 7), pause(0, 4000)], [10, 7, 10, 300]);
    }

    #[test]
    fn connect_retry_max_counts_rounds() {
        let mut remotes = Remotes::new(2, Some(2));
        let rounds = (0..).take_while(|_| remotes.advance(Next::Remote).is_ok()).count();
        assert_eq!(rounds, 3, "four attempts");
        assert_eq!(remotes.advance(Next::Remote), Err(2));
    }
}
