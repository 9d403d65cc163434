//! `mssfix`: lowers the segment size that TCP SYNs through the tunnel announce, so that what TCP sends later fits the
//! outer packets.

use crate::algorithm::Framing;
use crate::config::Mssfix;
use crate::path::{Path, Transport};
use crate::wire::ip::TcpSegment;
use crate::wire::mss::clamp;
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

#[cfg(test)]
mod tests;
