//! Many datagrams with one system call: `recvmmsg`, and `sendmmsg` with UDP segmentation.
//!
//! quinn-udp does the same for one destination per call; a server's batch has many.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use adit::{Address, LinkId, Packet, Path, Verdict};
use libc::{c_int, iovec, mmsghdr};
use socket2::{SockAddr, SockAddrStorage};

use super::control::{Control, received_at, write_control};

/// The kernel's limit of segments in one message (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;
/// What one message may hold, with all its segments.
const MAX_MESSAGE: usize = 65_000;
/// Scratch memory of the calls, kept so that a batch allocates nothing.
pub(crate) struct Datagrams {
    headers: Vec<mmsghdr>,
    iovecs: Vec<iovec>,
    names: Vec<SockAddr>,
    storages: Vec<SockAddrStorage>,
    /// What goes beside each message: the segments' length, our address, the TOS.
    controls: Vec<Control>,
    messages: Vec<Message>,
    /// Off once the kernel or the network card has refused it.
    segmentation: bool,
}

/// How the datagrams of a socket are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiving {
    /// The number of the link that the packets' paths get.
    pub(crate) link: LinkId,
    /// Whether the paths also tell which of our addresses was asked.
    pub(crate) local: bool,
}

/// A run of packets from one address of ours to one destination, which leave as one message.
#[derive(Clone, Copy)]
struct Message {
    local: Address,
    tos: Option<u8>,
    first: usize,
    count: usize,
    segment: usize,
    bytes: usize,
    /// Whether a packet may still join: all so far have the same length.
    open: bool,
}

/// What became of a batch that was to be sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Bytes of payload that left.
    pub(crate) bytes: u64,
    /// Packets that did not.
    pub(crate) lost: u64,
    /// Why, for the first of them.
    pub(crate) error: Option<io::Error>,
}

impl Sent {
    /// Adds what became of another batch.
    pub(crate) fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.error = self.error.take().or(other.error);
    }
}

