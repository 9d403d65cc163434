//! `mute N`: at most N lines of one category in a row.

/// Counts lines.
#[derive(Debug, Default)]
pub(super) struct Mute {
    /// 0 for no limit.
    limit: u32,
    category: u8,
    count: u32,
}

/// What happens to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is written.
    Free,
    /// It is written after this one.
    After(String),
    /// The first that is not: that is said in its place.
    Triggered,
    /// It is not written.
    Muted,
}

impl Mute {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Counts a line of `category`; 0 stands for lines that are never muted.
    pub(super) fn take(&mut self, category: u8) -> Passage {
        if self.limit == 0 {
            return Passage::Free;
        }
        if category != 0 && category == self.category {
            self.count = self.count.saturating_add(1);
            return match self.count {
                count if count <= self.limit => Passage::Free,
                count if count == self.limit + 1 => Passage::Triggered,
                _ => Passage::Muted,
            };
        }
        let muted = self.count.saturating_sub(self.limit);
        (self.category, self.count) = (category, 1);
        if muted == 0 {
            return Passage::Free;
        }
        let limit = self.limit;
        Passage::After(format!("{muted} variation(s) on previous {limit} message(s) suppressed by --mute"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_one_category_is_cut_short_and_counted() {
        let mut mute = Mute::new(2);
        let row: Vec<Passage> = (0..5).map(|_| mute.take(3)).collect();
        assert_eq!(row, [Passage::Free, Passage::Free, Passage::Triggered, Passage::Muted, Passage::Muted]);
        assert_eq!(
            mute.take(0),
            Passage::After("3 variation(s) on previous 2 message(s) suppressed by --mute".into())
        );
        assert!((0..5).all(|_| mute.take(0) == Passage::Free));
        assert_eq!(mute.take(3), Passage::Free);
    }

    #[test]
    fn without_a_limit_nothing_is_muted() {
        let mut mute = Mute::new(0);
        assert!((0..100).all(|_| mute.take(3) == Passage::Free));
    }
}
