//! Certificates, keys and revocation lists as text, in each place where a configuration may name them.

#![no_main]

use std::sync::{Arc, LazyLock};

use adit::Role;
use adit::config::{NamedText, TlsConfig};
use adit::tls::TlsContext;
use libfuzzer_sys::fuzz_target;
use rustls::crypto::CryptoProvider;

static CRYPTO: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

fuzz_target!(|text: &[u8]| {
    let text = || Some(NamedText::file("fuzz.pem", text));
    let mut authority = TlsConfig::default();
    authority.ca = text();
    let mut identity = TlsConfig::default();
    (identity.cert, identity.key) = (text(), text());
    let mut revoked = authority.clone();
    revoked.crl = text();

    for config in [authority, identity, revoked] {
        // Either it can be used, or the sentence has a place.
        if let Err(diagnostic) = TlsContext::new(Role::Client, &config, CRYPTO.clone()) {
            assert!(!diagnostic.message.is_empty() && !diagnostic.position.file.is_empty());
        }
    }
});
