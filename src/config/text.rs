//! [`NamedText`]: the contents of a file that a configuration names, or of an inline block, with its origin.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::diagnostic::Position;

/// A text that knows where it stands, so that a bad line in it can be named. Zeroized when dropped: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedText {
    /// The file that holds it: its own, or the configuration file of an inline block.
    pub file: Arc<str>,
    /// The line of that file on which the text begins, from 1.
    pub first_line: u32,
    /// The bytes.
    pub text: Zeroizing<Vec<u8>>,
}

impl NamedText {
    /// The whole contents of `file`.
    pub fn file(file: impl Into<Arc<str>>, text: impl Into<Vec<u8>>) -> Self {
        Self { file: file.into(), first_line: 1, text: Zeroizing::new(text.into()) }
    }

    /// An inline block of `file` whose first line is `first_line`.
    pub fn inline(file: impl Into<Arc<str>>, first_line: u32, text: impl Into<Vec<u8>>) -> Self {
        Self { file: file.into(), first_line, text: Zeroizing::new(text.into()) }
    }

    /// The position of the text's line `line`, from 1.
    pub fn position(&self, line: u32, column: u32) -> Position {
        Position::new(Arc::clone(&self.file), self.first_line + line.saturating_sub(1), column)
    }
}

impl fmt::Debug for NamedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedText({}:{}, {} bytes)", self.file, self.first_line, self.text.len())
    }
}
