//! [`TlsError`]: why a connection failed, as one sentence for a person.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::hello::HelloHead;
use crate::config::TlsVersion;

/// Why a TLS connection failed. Its `Display` is one sentence that names the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    kind: TlsErrorKind,
    sentence: String,
}

/// The kinds of [`TlsError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// A certificate of the peer's chain has expired.
    Expired,
    /// A certificate of the peer's chain is not valid yet, or our clock is wrong.
    NotYetValid,
    /// A certificate of the peer's chain is on a revocation list.
    Revoked,
    /// A revocation list of ours is out of date.
    RevocationListExpired,
    /// The peer's certificate does not lead to one of ours.
    UnknownCa,
    /// The peer's certificate is made for something else (`remote-cert-tls`, `ns-cert-type`, or the wrong role).
    WrongUsage,
    /// The peer has another name than `verify-x509-name` demands.
    WrongName,
    /// A certificate is malformed, or uses algorithms that are not accepted.
    BadCertificate,
    /// The peer presented no certificate.
    NoCertificate,
    /// The two ends have no version of TLS in common.
    NoCommonVersion,
    /// The two ends have no cipher suite, group or signature scheme in common.
    NoCommonAlgorithm,
    /// The peer ended the connection with an alert.
    Alert,
    /// The peer sent what makes no sense as TLS.
    Protocol,
    /// The peer sent more than we are ready to hold.
    TooMuchInput,
    /// The call came before the handshake was done, or asks for too much.
    NotAvailable,
}

impl TlsError {
    /// What kind of failure it is.
    pub const fn kind(&self) -> TlsErrorKind {
        self.kind
    }

    /// Whether it was the peer's certificate that we did not accept.
    pub const fn is_about_certificate(&self) -> bool {
        use TlsErrorKind as Kind;
        matches!(
            self.kind,
            Kind::Expired
                | Kind::NotYetValid
                | Kind::Revoked
                | Kind::RevocationListExpired
                | Kind::UnknownCa
                | Kind::WrongUsage
                | Kind::WrongName
                | Kind::BadCertificate
        )
    }

    pub(super) fn new(kind: TlsErrorKind, sentence: impl fmt::Display) -> Self {
        Self { kind, sentence: sentence.to_string() }
    }

    /// The sentence for a peer whose hello says version `theirs`, where we permit those from `min` to `max`.
    pub(super) fn no_common_version(theirs: Option<u16>, (min, max): (TlsVersion, TlsVersion)) -> Self {
        Self::new(TlsErrorKind::NoCommonVersion, no_common_version(theirs, min, max))
    }

    /// What rustls says about a certificate, so that the peer gets the fitting alert.
    pub(super) fn as_certificate_error(&self) -> CertificateError {
        match self.kind {
            TlsErrorKind::Expired => CertificateError::Expired,
            TlsErrorKind::NotYetValid => CertificateError::NotValidYet,
            TlsErrorKind::Revoked => CertificateError::Revoked,
            TlsErrorKind::RevocationListExpired => CertificateError::ExpiredRevocationList,
            TlsErrorKind::UnknownCa => CertificateError::UnknownIssuer,
            TlsErrorKind::WrongUsage => CertificateError::InvalidPurpose,
            TlsErrorKind::WrongName => CertificateError::ApplicationVerificationFailure,
            _ => CertificateError::BadEncoding,
        }
    }

