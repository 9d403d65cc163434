//! The data path allocates nothing: not for a packet, not for a drop, in no direction and under no cipher.
//!
//! A process of its own, for it replaces the global allocator by one that counts.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::net::IpAddr;
use core::time::Duration;
use std::alloc::System;

use adit::config::{Action, IpNetwork, LanConfig, Nat, Protocol, RouterConfig, Rule, SessionConfig, Who};
use adit::crypto::KeyBlock;
use adit::router::{ClientSetup, Forward, Router, RouterSetup, Zone};
use adit::wire::{KeyId, WirePeerId};
use adit::{
    Batch, Cipher, DropReason, Framing, HEADROOM, Instant, Limits, LinkId, Packet, PacketBuf, Path, PeerData,
    PeerId, Port, Role, Server, Verdict,
};

mod support;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes on this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

const SLOT: usize = 2048;
const PACKETS: usize = 8;
const NOW: Instant = Instant::from_secs(1);

/// Inner packets of growing length, from the client; the first is a SYN that `mssfix` lowers.
fn fill(slab: &mut [u8], packets: &mut [Packet]) {
    for (i, packet) in packets.iter_mut().enumerate() {
        let (slot, len) = (i * SLOT, 44 + i * 193);
        let data = &mut slab[slot + HEADROOM..slot + HEADROOM + len];
        data.fill(0);
        data[0] = 0x45;
        data[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        data[9] = 6;
        data[12..16].copy_from_slice(&[10, 8, 0, 2]);
        if i == 0 {
            data[32..34].copy_from_slice(&[0x60, 0x02]);
            data[40..44].copy_from_slice(&[2, 4, 0xFF, 0xFF]);
        }
        *packet = Packet::new(slot..slot + SLOT, slot + HEADROOM..slot + HEADROOM + len);
    }
}

fn expect(packets: &[Packet], verdict: Verdict, reason: DropReason) {
    for packet in packets {
        assert_eq!((packet.verdict, packet.reason), (verdict, reason));
    }
}

/// What a host does between two ends: the stream's prefix is gone, the packet comes by the other's path.
fn carry(packets: &mut [Packet], path: Path, prefix: u32) {
    for packet in packets {
        packet.data += prefix;
        packet.data_len -= prefix;
        packet.path = path;
        packet.verdict = Verdict::Pending;
        packet.reason = DropReason::None;
    }
}

fn end(
    role: Role,
    path: Path,
    cipher: Cipher,
    framing: Framing,
    wire_peer_id: Option<WirePeerId>,
) -> PeerData {
    let mut config = SessionConfig::default();
    config.framing = framing;
    let mut end = PeerData::new(NOW, PeerId::SERVER, role, path, &config);
    end.set_wire_peer_id(wire_peer_id);
    let block = KeyBlock::new([0x42; KeyBlock::LEN]);
    end.install_key(KeyId::INITIAL, cipher, &block, NOW);
    // A second key that takes over on the way.
    end.install_key(KeyId::INITIAL.next(), cipher, &block, NOW + Duration::from_secs(1));
    end.set_sources(vec![IpAddr::V4([10, 8, 0, 2].into()).into()]);
    end
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
}

#[test]
fn packets_and_drops_cost_no_allocation() {
    let remote = "192.0.2.1:1194".parse().unwrap();
    let mut slab = vec![0; PACKETS * SLOT];
    let mut packets = [Packet::default(); PACKETS];
    let mut replayed = slab.clone();
    for (path, prefix) in [(Path::udp(LinkId(1), remote), 0), (Path::tcp(LinkId(1), remote), 2)] {
        for cipher in Cipher::DEFAULT_LIST {
            for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
                for wire_peer_id in [WirePeerId::new(7), None] {
                    for role in [Role::Client, Role::Server] {
                        let mut sender = end(role, path, cipher, framing, wire_peer_id);
                        let mut receiver = end(role.peer(), path, cipher, framing, wire_peer_id);
                        let count = allocations(|| {
                            for now in [NOW, NOW + Duration::from_secs(1)] {
                                fill(&mut slab, &mut packets);
                                sender.seal(now, &mut Batch::new(&mut slab, &mut packets, PACKETS));
                                expect(&packets, Verdict::Transmit, DropReason::None);

                                carry(&mut packets, path, prefix);
                                replayed.copy_from_slice(&slab);
                                let mut again = packets;
                                receiver.open(now, &mut Batch::new(&mut slab, &mut packets, PACKETS));
                                expect(&packets, Verdict::Deliver, DropReason::None);

                                receiver.open(now, &mut Batch::new(&mut replayed, &mut again, PACKETS));
                                expect(&again, Verdict::Drop, DropReason::DataReplay);

                                carry(&mut again, path, 0);
                                receiver.open(now, &mut Batch::new(&mut replayed, &mut again, PACKETS));
                                expect(&again, Verdict::Drop, DropReason::DataAuthentication);
                            }
                        });
                        assert_eq!(count, 0, "{cipher}, {framing:?}, {role:?}");
                        assert_eq!(receiver.traffic().inner_received.packets, 2 * PACKETS as u64);
                    }
                }
            }
        }
    }
}

