//! The LAN port's device: Ethernet frames in and out, beside the kernel.
//!
//! The kernel goes on using the device; the socket sees what the device receives, and a [filter] leaves of it what is ours.

mod filter;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use adit::config::{IpNetwork, LanConfig, RouterConfig};
use adit::router::{LanLink, MacAddress, Offload, Segments};
use adit::{Packet, PeerId, TAILROOM, Verdict};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::errors::cause;
use crate::log::Log;
use crate::netconf::{LinkFacts, Netlink, link_news};
use crate::sys::{Frames, PacketSocket, SendScratch};

/// Room for frames that wait to be read, in bytes: some super-packets of one connection.
const RECEIVE_BUFFER: usize = 4 << 20;

/// An open device.
pub(crate) struct Lan {
    device: String,
    socket: PacketSocket,
    frames: Frames,
    scratch: SendScratch,
    netlink: Netlink,
    /// Hears of changes of devices.
    news: OwnedFd,
    index: u32,
    link: LanLink,
    up: bool,
    /// The frame that is taken next, and how many were made of it already.
    next: usize,
    part: usize,
    /// What the filter lets in at present.
    interests: Vec<RangeInclusive<IpAddr>>,
    /// Bytes of frames that were read, and that were written.
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
    /// Frames that could not be used, or that the kernel did not take.
    pub(crate) lost: u64,
}

