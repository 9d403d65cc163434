//! Sealing and opening through `PeerData` against bare ring: same keys, same packets, same order, in turn.
//!
//! `cargo bench --bench data [CIPHER]` prints nanoseconds per packet (medians) and the rate as a ratio: 0.95 means
//! that adit gets through 95 packets while ring alone gets through 100. What ring alone does not do: header, packet id,
//! key choice, replay window, framing, source check, `mssfix`, counters, verdicts.

use core::hint::black_box;
use core::net::IpAddr;
use core::time::Duration;
use std::time::Instant as Clock;

use adit::config::SessionConfig;
use adit::crypto::KeyBlock;
use adit::wire::{KeyId, WirePeerId};
use adit::{Batch, Cipher, HEADROOM, Instant, LinkId, Packet, Path, PeerData, PeerId, Role, Verdict};
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey,
};

const SIZES: [usize; 3] = [64, 512, 1400];
const BATCHES: [usize; 3] = [1, 8, 64];
const PACKETS: usize = 64;
const SLOT: usize = 2048;
const ROUNDS: usize = 2001;
const NOW: Instant = Instant::from_secs(1);

/// Before the inner packet: header with peer-id, packet id, tag.
const HEAD: usize = 24;
const AAD: core::ops::Range<usize> = 0..8;
const PACKET_ID: core::ops::Range<usize> = 4..8;
const TAG: core::ops::Range<usize> = 8..24;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|arg| Cipher::from_name(&arg));
    println!("cipher            what   bytes  batch   ring ns   adit ns   ratio");
    for cipher in Cipher::DEFAULT_LIST {
        if wanted.is_none_or(|only| only == cipher) {
            report(cipher, "seal", seal);
            report(cipher, "open", open);
        }
    }
}

fn report(cipher: Cipher, what: &str, direction: fn(&mut Bench, usize) -> Sample) {
    for size in SIZES {
        for batch in BATCHES {
            let (ring, adit, ratio) = measure(|bench| direction(bench, batch), cipher, size);
            let cipher = cipher.name();
            println!("{cipher:<18}{what:<5}{size:>7}{batch:>7}{ring:>10.1}{adit:>10.1}{ratio:>8.3}");
        }
    }
}

/// Time for all packets, by ring alone and by adit.
struct Sample {
    ring: Duration,
    adit: Duration,
}

fn measure(mut direction: impl FnMut(&mut Bench) -> Sample, cipher: Cipher, size: usize) -> (f64, f64, f64) {
    let mut bench = Bench::new(cipher, size);
    let samples: Vec<Sample> = (0..ROUNDS).map(|_| direction(&mut bench)).collect();
    let median = |value: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let per_packet = 1e9 / PACKETS as f64;
    (
        median(|sample| sample.ring.as_secs_f64()) * per_packet,
        median(|sample| sample.adit.as_secs_f64()) * per_packet,
        median(|sample| sample.ring.as_secs_f64() / sample.adit.as_secs_f64()),
    )
}

fn seal(bench: &mut Bench, batch: usize) -> Sample {
    let plain = bench.plain();
    bench.in_turn(
        |bench| {
            bench.slab.copy_from_slice(&plain);
            time(|| bench.ring.seal(&mut bench.slab, bench.size))
        },
        |bench| {
            bench.slab.copy_from_slice(&plain);
            bench.describe(HEADROOM, bench.size);
            let elapsed = time(|| {
                run(&mut bench.slab, &mut bench.packets, batch, |batch| bench.client.seal(NOW, batch));
            });
            bench.expect(Verdict::Transmit);
            elapsed
        },
    )
}

fn open(bench: &mut Bench, batch: usize) -> Sample {
    let plain = bench.plain();
    bench.slab.copy_from_slice(&plain);
    bench.describe(HEADROOM, bench.size);
    run(&mut bench.slab, &mut bench.packets, PACKETS, |batch| bench.client.seal(NOW, batch));
    let sealed = bench.slab.clone();
    bench.in_turn(
        |bench| {
            bench.slab.copy_from_slice(&sealed);
            time(|| bench.ring.open(&mut bench.slab, bench.size))
        },
        |bench| {
            bench.slab.copy_from_slice(&sealed);
            bench.describe(HEADROOM - HEAD, bench.size + HEAD);
            let elapsed = time(|| {
                run(&mut bench.slab, &mut bench.packets, batch, |batch| bench.server.open(NOW, batch));
            });
            bench.expect(Verdict::Deliver);
            elapsed
        },
    )
}

