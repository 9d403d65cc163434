//! The data channel: packets sealed and opened in place.
//!
//! Owns one peer's data keys with their packet ids, replay windows and usage limits, and what lies between an inner
//! packet and its ciphertext: compression framing, keepalives, `mssfix`. Knows nothing of sessions, addresses or
//! timers; [`PeerData`](crate::PeerData) puts the parts together.

mod framing;
mod key;
mod keys;
mod mss;
mod ping;
mod replay;

pub(crate) use framing::{frame, unframe};
pub(crate) use key::DataKey;
pub use key::RenegotiateReason;
pub(crate) use keys::KeySlots;
pub(crate) use mss::MssClamp;
pub(crate) use ping::{OCC_EXIT, OCC_REPLY, PING, Special};
