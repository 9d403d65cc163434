//! The router between two ciphers: what is decrypted goes through rules and NAT to the LAN, its answer comes back and is
//! encrypted, over 1,000 clients and 100,000 flows, against two bare AEAD passes with the same keys in the same order.
//!
//! `cargo bench --bench router` prints nanoseconds per packet and direction (medians of rounds in turn), and the ratio of
//! adit's time to that of ring alone; then the router by itself: hot and cold flows, and flows set up a second.

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::time::Instant as Clock;

use adit::config::{Action, IpNetwork, LanConfig, Nat, Protocol, RouterConfig, Rule, SessionConfig, Who};
use adit::crypto::KeyBlock;
use adit::router::{ClientSetup, Forward, Router, RouterSetup, Zone};
use adit::wire::{KeyId, WirePeerId};
use adit::{
    Batch, Cipher, HEADROOM, Instant, Limits, LinkId, Packet, PacketBuf, Path, PeerData, PeerId, Role,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};

const CLIENTS: usize = 1000;
const FLOWS: usize = 100_000;
const BATCH: usize = 64;
const SIZE: usize = 1400;
const SLOT: usize = 2048;
const ROUNDS: usize = 1001;
const NOW: Instant = Instant::from_secs(1);
/// Where each client sends to: ports of this host on the LAN.
const HOST: [u8; 4] = [10, 0, 2, 2];

fn main() {
    let mut bench = Bench::new();
    let mut ratios = Vec::new();
    let (mut bare, mut whole) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let chosen: Vec<usize> = (0..BATCH).map(|_| bench.next_flow()).collect();
        let (ring, adit) = if round % 2 == 0 {
            let ring = bench.bare(&chosen);
            (ring, bench.routed(&chosen))
        } else {
            let adit = bench.routed(&chosen);
            (bench.bare(&chosen), adit)
        };
        ratios.push(adit.as_secs_f64() / ring.as_secs_f64());
        bare.push(ring.as_secs_f64() * 1e9 / BATCH as f64);
        whole.push(adit.as_secs_f64() * 1e9 / BATCH as f64);
    }
    println!("{CLIENTS} clients, {FLOWS} flows, {SIZE} bytes, batches of {BATCH}, AES-256-GCM");
    println!("open and seal, ring alone        {:8.1} ns", median(bare));
    println!("open, router, router, seal       {:8.1} ns", median(whole));
    println!("ratio                            {:8.3}", median(ratios));
    println!("router alone, any of the flows   {:8.1} ns", bench.router_alone(FLOWS));
    println!("router alone, 64 of them         {:8.1} ns", bench.router_alone(BATCH));
    println!("a flow set up                    {:8.1} ns", bench.set_up);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "it is the clock that a benchmark reads")]
fn time(work: impl FnOnce()) -> Duration {
    let start = Clock::now();
    work();
    start.elapsed()
}

/// A flow as its client sends it, and as its answers come.
struct Flow {
    client: usize,
    forth: Vec<u8>,
    back: Vec<u8>,
}

struct Bench {
    router: Router,
    clients: Vec<PeerData>,
    servers: Vec<PeerData>,
    bare: Vec<LessSafeKey>,
    flows: Vec<Flow>,
    random: u64,
    path: Path,
    /// Nanoseconds.
    set_up: f64,
}

impl Bench {
    fn new() -> Self {
        let path = Path::udp(LinkId(1), "192.0.2.1:1194".parse().expect("an address"));
        let mut limits = Limits::SERVER;
        limits.flows = 7 << 15;
        let setup = RouterSetup { client_to_client: true, ..RouterSetup::default() };
        let mut router = Router::new(config(), setup, &limits, [7; 32], NOW);
        let end = |role, client: usize| {
            let mut end = PeerData::new(NOW, PeerId::SERVER, role, path, &SessionConfig::default());
            end.set_wire_peer_id(WirePeerId::new(client as u32));
            end.install_key(KeyId::INITIAL, Cipher::Aes256Gcm, &block(client), NOW);
            end
        };
        for client in 0..CLIENTS {
            let setup = ClientSetup {
                identity: format!("client{client}"),
                networks: vec![IpAddr::V4(address(client)).into()],
                mtu: 1500,
                limits: None,
            };
            router.client_up(NOW, peer(client), setup);
        }
        let mut bench = Self {
            router,
            clients: (0..CLIENTS).map(|client| end(Role::Client, client)).collect(),
            servers: (0..CLIENTS).map(|client| end(Role::Server, client)).collect(),
            bare: (0..CLIENTS).map(bare_key).collect(),
            flows: Vec::new(),
            random: 1,
            path,
            set_up: 0.0,
        };
        let packets: Vec<_> = (0..FLOWS)
            .map(|flow| {
                let (client, port) = (flow % CLIENTS, 2000 + (flow / CLIENTS) as u16);
                (client, udp((address(client), port), (HOST.into(), 53 + (flow % 7) as u16)))
            })
            .collect();
        let mut memory = vec![0; SLOT];
        let mut made = Vec::new();
        let elapsed = time(|| {
            for (client, packet) in &packets {
                made.push(bench.pass(&mut memory, Zone::Peer(peer(*client)), packet));
            }
        });
        bench.set_up = elapsed.as_secs_f64() * 1e9 / FLOWS as f64;
        for ((client, forth), gone) in packets.into_iter().zip(made) {
            let back = answer(&gone);
            bench.flows.push(Flow { client, forth, back });
        }
        bench
    }