/// Hands `packets` on in batches of `len`.
fn run(slab: &mut [u8], packets: &mut [Packet], len: usize, mut work: impl FnMut(&mut Batch<'_>)) {
    for packets in packets.chunks_mut(len) {
        let len = packets.len();
        work(&mut Batch::new(slab, packets, len));
    }
}

#[expect(clippy::disallowed_methods, reason = "it is the clock that a benchmark reads")]
fn time(work: impl FnOnce()) -> Duration {
    let start = Clock::now();
    work();
    start.elapsed()
}

struct Bench {
    size: usize,
    slab: Vec<u8>,
    packets: Vec<Packet>,
    path: Path,
    client: PeerData,
    server: PeerData,
    ring: BareRing,
    ring_first: bool,
}

impl Bench {
    fn new(cipher: Cipher, size: usize) -> Self {
        let block = KeyBlock::new(core::array::from_fn(|i| (i * 7 + 3) as u8));
        let path = Path::udp(LinkId(1), "192.0.2.1:1194".parse().expect("an address"));
        let end = |role| {
            let mut end = PeerData::new(NOW, PeerId::SERVER, role, path, &SessionConfig::default());
            end.set_wire_peer_id(WirePeerId::new(5));
            end.install_key(KeyId::INITIAL, cipher, &block, NOW);
            end
        };
        let mut server = end(Role::Server);
        server.set_sources(vec![IpAddr::V4([10, 8, 0, 2].into()).into()]);
        Self {
            size,
            slab: vec![0; PACKETS * SLOT],
            packets: vec![Packet::default(); PACKETS],
            path,
            client: end(Role::Client),
            server,
            ring: BareRing::new(cipher, &block),
            ring_first: false,
        }
    }

    /// Inner UDP packets from the client, each in its slot.
    fn plain(&self) -> Vec<u8> {
        let mut slab = vec![0; PACKETS * SLOT];
        for slot in slab.chunks_mut(SLOT) {
            let packet = &mut slot[HEADROOM..HEADROOM + self.size];
            packet.fill(0xA5);
            packet[0] = 0x45;
            packet[9] = 17;
            packet[12..16].copy_from_slice(&[10, 8, 0, 2]);
        }
        slab
    }

    fn describe(&mut self, offset: usize, len: usize) {
        for (i, packet) in self.packets.iter_mut().enumerate() {
            let slot = i * SLOT;
            *packet = Packet::new(slot..slot + SLOT, slot + offset..slot + offset + len);
            packet.path = self.path;
        }
    }

    fn expect(&self, verdict: Verdict) {
        assert!(self.packets.iter().all(|packet| packet.verdict == verdict), "{:?}", self.packets[0]);
    }

    fn in_turn(
        &mut self,
        ring: impl FnOnce(&mut Self) -> Duration,
        adit: impl FnOnce(&mut Self) -> Duration,
    ) -> Sample {
        self.ring_first = !self.ring_first;
        if self.ring_first {
            let ring = ring(self);
            Sample { ring, adit: adit(self) }
        } else {
            let adit = adit(self);
            Sample { ring: ring(self), adit }
        }
    }
}

/// The client's sending key, and nothing around it.
struct BareRing {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
    next_packet_id: u32,
}

impl BareRing {
    fn new(cipher: Cipher, block: &KeyBlock) -> Self {
        let algorithm = match cipher {
            Cipher::Aes128Gcm => &AES_128_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            _ => &AES_256_GCM,
        };
        let slot = block.data_key(Role::Client);
        let mut nonce = [0; NONCE_LEN];
        nonce[4..].copy_from_slice(&slot.hmac[..8]);
        let key = UnboundKey::new(algorithm, &slot.cipher[..cipher.key_len()]).expect("a key");
        Self { key: LessSafeKey::new(key), nonce, next_packet_id: 1 }
    }

    fn seal(&mut self, slab: &mut [u8], size: usize) {
        for slot in slab.chunks_exact_mut(SLOT) {
            let (head, text) = slot[HEADROOM - HEAD..HEADROOM + size].split_at_mut(HEAD);
            head[PACKET_ID].copy_from_slice(&self.next_packet_id.to_be_bytes());
            let nonce = self.nonce(head);
            let tag =
                self.key.seal_in_place_separate_tag(nonce, Aad::from(&head[AAD]), text).expect("sealed");
            head[TAG].copy_from_slice(tag.as_ref());
            self.next_packet_id += 1;
        }
        black_box(slab);
    }

    fn open(&self, slab: &mut [u8], size: usize) {
        for slot in slab.chunks_exact_mut(SLOT) {
            let (head, text) = slot[HEADROOM - HEAD..HEADROOM + size].split_at_mut(HEAD);
            let tag: [u8; 16] = head[TAG].try_into().expect("16 bytes");
            let (nonce, aad) = (self.nonce(head), Aad::from(&head[AAD]));
            self.key.open_in_place_separate_tag(nonce, aad, Tag::from(tag), text, 0..).expect("authentic");
        }
        black_box(slab);
    }

    fn nonce(&self, head: &[u8]) -> Nonce {
        let mut nonce = self.nonce;
        nonce[..4].copy_from_slice(&head[PACKET_ID]);
        Nonce::assume_unique_for_key(nonce)
    }
}
