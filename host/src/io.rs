//! [`Io`]: the sockets, the TUN device, and the memory that packets live in between them.
//!
//! Moves packets between the kernel and an [`Endpoint`], in batches. Knows nothing of what the engine's events mean.

mod dialogue;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use adit::router::LanLink;
use adit::{Batch, Endpoint, HEADROOM, Instant, LinkId, Packet, Path, Port, TAILROOM, Verdict};

use crate::errors::cause;
use crate::lan::Lan;
use crate::log::{Level, Log, Verb};
use crate::poller::{Poller, Ready, Source};
use crate::proxy::Refusal;
use crate::status::Traffic;
use crate::sys::{Datagrams, Sent, with_tos};
use crate::tcp::{Connection, Listener};
use crate::tun::Tun;
use crate::udp::Udp;

/// How many packets are taken in at a time.
const BATCH: usize = 64;
/// Slots on top, for what an engine sends beside.
const SPARE: usize = 16;
/// The least room for the data of a packet, in bytes: a control packet may be larger than the tunnel's packets.
const MIN_ROOM: usize = 2048 - HEADROOM - TAILROOM;
/// What sealing adds at most, and the length field of TCP.
const OVERHEAD: usize = 64;
/// The largest frame of a TCP link.
const MAX_FRAME: usize = 2 + u16::MAX as usize;
/// What is read from a TCP link at a time.
const STREAM_READ: usize = 64 * 1024;

/// A socket that carries outer packets.
#[derive(Debug)]
pub(crate) enum Link {
    Udp(Udp),
    Tcp(Connection),
}

impl Link {
    /// Our end, where the system chose one for this link alone.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(_) => None,
            Self::Tcp(connection) => connection.local(),
        }
    }
}

/// What a link that became ready means to the role.
#[derive(Debug)]
pub(crate) enum LinkChange {
    /// The connection is there.
    Connected,
    /// There will be no connection.
    Failed(io::Error),
    /// The connection leads to a SOCKS proxy, and this is its relay for datagrams.
    Relay(SocketAddr),
    /// There will be no connection, since the proxy does not want it; the link is gone already.
    Refused(Refusal),
    /// The other end has closed it, or it broke; it is gone already.
    Closed,
}

/// Packets that the host itself lost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    pub(crate) tun: u64,
    pub(crate) link: u64,
}

pub(crate) struct Io {
    pub(crate) poller: Poller,
    pub(crate) log: Rc<Log>,
    listeners: Vec<Listener>,
    tun: Option<Tun>,
    lan: Option<Lan>,
    /// The largest inner packet, in bytes.
    mtu: usize,
    links: BTreeMap<LinkId, Link>,
    next_link: u32,
    slab: Vec<u8>,
    packets: Vec<Packet>,
    stream: Vec<u8>,
    datagrams: Datagrams,
    /// TCP links with something to flush.
    dirty: Vec<LinkId>,
    tun_paused: bool,
    /// `passtos`: whether outer packets take over the TOS of inner ones.
    pub(crate) passtos: bool,
    /// The errors that UDP has met since the last link was opened, by their numbers.
    send_errors: Vec<i32>,
    unreachable: bool,
    pub(crate) traffic: Traffic,
    pub(crate) losses: Losses,
}

impl Io {
    /// Nothing open yet. `max_mtu` is the largest MTU that the TUN device may get, in bytes.
    pub(crate) fn new(log: Rc<Log>, max_mtu: u16) -> io::Result<Self> {
        let room = (usize::from(max_mtu) + OVERHEAD).max(MIN_ROOM);
        let count = BATCH + SPARE;
        let (slab, packets) = slots(room);
        Ok(Self {
            poller: Poller::new()?,
            log,
            listeners: Vec::new(),
            passtos: false,
            tun: None,
            lan: None,
            mtu: room,
            links: BTreeMap::new(),
            next_link: 0,
            slab,
            packets,
            stream: vec![0; MAX_FRAME + STREAM_READ],
            datagrams: Datagrams::new(count),
            dirty: Vec::new(),
            tun_paused: false,
            send_errors: Vec::new(),
            unreachable: false,
            traffic: Traffic::default(),
            losses: Losses::default(),
        })
    }

