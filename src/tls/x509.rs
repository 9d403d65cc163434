//! The fields of a certificate that OpenVPN's rules look at: [`X509`].
//!
//! Signatures and chains are webpki's; here a certificate is only taken apart.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use x509_cert::certificate::{CertificateInner, Raw, Version};
use x509_cert::der::asn1::{BitString, ObjectIdentifier, UintRef};
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader};
use x509_cert::time::Time;

use super::subject;
use crate::certificate::SerialNumber;
use crate::time::UnixTime;

/// Extended key usage: TLS web server authentication.
pub(super) const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// Extended key usage: TLS web client authentication.
pub(super) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const NETSCAPE_CERT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1");

/// A certificate taken apart.
#[derive(Clone, Debug)]
pub(super) struct X509 {
    pub(super) subject: String,
    /// Short name and value of each part of the subject.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) issuer: String,
    pub(super) common_name: Option<String>,
    pub(super) serial: SerialNumber,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    /// The bits of `keyUsage` (RFC 5280 section 4.2.1.3), the first one highest.
    pub(super) key_usage: Option<u8>,
    pub(super) extended_key_usage: Option<Vec<ObjectIdentifier>>,
    /// The bits of the Netscape certificate type, the first one (client) highest.
    pub(super) netscape_cert_type: Option<u8>,
    pub(super) is_version_3: bool,
    /// Whether subject and issuer are the same.
    pub(super) is_self_issued: bool,
    pub(super) key: PublicKey,
    signature_algorithm: ObjectIdentifier,
    /// The SubjectPublicKeyInfo in DER.
    pub(super) public_key_info: Vec<u8>,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// With the length of its modulus in bits.
    Rsa(usize),
    P256,
    P384,
    Ed25519,
    Other(ObjectIdentifier),
}

impl X509 {
    /// Bits of [`key_usage`](Self::key_usage).
    pub(super) const DIGITAL_SIGNATURE: u8 = 0x80;
    pub(super) const KEY_ENCIPHERMENT: u8 = 0x20;
    pub(super) const KEY_AGREEMENT: u8 = 0x08;
    pub(super) const KEY_CERT_SIGN: u8 = 0x04;

    /// Bits of [`netscape_cert_type`](Self::netscape_cert_type).
    pub(super) const NETSCAPE_CLIENT: u8 = 0x80;
    pub(super) const NETSCAPE_SERVER: u8 = 0x40;

    /// Takes a certificate in DER apart.
    pub(super) fn parse(der: &[u8]) -> der::Result<Self> {
        // `Raw`: serial numbers of more than 20 bytes are in use.
        let certificate = CertificateInner::<Raw>::from_der(der)?;
        let fields = certificate.tbs_certificate();
        let extension = |oid| {
            let all = fields.extensions().map_or(&[][..], Vec::as_slice);
            all.iter().find(|extension| extension.extn_id == oid).map(|found| found.extn_value.as_bytes())
        };
        let bits = |oid| extension(oid).map(first_bits).transpose();

        Ok(Self {
            subject: subject::one_line(fields.subject()),
            attributes: subject::attributes(fields.subject()),
            issuer: subject::one_line(fields.issuer()),
            common_name: subject::common_name(fields.subject()),
            serial: SerialNumber::new(fields.serial_number().as_bytes()),
            not_before: unix_time(fields.validity().not_before),
            not_after: unix_time(fields.validity().not_after),
            key_usage: bits(KEY_USAGE)?,
            extended_key_usage: extension(EXTENDED_KEY_USAGE).map(Vec::from_der).transpose()?,
            netscape_cert_type: bits(NETSCAPE_CERT_TYPE)?,
            is_version_3: fields.version() == Version::V3,
            is_self_issued: fields.subject() == fields.issuer(),
            key: PublicKey::of(fields.subject_public_key_info())?,
            signature_algorithm: certificate.signature_algorithm().oid,
            public_key_info: fields.subject_public_key_info().to_der()?,
        })
    }

    /// Whether the extended key usage lists `purpose`.
    pub(super) fn has_extended_usage(&self, purpose: ObjectIdentifier) -> bool {
        self.extended_key_usage.as_ref().is_some_and(|usages| usages.contains(&purpose))
    }

    /// What is wrong with the key, for "has ...". Such a key proves nothing here.
    pub(super) fn weak_key(&self) -> Option<String> {
        match self.key {
            PublicKey::Rsa(bits @ ..2048) => {
                Some(alloc::format!("has an RSA key of {bits} bits, where 2048 are the least"))
            }
            PublicKey::Rsa(bits @ 8193..) => {
                Some(alloc::format!("has an RSA key of {bits} bits, where 8192 are the most"))
            }
            PublicKey::Other(oid) => Some(alloc::format!(
                "has a key of an unsupported kind ({oid}), where RSA, ECDSA P-256 or P-384, or Ed25519 is needed"
            )),
            PublicKey::Rsa(_) | PublicKey::P256 | PublicKey::P384 | PublicKey::Ed25519 => None,
        }
    }