    /// Sends a packet through the router; as it leaves.
    fn pass(&mut self, memory: &mut [u8], from: Zone, packet: &[u8]) -> Vec<u8> {
        memory[HEADROOM..HEADROOM + packet.len()].copy_from_slice(packet);
        let mut buf = PacketBuf::new(memory, HEADROOM..HEADROOM + packet.len()).expect("it fits");
        let forward = self.router.forward(NOW, from, &mut buf);
        assert!(matches!(forward, Forward::To(_)), "{forward:?}");
        buf.payload().to_vec()
    }

    /// xorshift: any order will do that no cache foresees.
    fn next_flow(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random as usize % FLOWS
    }

    /// One pass of ring to open, and one to seal.
    fn bare(&self, chosen: &[usize]) -> Duration {
        let mut slab = vec![0; BATCH * SLOT];
        let mut tags = Vec::new();
        for (slot, &flow) in slab.chunks_exact_mut(SLOT).zip(chosen) {
            let Flow { client, forth, .. } = &self.flows[flow];
            let text = &mut slot[HEADROOM..HEADROOM + SIZE];
            text.copy_from_slice(forth);
            let sealed = self.bare[*client].seal_in_place_separate_tag(nonce(), Aad::empty(), text);
            tags.push(Tag::from(<[u8; 16]>::try_from(sealed.expect("sealed").as_ref()).expect("16 bytes")));
        }
        time(|| {
            for ((slot, &flow), tag) in slab.chunks_exact_mut(SLOT).zip(chosen).zip(tags) {
                let key = &self.bare[self.flows[flow].client];
                let text = &mut slot[HEADROOM..HEADROOM + SIZE];
                key.open_in_place_separate_tag(nonce(), Aad::empty(), tag, text, 0..).expect("authentic");
            }
            for (slot, &flow) in slab.chunks_exact_mut(SLOT).zip(chosen) {
                let key = &self.bare[self.flows[flow].client];
                let text = &mut slot[HEADROOM..HEADROOM + SIZE];
                let _ =
                    black_box(key.seal_in_place_separate_tag(nonce(), Aad::empty(), text).expect("sealed"));
            }
        })
    }

    /// Opened and translated to the LAN; the answers translated back and sealed.
    fn routed(&mut self, chosen: &[usize]) -> Duration {
        let mut slab = vec![0; BATCH * SLOT];
        let mut packets = vec![Packet::default(); BATCH];
        for (index, &flow) in chosen.iter().enumerate() {
            let Flow { client, forth, .. } = &self.flows[flow];
            let start = index * SLOT + HEADROOM;
            slab[start..start + SIZE].copy_from_slice(forth);
            packets[index] = Packet::new(index * SLOT..(index + 1) * SLOT, start..start + SIZE);
            self.clients[*client].seal(NOW, &mut Batch::new(&mut slab, &mut packets[index..=index], 1));
            packets[index].path = self.path;
            packets[index].verdict = adit::Verdict::Pending;
        }
        let out = time(|| {
            for (index, &flow) in chosen.iter().enumerate() {
                let client = self.flows[flow].client;
                self.servers[client].open(NOW, &mut Batch::new(&mut slab, &mut packets[index..=index], 1));
            }
            for (packet, &flow) in packets.iter_mut().zip(chosen) {
                let from = Zone::Peer(peer(self.flows[flow].client));
                let mut buf = packet.window(&mut slab).expect("it lies in the slab");
                assert!(matches!(self.router.forward(NOW, from, &mut buf), Forward::To(Zone::Lan)));
            }
        });
        for (index, &flow) in chosen.iter().enumerate() {
            let start = index * SLOT + HEADROOM;
            slab[start..start + SIZE].copy_from_slice(&self.flows[flow].back);
            packets[index] = Packet::new(index * SLOT..(index + 1) * SLOT, start..start + SIZE);
        }
        out + time(|| {
            for packet in &mut packets {
                let mut buf = packet.window(&mut slab).expect("it lies in the slab");
                let forward = self.router.forward(NOW, Zone::Lan, &mut buf);
                assert!(matches!(forward, Forward::To(Zone::Peer(_))), "{forward:?}");
            }
            for (index, &flow) in chosen.iter().enumerate() {
                let client = self.flows[flow].client;
                self.servers[client].seal(NOW, &mut Batch::new(&mut slab, &mut packets[index..=index], 1));
            }
        })
    }

