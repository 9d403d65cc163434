//! Ethernet frames: the header, and which of them concern us at all.

use core::fmt;

use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// An Ethernet address, in the order in which it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    pub(super) const BROADCAST: Self = Self([0xFF; 6]);

    /// Whether it is that of a single interface.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Length of the header in bytes.
pub(super) const HEADER: usize = 14;

/// The EtherTypes that we know.
pub(super) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const IPV6: u16 = 0x86DD;
}

/// A frame's header. One with a VLAN tag has the tag's EtherType, and so is nothing that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ethernet {
    pub(super) destination: MacAddress,
    pub(super) source: MacAddress,
    pub(super) ethertype: u16,
}

impl Ethernet {
    /// Reads the header and takes it off.
    pub(super) fn strip(buf: &mut PacketBuf<'_>) -> Result<Self, DropReason> {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] =
            *buf.payload().first_chunk::<HEADER>().ok_or(DropReason::NotForUs)?;
        buf.strip_front(HEADER);
        Ok(Self {
            destination: MacAddress([d0, d1, d2, d3, d4, d5]),
            source: MacAddress([s0, s1, s2, s3, s4, s5]),
            ethertype: u16::from_be_bytes([t0, t1]),
        })
    }

    /// The header's bytes.
    pub(super) fn emit(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..6].copy_from_slice(&self.destination.0);
        out[6..12].copy_from_slice(&self.source.0);
        out[12..].copy_from_slice(&self.ethertype.to_be_bytes());
        out
    }

    /// Puts the header before an IP packet.
    #[inline]
    pub(super) fn put_before(
        buf: &mut PacketBuf<'_>,
        source: MacAddress,
        destination: MacAddress,
    ) -> Result<(), DropReason> {
        let ethertype = match buf.payload().first().map(|first| first >> 4) {
            Some(4) => ethertype::IPV4,
            _ => ethertype::IPV6,
        };
        *buf.grow_front::<HEADER>()? = Self { destination, source, ethertype }.emit();
        Ok(())
    }
}
