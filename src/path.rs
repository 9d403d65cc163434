//! The outer addressing: which link a packet came by, and between which addresses.
//!
//! These are plain data without pointers or padding that matters, laid out alike in C.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A socket of the host: a UDP socket, or one TCP connection. The host numbers them as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct LinkId(pub u32);

/// How OpenVPN packets travel on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Transport {
    /// One packet is one datagram.
    #[default]
    Udp = 0,
    /// Each packet is preceded by its length in two bytes.
    Tcp = 1,
}

/// An IP address and a port, as plain data.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Address {
    /// Network byte order; an IPv4 address fills the first four bytes, the rest is zero.
    ip: [u8; 16],
    /// The IPv6 scope (interface index of a link-local address), or zero.
    scope: u32,
    port: u16,
    /// 4, 6, or 0 for "not known".
    family: u8,
    reserved: u8,
}

impl Address {
    /// No address: the host does not know, or leaves the choice to its kernel.
    pub const UNSPECIFIED: Self = Self { ip: [0; 16], scope: 0, port: 0, family: 0, reserved: 0 };

    /// The address, if there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.family {
            4 => Some(Ipv4Addr::new(self.ip[0], self.ip[1], self.ip[2], self.ip[3]).into()),
            6 => Some(Ipv6Addr::from(self.ip).into()),
            _ => None,
        }
    }

    /// The port in host byte order.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same as core's type, if there is an address.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.ip()? {
            IpAddr::V4(ip) => Some(SocketAddrV4::new(ip, self.port).into()),
            IpAddr::V6(ip) => Some(SocketAddrV6::new(ip, self.port, 0, self.scope).into()),
        }
    }

    /// Bytes of the IP and UDP (or TCP) headers around a packet to this address.
    pub(crate) fn header_overhead(&self, transport: Transport) -> usize {
        let ip = if self.family == 6 { 40 } else { 20 };
        ip + match transport {
            Transport::Udp => 8,
            Transport::Tcp => 20,
        }
    }

    /// All that identifies the address, for the cookie's keyed hash.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..16].copy_from_slice(&self.ip);
        out[16..20].copy_from_slice(&self.scope.to_be_bytes());
        out[20..22].copy_from_slice(&self.port.to_be_bytes());
        out[22] = self.family;
        out
    }
}

impl From<SocketAddr> for Address {
    /// An IPv4-mapped IPv6 address becomes the IPv4 address that it is.
    fn from(addr: SocketAddr) -> Self {
        let mut out = Self { port: addr.port(), ..Self::UNSPECIFIED };
        match addr.ip().to_canonical() {
            IpAddr::V4(ip) => {
                out.ip[..4].copy_from_slice(&ip.octets());
                out.family = 4;
            }
            IpAddr::V6(ip) => {
                out.ip = ip.octets();
                out.family = 6;
                if let SocketAddr::V6(v6) = addr {
                    out.scope = v6.scope_id();
                }
            }
        }
        out
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket_addr() {
            Some(addr) => write!(f, "{addr}"),
            None => f.write_str("[undef]"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// From where an outer packet came, or where it is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Path {
    /// The other end.
    pub remote: Address,
    /// Our end, where the host knows it (`multihome`); answers go out from it. Not part of a peer's identity.
    pub local: Address,
    /// The host's socket.
    pub link: LinkId,
    /// UDP or TCP.
    pub transport: Transport,
}

impl Path {
    /// A path over UDP socket `link` to `remote`, the local address left to the kernel.
    pub fn udp(link: LinkId, remote: SocketAddr) -> Self {
        Self { remote: remote.into(), local: Address::UNSPECIFIED, link, transport: Transport::Udp }
    }

    /// A path by TCP connection `link`, which leads to `remote`.
    pub fn tcp(link: LinkId, remote: SocketAddr) -> Self {
        Self { remote: remote.into(), local: Address::UNSPECIFIED, link, transport: Transport::Tcp }
    }

    /// Whether both lead to the same end by the same socket.
    #[inline]
    pub fn same_remote(&self, other: &Self) -> bool {
        self.link == other.link && self.remote == other.remote
    }

    /// Bytes of IP and UDP or TCP headers around a packet on this path.
    pub(crate) fn header_overhead(&self) -> usize {
        self.remote.header_overhead(self.transport)
    }

    /// Bytes of the header that a SOCKS relay wants before a packet on this path (RFC 1928, 7).
    pub(crate) fn relay_overhead(&self) -> usize {
        if self.remote.family == 6 { 22 } else { 10 }
    }
}
