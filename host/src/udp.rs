//! A UDP socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use adit::config::SocketOptions;
use adit::{LinkId, Packet};
use socket2::{Socket, Type};

use crate::socket::{Families, open, set_buffers};
use crate::sys::{Datagrams, Receiving, Sent, tell_local_address};

/// A UDP socket, non-blocking and not bound to one remote end, so that a server's address may change (`float`).
#[derive(Debug)]
pub(crate) struct Udp {
    socket: Socket,
    v6: bool,
    /// `multihome`
    multihome: bool,
}

impl Udp {
    /// A socket at `local`.
    pub(crate) fn bind(local: SocketAddr, families: Families, options: &SocketOptions) -> io::Result<Self> {
        let socket = open(local, Type::DGRAM, families, options)?;
        socket.bind(&local.into())?;
        Ok(Self { socket, v6: local.is_ipv6(), multihome: false })
    }

    /// From now on each packet's path tells which of our addresses was asked; one that says so is answered from there.
    pub(crate) fn tell_local_address(&mut self) -> io::Result<()> {
        tell_local_address(&self.socket, self.v6)?;
        self.multihome = true;
        Ok(())
    }

    /// Sets the sizes that the server names (`sndbuf`, `rcvbuf`), in bytes.
    pub(crate) fn set_buffers(&self, send: Option<u32>, receive: Option<u32>) {
        set_buffers(&self.socket, send.map(|size| size as usize), receive.map(|size| size as usize));
    }

    /// Reads datagrams into free slots; says how many.
    pub(crate) fn receive(
        &self,
        datagrams: &mut Datagrams,
        link: LinkId,
        slab: &mut [u8],
        packets: &mut [Packet],
    ) -> io::Result<usize> {
        datagrams.receive(self.socket.as_fd(), Receiving { link, local: self.multihome }, slab, packets)
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use adit::{Path, Verdict};

    use super::*;

    fn port(udp: &Udp) -> u16 {
        udp.socket.local_addr().unwrap().as_socket().unwrap().port()
    }

    fn bind(local: &str) -> Udp {
        Udp::bind(local.parse().unwrap(), Families::Both, &SocketOptions::default()).unwrap()
    }

    /// Reads the packet that has come, and sends it back.
    fn echo(ours: &Udp) -> Path {
        let (mut datagrams, mut slab) = (Datagrams::new(1), vec![0; 2048]);
        let mut packets = [Packet::free(0..2048)];
        assert_eq!(ours.receive(&mut datagrams, LinkId(3), &mut slab, &mut packets).unwrap(), 1);
        packets[0].verdict = Verdict::Transmit;
        let sent = ours.send(&mut datagrams, &slab, packets.iter());
        assert_eq!(sent.bytes, 4, "{:?}", sent.error);
        packets[0].path
    }

    #[test]
    fn a_socket_of_ipv6_talks_to_ipv4() {
        let ours = bind("[::]:0");
        let theirs = UdpSocket::bind("127.0.0.1:0").unwrap();
        theirs.send_to(b"ping", ("127.0.0.1", port(&ours))).unwrap();
        assert_eq!(echo(&ours), Path::udp(LinkId(3), theirs.local_addr().unwrap()));
        assert_eq!(theirs.recv(&mut [0; 16]).unwrap(), 4);
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        // By IPv4 alone, by mapped addresses, by IPv6.
        for (any, asked, from) in [
            ("0.0.0.0:0", "127.0.0.5", "127.0.0.1:0"),
            ("[::]:0", "127.0.0.6", "127.0.0.1:0"),
            ("[::]:0", "::1", "[::1]:0"),
        ] {
            let mut ours = bind(any);
            ours.tell_local_address().unwrap();
            let theirs = UdpSocket::bind(from).unwrap();
            let asked = SocketAddr::new(asked.parse().unwrap(), port(&ours));
            theirs.send_to(b"ping", asked).unwrap();
            let path = echo(&ours);
            assert_eq!(path.local.ip(), Some(asked.ip()), "{any}");
            // A connected socket takes packets from that address only.
            theirs.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
            assert_eq!(theirs.recv_from(&mut [0; 16]).unwrap(), (4, asked), "{any}");
        }
    }
}
