//! The handle of a peer.

use core::fmt;

/// One remote end, as this engine numbers it: an index and a generation, so that a handle that outlived its peer
/// never reaches another one.
///
/// Not the 24-bit peer-id of the wire, which is reused at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PeerId(u32);

impl PeerId {
    /// Not known, or none.
    pub const NONE: Self = Self(u32::MAX);
    /// A client's one peer: its server.
    pub const SERVER: Self = Self(0);

    const INDEX_BITS: u32 = 20;

    /// A handle by the caller's own numbers, for a [`Router`](crate::router::Router) that is used without sessions:
    /// `index` is below 2^20, `generation` below 2^12, and what exceeds that is cut off.
    pub const fn new(index: u32, generation: u32) -> Self {
        Self((generation << Self::INDEX_BITS) | (index & ((1 << Self::INDEX_BITS) - 1)))
    }

    /// The handle as one number, for tables; [`from_raw`](Self::from_raw) gives it back.
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn index(self) -> usize {
        (self.0 & ((1 << Self::INDEX_BITS) - 1)) as usize
    }
}

impl Default for PeerId {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE { f.write_str("none") } else { write!(f, "{}", self.index()) }
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
