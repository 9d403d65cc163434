//! [`Connection`]: one management client, with what waits to be sent to it.
//!
//! Owns the socket, the bounded queue, and what the client has turned on. Knows no command.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use adit::Instant;
use socket2::Socket;

use super::conversation::Conversation;
use crate::timer::Every;

/// A client that leaves so much unread is cut off, in bytes. The answer to one command may be longer.
const MAX_WAITING: usize = 1 << 20;
/// With so much unread, its next commands are left in the socket, in bytes.
const MANY_WAITING: usize = 64 << 10;
/// What is read at a time, in bytes.
const READ: usize = 4096;

/// What became of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It goes on.
    Open,
    /// The other end is gone.
    Closed,
}

/// Notices that a client has turned on, each with the number of the line that comes next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Following {
    pub(super) log: Option<u64>,
    pub(super) state: Option<u64>,
    pub(super) echo: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    /// For the log.
    pub(super) name: String,
    pub(super) conversation: Conversation,
    pub(super) following: Following,
    /// `bytecount`
    pub(super) byte_count: Every,
    waiting: Vec<u8>,
    sent: usize,
    /// Nothing can be sent any more. What the client said before is still heard, until the end of it is read.
    broken: bool,
    /// It is to be closed once all is sent.
    pub(super) leaving: bool,
    /// What the poller watches: reading, writing.
    pub(super) watched: (bool, bool),
}

impl Connection {
    pub(super) fn new(socket: Socket, name: String, locked: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            name,
            conversation: Conversation::new(locked),
            following: Following::default(),
            byte_count: Every::new(None, Instant::ZERO),
            waiting: Vec::new(),
            sent: 0,
            broken: false,
            leaving: false,
            watched: (true, false),
        })
    }

    /// Takes what the client has sent into the conversation.
    pub(super) fn read(&mut self) -> Reading {
        let mut buffer = zeroize::Zeroizing::new([0; READ]);
        match (&self.socket).read(&mut *buffer) {
            Ok(0) => Reading::Closed,
            Ok(count) => {
                self.conversation.receive(&buffer[..count]);
                Reading::Open
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Reading::Open
            }
            Err(_) => Reading::Closed,
        }
    }

    /// Puts a line into the queue.
    pub(super) fn send_line(&mut self, line: &str) {
        self.send_raw(line);
        self.send_raw("\r\n");
    }

    /// Puts text that does not end its line into the queue.
    pub(super) fn send_raw(&mut self, text: &str) {
        if !self.broken {
            self.waiting.extend_from_slice(text.as_bytes());
        }
    }

    /// Sends what waits, as far as there is room. After an error nothing waits: the poller would tell of it for ever.
    pub(super) fn flush(&mut self) {
        while self.unsent() > 0 {
            match (&self.socket).write(&self.waiting[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.broken = true;
                    self.sent = self.waiting.len();
                }
            }
        }
        if self.unsent() == 0 {
            // An answer of megabytes is not kept as room for the next.
            self.waiting = Vec::new();
            self.sent = 0;
        } else if self.sent > MANY_WAITING {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether it leaves too much unread for more to be put into its queue.
    pub(super) fn is_too_slow(&self) -> bool {
        self.unsent() > MAX_WAITING
    }

    /// What the poller should watch: reading, writing.
    pub(super) fn wants(&self) -> (bool, bool) {
        (!self.leaving && self.unsent() <= MANY_WAITING, self.unsent() > 0)
    }

    /// Whether the last word is said.
    pub(super) fn is_done(&self) -> bool {
        self.leaving && self.unsent() == 0
    }

    fn unsent(&self) -> usize {
        self.waiting.len() - self.sent
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
