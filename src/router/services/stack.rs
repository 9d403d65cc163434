//! [`Stack`]: the gateway's end of TCP connections, by smoltcp, for DNS alone.
//!
//! A client that connects gets a socket of its own, if there is room; a message is two bytes of length and itself (RFC
//! 1035 §4.2.2). smoltcp's initial sequence numbers come from its own generator, which is seeded anew whenever no
//! connection is left.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpListenEndpoint};

use super::DNS;
use super::name::HEADER;
use crate::reason::DropReason;
use crate::router::Step;
use crate::router::outbox::Outbox;
use crate::router::packet::tcp_flags;
use crate::router::zone::Zone;
use crate::time::Instant;
use crate::wire::ip::IpHeader;

/// Connections at a time, at most.
const CONNECTIONS: usize = 32;
/// The same of one client.
const CONNECTIONS_OF_ONE: usize = 4;
/// What a connection can take in, and have to send, in bytes.
const RECEIVE: usize = 2048;
const SEND: usize = 2 + u16::MAX as usize;
/// What every tunnel carries: segments are no larger.
const MTU: usize = 1280;
/// A connection that says nothing for so long ends.
const IDLE: Duration = Duration::from_secs(30);

/// A connection's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection(u64);

struct Entry {
    number: Connection,
    zone: Zone,
    remote: (IpAddr, u16),
    handle: SocketHandle,
    /// Since when it has been silent.
    active: Instant,
}

pub(super) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    entries: Vec<Entry>,
    queries: VecDeque<(Zone, Connection, Vec<u8>)>,
    opened: u64,
    seed: u64,
    /// There has been a connection since the interface was made.
    used: bool,
    next: Option<Instant>,
}

impl Stack {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            interface: interface(seed, now),
            sockets: SocketSet::new(Vec::new()),
            entries: Vec::new(),
            queries: VecDeque::new(),
            opened: 0,
            seed,
            used: false,
            next: None,
        }
    }

    /// Takes a segment to the gateway's DNS port.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        zone: Zone,
        packet: &[u8],
        outbox: &mut Outbox,
    ) -> Step<()> {
        let header = IpHeader::parse(packet).ok_or(DropReason::BadInnerPacket)?;
        let (port, flags) = port_and_flags(packet).ok_or(DropReason::BadInnerPacket)?;
        let remote = (header.source, port);
        let known = self.entries.iter_mut().find(|entry| entry.zone == zone && entry.remote == remote);
        match known {
            Some(entry) => entry.active = now,
            None if flags & (SYN | ACK | RST) == SYN => self.open(now, zone, remote, header.destination)?,
            // smoltcp answers with a reset.
            None => {}
        }
        let mut device = Port { input: Some(packet), zones: &[(remote.0, zone)], outbox };
        let _ = self.interface.poll_ingress_single(time(now), &mut device, &mut self.sockets);
        self.entries.retain(|entry| {
            // What smoltcp did not take for a SYN must not wait for another's.
            let listens = self.sockets.get::<Socket<'_>>(entry.handle).state() == State::Listen;
            if listens {
                self.sockets.remove(entry.handle);
            }
            !listens
        });
        self.collect(now);
        Ok(())
    }

    /// Sends what the sockets have to send, and forgets the connections that are over.
    pub(super) fn send(&mut self, now: Instant, outbox: &mut Outbox) {
        for entry in &self.entries {
            if now.since(entry.active) >= IDLE {
                self.sockets.get_mut::<Socket<'_>>(entry.handle).abort();
            }
        }
        let zones: Vec<_> = self.entries.iter().map(|entry| (entry.remote.0, entry.zone)).collect();
        let mut device = Port { input: None, zones: &zones, outbox };
        while self.interface.poll_egress(time(now), &mut device, &mut self.sockets) != PollResult::None {}
        let sockets = &mut self.sockets;
        self.entries.retain(|entry| {
            let over =
                matches!(sockets.get::<Socket<'_>>(entry.handle).state(), State::Closed | State::TimeWait);
            if over {
                sockets.remove(entry.handle);
            }
            !over
        });
        if self.entries.is_empty() {
            if core::mem::take(&mut self.used) {
                self.seed = self.seed.rotate_left(17) ^ now.as_nanos() ^ self.opened;
                self.interface = interface(self.seed, now);
            }
            self.next = None;
            return;
        }
        let idle = self.entries.iter().map(|entry| entry.active + IDLE).min();
        let again = self.interface.poll_at(time(now), &self.sockets);
        let again = again.map(|at| {
            Instant::from_nanos(u64::try_from(at.total_micros()).unwrap_or(0).saturating_mul(1000))
        });
        self.next = idle.into_iter().chain(again).min();
    }

    /// A query that is whole.
    pub(super) fn next_query(&mut self) -> Option<(Zone, Connection, Vec<u8>)> {
        self.queries.pop_front()
    }

    /// Sends an answer.
    pub(super) fn answer(&mut self, connection: Connection, answer: &[u8]) {
        let Some(entry) = self.entries.iter().find(|entry| entry.number == connection) else { return };
        let socket = self.sockets.get_mut::<Socket<'_>>(entry.handle);
        let Ok(len) = u16::try_from(answer.len()) else { return socket.abort() };
        if socket.send_capacity() - socket.send_queue() < 2 + answer.len() {
            return socket.abort();
        }
        let _ = socket.send_slice(&len.to_be_bytes());
        let _ = socket.send_slice(answer);
    }

    /// Forgets a client's connections, without a word.
    pub(super) fn forget(&mut self, zone: Zone) {
        let sockets = &mut self.sockets;
        self.entries.retain(|entry| {
            if entry.zone == zone {
                sockets.remove(entry.handle);
            }
            entry.zone != zone
        });
    }

    /// Ends a connection.
    pub(super) fn close(&mut self, connection: Connection) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.number == connection) {
            self.sockets.get_mut::<Socket<'_>>(entry.handle).close();
        }
    }

    /// When something is due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn open(&mut self, now: Instant, zone: Zone, remote: (IpAddr, u16), local: IpAddr) -> Step<()> {
        let of_one = self.entries.iter().filter(|entry| entry.zone == zone).count();
        if of_one >= CONNECTIONS_OF_ONE || self.entries.len() >= CONNECTIONS {
            return Err(DropReason::ClientLimit);
        }
        let mut socket = Socket::new(SocketBuffer::new(vec![0; RECEIVE]), SocketBuffer::new(vec![0; SEND]));
        let endpoint = IpListenEndpoint { addr: Some(IpAddress::from(local)), port: DNS };
        if socket.listen(endpoint).is_err() {
            return Err(DropReason::NoService);
        }
        self.opened += 1;
        self.used = true;
        let handle = self.sockets.add(socket);
        self.entries.push(Entry { number: Connection(self.opened), zone, remote, handle, active: now });
        Ok(())
    }

    /// Takes whole messages out of the sockets.
    fn collect(&mut self, now: Instant) {
        for entry in &mut self.entries {
            let socket = self.sockets.get_mut::<Socket<'_>>(entry.handle);
            let mut waiting = [0; RECEIVE];
            while let Ok(count) = socket.peek_slice(&mut waiting) {
                let Some((len, rest)) = waiting[..count].split_first_chunk::<2>() else { break };
                let len = usize::from(u16::from_be_bytes(*len));
                if !(HEADER..=RECEIVE - 2).contains(&len) {
                    socket.abort();
                    break;
                }
                let Some(message) = rest.get(..len) else { break };
                self.queries.push_back((entry.zone, entry.number, message.to_vec()));
                entry.active = now;
                let _ = socket.recv_slice(&mut waiting[..len + 2]);
            }
            if socket.state() == State::CloseWait && socket.recv_queue() == 0 && socket.send_queue() == 0 {
                socket.close();
            }
        }
    }
}

