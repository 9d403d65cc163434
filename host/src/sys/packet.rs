//! A packet socket: whole Ethernet frames of one device, in batches, with what the kernel says of each beside.

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;

use libc::{c_int, iovec, mmsghdr};
use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use super::datagrams::wait_writable;
use super::sockopt::set;

/// `PACKET_VNET_HDR`: a `virtio_net_hdr` stands before each frame.
const PACKET_VNET_HDR: c_int = 15;
/// `PACKET_IGNORE_OUTGOING`, since Linux 4.20: not what this machine sends itself.
const PACKET_IGNORE_OUTGOING: c_int = 23;
/// Length of a `virtio_net_hdr`, in bytes.
const VNET: usize = 10;
/// Room for that, an Ethernet header, and the largest IP packet that is no jumbogram.
const SLOT: usize = (VNET + 18 + 65_535_usize).next_multiple_of(64);
/// How many frames are taken at a time.
const BATCH: usize = 32;

/// A socket of `AF_PACKET`.
#[derive(Debug)]
pub(crate) struct PacketSocket(Socket);

impl PacketSocket {
    /// A socket that hears nothing yet.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), None)?;
        set(&socket, libc::SOL_PACKET, PACKET_VNET_HDR, 1)?;
        // An older kernel has the filter do it alone.
        let _ = set(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
        Ok(Self(socket))
    }

    /// From now on only what the program lets through is heard.
    pub(crate) fn filter(&self, program: &[SockFilter]) -> io::Result<()> {
        self.0.attach_filter(program)
    }

    /// Asks for room for so many bytes of frames that wait; what of it the system allows.
    pub(crate) fn set_receive_buffer(&self, bytes: usize) {
        let forced = set(&self.0, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes as c_int);
        if forced.is_err() {
            let _ = self.0.set_recv_buffer_size(bytes);
        }
    }

    /// Hears the device of that index from now on, its multicasts too.
    pub(crate) fn bind(&self, index: u32) -> io::Result<()> {
        // SAFETY: the storage is zeroed and larger than `sockaddr_ll`, which is written whole.
        let ((), address) = unsafe {
            SockAddr::try_init(|storage, len| {
                let address = libc::sockaddr_ll {
                    sll_family: libc::AF_PACKET as u16,
                    sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
                    sll_ifindex: index as c_int,
                    sll_hatype: 0,
                    sll_pkttype: 0,
                    sll_halen: 0,
                    sll_addr: [0; 8],
                };
                ptr::write(storage.cast(), address);
                *len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
                Ok(())
            })
        }?;
        self.0.bind(&address)?;
        let request = libc::packet_mreq {
            mr_ifindex: index as c_int,
            mr_type: libc::PACKET_MR_ALLMULTI as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        // SAFETY: the pointer is to a `packet_mreq` of the given size, which lives until after the call.
        let done = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const request).cast(),
                size_of::<libc::packet_mreq>() as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Sends the frames; how many of them the kernel did not take.
    pub(crate) fn send<'f>(&self, scratch: &mut SendScratch, frames: impl Iterator<Item = &'f [u8]>) -> u64 {
        const NOTHING: [u8; VNET] = [0; VNET];
        scratch.iovecs.clear();
        scratch.headers.clear();
        for frame in frames {
            let bytes =
                |bytes: &[u8]| iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            scratch.iovecs.extend([bytes(&NOTHING), bytes(frame)]);
        }
        for pair in scratch.iovecs.chunks_mut(2) {
            // SAFETY: all-zero bytes are a valid `mmsghdr`.
            let mut header: mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = pair.as_mut_ptr();
            header.msg_hdr.msg_iovlen = 2;
            scratch.headers.push(header);
        }
        let (mut next, mut lost) = (0, 0);
        while next < scratch.headers.len() {
            let rest = &mut scratch.headers[next..];
            // SAFETY: the headers point to iovecs that live and stay as they are until the call returns, and those to
            // frames that the caller has lent for as long. The kernel only reads.
            let count = unsafe {
                libc::sendmmsg(self.0.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, libc::MSG_DONTWAIT)
            };
            if let Ok(count) = usize::try_from(count) {
                next += count;
                continue;
            }
            match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock if wait_writable(self.0.as_fd()) => {}
                // The device is down or gone, or the queue full: no better for the next one.
                io::ErrorKind::WouldBlock | io::ErrorKind::NetworkDown => {
                    lost += (scratch.headers.len() - next) as u64;
                    break;
                }
                _ => (lost, next) = (lost + 1, next + 1),
            }
        }
        lost
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Memory of [`PacketSocket::send`], kept so that a batch allocates nothing.
#[derive(Default)]
pub(crate) struct SendScratch {
    iovecs: Vec<iovec>,
    headers: Vec<mmsghdr>,
}

/// Frames that were received.
pub(crate) struct Frames {
    memory: Vec<u8>,
    iovecs: Vec<iovec>,
    headers: Vec<mmsghdr>,
    count: usize,
    #[cfg(test)]
    largest: usize,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            memory: vec![0; BATCH * SLOT],
            iovecs: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
            count: 0,
            #[cfg(test)]
            largest: 0,
        }
    }

    /// Forgets those that are there, and takes what is waiting. Never waits; nothing to read is no error.
    pub(crate) fn receive(&mut self, socket: &PacketSocket) -> io::Result<usize> {
        self.iovecs.clear();
        self.headers.clear();
        self.count = 0;
        for slot in self.memory.chunks_mut(SLOT) {
            self.iovecs.push(iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() });
        }
        for iov in &mut self.iovecs {
            // SAFETY: all-zero bytes are a valid `mmsghdr`.
            let mut header: mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = iov;
            header.msg_hdr.msg_iovlen = 1;
            self.headers.push(header);
        }
        // SAFETY: every header points to one iovec in a vector that does not grow until the call returns; every iovec
        // covers a slot of `memory`, which is borrowed mutably for as long. The kernel writes within the given lengths.
        let count = unsafe {
            libc::recvmmsg(
                socket.0.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => {
                self.count = count;
                #[cfg(test)]
                for header in &self.headers[..count] {
                    self.largest = self.largest.max(header.msg_len as usize);
                }
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                    return Err(error);
                }
            }
        }
        Ok(self.count)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The length of the largest message so far, in bytes.
    #[cfg(test)]
    pub(crate) fn largest(&self) -> usize {
        self.largest
    }

    /// What the kernel says of a frame, and its bytes; `None` if it was cut short.
    pub(crate) fn get(&mut self, number: usize) -> Option<(&[u8; VNET], &mut [u8])> {
        let header = self.headers.get(number)?;
        let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
        let len = header.msg_len as usize;
        let slot = self.memory.chunks_mut(SLOT).nth(number).filter(|_| whole)?;
        let (vnet, frame) = slot.get_mut(..len)?.split_first_chunk_mut::<VNET>()?;
        Some((vnet, frame))
    }
}