    /// Nanoseconds for a packet of one of the first `flows` flows.
    fn router_alone(&mut self, flows: usize) -> f64 {
        let mut samples = Vec::new();
        let mut slab = vec![0; BATCH * SLOT];
        for _ in 0..ROUNDS {
            let chosen: Vec<usize> = (0..BATCH).map(|_| self.next_flow() % flows).collect();
            for (slot, &flow) in slab.chunks_exact_mut(SLOT).zip(&chosen) {
                slot[HEADROOM..HEADROOM + SIZE].copy_from_slice(&self.flows[flow].forth);
            }
            let elapsed = time(|| {
                for (slot, &flow) in slab.chunks_exact_mut(SLOT).zip(&chosen) {
                    let mut buf = PacketBuf::new(slot, HEADROOM..HEADROOM + SIZE).expect("it fits");
                    let from = Zone::Peer(peer(self.flows[flow].client));
                    assert!(matches!(self.router.forward(NOW, from, &mut buf), Forward::To(Zone::Lan)));
                }
            });
            samples.push(elapsed.as_secs_f64() * 1e9 / BATCH as f64);
        }
        median(samples)
    }
}

/// Four addresses for NAT: a hundred flows of a client keep their ports apart from those of others.
fn config() -> RouterConfig {
    let mut config = RouterConfig::default();
    config.lan = Some(LanConfig {
        device: "lan0".into(),
        addresses: vec![(Ipv4Addr::new(10, 0, 1, 3).into(), 16)],
        gateways: Vec::new(),
    });
    let last = Ipv4Addr::new(10, 0, 8, 255);
    config.nat = Nat::Identity(vec![Ipv4Addr::new(10, 0, 4, 0).into()..=last.into()]);
    config.rules = (1..=16)
        .map(|number| Rule {
            action: Action::Allow,
            who: Who::All,
            destination: IpNetwork::containing(Ipv4Addr::new(10, 0, 2, number).into(), 32),
            protocol: Protocol::Udp,
            ports: vec![53..=60],
            line: u32::from(number),
        })
        .collect();
    config
}

fn peer(client: usize) -> PeerId {
    PeerId::new(client as u32, 1)
}

fn address(client: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 8, 0, 2).to_bits() + client as u32)
}

fn block(client: usize) -> KeyBlock {
    KeyBlock::new(core::array::from_fn(|i| (i * 7 + client * 31 + client / 256) as u8))
}

fn bare_key(client: usize) -> LessSafeKey {
    let block = block(client);
    let key = &block.data_key(Role::Client).cipher[..32];
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// An IPv4 UDP packet of [`SIZE`] bytes, without a UDP checksum but with a right one in its header.
fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut packet = vec![0xA5; SIZE];
    packet[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    packet[2..4].copy_from_slice(&(SIZE as u16).to_be_bytes());
    packet[12..16].copy_from_slice(&from.0.octets());
    packet[16..20].copy_from_slice(&to.0.octets());
    packet[20..22].copy_from_slice(&from.1.to_be_bytes());
    packet[22..24].copy_from_slice(&to.1.to_be_bytes());
    packet[24..26].copy_from_slice(&(SIZE as u16 - 20).to_be_bytes());
    packet[26..28].fill(0);
    let sum: u32 = packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The packet in the other direction.
fn answer(packet: &[u8]) -> Vec<u8> {
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    udp((address(16), port(22)), (address(12), port(20)))
}
