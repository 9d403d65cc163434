//! Both engines in memory, for tests and benches that are processes of their own: a PKI, and a handshake.

use core::net::{Ipv4Addr, SocketAddr};

use adit::config::{
    ClientConfig, InstanceConfig, Ipv4Network, NamedText, NoFiles, ServerConfig, TlsConfig, WrapConfig,
};
use adit::server::ConnectDecision;
use adit::{Batch, Client, Event, Host, Instant, LinkId, Packet, Path, Server, UnixTime, Verdict};

/// Slots of a batch, and the bytes of each.
const SLOTS: usize = 16;
const SLOT: usize = 2048;
/// When everything happens.
pub(crate) const NOW: Instant = Instant::from_secs(1);
const TODAY: UnixTime = UnixTime(1_795_000_000);

/// Connects one client from `address` at [`NOW`], and gives it back.
pub(crate) fn connect(server: &mut Server, config: ClientConfig, address: SocketAddr) -> Client {
    let now = NOW;
    let mut client = Client::new(config, host(), now).expect("a client");
    let slab = &mut [0; SLOTS * SLOT][..];
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
        while let Some(event) = server.poll_event() {
            if let Event::ClientConnectRequested { request, .. } = event {
                let decision = ConnectDecision::Accept(Box::new(instance()));
                server.reply_connect(now, request, decision).expect("an open question");
            }
        }
    }
    client
}

/// What a server that asks is told of each client: networks of several sizes lie behind it.
fn instance() -> InstanceConfig {
    let text = "iroute 10.1.0.0 255.255.0.0\niroute 10.2.3.0 255.255.255.0\niroute-ipv6 fd00:1::/48\n";
    let (config, findings) = InstanceConfig::parse([&NamedText::file("ccd", text)], &mut NoFiles);
    assert!(findings.is_empty(), "{findings:?}");
    config
}

/// Free slots.
fn free() -> [Packet; SLOTS] {
    core::array::from_fn(|slot| Packet::free(slot * SLOT..(slot + 1) * SLOT))
}

/// Lets packets that were sent arrive, unchanged and in their places.
fn arrive(batch: &mut Batch<'_>, from: SocketAddr) {
    for packet in &mut batch.packets[..batch.len] {
        packet.verdict = Verdict::Pending;
        packet.path = Path::udp(LinkId(0), from);
    }
}

/// A host with the system's entropy.
pub(crate) fn host() -> Host {
    let source = ring::rand::SystemRandom::new();
    Host::new(
        move |out: &mut [u8]| ring::rand::SecureRandom::fill(&source, out).expect("the system's entropy"),
        TODAY,
    )
}

/// A CA, a server and a client, all P-256, and a key for tls-crypt.
pub(crate) struct Pki {
    ca: String,
    server: (String, String),
    client: (String, String),
    key: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::new(Ipv4Network { address: Ipv4Addr::new(10, 8, 0, 0), prefix: 16 });
        config.session.tls = self.tls(&self.server);
        config.session.wrap = self.wrap();
        config.duplicate_cn = true;
        config.connect_freq_initial.count = u32::MAX;
        config
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.session.tls = self.tls(&self.client);
        config.session.wrap = self.wrap();
        config
    }
}
