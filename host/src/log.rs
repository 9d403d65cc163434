//! The log: OpenVPN's lines, to standard output, a file, or the system log.
//!
//! [`level`] says what kind of line it is, [`mute`] stops floods of one kind, [`sink`] is where the lines go. What a
//! line says is not decided here.

mod level;
mod mute;
mod sink;

use std::cell::{Cell, Ref, RefCell};
use std::fmt::Display;
use std::rc::Rc;

use adit::UnixTime;
use adit::config::LogConfig;

use crate::clock::Clock;
use crate::history::History;
use crate::notify::Notifier;
use crate::sys::{LocalTime, local_time};

pub(crate) use level::{Level, Severity, Verb};
use mute::{Mute, Passage};
pub(crate) use sink::Sink;

/// The log of the process. A line that cannot be written is lost: there is nobody left to tell.
#[derive(Debug)]
pub(crate) struct Log {
    sink: Sink,
    stamps: Stamps,
    errors_to_stderr: bool,
    verb: Cell<u8>,
    mute: RefCell<Mute>,
    /// The last lines, for the management interface.
    history: RefCell<History>,
    clock: Clock,
    notifier: Rc<Notifier>,
}

/// What stands before each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stamps {
    /// The local time; from `verb 4` on with microseconds.
    Time,
    /// `suppress-timestamps`
    None,
    /// `machine-readable-output`: the time since 1970, and OpenVPN's flags in hexadecimal.
    Machine,
}

impl Log {
    /// Lines in the form that `config` asks for, to `sink`.
    pub(crate) fn new(config: &LogConfig, sink: Sink, clock: Clock, notifier: Rc<Notifier>) -> Self {
        let stamps = match config {
            LogConfig { machine_readable: true, .. } => Stamps::Machine,
            LogConfig { suppress_timestamps: true, .. } => Stamps::None,
            _ => Stamps::Time,
        };
        Self {
            sink,
            stamps,
            errors_to_stderr: config.errors_to_stderr,
            verb: Cell::new(config.verb),
            mute: RefCell::new(Mute::new(config.mute)),
            history: RefCell::new(History::new(0)),
            clock,
            notifier,
        }
    }

    /// A log for tests that shows nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        let mut config = LogConfig::default();
        config.verb = 0;
        Self::new(&config, Sink::Stdout, Clock::new(), Rc::default())
    }

    /// Sets `verb` and `mute`, as another configuration says.
    pub(crate) fn adjust(&self, config: &LogConfig) {
        self.verb.set(config.verb);
        self.mute.borrow_mut().set_limit(config.mute);
    }

    /// `verb`
    pub(crate) fn verb(&self) -> u8 {
        self.verb.get()
    }

    /// Sets `verb`, until another configuration does.
    pub(crate) fn set_verb(&self, verb: u8) {
        self.verb.set(verb);
    }

    /// `mute`
    pub(crate) fn mute(&self) -> u32 {
        self.mute.borrow().limit()
    }

    /// Sets `mute`, until another configuration does.
    pub(crate) fn set_mute(&self, limit: u32) {
        self.mute.borrow_mut().set_limit(limit);
    }

    /// Keeps the last `count` lines from now on.
    pub(crate) fn keep(&self, count: usize) {
        self.history.borrow_mut().set_limit(count);
    }

    /// The last lines: time, flags, text. Nothing may be logged while they are held.
    pub(crate) fn history(&self) -> Ref<'_, History> {
        self.history.borrow()
    }

    /// Whether a line of this kind would be shown.
    pub(crate) fn shows(&self, verb: Verb) -> bool {
        verb as u8 <= self.verb.get()
    }

    /// Writes one line.
    pub(crate) fn line(&self, level: impl Into<Level>, text: impl Display) {
        let level = level.into();
        if !self.shows(level.verb) {
            return;
        }
        let passage = self.mute.borrow_mut().take(level.category);
        match passage {
            Passage::Free => {}
            Passage::After(note) => self.write(Verb::Info.into(), &note),
            Passage::Triggered => return self.write(Verb::Info.into(), &"NOTE: --mute triggered..."),
            Passage::Muted => return,
        }
        self.write(level, &text);
    }

    /// A milestone.
    pub(crate) fn info(&self, text: impl Display) {
        self.line(Verb::Info, text);
    }

    /// A milestone that the service manager hears of too.
    pub(crate) fn milestone(&self, text: &str) {
        self.notifier.status(text);
        self.info(text);
    }

    /// Whether it is a file, which standard output then is too.
    pub(crate) fn is_file(&self) -> bool {
        self.sink.as_file().is_some()
    }

    /// Something that a person should look at.
    pub(crate) fn warning(&self, text: impl Display) {
        self.line(Level::WARNING, format_args!("WARNING: {text}"));
    }

    /// Something that went wrong.
    pub(crate) fn error(&self, text: impl Display) {
        self.line(Level::ERROR, format_args!("ERROR: {text}"));
    }

    /// `verb 5`: one letter for each packet, `R` and `W` for those of links, `r` and `w` for those of the TUN device.
    pub(crate) fn packets(&self, letter: u8, count: usize) {
        if self.verb.get() == Verb::Traffic as u8 && count > 0 {
            self.sink.write_raw(&vec![letter; count]);
        }
    }

    fn write(&self, level: Level, text: &impl Display) {
        let text = harmless(text.to_string());
        let time = self.clock.wall();
        let stamp = match self.stamps {
            Stamps::None => String::new(),
            Stamps::Machine => format!("{}.{:06} {:x} ", time.seconds, time.micros, level.flags()),
            Stamps::Time => {
                time_stamp(local_time(UnixTime(time.seconds)), self.shows(Verb::Debug).then_some(time.micros))
            }
        };
        let mut history = self.history.borrow_mut();
        if history.is_kept() {
            history.push(format!("{},{},{text}", time.seconds, level.letter()));
        }
        drop(history);
        let to_stderr = self.errors_to_stderr && level.severity == Severity::Error;
        self.sink.write(level, time, &stamp, &text, to_stderr);
    }
}

