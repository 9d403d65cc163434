//! [`TlsContext`]: everything about TLS that a configuration says, read and checked once.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use pki_types::ServerName;
use rustls::client::{ClientConfig, Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ServerConfig, UnbufferedServerConnection};
use rustls::time_provider::TimeProvider;
use rustls::{SupportedProtocolVersion, version};

use super::connection::{Connection, Evidence};
use super::error::version_name;
use super::exporter::SecretCapture;
use super::identity::{Identity, PemCertificate, read_certificates};
use super::verify::{Policy, Verifier};
use super::x509::Date;
use super::{PeerCertificate, TlsConnection};
use crate::algorithm::Role;
use crate::config::{CertRole, Diagnostic, NamedText, Position, TlsConfig, TlsVersion, VerifyClientCert};
use crate::error::Error;
use crate::time::UnixTime;

/// Certificates, keys and checks, loaded once and shared by all connections. Immutable: to replace a revocation list
/// ([`with_crl`](Self::with_crl)) or the identity, make a new one and swap it whole.
#[derive(Clone, Debug)]
pub struct TlsContext {
    role: Role,
    crypto: Arc<CryptoProvider>,
    versions: (TlsVersion, TlsVersion),
    identity: Option<Arc<Identity>>,
    /// `None` for a server that asks for no certificate.
    policy: Option<Arc<Policy>>,
    peer_may_be_anonymous: bool,
    warnings: Vec<Diagnostic>,
}

impl TlsContext {
    /// Reads and checks what `config` holds for an end in the role of `role`.
    ///
    /// # Errors
    ///
    /// What is missing, unreadable or contradictory, with file and line.
    pub fn new(role: Role, config: &TlsConfig, crypto: Arc<CryptoProvider>) -> Result<Self, Diagnostic> {
        let versions = (config.version_min, config.version_max.0);
        if versions.0 > versions.1 {
            return Err(missing(format!(
                "tls-version-min ({}) is above tls-version-max ({})",
                version_name(versions.0),
                version_name(versions.1)
            )));
        }
        let authorities = config.ca.as_ref().map_or(Ok(Vec::new()), read_certificates)?;
        let identity = Identity::load(config, &authorities, &crypto)?.map(Arc::new);
        if role == Role::Server && identity.is_none() {
            return Err(missing("a server needs a certificate (`cert`) and its private key (`key`)"));
        }
        let mut warnings: Vec<_> = identity.iter().flat_map(|identity| warnings_about(identity)).collect();

        warnings.extend(sample(identity.iter().map(|own| &own.certificate).chain(&authorities)));
        let anonymous =
            if role == Role::Server { config.verify_client_cert } else { VerifyClientCert::Require };
        let policy = match anonymous {
            VerifyClientCert::None => None,
            VerifyClientCert::Optional | VerifyClientCert::Require if config.ca.is_none() => {
                return Err(missing("there is nothing to verify the peer with: `ca` is missing"));
            }
            VerifyClientCert::Optional | VerifyClientCert::Require => {
                let peer = match role {
                    Role::Client => CertRole::Server,
                    Role::Server => CertRole::Client,
                };
                let (policy, found) = Policy::new(peer, config, authorities, &crypto)?;
                warnings.extend(found);
                Some(Arc::new(policy))
            }
        };
        let peer_may_be_anonymous = anonymous != VerifyClientCert::Require;
        Ok(Self { role, crypto, versions, identity, policy, peer_may_be_anonymous, warnings })
    }

    /// Things worth a warning that do not stop anything.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What the dates of our own certificate and of the CAs give rise to at `unix`: expired, not yet valid, ending
    /// within 30 days.
    pub fn date_warnings(&self, unix: UnixTime) -> Vec<Diagnostic> {
        const SOON: u64 = 30 * 24 * 60 * 60;
        let own = self.identity.iter().map(|identity| &identity.certificate);
        let authorities = self.policy.iter().flat_map(|policy| policy.authorities());
        own.chain(authorities)
            .filter_map(|certificate| {
                let x509 = &certificate.x509;
                let what = if unix > x509.not_after {
                    format!("expired on {}", Date(x509.not_after))
                } else if unix < x509.not_before {
                    format!("is valid from {} only; the clock says {}", Date(x509.not_before), Date(unix))
                } else if x509.not_after.0 - unix.0 < SOON {
                    format!("expires soon, on {}", Date(x509.not_after))
                } else {
                    return None;
                };
                Some(Diagnostic::warning(
                    &certificate.position,
                    format!("the certificate ({}) {what}", x509.subject),
                ))
            })
            .collect()
    }

    /// The same with other revocation lists, in force for the connections that it makes.
    ///
    /// # Errors
    ///
    /// What is wrong with them, with file and line.
    pub fn with_crl(&self, crl: Option<&NamedText>) -> Result<Self, Diagnostic> {
        let policy = self.policy.as_ref().map(|policy| policy.with_crl(crl)).transpose()?;
        Ok(Self { policy: policy.map(Arc::new), ..self.clone() })
    }