impl Lan {
    /// Opens the device that `config` names. Needs root or CAP_NET_RAW, once.
    ///
    /// # Errors
    ///
    /// In one sentence, for the user.
    pub(crate) fn open(config: &RouterConfig, lan: &LanConfig, log: &Log) -> Result<Self, String> {
        let device = &lan.device;
        let mut netlink = Netlink::new()?;
        let facts = facts(&mut netlink, device)?;
        let (index, link, up) = (facts.index, link_of(device, &facts)?, facts.up);
        let socket = PacketSocket::open().map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => format!(
                "lan-port {device}: root or CAP_NET_RAW is needed to send and receive Ethernet frames ({})",
                cause(&error)
            ),
            _ => format!("lan-port {device}: cannot open a packet socket: {}", cause(&error)),
        })?;
        socket.set_receive_buffer(RECEIVE_BUFFER);
        let news = link_news().map_err(|error| format!("lan-port {device}: {}", cause(&error)))?;
        let mut out = Self {
            device: device.clone(),
            socket,
            frames: Frames::new(),
            scratch: SendScratch::default(),
            netlink,
            news,
            index,
            link,
            up,
            next: 0,
            part: 0,
            interests: Vec::new(),
            bytes_read: 0,
            bytes_written: 0,
            lost: 0,
        };
        out.must_be_alone(config, lan)?;
        out.warn_if_forwarding(lan, log);
        if !up {
            log.warning(format_args!(
                "lan-port {device}: the device is down; nobody is reached by it until it is up (ip link set {device} up)"
            ));
        }
        Ok(out)
    }

    /// What the router is told of the device.
    pub(crate) fn link(&self) -> LanLink {
        self.link
    }

    /// What is ready when there is something to [`read`](Self::read).
    pub(crate) fn frames(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What is ready when [`read_news`](Self::read_news) should be called.
    pub(crate) fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    /// From now on packets for these addresses come in. The first call has frames come in at all.
    pub(crate) fn listen(&mut self, interests: Vec<RangeInclusive<IpAddr>>) -> Result<(), String> {
        let first = self.interests.is_empty();
        if !first && interests == self.interests {
            return Ok(());
        }
        self.interests = interests;
        let bound =
            self.attach_filter().and_then(|()| if first { self.socket.bind(self.index) } else { Ok(()) });
        // The kernel tells on the socket that the device is down, too.
        match bound {
            Err(error) if error.kind() != io::ErrorKind::NetworkDown => {
                Err(format!("lan-port {}: cannot listen: {}", self.device, cause(&error)))
            }
            _ => Ok(()),
        }
    }

    fn attach_filter(&self) -> io::Result<()> {
        self.socket.filter(&filter::program(self.link.mac, &self.interests))
    }

    // ---- frames ----

    /// Reads frames into the free slots `packets`, one each; says how many. Super-packets come as the frames that they
    /// stand for. If [more](Self::has_more) are left, it is to be called again.
    pub(crate) fn read(&mut self, slab: &mut [u8], packets: &mut [Packet]) -> usize {
        let mut count = 0;
        while count < packets.len() {
            if self.next >= self.frames.len() {
                (self.next, self.part) = (0, 0);
                // Of a device that went down the news tell.
                if self.frames.receive(&self.socket).unwrap_or(0) == 0 {
                    break;
                }
            }
            let Some((vnet, frame)) = self.frames.get(self.next) else {
                self.lost += 1;
                self.next += 1;
                continue;
            };
            let segments = Offload::parse(vnet).and_then(|offload| Segments::new(frame, offload));
            let Ok(mut segments) = segments else {
                self.lost += 1;
                (self.next, self.part) = (self.next + 1, 0);
                continue;
            };
            segments.skip(self.part);
            while let Some(packet) = packets.get_mut(count) {
                let end = (packet.slot + packet.slot_len) as usize;
                let room =
                    slab.get_mut(packet.data as usize..end.saturating_sub(TAILROOM)).unwrap_or_default();
                match segments.next(room) {
                    None => {
                        (self.next, self.part) = (self.next + 1, 0);
                        break;
                    }
                    Some(Err(_)) => (self.lost, self.part) = (self.lost + 1, self.part + 1),
                    Some(Ok(len)) => {
                        packet.data_len = len as u32;
                        packet.verdict = Verdict::Pending;
                        packet.peer = PeerId::NONE;
                        self.bytes_read += len as u64;
                        self.part += 1;
                        count += 1;
                    }
                }
            }
        }
        count
    }

    /// Whether frames are left of what the kernel gave: nothing tells of them.
    pub(crate) fn has_more(&self) -> bool {
        self.next < self.frames.len()
    }

    /// Writes frames.
    pub(crate) fn write<'p>(&mut self, slab: &[u8], packets: impl Iterator<Item = &'p Packet>) {
        let mut bytes = 0;
        let frames = packets.filter_map(|packet| slab.get(packet.range()));
        let frames = frames.inspect(|frame| bytes += frame.len() as u64);
        self.lost += self.socket.send(&mut self.scratch, frames);
        self.bytes_written += bytes;
    }

    // ---- the device ----

    /// Takes in what has changed of devices. Gives back what the router must be told: the device is another, or came back.
    pub(crate) fn read_news(&mut self, log: &Log) -> Option<LanLink> {
        let (mut buffer, mut heard) = ([0; 8192], false);
        loop {
            match recv(&self.news, &mut buffer[..], RecvFlags::empty()) {
                // Whatever it was, the present state is asked for.
                Ok(_) | Err(Errno::NOBUFS) => heard = true,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if !heard {
            return None;
        }
        let device = &self.device;
        let found = facts(&mut self.netlink, device)
            .and_then(|facts| Ok((facts.index, link_of(device, &facts)?, facts.up)));
        let (index, link, up) = match found {
            Ok(found) => found,
            Err(why) => {
                if self.up {
                    log.warning(why);
                }
                self.up = false;
                return None;
            }
        };
        let was_up = core::mem::replace(&mut self.up, up);
        let is_other = index != self.index || link != self.link;
        (self.index, self.link) = (index, link);
        if was_up != up {
            log.info(format_args!("lan-port {device}: the device is {}", if up { "up" } else { "down" }));
        }
        if !up || (was_up && !is_other) {
            return None;
        }
        if let Err(error) = self.attach_filter().and_then(|()| self.socket.bind(index)) {
            log.error(format_args!("lan-port {device}: cannot listen: {}", cause(&error)));
        }
        Some(link)
    }

    /// Two who answer for one address are worse than none.
    fn must_be_alone(&mut self, config: &RouterConfig, lan: &LanConfig) -> Result<(), String> {
        let networks: Vec<IpNetwork> = networks(lan).collect();
        let ours = config.lan_addresses();
        for local in self.netlink.addresses() {
            let on_link = networks.iter().any(|network| network.contains(local.address));
            if on_link && ours.iter().any(|range| range.contains(&local.address)) {
                let (device, address, prefix, dev) = (&self.device, local.address, local.prefix, local.dev);
                return Err(format!(
                    "lan-port {device}: {address} is already an address of this machine, on {dev}, and both would answer \
                     for it; give the LAN port another one, or take it from the machine \
                     (ip address del {address}/{prefix} dev {dev})"
                ));
            }
        }
        Ok(())
    }

    /// With forwarding on, the kernel takes what comes for our addresses as something to be sent on: it redirects the
    /// sender, looks for them on the LAN, finds nobody, and tells the sender that they are unreachable.
    fn warn_if_forwarding(&self, lan: &LanConfig, log: &Log) {
        for (family, name, present) in [
            ("ipv4", "IPv4", lan.addresses.iter().any(|(address, _)| address.is_ipv4())),
            ("ipv6", "IPv6", lan.addresses.iter().any(|(address, _)| address.is_ipv6())),
        ] {
            let device = &self.device;
            let path = format!("/proc/sys/net/{family}/conf/{device}/forwarding");
            let forwards = fs::read_to_string(path).is_ok_and(|value| value.trim() != "0");
            if present && forwards {
                log.warning(format_args!(
                    "lan-port {device}: the kernel forwards {name} on {device}, too, and will tell hosts on the LAN that our \
                     addresses are unreachable; the LAN port needs no forwarding, so turn it off: \
                     sysctl -w net.{family}.conf.{}.forwarding=0",
                    device.replace('.', "/")
                ));
            }
        }
    }
}

fn networks(lan: &LanConfig) -> impl Iterator<Item = IpNetwork> {
    lan.addresses.iter().map(|(address, prefix)| IpNetwork::containing(*address, *prefix))
}

fn facts(netlink: &mut Netlink, device: &str) -> Result<LinkFacts, String> {
    netlink
        .link(device)
        .map_err(|error| format!("lan-port {device}: there is no such device ({})", cause(&error)))
}

fn link_of(device: &str, facts: &LinkFacts) -> Result<LanLink, String> {
    match facts.mac {
        Some(mac) => Ok(LanLink { mac: MacAddress(mac), mtu: facts.mtu.min(u16::MAX.into()) as u16 }),
        None => Err(format!(
            "lan-port {device}: the device is no Ethernet device; the LAN port needs one that carries Ethernet frames"
        )),
    }
}
