//! [`Sources`]: the files that a configuration names, and what they held when they could be read.
//!
//! After privileges were dropped, SIGHUP may find that a key is its owner's alone: what it held stays in force, and is
//! named. As long as nothing was dropped, a file that cannot be read is an error.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use adit::config::Files;
use zeroize::Zeroizing;

use crate::errors::{cause, unreadable};

/// What was read, and what could not be read again.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// By path. Keys are among them.
    held: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Whether privileges were dropped.
    fall_back: bool,
    /// What is the root directory by now, as it was called before.
    root: Option<String>,
    /// One sentence for each file that could not be read again.
    notes: Vec<String>,
}

impl Sources {
    /// From now on, a file that was read once and cannot be any more gives what it held. `root` is the directory of a
    /// `chroot`; what lies in there is found there.
    pub(crate) fn fall_back(&mut self, root: Option<&str>) {
        self.fall_back = true;
        self.root = root.map(str::to_owned);
    }

    /// Forgets what the files held: they can always be read.
    pub(crate) fn forget(&mut self) {
        self.held.clear();
    }

    /// What there is to say about files that could not be read, each once.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn take(&mut self, path: &str, read: io::Result<Vec<u8>>) -> Result<Vec<u8>, String> {
        match (read, self.held.get(path)) {
            (Ok(text), _) => {
                self.held.insert(path.to_owned(), Zeroizing::new(text.clone()));
                Ok(text)
            }
            (Err(error), Some(held)) if self.fall_back => {
                let why = cause(&error);
                self.notes.push(format!("cannot read {path} any more ({why}): what it held stays in force"));
                Ok(held.to_vec())
            }
            (Err(error), _) => Err(unreadable(path, &error)),
        }
    }
}

impl Files for Sources {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let inside = self.root.as_deref().and_then(|root| path.strip_prefix(root));
        let read = match inside.filter(|inside| inside.starts_with('/')) {
            Some(inside) => fs::read(inside),
            None => fs::read(path),
        };
        self.take(path, read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    #[test]
    fn only_after_privileges_were_dropped_does_the_old_content_stay() {
        let mut sources = Sources::default();
        assert_eq!(sources.take("a.key", Ok(b"old".into())), Ok(b"old".into()));
        assert!(sources.take("a.key", denied()).is_err());
        sources.fall_back(None);
        assert_eq!(sources.take("a.key", denied()), Ok(b"old".into()));
        assert_eq!(
            sources.take_notes(),
            ["cannot read a.key any more (permission denied): what it held stays in force"]
        );
        assert!(sources.take("b.key", denied()).is_err());
        assert_eq!(sources.take("a.key", Ok(b"new".into())), Ok(b"new".into()));
        assert_eq!(sources.take("a.key", denied()), Ok(b"new".into()));
    }
}
