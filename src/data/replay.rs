//! [`ReplayWindow`]: which packet ids of a key have been seen.

/// A sliding window over packet ids, newest at its upper edge (`replay-window`).
///
/// An id above the edge moves it; one below is accepted once, if it lies less than the window's size behind. Ids begin
/// at 1. The second parameter of `replay-window`, which expires ids some seconds after a later one was received, is
/// not applied: it only narrows what is accepted, and costs a clock per id.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    size: u32,
    newest: u32,
    /// Bit `id % CAPACITY` tells whether `id` was seen, for the last `CAPACITY` ids.
    seen: [u64; Self::WORDS],
}

impl ReplayWindow {
    const WORDS: usize = 16;
    /// The largest window.
    pub(crate) const CAPACITY: u32 = 64 * Self::WORDS as u32;

    /// A window of `size` ids, or of [`CAPACITY`](Self::CAPACITY) if that is less. With a size of zero every id must
    /// be higher than all before.
    pub(crate) fn new(size: u32) -> Self {
        Self { size: size.min(Self::CAPACITY), newest: 0, seen: [0; Self::WORDS] }
    }

    /// Whether `id` is new; it is not from then on. Only for packets whose tag is right.
    #[inline]
    pub(crate) fn accept(&mut self, id: u32) -> bool {
        if id > self.newest {
            self.advance(id);
            self.insert(id)
        } else {
            id != 0 && self.newest - id < self.size && self.insert(id)
        }
    }

    /// Moves the upper edge to `id`. The ids skipped take over places of ids one capacity older.
    fn advance(&mut self, id: u32) {
        if id - self.newest >= Self::CAPACITY {
            self.seen = [0; Self::WORDS];
        } else {
            for skipped in self.newest + 1..=id {
                let (word, bit) = Self::place(skipped);
                self.seen[word] &= !bit;
            }
        }
        self.newest = id;
    }

    /// Whether `id` had not been marked before.
    fn insert(&mut self, id: u32) -> bool {
        let (word, bit) = Self::place(id);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    fn place(id: u32) -> (usize, u64) {
        ((id / 64) as usize % Self::WORDS, 1 << (id % 64))
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn window(size: u32, ids: &[u32]) -> ReplayWindow {
        let mut window = ReplayWindow::new(size);
        for &id in ids {
            assert!(window.accept(id), "{id}");
        }
        window
    }

    #[test]
    fn ids_begin_at_one() {
        assert!(!ReplayWindow::new(64).accept(0));
        assert!(ReplayWindow::new(64).accept(1));
    }

    #[test]
    fn the_last_id_is_accepted_once() {
        let mut window = window(64, &[u32::MAX]);
        assert!(!window.accept(u32::MAX));
        assert!(window.accept(u32::MAX - 1));
    }

    #[test]
    fn the_lower_edge() {
        for size in [1, 64, 65, 512, 1024] {
            let newest = 5000;
            assert!(window(size, &[newest]).accept(newest - size + 1) == (size > 1), "{size}");
            assert!(!window(size, &[newest]).accept(newest - size), "{size}");
        }
    }

    #[test]
    fn a_window_beyond_the_capacity_is_the_capacity() {
        assert!(window(65_536, &[5000]).accept(5000 - ReplayWindow::CAPACITY + 1));
        assert!(!window(65_536, &[5000]).accept(5000 - ReplayWindow::CAPACITY));
    }

    #[test]
    fn without_a_window_order_is_strict() {
        let mut window = window(0, &[1, 2, 5]);
        assert!(!window.accept(4));
        assert!(!window.accept(5));
        assert!(window.accept(6));
    }

    /// Protocol facts §7.6: after a jump the base is the new id less the window, and all in between is unseen.
    #[test]
    fn a_jump_forward_opens_a_fresh_window() {
        for jump in [63, 64, 65, 1023, 1024, 1025, 100_000] {
            let mut window = window(64, &[9, 10, 10 + jump]);
            for id in 10 + jump - 63..10 + jump {
                assert_eq!(window.accept(id), id != 9 && id != 10, "{id} after a jump by {jump}");
            }
            assert!(!window.accept(10 + jump - 64));
        }
    }

    proptest! {
        /// Against a set of all ids ever seen.
        #[test]
        fn agrees_with_a_set(
            size in 0_u32..1100,
            steps in prop::collection::vec((-1200_i64..1200).prop_map(|step| step / 3), 1..400),
        ) {
            let mut window = ReplayWindow::new(size);
            let size = i64::from(size).min(1024);
            let (mut seen, mut newest) = (BTreeSet::new(), 0_i64);
            let mut id = 1_i64;
            for step in steps {
                id = (id + step).max(0);
                let expected = id > newest || (id != 0 && newest - id < size && !seen.contains(&id));
                prop_assert_eq!(window.accept(id as u32), expected, "id {} under {}", id, newest);
                if expected {
                    seen.insert(id);
                    newest = newest.max(id);
                }
            }
        }
    }
}
