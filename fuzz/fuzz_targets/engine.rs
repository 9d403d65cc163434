//! The unwrapped control channel of both roles: arbitrary packets, timeouts and links at a client and a server that
//! talk to each other. Nothing may panic, hang, or grow without bound.
//!
//! The input is a list of steps; a step's first byte says what happens, the next two are its argument.

#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use adit::config::{ClientConfig, Ipv4Network, NamedText, ServerConfig, TlsConfig};
use adit::{Batch, Client, Host, Instant, LinkId, Packet, Path, Port, Server, UnixTime, Verdict};
use libfuzzer_sys::fuzz_target;

const SLOT: usize = 4096;
const HEADROOM: usize = adit::HEADROOM;

macro_rules! text {
    ($name:literal) => {
        Some(NamedText::file($name, *include_bytes!(concat!("../../src/tls/testdata/", $name))))
    };
}

fn host() -> Host {
    let mut state = 1u64;
    Host::new(
        move |out: &mut [u8]| {
            for byte in out {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *byte = (state >> 56) as u8;
            }
        },
        UnixTime(1_795_000_000),
    )
}

fn tls(cert: Option<NamedText>) -> TlsConfig {
    let mut tls = TlsConfig::default();
    tls.ca = text!("ca.crt");
    tls.cert = cert;
    tls.key = text!("rsa.key");
    tls
}

struct Ends {
    now: Instant,
    client: Client,
    server: Server,
    to_client: Vec<Vec<u8>>,
    to_server: Vec<Vec<u8>>,
}

fn address() -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, 1), 1194).into()
}

impl Ends {
    fn new() -> Self {
        let now = Instant::from_secs(1);
        let mut server = ServerConfig::new(Ipv4Network { address: Ipv4Addr::new(10, 8, 0, 0), prefix: 24 });
        server.session.tls = tls(text!("server.crt"));
        let mut client = ClientConfig::new();
        client.session.tls = tls(text!("client.crt"));
        Self {
            now,
            client: Client::new(client, host(), now).expect("a client"),
            server: Server::new(server, host(), now).expect("a server"),
            to_client: Vec::new(),
            to_server: Vec::new(),
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.client.poll_event() {
            if let adit::Event::ConnectRequested { .. } = event {
                self.client.connect(self.now, Path::udp(LinkId(0), address())).expect("it asked");
            }
        }
        while self.server.poll_event().is_some() {}
        for at_server in [false, true] {
            for _ in 0..64 {
                let mut slab = [0; SLOT];
                let mut packets = [Packet::free(0..SLOT)];
                let mut batch = Batch::new(&mut slab, &mut packets, 0);
                if at_server {
                    self.server.poll_transmits(self.now, &mut batch);
                } else {
                    self.client.poll_transmits(self.now, &mut batch);
                }
                if batch.len == 0 {
                    break;
                }
                let bytes = batch.bytes(0).to_vec();
                if at_server { self.to_client.push(bytes) } else { self.to_server.push(bytes) }
            }
        }
    }

    fn deliver(&mut self, at_server: bool, bytes: &[u8]) {
        let mut slab = vec![0; SLOT.max(bytes.len() + 2 * HEADROOM)];
        slab[HEADROOM..HEADROOM + bytes.len()].copy_from_slice(bytes);
        let mut packet = Packet::new(0..slab.len(), HEADROOM..HEADROOM + bytes.len());
        packet.path = Path::udp(LinkId(0), address());
        let mut packets = [packet];
        let mut batch = Batch::new(&mut slab, &mut packets, 1);
        if at_server {
            self.server.handle_datagrams(self.now, &mut batch);
        } else {
            self.client.handle_datagrams(self.now, &mut batch);
        }
        assert_ne!(batch.packets[0].verdict, Verdict::Pending);
        if batch.packets[0].verdict == Verdict::Transmit {
            let bytes = batch.bytes(0).to_vec();
            if at_server { self.to_client.push(bytes) } else { self.to_server.push(bytes) }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut ends = Ends::new();
    ends.client.start(ends.now);
    let mut steps = input.chunks_exact(3).take(200);
    for step in &mut steps {
        let (at_server, argument) = (step[0] & 1 == 1, usize::from(step[1]) << 8 | usize::from(step[2]));
        ends.drain();
        let queue = if at_server { &mut ends.to_server } else { &mut ends.to_client };
        match step[0] >> 1 & 7 {
            // What is on its way arrives: unharmed, twice, damaged, cut off, or not at all.
            0 | 1 if !queue.is_empty() => {
                let bytes = queue.remove(0);
                ends.deliver(at_server, &bytes);
            }
            2 if !queue.is_empty() => {
                let bytes = queue[argument % queue.len()].clone();
                ends.deliver(at_server, &bytes);
            }
            3 if !queue.is_empty() => {
                let mut bytes = queue[0].clone();
                let at = usize::from(step[1]) % bytes.len();
                bytes[at] ^= step[2];
                ends.deliver(at_server, &bytes);
            }
            4 if !queue.is_empty() => {
                let mut bytes = queue.remove(0);
                bytes.truncate(argument % (bytes.len() + 1));
                ends.deliver(at_server, &bytes);
            }
            // The input's own bytes arrive.
            5 => {
                let rest = &input[input.len().min(argument)..];
                ends.deliver(at_server, &rest[..rest.len().min(2000)]);
            }
            6 => {
                ends.now += Duration::from_millis(argument as u64);
                ends.client.handle_timeout(ends.now);
                ends.server.handle_timeout(ends.now);
            }
            7 => {
                let mut slab = [0x45; SLOT];
                let mut packets = [Packet::new(0..SLOT, HEADROOM..HEADROOM + argument % 1500)];
                let mut batch = Batch::new(&mut slab, &mut packets, 1);
                ends.client.handle_tunnel_packets(ends.now, Port::Host, &mut batch);
                ends.client.renegotiate(ends.now);
            }
            _ => {}
        }
        ends.to_client.truncate(64);
        ends.to_server.truncate(64);
    }
});
