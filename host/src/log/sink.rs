//! Where the lines of the log go.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::level::{Level, Severity};
use crate::clock::WallTime;
use crate::syslog::{Priority, Syslog};

/// Standard output, a file, or the system log.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout,
    File(File),
    Syslog(RefCell<Syslog>),
}

impl Sink {
    /// The file at `path`, which is emptied unless `append`. What is created is for its owner alone.
    pub(crate) fn file(path: &str, append: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600);
        if !append {
            options.clone().write(true).truncate(true).open(path)?;
        }
        // Always to its end: a log that somebody cuts off behind our back goes on from there.
        options.append(true).open(path).map(Self::File)
    }

    /// The system log, under the name `ident`.
    pub(crate) fn syslog(ident: &str) -> Self {
        Self::Syslog(RefCell::new(Syslog::new(ident)))
    }

    /// The descriptor, if it is a file: what else the process and its scripts print goes there too.
    pub(crate) fn as_file(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(file) => Some(file.as_fd()),
            Self::Stdout | Self::Syslog(_) => None,
        }
    }

    /// Writes a line. The system log puts its own time before it.
    pub(super) fn write(&self, level: Level, time: WallTime, stamp: &str, text: &str, to_stderr: bool) {
        match self {
            Self::Syslog(syslog) => {
                let priority = match level.severity {
                    Severity::Error => Priority::Error,
                    Severity::Warning => Priority::Warning,
                    Severity::Info | Severity::Debug => Priority::Notice,
                };
                syslog.borrow_mut().send(priority, time, text);
            }
            Self::Stdout if to_stderr => {
                let _ = io::stderr().write_all(format!("{stamp}{text}\n").as_bytes());
            }
            Self::Stdout | Self::File(_) => self.write_raw(format!("{stamp}{text}\n").as_bytes()),
        }
    }

    /// Writes bytes as they are, where that can be.
    pub(super) fn write_raw(&self, bytes: &[u8]) {
        let _ = match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::File(file) => (&mut &*file).write_all(bytes),
            Self::Syslog(_) => Ok(()),
        };
    }
}
