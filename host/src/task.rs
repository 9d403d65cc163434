//! [`Task`]: work that waits for something outside, on a thread of its own, so that the loop goes on meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

/// Work under way. Its descriptor becomes readable when the work is done. Dropping it gives the work up.
#[derive(Debug)]
pub(crate) struct Task<T> {
    bell: UnixStream,
    result: Receiver<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Begins. `work` gets a descriptor that becomes readable once nobody waits for the result any more; work that
    /// cannot watch it just comes to its end unheard.
    pub(crate) fn spawn(
        name: &str,
        work: impl FnOnce(BorrowedFd<'_>) -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (bell, theirs) = UnixStream::pair()?;
        let (sender, result) = channel();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ = sender.send(work(theirs.as_fd()));
            // The other end rings when this one closes: after the result is there, or with a panic.
            drop(theirs);
        })?;
        Ok(Self { bell, result })
    }

    /// The result, once it is there.
    ///
    /// # Panics
    ///
    /// If the work has panicked.
    pub(crate) fn take(&self) -> Option<T> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("a helper thread has panicked"),
        }
    }
}

impl<T> AsFd for Task<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn wait_readable(fd: BorrowedFd<'_>) {
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], None).unwrap();
    }

    #[test]
    fn a_result_rings() {
        let (go, wait) = channel::<()>();
        let task = Task::spawn("test", move |_| {
            let _ = wait.recv();
            7
        });
        let task = task.unwrap();
        assert_eq!(task.take(), None);
        drop(go);
        wait_readable(task.as_fd());
        assert_eq!(task.take(), Some(7));
    }

    #[test]
    fn work_learns_that_it_was_given_up() {
        let (ended, end) = channel();
        let task = Task::spawn("test", move |given_up| {
            wait_readable(given_up);
            let _ = ended.send(());
        });
        drop(task);
        end.recv().unwrap();
    }
}
