//! `crl-verify FILE` at a server: the list is read again when the file has changed, as a client comes.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::rc::Rc;

use adit::Instant;
use adit::config::NamedText;
use adit::server::Server;

use crate::errors::cause;
use crate::log::Log;

/// The file, and how it was found the last time.
#[derive(Debug)]
pub(crate) struct CrlFile {
    path: String,
    log: Rc<Log>,
    seen: Option<Seen>,
}

/// What tells one state of a file from another.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    There {
        device: u64,
        inode: u64,
        modified: (i64, i64),
        size: u64,
    },
    /// It could not be read, for this reason.
    Not(String),
}

impl CrlFile {
    /// What the engine has may be older than the file: the first look reads it.
    pub(crate) fn new(path: &str, log: &Rc<Log>) -> Self {
        Self { path: path.to_owned(), log: Rc::clone(log), seen: None }
    }

    /// Puts the list into force if the file is another than before. One that cannot be read or used leaves the old in
    /// force, which is said once.
    pub(crate) fn look(&mut self, now: Instant, engine: &mut Server) {
        let seen = match fs::metadata(&self.path) {
            Ok(metadata) => Seen::of(&metadata),
            Err(error) => Seen::Not(cause(&error)),
        };
        if self.seen.as_ref() == Some(&seen) {
            return;
        }
        let first = self.seen.is_none();
        let loaded = match &seen {
            Seen::There { .. } => self.load(now, engine),
            Seen::Not(why) => Err(format!("cannot read {}: {why}", self.path)),
        };
        match loaded {
            Ok(()) if first => {}
            Ok(()) => self.log.info(format_args!("CRL: loaded again from file {}", self.path)),
            Err(why) => {
                self.log.warning(format_args!("crl-verify: {why}; the list from before stays in force"))
            }
        }
        self.seen = Some(seen);
    }

    fn load(&self, now: Instant, engine: &mut Server) -> Result<(), String> {
        let read: io::Result<Vec<u8>> = fs::read(&self.path);
        let text = read.map_err(|error| format!("cannot read {}: {}", self.path, cause(&error)))?;
        let text = NamedText::file(self.path.as_str(), text);
        engine.set_crl(now, Some(&text)).map_err(|error| error.to_string())
    }
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self::There {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        }
    }
}
