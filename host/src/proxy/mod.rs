//! What is said to a proxy before its connection leads to the server: bytes in, bytes out.
//!
//! Owns the dialogues of HTTP's CONNECT ([`http`]) and of SOCKS 5 ([`socks`]), and the header of datagrams that a
//! SOCKS relay passes on ([`datagram`]). Knows no socket and no clock: [`Io`](crate::io::Io) moves the bytes, and who
//! opened the link watches the time. An answer is bounded; what a proxy says is shown only as printable text.

pub(crate) mod datagram;
mod http;
mod socks;

use std::net::IpAddr;

use adit::config::Credentials;
use zeroize::Zeroizing;

pub(crate) use http::{HttpConnect, Request};
pub(crate) use socks::{Command, Socks};

/// Where the proxy is to lead, in the user's words: it resolves the name itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// How to log in at a proxy, if it asks for that.
pub(crate) type Login = Option<Credentials>;

/// A dialogue under way.
#[derive(Debug)]
pub(crate) enum Dialogue {
    Http(HttpConnect),
    Socks(Socks),
}

/// Why there will be no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// One sentence.
    pub(crate) sentence: String,
    /// Another login might do.
    pub(crate) wants_login: bool,
}

impl From<&str> for Refusal {
    fn from(sentence: &str) -> Self {
        Self { sentence: sentence.to_owned(), wants_login: false }
    }
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More must come, or something is to be said first.
    Wait,
    /// The connection leads to the server now.
    Open,
    /// SOCKS: datagrams for the server go to that address, or to that port at the proxy's own.
    Relay(Option<IpAddr>, u16),
}

impl Dialogue {
    /// What is to be sent next; taken once.
    pub(crate) fn take_output(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Http(http) => http.take_output(),
            Self::Socks(socks) => socks.take_output(),
        }
    }

    /// Takes what the proxy says, as much of it as has come: how many bytes are done with, and what follows. Bytes
    /// behind the last of the dialogue are the server's. An error ends the link.
    pub(crate) fn handle(&mut self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        match self {
            Self::Http(http) => http.handle(bytes),
            Self::Socks(socks) => socks.handle(bytes),
        }
    }
}

/// What a proxy says, fit for a log: printable, and not too much of it.
fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String =
        text.chars().take(MOST).map(|c| if c.is_control() || c == '\u{fffd}' { '_' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_says_is_shown_without_its_tricks() {
        assert_eq!(printable(b"HTTP/1.0 403 no\x1b[31m\x07\xff"), "HTTP/1.0 403 no_[31m__");
        assert_eq!(printable(&[b'x'; 500]).len(), 123);
    }

    /// Noise, whole and in pieces, after beginnings that are right so far.
    #[test]
    fn noise_is_refused_or_waited_out() {
        let login = || Some(Credentials { username: "a".into(), password: Zeroizing::new("b".into()) });
        let to = || Destination { host: "vpn.example".into(), port: 1194 };
        let request = Request { version: "1.1", agent: None, headers: &[] };
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let beginnings: [&[u8]; 6] = [
                b"",
                b"HTTP/1.1 200 ",
                b"\x05\0",
                b"\x05\x02\x01\0",
                b"\x05\0\x05\0\0",
                b"\x05\0\x05\0\0\x03",
            ];
            let mut dialogue = match round % 3 {
                0 => Dialogue::Http(HttpConnect::new(&to(), &request, &login())),
                1 => Dialogue::Socks(Socks::new(Command::Connect(to()), login()).unwrap()),
                _ => Dialogue::Socks(Socks::new(Command::UdpAssociate, None).unwrap()),
            };
            let mut bytes = beginnings[(random() % 6) as usize].to_vec();
            bytes.extend((0..random() % 40).map(|_| random() as u8));
            let (mut start, mut end) = (0, 0);
            while end < bytes.len() {
                end = (end + 1 + (random() % 8) as usize).min(bytes.len());
                while dialogue.take_output().is_some() {}
                match dialogue.handle(&bytes[start..end]) {
                    Ok((used, Step::Wait)) if used <= end - start => start += used,
                    Ok((used, _)) if used <= end - start => break,
                    Ok((used, _)) => panic!("{used} of {} bytes used", end - start),
                    Err(refusal) => {
                        assert!(!refusal.sentence.contains(char::is_control), "{refusal:?}");
                        break;
                    }
                }
            }
        }
    }
}
