//! Certificates for the simulated ends: RSA, whose signatures have the same length in every run.

use crate::config::{NamedText, TlsConfig};

macro_rules! text {
    ($name:literal) => {
        Some(NamedText::file($name, *include_bytes!(concat!("../tls/testdata/", $name))))
    };
}

pub(super) fn server() -> TlsConfig {
    TlsConfig { ca: text!("ca.crt"), cert: text!("server.crt"), key: text!("rsa.key"), ..TlsConfig::default() }
}

pub(super) fn client() -> TlsConfig {
    TlsConfig { ca: text!("ca.crt"), cert: text!("client.crt"), key: text!("rsa.key"), ..TlsConfig::default() }
}