/// The time with a space behind it.
fn time_stamp(time: LocalTime, micros: Option<u32>) -> String {
    match micros {
        Some(micros) => format!("{time} us={micros} "),
        None => format!("{time} "),
    }
}

/// Control characters in what a peer sent must not forge another line, nor steer a terminal.
pub(crate) fn harmless(text: impl Into<String>) -> String {
    let text = text.into();
    if text.chars().any(is_unprintable) { text.replace(is_unprintable, "?") } else { text }
}

/// What moves the cursor of a terminal, or makes a line read other than it is: control characters, and those that
/// Unicode has for the direction of text and for nothing at all.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(verb: u8) -> LogConfig {
        let mut config = LogConfig::default();
        config.verb = verb;
        config
    }

    fn log(config: &LogConfig, name: &str, append: bool) -> Log {
        Log::new(config, Sink::file(name, append).unwrap(), Clock::new(), Rc::default())
    }

    #[test]
    fn a_line_is_time_and_text_and_stays_one_line() {
        let time = LocalTime { year: 2016, month: 7, day: 24, hour: 9, minute: 35, second: 9 };
        assert_eq!(time_stamp(time, None), "2016-07-24 09:35:09 ");
        assert_eq!(time_stamp(time, Some(15529)), "2016-07-24 09:35:09 us=15529 ");
        assert_eq!(harmless("a\nb\u{1b}[0m".to_owned()), "a?b?[0m");
        assert_eq!(harmless("\u{202e}gpj.exe \u{e9}".to_owned()), "?gpj.exe \u{e9}");
    }

    #[test]
    fn verb_decides_and_append_keeps_what_was_there() {
        let path = std::env::temp_dir().join(format!("adit-log-{}", std::process::id()));
        let name = path.to_str().unwrap();
        log(&config(1), name, false).info("one");
        let log = log(&config(2), name, true);
        log.line(Verb::Details, "hidden");
        log.line(Verb::Fatal, "two");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| &line["2016-07-24 09:35:09 ".len()..]).collect();
        assert_eq!(lines, ["one", "two"]);
        Sink::file(name, false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_row_of_one_kind_is_muted() {
        let path = std::env::temp_dir().join(format!("adit-log-mute-{}", std::process::id()));
        let mut config = config(3);
        (config.mute, config.suppress_timestamps) = (1, true);
        let log = log(&config, path.to_str().unwrap(), false);
        for _ in 0..3 {
            log.line(Level::TLS_ERROR, "again");
        }
        log.info("other");
        let text = std::fs::read_to_string(&path).unwrap();
        let note = "2 variation(s) on previous 1 message(s) suppressed by --mute";
        assert_eq!(text.lines().collect::<Vec<_>>(), ["again", "NOTE: --mute triggered...", note, "other"]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn stamps_are_left_out_or_made_for_machines() {
        let path = std::env::temp_dir().join(format!("adit-log-stamps-{}", std::process::id()));
        let name = path.to_str().unwrap();
        let mut config = config(3);
        config.suppress_timestamps = true;
        log(&config, name, false).error("bare");
        config.machine_readable = true;
        let log = log(&config, name, true);
        log.line(Level::TLS_ERROR, "flags");
        let text = std::fs::read_to_string(&path).unwrap();
        let (bare, machine) = text.split_once('\n').unwrap();
        assert_eq!(bare, "ERROR: bare");
        let words: Vec<&str> = machine.split_whitespace().collect();
        assert_eq!(words[1..], ["3000021", "flags"]);
        let (seconds, micros) = words[0].split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000 && micros.len() == 6);
        std::fs::remove_file(&path).unwrap();
    }
}
