//! The control channel: the reliability layer under TLS.
//!
//! [`Reliable`] numbers, repeats and acknowledges; [`ControlChannel`] is one key negotiation's `Reliable` with the
//! TLS connection that runs over it. Both know neither wrapping, nor what the records say, nor peers.

mod channel;
mod reliable;

pub use channel::{ControlChannel, ControlOutput, Progress};
pub use reliable::{Outgoing, Reliable};
