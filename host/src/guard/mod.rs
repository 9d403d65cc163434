//! [`Guard`]: a process beside a client's that applies DNS settings, and that takes back what outlives the device
//! (DNS settings, routes past the tunnel) however the client ends: by itself, without root any more, or killed.
//!
//! It is this program once more, started when there is something to guard and while we are root. It hears of what is
//! to be taken back by lines of JSON on its standard input; when that closes, it does so and ends. What happens if
//! both are killed: [`journal`].

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

pub(crate) use journal::{Owner, repair};
pub(crate) use worker::run;

use crate::dns::{self, UserCommand};
use crate::errors::cause;
use crate::log::Log;
use crate::netconf::Change;

/// The word that makes this program a guard.
pub(crate) const WORD: &str = "--guard";
/// What a guard may take to end, when we do.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our end of the guard.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    /// Closing it is the order to take everything back.
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// A line that is not whole yet.
    partial: Vec<u8>,
}

impl Guard {
    pub(crate) fn start() -> Result<Self, String> {
        let start = || {
            let mut child = Command::new("/proc/self/exe")
                .arg(WORD)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            let (input, output) =
                child.stdin.take().zip(child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
            ioctl_fionbio(&output, true)?;
            Ok::<_, io::Error>(Self { child, input: Some(input), output, partial: Vec::new() })
        };
        start().map_err(|error| {
            format!("cannot start a process to guard the system's settings: {}", cause(&error))
        })
    }

    /// To be undone at the end, in reverse order.
    pub(crate) fn keep(&mut self, changes: &[Change]) {
        let undo: Vec<String> =
            changes.iter().filter_map(Change::inverse).map(|change| change.to_string()).collect();
        self.say(&json!({ "keep": undo }));
    }

    /// We have undone all that is kept.
    pub(crate) fn forget(&mut self) {
        self.say(&json!({ "forget": true }));
    }

    /// Has DNS settings applied. [`read`](Self::read) tells when that is done.
    pub(crate) fn dns_up(&mut self, dev: &str, settings: &DnsSettings, command: Option<&UserCommand>) {
        let options = dns::to_options(settings);
        let command = command.map(|command| &command.words);
        self.say(&json!({ "up": { "dev": dev, "options": options, "command": command } }));
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

    fn say(&mut self, message: &Value) {
        if let Some(input) = &mut self.input {
            // A guard that is gone says so by its output.
            let _ = input.write_all(format!("{message}\n").as_bytes());
        }
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