    // ---- what is open ----

    /// Takes a TUN device into use.
    pub(crate) fn attach_tun(&mut self, tun: Tun) -> io::Result<()> {
        self.poller.add(&tun, Source::Tun, false)?;
        self.tun_paused = false;
        self.tun = Some(tun);
        Ok(())
    }

    /// Gives the TUN device away, or closes it by dropping it.
    pub(crate) fn take_tun(&mut self) -> Option<Tun> {
        let tun = self.tun.take()?;
        let _ = self.poller.remove(&tun);
        self.traffic.tun_read += tun.bytes_read;
        self.traffic.tun_written += tun.bytes_written;
        Some(tun)
    }

    /// Takes the device of the LAN port into use.
    pub(crate) fn attach_lan(&mut self, lan: Lan) -> io::Result<()> {
        self.poller.add(lan.frames(), Source::Lan, false)?;
        self.poller.add(lan.news(), Source::LanNews, false)?;
        // Jumbo frames are for others to cut up, by what we tell them of the tunnel.
        let room = usize::from(lan.link().mtu) + OVERHEAD;
        if room > self.mtu {
            (self.slab, self.packets) = slots(room);
        }
        self.lan = Some(lan);
        Ok(())
    }

    /// The device of the LAN port.
    pub(crate) fn lan(&mut self) -> Option<&mut Lan> {
        self.lan.as_mut()
    }

    /// Takes a link into use, and numbers it.
    pub(crate) fn add_link(&mut self, link: Link) -> io::Result<LinkId> {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        match &link {
            Link::Udp(udp) => self.poller.add(udp, Source::Link(id), false)?,
            Link::Tcp(connection) => {
                self.poller.add(connection, Source::Link(id), connection.is_connecting())?
            }
        }
        self.links.insert(id, link);
        self.send_errors.clear();
        self.unreachable = false;
        Ok(id)
    }

    /// Takes a listener into use, and numbers it.
    pub(crate) fn add_listener(&mut self, listener: Listener) -> io::Result<()> {
        self.poller.add(&listener, Source::Listener(self.listeners.len() as u32), false)?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Whether to be told of connections that wait.
    pub(crate) fn watch_listeners(&self, watch: bool) {
        for (number, listener) in (0..).zip(&self.listeners) {
            let _ = self.poller.watch(listener, Source::Listener(number), watch, false);
        }
    }

    /// Takes the next connection that waits at a listener into use, if there is one.
    pub(crate) fn accept(&mut self, listener: u32) -> io::Result<Option<(LinkId, SocketAddr)>> {
        let Some(listener) = self.listeners.get(listener as usize) else { return Ok(None) };
        let Some(connection) = listener.accept()? else { return Ok(None) };
        let remote = connection.remote();
        Ok(Some((self.add_link(Link::Tcp(connection))?, remote)))
    }

    /// Listens no longer.
    pub(crate) fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    /// The link of that number.
    pub(crate) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    /// Sends what still can be sent on a link, and closes it.
    pub(crate) fn close_link(&mut self, id: LinkId) {
        if let Some(Link::Tcp(mut connection)) = self.links.remove(&id) {
            let _ = connection.flush();
        }
        self.resume_tun();
    }

    /// Closes all links.
    pub(crate) fn close_links(&mut self) {
        while let Some((&id, _)) = self.links.first_key_value() {
            self.close_link(id);
        }
    }

    /// What went through so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = self.traffic;
        if let Some(tun) = &self.tun {
            traffic.tun_read += tun.bytes_read;
            traffic.tun_written += tun.bytes_written;
        }
        traffic
    }

    // ---- packets ----

    /// Takes a batch from the TUN device to the engine.
    pub(crate) fn read_tun(&mut self, engine: &mut impl Endpoint, now: Instant) -> io::Result<()> {
        let Some(tun) = &mut self.tun else { return Ok(()) };
        let count = tun.read(self.mtu, &mut self.slab, &mut self.packets[..BATCH])?;
        self.log.packets(b'r', count);
        if self.passtos {
            for packet in &mut self.packets[..count] {
                packet.cookie = self.slab.get(packet.range()).and_then(tos_of).map_or(0, with_tos);
            }
        }
        self.process(count, |batch| engine.handle_tunnel_packets(now, Port::Host, batch));
        Ok(())
    }

