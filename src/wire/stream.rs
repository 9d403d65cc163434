//! Packets on a TCP link: each is preceded by its length in two bytes, themselves not counted.

use crate::reason::DropReason;

/// Length of the prefix in bytes.
pub const PREFIX: usize = 2;

/// The longest control packet of a peer, in bytes (`max-packet-size`).
const MAX_CONTROL: usize = 2048;
/// What header, IV, HMAC, padding, framing and fragment header add to an inner packet at most, in bytes.
const MAX_OVERHEAD: usize = 150;

/// The longest packet that is accepted, in bytes, where inner packets have at most `tun_mtu` bytes. Beyond that the
/// stream is not OpenVPN's, or has lost its step.
pub fn max_packet(tun_mtu: u16) -> usize {
    MAX_CONTROL.max(usize::from(tun_mtu) + MAX_OVERHEAD)
}

/// The length of the packet whose prefix `bytes` begins with; `None` if the prefix is not complete yet.
///
/// [`DropReason::BadStreamLength`] for 0 and for more than `max`: nothing that follows on this link can be read.
pub fn parse_length(bytes: &[u8], max: usize) -> Result<Option<usize>, DropReason> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    match usize::from(u16::from_be_bytes(*prefix)) {
        len if (1..=max).contains(&len) => Ok(Some(len)),
        _ => Err(DropReason::BadStreamLength),
    }
}

/// The prefix of a packet of `len` bytes; `None` if no prefix can say that.
pub fn prefix(len: usize) -> Option<[u8; PREFIX]> {
    u16::try_from(len).ok().filter(|&len| len > 0).map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_needs_both_its_bytes() {
        assert_eq!(parse_length(&[], 2048), Ok(None));
        assert_eq!(parse_length(&[0], 2048), Ok(None));
        assert_eq!(parse_length(&[0, 14], 2048), Ok(Some(14)));
        assert_eq!(parse_length(&[0, 14, 0x38], 2048), Ok(Some(14)));
    }

    #[test]
    fn every_length_is_refused_or_comes_back() {
        for len in 0..=u16::MAX {
            let expected = match usize::from(len) {
                0 | 2049.. => Err(DropReason::BadStreamLength),
                len => Ok(Some(len)),
            };
            assert_eq!(parse_length(&len.to_be_bytes(), max_packet(1500)), expected);
            assert_eq!(prefix(usize::from(len)), (len > 0).then_some(len.to_be_bytes()));
        }
        assert_eq!(prefix(65536), None);
    }

    #[test]
    fn a_large_mtu_has_large_packets() {
        assert_eq!(max_packet(1600), 2048);
        assert_eq!(parse_length(&9024u16.to_be_bytes(), max_packet(9000)), Ok(Some(9024)));
        assert_eq!(parse_length(&9151u16.to_be_bytes(), max_packet(9000)), Err(DropReason::BadStreamLength));
    }
}
