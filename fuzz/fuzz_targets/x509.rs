//! One certificate in DER, taken for a CA.

#![no_main]

use std::sync::{Arc, LazyLock};

use adit::config::{NamedText, TlsConfig};
use adit::tls::TlsContext;
use adit::{Role, UnixTime};
use libfuzzer_sys::fuzz_target;
use rustls::crypto::CryptoProvider;

static CRYPTO: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

fuzz_target!(|der: &[u8]| {
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", base64(der));
    let mut config = TlsConfig::default();
    config.ca = Some(NamedText::file("fuzz.pem", pem));
    if let Ok(context) = TlsContext::new(Role::Client, &config, CRYPTO.clone()) {
        for seconds in [0, u64::from(u32::MAX), u64::MAX] {
            let _ = context.date_warnings(UnixTime(seconds));
        }
    }
});

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
