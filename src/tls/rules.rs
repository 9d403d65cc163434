//! What OpenVPN demands of a peer's own certificate beyond its chain: purpose, `remote-cert-tls`, `ns-cert-type`, a
//! common name, `verify-x509-name`.

use alloc::format;

use super::error::{TlsError, TlsErrorKind};
use super::x509::{CLIENT_AUTH, SERVER_AUTH, X509};
use crate::config::{CertRole, TlsConfig, VerifyX509Name};

/// The longest common name that OpenVPN takes, in bytes.
const MAX_COMMON_NAME: usize = 64;

/// The demands of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Which end the peer is.
    pub(super) peer: CertRole,
    remote_cert_tls: Option<CertRole>,
    ns_cert_type: Option<CertRole>,
    verify_x509_name: Option<VerifyX509Name>,
}

impl Rules {
    pub(super) fn new(peer: CertRole, config: &TlsConfig) -> Self {
        Self {
            peer,
            remote_cert_tls: config.remote_cert_tls,
            ns_cert_type: config.ns_cert_type,
            verify_x509_name: config.verify_x509_name.clone(),
        }
    }

    /// Whether `leaf`, whose chain is in order, may be the peer's.
    pub(super) fn check(&self, leaf: &X509) -> Result<(), TlsError> {
        check_key(leaf)?;
        check_purpose(leaf, self.peer)?;
        check_common_name(leaf)?;
        self.verify_x509_name.as_ref().map_or(Ok(()), |rule| check_name(leaf, rule))?;
        self.ns_cert_type.map_or(Ok(()), |role| check_netscape_type(leaf, role))?;
        self.remote_cert_tls.map_or(Ok(()), |role| check_remote_cert_tls(leaf, role))
    }
}

/// The sentence for a certificate that is not made for `role`.
pub(super) fn wrong_purpose(leaf: &X509, role: CertRole) -> TlsError {
    let (peer, other) = match role {
        CertRole::Client => ("client", "server"),
        CertRole::Server => ("server", "client"),
    };
    let made_for_other = match &leaf.extended_key_usage {
        Some(_) => leaf.has_extended_usage(extended_usage(other_role(role))),
        None => leaf.netscape_cert_type.is_some_and(|bits| bits & netscape_bit(other_role(role)) != 0),
    };
    let subject = &leaf.subject;
    TlsError::new(
        TlsErrorKind::WrongUsage,
        if made_for_other {
            format!(
                "the {peer} presents a {other}-only certificate ({subject}): unsuitable certificate purpose"
            )
        } else {
            format!(
                "the {peer}'s certificate ({subject}) is not made for a TLS {peer}: unsuitable certificate purpose"
            )
        },
    )
}

fn check_key(leaf: &X509) -> Result<(), TlsError> {
    leaf.weak_key().map_or(Ok(()), |weakness| {
        let sentence = format!("the peer's certificate ({}) {weakness}", leaf.subject);
        Err(TlsError::new(TlsErrorKind::BadCertificate, sentence))
    })
}

/// OpenSSL's purpose check, which stands behind every handshake of OpenVPN: each usage extension that is there must
/// permit the role. (webpki has looked at the extended key usage.)
fn check_purpose(leaf: &X509, role: CertRole) -> Result<(), TlsError> {
    let needed = match role {
        CertRole::Client => X509::DIGITAL_SIGNATURE | X509::KEY_AGREEMENT,
        CertRole::Server => X509::DIGITAL_SIGNATURE | X509::KEY_ENCIPHERMENT | X509::KEY_AGREEMENT,
    };
    let by_key_usage = leaf.key_usage.is_none_or(|bits| bits & needed != 0);
    let by_extended_usage =
        leaf.extended_key_usage.is_none() || leaf.has_extended_usage(extended_usage(role));
    let by_netscape_type = leaf.netscape_cert_type.is_none_or(|bits| bits & netscape_bit(role) != 0);
    if by_key_usage && by_extended_usage && by_netscape_type {
        Ok(())
    } else {
        Err(wrong_purpose(leaf, role))
    }
}

/// `ns-cert-type`: an explicit designation, by the Netscape extension or by the one that replaced it.
fn check_netscape_type(leaf: &X509, role: CertRole) -> Result<(), TlsError> {
    let designated = leaf.netscape_cert_type.is_some_and(|bits| bits & netscape_bit(role) != 0)
        || leaf.has_extended_usage(extended_usage(role));
    if designated {
        return Ok(());
    }
    let sentence = format!(
        "the peer's certificate ({}) is not designated for a {}, as ns-cert-type demands: it has neither the Netscape \
         certificate type nor the extended key usage",
        leaf.subject,
        name(role)
    );
    Err(TlsError::new(TlsErrorKind::WrongUsage, sentence))
}

