//! [`History`]: the last lines of something, numbered, so that each reader knows where it is.

use std::collections::VecDeque;

/// A ring of lines.
#[derive(Clone, Debug)]
pub(crate) struct History {
    lines: VecDeque<String>,
    limit: usize,
    /// The number of the line that comes next.
    next: u64,
}

impl History {
    /// The last `limit` lines are kept.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lines: VecDeque::new(), limit, next: 0 }
    }

    /// Keeps another number of lines from now on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.trim();
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_kept(&self) -> bool {
        self.limit > 0
    }

    pub(crate) fn push(&mut self, line: String) {
        self.lines.push_back(line);
        self.next += 1;
        self.trim();
    }

    /// The number that the next line will have.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The last `count` lines, the oldest first.
    pub(crate) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        self.lines.range(self.lines.len().saturating_sub(count)..).map(String::as_str)
    }

    /// The lines from that number on, as far as they are still there.
    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &str> {
        let missed = usize::try_from(self.next.saturating_sub(number)).unwrap_or(usize::MAX);
        self.last(missed)
    }

    fn trim(&mut self) {
        while self.lines.len() > self.limit {
            self.lines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_stay_and_a_reader_goes_on_where_it_was() {
        let mut history = History::new(3);
        for number in 0..5 {
            history.push(number.to_string());
        }
        assert_eq!(history.last(2).collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(history.last(9).collect::<Vec<_>>(), ["2", "3", "4"]);
        let seen = history.next();
        assert_eq!(history.since(seen).count(), 0);
        history.push("5".into());
        assert_eq!(history.since(seen).collect::<Vec<_>>(), ["5"]);
        assert_eq!(history.since(0).collect::<Vec<_>>(), ["3", "4", "5"]);
        history.set_limit(1);
        assert_eq!(history.last(9).collect::<Vec<_>>(), ["5"]);
    }
}
