//! What we present: `cert`, `extra-certs` and `key`, read, checked and matched.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};

use super::x509::X509;
use crate::config::{Diagnostic, NamedText, Position, TlsConfig};
use crate::crypto::pem::{self, Block};

/// A certificate of a file, with the place where it stands.
#[derive(Debug)]
pub(super) struct PemCertificate {
    pub(super) der: CertificateDer<'static>,
    pub(super) x509: X509,
    pub(super) position: Position,
}

/// All certificates of `text`, at least one.
pub(super) fn read_certificates(text: &NamedText) -> Result<Vec<PemCertificate>, Diagnostic> {
    let blocks = pem::read_only(text, &["CERTIFICATE", "X509 CERTIFICATE"], "a certificate")?;
    blocks.into_iter().map(|block| parse_certificate(text, &block)).collect()
}

fn parse_certificate(text: &NamedText, block: &Block) -> Result<PemCertificate, Diagnostic> {
    let position = text.position(block.line, 0);
    match X509::parse(&block.der) {
        Ok(x509) => Ok(PemCertificate { der: CertificateDer::from(block.der.to_vec()), x509, position }),
        Err(error) => Err(Diagnostic::error(
            &position,
            format!("this block is no certificate that can be read ({error})"),
        )),
    }
}

/// Our certificate with its chain, and the key.
#[derive(Debug)]
pub(super) struct Identity {
    /// What rustls presents.
    pub(super) resolver: Arc<SingleCertAndKey>,
    /// Our own certificate.
    pub(super) certificate: PemCertificate,
}

impl Identity {
    /// Reads what `config` names; `None` if it names neither certificate nor key. Certificates among `authorities`
    /// that are not self-signed complete a chain that `cert` leaves open, as OpenSSL does it.
    pub(super) fn load(
        config: &TlsConfig,
        authorities: &[PemCertificate],
        crypto: &CryptoProvider,
    ) -> Result<Option<Self>, Diagnostic> {
        let (cert, key) = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return Ok(None),
            (Some(cert), None) => {
                return Err(Diagnostic::error(
                    &cert.position(1, 0),
                    "there is a certificate (`cert`) but no private key: `key` is missing",
                ));
            }
            (None, Some(key)) => {
                return Err(Diagnostic::error(
                    &key.position(1, 0),
                    "there is a private key (`key`) but no certificate: `cert` is missing",
                ));
            }
        };

        let mut certificates = read_certificates(cert)?.into_iter();
        let Some(certificate) = certificates.next() else { return Ok(None) };
        let mut chain: Vec<PemCertificate> = certificates.collect();
        if let Some(extra) = &config.extra_certs {
            chain.extend(read_certificates(extra)?);
        }
        let signing_key = read_key(key, &certificate, crypto)?;
        check_match(&certificate, cert, &*signing_key, key)?;

        let mut presented = alloc::vec![certificate.der.clone()];
        if chain.is_empty() {
            presented.extend(path_to_root(&certificate.x509, authorities));
        } else {
            presented.extend(chain.into_iter().map(|link| link.der));
        }
        let resolver = Arc::new(SingleCertAndKey::from(CertifiedKey::new(presented, signing_key)));
        Ok(Some(Self { resolver, certificate }))
    }
}

/// The intermediate certificates between `leaf` and its root, as far as `authorities` has them.
fn path_to_root(leaf: &X509, authorities: &[PemCertificate]) -> Vec<CertificateDer<'static>> {
    let mut path = Vec::new();
    let mut issuer = &leaf.issuer;
    while let Some(link) =
        authorities.iter().find(|link| link.x509.subject == *issuer && !link.x509.is_self_issued)
    {
        // A longer path than there are certificates goes round in circles.
        if path.len() == authorities.len() {
            break;
        }
        path.push(link.der.clone());
        issuer = &link.x509.issuer;
    }
    path
}

fn read_key(
    text: &NamedText,
    certificate: &PemCertificate,
    crypto: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>, Diagnostic> {
    const LABELS: [&str; 6] = [
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "DSA PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
    ];
    let blocks = pem::read_only(text, &LABELS, "a private key")?;
    let Some(block) = blocks.first() else {
        return Err(Diagnostic::error(&text.position(1, 0), "expected a private key"));
    };
    let refuse = |message: &str| Err(Diagnostic::error(&text.position(block.line, 0), message));

    if block.encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return refuse(
            "this private key is encrypted, and nobody is asked for its passphrase: decrypt it (`openssl pkey -in OLD -out NEW`)",
        );
    }
    let der = block.der.to_vec();
    let der = match block.label.as_str() {
        "PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der)),
        "RSA PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs1KeyDer::from(der)),
        "EC PRIVATE KEY" => PrivateKeyDer::from(PrivateSec1KeyDer::from(der)),
        "OPENSSH PRIVATE KEY" => {
            return refuse("this is a key of SSH, not one that belongs to a certificate");
        }
        _ => return refuse("DSA keys are not supported: RSA, ECDSA P-256 or P-384, or Ed25519 is needed"),
    };
    match (crypto.key_provider.load_private_key(der), certificate.x509.weak_key()) {
        (Ok(key), _) => Ok(key),
        (Err(_), Some(weakness)) => refuse(&format!(
            "this private key cannot be used: its certificate ({}) {weakness}",
            certificate.x509.subject
        )),
        (Err(_), None) => refuse(
            "this private key is damaged or of an unsupported kind: RSA from 2048 to 8192 bits, ECDSA P-256 or P-384, or Ed25519 is needed",
        ),
    }
}

fn check_match(
    certificate: &PemCertificate,
    cert_file: &NamedText,
    key: &dyn SigningKey,
    key_file: &NamedText,
) -> Result<(), Diagnostic> {
    match key.public_key() {
        Some(public) if public.as_ref() != certificate.x509.public_key_info => Err(Diagnostic::error(
            &certificate.position,
            format!(
                "the certificate ({}) in {} and the private key in {} do not belong together",
                certificate.x509.subject, cert_file.file, key_file.file
            ),
        )),
        Some(_) | None => Ok(()),
    }
}