    /// What has changed of devices, if the engine must be told of the LAN port's.
    pub(crate) fn read_lan_news(&mut self) -> Option<LanLink> {
        self.lan.as_mut()?.read_news(&self.log)
    }

    /// Takes what is there from the LAN to the engine.
    pub(crate) fn read_lan(&mut self, engine: &mut impl Endpoint, now: Instant) {
        // A super-packet may leave more than a batch; all frames that the kernel gave are taken, not all that it has.
        while let Some(lan) = &mut self.lan {
            let count = lan.read(&mut self.slab, &mut self.packets[..BATCH]);
            let more = lan.has_more();
            self.log.packets(b'r', count);
            self.process(count, |batch| engine.handle_tunnel_packets(now, Port::Lan, batch));
            if !more {
                break;
            }
        }
    }

    /// Takes what is there from a link to the engine. Something that concerns the whole link is left to the caller.
    pub(crate) fn read_link(
        &mut self,
        engine: &mut impl Endpoint,
        now: Instant,
        id: LinkId,
        ready: Ready,
    ) -> Option<LinkChange> {
        match self.links.get_mut(&id)? {
            Link::Udp(udp) => {
                let packets = &mut self.packets[..BATCH];
                let count = udp.receive(&mut self.datagrams, id, &mut self.slab, packets).unwrap_or(0);
                // Anybody could have made it up, so it is told and no more: timers see to what it means.
                let icmp = if count == 0 { udp.take_icmp() } else { None };
                self.log.packets(b'R', count);
                self.traffic.link_read +=
                    packets[..count].iter().map(|packet| u64::from(packet.data_len)).sum::<u64>();
                self.process(count, |batch| engine.handle_datagrams(now, batch));
                if let Some(error) = icmp {
                    self.note_error("read", &error);
                }
                None
            }
            Link::Tcp(connection) if connection.is_connecting() => {
                if !ready.writable {
                    return None;
                }
                Some(match connection.finish_connect().and_then(|()| self.watch_room(id, false)) {
                    Ok(()) if self.begin_dialogue(id) => return None,
                    Ok(()) => LinkChange::Connected,
                    Err(error) => {
                        self.links.remove(&id);
                        LinkChange::Failed(error)
                    }
                })
            }
            Link::Tcp(connection) if connection.is_in_dialogue() => self.go_on_with_dialogue(id, ready),
            Link::Tcp(_) => {
                if ready.writable {
                    self.dirty.push(id);
                    self.flush();
                }
                let closed = ready.readable && self.read_stream(engine, now, id);
                closed.then(|| {
                    self.close_link(id);
                    LinkChange::Closed
                })
            }
        }
    }

    /// Sends all that the engine itself wants to send.
    pub(crate) fn transmit_pending(&mut self, engine: &mut impl Endpoint, now: Instant) {
        loop {
            let mut batch = Batch::new(&mut self.slab, &mut self.packets, 0);
            engine.poll_transmits(now, &mut batch);
            let count = batch.len;
            self.dispatch(count);
            let full = count == self.packets.len();
            self.release(count);
            if !full {
                break;
            }
        }
        self.flush();
    }

