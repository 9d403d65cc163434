//! [`Spans`]: which parts of a datagram have come.

/// As many gaps as 45 fragments in the worst order have; a datagram with more is not worth it.
const MOST: usize = 24;

/// Parts that touch are one. In order, none empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Spans {
    list: [(u16, u16); MOST],
    len: usize,
    /// Where the datagram ends, once its last fragment has come.
    end: Option<u16>,
}

/// How a fragment fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// All of it is new.
    New,
    /// All of it has been there.
    Known,
    /// It is new in part, contradicts where the datagram ends, or is one too many.
    Overlaps,
}

impl Spans {
    pub(super) fn add(&mut self, start: u16, end: u16, more: bool) -> Placed {
        let known = &self.list[..self.len];
        if known.iter().any(|span| span.0 <= start && end <= span.1) {
            return Placed::Known;
        }
        if known.iter().any(|span| start < span.1 && span.0 < end) {
            return Placed::Overlaps;
        }
        let beyond = match self.end {
            Some(last) => end > last || !more,
            None => !more && known.last().is_some_and(|span| span.1 > end),
        };
        if beyond {
            return Placed::Overlaps;
        }
        let at = known.partition_point(|span| span.1 < start);
        let joins_left = known.get(at).is_some_and(|span| span.1 == start);
        let right = if joins_left { at + 1 } else { at };
        let joins_right = known.get(right).is_some_and(|span| span.0 == end);
        match (joins_left, joins_right) {
            (true, true) => {
                self.list[at].1 = self.list[right].1;
                self.list.copy_within(right + 1..self.len, right);
                self.len -= 1;
            }
            (true, false) => self.list[at].1 = end,
            (false, true) => self.list[right].0 = start,
            (false, false) if self.len == MOST => return Placed::Overlaps,
            (false, false) => {
                self.list.copy_within(at..self.len, at + 1);
                self.list[at] = (start, end);
                self.len += 1;
            }
        }
        if !more {
            self.end = Some(end);
        }
        Placed::New
    }

    /// Whether the datagram is complete.
    pub(super) fn is_all(&self) -> bool {
        self.len == 1 && self.list[0].0 == 0 && self.end == Some(self.list[0].1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::router::testing::Random;

    /// Against a map of bytes, for random parts, of which some overlap.
    #[test]
    fn as_a_map_of_bytes() {
        let mut random = Random::new(11);
        let (mut complete, mut overlaps) = (0, 0);
        for _ in 0..5_000 {
            let (mut spans, mut map, mut end) = (Spans::default(), [false; 32], None);
            let mut parts: Vec<(usize, usize)> = Vec::new();
            let mut at = 0;
            while at < 20 {
                let len = 1 + random.below(6);
                parts.push((at, at + len));
                at += len;
            }
            for _ in 0..parts.len() * 2 {
                let mut part = parts[random.below(parts.len())];
                let more = part.1 != at;
                if random.chance(20) {
                    part.1 += 1;
                }
                let there = map[part.0..part.1].iter().filter(|byte| **byte).count();
                let beyond =
                    end.is_some_and(|end| part.1 > end || !more) || (!more && map[part.1..].contains(&true));
                let expected = match there {
                    n if n == part.1 - part.0 => Placed::Known,
                    0 if !beyond => Placed::New,
                    _ => Placed::Overlaps,
                };
                assert_eq!(spans.add(part.0 as u16 * 8, part.1 as u16 * 8, more), expected);
                if expected == Placed::Overlaps {
                    overlaps += 1;
                    break;
                }
                map[part.0..part.1].fill(true);
                if !more && expected == Placed::New {
                    end = Some(part.1);
                }
                let all = end.is_some_and(|end| !map[..end].contains(&false));
                assert_eq!(spans.is_all(), all);
                complete += usize::from(all);
            }
        }
        assert!(complete > 500 && overlaps > 500, "{complete} {overlaps}");
    }

    #[test]
    fn the_worst_order_of_45_fragments_fits() {
        let mut spans = Spans::default();
        let parts = (0..45).step_by(2).chain((1..45).step_by(2));
        for part in parts {
            assert_eq!(spans.add(part * 1456, (part + 1) * 1456, part != 44), Placed::New, "{part}");
        }
        assert!(spans.is_all());
    }

    #[test]
    fn too_many_gaps_are_refused() {
        let mut spans = Spans::default();
        let placed: Vec<Placed> = (0..25).map(|part| spans.add(part * 16, part * 16 + 8, true)).collect();
        assert_eq!(placed[23], Placed::New);
        assert_eq!(placed[24], Placed::Overlaps);
    }
}
