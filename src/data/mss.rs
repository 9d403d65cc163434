//! `mssfix`: lowers the segment size that TCP SYNs through the tunnel announce, so that what TCP sends later fits the
//! outer packets.
//!
//! Only ever lowers, and mends the checksum without looking at the rest of the segment.

use crate::algorithm::Framing;
use crate::config::Mssfix;
use crate::path::{Path, Transport};
use crate::wire::checksum::Delta;
use crate::wire::ip::TcpSegment;
use crate::wire::stream;

use super::framing;
use super::key::OVERHEAD;

/// The largest segment sizes to let through, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MssClamp {
    ipv4: u16,
    ipv6: u16,
}

impl MssClamp {
    const DEFAULT_TUN_MTU: u16 = 1500;
    const DEFAULT: Mssfix = Mssfix::Mtu(1492);
    /// IPv4 and TCP headers without options.
    const IPV4_TCP: usize = 40;
    /// IPv6 and TCP headers without options.
    const IPV6_TCP: usize = 60;
    /// What Linux takes for the least that a segment may hold; a smaller limit is a typing error.
    const FLOOR: usize = 48;

    /// The limits that `mssfix` gives on `path`, with data headers of `header_len` bytes; `None` if it is off.
    pub(crate) fn new(
        mssfix: Mssfix,
        tun_mtu: u16,
        path: &Path,
        header_len: usize,
        framing: Framing,
        relayed: bool,
    ) -> Option<Self> {
        let mssfix = match mssfix {
            Mssfix::Default if tun_mtu == Self::DEFAULT_TUN_MTU => Self::DEFAULT,
            Mssfix::Default => Mssfix::Fixed(tun_mtu),
            explicit => explicit,
        };
        let prefix_len = match path.transport {
            Transport::Udp => 0,
            Transport::Tcp => stream::PREFIX,
        };
        let overhead = prefix_len + header_len + OVERHEAD + framing::overhead(framing);
        let inner = match mssfix {
            Mssfix::Default | Mssfix::Off => return None,
            Mssfix::Payload(len) => usize::from(len).saturating_sub(overhead),
            Mssfix::Mtu(len) => {
                let relay = if relayed { path.relay_overhead() } else { 0 };
                usize::from(len).saturating_sub(overhead + path.header_overhead() + relay)
            }
            Mssfix::Fixed(len) => usize::from(len),
        };
        let limit = |headers| inner.saturating_sub(headers).max(Self::FLOOR) as u16;
        Some(Self { ipv4: limit(Self::IPV4_TCP), ipv6: limit(Self::IPV6_TCP) })
    }

    /// Lowers the segment size in an inner packet, if it is a SYN that announces a larger one.
    #[inline]
    pub(crate) fn apply(self, packet: &mut [u8]) {
        if let Some(tcp) = TcpSegment::find(packet) {
            clamp(tcp.bytes, if tcp.ipv6 { self.ipv6 } else { self.ipv4 });
        }
    }
}

const TCP_HEADER_LEN: usize = 20;
const SYN: u8 = 0x02;

fn clamp(segment: &mut [u8], limit: u16) {
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

#[cfg(test)]
mod tests;
