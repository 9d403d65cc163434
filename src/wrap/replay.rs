//! The replay window of wrapped control packets: a sliding window over packet ids, started anew by a later time stamp.

use alloc::boxed::Box;
use alloc::vec;
use core::time::Duration;

use super::PacketStamp;
use crate::reason::DropReason;
use crate::time::Instant;

/// How long a packet may lag behind later ones (the second value of `replay-window`).
const MAX_LAG: Duration = Duration::from_secs(15);

/// Which packets of a session have been received.
#[derive(Debug)]
pub struct ReplayWindow {
    /// How many ids below the highest are still accepted, that one included.
    size: u32,
    /// A ring of bits, at least one for each id in the window.
    seen: Box<[u64]>,
    time: u32,
    /// The highest id received at `time`, 0 for none, and when that was.
    highest: u32,
    highest_at: Instant,
    /// An id that was the highest some time ago, and when it was.
    mark: u32,
    mark_at: Instant,
    /// Ids below it have lagged too long.
    floor: u32,
}

impl ReplayWindow {
    /// A window over `size` ids (`replay-window`); with 0 every packet must have a higher id than the one before.
    pub fn new(size: u32) -> Self {
        let words = (size as usize).div_ceil(64).max(1);
        Self {
            size,
            seen: vec![0; words].into_boxed_slice(),
            time: 0,
            highest: 0,
            highest_at: Instant::ZERO,
            mark: 0,
            mark_at: Instant::ZERO,
            floor: 0,
        }
    }

    /// Marks an authentic packet as received.
    ///
    /// [`DropReason::WrapReplay`] if it was before, lies below the window, was overtaken more than 15 s ago, has an
    /// earlier time stamp than another packet had, or the packet id 0.
    pub fn accept(&mut self, now: Instant, stamp: PacketStamp) -> Result<(), DropReason> {
        let PacketStamp { packet_id, time } = stamp;
        if packet_id == 0 || (self.highest > 0 && time < self.time) {
            return Err(DropReason::WrapReplay);
        }
        if self.highest == 0 || time > self.time {
            self.restart(now, stamp);
            return Ok(());
        }
        self.raise_floor(now);
        if packet_id > self.highest {
            self.slide_to(now, packet_id);
        } else if self.highest - packet_id >= self.size || packet_id < self.floor || self.is_seen(packet_id) {
            return Err(DropReason::WrapReplay);
        }
        self.mark_seen(packet_id);
        Ok(())
    }

    fn restart(&mut self, now: Instant, stamp: PacketStamp) {
        self.seen.fill(0);
        self.time = stamp.time;
        (self.highest, self.highest_at) = (stamp.packet_id, now);
        (self.mark, self.mark_at) = (stamp.packet_id, now);
        self.floor = 0;
        self.mark_seen(stamp.packet_id);
    }

    /// Never too early; late, while packets keep coming, by up to as much again: one mark stands for all ids.
    fn raise_floor(&mut self, now: Instant) {
        if now.since(self.highest_at) > MAX_LAG {
            self.floor = self.highest;
        } else if now.since(self.mark_at) > MAX_LAG {
            self.floor = self.mark;
            (self.mark, self.mark_at) = (self.highest, now);
        }
    }

    fn slide_to(&mut self, now: Instant, packet_id: u32) {
        let capacity = 64 * self.seen.len() as u32;
        if packet_id - self.highest >= capacity {
            self.seen.fill(0);
        } else {
            for passed in self.highest + 1..packet_id {
                let (word, bit) = self.place(passed);
                self.seen[word] &= !bit;
            }
        }
        (self.highest, self.highest_at) = (packet_id, now);
    }

    fn is_seen(&self, packet_id: u32) -> bool {
        let (word, bit) = self.place(packet_id);
        self.seen[word] & bit != 0
    }

    fn mark_seen(&mut self, packet_id: u32) {
        let (word, bit) = self.place(packet_id);
        self.seen[word] |= bit;
    }

