//! What the host is told of a session, whichever role this end has.

use super::{Negotiated, Session};
use crate::event::{CloseReason, Event, EventQueue};
use crate::peer::PeerId;
use crate::time::Instant;
use crate::tls::TlsProtocol;

impl Session {
    /// The peer's certificates, from the authority down to its own, and then what TLS agreed on.
    pub(crate) fn tell_handshake(
        &self,
        peer: PeerId,
        TlsProtocol { version, cipher_suite }: TlsProtocol,
        renegotiation: bool,
        events: &mut EventQueue,
    ) {
        let chain = self.certificate().map_or(&[][..], |certificate| &certificate.chain);
        for (depth, link) in chain.iter().enumerate().rev() {
            let subject = link.subject.clone();
            events.push(Event::CertificateVerified { peer, depth: depth as u32, subject });
        }
        events.push(Event::HandshakeCompleted { peer, tls_version: version, cipher_suite, renegotiation });
    }

    /// A renegotiation is complete, and the peer still entitled: makes its keys, for which a worker must give the
    /// data state back.
    pub(crate) fn rekey(
        &mut self,
        now: Instant,
        peer: PeerId,
        negotiated: Negotiated,
        events: &mut EventQueue,
    ) -> Result<(), CloseReason> {
        let key_id = self.make_keys(now, negotiated)?.get();
        if self.request_attach() {
            events.push(Event::AttachRequested { peer });
        }
        events.push(Event::Rekeyed { peer, key_id });
        Ok(())
    }
}
