//! What is known of a peer's certificate once it is verified: [`PeerCertificate`].

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::time::UnixTime;

/// A certificate that passed all checks, and the chain that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// The common name, control characters replaced by `_`.
    pub common_name: Option<String>,
    /// The last second of its validity.
    pub not_after: UnixTime,
    /// The verified chain, from the certificate itself (depth 0) up to and with the trust anchor.
    pub chain: Vec<ChainCertificate>,
}

impl PeerCertificate {
    /// The peer's own certificate.
    pub fn leaf(&self) -> Option<&ChainCertificate> {
        self.chain.first()
    }

    /// The SHA-256 fingerprint of the peer's own certificate.
    pub fn sha256(&self) -> [u8; 32] {
        self.leaf().map_or([0; 32], |leaf| leaf.sha256)
    }
}

/// One certificate of a verified chain. Its texts are the peer's or its authority's: control characters are escaped
/// or replaced, everything else is as it came.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainCertificate {
    /// The subject, as OpenVPN writes it: `C=XX, O=Example, CN=name`.
    pub subject: String,
    /// The parts of the subject, in order: short name (`CN`, `OU`, ...) or number, and value.
    pub attributes: Vec<(String, String)>,
    /// The serial number.
    pub serial: SerialNumber,
    /// The SHA-1 fingerprint.
    pub sha1: [u8; 20],
    /// The SHA-256 fingerprint.
    pub sha256: [u8; 32],
    /// The certificate itself.
    pub der: Vec<u8>,
}

impl fmt::Debug for ChainCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainCertificate")
            .field("subject", &self.subject)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// A certificate's serial number: big-endian, as encoded. Prints in decimal, as OpenVPN does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes as encoded, most significant first; a leading zero only where the encoding needs it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In hexadecimal, as OpenVPN's `tls_serial_hex_N` has it: `01:f3:9c`.
impl fmt::LowerHex for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.0.iter().skip_while(|&&byte| byte == 0).try_for_each(|byte| {
            write!(f, "{separator}{byte:02x}")?;
            separator = ":";
            Ok(())
        })
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Long division by ten, most significant byte first; the digits come out last first.
        let mut number = self.0.clone();
        let mut digits = Vec::new();
        while number.iter().any(|&byte| byte != 0) {
            let mut remainder = 0;
            for byte in &mut number {
                let dividend = remainder << 8 | u16::from(*byte);
                *byte = (dividend / 10) as u8;
                remainder = dividend % 10;
            }
            digits.push(b'0' + remainder as u8);
        }
        if digits.is_empty() {
            digits.push(b'0');
        }
        digits.iter().rev().try_for_each(|&digit| write!(f, "{}", char::from(digit)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn serial_numbers_print_in_decimal_and_in_hexadecimal() {
        let print = |bytes: &[u8]| SerialNumber(bytes.to_vec()).to_string();
        assert_eq!(print(&[0]), "0");
        assert_eq!(print(&[0x10, 0x15]), "4117");
        assert_eq!(
            print(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            "4722366482869645213695"
        );
        let print = |bytes: &[u8]| alloc::format!("{:x}", SerialNumber(bytes.to_vec()));
        assert_eq!(print(&[0x10, 0x05]), "10:05");
        assert_eq!(print(&[0, 0xff, 1]), "ff:01");
    }
}
