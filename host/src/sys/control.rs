//! Control messages beside datagrams: the length of segments, our own address, the TOS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use adit::Address;
use libc::{c_int, in_addr, in_pktinfo, in6_addr, in6_pktinfo, msghdr};

/// Room for a `UDP_SEGMENT`, an `IPV6_PKTINFO`, an `IP_TOS` and an `IPV6_TCLASS`, aligned as `cmsghdr` must be.
pub(super) type Control = [u64; 14];

/// The address of ours that a datagram was sent to; without a port.
///
/// # Safety
///
/// The kernel has filled in the header, and the control buffer that it points to is alive.
pub(super) unsafe fn received_at(header: &msghdr) -> Address {
    // SAFETY: by the caller's promise the buffer holds `msg_controllen` bytes of control messages, which the macros walk;
    // each message's data is as long as its type says.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::SOL_IP, libc::IP_PKTINFO) => {
                    let info: in_pktinfo = ptr::read_unaligned(data.cast());
                    let ip = Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr));
                    return SocketAddr::from((ip, 0)).into();
                }
                (libc::SOL_IPV6, libc::IPV6_PKTINFO) => {
                    let info: in6_pktinfo = ptr::read_unaligned(data.cast());
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // Only there does the address alone not say which way.
                    let scope = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                    return SocketAddr::from(SocketAddrV6::new(ip, 0, 0, scope)).into();
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    Address::UNSPECIFIED
}

/// Puts beside a message, by a socket of IPv6 (`v6`) or IPv4, what is given; nothing if nothing is. `control` is zero.
pub(super) fn write_control(
    header: &mut msghdr,
    control: &mut Control,
    segment: Option<u16>,
    local: Address,
    tos: Option<u8>,
    v6: bool,
) {
    let mut writer = Writer { header, used: 0 };
    writer.header.msg_control = control.as_mut_ptr().cast();
    writer.header.msg_controllen = size_of::<Control>() as _;
    if let Some(segment) = segment {
        writer.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    match local.ip() {
        Some(IpAddr::V4(ip)) if v6 => writer.push_ipv6(ip.to_ipv6_mapped(), 0),
        Some(IpAddr::V4(ip)) => {
            let spec_dst = in_addr { s_addr: ip.to_bits().to_be() };
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: in_addr { s_addr: 0 } };
            writer.push(libc::SOL_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let scope = match local.socket_addr() {
                Some(SocketAddr::V6(address)) => address.scope_id(),
                _ => 0,
            };
            writer.push_ipv6(ip, scope);
        }
        None => {}
    }
    if let Some(tos) = tos {
        let value = c_int::from(tos);
        // A socket of IPv6 heeds the one that fits where the packet goes.
        writer.push(libc::SOL_IP, libc::IP_TOS, value);
        if v6 {
            writer.push(libc::SOL_IPV6, libc::IPV6_TCLASS, value);
        }
    }
    let used = writer.used;
    header.msg_controllen = used as _;
    if used == 0 {
        header.msg_control = ptr::null_mut();
    }
}

/// Appends control messages to the buffer of a header.
struct Writer<'a> {
    header: &'a mut msghdr,
    used: usize,
}

impl Writer<'_> {
    fn push_ipv6(&mut self, ip: Ipv6Addr, scope: u32) {
        let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: scope };
        self.push(libc::SOL_IPV6, libc::IPV6_PKTINFO, info);
    }

    /// `T` is plain data, as the kernel lays it out.
    fn push<T>(&mut self, level: c_int, kind: c_int, data: T) {
        let len = size_of::<T>() as u32;
        // SAFETY: takes and gives numbers.
        let space = unsafe { libc::CMSG_SPACE(len) } as usize;
        if self.used + space > size_of::<Control>() {
            return;
        }
        // SAFETY: the buffer behind `msg_control` is a `Control`, aligned for `cmsghdr`, and what was just checked says
        // that this message fits in behind those that are there.
        unsafe {
            let head: *mut libc::cmsghdr = self.header.msg_control.byte_add(self.used).cast();
            (*head).cmsg_level = level;
            (*head).cmsg_type = kind;
            (*head).cmsg_len = libc::CMSG_LEN(len) as _;
            ptr::write_unaligned(libc::CMSG_DATA(head).cast::<T>(), data);
        }
        self.used += space;
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    /// The TOS of the datagram that has come.
    fn receive_tos(socket: &UdpSocket) -> Option<c_int> {
        let (mut bytes, mut control) = ([0_u8; 64], Control::default());
        let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: all-zero bytes are a valid `msghdr`; the pointers are to values that live until after the calls.
        unsafe {
            let mut header: msghdr = std::mem::zeroed();
            header.msg_iov = &raw mut iov;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
            assert!(libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) > 0);
            let message = libc::CMSG_FIRSTHDR(&raw const header).as_ref()?;
            let data = libc::CMSG_DATA(message);
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_IP, libc::IP_TOS) => Some(c_int::from(*data)),
                (libc::SOL_IPV6, libc::IPV6_TCLASS) => Some(ptr::read_unaligned(data.cast())),
                _ => None,
            }
        }
    }

    #[test]
    fn a_datagram_has_the_tos_that_it_is_given() {
        for (bound, to, v6) in [
            ("0.0.0.0:0", "127.0.0.1:0", false),
            ("[::]:0", "127.0.0.1:0", true),
            ("[::]:0", "[::1]:0", true),
        ] {
            let (ours, theirs) = (UdpSocket::bind(bound).unwrap(), UdpSocket::bind(to).unwrap());
            let told = socket2::SockRef::from(&theirs);
            let told =
                if to.starts_with('[') { told.set_recv_tclass_v6(true) } else { told.set_recv_tos_v4(true) };
            told.unwrap();
            let mut name = theirs.local_addr().unwrap();
            if let (true, IpAddr::V4(ip)) = (v6, name.ip()) {
                name.set_ip(ip.to_ipv6_mapped().into());
            }
            let name = socket2::SockAddr::from(name);
            let (mut bytes, mut control) = (*b"ping", Control::default());
            let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            // SAFETY: as above.
            unsafe {
                let mut header: msghdr = std::mem::zeroed();
                header.msg_name = name.as_ptr().cast_mut().cast();
                header.msg_namelen = name.len();
                header.msg_iov = &raw mut iov;
                header.msg_iovlen = 1;
                write_control(&mut header, &mut control, None, Address::UNSPECIFIED, Some(0xb8), v6);
                assert_eq!(libc::sendmsg(ours.as_raw_fd(), &raw const header, 0), 4);
            }
            assert_eq!(receive_tos(&theirs), Some(0xb8), "{bound} {to}");
        }
    }
}
