//! Packets and places for the router's tests.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::address::Address;
use super::flow::Flow;
use super::packet::{ICMP, TCP, Tuple, UDP};
use super::{ClientSetup, Family, Forward, Router, RouterSetup, Zone, ZoneId};
use crate::buffer::PacketBuf;
use crate::config::{IpNetwork, RouterConfig};
use crate::limits::Limits;
use crate::peer::PeerId;
use crate::time::Instant;
use crate::wire::checksum::checksum;

/// The router's address on the clients' side; clients have 10.8.0.2 and further.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) const fn peer(number: u32) -> PeerId {
    PeerId::new(number, 1)
}

/// A router with `config`, and clients `client1`... at 10.8.0.2..., handles 1...
pub(super) fn router(config: RouterConfig, clients: u32) -> Router {
    router_with(config, clients, |_| {})
}

/// The same with other limits.
pub(super) fn router_within(limits: &Limits, config: RouterConfig, clients: u32) -> Router {
    make_router(limits, config, clients, |_| {})
}

/// The same, with another place in the network.
pub(super) fn router_with(
    config: RouterConfig,
    clients: u32,
    change: impl FnOnce(&mut RouterSetup),
) -> Router {
    make_router(&Limits::ROUTER, config, clients, change)
}

fn make_router(
    limits: &Limits,
    config: RouterConfig,
    clients: u32,
    change: impl FnOnce(&mut RouterSetup),
) -> Router {
    let mut setup = RouterSetup {
        gateway_ipv4: Some(GATEWAY),
        gateway_ipv6: Some("fd00:8::1".parse().expect("an address")),
        networks: vec![IpNetwork::containing(ip("10.8.0.0"), 16), IpNetwork::containing(ip("fd00:8::"), 64)],
        client_to_client: true,
        host_mtu: Some(1500),
        lan: None,
    };
    change(&mut setup);
    let mut router = Router::new(config, setup, limits, [7; 32], Instant::ZERO);
    for number in 1..=clients {
        let v4 = Ipv4Addr::from_bits(GATEWAY.to_bits() + number);
        let v6 = IpAddr::V6(core::net::Ipv6Addr::new(0xFD00, 8, 0, 0, 0, 0, 0, number as u16 + 1));
        let client = ClientSetup {
            identity: alloc::format!("client{number}"),
            networks: vec![IpAddr::V4(v4).into(), v6.into()],
            mtu: 1500,
            limits: None,
        };
        router.client_up(Instant::ZERO, peer(number), client);
    }
    router
}

/// Sends a packet through, and gives back what became of it.
pub(super) fn send(router: &mut Router, now: Instant, from: Zone, packet: &[u8]) -> (Forward, Vec<u8>) {
    let mut memory = vec![0; 64 + packet.len() + 128];
    memory[64..64 + packet.len()].copy_from_slice(packet);
    let mut buf = PacketBuf::new(&mut memory, 64..64 + packet.len()).expect("it lies inside");
    let forward = router.forward(now, from, &mut buf);
    (forward, buf.payload().to_vec())
}

/// The same, with all that the router sends because of it, and where to. A packet that goes on is the first.
pub(super) fn send_all(
    router: &mut Router,
    now: Instant,
    from: Zone,
    packet: &[u8],
) -> (Forward, Vec<(Zone, Vec<u8>)>) {
    let (forward, first) = send(router, now, from, packet);
    let mut out = Vec::new();
    if let Forward::To(zone) = forward {
        out.push((zone, first));
    }
    out.extend(outputs(router));
    (forward, out)
}

/// What the router itself sends.
pub(super) fn outputs(router: &mut Router) -> Vec<(Zone, Vec<u8>)> {
    let mut out = Vec::new();
    let mut memory = vec![0; 4096];
    loop {
        let mut buf = PacketBuf::new(&mut memory, 0..0).expect("it lies inside");
        let Some(zone) = router.poll_output(Instant::ZERO, &mut buf) else { return out };
        out.push((zone, buf.payload().to_vec()));
    }
}

/// Has `client1`... behind tunnels that take packets of so many bytes.
pub(super) fn set_mtu(router: &mut Router, number: u32, mtu: u16) {
    router.common.clients.get_mut(peer(number)).expect("a client").mtu = mtu;
}

