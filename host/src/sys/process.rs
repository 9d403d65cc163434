//! Processes: making another of this one.

use std::io;

/// Which of two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The one that was there before.
    Parent,
    /// The new one.
    Child,
}

/// Makes a copy of this process, which goes on here too. Threads are not copied: there must be none yet.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: with one thread, no lock is held by a thread that the copy lacks; both copies own their memory.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        _ => Ok(Forked::Parent),
    }
}