    /// Whether a certificate that passed before, or one that vouches for it, is revoked by the present lists.
    pub fn is_revoked(&self, certificate: &PeerCertificate, unix: UnixTime) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.is_revoked(certificate, unix))
    }

    /// A new connection, whose certificate checks use the wall clock `unix`. It holds at most `limit` bytes of unread
    /// input; an honest peer's handshake needs one record (18 KiB) and room for its certificate chain.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the TLS library cannot be set up so.
    pub fn connection(&self, unix: UnixTime, limit: usize) -> Result<Box<dyn TlsConnection>, Error> {
        let capture = Arc::new(SecretCapture::default());
        let verifier = self
            .policy
            .as_ref()
            .map(|policy| Arc::new(Verifier::new(Arc::clone(policy), unix, self.peer_may_be_anonymous)));
        let evidence =
            Evidence { capture: Arc::clone(&capture), verifier: verifier.clone(), versions: self.versions };
        Ok(match self.role {
            Role::Client => {
                let config = self.client_config(unix, capture, verifier)?;
                // OpenVPN has no rule about host names: the name is for nobody, and is not sent.
                let nobody =
                    ServerName::try_from("peer.invalid").map_err(|_| Error::Internal("a server name"))?;
                let tls = UnbufferedClientConnection::new(Arc::new(config), nobody).map_err(internal)?;
                Box::new(Connection::new(tls, evidence, limit)?)
            }
            Role::Server => {
                let config = self.server_config(unix, capture, verifier)?;
                let tls = UnbufferedServerConnection::new(Arc::new(config)).map_err(internal)?;
                Box::new(Connection::new(tls, evidence, limit)?)
            }
        })
    }

    fn client_config(
        &self,
        unix: UnixTime,
        capture: Arc<SecretCapture>,
        verifier: Option<Arc<Verifier>>,
    ) -> Result<ClientConfig, Error> {
        let verifier = verifier.ok_or(Error::Internal("a TLS client without a policy"))?;
        let builder = ClientConfig::builder_with_details(Arc::clone(&self.crypto), Arc::new(Clock(unix)))
            .with_protocol_versions(&self.protocol_versions())
            .map_err(internal)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(identity) => builder.with_client_cert_resolver(identity.resolver.clone()),
            None => builder.with_no_client_auth(),
        };
        // Each key negotiation is a full handshake, as with every OpenVPN.
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.key_log = capture;
        Ok(config)
    }

    fn server_config(
        &self,
        unix: UnixTime,
        capture: Arc<SecretCapture>,
        verifier: Option<Arc<Verifier>>,
    ) -> Result<ServerConfig, Error> {
        let identity = self.identity.as_ref().ok_or(Error::Internal("a TLS server without a certificate"))?;
        let builder = ServerConfig::builder_with_details(Arc::clone(&self.crypto), Arc::new(Clock(unix)))
            .with_protocol_versions(&self.protocol_versions())
            .map_err(internal)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(identity.resolver.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.key_log = capture;
        Ok(config)
    }

    fn protocol_versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let (min, max) = self.versions;
        let all = [(TlsVersion::V1_3, &version::TLS13), (TlsVersion::V1_2, &version::TLS12)];
        all.into_iter()
            .filter(|(version, _)| (min..=max).contains(version))
            .map(|(_, version)| version)
            .collect()
    }
}

/// The one moment at which a connection's certificates are judged.
#[derive(Debug)]
struct Clock(UnixTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<pki_types::UnixTime> {
        Some(pki_types::UnixTime::since_unix_epoch(core::time::Duration::from_secs(self.0.0)))
    }
}

fn warnings_about(identity: &Identity) -> impl Iterator<Item = Diagnostic> {
    let certificate = &identity.certificate;
    certificate.x509.weak_signature().into_iter().map(|digest| {
        Diagnostic::warning(
            &certificate.position,
            format!(
                "the certificate ({}) is signed with {digest}: peers with present-day TLS libraries refuse it",
                certificate.x509.subject
            ),
        )
    })
}

/// A warning if one of these is of the set that OpenVPN is published with, private keys included.
fn sample<'a>(mut certificates: impl Iterator<Item = &'a PemCertificate>) -> Option<Diagnostic> {
    let found = certificates.find(|certificate| {
        certificate.x509.attributes.iter().any(|(name, value)| name == "O" && value == "OpenVPN-TEST")
    })?;
    let sentence = format!(
        "the certificate ({}) is one of the samples that OpenVPN is published with: everybody has its private key and \
         that of its CA, and can come in; make your own with easy-rsa",
        found.x509.subject
    );
    Some(Diagnostic::warning(&found.position, sentence))
}

/// An error about what a configuration does not hold, hence without a place in it.
fn missing(message: impl core::fmt::Display) -> Diagnostic {
    Diagnostic::error(&Position::new("configuration", 0, 0), message)
}

fn internal(_: rustls::Error) -> Error {
    Error::Internal("the TLS library refused its configuration")
}