/// Changes an IPv4 header and mends its checksum.
pub(super) fn edit(mut packet: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut packet);
    if packet[0] >> 4 == 4 {
        let len = usize::from(packet[0] & 0xF) * 4;
        packet[10..12].fill(0);
        let sum = checksum([&packet[..len]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Cuts a packet without options or extensions into fragments, of so many payload bytes each but the last.
pub(super) fn fragments(packet: &[u8], id: u32, piece: usize) -> Vec<Vec<u8>> {
    let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let (header, payload) = packet.split_at(header);
    let count = payload.len().div_ceil(piece);
    let part = |(number, part): (usize, &[u8])| {
        let offset = (number * piece) as u16;
        let more = u16::from(number + 1 < count);
        if header.len() == 20 {
            edit([header, part].concat(), |packet| {
                packet[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
                packet[4..6].copy_from_slice(&(id as u16).to_be_bytes());
                packet[6..8].copy_from_slice(&((offset / 8) | (more << 13)).to_be_bytes());
            })
        } else {
            let [offset_high, offset_low] = (offset | more).to_be_bytes();
            let fragment = [&[header[6], 0, offset_high, offset_low], &id.to_be_bytes()[..]].concat();
            let mut packet = [header, &fragment, part].concat();
            packet[4..6].copy_from_slice(&(8 + part.len() as u16).to_be_bytes());
            packet[6] = 44;
            packet
        }
    };
    payload.chunks(piece).enumerate().map(part).collect()
}

/// Puts fragments without options or other extensions together again, in whatever order they are. Panics if a byte is
/// missing or there twice.
#[track_caller]
pub(super) fn reassemble(fragments: &[Vec<u8>]) -> Vec<u8> {
    let is_v4 = fragments[0][0] >> 4 == 4;
    let mut parts: Vec<(u16, bool, &[u8])> = fragments
        .iter()
        .map(|packet| {
            if is_v4 {
                let bits = u16::from_be_bytes([packet[6], packet[7]]);
                ((bits & 0x1FFF) * 8, bits & 0x2000 != 0, &packet[usize::from(packet[0] & 0xF) * 4..])
            } else {
                let bits = u16::from_be_bytes([packet[42], packet[43]]);
                (bits & 0xFFF8, bits & 1 != 0, &packet[48..])
            }
        })
        .collect();
    parts.sort_by_key(|part| part.0);
    let mut payload = Vec::new();
    for (number, (offset, more, part)) in parts.iter().enumerate() {
        assert_eq!(usize::from(*offset), payload.len(), "a gap or an overlap");
        assert_eq!(*more, number + 1 < parts.len());
        payload.extend_from_slice(part);
    }
    let header = if is_v4 { 20 } else { 40 };
    let mut packet = [&fragments[0][..header], &payload].concat();
    if is_v4 {
        packet = edit(packet, |packet| {
            packet[0] = 0x45;
            let len = packet.len() as u16;
            packet[2..4].copy_from_slice(&len.to_be_bytes());
            packet[6..8].fill(0);
        });
    } else {
        packet[6] = fragments[0][40];
        let len = (packet.len() - 40) as u16;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
    }
    packet
}

/// An IP packet of either family with correct checksums.
pub(super) fn packet(source: &str, destination: &str, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let (source, destination) = (ip(source), ip(destination));
    let mut out = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, protocol, 0, 0];
            header[2..4].copy_from_slice(&(20 + transport.len() as u16).to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum([&header[..]]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, protocol, 64];
            header[4..6].copy_from_slice(&(transport.len() as u16).to_be_bytes());
            header.extend(source.octets());
            header.extend(destination.octets());
            header
        }
        _ => panic!("two families"),
    };
    out.extend(transport);
    set_transport_checksum(&mut out, protocol);
    out
}

pub(super) fn udp(source: (&str, u16), destination: (&str, u16), payload: &[u8]) -> Vec<u8> {
    let mut transport = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    transport.extend((8 + payload.len() as u16).to_be_bytes());
    transport.extend([0, 0]);
    transport.extend(payload);
    packet(source.0, destination.0, UDP, &transport)
}

pub(super) fn tcp(source: (&str, u16), destination: (&str, u16), flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut transport = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    transport.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    transport.extend(payload);
    packet(source.0, destination.0, TCP, &transport)
}

pub(super) fn ping(source: &str, destination: &str, id: u16, sequence: u16) -> Vec<u8> {
    let (kind, protocol) = if ip(source).is_ipv4() { (8, ICMP) } else { (128, super::packet::ICMPV6) };
    let mut transport = vec![kind, 0, 0, 0];
    transport.extend(id.to_be_bytes());
    transport.extend(sequence.to_be_bytes());
    transport.extend(b"abcdefgh");
    packet(source, destination, protocol, &transport)
}

/// Where the transport checksum is, what it covers beside the transport, and where that begins.
fn transport_of(packet: &[u8]) -> (usize, Vec<u8>) {
    if packet[0] >> 4 == 4 {
        let at = usize::from(packet[0] & 0xF) * 4;
        let len = (packet.len() - at) as u16;
        (at, [&packet[12..20], &[0, packet[9]], &len.to_be_bytes()].concat())
    } else {
        let len = (packet.len() - 40) as u32;
        (40, [&packet[8..40], &len.to_be_bytes(), &[0, 0, 0, packet[6]]].concat())
    }
}

fn checksum_offset(protocol: u8) -> Option<usize> {
    Some(match protocol {
        TCP => 16,
        UDP => 6,
        ICMP | super::packet::ICMPV6 => 2,
        _ => return None,
    })
}

fn set_transport_checksum(packet: &mut [u8], protocol: u8) {
    let Some(field) = checksum_offset(protocol) else { return };
    let (at, pseudo) = transport_of(packet);
    let pseudo = if protocol == ICMP { Vec::new() } else { pseudo };
    packet[at + field..at + field + 2].fill(0);
    let sum = checksum([&pseudo[..], &packet[at..]]);
    let sum = if sum == 0 && protocol == UDP { 0xFFFF } else { sum };
    packet[at + field..at + field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Panics unless every checksum of an unfragmented packet is right, by a full sum.
#[track_caller]
pub(super) fn assert_checksums(packet: &[u8]) {
    let protocol = if packet[0] >> 4 == 4 {
        assert_eq!(checksum([&packet[..usize::from(packet[0] & 0xF) * 4]]), 0, "header checksum");
        packet[9]
    } else {
        packet[6]
    };
    let mut right = packet.to_vec();
    set_transport_checksum(&mut right, protocol);
    assert_eq!(right, packet, "transport checksum");
}

/// Numbers for a test that needs very many of them, the same ones from the same seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// xorshift64*
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    pub(super) fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// The first two clients, the LAN, and the beginning of time.
pub(super) const A: Zone = Zone::Peer(peer(1));
pub(super) const B: Zone = Zone::Peer(peer(2));
pub(super) const LAN: Zone = Zone::Lan;
pub(super) const NOW: Instant = Instant::ZERO;

pub(super) fn secs(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

/// A TCP segment with these numbers, and a window of 65,535 bytes.
pub(super) fn segment(
    source: (&str, u16),
    destination: (&str, u16),
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = tcp(source, destination, flags, payload);
    let (at, _) = transport_of(&packet);
    packet[at + 4..at + 8].copy_from_slice(&sequence.to_be_bytes());
    packet[at + 8..at + 12].copy_from_slice(&acknowledgement.to_be_bytes());
    set_transport_checksum(&mut packet, TCP);
    packet
}

/// What the router itself sends next, and to where.
pub(super) fn output(router: &mut Router, now: Instant) -> Option<(Zone, Vec<u8>)> {
    let mut memory = vec![0; 2048];
    let mut buf = PacketBuf::new(&mut memory, 128..128).expect("it lies inside");
    let zone = router.poll_output(now, &mut buf)?;
    Some((zone, buf.payload().to_vec()))
}

/// A configuration with a LAN port: 192.0.2.10/24 and 2001:db8::10/64, everything else beyond a gateway there.
pub(super) fn lan() -> RouterConfig {
    let lan = crate::config::LanConfig {
        device: "eth0".into(),
        addresses: vec![(ip("192.0.2.10"), 24), (ip("2001:db8::10"), 64)],
        gateways: vec![ip("192.0.2.1"), ip("2001:db8::1")],
    };
    RouterConfig { lan: Some(lan), ..RouterConfig::default() }
}

/// The same with `nat masquerade`.
pub(super) fn masquerade() -> RouterConfig {
    RouterConfig { nat: crate::config::Nat::Masquerade(None), ..lan() }
}

/// An end: address and port, or address and identifier.
pub(super) type End = (IpAddr, u16);

pub(super) fn end(address: &str, port: u16) -> End {
    (ip(address), port)
}

/// Source and destination of a packet; an echo has its identifier where the asking end's port would be, else 0.
pub(super) fn ends(packet: &[u8]) -> (End, End) {
    let header = crate::wire::ip::IpHeader::parse(packet).expect("a packet");
    let at = transport_of(packet).0;
    let protocol = if packet[0] >> 4 == 4 { packet[9] } else { packet[6] };
    let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let ports = match (protocol, packet[at]) {
        (TCP | UDP, _) => (word(at), word(at + 2)),
        (_, 8 | 128) => (word(at + 4), 0),
        _ => (0, word(at + 4)),
    };
    ((header.source, ports.0), (header.destination, ports.1))
}

/// The answer to an echo request.
pub(super) fn pong(source: &str, destination: &str, id: u16, sequence: u16) -> Vec<u8> {
    let mut packet = ping(source, destination, id, sequence);
    let (at, _) = transport_of(&packet);
    let protocol = if packet[0] >> 4 == 4 { ICMP } else { super::packet::ICMPV6 };
    packet[at] = if protocol == ICMP { 0 } else { 129 };
    set_transport_checksum(&mut packet, protocol);
    packet
}

/// Sends a packet that must go to `to`; gives back its ends there. Checksums must be right.
#[track_caller]
pub(super) fn pass(router: &mut Router, now: Instant, from: Zone, to: Zone, packet: &[u8]) -> (End, End) {
    let (forward, packet) = send(router, now, from, packet);
    assert_eq!(forward, Forward::To(to));
    assert_checksums(&packet);
    ends(&packet)
}

/// Sends a packet that must be dropped, in silence, for `why`.
#[track_caller]
pub(super) fn refuse(
    router: &mut Router,
    now: Instant,
    from: Zone,
    why: crate::reason::DropReason,
    packet: &[u8],
) {
    assert_eq!(send(router, now, from, packet).0, Forward::Drop(why));
}

/// A flow as NAT makes them: packets arrive from `from` as `arrives`, and leave to `to` as `leaves`.
pub(super) fn add_flow(
    router: &mut Router,
    protocol: u8,
    (from, arrives): (Zone, [(&str, u16); 2]),
    (to, leaves): (Zone, [(&str, u16); 2]),
) {
    fn add<A: Address>(
        family: &mut Family<A>,
        epoch: u32,
        protocol: u8,
        zones: [Zone; 2],
        ends: [[(&str, u16); 2]; 2],
    ) {
        let [arrives, leaves] = ends.map(|[source, destination]| Tuple {
            source: A::of(ip(source.0)).expect("its family"),
            destination: A::of(ip(destination.0)).expect("its family"),
            source_port: source.1,
            destination_port: destination.1,
        });
        let [from, to] = zones.map(ZoneId::from);
        let flow = Flow::new(protocol, from, arrives, to, leaves.reversed(), 0, epoch);
        family.flows.insert(flow, 3000).expect("room");
    }
    let (zones, ends) = ([from, to], [arrives, leaves]);
    if ip(arrives[0].0).is_ipv4() {
        add(&mut router.v4, router.common.epoch, protocol, zones, ends);
    } else {
        add(&mut router.v6, router.common.epoch, protocol, zones, ends);
    }
}

/// `nat identity FIRST-LAST`.
pub(super) fn identity(ranges: &[(&str, &str)]) -> RouterConfig {
    let ranges = ranges.iter().map(|(first, last)| ip(first)..=ip(last)).collect();
    RouterConfig { nat: crate::config::Nat::Identity(ranges), ..lan() }
}

/// A client's setup, by its number and identity.
pub(super) fn client(number: u32, identity: &str) -> ClientSetup {
    let v4 = Ipv4Addr::from_bits(GATEWAY.to_bits() + number);
    ClientSetup { identity: identity.into(), networks: vec![IpAddr::V4(v4).into()], mtu: 1500, limits: None }
}
