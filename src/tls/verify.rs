//! Whether a peer is to be believed: [`Policy`] judges a chain, [`Verifier`] does so for one connection of rustls.
//!
//! Chain, signatures, dates and revocation are webpki's, without any rule about host names; the rest is in `rules`.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use once_cell::race::OnceBox;
use pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime as PkiTime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::error::{TlsError, TlsErrorKind};
use super::identity::PemCertificate;
use super::refusal::{Suspects, check_anchor_dates};
use super::revocation;
use super::rules::Rules;
use super::x509::X509;
use super::{ChainCertificate, PeerCertificate};
use crate::config::{CertRole, Diagnostic, NamedText, TlsConfig};
use crate::time::UnixTime;

/// `ca`, `crl-verify` and the rules for a peer's certificate.
#[derive(Clone)]
pub(super) struct Policy {
    rules: Rules,
    algorithms: WebPkiSupportedAlgorithms,
    /// All certificates of `ca`.
    authorities: Arc<[PemCertificate]>,
    anchors: Vec<TrustAnchor<'static>>,
    /// Those of `authorities` that only help to build a chain.
    intermediates: Vec<CertificateDer<'static>>,
    crls: Arc<[CertRevocationList<'static>]>,
    /// The anchors' names, which a server tells its clients.
    hints: Vec<DistinguishedName>,
}

impl Policy {
    /// The policy for peers in the role of `peer`, and what is worth a warning in it.
    pub(super) fn new(
        peer: CertRole,
        config: &TlsConfig,
        authorities: Vec<PemCertificate>,
        crypto: &CryptoProvider,
    ) -> Result<(Self, Vec<Diagnostic>), Diagnostic> {
        let mut warnings: Vec<_> = authorities.iter().filter_map(weak_authority).collect();
        // As OpenSSL has it, self-signed certificates are what is believed, others help to get there. A set without
        // the former is believed as a whole, as with mbed TLS.
        let has_roots = authorities.iter().any(|authority| authority.x509.is_self_issued);
        if let Some(first) = authorities.first().filter(|_| !has_roots) {
            warnings.push(Diagnostic::warning(
                &first.position,
                "no certificate of `ca` is self-signed: each is taken as a trust anchor, which OpenVPN with OpenSSL refuses",
            ));
        }
        let mut anchors = Vec::new();
        let mut intermediates = Vec::new();
        for authority in &authorities {
            if has_roots && !authority.x509.is_self_issued {
                intermediates.push(authority.der.clone());
                continue;
            }
            let anchor = webpki::anchor_from_trusted_cert(&authority.der).map_err(|error| {
                let message =
                    format!("this certificate ({}) cannot be a CA: {error}", authority.x509.subject);
                Diagnostic::error(&authority.position, message)
            })?;
            anchors.push(anchor.to_owned());
        }
        let hints = anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect();
        let crls = config.crl.as_ref().map_or(Ok(Vec::new()), revocation::read)?.into();
        let algorithms = crypto.signature_verification_algorithms;
        let rules = Rules::new(peer, config);
        let authorities = authorities.into();
        Ok((Self { rules, algorithms, authorities, anchors, intermediates, crls, hints }, warnings))
    }

    /// All certificates of `ca`.
    pub(super) fn authorities(&self) -> impl Iterator<Item = &PemCertificate> {
        self.authorities.iter()
    }

    /// Judges `leaf`, which the peer presented with `chain`, at the time `unix`.
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        unix: UnixTime,
    ) -> Result<PeerCertificate, TlsError> {
        let x509 = X509::parse(leaf).map_err(|error| {
            TlsError::new(
                TlsErrorKind::BadCertificate,
                format!("the peer's certificate cannot be read ({error})"),
            )
        })?;
        let helpers: Vec<CertificateDer<'_>> = chain.iter().chain(&self.intermediates).cloned().collect();
        let suspects = Suspects {
            leaf: &x509,
            helpers: &helpers,
            authorities: &self.authorities,
            crls: &self.crls,
            peer: self.rules.peer,
        };

        let end_entity = EndEntityCert::try_from(leaf).map_err(|error| suspects.refusal(&error, unix))?;
        // A list that is out of date lets nobody in: OpenVPN's choice.
        let path = self
            .find_path(&end_entity, &helpers, unix, ExpirationPolicy::Enforce)
            .map_err(|error| suspects.refusal(&error, unix))?;
        let mut chain = alloc::vec![link(&x509, leaf)];
        for authority in path.intermediate_certificates() {
            let der = authority.der();
            let x509 = X509::parse(&der).map_err(|_| suspects.refusal(&webpki::Error::BadDer, unix))?;
            suspects.check_may_sign(&x509)?;
            chain.push(link(&x509, &der));
        }
        if let Some(anchor) = self.authority_of(path.anchor(), unix) {
            check_anchor_dates(&anchor.x509, unix)?;
            chain.push(link(&anchor.x509, &anchor.der));
        }
        self.rules.check(&x509)?;

        Ok(PeerCertificate { common_name: x509.common_name, not_after: x509.not_after, chain })
    }
}

