//! Control messages: lines of text that the ends exchange over TLS once the key method messages are through.

mod push;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

pub use push::{PushReplyAssembler, push_replies};

/// A control message. The texts are what follows the word and its comma, and empty if nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlMessage<'a> {
    /// The client asks for its options.
    PushRequest,
    /// Options, separated by commas; see [`PushReplyAssembler`].
    PushReply(&'a str),
    /// Changed options, separated by commas.
    PushUpdate(&'a str),
    /// The client is refused, with a reason or keywords.
    AuthFailed(&'a str),
    /// The decision is pending, with keywords.
    AuthPending(&'a str),
    /// The client shall connect anew, with flags in brackets and a text.
    Restart(&'a str),
    /// The client shall disconnect.
    Halt(&'a str),
    /// A notice to the user before the login is complete.
    InfoPre(&'a str),
    /// A notice to the user.
    Info(&'a str),
    /// The client's answer to a challenge, in base64.
    CrResponse(&'a str),
    /// The sender leaves.
    Exit,
    /// None of these: the whole message.
    Unknown(&'a str),
}

impl<'a> ControlMessage<'a> {
    /// Reads a message, as [`split_messages`] gives it.
    pub fn parse(text: &'a str) -> Self {
        let (word, rest) = text.split_once(',').unwrap_or((text, ""));
        match word {
            "PUSH_REPLY" => Self::PushReply(rest),
            "PUSH_UPDATE" => Self::PushUpdate(rest),
            "AUTH_FAILED" => Self::AuthFailed(rest),
            "AUTH_PENDING" => Self::AuthPending(rest),
            "RESTART" => Self::Restart(rest),
            "HALT" => Self::Halt(rest),
            "INFO_PRE" => Self::InfoPre(rest),
            "INFO" => Self::Info(rest),
            "CR_RESPONSE" => Self::CrResponse(rest),
            _ if text == "PUSH_REQUEST" => Self::PushRequest,
            _ if text == "EXIT" => Self::Exit,
            _ => Self::Unknown(text),
        }
    }

    /// The bytes of one TLS record: the text and its NUL.
    pub fn to_record(&self) -> Vec<u8> {
        alloc::format!("{self}\0").into_bytes()
    }
}

impl fmt::Display for ControlMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, rest) = match self {
            Self::PushRequest => ("PUSH_REQUEST", ""),
            Self::PushReply(rest) => ("PUSH_REPLY", *rest),
            Self::PushUpdate(rest) => ("PUSH_UPDATE", *rest),
            Self::AuthFailed(rest) => ("AUTH_FAILED", *rest),
            Self::AuthPending(rest) => ("AUTH_PENDING", *rest),
            Self::Restart(rest) => ("RESTART", *rest),
            Self::Halt(rest) => ("HALT", *rest),
            Self::InfoPre(rest) => ("INFO_PRE", *rest),
            Self::Info(rest) => ("INFO", *rest),
            Self::CrResponse(rest) => ("CR_RESPONSE", *rest),
            Self::Exit => ("EXIT", ""),
            Self::Unknown(text) => (*text, ""),
        };
        f.write_str(word)?;
        if rest.is_empty() { Ok(()) } else { write!(f, ",{rest}") }
    }
}

/// The messages of one TLS record: each ends in a NUL; a tail without one is discarded, and so are empty messages and
/// line ends behind a text.
///
/// The bytes in place of a message that is not printable UTF-8: as they are they must reach neither logs nor scripts
/// (CVE-2024-5594).
pub fn split_messages(record: &[u8]) -> impl Iterator<Item = Result<&str, &[u8]>> {
    let terminated = record.iter().rposition(|&byte| byte == 0).map_or(&[][..], |last| &record[..last]);
    terminated.split(|&byte| byte == 0).filter_map(|bytes| {
        let Ok(text) = core::str::from_utf8(bytes) else { return Some(Err(bytes)) };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.contains(char::is_control) {
            return Some(Err(bytes));
        }
        (!text.is_empty()).then_some(Ok(text))
    })
}

/// What is told of a message that is not printable: its beginning with all other bytes escaped, without secrets.
pub fn quote_unprintable(message: &[u8]) -> String {
    const MOST: usize = 1000;

    let mut text = mask_secrets(&message.escape_ascii().to_string());
    if text.len() > MOST {
        text.truncate(MOST);
        text.push_str("...");
    }
    text
}

/// The message with its secrets as `...`, for logs: tokens, answers to challenges, links that log somebody in.
pub fn mask_secrets(message: &str) -> String {
    /// What stands before a secret, and whether that reaches to the end: answers and links may hold commas.
    const SECRETS: [(&str, bool); 4] =
        [("auth-token ", false), ("CR_RESPONSE,", true), ("WEB_AUTH:", true), ("OPEN_URL:", true)];

    let first_secret = |text: &str| {
        let ends = SECRETS.iter().filter_map(|&(word, to_end)| Some((text.find(word)? + word.len(), to_end)));
        ends.min_by_key(|&(at, _)| at)
    };
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((at, to_end)) = first_secret(rest) {
        let (clear, secret) = rest.split_at(at);
        out.push_str(clear);
        out.push_str("...");
        rest = if to_end { "" } else { secret.find(',').map_or("", |comma| &secret[comma..]) };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