    fn place(&self, packet_id: u32) -> (usize, u64) {
        ((packet_id / 64) as usize % self.seen.len(), 1 << (packet_id % 64))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64, window: &mut ReplayWindow, time: u32, packet_id: u32) -> bool {
        window.accept(Instant::from_secs(secs), PacketStamp { packet_id, time }).is_ok()
    }

    #[test]
    fn no_packet_is_accepted_twice() {
        let mut window = ReplayWindow::new(64);
        for id in [1, 3, 2, 10, 4] {
            assert!(at(0, &mut window, 7, id));
            assert!(!at(0, &mut window, 7, id));
        }
        assert!(!at(0, &mut window, 7, 0));
    }

    #[test]
    fn the_window_reaches_back_over_64_ids() {
        let mut window = ReplayWindow::new(64);
        assert!(at(0, &mut window, 7, 100));
        assert!(at(0, &mut window, 7, 37));
        assert!(!at(0, &mut window, 7, 36));
    }

    #[test]
    fn a_later_time_starts_anew_and_an_earlier_one_is_refused() {
        let mut window = ReplayWindow::new(64);
        assert!(at(0, &mut window, 7, 5));
        assert!(at(0, &mut window, 8, 1));
        assert!(!at(0, &mut window, 7, 6));
        assert!(at(0, &mut window, 8, 5));
    }

    #[test]
    fn a_clock_at_1970_works() {
        let mut window = ReplayWindow::new(64);
        assert!(at(0, &mut window, 0, 1));
        assert!(!at(0, &mut window, 0, 1));
        assert!(at(0, &mut window, 0, 2));
    }

    #[test]
    fn a_window_of_0_takes_only_rising_ids() {
        let mut window = ReplayWindow::new(0);
        assert!(at(0, &mut window, 7, 2));
        assert!(!at(0, &mut window, 7, 1));
        assert!(at(0, &mut window, 7, 3));
        assert!(!at(0, &mut window, 7, 3));
    }

    #[test]
    fn what_was_overtaken_15_seconds_ago_is_too_old() {
        let mut window = ReplayWindow::new(64);
        assert!(at(0, &mut window, 7, 10));
        assert!(at(15, &mut window, 7, 9));
        assert!(!at(16, &mut window, 7, 8));
        assert!(at(16, &mut window, 7, 11));
    }

    #[test]
    fn steady_traffic_ages_too() {
        let mut window = ReplayWindow::new(64);
        for secs in 0..40 {
            assert!(at(secs, &mut window, 7, 2 * secs as u32 + 2));
        }
        assert!(!at(40, &mut window, 7, 21), "overtaken 30 seconds ago");
        assert!(at(40, &mut window, 7, 79));
    }

    #[test]
    fn the_highest_id_of_all_is_no_trouble() {
        let mut window = ReplayWindow::new(64);
        assert!(at(0, &mut window, 7, 1));
        assert!(at(0, &mut window, 7, u32::MAX));
        assert!(!at(0, &mut window, 7, u32::MAX));
        assert!(at(0, &mut window, 7, u32::MAX - 63));
        assert!(!at(0, &mut window, 7, u32::MAX - 64));
    }

    proptest! {
        /// The window and a plain set of what was seen agree, as long as nothing lags.
        #[test]
        fn it_is_a_set_with_a_lower_bound(
            size in 0u32..200,
            packets in prop::collection::vec((0u32..3, 1u32..400), 0..300),
        ) {
            let mut window = ReplayWindow::new(size);
            let mut seen = BTreeSet::new();
            let mut latest: Option<(u32, u32)> = None;
            for (time, id) in packets {
                let expected = match latest {
                    Some((now, _)) if time < now => false,
                    Some((now, highest)) if time == now && id <= highest => {
                        highest - id < size && !seen.contains(&id)
                    }
                    _ => true,
                };
                prop_assert_eq!(at(0, &mut window, time, id), expected);
                if expected {
                    if latest.is_none_or(|(now, _)| time > now) {
                        seen.clear();
                        latest = None;
                    }
                    seen.insert(id);
                    latest = Some((time, latest.map_or(id, |(_, highest)| highest.max(id))));
                }
            }
        }
    }
}