impl Datagrams {
    /// For batches of up to `capacity` packets.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            headers: Vec::with_capacity(capacity),
            iovecs: Vec::with_capacity(capacity),
            names: Vec::with_capacity(capacity),
            storages: Vec::with_capacity(capacity),
            controls: Vec::with_capacity(capacity),
            messages: Vec::with_capacity(capacity),
            segmentation: true,
        }
    }

    /// Reads datagrams into the free slots `packets`, at most one each, and says how many. Never waits: nothing to
    /// read is `Ok(0)`.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        how: Receiving,
        slab: &mut [u8],
        packets: &mut [Packet],
    ) -> io::Result<usize> {
        self.headers.clear();
        self.iovecs.clear();
        self.controls.clear();
        self.controls.resize(packets.len(), Control::default());
        self.storages.clear();
        self.storages.resize_with(packets.len(), SockAddrStorage::zeroed);
        for packet in packets.iter() {
            let room = packet.data as usize..(packet.slot as usize + packet.slot_len as usize);
            let memory = &mut slab[room];
            self.iovecs.push(iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() });
        }
        for ((iov, name), control) in self.iovecs.iter_mut().zip(&mut self.storages).zip(&mut self.controls) {
            let mut header = empty_header();
            if how.local {
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of::<Control>() as _;
            }
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = name.size_of();
            header.msg_hdr.msg_iov = iov;
            header.msg_hdr.msg_iovlen = 1;
            self.headers.push(header);
        }
        // SAFETY: every header points to one iovec, one address and one control buffer in vectors that live, and do not
        // grow, until the call returns; every iovec covers a slice of `slab`, which is borrowed mutably for as long. The kernel writes
        // within the given lengths.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) };
        };
        for ((packet, header), name) in
            packets.iter_mut().zip(&self.headers).zip(self.storages.drain(..)).take(count)
        {
            // SAFETY: the kernel has written an address of this length into the storage.
            let name = unsafe { SockAddr::new(name, header.msg_hdr.msg_namelen) };
            packet.verdict = Verdict::Pending;
            packet.data_len = header.msg_len;
            packet.path = name.as_socket().map_or_else(Path::default, |remote| Path::udp(how.link, remote));
            packet.path.link = how.link;
            if how.local {
                // SAFETY: the kernel has filled in the header, and its control buffer lives in `self.controls`.
                packet.path.local = unsafe { received_at(&header.msg_hdr) };
            }
        }
        Ok(count)
    }

    /// Sends `packets`, each to its path, by a socket of IPv6 (`v6`) or IPv4. Packets of one length that follow each
    /// other to one destination leave as one message, which the kernel or the card cuts up.
    pub(crate) fn send<'p>(
        &mut self,
        socket: BorrowedFd<'_>,
        v6: bool,
        slab: &[u8],
        packets: impl Iterator<Item = &'p Packet>,
    ) -> Sent {
        self.gather(v6, slab, packets);
        let mut sent = Sent::default();
        let mut next = 0;
        while next < self.messages.len() {
            self.fill_headers(next);
            // SAFETY: the headers point into `iovecs`, `names` and `controls`, which live and stay unchanged until
            // the call returns; the iovecs cover slices of `slab`, which is borrowed as long. The kernel only reads.
            let count = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    self.headers.len() as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            if let Ok(count) = usize::try_from(count) {
                let done = &self.messages[next..next + count];
                sent.bytes += done.iter().map(|message| message.bytes as u64).sum::<u64>();
                next += count;
                continue;
            }
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            if error.kind() == io::ErrorKind::WouldBlock {
                if wait_writable(socket) {
                    continue;
                }
                // Waiting as long for each of the rest would hold up everybody.
                sent.lost += self.messages[next..].iter().map(|message| message.count as u64).sum::<u64>();
                sent.error.get_or_insert(error);
                break;
            }
            if self.messages[next].count > 1 {
                // Too large for the path, or the card cannot: once more, one by one.
                self.segmentation &= error.raw_os_error() != Some(libc::EIO);
                self.split(next);
                continue;
            }
            sent.lost += self.messages[next].count as u64;
            sent.error.get_or_insert(error);
            next += 1;
        }
        sent
    }

    fn gather<'p>(&mut self, v6: bool, slab: &[u8], packets: impl Iterator<Item = &'p Packet>) {
        self.iovecs.clear();
        self.names.clear();
        self.messages.clear();
        let mut previous = None;
        for packet in packets {
            let (Some(bytes), Some(remote)) = (slab.get(packet.range()), packet.path.remote.socket_addr())
            else {
                continue;
            };
            let local = packet.path.local;
            let tos = tos_of(packet);
            let same = previous == Some((remote, local, tos));
            previous = Some((remote, local, tos));
            let index = self.iovecs.len();
            self.iovecs.push(iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
            match self.messages.last_mut() {
                Some(message) if same && self.segmentation && message.takes(bytes.len()) => {
                    message.push(bytes.len())
                }
                _ => {
                    self.names.push(SockAddr::from(for_socket(remote, v6)));
                    let len = bytes.len();
                    self.messages.push(Message {
                        local,
                        tos,
                        first: index,
                        count: 1,
                        segment: len,
                        bytes: len,
                        open: len > 0,
                    });
                }
            }
        }
    }

    fn split(&mut self, index: usize) {
        let whole = self.messages[index];
        let single = |first: usize| {
            let bytes = self.iovecs[first].iov_len;
            Message { first, count: 1, segment: bytes, bytes, open: false, ..whole }
        };
        let parts: Vec<Message> = (whole.first..whole.first + whole.count).map(single).collect();
        let name = self.names[index].clone();
        self.names.splice(index..=index, vec![name; parts.len()]);
        self.messages.splice(index..=index, parts);
    }

    fn fill_headers(&mut self, from: usize) {
        self.headers.clear();
        self.controls.clear();
        self.controls.resize(self.messages.len(), Control::default());
        for ((message, name), control) in
            self.messages[from..].iter().zip(&self.names[from..]).zip(&mut self.controls)
        {
            let mut header = empty_header();
            header.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.len();
            header.msg_hdr.msg_iov = self.iovecs[message.first..].as_mut_ptr();
            header.msg_hdr.msg_iovlen = message.count as _;
            let segment = (message.count > 1).then_some(message.segment as u16);
            let v6 = name.is_ipv6();
            write_control(&mut header.msg_hdr, control, segment, message.local, message.tos, v6);
            self.headers.push(header);
        }
    }
}

impl Message {
    fn takes(&self, len: usize) -> bool {
        self.open
            && len > 0
            && len <= self.segment
            && self.count < MAX_SEGMENTS
            && self.bytes + len <= MAX_MESSAGE
    }

