//! TLS behind a trait: records in, records out, the exporter, and what OpenVPN demands of certificates.
//!
//! Owns the TLS library (rustls, unbuffered), PEM and X.509, the peer's verification. A [`TlsContext`] is made once
//! of the configuration and gives a [`TlsConnection`] for each key negotiation. Knows nothing of packets,
//! retransmission or timers; no type of rustls but its `CryptoProvider` is seen from outside.

mod connection;
mod context;
mod error;
mod exporter;
mod hello;
mod identity;
mod refusal;
mod revocation;
mod rules;
mod subject;
mod verify;
mod x509;

#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use zeroize::Zeroizing;

pub use crate::certificate::{ChainCertificate, PeerCertificate, SerialNumber};
pub use context::TlsContext;
pub use error::{TlsError, TlsErrorKind};

/// One TLS connection, records in and records out; no sockets.
///
/// After each call but the getters, poll: [`poll_bytes`](Self::poll_bytes) for what goes to the peer,
/// [`poll_plaintext`](Self::poll_plaintext) for what came from it.
pub trait TlsConnection: Send {
    /// Takes bytes of the peer's records, in order and cut anywhere.
    ///
    /// # Errors
    ///
    /// The connection is over; every later call says the same. [`poll_bytes`](Self::poll_bytes) may still give an
    /// alert that tells the peer why.
    fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), TlsError>;

    /// Queues one plaintext record; it goes out as soon as the handshake permits.
    ///
    /// # Errors
    ///
    /// The connection is over.
    fn write(&mut self, plaintext: &[u8]) -> Result<(), TlsError>;

    /// Appends all TLS bytes that are to be sent.
    fn poll_bytes(&mut self, out: &mut Vec<u8>);

    /// The plaintext of the next record received, one at a time.
    fn poll_plaintext(&mut self) -> Option<Zeroizing<Vec<u8>>>;

    /// Whether the handshake is still under way.
    fn is_handshaking(&self) -> bool;

    /// Fills `out` with keying material bound to this connection: the exporter of RFC 5705 and RFC 8446 section 7.5,
    /// without a context.
    ///
    /// # Errors
    ///
    /// The handshake is not done, or `out` is longer than the exporter gives.
    fn export(&self, label: &[u8], out: &mut [u8]) -> Result<(), TlsError>;

    /// The peer's verified certificate; `None` before the handshake is done, or if it has none.
    fn peer_certificate(&self) -> Option<&Arc<PeerCertificate>>;

    /// What was agreed; `None` before the handshake is done.
    fn protocol(&self) -> Option<TlsProtocol>;
}

/// What two ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsProtocol {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as OpenSSL and hence OpenVPN name it: `TLS_AES_256_GCM_SHA384`,
    /// `ECDHE-RSA-AES256-GCM-SHA384`.
    pub cipher_suite: &'static str,
}
