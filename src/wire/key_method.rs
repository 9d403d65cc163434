//! The key method 2 message: the first plaintext that each end sends over a new TLS session.
//!
//! ```text
//! u32 0 | u8 2 | 48 pre-master (client only) | 32 random 1 | 32 random 2
//! | string options | string username | string password | string peer info
//! ```
//!
//! A string is its length in two bytes, a final NUL included, and its bytes. Length 0 is "not provided", which is
//! something else than the empty string of length 1. Old peers end the message after the options or the password.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::algorithm::Role;
use crate::host::Entropy;

/// The options string's limit in bytes, its NUL included, as 2.x has it.
pub const MAX_OPTIONS: usize = 512;
/// The limit of username and of password in bytes, each with its NUL: that of 2.x as distributions build it.
pub const MAX_CREDENTIAL: usize = 4096;
/// The limit of a whole message in bytes: one TLS record.
pub const MAX_MESSAGE: usize = 16 * 1024;

const HEAD: [u8; 5] = [0, 0, 0, 0, 2];
const KEY_METHOD_MASK: u8 = 0x0f;

/// One end's share of the key material. Zeroized when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct KeySource {
    /// The secret that the client sends; zero at a server.
    pub pre_master: [u8; 48],
    /// Goes into the master secret.
    pub random1: [u8; 32],
    /// Goes into the key expansion.
    pub random2: [u8; 32],
}

impl KeySource {
    /// All zero: to be filled.
    pub const ZERO: Self = Self { pre_master: [0; 48], random1: [0; 32], random2: [0; 32] };

    /// A fresh share for the end that is `sender`.
    pub fn random(sender: Role, entropy: &mut dyn Entropy) -> Self {
        let mut source = Self::ZERO;
        if sender == Role::Client {
            entropy.fill(&mut source.pre_master);
        }
        entropy.fill(&mut source.random1);
        entropy.fill(&mut source.random2);
        source
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource(..)")
    }
}

/// The message as a value. Control characters in options, username and password, and bytes that are not UTF-8
/// anywhere, are read as `_`, as OpenVPN hands them to its scripts.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMethod2 {
    /// The sender's share of the key material.
    pub source: KeySource,
    /// The sender's options string; see [`OptionsString`](crate::wire::OptionsString).
    pub options: String,
    /// The client's username, if it provided one.
    pub username: Option<String>,
    /// The client's password, if it provided one.
    pub password: Option<Zeroizing<String>>,
    /// The client's peer info, lines of text; see [`PeerInfo`](crate::wire::PeerInfo).
    pub peer_info: String,
}

/// Why bytes are not a key method 2 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMethodError {
    /// They end within it; more may come.
    Incomplete,
    /// They cannot become one, and why.
    Malformed(&'static str),
}

impl fmt::Display for KeyMethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the key method message is not complete"),
            Self::Malformed(what) => write!(f, "the key method message is malformed: {what}"),
        }
    }
}

impl core::error::Error for KeyMethodError {}

impl KeyMethod2 {
    /// Reads the message of the end that is `sender` from the front of `bytes`, and says how many bytes it has.
    ///
    /// The strings behind the options may be absent, where `bytes` end exactly before one of them. OpenVPN writes the
    /// message as one TLS record: pass the whole of it.
    pub fn parse(sender: Role, bytes: &[u8]) -> Result<(Self, usize), KeyMethodError> {
        let mut reader = Reader { rest: &bytes[..bytes.len().min(MAX_MESSAGE)] };
        let message = Self::read(sender, &mut reader).map_err(|error| match error {
            KeyMethodError::Incomplete if bytes.len() >= MAX_MESSAGE => {
                KeyMethodError::Malformed("it is longer than 16 KiB")
            }
            error => error,
        })?;
        Ok((message, bytes.len().min(MAX_MESSAGE) - reader.rest.len()))
    }

