//! [`Zone`]: where a packet comes from or goes to.

use core::fmt;

use crate::peer::PeerId;

/// A side of the router. Addresses mean something within one only: two zones may use the same (RFC 4787 REQ-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// A client.
    Peer(PeerId),
    /// The host: its kernel by TUN, or its own IP stack.
    Host,
    /// The LAN port.
    Lan,
}

impl Zone {
    /// Whether it is beyond the clients' side: where NAT translates to.
    #[inline]
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Host | Self::Lan)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(f, "client {peer}"),
            Self::Host => f.write_str("host"),
            Self::Lan => f.write_str("lan"),
        }
    }
}

/// The same in four bytes, for tables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub(super) struct ZoneId(u32);

impl ZoneId {
    /// No session has so high an index.
    const HOST: Self = Self(u32::MAX - 1);
    const LAN: Self = Self(u32::MAX - 2);
    /// No packet comes from there.
    pub(super) const NOWHERE: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn get(self) -> Zone {
        match self {
            Self::HOST => Zone::Host,
            Self::LAN => Zone::Lan,
            Self(raw) => Zone::Peer(PeerId::from_raw(raw)),
        }
    }

    #[inline]
    pub(super) fn raw(self) -> u32 {
        self.0
    }
}

impl From<Zone> for ZoneId {
    #[inline]
    fn from(zone: Zone) -> Self {
        match zone {
            Zone::Peer(peer) => Self(peer.raw()),
            Zone::Host => Self::HOST,
            Zone::Lan => Self::LAN,
        }
    }
}

impl fmt::Debug for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.get(), f)
    }
}
