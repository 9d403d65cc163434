//! `tls-verify`: a script that is asked about every certificate of a peer's chain, the root's first.

use std::sync::Arc;
use std::time::Duration;

use adit::config::Command;
use adit::{Path, PeerCertificate, RequestId};

use super::env::Env;
use super::peer;
use super::runner::Script;

/// A question of the engine's, and how far the script has come with it.
#[derive(Debug)]
pub(crate) struct Verification {
    pub(crate) request: RequestId,
    certificate: Arc<PeerCertificate>,
    env: Env,
    /// How many certificates are yet to be asked about.
    left: usize,
}

impl Verification {
    /// About the certificates of the peer at `path`; `env` is what is the same for all peers.
    pub(crate) fn new(
        request: RequestId,
        path: &Path,
        certificate: Arc<PeerCertificate>,
        mut env: Env,
    ) -> Self {
        peer::set_untrusted(&mut env, path);
        env.set("script_type", "tls-verify");
        let left = certificate.chain.len();
        Self { request, certificate, env, left }
    }

    /// The next question to the script; `None` if it has answered them all.
    pub(crate) fn next<T>(
        mut self,
        command: &Command,
        timeout: Duration,
        then: impl FnOnce(Self) -> T,
    ) -> Result<Script<T>, Self> {
        let Some(depth) = self.left.checked_sub(1) else { return Err(self) };
        self.left = depth;
        let mut env = self.env.clone();
        peer::set_certificates(&mut env, &self.certificate, depth);
        let subject = self.certificate.chain.get(depth).map_or("", |link| link.subject.as_str());
        let mut words = command.words.clone();
        words.extend([depth.to_string(), subject.to_owned()]);
        let hook = "--tls-verify script";
        Ok(Script { hook, words, env, timeout, answers: false, then: then(self) })
    }

    /// How the log speaks of the certificate that was last asked about.
    pub(crate) fn line(&self, accepted: bool) -> String {
        let depth = self.left;
        let subject = self.certificate.chain.get(depth).map_or("", |link| link.subject.as_str());
        let verdict = if accepted { "OK" } else { "ERROR" };
        format!("VERIFY SCRIPT {verdict}: depth={depth}, {subject}")
    }
}
