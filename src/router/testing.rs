//! Packets and places for the router's tests.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::packet::{ICMP, TCP, UDP};
use super::{ClientSetup, Forward, Router, RouterSetup, Zone};
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

/// The same, with another place in the network.
pub(super) fn router_with(
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
    let mut router = Router::new(config, setup, &Limits::ROUTER, [7; 32], Instant::ZERO);
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
