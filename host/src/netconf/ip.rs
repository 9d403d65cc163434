//! The command `ip` of iproute2.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::errors::cause;

/// Where it is installed; `PATH` of a service may lack these.
const PLACES: [&str; 4] = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];

/// The command, found once.
#[derive(Debug)]
pub(crate) struct Ip {
    program: PathBuf,
}

impl Ip {
    pub(crate) fn find() -> Result<Self, String> {
        let place = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
        place.map(|program| Self { program }).ok_or_else(|| {
            "the command 'ip' is not installed: addresses and routes are set by it (package iproute2)"
                .to_owned()
        })
    }

    /// Its path, for the log.
    pub(crate) fn program(&self) -> std::path::Display<'_> {
        self.program.display()
    }

    /// Runs it with these words; an error is a sentence with what it said.
    pub(crate) fn run(&self, words: &str) -> Result<(), String> {
        self.execute(words).map(drop)
    }

    /// The same, for what it prints.
    pub(crate) fn output(&self, words: &str) -> Result<String, String> {
        self.execute(words).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn execute(&self, words: &str) -> Result<Output, String> {
        // No word holds a space: they are addresses, numbers and names of devices.
        let mut command = Command::new(&self.program);
        command.args(words.split_ascii_whitespace()).stdin(Stdio::null());
        let output =
            command.output().map_err(|error| format!("cannot run {}: {}", self.program(), cause(&error)))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("'ip {words}' failed: {}", said.trim().replace('\n', "; ")))
    }
}
