//! Packets on a TCP link: each is preceded by its length in two bytes, themselves not counted.

use crate::reason::DropReason;

/// Length of the prefix in bytes.
pub const PREFIX: usize = 2;

/// The longest packet that is accepted, in bytes.
///
/// A peer's longest control packet has 2048 (`max-packet-size`), its longest data packet the 1600 that every 2.x peer
/// has room for, and less than 150 of header, IV, HMAC, padding, framing and fragment header. Beyond that the stream
/// is not OpenVPN's, or has lost its step.
pub const MAX: usize = 2048;

/// The length of the packet whose prefix `bytes` begins with; `None` if the prefix is not complete yet.
///
/// [`DropReason::BadStreamLength`] for 0 and for more than [`MAX`]: nothing that follows on this link can be read.
pub fn parse_length(bytes: &[u8]) -> Result<Option<usize>, DropReason> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    match usize::from(u16::from_be_bytes(*prefix)) {
        len @ 1..=MAX => Ok(Some(len)),
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
        assert_eq!(parse_length(&[]), Ok(None));
        assert_eq!(parse_length(&[0]), Ok(None));
        assert_eq!(parse_length(&[0, 14]), Ok(Some(14)));
        assert_eq!(parse_length(&[0, 14, 0x38]), Ok(Some(14)));
    }

    #[test]
    fn every_length_is_refused_or_comes_back() {
        for len in 0..=u16::MAX {
            let expected = match usize::from(len) {
                0 | 2049.. => Err(DropReason::BadStreamLength),
                len => Ok(Some(len)),
            };
            assert_eq!(parse_length(&len.to_be_bytes()), expected);
            assert_eq!(prefix(usize::from(len)), (len > 0).then_some(len.to_be_bytes()));
        }
        assert_eq!(prefix(65536), None);
    }
}
