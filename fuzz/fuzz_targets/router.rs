//! The virtual router with everything on: any packets from a client, from the host and from the LAN, as frames and as IP
//! packets. Nothing may panic, hang or grow, and what goes on must be a packet whose header checksum is right.
//!
//! The input is a list of packets: a byte that says from where, and whether checksums are mended so that the mutator need
//! not guess them; two bytes with the length; the packet.

#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use adit::config::{
    Action, Filtering, ForwardTarget, IpNetwork, LanConfig, Nat, PortForward, Protocol, RouterConfig, Rule,
    Who,
};
use adit::router::{ClientSetup, Forward, LanLink, MacAddress, Router, RouterSetup, Zone};
use adit::{Instant, Limits, PacketBuf, PeerId};
use libfuzzer_sys::fuzz_target;

const HEADROOM: usize = adit::HEADROOM;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn router(choice: u8) -> Router {
    let mut config = RouterConfig::default();
    config.log_flows = true;
    if choice & 1 != 0 {
        config.nat = Nat::Masquerade(Some(ip("192.0.2.10")));
    }
    if choice & 2 != 0 {
        config.filtering = Filtering::EndpointIndependent;
    }
    if choice & 4 != 0 {
        config.lan = Some(LanConfig {
            device: "eth0".into(),
            addresses: vec![(ip("192.0.2.10"), 24), (ip("2001:db8::10"), 64)],
            gateways: vec![ip("192.0.2.1"), ip("2001:db8::1")],
        });
    }
    if choice & 8 != 0 {
        config.rules = vec![Rule {
            action: Action::Allow,
            who: Who::All,
            destination: IpNetwork::containing(ip("192.0.2.0"), 24),
            protocol: Protocol::Any,
            ports: Vec::new(),
            line: 1,
        }];
    }
    if choice & 16 != 0 {
        config.port_forwards = vec![PortForward {
            protocol: Protocol::Udp,
            address: ip("192.0.2.10"),
            ports: 8000..=8010,
            to: ForwardTarget::Client("client1".into()),
            to_port: 53,
            from: None,
        }];
    }
    let setup = RouterSetup {
        gateway_ipv4: Some("10.8.0.1".parse().expect("an address")),
        gateway_ipv6: Some("fd00:8::1".parse().expect("an address")),
        networks: vec![IpNetwork::containing(ip("10.8.0.0"), 24), IpNetwork::containing(ip("fd00:8::"), 64)],
        client_to_client: true,
        host_mtu: Some(1400),
        lan: (choice & 4 != 0).then_some(LanLink { mac: MacAddress([2, 0, 0, 0, 0, 9]), mtu: 1500 }),
    };
    let mut router = Router::new(config, setup, &Limits::TINY, [7; 32], Instant::ZERO);
    let client = ClientSetup {
        identity: "client1".into(),
        networks: vec![ip("10.8.0.2").into(), ip("fd00:8::2").into()],
        mtu: 600,
        limits: None,
    };
    router.client_up(Instant::ZERO, PeerId::SERVER, client);
    router
}

/// The internet checksum; 0 over what has its own in it and is right.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    let sum = (sum & 0xFFFF) + (sum >> 16);
    !(((sum & 0xFFFF) + (sum >> 16)) as u16)
}

fn header_len(packet: &[u8]) -> Option<usize> {
    let len = usize::from(*packet.first()? & 0xF) * 4;
    (packet[0] >> 4 == 4 && len >= 20 && len <= packet.len()).then_some(len)
}

fn mend(packet: &mut [u8]) {
    if let Some(len) = header_len(packet) {
        packet[10..12].fill(0);
        let sum = checksum(&[&packet[..len]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        if packet[9] == 1 && packet.len() >= len + 8 {
            // An error is looked into: it, and the header that it quotes.
            if let Some(quoted) = header_len(&packet[len + 8..]) {
                let quote = &mut packet[len + 8..];
                quote[10..12].fill(0);
                let sum = checksum(&[&quote[..quoted]]);
                quote[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            packet[len + 2..len + 4].fill(0);
            let sum = checksum(&[&packet[len..]]);
            packet[len + 2..len + 4].copy_from_slice(&sum.to_be_bytes());
        }
    } else if packet.len() >= 48 && packet[0] >> 4 == 6 && packet[6] == 58 {
        packet[42..44].fill(0);
        let len = (packet.len() as u32 - 40).to_be_bytes();
        let sum = checksum(&[&packet[8..40], &len, &[0, 0, 0, 58], &packet[40..]]);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
    }
}

/// What leaves for a client or the host is a whole packet.
fn check(zone: Zone, packet: &[u8]) {
    if zone == Zone::Lan {
        return;
    }
    match packet[0] >> 4 {
        4 => {
            let len = header_len(packet).expect("a header");
            assert_eq!(checksum(&[&packet[..len]]), 0);
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        }
        6 => assert_eq!(40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len()),
        other => panic!("version {other}"),
    }
    let most = if matches!(zone, Zone::Peer(_)) { 600 } else { 1400 };
    let least = if packet[0] >> 4 == 6 { 1280 } else { 0 };
    assert!(packet.len() <= most.max(least));
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, mut input)) = input.split_first() else { return };
    let mut router = router(choice);
    let mut now = Instant::ZERO;
    let mut memory = vec![0; HEADROOM + 4096];
    while let Some((&[place, high, low], rest)) = input.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len()).min(2048);
        let (packet, rest) = rest.split_at(len);
        input = rest;
        let from = match place & 3 {
            0 | 1 => Zone::Peer(PeerId::SERVER),
            2 => Zone::Host,
            _ => Zone::Lan,
        };
        memory[HEADROOM..HEADROOM + len].copy_from_slice(packet);
        if place & 4 != 0 {
            let start = if from == Zone::Lan && choice & 4 != 0 { 14.min(len) } else { 0 };
            mend(&mut memory[HEADROOM + start..HEADROOM + len]);
        }
        now += Duration::from_millis(u64::from(place >> 3) * 500);
        router.handle_timeout(now);
        let mut buf = PacketBuf::new(&mut memory, HEADROOM..HEADROOM + len).expect("it lies inside");
        match router.forward(now, from, &mut buf) {
            Forward::To(to) => check(to, buf.payload()),
            Forward::Reply if choice & 4 == 0 => check(Zone::Host, buf.payload()),
            Forward::Reply | Forward::Consumed | Forward::Drop(_) => {}
        }
        let mut outputs = 0;
        loop {
            let mut buf = PacketBuf::new(&mut memory, HEADROOM..HEADROOM).expect("it lies inside");
            let Some(to) = router.poll_output(now, &mut buf) else { break };
            check(to, buf.payload());
            outputs += 1;
            assert!(outputs < 64, "one packet makes no end of others");
        }
        while router.poll_event().is_some() {}
        assert!(router.flows() <= 2 * Limits::TINY.flows);
    }
});
