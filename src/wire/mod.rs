//! Bytes and values: what OpenVPN puts on the wire. No state, no time, and never a panic.
//!
//! Each file owns one layout, as a value with `parse` and `emit`: `parse` takes any bytes and answers with a value or
//! with the reason to drop them; `emit` writes a value so that `parse` gives it back. All integers are big-endian.
//! Whether a value fits the session that it arrives at is for the layers above.

pub(crate) mod checksum;
pub mod control;
pub mod data;
pub(crate) mod icmpv6;
pub mod ip;
pub mod key_method;
pub mod message;
pub(crate) mod mss;
pub mod opcode;
pub mod options_string;
pub mod peer_info;
pub mod stream;

pub use control::{AckList, ControlHeader, ControlPacket};
pub use data::{DataHeader, WirePeerId};
pub use key_method::{KeyMethod2, KeyMethodError, KeySource};
pub use message::{ControlMessage, PushReplyAssembler};
pub use opcode::{KeyId, Opcode, SessionId};
pub use options_string::OptionsString;
pub use peer_info::{IvProto, PeerInfo};
