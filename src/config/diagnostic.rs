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
    /// The sentence, without a full stop and without control characters, whatever the configuration holds.
    pub message: String,
}

impl Diagnostic {
    /// An error at `position`.
    pub fn error(position: &Position, message: impl fmt::Display) -> Self {
        Self::new(Severity::Error, position, message)
    }

    /// A warning at `position`.
    pub fn warning(position: &Position, message: impl fmt::Display) -> Self {
        Self::new(Severity::Warning, position, message)
    }

    /// A finding at `position`.
    pub fn new(severity: Severity, position: &Position, message: impl fmt::Display) -> Self {
        let mut message = message.to_string();
        if message.contains(char::is_control) {
            message = printable(&message);
        }
        Self { severity, position: position.clone(), message }
    }
}

/// A profile may come from a stranger, and what is quoted of it must not steer the terminal.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl core::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_profile_does_not_steer_the_terminal() {
        let finding = Diagnostic::error(&Position::new("x", 1, 1), "'a\u{1b}[2J\rb\u{9b}' is not é");
        assert_eq!(finding.message, "'a\\u{1b}[2J\\rb\\u{9b}' is not é");
    }
}
