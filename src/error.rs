//! Errors by blame: the caller, resources, the configuration, us.
//!
//! What the *peer* does wrong is never an error of a call: it is a [`DropReason`](crate::DropReason) with a counter,
//! or a [`CloseReason`](crate::CloseReason) in an event.

use alloc::boxed::Box;
use core::fmt;

use crate::config::Diagnostic;

/// Why a call of the engine's API failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The caller: the call does not fit the state, or names something that is not there.
    Usage(UsageError),
    /// A table of [`Limits`](crate::Limits) is full.
    Limit(&'static str),
    /// The configuration, with file, line and column.
    Config(Box<Diagnostic>),
    /// The TLS library refused what it should not have: a bug of ours.
    Internal(&'static str),
}

/// How a caller misused the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsageError {
    /// No such peer, or no longer.
    NoSuchPeer,
    /// No such request: it was answered, its deadline passed, or its peer has gone.
    NoSuchRequest,
    /// The call is for another state, such as `connect` while connected.
    WrongState,
    /// The peer's data state is detached, or is not the one that was handed out.
    NotAttached,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchPeer => "there is no such peer",
            Self::NoSuchRequest => "there is no such request, or it is settled already",
            Self::WrongState => "this call does not fit the present state",
            Self::NotAttached => "the data state of this peer is detached, or is another one",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Limit(table) => write!(f, "the limit of {table} is reached"),
            Self::Config(diagnostic) => diagnostic.fmt(f),
            Self::Internal(what) => write!(f, "internal error: {what}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Config(Box::new(diagnostic))
    }
}
