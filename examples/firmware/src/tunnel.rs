//! Server and client meet in memory: certificates, handshake, a packet each way, a renegotiation, a farewell.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use adit::client::Client;
use adit::config::{ClientConfig, Ipv4Network, NamedText, ServerConfig, TlsConfig};
use adit::server::Server;
use adit::{Batch, Event, HEADROOM, Host, Instant, Limits, LinkId, Packet, Path, Port, UnixTime, Verdict};

use crate::{board, entropy, heap_used};

/// June 2090: certificates that outlive 32-bit time must work on a 32-bit machine.
const TODAY: UnixTime = UnixTime(3_800_000_000);

const SLOT: usize = 2048;
const SLOTS: usize = 4;

/// Runs the whole story; an error says where it went wrong.
pub fn run() -> Result<(), String> {
    let mut wire = Wire::new()?;
    board::print(&format!("heap: {} bytes for both ends before they meet", heap_used()));

    wire.client.start(wire.now);
    wire.run_until(|wire| wire.client.is_connected() && wire.connected, "connected")?;
    board::print(&format!("connected; heap: {} bytes", heap_used()));

    wire.exchange()?;
    wire.client.renegotiate(wire.now);
    wire.run_until(|wire| wire.rekeyed, "rekeyed")?;
    wire.exchange()?;
    board::print(&format!("renegotiated; heap: {} bytes", heap_used()));

    wire.client.disconnect(wire.now);
    wire.run_until(|wire| wire.closed, "told that the client has left")
}

/// Both engines, and the cable between them.
struct Wire {
    now: Instant,
    server: Server,
    client: Client,
    slab: Vec<u8>,
    connected: bool,
    rekeyed: bool,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Server,
    Client,
}

impl Wire {
    fn new() -> Result<Self, String> {
        let now = Instant::from_secs(1);
        let network = Ipv4Network { address: Ipv4Addr::new(10, 8, 0, 0), prefix: 24 };
        let mut server = ServerConfig::new(network);
        server.session.tls = identity(testdata!("server-p256.crt"), testdata!("p256.key"));
        let mut client = ClientConfig::new();
        client.session.tls = identity(testdata!("client-ed25519.crt"), testdata!("ed25519.key"));
        client.session.explicit_exit_notify = Some(1);
        let host = || Host::new(entropy::fill, TODAY);
        Ok(Self {
            now,
            server: Server::with_limits(server, host(), Limits::TINY, now)
                .map_err(|error| format!("{error}"))?,
            client: Client::with_limits(client, host(), Limits::TINY, now)
                .map_err(|error| format!("{error}"))?,
            slab: vec![0; SLOTS * SLOT],
            connected: false,
            rekeyed: false,
            closed: false,
        })
    }

    /// Moves packets and time until `done`. A minute of virtual time is plenty.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool, what: &str) -> Result<(), String> {
        let end = Instant::from_secs(self.now.as_secs() + 60);
        while !done(self) {
            while self.drain(End::Client)? | self.drain(End::Server)? {}
            if done(self) {
                break;
            }
            let deadlines = [self.client.next_timeout(), self.server.next_timeout()];
            self.now = match deadlines.into_iter().flatten().map(|deadline| deadline.at).min() {
                Some(at) if at <= end => at.max(self.now),
                _ => return Err(format!("never {what}")),
            };
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        Ok(())
    }

    /// Takes out what one end has to send and to say. Answers whether there was something.
    fn drain(&mut self, end: End) -> Result<bool, String> {
        let mut packets: [Packet; SLOTS] =
            core::array::from_fn(|slot| Packet::free(slot * SLOT..(slot + 1) * SLOT));
        let mut batch = Batch::new(&mut self.slab, &mut packets, 0);
        match end {
            End::Server => self.server.poll_transmits(self.now, &mut batch),
            End::Client => self.client.poll_transmits(self.now, &mut batch),
        }
        let sent: Vec<Vec<u8>> = (0..batch.len).map(|index| batch.bytes(index).to_vec()).collect();
        for bytes in &sent {
            self.deliver(end, bytes)?;
        }
        let mut busy = !sent.is_empty();
        while let Some(event) = match end {
            End::Server => self.server.poll_event(),
            End::Client => self.client.poll_event(),
        } {
            busy = true;
            self.event(end, event)?;
        }
        Ok(busy)
    }