    /// What is wrong with the signature's algorithm, for "is signed with ...".
    pub(super) fn weak_signature(&self) -> Option<&'static str> {
        // PKCS #1 and ANSI X9.62, and what OpenSSL still offers of old.
        match self.signature_algorithm.to_string().as_str() {
            "1.2.840.113549.1.1.2" => Some("MD2"),
            "1.2.840.113549.1.1.4" => Some("MD5"),
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
                Some("SHA-1")
            }
            _ => None,
        }
    }
}

impl PublicKey {
    fn of(info: &x509_cert::spki::SubjectPublicKeyInfoOwned) -> der::Result<Self> {
        const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
        const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
        const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
        const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
        const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

        Ok(match info.algorithm.oid {
            RSA => Self::Rsa(modulus_bits(info.subject_public_key.raw_bytes())?),
            ED25519 => Self::Ed25519,
            EC => match info.algorithm.parameters.as_ref().map(|curve| curve.decode_as::<ObjectIdentifier>())
            {
                Some(Ok(P256)) => Self::P256,
                Some(Ok(P384)) => Self::P384,
                Some(Ok(curve)) => Self::Other(curve),
                None | Some(Err(_)) => Self::Other(EC),
            },
            other => Self::Other(other),
        })
    }
}

/// A day, for a sentence: `2026-01-31`.
pub(super) struct Date(pub(super) UnixTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match der::DateTime::from_unix_duration(core::time::Duration::from_secs(self.0.0)) {
            Ok(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
            Err(_) => f.write_str("a day after the year 9999"),
        }
    }
}

fn unix_time(time: Time) -> UnixTime {
    UnixTime(time.to_unix_duration().as_secs())
}

/// The first eight bits of a BIT STRING; those that are not there are zero.
fn first_bits(der: &[u8]) -> der::Result<u8> {
    Ok(BitString::from_der(der)?.raw_bytes().first().copied().unwrap_or(0))
}

/// The length of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1).
fn modulus_bits(public_key: &[u8]) -> der::Result<usize> {
    SliceReader::new(public_key)?.sequence(|reader| {
        let modulus = UintRef::decode(reader)?;
        let _exponent = UintRef::decode(reader)?;
        let bytes = modulus.as_bytes();
        let leading_zeros = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
        Ok::<_, der::Error>((bytes.len() * 8).saturating_sub(leading_zeros))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pki_types::pem::PemObject;

    fn parse(pem: &[u8]) -> X509 {
        X509::parse(&pki_types::CertificateDer::from_pem_slice(pem).unwrap()).unwrap()
    }

    #[test]
    fn extensions_are_found() {
        let server = parse(include_bytes!("testdata/server.crt"));
        assert_eq!(server.key_usage, Some(X509::DIGITAL_SIGNATURE | X509::KEY_ENCIPHERMENT));
        assert!(server.has_extended_usage(SERVER_AUTH) && !server.has_extended_usage(CLIENT_AUTH));
        assert_eq!(server.netscape_cert_type, None);
        assert!(server.is_version_3 && !server.is_self_issued);

        let netscape = parse(include_bytes!("testdata/netscape.crt"));
        assert_eq!(netscape.netscape_cert_type, Some(X509::NETSCAPE_SERVER));
        assert_eq!((netscape.key_usage, netscape.extended_key_usage), (None, None));
        assert!(parse(include_bytes!("testdata/ca.crt")).is_self_issued);
    }

    #[test]
    fn keys_and_their_weaknesses_are_known() {
        let key = |pem| parse(pem).key;
        assert_eq!(key(include_bytes!("testdata/client.crt")), PublicKey::Rsa(2048));
        assert_eq!(key(include_bytes!("testdata/server-p256.crt")), PublicKey::P256);
        assert_eq!(key(include_bytes!("testdata/client-p384.crt")), PublicKey::P384);
        assert_eq!(key(include_bytes!("testdata/client-ed25519.crt")), PublicKey::Ed25519);
        let weak = parse(include_bytes!("testdata/rsa1024.crt"));
        assert_eq!(weak.weak_key().unwrap(), "has an RSA key of 1024 bits, where 2048 are the least");
        assert_eq!(parse(include_bytes!("testdata/sha1.crt")).weak_signature(), Some("SHA-1"));
        assert_eq!(weak.weak_signature(), None);
    }

    #[test]
    fn dates_reach_beyond_all_other_clocks() {
        let x509 = parse(include_bytes!("testdata/client-3023.crt"));
        assert_eq!(x509.not_after, UnixTime(33_240_110_400));
        assert_eq!(Date(x509.not_after).to_string(), "3023-05-04");
        assert_eq!(Date(UnixTime(0)).to_string(), "1970-01-01");
        assert_eq!(Date(UnixTime(u64::MAX)).to_string(), "a day after the year 9999");
    }

    #[test]
    fn damage_is_an_error_and_no_panic() {
        use pki_types::CertificateDer;
        let der = CertificateDer::from_pem_slice(include_bytes!("testdata/names.crt")).unwrap();
        for end in 0..der.len() {
            assert!(X509::parse(&der[..end]).is_err());
        }
        for place in 0..der.len() {
            let mut damaged = der.to_vec();
            damaged[place] ^= 0xff;
            let _ = X509::parse(&damaged);
        }
    }
}
