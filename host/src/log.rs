//! The log: OpenVPN's lines, to standard output or a file.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::clock::Clock;
use crate::sys::{LocalTime, local_time};

/// How important a line is: the `verb` from which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Verb {
    /// What ends the process, and what the user must act on.
    Fatal = 0,
    /// Milestones and warnings.
    Info = 1,
    /// What is pushed, pulled and configured.
    Details = 3,
    /// Parameters, drops and timers.
    Debug = 4,
}

/// Where the lines go.
#[derive(Debug)]
enum Sink {
    Stdout,
    File(File),
}

/// The log of the process. A line that cannot be written is lost: there is nobody left to tell.
#[derive(Debug)]
pub(crate) struct Log {
    sink: Sink,
    verb: u8,
    clock: Clock,
}

impl Log {
    /// Lines up to `verb` to standard output.
    pub(crate) fn stdout(verb: u8, clock: Clock) -> Self {
        Self { sink: Sink::Stdout, verb, clock }
    }

    /// Lines up to `verb` to the file at `path`, which is emptied unless `append` (`log`, `log-append`).
    pub(crate) fn file(path: &Path, append: bool, verb: u8, clock: Clock) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).append(append).truncate(!append).open(path)?;
        Ok(Self { sink: Sink::File(file), verb, clock })
    }

    /// Whether a line of this kind would be shown.
    pub(crate) fn shows(&self, verb: Verb) -> bool {
        verb as u8 <= self.verb
    }

    /// Writes one line.
    pub(crate) fn line(&self, verb: Verb, text: impl Display) {
        if !self.shows(verb) {
            return;
        }
        let line = format_line(local_time(self.clock.unix()), &text);
        let _ = match &self.sink {
            Sink::Stdout => io::stdout().write_all(line.as_bytes()),
            Sink::File(file) => (&mut &*file).write_all(line.as_bytes()),
        };
    }

    /// A milestone.
    pub(crate) fn info(&self, text: impl Display) {
        self.line(Verb::Info, text);
    }

    /// Something that a person should look at.
    pub(crate) fn warning(&self, text: impl Display) {
        self.line(Verb::Info, format_args!("WARNING: {text}"));
    }

    /// Something that went wrong.
    pub(crate) fn error(&self, text: impl Display) {
        self.line(Verb::Fatal, format_args!("ERROR: {text}"));
    }
}

/// A line of the log. Control characters in what a peer sent must not forge another line.
fn format_line(time: LocalTime, text: &impl Display) -> String {
    let text = text.to_string();
    if text.chars().any(char::is_control) {
        format!("{time} {}\n", text.replace(char::is_control, "?"))
    } else {
        format!("{time} {text}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_time_and_text_and_stays_one_line() {
        let time = LocalTime { year: 2016, month: 7, day: 24, hour: 9, minute: 35, second: 9 };
        assert_eq!(format_line(time, &"up"), "2016-07-24 09:35:09 up\n");
        assert_eq!(format_line(time, &"a\nb\u{1b}[0m"), "2016-07-24 09:35:09 a?b?[0m\n");
    }

    #[test]
    fn verb_decides_and_append_keeps_what_was_there() {
        let path = std::env::temp_dir().join(format!("adit-log-{}", std::process::id()));
        let clock = Clock::new();
        Log::file(&path, false, 1, clock).unwrap().info("one");
        let log = Log::file(&path, true, 2, clock).unwrap();
        log.line(Verb::Details, "hidden");
        log.line(Verb::Fatal, "two");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| &line["2016-07-24 09:35:09 ".len()..]).collect();
        assert_eq!(lines, ["one", "two"]);
        Log::file(&path, false, 1, clock).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        std::fs::remove_file(&path).unwrap();
    }
}
