//! The TUN device: where inner packets come from and go to.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use adit::{Packet, PeerId, Verdict};

use crate::errors::cause;
use crate::sys;

/// An open TUN device. Each read or write is one packet: the kernel offers no batches here.
#[derive(Debug)]
pub(crate) struct Tun {
    file: File,
    name: String,
    /// Bytes of packets read from the device.
    pub(crate) bytes_read: u64,
    /// Bytes of packets written to it.
    pub(crate) bytes_written: u64,
}

impl Tun {
    /// Opens `dev`: `tun` takes the first free number, `tun3` or any other name exactly that.
    pub(crate) fn open(dev: &str) -> Result<Self, String> {
        let wanted = if dev == "tun" { "tun%d" } else { dev };
        let (file, name) = sys::open_tun(wanted).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "cannot open /dev/net/tun: the kernel's tun module is not loaded".to_owned()
            }
            ErrorKind::PermissionDenied => {
                format!("cannot open TUN device {dev}: root or CAP_NET_ADMIN is needed ({})", cause(&error))
            }
            _ => format!("cannot open TUN device {dev}: {}", cause(&error)),
        })?;
        Ok(Self { file, name, bytes_read: 0, bytes_written: 0 })
    }

    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads packets into the free slots `packets`, one each, at most `mtu` bytes; says how many. Nothing to read is
    /// `Ok(0)`.
    pub(crate) fn read(&mut self, mtu: usize, slab: &mut [u8], packets: &mut [Packet]) -> io::Result<usize> {
        for (count, packet) in packets.iter_mut().enumerate() {
            let start = packet.data as usize;
            match self.file.read(&mut slab[start..start + mtu]) {
                Ok(len) => {
                    packet.data_len = len as u32;
                    packet.verdict = Verdict::Pending;
                    packet.peer = PeerId::NONE;
                    self.bytes_read += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(count),
                Err(error) => return if count > 0 { Ok(count) } else { Err(error) },
            }
        }
        Ok(packets.len())
    }

    /// Writes one packet; whether the kernel took it.
    pub(crate) fn write(&mut self, packet: &[u8]) -> bool {
        let taken = self.file.write(packet).is_ok();
        if taken {
            self.bytes_written += packet.len() as u64;
        }
        taken
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
