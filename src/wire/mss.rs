//! The segment size that a TCP SYN announces.

use super::checksum::Delta;

const TCP_HEADER_LEN: usize = 20;
const SYN: u8 = 0x02;

/// Lowers the segment size that a TCP segment announces to `limit`, if it is a SYN that announces a larger one. Never
/// raises it, and mends the checksum without looking at the rest of the segment.
pub(crate) fn clamp(segment: &mut [u8], limit: u16) {
    let Some((header, rest)) = segment.split_first_chunk_mut::<TCP_HEADER_LEN>() else { return };
    let [.., offset, flags, _, _, sum0, sum1, _, _] = *header;
    if flags & SYN == 0 {
        return;
    }
    let Some(options_len) = (usize::from(offset >> 4) * 4).checked_sub(TCP_HEADER_LEN) else { return };
    let Some(options) = rest.get_mut(..options_len) else { return };
    let checksum = clamp_options(options, limit, u16::from_be_bytes([sum0, sum1]));
    header[16..18].copy_from_slice(&checksum.to_be_bytes());
}

/// Walks the options (RFC 9293 §3.1) and returns the checksum as it must be afterwards.
fn clamp_options(options: &mut [u8], limit: u16, mut checksum: u16) -> u16 {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const MSS: u8 = 2;

    let mut at = 0;
    while let Some(option) = options.get_mut(at..) {
        let len = match option {
            [] | [END, ..] => break,
            [NOP, ..] => 1,
            [MSS, 4, high, low, ..] => {
                let announced = u16::from_be_bytes([*high, *low]);
                if announced > limit {
                    [*high, *low] = limit.to_be_bytes();
                    // The header has an even length, so that an odd offset here makes the value straddle two words.
                    let [old, new] =
                        [announced, limit].map(|word| if at % 2 == 0 { word } else { word.swap_bytes() });
                    checksum = Delta::default().replace_word(old, new).apply(checksum);
                }
                4
            }
            [_, len, ..] if *len >= 2 => usize::from(*len),
            _ => break,
        };
        at += len;
    }
    checksum
}
