//! [`Guard`]: a process beside a client's that applies DNS settings, and that takes back what outlives the device
//! (DNS settings, routes past the tunnel) however the client ends: by itself, without root any more, or killed.
//!
//! It is this program once more, started when there is something to guard and while we are root. It hears of what is
//! to be taken back by lines of JSON on its standard input; when that closes, it does so and ends. What happens if
//! both are killed: [`journal`].
//!
//! **Trust.** The client may have become `nobody` while the guard stays root, so that its messages are not to be
//! trusted: nothing in them may be worth more than what they are for. They can have routes set in the main table, and
//! DNS settings in force for a device's name that is checked, by the same reader as for a server's push. What is run
//! as root is not for them to say: the command of `dns-updown` is in the guard's arguments, from when the client was
//! root itself, and a message can only have it run or not. Lines, and the routes that are kept, are bounded.

mod journal;
mod worker;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use adit::config::DnsSettings;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use serde_json::{Value, json};

pub(crate) use journal::{Owner, folder, repair};
pub(crate) use worker::run;

use crate::dns::{self, UserCommand};
use crate::errors::cause;
use crate::log::Log;
use crate::netconf::Change;

/// The word that makes this program a guard.
pub(crate) const WORD: &str = "--guard";
/// The longest message, in bytes.
const MAX_LINE: usize = 64 << 10;
/// How many changes go into one message: each is a short line.
const KEPT_AT_ONCE: usize = 256;
/// What a guard may take to end, when we do.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our end of the guard.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    /// What it may run instead of doing DNS settings itself; fixed for its life.
    command: Option<UserCommand>,
    /// Closing it is the order to take everything back.
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// A line that is not whole yet.
    partial: Vec<u8>,
}

impl Guard {
    /// Starts one, that may run this command of `dns-updown`.
    pub(crate) fn start(command: Option<&UserCommand>) -> Result<Self, String> {
        let start = || {
            let mut child = Command::new("/proc/self/exe")
                .arg(WORD)
                .args(command.map(worker::arguments).unwrap_or_default())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            let (input, output) =
                child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
            ioctl_fionbio(&output, true)?;
            let command = command.cloned();
            Ok::<_, io::Error>(Self { child, command, input: Some(input), output, partial: Vec::new() })
        };
        start().map_err(|error| {
            format!("cannot start a process to guard the system's settings: {}", cause(&error))
        })
    }

    /// To be undone at the end, in reverse order, beside what is kept already.
    pub(crate) fn keep(&mut self, changes: &[Change]) {
        self.say_kept(false, changes);
    }

    /// The same in place of what is kept.
    pub(crate) fn keep_only(&mut self, changes: &[Change]) {
        self.say_kept(true, changes);
    }

    fn say_kept(&mut self, mut anew: bool, changes: &[Change]) {
        let undo: Vec<String> =
            changes.iter().filter_map(Change::inverse).map(|change| change.to_string()).collect();
        for part in undo.chunks(KEPT_AT_ONCE) {
            self.say(&json!({ "forget": std::mem::take(&mut anew), "keep": part }));
        }
    }

    /// We have undone all that is kept.
    pub(crate) fn forget(&mut self) {
        self.say(&json!({ "forget": true }));
    }

    /// The command that it was started with.
    pub(crate) fn command(&self) -> Option<&UserCommand> {
        self.command.as_ref()
    }

    /// Has DNS settings applied, by its command if `by_command`. [`read`](Self::read) tells when that is done. Whether
    /// it was asked at all: there may be too much to say.
    pub(crate) fn dns_up(&mut self, dev: &str, settings: &DnsSettings, by_command: bool) -> bool {
        let options = dns::to_options(settings);
        self.say(&json!({ "up": { "dev": dev, "options": options, "command": by_command } }))
    }

    /// Has them taken back.
    pub(crate) fn dns_down(&mut self) {
        self.say(&json!({ "down": true }));
    }

    /// Logs what it says; whether something that it was asked for is done.
    pub(crate) fn read(&mut self, log: &Log) -> Heard {
        let mut heard = Heard::default();
        let mut buffer = [0; 4096];
        loop {
            match self.output.read(&mut buffer) {
                Ok(0) => {
                    // It has closed everything, so that this takes no time.
                    let _ = self.child.wait();
                    heard.ended = true;
                    break;
                }
                Ok(count) => self.partial.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let value: Value = serde_json::from_slice(&line).unwrap_or_default();
            if let Some(text) = value["info"].as_str() {
                log.info(text);
            }
            if let Some(text) = value["warning"].as_str() {
                log.warning(text);
            }
            heard.up |= value["done"] == "up";
        }
        heard
    }

    /// Has it take back all that it guards, and waits for that.
    pub(crate) fn finish(mut self, log: &Log) {
        self.input = None;
        loop {
            let heard = self.read(log);
            if heard.ended {
                return;
            }
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            let waited = poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&patience));
            if !matches!(waited, Ok(1) | Err(rustix::io::Errno::INTR)) {
                log.warning("the system's settings are still being restored");
                return;
            }
        }
    }

    /// Whether it may be said: a guard ends at a longer line.
    fn say(&mut self, message: &Value) -> bool {
        let line = format!("{message}\n");
        let fits = line.len() <= MAX_LINE;
        if let (Some(input), true) = (&mut self.input, fits) {
            // A guard that is gone says so by its output.
            let _ = input.write_all(line.as_bytes());
        }
        fits
    }
}

impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

/// What a guard said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The DNS settings are in force, or cannot be.
    pub(crate) up: bool,
    /// It is gone.
    pub(crate) ended: bool,
}