    fn read(sender: Role, reader: &mut Reader<'_>) -> Result<Self, KeyMethodError> {
        let [zeros @ .., method] = reader.array::<5>()?;
        if *zeros != HEAD[..4] {
            return Err(KeyMethodError::Malformed("it does not begin with four zero bytes"));
        }
        if method & KEY_METHOD_MASK != HEAD[4] {
            return Err(KeyMethodError::Malformed("the key method is not 2"));
        }
        let mut source = KeySource::ZERO;
        if sender == Role::Client {
            source.pre_master = *reader.array()?;
        }
        source.random1 = *reader.array()?;
        source.random2 = *reader.array()?;
        let options = reader.string(MAX_OPTIONS, "the options string has more than 512 bytes")?;
        let username = reader.trailing(MAX_CREDENTIAL, "the username has more than 4096 bytes")?;
        let password = reader.trailing(MAX_CREDENTIAL, "the password has more than 4096 bytes")?;
        let peer_info = reader.trailing(MAX_MESSAGE, "the peer info has more than 16 KiB")?;
        Ok(Self {
            source,
            options: options.map(line).unwrap_or_default(),
            username: username.map(line),
            password: password.map(|text| Zeroizing::new(line(text))),
            peer_info: peer_info.map(|text| readable(text, |c| c == '\n')).unwrap_or_default(),
        })
    }

    /// Appends the message, as the end that is `sender` writes it, to `out`.
    ///
    /// `out` then holds secrets; it is grown at most once, and before they are written. A string that the format
    /// cannot carry (it holds a NUL, or is beyond its limit) goes out as not provided, and the peer refuses the login.
    pub fn emit(&self, sender: Role, out: &mut Vec<u8>) {
        let strings = [
            (Some(self.options.as_str()).filter(|text| !text.is_empty()), MAX_OPTIONS),
            (self.username.as_deref(), MAX_CREDENTIAL),
            (self.password.as_ref().map(|text| text.as_str()), MAX_CREDENTIAL),
            (Some(self.peer_info.as_str()).filter(|text| !text.is_empty()), MAX_MESSAGE / 2),
        ];
        let text_len: usize = strings.iter().map(|(text, _)| 2 + text.map_or(0, |text| text.len() + 1)).sum();
        out.reserve(HEAD.len() + 48 + 32 + 32 + text_len);

        out.extend_from_slice(&HEAD);
        if sender == Role::Client {
            out.extend_from_slice(&self.source.pre_master);
        }
        out.extend_from_slice(&self.source.random1);
        out.extend_from_slice(&self.source.random2);
        for (text, limit) in strings {
            let text = text.filter(|text| text.len() < limit && !text.contains('\0'));
            out.extend_from_slice(&text.map_or(0, |text| text.len() as u16 + 1).to_be_bytes());
            if let Some(text) = text {
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
        }
    }
}

impl fmt::Debug for KeyMethod2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMethod2")
            .field("options", &self.options)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("peer_info", &self.peer_info)
            .finish_non_exhaustive()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], KeyMethodError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(KeyMethodError::Incomplete)?;
        self.rest = rest;
        Ok(array)
    }

    /// A string without its NUL; `None` for one that is not provided.
    fn string(&mut self, limit: usize, too_long: &'static str) -> Result<Option<&'a [u8]>, KeyMethodError> {
        let len = usize::from(u16::from_be_bytes(*self.array()?));
        if len > limit {
            return Err(KeyMethodError::Malformed(too_long));
        }
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(KeyMethodError::Incomplete)?;
        self.rest = rest;
        match bytes.split_last() {
            None => Ok(None),
            Some((0, text)) if !text.contains(&0) => Ok(Some(text)),
            Some(_) => Err(KeyMethodError::Malformed("a string does not end at its NUL")),
        }
    }

    /// The same for a string that an old peer leaves out.
    fn trailing(&mut self, limit: usize, too_long: &'static str) -> Result<Option<&'a [u8]>, KeyMethodError> {
        if self.rest.is_empty() { Ok(None) } else { self.string(limit, too_long) }
    }
}

fn line(bytes: &[u8]) -> String {
    readable(bytes, |_| false)
}

fn readable(bytes: &[u8], allowed: impl Fn(char) -> bool) -> String {
    // Room for all of it at once: a password must not be left behind in a buffer that was outgrown.
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().chars().map(|c| if c.is_control() && !allowed(c) { '_' } else { c }));
        if !chunk.invalid().is_empty() {
            text.push('_');
        }
    }
    text
}

#[cfg(test)]
mod tests;
