//! The host's say about the server's certificate (`tls-verify`).

use alloc::sync::Arc;

use super::Client;
use crate::certificate::PeerCertificate;
use crate::error::{Error, UsageError};
use crate::event::{Event, RequestId, VerifyDecision};
use crate::peer::PeerId;
use crate::time::Instant;

impl Client {
    /// Answers [`Event::VerifyRequested`]. Name and password are sent only after that.
    pub fn reply_verify(
        &mut self,
        now: Instant,
        request: RequestId,
        decision: VerifyDecision,
    ) -> Result<(), Error> {
        let session = self.session.as_mut().filter(|_| self.verify == Some(request));
        let session = session.ok_or(UsageError::NoSuchRequest)?;
        self.verify = None;
        session.certificate_judged(now, decision == VerifyDecision::Accept);
        self.drain(now);
        Ok(())
    }

    pub(super) fn ask_about_certificate(&mut self, certificate: Arc<PeerCertificate>) {
        let Some(session) = &self.session else { return };
        self.requests += 1;
        let (request, path) = (RequestId(self.requests), *session.path());
        self.verify = Some(request);
        self.events.push(Event::VerifyRequested { request, peer: PeerId::SERVER, path, certificate });
    }
}
