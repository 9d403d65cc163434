//! [`Slots`]: the memory of a batch. Packets live in it from the socket to the IP stack and back, and are never copied.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;

use adit::{Batch, HEADROOM, LinkId, Packet, Path, TAILROOM, Verdict};

/// How many packets are taken in at a time.
const COUNT: usize = 64;
/// Room for one packet in bytes, head- and tailroom included.
const SLOT: usize = 2048;
/// This host has one socket, so one link.
pub const LINK: LinkId = LinkId(0);

/// Equal slots in one slab, the first `len` of them in use.
pub struct Slots {
    slab: Vec<u8>,
    packets: Vec<Packet>,
    len: usize,
    /// Packets before this one were handed to the stack.
    next: usize,
}

impl Slots {
    /// Free slots.
    pub fn new() -> Self {
        let packets = (0..COUNT).map(|slot| Packet::free(slot * SLOT..(slot + 1) * SLOT)).collect();
        Self { slab: vec![0; COUNT * SLOT], packets, len: 0, next: 0 }
    }

    /// Frees every slot.
    pub fn clear(&mut self) {
        for (slot, packet) in self.packets.iter_mut().enumerate() {
            *packet = Packet::free(slot * SLOT..(slot + 1) * SLOT);
        }
        (self.len, self.next) = (0, 0);
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is free.
    pub fn is_full(&self) -> bool {
        self.len == self.packets.len()
    }

    /// How many packets got that verdict.
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.packets[..self.len].iter().filter(|packet| packet.verdict == verdict).count() as u64
    }

    /// Lets the engine work on the packets.
    pub fn process(&mut self, handle: impl FnOnce(&mut Batch<'_>)) {
        let mut batch = Batch::new(&mut self.slab, &mut self.packets, self.len);
        handle(&mut batch);
        self.len = batch.len;
    }

    /// Reads the datagrams that wait at the socket, as long as there are slots.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.clear();
        while !self.is_full() {
            let start = self.len * SLOT + HEADROOM;
            match socket.recv_from(&mut self.slab[start..(self.len + 1) * SLOT - TAILROOM]) {
                Ok((len, from)) => {
                    let packet = &mut self.packets[self.len];
                    packet.data_len = len as u32;
                    packet.path = Path::udp(LINK, from);
                    self.len += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // ICMP says that an earlier datagram reached nobody. The engine's timers see to what that means.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends the packets whose verdict says so.
    pub fn send(&self, socket: &UdpSocket) {
        for packet in self.packets[..self.len].iter().filter(|packet| packet.verdict == Verdict::Transmit) {
            if let Some(to) = packet.path.remote.socket_addr() {
                // A datagram that cannot be sent is lost, as any datagram may be.
                let _ = socket.send_to(&self.slab[packet.range()], to);
            }
        }
    }

    /// The next inner packet that the engine delivered.
    pub fn take_delivered(&mut self) -> Option<&[u8]> {
        while self.next < self.len {
            let packet = &self.packets[self.next];
            self.next += 1;
            if packet.verdict == Verdict::Deliver {
                return self.slab.get(packet.range());
            }
        }
        None
    }

    /// Room for an inner packet of `len` bytes. There must be a free slot, and `len` must fit into it.
    pub fn add(&mut self, len: usize) -> &mut [u8] {
        let packet = &mut self.packets[self.len];
        packet.data_len = len as u32;
        self.len += 1;
        &mut self.slab[packet.range()]
    }
}
