//! [`Conversation`]: what a management client sends, cut into lines, and whether it may send them.
//!
//! Owns the bytes that are not yet a line, the password prompt, and the refusal of programs that speak another
//! protocol. Opens and reads no socket. The fuzz target `management` includes this file, so it uses nothing else of the
//! host.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The longest line, in bytes.
pub(crate) const MAX_LINE: usize = 1024;
/// How many wrong passwords end a connection.
const MAX_TRIES: u32 = 3;

/// How programs of other protocols begin. A browser can be made to send a request here by any page that it shows, with
/// commands in the lines that follow; none of them is looked at.
const FOREIGN: [&[u8]; 12] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"OPTIONS ",
    b"DELETE ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI ",
    b"SSH-",
    b"\x16\x03",
];

/// What a client has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A line to be obeyed.
    Line(Zeroizing<String>),
    /// A line that is too long; it is gone.
    TooLong,
    /// The right password: greet.
    Accepted,
    /// A wrong one: ask again.
    Wrong,
    /// Too many wrong ones: end the connection.
    Rejected,
    /// It does not speak this protocol: end the connection.
    Foreign,
}

/// One client's side of the talk.
#[derive(Debug)]
pub(crate) struct Conversation {
    pending: Vec<u8>,
    /// How much of `pending` is known to hold no line feed.
    searched: usize,
    /// The rest of a line that is too long is skipped.
    skipping: bool,
    /// Nothing but the first line tells whose protocol it is.
    first: bool,
    /// Wrong passwords so far, while one is asked for.
    tries: Option<u32>,
    /// Nothing more is heard.
    over: bool,
}

impl Conversation {
    /// `locked`: a password comes first.
    pub(crate) fn new(locked: bool) -> Self {
        Self {
            pending: Vec::new(),
            searched: 0,
            skipping: false,
            first: true,
            tries: locked.then_some(0),
            over: false,
        }
    }

    /// Whether the password is still to come.
    pub(crate) fn is_locked(&self) -> bool {
        self.tries.is_some()
    }

    /// Takes in what has been read.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if !self.over {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// The next thing that the client has said; `password` is what opens.
    pub(crate) fn next(&mut self, password: Option<&str>) -> Option<Heard> {
        loop {
            if self.over {
                return None;
            }
            if self.first && FOREIGN.iter().any(|beginning| self.pending.starts_with(beginning)) {
                return Some(self.end(Heard::Foreign));
            }
            let Some(at) = self.pending[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                if self.pending.len() <= MAX_LINE {
                    return None;
                }
                self.clear();
                self.first = false;
                if std::mem::replace(&mut self.skipping, true) {
                    return None;
                }
                return Some(match self.tries {
                    None => Heard::TooLong,
                    Some(tries) => self.try_password(None, password, tries),
                });
            };
            let line = self.take_line(self.searched + at);
            self.first = false;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            return Some(match (line, self.tries) {
                (None, None) => Heard::TooLong,
                (Some(line), None) => Heard::Line(line),
                (line, Some(tries)) => self.try_password(line, password, tries),
            });
        }
    }

    fn try_password(
        &mut self,
        given: Option<Zeroizing<String>>,
        password: Option<&str>,
        tries: u32,
    ) -> Heard {
        let right = given
            .zip(password)
            .is_some_and(|(given, password)| bool::from(given.as_bytes().ct_eq(password.as_bytes())));
        if right {
            self.tries = None;
            return Heard::Accepted;
        }
        if tries + 1 >= MAX_TRIES {
            return self.end(Heard::Rejected);
        }
        self.tries = Some(tries + 1);
        Heard::Wrong
    }

    /// Takes the line that ends at `end` off; `None` if it is too long. As in OpenVPN, what cannot be printed is not
    /// part of it.
    fn take_line(&mut self, end: usize) -> Option<Zeroizing<String>> {
        let mut rest = self.pending.split_off(end + 1);
        std::mem::swap(&mut rest, &mut self.pending);
        let mut line = Zeroizing::new(rest);
        self.searched = 0;
        if line.len() > MAX_LINE + 1 {
            return None;
        }
        line.retain(|byte| !byte.is_ascii_control());
        Some(Zeroizing::new(String::from_utf8_lossy(&line).into_owned()))
    }