    fn push(&mut self, len: usize) {
        self.count += 1;
        self.bytes += len;
        self.open = len == self.segment;
    }
}

/// A socket of IPv6 reaches IPv4 by mapped addresses.
fn for_socket(remote: SocketAddr, v6: bool) -> SocketAddr {
    match remote.ip() {
        IpAddr::V4(ip) if v6 => SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port()),
        _ => remote,
    }
}

fn empty_header() -> mmsghdr {
    // SAFETY: all-zero bytes are a valid `mmsghdr`: null pointers with length zero.
    unsafe { mem::zeroed() }
}

/// The TOS that an outer packet takes over from the inner one (`passtos`): see [`with_tos`].
fn tos_of(packet: &Packet) -> Option<u8> {
    (packet.cookie & TOS_IS_SET != 0).then_some(packet.cookie as u8)
}

/// A packet's cookie that gives the outer packet this TOS.
pub(crate) fn with_tos(tos: u8) -> u64 {
    TOS_IS_SET | u64::from(tos)
}

const TOS_IS_SET: u64 = 1 << 8;

/// Gives a full send buffer a moment to drain, so that a burst from the TUN device waits there and is not lost here.
pub(super) fn wait_writable(socket: BorrowedFd<'_>) -> bool {
    const MILLISECONDS: c_int = 20;
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid `pollfd`, for a descriptor that is borrowed until after the call.
    unsafe { libc::poll(&raw mut poll, 1, MILLISECONDS) == 1 && poll.revents & libc::POLLOUT != 0 }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    const HOW: Receiving = Receiving { link: LinkId(7), local: false };

    fn packets_of(lengths: &[usize], remote: SocketAddr) -> (Vec<u8>, Vec<Packet>) {
        let mut slab = vec![0; lengths.len() * 2048];
        let packets = lengths.iter().enumerate().map(|(index, &len)| {
            let start = index * 2048;
            slab[start..start + len].fill(index as u8);
            Packet {
                path: Path::udp(LinkId(0), remote),
                ..Packet::new(start..start + 2048, start..start + len)
            }
        });
        let packets = packets.collect();
        (slab, packets)
    }

    #[test]
    fn a_batch_arrives_whole_and_in_order() {
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Runs that can be segmented, a short end, longer ones after shorter ones, an empty datagram.
        let lengths = [1400, 1400, 1400, 300, 1400, 200, 900, 900, 0, 5];
        let (slab, packets) = packets_of(&lengths, to.local_addr().unwrap());
        let mut datagrams = Datagrams::new(16);
        let sent = datagrams.send(from.as_fd(), false, &slab, packets.iter());
        assert_eq!((sent.bytes, sent.lost), (lengths.iter().sum::<usize>() as u64, 0));

        let mut slab = vec![0; 16 * 2048];
        let mut slots: Vec<Packet> =
            (0..16).map(|index| Packet::free(index * 2048..(index + 1) * 2048)).collect();
        let count = datagrams.receive(to.as_fd(), HOW, &mut slab, &mut slots).unwrap();
        assert_eq!(count, lengths.len());
        for (index, (packet, &len)) in slots.iter().zip(&lengths).enumerate() {
            assert_eq!(slab[packet.range()], vec![index as u8; len]);
            assert_eq!(packet.path, Path::udp(LinkId(7), from.local_addr().unwrap()));
        }
        assert_eq!(datagrams.receive(to.as_fd(), HOW, &mut slab, &mut slots).unwrap(), 0);
    }

    #[test]
    fn runs_of_one_length_to_one_destination_are_one_message() {
        let remote = "127.0.0.1:9".parse().unwrap();
        let (slab, mut packets) = packets_of(&[1000, 1000, 500, 1000, 1000], remote);
        packets[4].path.remote = SocketAddr::from(([127, 0, 0, 1], 10)).into();
        let mut datagrams = Datagrams::new(8);
        datagrams.gather(true, &slab, packets.iter());
        let counts: Vec<usize> = datagrams.messages.iter().map(|message| message.count).collect();
        assert_eq!(counts, [3, 1, 1]);
        datagrams.split(0);
        assert_eq!(datagrams.messages.len(), 5);
        assert_eq!(datagrams.messages[2].bytes, 500);
        assert_eq!(datagrams.names.len(), 5);
    }
}
