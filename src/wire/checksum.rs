//! The internet checksum (RFC 1071): over whole packets, and its change when a part of one changes (RFC 1624).

/// Adds up the 16-bit words of `bytes`; an odd last byte is the high half of its word.
#[inline]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    for (at, byte) in rest.iter().enumerate() {
        sum += u64::from(*byte) << if at % 2 == 0 { 8 } else { 0 };
    }
    sum
}

/// Folds a sum of words to one word.
#[inline]
pub(crate) fn fold(mut sum: u64) -> u16 {
    sum = (sum >> 32) + (sum & 0xFFFF_FFFF);
    sum = (sum >> 16) + (sum & 0xFFFF);
    sum = (sum >> 16) + (sum & 0xFFFF);
    sum = (sum >> 16) + (sum & 0xFFFF);
    sum as u16
}

/// The checksum over pieces, each but the last of an even length.
pub(crate) fn checksum<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u16 {
    !fold(pieces.into_iter().map(sum).sum())
}

/// What the words that a checksum covers change by. Put together from any number of replacements, then applied to each
/// checksum that covers them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta(u64);

impl Delta {
    /// Bytes at an even offset become others. Both have the same, even length.
    #[inline]
    pub(crate) fn replace(self, old: &[u8], new: &[u8]) -> Self {
        // ~m for each word m: the sum of the complements.
        let complements = (old.len() as u64 / 2) * 0xFFFF - u64::from(fold_even(old));
        Self(self.0 + complements + sum(new))
    }

    /// A word at an even offset becomes another.
    #[inline]
    pub(crate) fn replace_word(self, old: u16, new: u16) -> Self {
        Self(self.0 + u64::from(!old) + u64::from(new))
    }

    /// Both changes.
    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The checksum after the change: HC' = ~(~HC + ~m + m'), RFC 1624 equation 3.
    #[inline]
    pub(crate) fn apply(self, checksum: u16) -> u16 {
        !fold(u64::from(!checksum) + self.0)
    }

    /// The same for the two bytes of a packet that hold the checksum.
    #[inline]
    pub(crate) fn apply_to(self, field: &mut [u8; 2]) {
        *field = self.apply(u16::from_be_bytes(*field)).to_be_bytes();
    }
}

/// The sum of the words, none of which is lost by folding.
#[inline]
fn fold_even(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<2>();
    words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// RFC 1624, 4: the example that RFC 1141's form gets wrong.
    #[test]
    fn the_example_of_rfc_1624() {
        assert_eq!(Delta::default().replace_word(0x5555, 0x3285).apply(0xDD2F), 0x0000);
    }

    proptest! {
        #[test]
        fn a_change_is_worth_a_full_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 40..120),
            at in 0usize..18,
            new in prop::collection::vec(any::<u8>(), 4),
        ) {
            let before = checksum([&bytes[..]]);
            let old: Vec<u8> = bytes[2 * at..2 * at + 4].to_vec();
            bytes[2 * at..2 * at + 4].copy_from_slice(&new);
            let delta = Delta::default().replace(&old, &new);
            let after = delta.apply(before);
            // 0 and 0xFFFF are the same number; which of them comes out matters to nobody but UDP.
            prop_assert_eq!(after % 0xFFFF, checksum([&bytes[..]]) % 0xFFFF);
        }

        #[test]
        fn a_sum_is_as_word_by_word(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut plain = 0_u32;
            for pair in bytes.chunks(2) {
                plain += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
                plain = (plain & 0xFFFF) + (plain >> 16);
            }
            prop_assert_eq!(checksum([&bytes[..]]), !(plain as u16));
        }
    }
}
