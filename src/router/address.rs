//! What the router's tables need of an address, for both families alike.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;

/// An address of one family, in network byte order wherever it lies in a packet.
pub(super) trait Address: Copy + Eq + Ord + Hash + Debug + Into<IpAddr> + 'static {
    /// 4 or 6.
    const VERSION: u8;
    /// Where the source address begins in a header, in bytes; the destination follows it.
    const OFFSET: usize;
    /// Its length in bytes.
    const LEN: usize;
    /// ICMP's protocol number.
    const ICMP: u8;
    /// ICMP's type of an echo request.
    const ECHO: u8;
    /// And of its answer.
    const ECHO_REPLY: u8;
    /// The address that stands for none.
    const UNSPECIFIED: Self;

    /// Length of its header without options or extensions, in bytes.
    const HEADER: usize;
    /// What every path carries, and so the most that an ICMP error has, in bytes.
    const LEAST_ERROR: usize;

    /// What every link carries, in bytes; a way that is said to carry less is not believed.
    const LEAST_MTU: u16;
    /// What every end takes, in bytes: no message from afar makes anybody send less (RFC 1122 §3.3.2, RFC 8201 §4).
    const LEAST_PATH: u16;
    /// IP and TCP headers without options, in bytes.
    const TCP_HEADERS: u16;

    /// Whether it is that of a single host.
    fn is_host(self) -> bool;
    /// Whether it means something on one link only (RFC 3927 §2.7, RFC 4291 §2.5.6).
    fn is_link_local(self) -> bool;
    /// Puts a header before what is in `buf`.
    fn put_header(
        buf: &mut PacketBuf<'_>,
        source: Self,
        destination: Self,
        protocol: u8,
        hops: u8,
    ) -> Result<(), DropReason>;
    /// Source and destination of a packet that has a whole header.
    fn pair(packet: &[u8]) -> (Self, Self);
    /// Writes them.
    fn set_pair(packet: &mut [u8], source: Self, destination: Self);
    /// Puts both into a hash.
    fn hash_pair(hasher: &mut impl Hasher, source: Self, destination: Self);
    /// That of this family, if it is.
    fn of(address: IpAddr) -> Option<Self>;
    /// As a number.
    fn to_number(self) -> u128;
    /// And back; what does not fit is cut off.
    fn from_number(number: u128) -> Self;
}

impl Address for Ipv4Addr {
    const VERSION: u8 = 4;
    const OFFSET: usize = 12;
    const LEN: usize = 4;
    const ICMP: u8 = 1;
    const ECHO: u8 = 8;
    const ECHO_REPLY: u8 = 0;
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    const HEADER: usize = 20;
    const LEAST_ERROR: usize = 576;
    const LEAST_MTU: u16 = 68;
    const LEAST_PATH: u16 = 576;
    const TCP_HEADERS: u16 = 40;

    fn is_host(self) -> bool {
        // Not 0/8, 127/8, 224/4, 240/4.
        !matches!(self.octets()[0], 0 | 127 | 224..)
    }

    fn is_link_local(self) -> bool {
        Self::is_link_local(&self)
    }

    fn put_header(
        buf: &mut PacketBuf<'_>,
        source: Self,
        destination: Self,
        protocol: u8,
        hops: u8,
    ) -> Result<(), DropReason> {
        let len = u16::try_from(Self::HEADER + buf.len()).map_err(|_| DropReason::TooBig)?;
        let header = buf.grow_front::<20>()?;
        *header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, hops, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[2..4].copy_from_slice(&len.to_be_bytes());
        Self::set_pair(header, source, destination);
        let sum = checksum([&header[..]]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn pair(packet: &[u8]) -> (Self, Self) {
        let bytes =
            packet.get(12..20).and_then(|bytes| bytes.first_chunk::<8>()).copied().unwrap_or_default();
        let [a, b, c, d, e, f, g, h] = bytes;
        (Self::new(a, b, c, d), Self::new(e, f, g, h))
    }

    #[inline]
    fn set_pair(packet: &mut [u8], source: Self, destination: Self) {
        if let Some(bytes) = packet.get_mut(12..20) {
            bytes[..4].copy_from_slice(&source.octets());
            bytes[4..].copy_from_slice(&destination.octets());
        }
    }

    #[inline]
    fn hash_pair(hasher: &mut impl Hasher, source: Self, destination: Self) {
        hasher.write_u64(u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits()));
    }

    #[inline]
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn to_number(self) -> u128 {
        self.to_bits().into()
    }

    fn from_number(number: u128) -> Self {
        Self::from_bits(number as u32)
    }
}

impl Address for Ipv6Addr {
    const VERSION: u8 = 6;
    const OFFSET: usize = 8;
    const LEN: usize = 16;
    const ICMP: u8 = 58;
    const ECHO: u8 = 128;
    const ECHO_REPLY: u8 = 129;
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    const HEADER: usize = 40;
    const LEAST_ERROR: usize = 1280;
    const LEAST_MTU: u16 = 1280;
    const LEAST_PATH: u16 = 1280;
    const TCP_HEADERS: u16 = 60;

    fn is_host(self) -> bool {
        !self.is_unspecified() && !self.is_loopback() && !self.is_multicast()
    }

    fn is_link_local(self) -> bool {
        self.is_unicast_link_local()
    }

    fn put_header(
        buf: &mut PacketBuf<'_>,
        source: Self,
        destination: Self,
        protocol: u8,
        hops: u8,
    ) -> Result<(), DropReason> {
        let len = u16::try_from(buf.len()).map_err(|_| DropReason::TooBig)?;
        let header = buf.grow_front::<40>()?;
        *header = [0; 40];
        (header[0], header[6], header[7]) = (0x60, protocol, hops);
        header[4..6].copy_from_slice(&len.to_be_bytes());
        Self::set_pair(header, source, destination);
        Ok(())
    }

    #[inline]
    fn pair(packet: &[u8]) -> (Self, Self) {
        let bytes =
            packet.get(8..40).and_then(|bytes| bytes.first_chunk::<32>()).copied().unwrap_or_default();
        match bytes.as_chunks::<16>().0 {
            [source, destination] => (Self::from(*source), Self::from(*destination)),
            _ => (Self::UNSPECIFIED, Self::UNSPECIFIED),
        }
    }

    #[inline]
    fn set_pair(packet: &mut [u8], source: Self, destination: Self) {
        if let Some(bytes) = packet.get_mut(8..40) {
            bytes[..16].copy_from_slice(&source.octets());
            bytes[16..].copy_from_slice(&destination.octets());
        }
    }

    #[inline]
    fn hash_pair(hasher: &mut impl Hasher, source: Self, destination: Self) {
        hasher.write_u128(source.to_bits());
        hasher.write_u128(destination.to_bits());
    }

    #[inline]
    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }

    fn to_number(self) -> u128 {
        self.to_bits()
    }

    fn from_number(number: u128) -> Self {
        Self::from_bits(number)
    }
}
