//! Distinguished names in OpenVPN's one-line form, which `verify-x509-name` and the log show:
//! `C=XX, ST=State, O=Example, CN=name, emailAddress=me@example.org`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Tag, Tagged};
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The short names that OpenSSL prints; anything else prints as its number.
const SHORT_NAMES: [(&str, &str); 27] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// A name in one line, its parts in the order of their encoding.
///
/// Control characters are escaped (`\0A`), and so the backslash (`\\`), as OpenSSL does with OpenVPN's flags.
pub(super) fn one_line(name: &Name) -> String {
    let mut line = String::new();
    for (set_index, set) in name.iter_rdn().enumerate() {
        for (index, attribute) in set.iter().enumerate() {
            line.push_str(match (set_index, index) {
                (0, 0) => "",
                (_, 0) => ", ",
                _ => " + ",
            });
            push_attribute(&mut line, attribute);
        }
    }
    line
}

/// The common name, the last one if there are several; control characters become `_`.
pub(super) fn common_name(name: &Name) -> Option<String> {
    let attribute = name.iter().filter(|attribute| attribute.oid == COMMON_NAME).last()?;
    Some(text(attribute).chars().map(|char| if char.is_control() { '_' } else { char }).collect())
}

/// Short name (or number) and value of each part, in order; control characters become `_`.
pub(super) fn attributes(name: &Name) -> Vec<(String, String)> {
    let clean = |c: char| if c.is_control() { '_' } else { c };
    let pair = |attribute: &AttributeTypeAndValue| {
        (short_name(attribute), text(attribute).chars().map(clean).collect())
    };
    name.iter().map(pair).collect()
}

fn short_name(attribute: &AttributeTypeAndValue) -> String {
    let number = attribute.oid.to_string();
    let short = SHORT_NAMES.iter().find(|(oid, _)| *oid == number);
    short.map_or(number, |(_, short)| short.to_string())
}

fn push_attribute(line: &mut String, attribute: &AttributeTypeAndValue) {
    line.push_str(&short_name(attribute));
    line.push('=');
    for char in text(attribute).chars() {
        match char {
            '\\' => line.push_str("\\\\"),
            char if char.is_control() => {
                let _ = write!(line, "\\{:02X}", u32::from(char));
            }
            char => line.push(char),
        }
    }
}

/// The value as text, whichever of ASN.1's many string types it has; those without a known one as Latin-1.
fn text(attribute: &AttributeTypeAndValue) -> String {
    let bytes = attribute.value.value();
    match attribute.value.tag() {
        Tag::Utf8String => String::from_utf8_lossy(bytes).into_owned(),
        Tag::BmpString => {
            let (units, _) = bytes.as_chunks::<2>();
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
                .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::tls::x509::X509;

    fn parse(pem: &[u8]) -> X509 {
        use pki_types::pem::PemObject;
        X509::parse(&pki_types::CertificateDer::from_pem_slice(pem).unwrap()).unwrap()
    }

    /// As `openssl x509 -subject -nameopt sep_comma_plus_space,sname,utf8,esc_ctrl` prints it.
    #[test]
    fn subjects_print_as_openvpn_prints_them() {
        let x509 = parse(include_bytes!("testdata/names.crt"));
        assert_eq!(
            x509.subject,
            "C=XX, ST=Prague, West, L=Plzeň, O=A+B=C, OU=back\\\\slash, OU=two\\0Alines, CN=first + UID=u1, \
             CN=na\\09me, emailAddress=me@example.org"
        );
    }

    #[test]
    fn the_last_common_name_counts_without_control_characters() {
        assert_eq!(parse(include_bytes!("testdata/names.crt")).common_name.as_deref(), Some("na_me"));
        assert_eq!(parse(include_bytes!("testdata/no-cn.crt")).common_name, None);
    }
}
