//! The system log: lines by datagram to `/dev/log`, in the form of RFC 3164 that the C library sends too.
//!
//! The socket is opened with the first line and stays open, so that a `chroot` does not cut it off.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use adit::UnixTime;

use crate::clock::WallTime;
use crate::sys::local_time;

const SOCKET: &str = "/dev/log";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The facility `daemon`, in the place that it has in a priority.
const DAEMON: u8 = 3 << 3;

/// How important a line is to the system log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Priority {
    Error = 3,
    Warning = 4,
    Notice = 5,
}

/// A connection to the system log. Lines that it does not take are lost.
#[derive(Debug)]
pub(crate) struct Syslog {
    ident: String,
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// Not connected yet; lines will be under the name `ident`.
    pub(crate) fn new(ident: &str) -> Self {
        Self { ident: ident.to_owned(), path: SOCKET.into(), socket: None }
    }

    /// Sends a line, over a new connection if the log was started anew.
    pub(crate) fn send(&mut self, priority: Priority, time: WallTime, text: &str) {
        let message = format_message(&self.ident, std::process::id(), priority, time, text);
        for _ in 0..2 {
            if self.socket.is_none() {
                self.socket = self.connect();
            }
            let Some(socket) = &self.socket else { return };
            if socket.send(message.as_bytes()).is_ok() {
                return;
            }
            self.socket = None;
        }
    }

    fn connect(&self) -> Option<UnixDatagram> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(&self.path).ok()?;
        // A log that is stuck must not hold up packets.
        socket.set_nonblocking(true).ok()?;
        Some(socket)
    }
}

fn format_message(ident: &str, pid: u32, priority: Priority, time: WallTime, text: &str) -> String {
    let local = local_time(UnixTime(time.seconds));
    let month = usize::try_from(local.month - 1).ok().and_then(|index| MONTHS.get(index)).unwrap_or(&"Jan");
    let (day, hour, minute, second) = (local.day, local.hour, local.minute, local.second);
    let number = DAEMON | priority as u8;
    format!("<{number}>{month} {day:>2} {hour:02}:{minute:02}:{second:02} {ident}[{pid}]: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: WallTime = WallTime { seconds: 1_000_000_000, micros: 0 };

    #[test]
    fn a_message_is_priority_time_name_and_text() {
        let message = format_message("openvpn", 42, Priority::Notice, TIME, "up");
        let (head, rest) = message.split_at("<29>Sep ".len());
        assert_eq!(head, "<29>Sep ");
        assert!(rest.ends_with(":40 openvpn[42]: up"), "{rest}");
        assert_eq!(rest.len(), " 9 01:46:40 openvpn[42]: up".len());
    }

    #[test]
    fn it_connects_again_when_the_log_was_restarted() {
        let path = std::env::temp_dir().join(format!("adit-syslog-{}", std::process::id()));
        let mut syslog = Syslog { path: path.clone(), ..Syslog::new("adit") };
        // Nobody there: lost, and no harm done.
        syslog.send(Priority::Error, TIME, "none");
        for text in ["one", "two"] {
            let _ = std::fs::remove_file(&path);
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.send(Priority::Error, TIME, text);
            let mut buffer = [0; 256];
            let count = daemon.recv(&mut buffer).unwrap();
            assert!(buffer[..count].starts_with(b"<27>") && buffer[..count].ends_with(text.as_bytes()));
        }
        std::fs::remove_file(&path).unwrap();
    }
}
