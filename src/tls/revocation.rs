//! `crl-verify`: certificate revocation lists, read once; webpki applies them.

use alloc::format;
use alloc::vec::Vec;

use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::pem;
use crate::config::{Diagnostic, NamedText};

/// All lists of `text`, at least one.
pub(super) fn read(text: &NamedText) -> Result<Vec<CertRevocationList<'static>>, Diagnostic> {
    let blocks = pem::read_only(text, &["X509 CRL"], "a certificate revocation list")?;
    let parse = |block: &pem::Block| {
        OwnedCertRevocationList::from_der(&block.der).map(CertRevocationList::from).map_err(|error| {
            let message = match error {
                webpki::Error::UnsupportedCrlVersion => {
                    "this revocation list is of X.509 version 1, where 2 is needed: make it anew (easy-rsa 3: `gen-crl`; openssl: with `crl_extensions`)".into()
                }
                other => format!("this block is no revocation list that can be used ({other})"),
            };
            Diagnostic::error(&text.position(block.line, 0), message)
        })
    };
    blocks.iter().map(parse).collect()
}