    /// The sentence for an error of rustls that is not about the peer's certificate.
    pub(super) fn from_rustls(
        error: &rustls::Error,
        their_hello: &HelloHead,
        versions: (TlsVersion, TlsVersion),
    ) -> Self {
        use rustls::Error as E;
        match error {
            E::AlertReceived(alert) => Self::new(TlsErrorKind::Alert, alert_sentence(*alert)),
            E::NoCertificatesPresented => {
                Self::new(TlsErrorKind::NoCertificate, "the peer presented no certificate")
            }
            E::PeerIncompatible(why) => incompatible(why, their_hello, versions),
            E::InvalidCertificate(CertificateError::BadSignature) => Self::new(
                TlsErrorKind::BadCertificate,
                "the peer did not prove that it has the private key of its certificate: bad signature",
            ),
            E::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge,
            ) => Self::new(TlsErrorKind::Protocol, "what the peer sent is not TLS"),
            E::DecryptError => {
                Self::new(TlsErrorKind::Protocol, "a TLS record of the peer cannot be decrypted")
            }
            other => Self::new(TlsErrorKind::Protocol, format_args!("TLS failed: {other}")),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl core::error::Error for TlsError {}

fn incompatible(
    why: &PeerIncompatible,
    their_hello: &HelloHead,
    versions: (TlsVersion, TlsVersion),
) -> TlsError {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => TlsError::no_common_version(their_hello.version(), versions),
        P::NoCipherSuitesInCommon => TlsError::new(
            TlsErrorKind::NoCommonAlgorithm,
            "the peer and we have no TLS cipher suite in common",
        ),
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => TlsError::new(
            TlsErrorKind::NoCommonAlgorithm,
            "the peer and we have no key exchange group in common: X25519, P-256 or P-384 is needed",
        ),
        P::NoSignatureSchemesInCommon | P::NoCertificateRequestSignatureSchemesInCommon => TlsError::new(
            TlsErrorKind::NoCommonAlgorithm,
            "the peer accepts no signature that our certificate's key can make",
        ),
        other => {
            TlsError::new(TlsErrorKind::Protocol, format_args!("the peer's TLS does not fit ours: {other:?}"))
        }
    }
}

fn no_common_version(theirs: Option<u16>, min: TlsVersion, max: TlsVersion) -> String {
    const TLS_1_2: u16 = 0x0303;
    let needed = version_name(min);
    match theirs {
        // A hello of 1.3 calls itself one of 1.2. If we have no more than that, 1.3 must be all that the peer permits.
        Some(TLS_1_2..) if min == TlsVersion::V1_2 => {
            format!("the peer demands more than {}, which is our tls-version-max", version_name(max))
        }
        Some(version) => format!("the peer offers {} at most; adit needs {needed}", VersionNumber(version)),
        None => format!("the peer and we have no TLS version in common; adit needs {needed}"),
    }
}

struct VersionNumber(u16);

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_be_bytes() {
            [3, 0] => f.write_str("SSL 3.0"),
            [3, minor] => write!(f, "TLS 1.{}", minor - 1),
            [major, minor] => write!(f, "the unknown version {major}.{minor}"),
        }
    }
}

/// A version in a sentence.
pub(super) const fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "TLS 1.2",
        TlsVersion::V1_3 => "TLS 1.3",
    }
}

fn alert_sentence(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let about_our_certificate = match alert {
        A::BadCertificate => "it is bad, or fails a check of the peer's",
        A::UnsupportedCertificate => "certificate made for another purpose, or of an unsupported kind",
        A::CertificateRevoked => "certificate revoked",
        A::CertificateExpired => "certificate expired or not yet valid, or the peer's clock is wrong",
        A::CertificateUnknown => "certificate unknown",
        A::UnknownCA => "unknown CA: the peer's `ca` does not vouch for it",
        A::CertificateRequired | A::NoCertificate => {
            return "the peer demands a certificate, and we have none".into();
        }
        A::ProtocolVersion => return "the peer supports none of the TLS versions that we offer".into(),
        A::HandshakeFailure => {
            return "the peer ended the TLS handshake: no common algorithms, or it refused our certificate"
                .into();
        }
        other => return format!("the peer ended the TLS connection: alert {}", name(other)),
    };
    format!("the peer refused our certificate: {about_our_certificate}")
}

/// The name of an alert as RFC 8446 section 6 spells it, with spaces.
fn name(alert: AlertDescription) -> String {
    let camel_case = format!("{alert:?}");
    let mut words = String::new();
    for char in camel_case.chars() {
        if char.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named() {
        let sentence = |version| no_common_version(version, TlsVersion::V1_2, TlsVersion::V1_3);
        assert_eq!(sentence(Some(0x0301)), "the peer offers TLS 1.0 at most; adit needs TLS 1.2");
        assert_eq!(sentence(Some(0x0300)), "the peer offers SSL 3.0 at most; adit needs TLS 1.2");
        assert_eq!(sentence(None), "the peer and we have no TLS version in common; adit needs TLS 1.2");
        assert_eq!(
            no_common_version(Some(0x0303), TlsVersion::V1_3, TlsVersion::V1_3),
            "the peer offers TLS 1.2 at most; adit needs TLS 1.3"
        );
        assert_eq!(
            no_common_version(Some(0x0303), TlsVersion::V1_2, TlsVersion::V1_2),
            "the peer demands more than TLS 1.2, which is our tls-version-max"
        );
    }

    #[test]
    fn alerts_are_sentences() {
        assert_eq!(
            alert_sentence(AlertDescription::CertificateRevoked),
            "the peer refused our certificate: certificate revoked"
        );
        assert_eq!(
            alert_sentence(AlertDescription::InternalError),
            "the peer ended the TLS connection: alert internal error"
        );
    }
}