/// The same through the whole engines: look-ups, the source check, counters and verdicts included.
#[test]
fn the_engines_allocate_nothing_for_a_data_packet() {
    let pki = support::Pki::new();
    for cipher in Cipher::DEFAULT_LIST {
        let mut config = pki.server_config();
        config.session.data_ciphers = vec![cipher];
        config.connect_by_host = true; // networks behind the client, too
        let mut server = Server::new(config, support::host(), support::NOW).expect("a server");
        let address = "192.0.2.1:4000".parse().expect("an address");
        let mut client = support::connect(&mut server, pki.client_config(), address);
        let path = Path::udp(LinkId(0), address);
        let mut slab = vec![0; PACKETS * SLOT];
        let mut packets = [Packet::default(); PACKETS];
        for round in 0..3 {
            fill(&mut slab, &mut packets);
            // Every other one comes from a network behind the client.
            for packet in packets.iter().step_by(2) {
                slab[packet.range()][12..16].copy_from_slice(&[10, 2, 3, 9]);
            }
            let made = allocations(|| {
                client.handle_tunnel_packets(
                    NOW,
                    Port::Host,
                    &mut Batch::new(&mut slab, &mut packets, PACKETS),
                );
                expect(&packets, Verdict::Transmit, DropReason::None);
                carry(&mut packets, path, 0);
                server.handle_datagrams(NOW, &mut Batch::new(&mut slab, &mut packets, PACKETS));
                expect(&packets, Verdict::Deliver, DropReason::None);
                // Back, to the address that they came from.
                for packet in &mut packets {
                    let data = &mut slab[packet.range()];
                    data.copy_within(12..16, 16);
                    packet.verdict = Verdict::Pending;
                }
                server.handle_tunnel_packets(
                    NOW,
                    Port::Host,
                    &mut Batch::new(&mut slab, &mut packets, PACKETS),
                );
                expect(&packets, Verdict::Transmit, DropReason::None);
                carry(&mut packets, path, 0);
                // One of them is damaged on the way.
                slab[packets[3].range()][30] ^= 1;
                client.handle_datagrams(NOW, &mut Batch::new(&mut slab, &mut packets, PACKETS));
            });
            assert_eq!(packets[3].reason, DropReason::DataAuthentication);
            expect(&packets[4..], Verdict::Deliver, DropReason::None);
            assert_eq!(made, 0, "{cipher}, round {round}");
        }
    }
}

/// The router: packets of flows that are there, both ways.
#[test]
fn a_packet_of_a_flow_costs_no_allocation() {
    let mut config = RouterConfig::default();
    let lan = "10.0.1.3".parse().expect("an address");
    config.lan = Some(LanConfig { device: "lan0".into(), addresses: vec![(lan, 16)], gateways: Vec::new() });
    config.nat = Nat::Masquerade(None);
    config.rules.push(Rule {
        action: Action::Allow,
        who: Who::All,
        destination: IpNetwork::containing("10.0.2.2".parse().expect("an address"), 32),
        protocol: Protocol::Udp,
        ports: Vec::new(),
        line: 1,
    });
    let setup = RouterSetup { gateway_ipv4: Some([10, 8, 0, 1].into()), ..RouterSetup::default() };
    let mut router = Router::new(config, setup, &Limits::ROUTER, [7; 32], NOW);
    let peer = PeerId::new(1, 1);
    let client = ClientSetup {
        identity: "client1".into(),
        networks: vec![IpAddr::V4([10, 8, 0, 2].into()).into()],
        mtu: 1500,
        limits: None,
    };
    router.client_up(NOW, peer, client);

    let mut memory = [0; SLOT];
    let mut pass = |router: &mut Router, from: Zone, packet: &[u8]| {
        let window = HEADROOM..HEADROOM + packet.len();
        memory[window.clone()].copy_from_slice(packet);
        let mut buf = PacketBuf::new(&mut memory, window).expect("it fits");
        let forward = router.forward(NOW, from, &mut buf);
        let mut out = [0; 60];
        let len = buf.len().min(out.len());
        out[..len].copy_from_slice(&buf.payload()[..len]);
        (forward, out)
    };
    let allowed = udp([10, 8, 0, 2], 4000, [10, 0, 2, 2], 53);
    let (forward, gone) = pass(&mut router, Zone::Peer(peer), &allowed);
    assert_eq!(forward, Forward::To(Zone::Lan));
    let port = u16::from_be_bytes([gone[20], gone[21]]);
    let answer = udp([10, 0, 2, 2], 53, [10, 0, 1, 3], port);
    let made = allocations(|| {
        for _ in 0..100 {
            assert_eq!(pass(&mut router, Zone::Peer(peer), &allowed).0, Forward::To(Zone::Lan));
            assert_eq!(pass(&mut router, Zone::Lan, &answer).0, Forward::To(Zone::Peer(peer)));
        }
    });
    assert_eq!(made, 0);
}

/// An IPv4 UDP packet without payload.
fn udp(from: [u8; 4], from_port: u16, to: [u8; 4], to_port: u16) -> [u8; 28] {
    let mut packet = [0; 28];
    packet[..12].copy_from_slice(&[0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet[12..16].copy_from_slice(&from);
    packet[16..20].copy_from_slice(&to);
    packet[20..22].copy_from_slice(&from_port.to_be_bytes());
    packet[22..24].copy_from_slice(&to_port.to_be_bytes());
    packet[25] = 8;
    let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let sum = (sum & 0xFFFF) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!((sum & 0xFFFF) + (sum >> 16)) as u16).to_be_bytes());
    packet
}
