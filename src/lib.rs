//! adit: the OpenVPN engine that others can link.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod algorithm;
mod buffer;
mod endpoint;
mod error;
mod event;
mod host;
mod limits;
mod log;
mod packet;
mod path;
mod peer;
mod peer_data;
mod reason;
mod time;

pub mod client;
pub mod config;
pub mod control;
pub mod crypto;
pub mod data;
pub mod server;
pub mod session;
pub mod tls;
pub mod wire;
pub mod wrap;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

pub use algorithm::{Cipher, Digest, Framing, Role};
pub use buffer::PacketBuf;
pub use client::Client;
pub use endpoint::Endpoint;
pub use error::{Error, UsageError};
pub use event::{CloseReason, Event, RequestId};
pub use host::{Entropy, Host};
pub use limits::Limits;
pub use packet::{Batch, HEADROOM, Packet, Port, TAILROOM, Verdict};
pub use path::{Address, LinkId, Path, Transport};
pub use peer::PeerId;
pub use peer_data::{PeerData, Tally, Traffic};
pub use reason::{DropCounters, DropReason};
pub use server::Server;
pub use time::{Deadline, Instant, TimerKind, UnixTime};
