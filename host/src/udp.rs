//! A UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use adit::config::AddressFamily;
use adit::{LinkId, Packet};
use socket2::{Domain, Protocol, Socket, Type};

use crate::sys::{Datagrams, Sent};

/// What the buffers of a socket should hold, in bytes: some batches. The system may grant less.
const BUFFER: usize = 1 << 20;

/// A UDP socket, non-blocking and not bound to one remote end, so that a server's address may change (`float`).
#[derive(Debug)]
pub(crate) struct Udp {
    socket: Socket,
    v6: bool,
}

impl Udp {
    /// A socket at `local`.
    pub(crate) fn bind(local: SocketAddr) -> io::Result<Self> {
        let socket = open(local, Type::DGRAM, Protocol::UDP)?;
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        socket.bind(&local.into())?;
        Ok(Self { socket, v6: local.is_ipv6() })
    }

    /// Sets the sizes that the configuration or the server names (`sndbuf`, `rcvbuf`), in bytes.
    pub(crate) fn set_buffers(&self, send: Option<u32>, receive: Option<u32>) {
        if let Some(size) = send {
            let _ = self.socket.set_send_buffer_size(size as usize);
        }
        if let Some(size) = receive {
            let _ = self.socket.set_recv_buffer_size(size as usize);
        }
    }

    /// Reads datagrams into free slots; says how many.
    pub(crate) fn receive(
        &self,
        datagrams: &mut Datagrams,
        link: LinkId,
        slab: &mut [u8],
        packets: &mut [Packet],
    ) -> io::Result<usize> {
        datagrams.receive(self.socket.as_fd(), link, slab, packets)
    }

    /// Sends each packet to its path.
    pub(crate) fn send<'p>(
        &self,
        datagrams: &mut Datagrams,
        slab: &[u8],
        packets: impl Iterator<Item = &'p Packet>,
    ) -> Sent {
        datagrams.send(self.socket.as_fd(), self.v6, slab, packets)
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A non-blocking socket for `local`. One of IPv6 serves IPv4 too.
pub(crate) fn open(local: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// Where a socket without `local` is bound: to all addresses of the family. Without a family to both, where the system
/// has IPv6 at all.
pub(crate) fn any_address(family: Option<AddressFamily>, port: u16) -> SocketAddr {
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match family {
        Some(AddressFamily::V4) => (Ipv4Addr::UNSPECIFIED, port).into(),
        Some(AddressFamily::V6) => v6,
        None if Socket::new(Domain::IPV6, Type::DGRAM, None).is_ok() => v6,
        None => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

#[cfg(test)]
mod tests {
    use adit::{Path, Verdict};

    use super::*;

    #[test]
    fn a_socket_of_ipv6_talks_to_ipv4() {
        let ours = Udp::bind(any_address(None, 0)).unwrap();
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = ours.socket.local_addr().unwrap().as_socket().unwrap().port();
        theirs.send_to(b"ping", ("127.0.0.1", port)).unwrap();
        let (mut datagrams, mut slab) = (Datagrams::new(1), vec![0; 2048]);
        let mut packets = [Packet::free(0..2048)];
        assert_eq!(ours.receive(&mut datagrams, LinkId(3), &mut slab, &mut packets).unwrap(), 1);
        assert_eq!(packets[0].path, Path::udp(LinkId(3), theirs.local_addr().unwrap()));
        packets[0].verdict = Verdict::Transmit;
        assert_eq!(ours.send(&mut datagrams, &slab, packets.iter()).bytes, 4);
        let mut answer = [0; 16];
        assert_eq!(theirs.recv(&mut answer).unwrap(), 4);
    }
}