    fn clear(&mut self) {
        self.pending.zeroize();
        self.searched = 0;
    }

    fn end(&mut self, last: Heard) -> Heard {
        self.clear();
        self.over = true;
        last
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.pending.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(conversation: &mut Conversation, bytes: &[u8]) -> Vec<Heard> {
        conversation.receive(bytes);
        std::iter::from_fn(|| conversation.next(Some("secret"))).collect()
    }

    fn line(text: &str) -> Heard {
        Heard::Line(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn lines_come_in_pieces_and_many_at_once() {
        let mut open = Conversation::new(false);
        assert_eq!(hear(&mut open, b"pi"), []);
        assert_eq!(hear(&mut open, b"d\r\nsta\0te\x01\n\nve"), [line("pid"), line("state"), line("")]);
        assert_eq!(hear(&mut open, b"rb\xff\n"), [line("verb\u{fffd}")]);
    }

    #[test]
    fn the_longest_line_and_one_that_is_longer() {
        let mut open = Conversation::new(false);
        let longest = "x".repeat(MAX_LINE);
        assert_eq!(hear(&mut open, format!("{longest}\n").as_bytes()), [line(&longest)]);
        assert_eq!(hear(&mut open, format!("{longest}x\npid\n").as_bytes()), [Heard::TooLong, line("pid")]);
        // In pieces it is told once, and its end is not taken for a line.
        assert_eq!(hear(&mut open, format!("{longest}x").as_bytes()), [Heard::TooLong]);
        assert_eq!(hear(&mut open, longest.repeat(3).as_bytes()), []);
        assert_eq!(hear(&mut open, b"pid\nverb\n"), [line("verb")]);
    }

    #[test]
    fn a_password_comes_first_and_few_tries_are_given() {
        let mut locked = Conversation::new(true);
        assert!(locked.is_locked());
        assert_eq!(hear(&mut locked, b"bad\nsecret\r\npid\n"), [Heard::Wrong, Heard::Accepted, line("pid")]);
        assert!(!locked.is_locked());

        let mut locked = Conversation::new(true);
        let tries = hear(&mut locked, b"secre\nsecrets\n\nsecret\npid\n");
        assert_eq!(tries, [Heard::Wrong, Heard::Wrong, Heard::Rejected]);
        assert_eq!(hear(&mut locked, b"secret\npid\n"), []);

        let mut locked = Conversation::new(true);
        let long = "x".repeat(2 * MAX_LINE);
        assert_eq!(hear(&mut locked, format!("{long}\n").as_bytes()), [Heard::Wrong]);
        assert_eq!(hear(&mut locked, long.as_bytes()), [Heard::Wrong]);
        assert_eq!(hear(&mut locked, b"secret\nsecret\n"), [Heard::Accepted]);
    }

    #[test]
    fn a_browser_is_not_listened_to() {
        for request in
            ["GET / HTTP/1.1\r\npid\r\n", "POST /signal%20SIGTERM HTTP/1.0\r\n\r\nsignal SIGTERM\n"]
        {
            for locked in [false, true] {
                let mut conversation = Conversation::new(locked);
                assert_eq!(hear(&mut conversation, request.as_bytes()), [Heard::Foreign]);
                assert_eq!(hear(&mut conversation, b"secret\nsignal SIGTERM\n"), []);
            }
        }
        // Byte by byte as well, and only at the very beginning.
        let mut open = Conversation::new(false);
        assert_eq!(hear(&mut open, b"GE"), []);
        assert_eq!(hear(&mut open, b"T /"), [Heard::Foreign]);
        let mut open = Conversation::new(false);
        assert_eq!(hear(&mut open, b"pid\nGET /\n"), [line("pid"), line("GET /")]);
    }
}
