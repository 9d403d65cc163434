//! A UDP socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use adit::config::SocketOptions;
use adit::{LinkId, Packet};
use socket2::{Socket, Type};

use crate::proxy::datagram;
use crate::socket::{Families, open, set_buffers};
use crate::sys::{Datagrams, Receiving, Sent, report_icmp, take_icmp, tell_local_address};

/// A UDP socket, non-blocking and not bound to one remote end, so that a server's address may change (`float`).
#[derive(Debug)]
pub(crate) struct Udp {
    socket: Socket,
    v6: bool,
    /// `multihome`
    multihome: bool,
    /// A SOCKS proxy's relay, which everything goes through.
    relay: Option<SocketAddr>,
}

impl Udp {
    /// A socket at `local`.
    pub(crate) fn bind(local: SocketAddr, families: Families, options: &SocketOptions) -> io::Result<Self> {
        let socket = open(local, Type::DGRAM, families, options)?;
        socket.bind(&local.into())?;
        Ok(Self { socket, v6: local.is_ipv6(), multihome: false, relay: None })
    }

    /// From now on each packet's path tells which of our addresses was asked; one that says so is answered from there.
    pub(crate) fn tell_local_address(&mut self) -> io::Result<()> {
        tell_local_address(&self.socket, self.v6)?;
        self.multihome = true;
        Ok(())
    }

    /// From now on packets go to `relay`, and come from there, with their addresses before them.
    pub(crate) fn through(self, relay: SocketAddr) -> Self {
        Self { relay: Some(relay), ..self }
    }

    /// Has the system tell what it hears by ICMP of a destination; for a socket with one destination.
    pub(crate) fn report_icmp(&self) -> io::Result<()> {
        report_icmp(self.socket.as_fd(), self.v6)
    }

    /// What was heard of the destination last, by ICMP; after [`receive`](Self::receive) had nothing.
    pub(crate) fn take_icmp(&self) -> Option<io::Error> {
        take_icmp(self.socket.as_fd())
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
        let receiving = Receiving { link, local: self.multihome };
        let count = datagrams.receive(self.socket.as_fd(), receiving, slab, packets)?;
        if let Some(relay) = self.relay {
            for packet in &mut packets[..count] {
                unwrap(packet, slab, relay);
            }
        }
        Ok(count)
    }

    /// Sends each packet to its path.
    pub(crate) fn send<'p>(
        &self,
        datagrams: &mut Datagrams,
        slab: &[u8],
        packets: impl Iterator<Item = &'p Packet>,
    ) -> Sent {
        match self.relay {
            None => datagrams.send(self.socket.as_fd(), self.v6, slab, packets),
            Some(relay) => self.send_through(relay, slab, packets),
        }
    }

    /// One by one, each with a header before it.
    fn send_through<'p>(
        &self,
        relay: SocketAddr,
        slab: &[u8],
        packets: impl Iterator<Item = &'p Packet>,
    ) -> Sent {
        let mut sent = Sent::default();
        for packet in packets {
            let (Some(bytes), Some(to)) = (slab.get(packet.range()), packet.path.remote.socket_addr()) else {
                continue;
            };
            let header = datagram::header(to);
            let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
            match self.socket.send_to_vectored(&parts, &relay.into()) {
                Ok(_) => sent.bytes += bytes.len() as u64,
                Err(error) => {
                    sent.lost += 1;
                    sent.error.get_or_insert(error);
                }
            }
        }
        sent
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes off what a relay has put before a packet. One that does not come from there is left empty, which is nothing.
fn unwrap(packet: &mut Packet, slab: &[u8], relay: SocketAddr) {
    let from_relay = packet.path.remote == relay.into();
    match slab.get(packet.range()).filter(|_| from_relay).and_then(datagram::parse) {
        Some((from, len)) => {
            packet.data += len as u32;
            packet.data_len -= len as u32;
            packet.path.remote = from.into();
        }
        None => packet.data_len = 0,
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

    #[test]
    fn a_relay_sees_the_addresses_and_nobody_else_is_heard() {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        relay.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let ours = bind("127.0.0.1:0").through(relay.local_addr().unwrap());
        let server: SocketAddr = "192.0.2.1:1194".parse().unwrap();
        let (mut datagrams, mut slab) = (Datagrams::new(4), vec![0; 4 * 2048]);
        slab[..4].copy_from_slice(b"ping");
        let packet = Packet { path: Path::udp(LinkId(3), server), ..Packet::new(0..2048, 0..4) };
        assert_eq!(ours.send(&mut datagrams, &slab, [packet].iter()).bytes, 4);
        let mut buffer = [0; 64];
        let (len, from) = relay.recv_from(&mut buffer).unwrap();
        assert_eq!(datagram::parse(&buffer[..len]), Some((server, len - 4)));

        relay.send_to(&buffer[..len], from).unwrap();
        relay.send_to(b"no header", from).unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(&buffer[..len], from).unwrap();
        let mut packets: Vec<Packet> =
            (0..4).map(|index| Packet::free(index * 2048..(index + 1) * 2048)).collect();
        assert_eq!(ours.receive(&mut datagrams, LinkId(3), &mut slab, &mut packets).unwrap(), 3);
        assert_eq!(
            (&slab[packets[0].range()], packets[0].path),
            (&b"ping"[..], Path::udp(LinkId(3), server))
        );
        assert_eq!((packets[1].data_len, packets[2].data_len), (0, 0));
    }

    #[test]
    fn what_icmp_says_of_a_closed_port() {
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ours = bind("127.0.0.1:0");
        ours.report_icmp().unwrap();
        let (mut datagrams, mut slab) = (Datagrams::new(1), vec![0; 2048]);
        let packet = Packet { path: Path::udp(LinkId(3), closed), ..Packet::new(0..2048, 0..4) };
        let _ = ours.send(&mut datagrams, &slab, [packet].iter());
        let mut packets = [Packet::free(0..2048)];
        // On the loopback the answer is there when the call returns; its error ends the first read, or not.
        let _ = ours.receive(&mut datagrams, LinkId(3), &mut slab, &mut packets);
        let error = ours.take_icmp().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(ours.take_icmp().is_none());
        assert_eq!(ours.receive(&mut datagrams, LinkId(3), &mut slab, &mut packets).unwrap(), 0);
    }
}
