//! The host's say about the peer's certificate (`tls-verify`): between the TLS handshake and the key exchange, in every
//! negotiation.
//!
//! Until it has answered, nothing of the peer's key exchange is read and nothing of ours is sent: a client's password
//! goes to no server that its host refuses. The answer is due within `hand-window`, as everything is.

use alloc::string::ToString;
use alloc::sync::Arc;

use super::{Session, SessionEvent};
use crate::event::CloseReason;
use crate::time::Instant;
use crate::tls::PeerCertificate;

/// What the host says of a negotiation's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is to be asked.
    Open,
    /// It was asked.
    Asked,
    /// It accepted, or need not be asked.
    Accepted,
}

impl Judgement {
    pub(super) fn new(by_host: bool) -> Self {
        if by_host { Self::Open } else { Self::Accepted }
    }
}

impl Session {
    /// Whether the key exchange may go on; asks the host if it has not been asked.
    pub(super) fn is_judged(&mut self) -> bool {
        if self.current.judgement == Judgement::Open && self.current.handshake_reported {
            match self.certificate() {
                Some(certificate) => {
                    let certificate = Arc::clone(certificate);
                    self.current.judgement = Judgement::Asked;
                    self.events.push_back(SessionEvent::CertificateReceived(certificate));
                }
                // A client that need not have one.
                None => self.current.judgement = Judgement::Accepted,
            }
        }
        self.current.judgement == Judgement::Accepted
    }

    /// The host's answer to [`SessionEvent::CertificateReceived`].
    pub(crate) fn certificate_judged(&mut self, now: Instant, accepted: bool) {
        if self.current.judgement != Judgement::Asked || self.failed {
            return;
        }
        if !accepted {
            return self.fail(CloseReason::Certificate(refusal(self.certificate())));
        }
        self.current.judgement = Judgement::Accepted;
        match self.client_hello() {
            Ok(()) => self.advance(now),
            Err(reason) => self.fail(reason),
        }
    }

    /// Whether the host owes an answer.
    pub(super) fn awaits_judgement(&self) -> bool {
        self.current.judgement == Judgement::Asked
    }
}

fn refusal(certificate: Option<&Arc<PeerCertificate>>) -> alloc::string::String {
    let subject = certificate.and_then(|certificate| certificate.leaf()).map(|leaf| leaf.subject.as_str());
    match subject {
        Some(subject) => {
            alloc::format!("the peer's certificate ({subject}) was refused by this host (tls-verify)")
        }
        None => "the peer's certificate was refused by this host (tls-verify)".to_string(),
    }
}
