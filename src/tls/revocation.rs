//! `crl-verify`: certificate revocation lists, read once; webpki applies them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{self, Decode, Header, SliceReader, Tag};

use crate::config::{Diagnostic, NamedText};
use crate::crypto::pem::{self, Block};

/// All lists of `text`, at least one.
pub(super) fn read(text: &NamedText) -> Result<Vec<CertRevocationList<'static>>, Diagnostic> {
    let blocks = pem::read_only(text, &["X509 CRL"], "a certificate revocation list")?;
    blocks.iter().map(|block| parse(text, block)).collect()
}

fn parse(text: &NamedText, block: &Block) -> Result<CertRevocationList<'static>, Diagnostic> {
    OwnedCertRevocationList::from_der(&block.der).map(CertRevocationList::from).map_err(|error| {
        let message = if is_version_1(&block.der) {
            "this revocation list is of X.509 version 1, where 2 is needed: make it anew \
             (easy-rsa 3: `gen-crl`; `openssl ca -gencrl` with `crl_extensions`)"
                .to_owned()
        } else {
            format!("this block is no revocation list that can be used ({error})")
        };
        Diagnostic::error(&text.position(block.line, 0), message)
    })
}

/// Whether the version is missing, so that a list begins with its algorithm (RFC 5280 section 5.1).
fn is_version_1(der: &[u8]) -> bool {
    let first_field = |der| -> der::Result<Tag> {
        let list = AnyRef::from_der(der)?;
        let mut reader = SliceReader::new(list.value())?;
        Header::decode(&mut reader)?;
        Tag::peek(&reader)
    };
    first_field(der) == Ok(Tag::Sequence)
}
