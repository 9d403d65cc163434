//! [`Outline`]: the statements that make up a configuration, each with its place. What a block holds is not kept.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::diagnostic::{Diagnostic, Position};
use super::statement::Statement;

/// The statements that were taken in, in order.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    statements: Vec<Stated>,
    /// `cd`
    pub(crate) directory: Option<String>,
}

/// A statement, and where it stands.
#[derive(Clone)]
pub struct Stated {
    statement: Statement,
    is_block: bool,
}

impl Outline {
    pub(crate) fn note(&mut self, statement: &Statement) {
        self.statements.push(Stated { statement: statement.without_block(), is_block: statement.is_block() });
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Stated> {
        self.statements.iter()
    }

    /// Those of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Stated> {
        self.iter().filter(move |stated| stated.name() == name)
    }

    /// The last one of this name, which is the one that counts.
    pub fn last(&self, name: &str) -> Option<&Stated> {
        self.statements.iter().rev().find(|stated| stated.name() == name)
    }

    /// `path` from where the host is, whatever `cd` says.
    pub fn path(&self, path: &str) -> String {
        match &self.directory {
            Some(directory) => join(directory, path),
            None => path.into(),
        }
    }

    /// Whether one of these names stands there.
    pub fn has(&self, names: &[&str]) -> bool {
        self.iter().any(|stated| names.contains(&stated.name()))
    }
}

/// `path` as seen from `directory`.
pub(crate) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') { path.into() } else { format!("{}/{path}", directory.trim_end_matches('/')) }
}

impl Stated {
    /// The directive's name.
    pub fn name(&self) -> &str {
        self.statement.name()
    }

    /// Argument `n`, from 1.
    pub fn argument(&self, n: usize) -> Option<&str> {
        self.statement.word(n)
    }

    /// Where word `n` stands, the name being word 0.
    pub fn position(&self, n: usize) -> Position {
        self.statement.position(n)
    }

    /// Whether it is a block instead of the name of a file.
    pub fn is_block(&self) -> bool {
        self.is_block
    }

    pub(crate) fn warn(&self, n: usize, clause: impl fmt::Display) -> Diagnostic {
        Diagnostic::warning(&self.position(n), format_args!("{}: {clause}", self.name()))
    }
}

impl fmt::Debug for Stated {
    /// Without its arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stated").field(&self.name()).field(&self.position(0)).finish()
    }
}
