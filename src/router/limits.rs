//! What one client may have.

use super::TICK_SHIFT;

/// Ticks after which a bucket is full again, whatever was taken: a little more than a second.
const FULL: u32 = (1_000_000_000 >> TICK_SHIFT) + 1;
/// A tick in nanoseconds.
const TICK: u64 = 1 << TICK_SHIFT;
const NANOS: u64 = 1_000_000_000;

/// So many units a second, of which a second's worth may come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Units a second.
    rate: u64,
    /// What is left, in billionths of a unit.
    left: u64,
    /// When that was counted.
    at: u32,
}

impl Bucket {
    pub(super) fn new(rate: u64, tick: u32) -> Self {
        Self { rate, left: rate.saturating_mul(NANOS), at: tick }
    }

    /// Takes `units`, if they are there. More than a second's worth takes all there is of a full one, so that a large
    /// packet is not stuck for ever.
    #[inline]
    pub(super) fn take(&mut self, units: u64, tick: u32) -> bool {
        let full = self.rate.saturating_mul(NANOS);
        let passed = tick.saturating_sub(self.at);
        if passed > 0 {
            let gained = u64::from(passed.min(FULL)).saturating_mul(self.rate.saturating_mul(TICK));
            self.left = self.left.saturating_add(gained).min(full);
            self.at = tick;
        }
        let price = units.saturating_mul(NANOS).min(full);
        let enough = self.rate > 0 && self.left >= price;
        if enough {
            self.left -= price;
        }
        enough
    }
}

/// How often something is told that may happen all the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Telling {
    bucket: Bucket,
    /// How often it has happened since it was last told.
    untold: u64,
}

impl Telling {
    /// So many times a second at most.
    pub(super) fn new(rate: u64, tick: u32) -> Self {
        Self { bucket: Bucket::new(rate, tick), untold: 0 }
    }

    /// It has happened. If it may be told now: how often it happened untold before.
    pub(super) fn happened(&mut self, tick: u32) -> Option<u64> {
        if self.bucket.take(1, tick) {
            return Some(core::mem::take(&mut self.untold));
        }
        self.untold += 1;
        None
    }

    /// It could not be told after all, nor the `untold` ones before.
    pub(super) fn put_off(&mut self, untold: u64) {
        self.untold = untold + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_its_rate_and_no_more() {
        let mut bucket = Bucket::new(3, 0);
        let taken = |bucket: &mut Bucket, tick| (0..100).filter(|_| bucket.take(1, tick)).count();
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 0), 0);
        // 1000 ticks are 134.2 s: taken as they come, tick by tick.
        let all: usize = (1..=1000).map(|tick| taken(&mut bucket, tick)).sum();
        assert_eq!(all, 402);
        assert_eq!(taken(&mut bucket, 1_000_000), 3);
    }

    #[test]
    fn a_packet_beyond_a_seconds_worth_takes_it_all() {
        let mut bucket = Bucket::new(500, 0);
        assert!(bucket.take(1500, 0));
        assert!(!bucket.take(1, 0));
        assert!(!bucket.take(1500, 7));
        assert!(bucket.take(1500, 8));
    }

    #[test]
    fn rates_beyond_all_sense_do_not_overflow() {
        let mut bucket = Bucket::new(u64::MAX, 0);
        assert!((0..u32::MAX).step_by(1 << 28).all(|tick| bucket.take(65_535, tick)));
        assert!(!Bucket::new(0, 0).take(1, 100));
    }
}
