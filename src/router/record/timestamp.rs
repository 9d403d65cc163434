//! [`Timestamp`]: wall-clock time as log lines have it (RFC 3339).

use alloc::format;
use core::fmt;
use core::str::FromStr;

use super::BadRecord;

/// Milliseconds since 1970-01-01 00:00:00 UTC, leap seconds apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

const DAY: u64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year.
const LAST: u64 = 253_402_300_799_999;
/// Days from 0000-03-01 to 1970-01-01.
const BEFORE: u64 = 719_468;
/// Days of 400 years, after which the calendar repeats itself.
const ERA: u64 = 146_097;

impl Timestamp {
    /// So much earlier.
    pub fn minus(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// So much later.
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// `2026-11-28T12:50:00.123Z`
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.min(LAST);
        let (year, month, day) = date(millis / DAY);
        let rest = millis % DAY;
        let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
    }
}

/// UTC alone (`Z`); the fraction may be left out, or have up to nine digits.
impl FromStr for Timestamp {
    type Err = BadRecord;

    fn from_str(text: &str) -> Result<Self, BadRecord> {
        parse(text).ok_or_else(|| {
            BadRecord(format!("\"{text}\" is no time; right would be 2026-11-28T12:50:00.123Z"))
        })
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |at: usize, len: usize| {
        let digits = bytes.get(at..at + len)?;
        digits
            .iter()
            .try_fold(0, |sum: u64, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !marks.iter().all(|&(at, mark)| bytes.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&mark))) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let rest = text.get(19..)?.strip_suffix(['Z', 'z'])?;
    let millis = match rest.strip_prefix('.') {
        None if rest.is_empty() => 0,
        Some(fraction) if (1..=9).contains(&fraction.len()) => {
            let digits = fraction.bytes().chain(*b"00").take(3);
            if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
        }
        _ => return None,
    };
    // A leap second is the last one of its minute.
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days(year, month, day)?;
    Some(Timestamp(days * DAY + (hour * 3600 + minute * 60 + second.min(59)) * 1000 + millis))
}

/// Year, month, day of a day since 1970. Years are counted from March, so that the day that comes and goes is the last
/// of one; of such a year the months repeat every 153 days in five.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + BEFORE;
    let (era, day) = (day / ERA, day % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

/// The day since 1970 of a date, if there is such a date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (march, year) = if month > 2 { (month - 3, year) } else { (month + 9, year - 1) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * march + 2) / 5 + day - 1;
    let days = (era * ERA + 365 * of_era + of_era / 4 - of_era / 100 + of_year).checked_sub(BEFORE)?;
    (date(days) == (year + u64::from(month <= 2), month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times_both_ways() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1999-12-31T23:59:59.999Z", 946_684_799_999),
            ("2000-02-29T12:00:00.000Z", 951_825_600_000),
            ("2024-02-29T00:00:00.001Z", 1_709_164_800_001),
            ("2026-11-28T12:50:00.123Z", 1_795_870_200_123),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59.999Z", LAST),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(millis)));
        }
        assert_eq!("2026-11-28T12:50:00Z".parse(), Ok(Timestamp(1_795_870_200_000)));
        assert_eq!("2026-11-28t12:50:00.1234567z".parse(), Ok(Timestamp(1_795_870_200_123)));
        assert_eq!("2016-12-31T23:59:60Z".parse(), "2016-12-31T23:59:59Z".parse::<Timestamp>());
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T12:50:00",
            "2026-11-28T12:50:00+01:00",
            "2026-11-28T12:50:00.Z",
            "2026-11-28T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-28T12:5x:00Z",
            "2026-11-2é12:50:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_comes_back(millis in 0..=LAST) {
            prop_assert_eq!(Timestamp(millis).to_string().parse(), Ok(Timestamp(millis)));
        }
    }
}
