//! Keys and certificates: whether they can be used, how long still, and whether the whole world has them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::crypto::CryptoProvider;

use crate::algorithm::{Digest, Role};
use crate::config::{Diagnostic, TlsConfig, VerifyClientCert, WrapConfig};
use crate::crypto::parse_static_key;
use crate::time::UnixTime;
use crate::tls::TlsContext;
use crate::wrap::WrapKeys;

/// SHA-256 of the key in OpenVPN's published sample `ta.key`.
const SAMPLE_KEY: [u8; 32] = [
    0x9c, 0xee, 0x90, 0xb7, 0xa5, 0xbc, 0x94, 0x5b, 0x73, 0xb6, 0x66, 0x32, 0xff, 0xc5, 0xcb, 0x06, 0x36,
    0xaf, 0xcc, 0x19, 0x57, 0xfc, 0x35, 0x8e, 0xae, 0x33, 0xca, 0xb7, 0x23, 0x30, 0x9f, 0xb0,
];

/// What there is to say about `ca`, `cert`, `key` and `crl-verify`: of each, if the whole does not fit together.
pub(super) fn certificates(
    role: Role,
    config: &TlsConfig,
    unix: UnixTime,
    crypto: &Arc<CryptoProvider>,
) -> Vec<Diagnostic> {
    let load = |role, config: &TlsConfig| TlsContext::new(role, config, Arc::clone(crypto));
    // What is missing altogether is found with the rest of the language.
    if config.ca.is_none() && config.cert.is_none() {
        return Vec::new();
    }
    let mut config = config.clone();
    // One of the two alone is what is left when the other's file could not be read.
    if config.cert.is_none() || config.key.is_none() {
        (config.cert, config.key) = (None, None);
    }
    let whole = match load(role, &config) {
        Ok(context) => return about(&context, unix),
        Err(error) => error,
    };
    let nothing = TlsConfig { verify_client_cert: VerifyClientCert::None, ..TlsConfig::default() };
    let mut found = Vec::from([whole]);
    let authorities = TlsConfig { ca: config.ca.clone(), ..nothing.clone() };
    let lists = TlsConfig { crl: config.crl.clone(), ..authorities.clone() };
    let own = TlsConfig {
        cert: config.cert.clone(),
        extra_certs: config.extra_certs.clone(),
        key: config.key.clone(),
        ..nothing
    };
    let parts = [
        config.ca.is_some().then(|| load(Role::Client, &authorities)),
        (config.ca.is_some() && config.crl.is_some()).then(|| load(Role::Client, &lists)),
        (config.cert.is_some() && config.key.is_some()).then(|| load(Role::Server, &own)),
    ];
    for part in parts.into_iter().flatten() {
        match part {
            Ok(context) => found.extend(about(&context, unix)),
            Err(error) => found.push(error),
        }
    }
    // Errors without a place are about what was left out here.
    found.retain(|finding| finding.position.line > 0);
    found
}

fn about(context: &TlsContext, unix: UnixTime) -> Vec<Diagnostic> {
    context.warnings().iter().cloned().chain(context.date_warnings(unix)).collect()
}

/// What there is to say about the keys of tls-auth and tls-crypt.
pub(super) fn wraps<'a>(
    role: Role,
    wraps: impl Iterator<Item = &'a WrapConfig>,
    auth: Digest,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for wrap in wraps {
        if let Err(error) = WrapKeys::new(role, wrap, auth) {
            found.push(error);
            continue;
        }
        let (WrapConfig::TlsAuth { key: text, .. } | WrapConfig::TlsCrypt { key: text }) = wrap else {
            continue;
        };
        let is_sample = parse_static_key(text).is_ok_and(|key| {
            ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref() == SAMPLE_KEY
        });
        if is_sample {
            let sentence = "this is the key that OpenVPN is published with as a sample, and everybody has it: \
                            `adit --genkey secret FILE` makes one of your own";
            found.push(Diagnostic::warning(&text.position(1, 0), sentence));
        }
        if let WrapConfig::TlsAuth { direction: None, .. } = wrap {
            let sentence = "there is no key direction for this tls-auth key, so both ends sign alike: 0 at the \
                            server and 1 at its clients is better";
            found.push(Diagnostic::warning(&text.position(1, 0), sentence));
        }
    }
    found
}
