//! Protection of control packets: none, tls-auth, tls-crypt; and the server's cookie.
//!
//! [`WrapKeys`] holds the keys, shared by all sessions; [`ControlWrap`] adds what a session needs of its own: a counter
//! for what it sends and a replay window for what it receives. Knows headers and bytes, not what the inner part says.
//!
//! A server opens a first packet without a session, by [`WrapKeys::open_stateless`]. That turns the packet into clear
//! text in place, once and for all; when it then belongs to a session, only the replay check is left to do:
//!
//! ```text
//! let stamp = keys.stamp(packet);                     // in clear, before and after opening
//! let (header, inner) = keys.open_stateless(packet)?;
//! // ... find or make the session that `header` and `inner` speak of, then
//! session.wrap.accept_opened(now, stamp)?;
//! ```

mod cookie;
mod rate_limit;
mod replay;
mod tls_auth;
mod tls_crypt;

use alloc::format;
use alloc::sync::Arc;
use core::fmt;

pub use cookie::Cookie;
pub use rate_limit::InitialRateLimit;
pub use replay::ReplayWindow;

use tls_auth::TlsAuth;
use tls_crypt::TlsCrypt;

use crate::algorithm::{Digest, Role};
use crate::config::{Diagnostic, WrapConfig};
use crate::crypto::parse_static_key;
use crate::reason::DropReason;
use crate::time::{Instant, UnixTime};
use crate::wire::ControlHeader;

/// The number of a wrapped packet, in clear in it: never 0, and never the same twice at one time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketStamp {
    /// Counts the packets sent, retransmissions included, from 1.
    pub packet_id: u32,
    /// When the sender's counter was started, in Unix seconds.
    pub time: u32,
}

impl PacketStamp {
    const LEN: usize = 8;

    fn parse(bytes: &[u8; Self::LEN]) -> Self {
        let bits = u64::from_be_bytes(*bytes);
        Self { packet_id: (bits >> 32) as u32, time: bits as u32 }
    }

    fn to_bytes(self) -> [u8; Self::LEN] {
        (u64::from(self.packet_id) << 32 | u64::from(self.time)).to_be_bytes()
    }
}

/// The keys of one end for one way of wrapping, and which way that is. Cheap to clone.
#[derive(Clone, Default)]
pub struct WrapKeys(Option<Arc<Keys>>);

enum Keys {
    TlsAuth { send: TlsAuth, receive: TlsAuth, direction: Option<u8> },
    TlsCrypt { send: TlsCrypt, receive: TlsCrypt },
}

impl WrapKeys {
    /// No wrapping.
    pub const NONE: Self = Self(None);

    /// Reads the keys of the end that is `role`. `auth` is the digest of tls-auth.
    ///
    /// The error is about the key file, or the key direction.
    pub fn new(role: Role, config: &WrapConfig, auth: Digest) -> Result<Self, Diagnostic> {
        let keys = match config {
            WrapConfig::None => return Ok(Self::NONE),
            WrapConfig::TlsAuth { key, direction } => {
                let block = parse_static_key(key)?;
                let (send, receive) = match direction {
                    None => (0, 0),
                    Some(0) => (0, 1),
                    Some(1) => (1, 0),
                    Some(other) => {
                        let message =
                            format!("key-direction is {other}, and can only be 0 (server) or 1 (client)");
                        return Err(Diagnostic::error(&key.position(1, 0), message));
                    }
                };
                let slot = |index| TlsAuth::new(auth, block.key(index));
                Keys::TlsAuth { send: slot(send), receive: slot(receive), direction: *direction }
            }
            WrapConfig::TlsCrypt { key } => {
                let block = parse_static_key(key)?;
                // The other way round than on the data channel.
                let sent_by = |role| TlsCrypt::new(block.key(if role == Role::Server { 0 } else { 1 }));
                Keys::TlsCrypt { send: sent_by(role), receive: sent_by(role.peer()) }
            }
        };
        Ok(Self(Some(Arc::new(keys))))
    }

    /// Whether there is no wrapping.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is tls-auth, which the options string tells.
    pub fn is_tls_auth(&self) -> bool {
        matches!(self.0.as_deref(), Some(Keys::TlsAuth { .. }))
    }

    /// `key-direction` of tls-auth.
    pub fn key_direction(&self) -> Option<u8> {
        match self.0.as_deref() {
            Some(Keys::TlsAuth { direction, .. }) => *direction,
            _ => None,
        }
    }

    /// How many bytes wrapping adds to header and inner part.
    pub fn overhead(&self) -> usize {
        match self.0.as_deref() {
            None => 0,
            Some(Keys::TlsAuth { send, .. }) => send.overhead(),
            Some(Keys::TlsCrypt { .. }) => TlsCrypt::OVERHEAD,
        }
    }

    /// The stamp of a packet, unverified; `None` without wrapping, or if the packet is too short to have one.
    pub fn stamp(&self, packet: &[u8]) -> Option<PacketStamp> {
        let at = match self.0.as_deref()? {
            Keys::TlsAuth { receive, .. } => receive.stamp_offset(),
            Keys::TlsCrypt { .. } => TlsCrypt::STAMP_OFFSET,
        };
        packet.get(at..)?.first_chunk().map(PacketStamp::parse)
    }

