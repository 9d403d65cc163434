//! The local time of day, by the system's time zone.

use std::mem;

use adit::UnixTime;

/// A point in time as the clock on the wall shows it. `Display` is `YYYY-MM-DD HH:MM:SS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    pub(crate) year: i32,
    /// 1 to 12.
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

/// Converts by the time zone of the process (`TZ`, `/etc/localtime`).
pub(crate) fn local_time(unix: UnixTime) -> LocalTime {
    let seconds = unix.0 as libc::time_t;
    // SAFETY: all-zero bytes are a valid `tm`.
    let mut tm: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both point to valid values of ours; localtime_r keeps neither.
    unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    LocalTime {
        year: tm.tm_year + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
    }
}

impl std::fmt::Display for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openvpn_writes_them() {
        let time = LocalTime { year: 2026, month: 7, day: 4, hour: 9, minute: 5, second: 0 };
        assert_eq!(time.to_string(), "2026-07-04 09:05:00");
    }

    #[test]
    fn the_day_is_right_in_any_time_zone() {
        // 2001-09-09 01:46:40 UTC.
        let time = local_time(UnixTime(1_000_000_000));
        assert_eq!((time.year, time.month), (2001, 9));
        assert!((8..=9).contains(&time.day));
        assert_eq!(time.second, 40);
    }
}
