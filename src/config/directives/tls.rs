//! Certificates, keys, what a peer's certificate must be, and the protection of control packets.

use alloc::format;
use alloc::string::{String, ToString};

use super::super::directive::Directive;
use super::super::draft::Draft;
use super::super::session::{CertRole, TlsVersion, TlsVersionMax, VerifyX509Name};
use super::super::statement::{Complaint, Statement};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("ca", "FILE", source!(sources.ca)).inline(),
    Directive::new("cert", "FILE", source!(sources.cert)).inline(),
    Directive::new("extra-certs", "FILE", source!(sources.extra_certs)).inline(),
    Directive::new("key", "FILE", source!(sources.key)).inline(),
    Directive::new("crl-verify", "FILE [dir]", crl_verify).inline(),
    Directive::new("dh", "FILE|none", dh).inline(),
    Directive::new("remote-cert-tls", "client|server", some!(session.tls.remote_cert_tls, cert_role)),
    Directive::new("ns-cert-type", "client|server", some!(session.tls.ns_cert_type, cert_role)),
    Directive::new("verify-x509-name", "NAME [subject|name|name-prefix]", verify_x509_name),
    Directive::new("tls-version-min", "VERSION [or-highest]", version_min),
    Directive::new("tls-version-max", "VERSION", version_max),
    Directive::no_effect("tls-cipher", "LIST", MODERN_ONLY),
    Directive::no_effect("tls-ciphersuites", "LIST", MODERN_ONLY),
    Directive::no_effect("tls-groups", "LIST", MODERN_ONLY),
    Directive::no_effect("ecdh-curve", "NAME", MODERN_ONLY),
    Directive::no_effect(
        "tls-cert-profile",
        "legacy|preferred|suiteb|insecure",
        "signatures by SHA-1 and MD5, and RSA keys below 2048 bits, are never accepted",
    ),
];

const MODERN_ONLY: &str = "TLS here has only suites with forward secrecy and authenticated encryption, and the groups that go with them";

/// `none` is what happens in any case.
fn dh(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    if statement.word(1) != Some("none") {
        let clause = "this has no effect: TLS agrees on its keys by elliptic curves (ECDHE) here";
        draft.warn_of(statement, 0, clause);
    }
    Ok(())
}

fn crl_verify(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    statement.optional(2, |word| match word {
        "dir" => Err::<(), _>(
            "a directory of revoked serial numbers is not supported yet: name a CRL file".to_string(),
        ),
        _ => Err(format!("'{word}' is not dir")),
    })?;
    draft.sources.crl = Some(statement.source()?);
    Ok(())
}

fn cert_role(word: &str) -> Result<CertRole, String> {
    match word {
        "client" => Ok(CertRole::Client),
        "server" => Ok(CertRole::Server),
        _ => Err(format!("'{word}' is not client or server")),
    }
}

fn verify_x509_name(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = statement.get(1, |name| {
        if name.is_empty() { Err("the name is empty".into()) } else { Ok(String::from(name)) }
    })?;
    let kind = statement.optional(2, |word| match word {
        "subject" => Ok(VerifyX509Name::Subject as fn(String) -> VerifyX509Name),
        "name" => Ok(VerifyX509Name::Name as _),
        "name-prefix" => Ok(VerifyX509Name::NamePrefix as _),
        _ => Err(format!("'{word}' is not subject, name or name-prefix")),
    })?;
    let kind = kind.unwrap_or(VerifyX509Name::Subject);
    draft.session.tls.verify_x509_name = Some(kind(name));
    Ok(())
}

fn version_min(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let or_highest = statement.optional(2, |word| match word {
        "or-highest" => Ok(()),
        _ => Err(format!("'{word}' is not or-highest")),
    })?;
    let version = match statement.get(1, version) {
        // One that nobody has yet.
        Err(_) if or_highest.is_some() => Some(TlsVersion::V1_3),
        known => known?,
    };
    if version.is_none() {
        draft.warn_of(statement, 1, "TLS below 1.2 does not exist here: the minimum is 1.2");
    }
    draft.session.tls.version_min = version.unwrap_or(TlsVersion::V1_2);
    Ok(())
}

fn version_max(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let version = statement.get(1, version)?;
    let version = version
        .ok_or_else(|| statement.complain(1, "TLS below 1.2 does not exist here: 1.2 is the least"))?;
    draft.session.tls.version_max = TlsVersionMax(version);
    Ok(())
}

/// `None` for a version that is older than ours.
fn version(word: &str) -> Result<Option<TlsVersion>, String> {
    match word {
        "1.0" | "1.1" => Ok(None),
        "1.2" => Ok(Some(TlsVersion::V1_2)),
        "1.3" => Ok(Some(TlsVersion::V1_3)),
        _ => Err(format!("'{word}' is not a version of TLS: 1.2 or 1.3")),
    }
}