    /// Hands the first `count` packets to the engine, again those that it could not place at once, and acts on its
    /// verdicts.
    fn process(&mut self, count: usize, mut handle: impl FnMut(&mut Batch<'_>)) {
        let mut pending = count;
        while pending > 0 {
            let mut batch = Batch::new(&mut self.slab, &mut self.packets, pending);
            handle(&mut batch);
            let len = batch.len;
            self.dispatch(len);
            // Those that wait move to the front; each descriptor keeps its slot.
            let mut left = 0;
            for index in 0..len {
                if self.packets[index].verdict == Verdict::Pending {
                    self.packets.swap(left, index);
                    left += 1;
                }
            }
            for packet in &mut self.packets[left..len] {
                *packet = Packet::free(packet.slot as usize..(packet.slot + packet.slot_len) as usize);
            }
            if left == pending {
                self.losses.link += left as u64;
                self.release(left);
                break;
            }
            pending = left;
        }
        self.flush();
    }

    fn release(&mut self, count: usize) {
        for packet in &mut self.packets[..count] {
            *packet = Packet::free(packet.slot as usize..(packet.slot + packet.slot_len) as usize);
        }
    }

    /// Acts on the verdicts over the first `count` packets.
    fn dispatch(&mut self, count: usize) {
        let packets = &self.packets[..count];
        if self.log.shows(Verb::Traffic) {
            let with = |verdict| packets.iter().filter(|packet| packet.verdict == verdict).count();
            self.log.packets(b'w', with(Verdict::Deliver));
            self.log.packets(b'W', with(Verdict::Transmit));
        }
        if let Some(tun) = &mut self.tun {
            let is_its = |packet: &&Packet| packet.verdict == Verdict::Deliver && packet.port == Port::Host;
            for packet in packets.iter().filter(is_its) {
                let taken = self.slab.get(packet.range()).is_some_and(|bytes| tun.write(bytes));
                self.losses.tun += u64::from(!taken);
            }
        }
        if let Some(lan) = &mut self.lan {
            let is_its = |packet: &&Packet| packet.verdict == Verdict::Deliver && packet.port == Port::Lan;
            lan.write(&self.slab, packets.iter().filter(is_its));
        }
        let mut all = Sent::default();
        let mut rest = packets;
        while let Some(start) = rest.iter().position(|packet| packet.verdict == Verdict::Transmit) {
            let link = rest[start].path.link;
            let others = |packet: &Packet| packet.verdict == Verdict::Transmit && packet.path.link != link;
            let len = rest[start..].iter().position(others).unwrap_or(rest.len() - start);
            let (run, next) = rest[start..].split_at(len);
            let run = run.iter().filter(|packet| packet.verdict == Verdict::Transmit);
            match self.links.get_mut(&link) {
                Some(Link::Udp(udp)) => {
                    all.merge(udp.send(&mut self.datagrams, &self.slab, run));
                }
                Some(Link::Tcp(connection)) => {
                    for packet in run {
                        let taken =
                            self.slab.get(packet.range()).is_some_and(|bytes| connection.queue(bytes));
                        self.losses.link += u64::from(!taken);
                    }
                    self.dirty.push(link);
                }
                None => self.losses.link += run.count() as u64,
            }
            rest = next;
        }
        self.note_sent(all);
    }

    /// Reads from a TCP link and hands on packet by packet; whether the other end has closed it.
    fn read_stream(&mut self, engine: &mut impl Endpoint, now: Instant, id: LinkId) -> bool {
        let Some(Link::Tcp(connection)) = self.links.get_mut(&id) else { return false };
        let (len, closed) = connection.read(&mut self.stream);
        let mut start = 0;
        let mut out = Packet::default();
        while start < len {
            let bytes = &mut self.stream[start..len];
            let used = engine.handle_stream(now, id, bytes, &mut out);
            if used == 0 {
                break;
            }
            self.log.packets(b'R', 1);
            match out.verdict {
                Verdict::Deliver if out.port == Port::Host => {
                    self.log.packets(b'w', 1);
                    let taken = match (&mut self.tun, bytes.get(out.range())) {
                        (Some(tun), Some(packet)) => tun.write(packet),
                        _ => false,
                    };
                    self.losses.tun += u64::from(!taken);
                }
                Verdict::Deliver if out.port == Port::Lan => {
                    self.log.packets(b'w', 1);
                    if let Some(lan) = &mut self.lan {
                        lan.write(bytes, std::iter::once(&out));
                    }
                }
                Verdict::Transmit => self.send_one(&out, start),
                Verdict::Deliver | Verdict::Pending | Verdict::Consumed | Verdict::Drop => {}
            }
            self.traffic.link_read += used as u64;
            start += used;
        }
        if let Some(Link::Tcp(connection)) = self.links.get_mut(&id) {
            connection.keep(&self.stream[start.min(len)..len]);
        }
        self.flush();
        closed
    }

    /// Sends a packet that lies in the stream buffer, its offsets counted from `start`: one client's to another.
    fn send_one(&mut self, packet: &Packet, start: usize) {
        let Path { link, .. } = packet.path;
        match self.links.get_mut(&link) {
            Some(Link::Udp(udp)) => {
                let sent = udp.send(&mut self.datagrams, &self.stream[start..], std::iter::once(packet));
                self.note_sent(sent);
            }
            Some(Link::Tcp(connection)) => {
                let taken =
                    self.stream[start..].get(packet.range()).is_some_and(|bytes| connection.queue(bytes));
                self.losses.link += u64::from(!taken);
                self.dirty.push(link);
            }
            None => self.losses.link += 1,
        }
    }

    /// Sends what waits on the TCP links that something was queued for.
    fn flush(&mut self) {
        let only_link = self.links.len() == 1;
        for id in std::mem::take(&mut self.dirty) {
            let Some(Link::Tcp(connection)) = self.links.get_mut(&id) else { continue };
            match connection.flush() {
                Ok(count) => self.traffic.link_written += count as u64,
                Err(_) => {
                    // Reading will show the end as well; until then nothing more waits.
                    continue;
                }
            }
            let waits = connection.has_waiting();
            let congested = connection.is_congested();
            if waits != connection.watches_room {
                connection.watches_room = waits;
                let _ = self.watch_room(id, waits);
            }
            // All that the TUN device has would go into this one queue: better it waits in the device.
            if congested && only_link {
                self.pause_tun();
            } else if !congested {
                self.resume_tun();
            }
        }
    }

    fn watch_room(&self, id: LinkId, write: bool) -> io::Result<()> {
        match self.links.get(&id) {
            Some(Link::Tcp(connection)) => self.poller.watch(connection, Source::Link(id), true, write),
            _ => Ok(()),
        }
    }

    fn pause_tun(&mut self) {
        if let Some(tun) = &self.tun
            && !self.tun_paused
        {
            self.tun_paused = self.poller.watch(tun, Source::Tun, false, false).is_ok();
        }
    }

    fn resume_tun(&mut self) {
        if let Some(tun) = &self.tun
            && self.tun_paused
        {
            self.tun_paused = self.poller.watch(tun, Source::Tun, true, false).is_err();
        }
    }

    /// Counts what was sent.
    fn note_sent(&mut self, sent: Sent) {
        self.traffic.link_written += sent.bytes;
        self.losses.link += sent.lost;
        if let Some(error) = sent.error {
            self.unreachable |= error.kind() == io::ErrorKind::NetworkUnreachable;
            self.note_error("write", &error);
        }
    }

    /// Whether there was no way to where something was to be sent, since this was asked last.
    pub(crate) fn take_unreachable(&mut self) -> bool {
        std::mem::take(&mut self.unreachable)
    }

    /// Shows an error of a UDP socket the first time: it may come with every packet.
    fn note_error(&mut self, what: &str, error: &io::Error) {
        let number = error.raw_os_error().unwrap_or_default();
        let level = if self.send_errors.contains(&number) {
            Verb::Debug.into()
        } else {
            self.send_errors.push(number);
            Level::LINK_ERROR
        };
        self.log.line(level, format_args!("{what} UDP: {}", cause(error)));
    }
}

/// Memory for batches of packets of up to `room` bytes.
fn slots(room: usize) -> (Vec<u8>, Vec<Packet>) {
    let slot = (HEADROOM + room + TAILROOM).next_multiple_of(64);
    let free = |index| Packet::free(index * slot..(index + 1) * slot);
    (vec![0; slot * (BATCH + SPARE)], (0..BATCH + SPARE).map(free).collect())
}

/// The TOS byte of an IPv4 packet, the traffic class of an IPv6 packet.
fn tos_of(packet: &[u8]) -> Option<u8> {
    match packet {
        [first, second, ..] if first >> 4 == 4 => Some(*second),
        [first, second, ..] if first >> 4 == 6 => Some(first << 4 | second >> 4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tos_is_where_each_version_has_it() {
        assert_eq!(tos_of(&[0x45, 0xb8, 0]), Some(0xb8));
        assert_eq!(tos_of(&[0x6b, 0x80, 0]), Some(0xb8));
        assert_eq!(tos_of(&[0x45]), None);
    }
}
