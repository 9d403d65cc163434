//! Processes: making another of this one.

use std::fs;
use std::io;

/// Which of two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The one that was there before.
    Parent,
    /// The new one.
    Child,
}

/// Makes a copy of this process, which goes on here too. Threads are not copied, and what they hold would stay locked
/// in the copy: it is an error if there is more than one.
pub(crate) fn fork() -> io::Result<Forked> {
    // A thread would have to be started by this one, so that none can come between.
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("threads have been started already"));
    }
    // SAFETY: with one thread, as was looked after, no lock is held by a thread that the copy lacks; both copies own
    // their memory.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        _ => Ok(Forked::Parent),
    }
}
