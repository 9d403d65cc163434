//! Certificates for the simulated ends: RSA, whose signatures have the same length in every run.

use core::fmt::Write;
use std::string::String;

use crate::config::{NamedText, TlsConfig, WrapConfig};

macro_rules! text {
    ($name:literal) => {
        Some(NamedText::file($name, *include_bytes!(concat!("../tls/testdata/", $name))))
    };
}

pub(crate) fn server() -> TlsConfig {
    TlsConfig {
        ca: text!("ca.crt"),
        cert: text!("server.crt"),
        key: text!("rsa.key"),
        ..TlsConfig::default()
    }
}

pub(crate) fn client() -> TlsConfig {
    TlsConfig {
        ca: text!("ca.crt"),
        cert: text!("client.crt"),
        key: text!("rsa.key"),
        ..TlsConfig::default()
    }
}

/// `tls-crypt` with a key that both ends know.
pub(crate) fn tls_crypt() -> WrapConfig {
    let mut text = String::from("-----BEGIN OpenVPN Static key V1-----\n");
    for line in 0..16u8 {
        for byte in 0..16u8 {
            let _ = write!(text, "{:02x}", (line * 16 + byte).wrapping_mul(167) ^ 0x5c);
        }
        text.push('\n');
    }
    text.push_str("-----END OpenVPN Static key V1-----\n");
    WrapConfig::TlsCrypt { key: NamedText::file("ta.key", text) }
}

/// Another client: `client-ed25519`.
pub(crate) fn other_client() -> TlsConfig {
    TlsConfig {
        ca: text!("ca.crt"),
        cert: text!("client-ed25519.crt"),
        key: text!("ed25519.key"),
        ..TlsConfig::default()
    }
}