    /// Opens a packet in place, whenever it was sent: header and inner part. After an error the packet is spoiled.
    ///
    /// [`DropReason::WrapAuthentication`] if it was not sealed with the peer's key, and the reasons of
    /// [`ControlHeader::parse`].
    pub fn open_stateless<'p>(&self, packet: &'p mut [u8]) -> Result<(ControlHeader, &'p [u8]), DropReason> {
        let header = ControlHeader::parse(packet)?;
        let inner = match self.0.as_deref() {
            None => packet.get(ControlHeader::LEN..),
            Some(Keys::TlsAuth { receive, .. }) => Some(receive.open(packet)?),
            Some(Keys::TlsCrypt { receive, .. }) => Some(receive.open(packet)?),
        };
        Ok((header, inner.ok_or(DropReason::Truncated)?))
    }

    /// Seals a packet into the front of `out` with packet id `packet_id`, and says how long it is. Only for answers
    /// that leave no session behind: who numbers packets one by one has a [`ControlWrap`].
    ///
    /// [`DropReason::NoRoom`] if `out` is too short.
    pub fn seal_stateless(
        &self,
        unix: UnixTime,
        packet_id: u32,
        header: ControlHeader,
        inner: &[u8],
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let stamp = PacketStamp { packet_id, time: unix.0 as u32 };
        let len = ControlHeader::LEN + self.overhead() + inner.len();
        let packet = out.get_mut(..len).ok_or(DropReason::NoRoom)?;
        let (head, body) = packet.split_at_mut(ControlHeader::LEN);
        head.copy_from_slice(&header.to_bytes());
        match self.0.as_deref() {
            None => body.copy_from_slice(inner),
            Some(Keys::TlsAuth { send, .. }) => send.seal(head, stamp, inner, body),
            Some(Keys::TlsCrypt { send, .. }) => send.seal(head, stamp, inner, body),
        }
        Ok(len)
    }
}

impl fmt::Debug for WrapKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.as_deref() {
            None => "WrapKeys::None",
            Some(Keys::TlsAuth { .. }) => "WrapKeys::TlsAuth(..)",
            Some(Keys::TlsCrypt { .. }) => "WrapKeys::TlsCrypt(..)",
        })
    }
}

/// A session's wrapping: keys, the counter of packets sent, and the window of those received.
#[derive(Debug)]
pub struct ControlWrap {
    keys: WrapKeys,
    /// The stamp of the packet sent last, once there is one.
    sent: Option<PacketStamp>,
    first_packet_id: u32,
    replay: ReplayWindow,
}

impl ControlWrap {
    /// For a session from its first packet on. `replay_window` is how far back a packet id may lie.
    pub fn new(keys: WrapKeys, replay_window: u32) -> Self {
        Self { keys, sent: None, first_packet_id: 1, replay: ReplayWindow::new(replay_window) }
    }

    /// For a session of a server whose stateless answer was packet 1.
    pub fn new_after_cookie(keys: WrapKeys, replay_window: u32) -> Self {
        Self { first_packet_id: 2, ..Self::new(keys, replay_window) }
    }

    /// The keys.
    pub fn keys(&self) -> &WrapKeys {
        &self.keys
    }

    /// Seals the next packet into the front of `out`, and says how long it is.
    ///
    /// [`DropReason::NoRoom`] if `out` is too short.
    pub fn seal(
        &mut self,
        unix: UnixTime,
        header: ControlHeader,
        inner: &[u8],
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let stamp = self.next_stamp(unix);
        let len =
            self.keys.seal_stateless(UnixTime(stamp.time.into()), stamp.packet_id, header, inner, out)?;
        self.sent = Some(stamp);
        Ok(len)
    }

    /// Opens a packet in place, and marks it as received: header and inner part. After an error it is spoiled.
    ///
    /// The reasons of [`WrapKeys::open_stateless`], and [`DropReason::WrapReplay`].
    pub fn open<'p>(
        &mut self,
        now: Instant,
        packet: &'p mut [u8],
    ) -> Result<(ControlHeader, &'p [u8]), DropReason> {
        let stamp = self.keys.stamp(packet);
        let opened = self.keys.open_stateless(packet)?;
        self.accept_opened(now, stamp)?;
        Ok(opened)
    }

    /// Marks a packet as received that [`WrapKeys::open_stateless`] opened; `stamp` is what [`WrapKeys::stamp`] gave
    /// for it. Nothing happens without wrapping.
    ///
    /// [`DropReason::WrapReplay`] if it was received before, or is too old.
    pub fn accept_opened(&mut self, now: Instant, stamp: Option<PacketStamp>) -> Result<(), DropReason> {
        stamp.map_or(Ok(()), |stamp| self.replay.accept(now, stamp))
    }

    fn next_stamp(&self, unix: UnixTime) -> PacketStamp {
        let time = unix.0 as u32;
        match self.sent {
            None => PacketStamp { packet_id: self.first_packet_id, time },
            Some(PacketStamp { packet_id: u32::MAX, time: before }) => {
                // Never the same number at the same time, even with a clock that was set back.
                PacketStamp { packet_id: 1, time: time.max(before.wrapping_add(1)) }
            }
            Some(PacketStamp { packet_id, time }) => PacketStamp { packet_id: packet_id + 1, time },
        }
    }
}

#[cfg(test)]
mod tests;