impl Policy {
    /// The same policy with other revocation lists.
    pub(super) fn with_crl(&self, crl: Option<&NamedText>) -> Result<Self, Diagnostic> {
        Ok(Self { crls: crl.map_or(Ok(Vec::new()), revocation::read)?.into(), ..self.clone() })
    }

    /// Whether a certificate that passed before has been revoked since, or one that vouches for it. That it or the list
    /// has run out meanwhile does not hide it: dates are looked at as they were while all of them held.
    pub(super) fn is_revoked(&self, certificate: &PeerCertificate, unix: UnixTime) -> bool {
        let ders: Vec<_> =
            certificate.chain.iter().map(|link| CertificateDer::from(link.der.as_slice())).collect();
        let Some((leaf, chain)) = ders.split_first() else { return false };
        let helpers: Vec<CertificateDer<'_>> = chain.iter().chain(&self.intermediates).cloned().collect();
        let ends = ders.iter().filter_map(|der| X509::parse(der).ok()).map(|x509| x509.not_after);
        let then = ends.fold(unix, UnixTime::min);
        EndEntityCert::try_from(leaf).is_ok_and(|leaf| {
            let path = self.find_path(&leaf, &helpers, then, ExpirationPolicy::Ignore);
            matches!(path, Err(webpki::Error::CertRevoked))
        })
    }

    fn find_path<'p>(
        &'p self,
        leaf: &'p EndEntityCert<'p>,
        helpers: &'p [CertificateDer<'p>],
        unix: UnixTime,
        old_lists: ExpirationPolicy,
    ) -> Result<VerifiedPath<'p>, webpki::Error> {
        let crls: Vec<_> = self.crls.iter().collect();
        // An issuer without a list passes.
        let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(old_lists)
                .build()
        });
        let usage = match self.rules.peer {
            CertRole::Client => KeyUsage::client_auth(),
            CertRole::Server => KeyUsage::server_auth(),
        };
        let time = PkiTime::since_unix_epoch(core::time::Duration::from_secs(unix.0));
        leaf.verify_for_usage(self.algorithms.all, &self.anchors, helpers, time, usage, revocation, None)
    }

    /// The certificate that `anchor` was made of. A renewed CA has the same key as the old one, in which case it is
    /// the one that is valid.
    fn authority_of(&self, anchor: &TrustAnchor<'_>, unix: UnixTime) -> Option<&PemCertificate> {
        let key = webpki::spki_for_anchor(anchor);
        let same = || self.authorities().filter(|authority| authority.x509.public_key_info == *key);
        let is_valid = |authority: &&PemCertificate| {
            (authority.x509.not_before..=authority.x509.not_after).contains(&unix)
        };
        same().find(is_valid).or_else(|| same().next())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// A warning about a certificate of `ca` that can vouch for nothing.
fn weak_authority(authority: &PemCertificate) -> Option<Diagnostic> {
    let weakness = authority.x509.weak_key()?;
    let message =
        format!("the CA certificate ({}) {weakness}: it can vouch for nobody", authority.x509.subject);
    Some(Diagnostic::warning(&authority.position, message))
}

fn link(x509: &X509, der: &[u8]) -> ChainCertificate {
    ChainCertificate {
        subject: x509.subject.clone(),
        attributes: x509.attributes.clone(),
        serial: x509.serial.clone(),
        sha1: digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, der),
        sha256: digest(&ring::digest::SHA256, der),
        der: der.to_vec(),
    }
}

fn digest<const N: usize>(algorithm: &'static ring::digest::Algorithm, bytes: &[u8]) -> [u8; N] {
    ring::digest::digest(algorithm, bytes).as_ref().try_into().unwrap_or([0; N])
}

/// The policy applied in one connection, at one time. Keeps the verdict: rustls carries an error's kind only.
#[derive(Debug)]
pub(super) struct Verifier {
    policy: Arc<Policy>,
    unix: UnixTime,
    peer_may_be_anonymous: bool,
    verdict: OnceBox<Result<Arc<PeerCertificate>, TlsError>>,
}

impl Verifier {
    pub(super) fn new(policy: Arc<Policy>, unix: UnixTime, peer_may_be_anonymous: bool) -> Self {
        Self { policy, unix, peer_may_be_anonymous, verdict: OnceBox::new() }
    }

    /// The peer's certificate, if it was judged to be good. That the peer has its key is known after the handshake.
    pub(super) fn accepted(&self) -> Option<&Arc<PeerCertificate>> {
        self.verdict.get()?.as_ref().ok()
    }

    /// Why the peer's certificate was refused.
    pub(super) fn refusal(&self) -> Option<&TlsError> {
        self.verdict.get()?.as_ref().err()
    }

    fn judge(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let verdict =
            self.verdict.get_or_init(|| Box::new(self.policy.check(leaf, chain, self.unix).map(Arc::new)));
        match verdict {
            Ok(_) => Ok(()),
            Err(error) => Err(error.as_certificate_error().into()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: PkiTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.policy.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.policy.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.policy.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.peer_may_be_anonymous
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.policy.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: PkiTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
