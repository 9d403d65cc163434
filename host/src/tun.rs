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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use adit::config::Ipv4Network;

    use super::*;
    use crate::log::Log;
    use crate::netconf::{Interface, Ipv4Setup, Network, interface_steps, pool_route};
    use crate::poller::{Poller, Source};

    /// Runs `f` in a network namespace of its own. Needs root, as the host does.
    fn in_namespace(f: impl FnOnce() + Send + 'static) {
        let body = || {
            sys::tests::unshare_network();
            f();
        };
        std::thread::spawn(body).join().unwrap();
    }

    #[test]
    fn packets_go_through_a_real_device() {
        in_namespace(|| {
            let log = Log::silent();
            let mut tun = Tun::open("tun").unwrap();
            assert_eq!(tun.name(), "tun0");
            let setup = Ipv4Setup::PointToPoint { local: [10, 8, 0, 1].into(), peer: [10, 8, 0, 2].into() };
            let pool = Ipv4Network { address: [10, 8, 0, 0].into(), prefix: 24 };
            let mut network = Network::new().unwrap();
            network.apply(
                interface_steps("tun0", &Interface { mtu: 1400, queue: None, ipv4: Some(setup), ipv6: None }),
                &log,
            );
            network.apply(pool_route("tun0", pool, setup).into_iter().collect(), &log);
            let hop = network.hop_to([10, 8, 0, 77].into()).unwrap();
            assert_eq!((hop.via, hop.dev.as_str()), (Some([10, 8, 0, 2].into()), "tun0"));
            assert_eq!(hop.source, Some([10, 8, 0, 1].into()));

            let socket = UdpSocket::bind("10.8.0.1:0").unwrap();
            socket.send_to(b"hello", "10.8.0.77:7").unwrap();
            let (mut slab, mut packets) = (vec![0; 2048], [Packet::free(0..2048)]);
            let mut poller = Poller::new().unwrap();
            poller.add(&tun, Source::Tun, false).unwrap();
            let packet = loop {
                poller.wait(Some(Duration::from_secs(5)), &mut Vec::new()).unwrap();
                assert_eq!(tun.read(1400, &mut slab, &mut packets).unwrap(), 1);
                // The kernel may greet a new device with packets of IPv6.
                if slab[packets[0].range()][0] >> 4 == 4 {
                    break &mut slab[packets[0].range()];
                }
                packets = [Packet::free(0..2048)];
            };
            assert!(packet.ends_with(b"hello"));

            // The echo: addresses and ports change places, which leaves the checksums right.
            let (from, to) = (packet[12..16].to_vec(), packet[16..20].to_vec());
            packet[12..16].copy_from_slice(&to);
            packet[16..20].copy_from_slice(&from);
            let ports = [packet[22], packet[23], packet[20], packet[21]];
            packet[20..24].copy_from_slice(&ports);
            assert!(tun.write(packet));
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut answer = [0; 16];
            assert_eq!(socket.recv(&mut answer).unwrap(), 5);

            network.undo(&log);
            assert_eq!(network.hop_to([10, 8, 0, 77].into()), None);
            assert!(!tun.write(b"\xf0 is no version of IP"));
        });
    }

    #[test]
    fn a_bad_name_is_told() {
        let error = Tun::open("a-name-that-is-too-long-for-linux").unwrap_err();
        assert!(error.contains("1 to 15 characters"), "{error}");
    }
}
