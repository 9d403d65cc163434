//! What is wrong with a configuration, where, and what would be right.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;

/// A place in a configuration file or in a file that it names. Lines and columns count from 1; 0 is "not known".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The file as the user named it, or `[CMD-LINE]`, `[PUSH-OPTIONS]`.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// A place in `file`.
    pub fn new(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and could be better.
    Warning,
    /// It cannot be used.
    Error,
}

/// One finding: one sentence that says what was found and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub position: Position,
    /// The sentence, without a full stop.
    pub message: String,
}

impl Diagnostic {
    /// An error at `position`.
    pub fn error(position: &Position, message: impl fmt::Display) -> Self {
        Self { severity: Severity::Error, position: position.clone(), message: message.to_string() }
    }

    /// A warning at `position`.
    pub fn warning(position: &Position, message: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, position: position.clone(), message: message.to_string() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl core::error::Error for Diagnostic {}