/// `remote-cert-tls`: a key usage, whatever it says, and the extended one of the role.
fn check_remote_cert_tls(leaf: &X509, role: CertRole) -> Result<(), TlsError> {
    let lacks = if leaf.key_usage.is_none() {
        "no key usage extension"
    } else if !leaf.has_extended_usage(extended_usage(role)) {
        match role {
            CertRole::Client => "no extended key usage `TLS Web Client Authentication`",
            CertRole::Server => "no extended key usage `TLS Web Server Authentication`",
        }
    } else {
        return Ok(());
    };
    let sentence = format!(
        "the peer's certificate ({}) has {lacks}, as remote-cert-tls {} demands",
        leaf.subject,
        name(role)
    );
    Err(TlsError::new(TlsErrorKind::WrongUsage, sentence))
}

fn check_common_name(leaf: &X509) -> Result<(), TlsError> {
    let what = match &leaf.common_name {
        None => "has no common name (CN)",
        Some(name) if name.len() > MAX_COMMON_NAME => "has a common name (CN) of more than 64 bytes",
        Some(_) => return Ok(()),
    };
    Err(TlsError::new(
        TlsErrorKind::BadCertificate,
        format!("the peer's certificate ({}) {what}", leaf.subject),
    ))
}

fn check_name(leaf: &X509, rule: &VerifyX509Name) -> Result<(), TlsError> {
    let common_name = leaf.common_name.as_deref().unwrap_or_default();
    let (fits, what, expected, got) = match rule {
        VerifyX509Name::Subject(expected) => (leaf.subject == *expected, "subject", expected, &*leaf.subject),
        VerifyX509Name::Name(expected) => (common_name == expected, "common name", expected, common_name),
        VerifyX509Name::NamePrefix(expected) => {
            (common_name.starts_with(expected), "common name prefix", expected, common_name)
        }
    };
    if fits {
        return Ok(());
    }
    let sentence = format!(
        "the peer has another name than verify-x509-name demands: expected the {what} `{expected}`, got `{got}`"
    );
    Err(TlsError::new(TlsErrorKind::WrongName, sentence))
}

const fn other_role(role: CertRole) -> CertRole {
    match role {
        CertRole::Client => CertRole::Server,
        CertRole::Server => CertRole::Client,
    }
}

const fn name(role: CertRole) -> &'static str {
    match role {
        CertRole::Client => "client",
        CertRole::Server => "server",
    }
}

const fn extended_usage(role: CertRole) -> x509_cert::der::asn1::ObjectIdentifier {
    match role {
        CertRole::Client => CLIENT_AUTH,
        CertRole::Server => SERVER_AUTH,
    }
}

const fn netscape_bit(role: CertRole) -> u8 {
    match role {
        CertRole::Client => X509::NETSCAPE_CLIENT,
        CertRole::Server => X509::NETSCAPE_SERVER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use pki_types::CertificateDer;
    use pki_types::pem::PemObject;

    fn parse(pem: &[u8]) -> X509 {
        X509::parse(&CertificateDer::from_pem_slice(pem).unwrap()).unwrap()
    }

    fn sentence(leaf: &X509) -> String {
        Rules::new(CertRole::Client, &TlsConfig::default()).check(leaf).unwrap_err().to_string()
    }

    /// A peer of ours cannot present such a key, a stock one can.
    #[test]
    fn a_weak_key_is_refused() {
        assert_eq!(
            sentence(&parse(include_bytes!("testdata/rsa1024.crt"))),
            "the peer's certificate (CN=rsa1024) has an RSA key of 1024 bits, where 2048 are the least"
        );
    }

    #[test]
    fn a_common_name_has_at_most_64_bytes() {
        let mut leaf = parse(include_bytes!("testdata/client.crt"));
        let rules = Rules::new(CertRole::Client, &TlsConfig::default());
        leaf.common_name = Some("x".repeat(64));
        assert_eq!(rules.check(&leaf), Ok(()));
        leaf.common_name = Some("x".repeat(65));
        assert!(sentence(&leaf).ends_with("has a common name (CN) of more than 64 bytes"));
    }

    #[test]
    fn each_usage_extension_must_permit_the_role() {
        let mut leaf = parse(include_bytes!("testdata/plain.crt"));
        let allows = |leaf: &X509, role| Rules::new(role, &TlsConfig::default()).check(leaf).is_ok();
        assert!(allows(&leaf, CertRole::Client) && allows(&leaf, CertRole::Server));
        leaf.key_usage = Some(X509::KEY_ENCIPHERMENT);
        assert!(!allows(&leaf, CertRole::Client) && allows(&leaf, CertRole::Server));
        leaf.key_usage = Some(X509::KEY_CERT_SIGN);
        assert!(!allows(&leaf, CertRole::Client) && !allows(&leaf, CertRole::Server));
        leaf.key_usage = None;
        leaf.netscape_cert_type = Some(X509::NETSCAPE_CLIENT);
        assert!(allows(&leaf, CertRole::Client) && !allows(&leaf, CertRole::Server));
    }
}