const SYN: u8 = tcp_flags::SYN;
const ACK: u8 = tcp_flags::ACK;
const RST: u8 = tcp_flags::RST;

/// The source port and the flags of a TCP segment without IP options or extensions.
fn port_and_flags(packet: &[u8]) -> Option<(u16, u8)> {
    let at = match packet.first()? >> 4 {
        4 => usize::from(packet[0] & 0xF) * 4,
        _ => IpHeader::V6_LEN,
    };
    let header = packet.get(at..)?.first_chunk::<20>()?;
    Some((u16::from_be_bytes([header[0], header[1]]), header[13]))
}

fn time(now: Instant) -> SmolInstant {
    SmolInstant::from_micros(i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX))
}

fn interface(seed: u64, now: Instant) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, &mut Nowhere, time(now));
    // Only packets to the gateway come here.
    interface.set_any_ip(true);
    interface
}

fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = MTU;
    capabilities
}

/// What an interface is made for.
struct Nowhere;

/// One packet in, and the outbox for all that goes out.
struct Port<'a> {
    input: Option<&'a [u8]>,
    /// Where each address is.
    zones: &'a [(IpAddr, Zone)],
    outbox: &'a mut Outbox,
}

struct Input<'a>(&'a [u8]);

struct Output<'a> {
    zones: &'a [(IpAddr, Zone)],
    outbox: &'a mut Outbox,
}

impl RxToken for Input<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Output<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = [0; MTU];
        let packet = &mut packet[..len.min(MTU)];
        let result = f(packet);
        let to = IpHeader::parse(packet).map(|header| header.destination);
        let zone = self.zones.iter().find(|(address, _)| Some(*address) == to).map(|(_, zone)| *zone);
        if let Some(zone) = zone {
            // What finds no room is sent again.
            let _ = self.outbox.push(zone, packet.len(), |slot| slot.copy_from_slice(packet));
        }
        result
    }
}

impl Device for Port<'_> {
    type RxToken<'b>
        = Input<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Output<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: SmolInstant) -> Option<(Input<'_>, Output<'_>)> {
        let input = self.input.take()?;
        Some((Input(input), Output { zones: self.zones, outbox: self.outbox }))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Output<'_>> {
        Some(Output { zones: self.zones, outbox: self.outbox })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

impl Device for Nowhere {
    type RxToken<'b> = Input<'b>;
    type TxToken<'b> = Output<'b>;

    fn receive(&mut self, _: SmolInstant) -> Option<(Input<'_>, Output<'_>)> {
        None
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Output<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}
