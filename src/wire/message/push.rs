//! PUSH_REPLY over several messages: `push-continuation 2` says that more will follow, `push-continuation 1` that
//! this is the last.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use zeroize::Zeroizing;

use crate::reason::DropReason;

/// A message that would reach this length goes on in the next: clients take 1024 bytes with the NUL, and 84 are kept
/// for the continuation.
const SOFT_LIMIT: usize = 940;
const LONGEST_MESSAGE: usize = 1024;
/// What an option counts at least towards the limit of a push, for it takes that much memory.
const SHORTEST_OPTION: usize = 16;

/// The PUSH_REPLY messages that carry `options`, in order; one if they fit.
///
/// An option holds no comma (there is no escape for it) and at most 255 bytes, or clients misread it: what configures
/// a push checks that.
pub fn push_replies<'a>(options: impl IntoIterator<Item = &'a str>) -> Vec<Zeroizing<String>> {
    let begin = || {
        // As much as it may ever hold: a token leaves no copy behind in memory that was too small.
        let mut message = Zeroizing::new(String::with_capacity(LONGEST_MESSAGE));
        message.push_str("PUSH_REPLY");
        message
    };
    let mut messages = Vec::new();
    let mut message = begin();
    for option in options {
        if message.len() + 1 + option.len() >= SOFT_LIMIT {
            message.push_str(",push-continuation 2");
            messages.push(mem::replace(&mut message, begin()));
        }
        message.push(',');
        message.push_str(option);
    }
    if !messages.is_empty() {
        message.push_str(",push-continuation 1");
    }
    messages.push(message);
    messages
}

/// Gathers the options of a push over its messages.
#[derive(Debug)]
pub struct PushReplyAssembler {
    options: Vec<String>,
    used: usize,
    limit: usize,
}

impl PushReplyAssembler {
    /// For at most `limit` bytes of options over all messages; an option counts its length and comma, and 16 at least.
    pub fn new(limit: usize) -> Self {
        Self { options: Vec::new(), used: 0, limit }
    }

    /// Takes what follows `PUSH_REPLY,` in one message; after the last message, gives all options but the
    /// continuations, and starts over.
    ///
    /// [`DropReason::TooLarge`] beyond the limit; all that was gathered is forgotten.
    pub fn add(&mut self, part: &str) -> Result<Option<Vec<String>>, DropReason> {
        let mut more = false;
        for option in part.split(',').filter(|option| !option.is_empty()) {
            if let Some(continuation) = option.strip_prefix("push-continuation ") {
                more = continuation.trim() == "2";
                continue;
            }
            self.used += (option.len() + 1).max(SHORTEST_OPTION);
            if self.used > self.limit {
                *self = Self::new(self.limit);
                return Err(DropReason::TooLarge);
            }
            self.options.push(option.to_owned());
        }
        if more {
            return Ok(None);
        }
        self.used = 0;
        Ok(Some(mem::take(&mut self.options)))
    }
}
