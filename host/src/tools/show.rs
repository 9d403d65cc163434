//! `--show-ciphers` and its kin: what there is to choose from. Programs read these lists; their lines have the form of
//! OpenVPN's.

use std::fmt::Write as _;

use adit::{Cipher, Digest};
use rustls::crypto::ring;
use rustls::{NamedGroup, SupportedCipherSuite};

/// The list that this option asks for.
pub(super) fn list(option: &str) -> Option<String> {
    match option {
        "--show-ciphers" => Some(ciphers()),
        "--show-digests" => Some(digests()),
        "--show-tls" => Some(suites()),
        "--show-curves" | "--show-groups" => Some(groups()),
        _ => None,
    }
}

fn ciphers() -> String {
    let mut text = "The ciphers of the data channel (data-ciphers), best first:\n\n".to_owned();
    for cipher in Cipher::DEFAULT_LIST {
        let block = if cipher == Cipher::ChaCha20Poly1305 { "stream cipher" } else { "128 bit block" };
        let _ = writeln!(
            text,
            "{cipher}  ({} bit key, {block}, TLS client/server mode only)",
            8 * cipher.key_len()
        );
    }
    text
}

fn digests() -> String {
    let mut text = "The digests of tls-auth (auth):\n\n".to_owned();
    for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        let _ = writeln!(text, "{digest} {} bit digest size", 8 * digest.len());
    }
    text
}

fn suites() -> String {
    let mut text =
        "The cipher suites of TLS, best first. They are not chosen one by one.\n\nFor TLS 1.3:\n\n"
            .to_owned();
    let all = ring::ALL_CIPHER_SUITES;
    let name = |suite: &SupportedCipherSuite| suite.suite().as_str().unwrap_or_default().to_owned();
    let (newest, older): (Vec<_>, Vec<_>) =
        all.iter().partition(|suite| matches!(suite, SupportedCipherSuite::Tls13(_)));
    for suite in newest {
        let _ = writeln!(text, "{}", name(suite).replace("TLS13_", "TLS_"));
    }
    text.push_str("\nFor TLS 1.2:\n\n");
    for suite in older {
        let _ = writeln!(text, "{}", name(suite).replace('_', "-"));
    }
    text
}

fn groups() -> String {
    let mut text =
        "The groups of the TLS key exchange, best first. They are not chosen one by one.\n\n".to_owned();
    for group in ring::ALL_KX_GROUPS {
        let name = match group.name() {
            NamedGroup::X25519 => "X25519",
            NamedGroup::secp256r1 => "prime256v1",
            NamedGroup::secp384r1 => "secp384r1",
            _ => continue,
        };
        let _ = writeln!(text, "{name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_have_openvpn_s_form() {
        for (option, line) in [
            ("--show-ciphers", "AES-256-GCM  (256 bit key, 128 bit block, TLS client/server mode only)"),
            ("--show-digests", "SHA512 512 bit digest size"),
            ("--show-tls", "TLS_CHACHA20_POLY1305_SHA256"),
            ("--show-tls", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"),
            ("--show-curves", "prime256v1"),
            ("--show-groups", "X25519"),
        ] {
            assert!(list(option).unwrap().lines().any(|shown| shown == line), "{option}: {line}");
        }
        assert_eq!(list("--show-nothing"), None);
    }
}
