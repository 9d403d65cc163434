//! Whole handshakes in memory, from the client's reset to the pushed options: how many a second, and what they take
//! of the heap. P-256 certificates on both sides, TLS 1.3, tls-crypt.
//!
//! `cargo bench --bench handshake`. Rates are for comparison within one run only; the heap's figures are steady.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant as Clock;

use adit::config::{ClientConfig, Ipv4Network, NamedText, ServerConfig, TlsConfig, WrapConfig};
use adit::{Batch, Client, Event, HEADROOM, Host, Instant, LinkId, Packet, Path, Server, UnixTime, Verdict};

/// The system's allocator, which counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SLOT: usize = 2048;
const SLOTS: usize = 16;
const TODAY: UnixTime = UnixTime(1_795_000_000);
const ROUNDS: usize = 200;

fn main() {
    let pki = Pki::new();
    let now = Instant::from_secs(1);
    let mut server = Server::new(pki.server_config(), host(), now).expect("a server");
    let mut slab = vec![0; SLOTS * SLOT];

    // The first one warms up, and the second shows what one session holds and what it takes for a while.
    connect(&mut server, &pki, 0, &mut slab);
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let client = connect(&mut server, &pki, 1, &mut slab);
    let both = IN_USE.load(Relaxed) - before;
    let peak = PEAK.load(Relaxed) - before;
    drop(client);
    let at_server = IN_USE.load(Relaxed) - before;
    println!("heap of a connected session, bytes: server {at_server}, client {}", both - at_server);
    println!("heap at the height of a handshake, both ends together: {peak}");

    let start = Clock::now();
    for number in 0..ROUNDS {
        connect(&mut server, &pki, 2 + number, &mut slab);
    }
    let each = start.elapsed() / ROUNDS as u32;
    println!(
        "handshake: {:.2} ms for both ends together, {:.0} a second",
        each.as_secs_f64() * 1e3,
        1.0 / each.as_secs_f64()
    );
}

/// Connects one client, and gives it back.
fn connect(server: &mut Server, pki: &Pki, number: usize, slab: &mut [u8]) -> Client {
    let now = Instant::from_secs(1);
    let mut client = Client::new(pki.client_config(), host(), now).expect("a client");
    let address = SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + number as u32), 4000));
    client.start(now);
    client.connect(now, Path::udp(LinkId(0), address)).expect("a client that asked");
    while !client.is_connected() {
        let mut packets = free();
        let mut batch = Batch::new(slab, &mut packets, 0);
        client.poll_transmits(now, &mut batch);
        arrive(&mut batch, address);
        server.handle_datagrams(now, &mut batch);
        // What the server answers in place is its cookie; everything else it sends when asked.
        let answer = batch.packets[..batch.len].iter().any(|packet| packet.verdict == Verdict::Transmit);
        if !answer {
            batch.packets.copy_from_slice(&free());
            server.poll_transmits(now, &mut batch);
        }
        arrive(&mut batch, address);
        client.handle_datagrams(now, &mut batch);
        while let Some(event) = client.poll_event() {
            assert!(!matches!(event, Event::Closed { .. }), "{event:?}");
        }
        while server.poll_event().is_some() {}
    }
    client
}

fn free() -> [Packet; SLOTS] {
    std::array::from_fn(|slot| Packet::free(slot * SLOT..(slot + 1) * SLOT))
}

/// Lets packets that were sent arrive, unchanged and in their places.
fn arrive(batch: &mut Batch<'_>, from: SocketAddr) {
    for packet in &mut batch.packets[..batch.len] {
        packet.verdict = Verdict::Pending;
        packet.path = Path::udp(LinkId(0), from);
    }
}

fn host() -> Host {
    let source = ring::rand::SystemRandom::new();
    Host::new(
        move |out: &mut [u8]| ring::rand::SecureRandom::fill(&source, out).expect("the system's entropy"),
        TODAY,
    )
}

/// A CA, a server and a client.
struct Pki {
    ca: String,
    server: (String, String),
    client: (String, String),
    key: String,
}

impl Pki {
    fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

        let named = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = named("bench CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = ca.self_signed(&ca_key).expect("a certificate").pem();
        let issuer = Issuer::new(ca, ca_key);
        let leaf = |name| {
            let key = KeyPair::generate().expect("a key");
            (named(name).signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
        };
        let mut key = String::from("-----BEGIN OpenVPN Static key V1-----\n");
        for line in 0..16 {
            key.push_str(&format!("{:032x}\n", 0x1234_5678_9abc_def0_u128 * (line + 1)));
        }
        key.push_str("-----END OpenVPN Static key V1-----\n");
        Self { ca: certificate, server: leaf("server"), client: leaf("client"), key }
    }

    fn tls(&self, (cert, key): &(String, String)) -> TlsConfig {
        let mut tls = TlsConfig::default();
        tls.ca = Some(NamedText::file("ca.crt", self.ca.as_bytes()));
        tls.cert = Some(NamedText::file("cert.crt", cert.as_bytes()));
        tls.key = Some(NamedText::file("cert.key", key.as_bytes()));
        tls
    }

    fn wrap(&self) -> WrapConfig {
        WrapConfig::TlsCrypt { key: NamedText::file("ta.key", self.key.as_bytes()) }
    }

    fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::new(Ipv4Network { address: Ipv4Addr::new(10, 8, 0, 0), prefix: 16 });
        config.session.tls = self.tls(&self.server);
        config.session.wrap = self.wrap();
        config.duplicate_cn = true;
        config.connect_freq_initial.count = u32::MAX;
        config
    }

    fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.session.tls = self.tls(&self.client);
        config.session.wrap = self.wrap();
        config
    }
}

const _: () = assert!(SLOT > HEADROOM + 1250 + adit::TAILROOM);
