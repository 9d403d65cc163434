//! Signals, as readable bytes of a socket.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adit::config::Remapped;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::{flag, low_level};

/// What a user asks for by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGTERM, SIGINT: leave, and tell the peer.
    Exit,
    /// SIGHUP: read the configuration again and start anew.
    Reload,
    /// SIGUSR1: connect anew, and keep what `persist-tun` keeps.
    Restart,
    /// SIGUSR2: write the status to the log.
    Status,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    wake: UnixStream,
    raised: Vec<(&'static str, Request, Arc<AtomicBool>)>,
}

impl Signals {
    /// Takes over the signals that [`Request`] names, for the rest of the process's life. SIGUSR1 is taken for what
    /// `remap-usr1` says.
    pub(crate) fn new(remap_usr1: Option<Remapped>) -> io::Result<Self> {
        let usr1 = match remap_usr1 {
            Some(Remapped::Sighup) => ("SIGHUP", Request::Reload),
            Some(Remapped::Sigterm) => ("SIGTERM", Request::Exit),
            None => ("SIGUSR1", Request::Restart),
        };
        let (wake, bell) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut raised = Vec::new();
        for (signal, name, request) in [
            (SIGTERM, "SIGTERM", Request::Exit),
            (SIGINT, "SIGINT", Request::Exit),
            (SIGHUP, "SIGHUP", Request::Reload),
            (SIGUSR1, usr1.0, usr1.1),
            (SIGUSR2, "SIGUSR2", Request::Status),
        ] {
            let flag = Arc::new(AtomicBool::new(false));
            // The flag first: it must stand when the byte wakes us.
            flag::register(signal, Arc::clone(&flag))?;
            low_level::pipe::register(signal, bell.try_clone()?)?;
            raised.push((name, request, flag));
        }
        Ok(Self { wake, raised })
    }

    /// Whether one that asks for the end has arrived and is not yet [taken](Self::take).
    pub(crate) fn ask_for_end(&self) -> bool {
        self.raised.iter().any(|(_, request, flag)| *request == Request::Exit && flag.load(Ordering::Relaxed))
    }

    /// The signals that have arrived since the last call, each once.
    pub(crate) fn take(&mut self) -> Vec<(&'static str, Request)> {
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(count) if count > 0) {}
        let arrived = self.raised.iter().filter(|(_, _, flag)| flag.swap(false, Ordering::Relaxed));
        arrived.map(|&(name, request, _)| (name, request)).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_reported_once() {
        let mut signals = Signals::new(None).unwrap();
        assert!(signals.take().is_empty() && !signals.ask_for_end());
        low_level::raise(SIGUSR2).unwrap();
        low_level::raise(SIGUSR2).unwrap();
        assert!(!signals.ask_for_end());
        assert_eq!(signals.take(), [("SIGUSR2", Request::Status)]);
        assert!(signals.take().is_empty());
        low_level::raise(SIGINT).unwrap();
        // It is still to be served.
        assert!(signals.ask_for_end() && signals.ask_for_end());
        assert_eq!(signals.take(), [("SIGINT", Request::Exit)]);
        assert!(!signals.ask_for_end());
    }
}