    fn event(&mut self, end: End, event: Event) -> Result<(), String> {
        match (end, event) {
            (End::Client, Event::ConnectRequested { .. }) => {
                let path = Path::udp(LinkId(0), address(End::Server));
                self.client.connect(self.now, path).map_err(|error| format!("{error}"))?;
            }
            (_, Event::HandshakeCompleted { tls_version, cipher_suite, .. }) => {
                board::print(&format!("{tls_version}, {cipher_suite}"));
            }
            (End::Server, Event::Connected { cipher, .. }) => {
                self.connected = true;
                board::print(&format!("data channel: {cipher:?}"));
            }
            (End::Server, Event::Rekeyed { .. }) => self.rekeyed = true,
            (End::Server, Event::Closed { .. }) => self.closed = true,
            (End::Client, Event::Closed { reason, .. }) => board::print(&format!("client closed: {reason}")),
            _ => {}
        }
        Ok(())
    }

    /// An outer packet from one end arrives at the other; what comes out of the tunnel is returned.
    fn deliver(&mut self, from: End, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let data = HEADROOM..HEADROOM + bytes.len();
        let mut packets = [Packet::new(0..SLOT, data.clone())];
        packets[0].path = Path::udp(LinkId(0), address(from));
        self.slab.get_mut(data).ok_or("a packet larger than a slot")?.copy_from_slice(bytes);
        let mut batch = Batch::new(&mut self.slab, &mut packets, 1);
        match from {
            End::Server => self.client.handle_datagrams(self.now, &mut batch),
            End::Client => self.server.handle_datagrams(self.now, &mut batch),
        }
        let output = batch.bytes(0).to_vec();
        match packets[0].verdict {
            Verdict::Consumed => Ok(None),
            Verdict::Deliver => Ok(Some(output)),
            // The answer to a first packet goes straight back.
            Verdict::Transmit => {
                self.deliver(if from == End::Server { End::Client } else { End::Server }, &output)
            }
            Verdict::Drop => Err(format!("a packet was dropped: {}", packets[0].reason)),
            Verdict::Pending => Err("a packet was left alone".into()),
        }
    }

    /// A packet each way through the tunnel.
    fn exchange(&mut self) -> Result<(), String> {
        for from in [End::Client, End::Server] {
            let inner = inner_packet(from);
            let mut packets = [Packet::new(0..SLOT, HEADROOM..HEADROOM + inner.len())];
            self.slab[HEADROOM..HEADROOM + inner.len()].copy_from_slice(&inner);
            let mut batch = Batch::new(&mut self.slab, &mut packets, 1);
            match from {
                End::Client => self.client.handle_tunnel_packets(self.now, Port::Host, &mut batch),
                End::Server => self.server.handle_tunnel_packets(self.now, Port::Host, &mut batch),
            }
            let sealed = batch.bytes(0).to_vec();
            if packets[0].verdict != Verdict::Transmit || sealed.windows(4).any(|part| part == b"adit") {
                return Err("an inner packet was not sealed".into());
            }
            if self.deliver(from, &sealed)? != Some(inner) {
                return Err("an inner packet did not come out as it went in".into());
            }
        }
        Ok(())
    }
}

fn address(end: End) -> SocketAddr {
    match end {
        End::Server => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 1194),
        End::Client => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 40_000),
    }
}

/// An IPv4 packet of an experimental protocol between 10.8.0.1 and 10.8.0.2.
fn inner_packet(from: End) -> Vec<u8> {
    let (source, destination) = if from == End::Client { (2, 1) } else { (1, 2) };
    let mut packet = vec![0x45, 0, 0, 24, 0, 0, 0, 0, 64, 253, 0, 0, 10, 8, 0, source, 10, 8, 0, destination];
    packet.extend_from_slice(b"adit");
    packet
}

fn identity(cert: NamedText, key: NamedText) -> TlsConfig {
    let mut tls = TlsConfig::default();
    tls.ca = Some(testdata!("ca.crt"));
    tls.cert = Some(cert);
    tls.key = Some(key);
    tls
}

macro_rules! testdata {
    ($name:literal) => {
        NamedText::file($name, &include_bytes!(concat!("../../../src/tls/testdata/", $name))[..])
    };
}
use testdata;
