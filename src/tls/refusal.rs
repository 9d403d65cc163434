//! Whom to blame: webpki says what is wrong with a chain, but not which certificate of it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use pki_types::CertificateDer;
use webpki::{CertRevocationList, Error as E};

use super::error::{TlsError, TlsErrorKind};
use super::identity::PemCertificate;
use super::rules::wrong_purpose;
use super::x509::{Date, X509};
use crate::config::CertRole;
use crate::time::UnixTime;

/// The certificates that took part in a verification.
pub(super) struct Suspects<'a> {
    /// The peer's own.
    pub(super) leaf: &'a X509,
    /// What the peer sent with it, and our intermediates.
    pub(super) helpers: &'a [CertificateDer<'a>],
    /// All of `ca`.
    pub(super) authorities: &'a [PemCertificate],
    /// Our revocation lists.
    pub(super) crls: &'a [CertRevocationList<'static>],
    /// Which end the peer is.
    pub(super) peer: CertRole,
}

impl Suspects<'_> {
    /// The sentence for what webpki found at the time `unix`.
    pub(super) fn refusal(&self, error: &E, unix: UnixTime) -> TlsError {
        use TlsErrorKind as Kind;
        let leaf = format!("the peer's certificate ({})", self.leaf.subject);
        match error {
            E::CertExpired { not_after, .. } => {
                let culprit = self.culprit(|x509| x509.not_after.0 == not_after.as_secs());
                expired(&culprit, UnixTime(not_after.as_secs()))
            }
            E::CertNotValidYet { not_before, .. } => {
                let culprit = self.culprit(|x509| x509.not_before.0 == not_before.as_secs());
                not_yet_valid(&culprit, UnixTime(not_before.as_secs()), unix)
            }
            E::CertRevoked => {
                let culprit = self.culprit(|x509| self.is_listed(x509));
                TlsError::new(Kind::Revoked, format!("{culprit} is revoked (crl-verify)"))
            }
            E::CrlExpired { next_update, .. } => TlsError::new(
                Kind::RevocationListExpired,
                format!(
                    "the revocation list (crl-verify) for {leaf} has expired: its next update was due on {}",
                    Date(UnixTime(next_update.as_secs()))
                ),
            ),
            E::UnknownIssuer => TlsError::new(
                Kind::UnknownCa,
                format!("{leaf} is signed by a CA that is not in our `ca`: {}", self.missing_issuer()),
            ),
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => wrong_purpose(self.leaf, self.peer),
            E::CaUsedAsEndEntity => TlsError::new(
                Kind::BadCertificate,
                format!("{leaf} is a CA's, which no peer may use as its own"),
            ),
            E::UnsupportedCertVersion => TlsError::new(
                Kind::BadCertificate,
                format!(
                    "{} is of X.509 version 1, where 3 is needed",
                    self.culprit(|x509| !x509.is_version_3)
                ),
            ),
            other => self.bad_signature_or_form(other),
        }
    }

    /// Refuses an intermediate certificate that may not sign others.
    pub(super) fn check_may_sign(&self, link: &X509) -> Result<(), TlsError> {
        if link.key_usage.is_none_or(|bits| bits & X509::KEY_CERT_SIGN != 0) {
            return Ok(());
        }
        let sentence =
            format!("the CA certificate ({}) is not made to sign certificates (key usage)", link.subject);
        Err(TlsError::new(TlsErrorKind::BadCertificate, sentence))
    }

    fn bad_signature_or_form(&self, error: &E) -> TlsError {
        let all = || core::iter::once(self.leaf.clone()).chain(self.helpers());
        let weak_key =
            all().chain(self.authorities.iter().map(|authority| authority.x509.clone())).find_map(|x509| {
                x509.weak_key().map(|weakness| format!("the certificate ({}) {weakness}", x509.subject))
            });
        let weak_signature = all().find_map(|x509| {
            let digest = x509.weak_signature()?;
            Some(format!(
                "the certificate ({}) is signed with {digest}, which is not to be trusted",
                x509.subject
            ))
        });
        let impostor = || {
            let same_name =
                self.authorities.iter().any(|authority| authority.x509.subject == self.missing_issuer());
            // Another key, perhaps even of another kind.
            let another_key = matches!(
                error,
                E::InvalidSignatureForPublicKey | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
            );
            (another_key && same_name).then(|| {
                let (subject, issuer) = (&self.leaf.subject, self.missing_issuer());
                TlsError::new(
                    TlsErrorKind::UnknownCa,
                    format!("the peer's certificate ({subject}) is signed by another CA than ours, which has the same name: {issuer}"),
                )
            })
        };
        match weak_signature.or(weak_key) {
            Some(sentence) => TlsError::new(TlsErrorKind::BadCertificate, sentence),
            None => impostor().unwrap_or_else(|| {
                let sentence = format!("the peer's certificate ({}) is refused: {error}", self.leaf.subject);
                TlsError::new(TlsErrorKind::BadCertificate, sentence)
            }),
        }
    }

    /// The first certificate that `is_to_blame`, described for a sentence.
    fn culprit(&self, is_to_blame: impl Fn(&X509) -> bool) -> String {
        if is_to_blame(self.leaf) {
            return format!("the peer's certificate ({})", self.leaf.subject);
        }
        match self.helpers().into_iter().find(|x509| is_to_blame(x509)) {
            Some(x509) => format!("the CA certificate ({})", x509.subject),
            None => format!("a CA certificate that vouches for the peer's ({})", self.leaf.subject),
        }
    }

    /// Whether a revocation list has the serial number. (Whose list it is has been looked at already.)
    fn is_listed(&self, x509: &X509) -> bool {
        self.crls.iter().any(|crl| matches!(crl.find_serial(x509.serial.as_bytes()), Ok(Some(_))))
    }

    /// The issuer at which the peer's chain ends.
    fn missing_issuer(&self) -> String {
        let helpers = self.helpers();
        let mut last = self.leaf;
        for _ in 0..helpers.len() {
            match helpers.iter().find(|link| link.subject == last.issuer && !link.is_self_issued) {
                Some(link) => last = link,
                None => break,
            }
        }
        last.issuer.clone()
    }

    fn helpers(&self) -> Vec<X509> {
        self.helpers.iter().filter_map(|der| X509::parse(der).ok()).collect()
    }
}

/// Refuses a trust anchor that is out of date: webpki does not look at its dates.
pub(super) fn check_anchor_dates(anchor: &X509, unix: UnixTime) -> Result<(), TlsError> {
    let culprit = || format!("the CA certificate ({})", anchor.subject);
    if unix > anchor.not_after {
        Err(expired(&culprit(), anchor.not_after))
    } else if unix < anchor.not_before {
        Err(not_yet_valid(&culprit(), anchor.not_before, unix))
    } else {
        Ok(())
    }
}

fn expired(culprit: &str, not_after: UnixTime) -> TlsError {
    TlsError::new(TlsErrorKind::Expired, format!("{culprit} expired on {}", Date(not_after)))
}

fn not_yet_valid(culprit: &str, not_before: UnixTime, unix: UnixTime) -> TlsError {
    /// 2020-01-01, before which no device runs this.
    const PLAUSIBLE: UnixTime = UnixTime(1_577_836_800);
    let (from, now) = (Date(not_before), Date(unix));
    let sentence = if unix < PLAUSIBLE {
        format!(
            "the clock of this system is wrong, it says {now}: {culprit} seems not yet valid, it begins on {from}"
        )
    } else {
        format!("{culprit} is not yet valid: it begins on {from}, and the clock of this system says {now}")
    };
    TlsError::new(TlsErrorKind::NotYetValid, sentence)
}
