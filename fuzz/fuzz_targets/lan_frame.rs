//! Any frames from the LAN, one after the other, with time between them and packets of a client for hosts there.
//!
//! Each piece of the input is a byte that says what it is, two bytes of length in network byte order, and that many bytes: a
//! frame; or a `virtio_net_hdr` and a frame, which may be a super-packet; or a client's packet. Whatever comes, what we say
//! on the LAN is from our own hardware address, and an answer is about an address of ours.

#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use adit::config::{IpNetwork, LanConfig, RouterConfig};
use adit::router::{ClientSetup, Forward, LanLink, MacAddress, Offload, Router, RouterSetup, Segments, Zone};
use adit::{HEADROOM, Instant, Limits, PacketBuf, PeerId, TAILROOM};
use libfuzzer_sys::fuzz_target;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OURS: [u8; 4] = [10, 0, 1, 3];
const OURS6: [u8; 16] = [0xFD, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn router() -> Router {
    let mut config = RouterConfig::default();
    config.lan = Some(LanConfig {
        device: "eth0".to_owned(),
        addresses: vec![(IpAddr::from(OURS), 16), (IpAddr::from(OURS6), 64)],
        gateways: vec![address("10.0.0.1")],
    });
    let setup = RouterSetup {
        gateway_ipv4: Some([10, 8, 0, 1].into()),
        networks: vec![
            IpNetwork::containing(address("10.8.0.0"), 16),
            IpNetwork::containing(address("fd00:8::"), 64),
        ],
        lan: Some(LanLink { mac: MacAddress(MAC), mtu: 1500 }),
        ..RouterSetup::default()
    };
    let mut router = Router::new(config, setup, &Limits::TINY, [7; 32], Instant::ZERO);
    let client = ClientSetup {
        identity: "client1".to_owned(),
        networks: vec![address("10.8.0.2").into(), address("fd00:8::2").into()],
        mtu: 1500,
        limits: None,
    };
    router.client_up(Instant::ZERO, PeerId::SERVER, client);
    router
}

/// What goes to the LAN.
fn check(frame: &[u8]) {
    assert!(frame.len() >= 14 && frame.len() <= 1514, "{} bytes", frame.len());
    assert_eq!(frame[6..12], MAC);
    match frame[12..14] {
        [8, 6] => {
            assert_eq!(frame[22..28], MAC);
            let sender = &frame[28..32];
            let answers = frame[21] == 2;
            assert!(sender == OURS || (!answers && sender == [0; 4]), "ARP for {sender:?}");
        }
        [0x86, 0xDD] if frame[20] == 58 && frame.get(54) == Some(&136) => assert_eq!(frame[62..78], OURS6),
        [8, 0] | [0x86, 0xDD] => {}
        _ => panic!("an EtherType that we do not have"),
    }
}

fn pass(router: &mut Router, now: Instant, from: Zone, bytes: &[u8]) {
    let mut memory = vec![0; HEADROOM + bytes.len().max(2048) + TAILROOM];
    memory[HEADROOM..HEADROOM + bytes.len()].copy_from_slice(bytes);
    let mut buf = PacketBuf::new(&mut memory, HEADROOM..HEADROOM + bytes.len()).expect("it lies inside");
    if router.forward(now, from, &mut buf) == Forward::To(Zone::Lan) {
        check(buf.payload());
    }
}

fuzz_target!(|input: &[u8]| {
    let mut router = router();
    let mut now = Instant::ZERO;
    let mut rest = input;
    while let [kind, high, low, more @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(more.len());
        let (piece, next) = more.split_at(len);
        rest = next;
        match kind & 3 {
            0 => pass(&mut router, now, Zone::Lan, piece),
            1 => pass(&mut router, now, Zone::Peer(PeerId::SERVER), piece),
            2 => {
                let Some((header, frame)) = piece.split_first_chunk() else { continue };
                let mut frame = frame.to_vec();
                let len = frame.len();
                let Ok(offload) = Offload::parse(header) else { continue };
                let Ok(mut segments) = Segments::new(&mut frame, offload) else { continue };
                let (mut out, mut count) = (vec![0; len], 0);
                while let Some(part) = segments.next(&mut out) {
                    let part = part.expect("none is larger than the whole");
                    pass(&mut router, now, Zone::Lan, &out[..part]);
                    count += 1;
                    assert!(count <= len.max(1));
                }
            }
            _ => {
                for _ in 0..kind >> 2 {
                    now += Duration::from_millis(200);
                    drain(&mut router, now);
                }
            }
        }
        drain(&mut router, now);
    }
});

/// Fetches all that the router has.
fn drain(router: &mut Router, now: Instant) {
    router.handle_timeout(now);
    let mut memory = [0; 2048 + HEADROOM];
    loop {
        let mut buf = PacketBuf::new(&mut memory, HEADROOM..HEADROOM).expect("it lies inside");
        match router.poll_output(now, &mut buf) {
            Some(Zone::Lan) => check(buf.payload()),
            Some(_) => {}
            None => break,
        }
    }
    while router.poll_event().is_some() {}
}
