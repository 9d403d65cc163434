use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::router::testing::{Random, fragments, masquerade, outputs, peer, ping, router, tcp, udp};

/// Packets of some clients and of the host, in flows that are new or known, or none, some in fragments, some damaged.
fn some_packets(random: &mut Random, count: usize) -> Vec<(Option<Zone>, Vec<u8>)> {
    let mut out = Vec::new();
    while out.len() < count {
        let number = 1 + random.below(3) as u32;
        let v6 = random.chance(2);
        let address = |number: u32| {
            if v6 {
                alloc::format!("fd00:8::{}", number + 1)
            } else {
                alloc::format!("10.8.0.{}", number + 1)
            }
        };
        let server = if v6 { "2001:db8::77" } else { "192.0.2.77" };
        let other = address(1 + random.below(3) as u32);
        let to = if random.chance(2) { server } else { &*other };
        let source = address(number);
        let port = 4000 + random.below(20) as u16;
        let mut packet = match random.below(3) {
            0 => udp((&source, port), (to, 53), &[7; 200]),
            1 => tcp((&source, port), (to, 22), [2, 0x10, 0x11, 4][random.below(4)], b"text"),
            _ => ping(&source, to, port, 1),
        };
        if random.chance(10) {
            let at = random.below(packet.len());
            packet[at] ^= 1 << random.below(8);
        }
        let from = match random.below(8) {
            0 => Some(Zone::Host),
            1 => None,
            _ => Some(Zone::Peer(peer(number))),
        };
        if random.chance(6) && packet.len() > 150 {
            out.extend(fragments(&packet, random.below(50) as u32, 64).into_iter().map(|part| (from, part)));
        } else {
            out.push((from, packet));
        }
    }
    out.truncate(count);
    out
}

/// Whether they come one by one or together: the same becomes of each, to the byte, and of the router.
#[test]
fn a_batch_is_the_same_as_one_packet_after_the_other() {
    const ROOM: usize = 512;
    let configs = [
        crate::config::RouterConfig { log_flows: true, ..Default::default() },
        masquerade(),
        Default::default(),
    ];
    for config in configs {
        let (mut single, mut batched) = (router(config.clone(), 3), router(config, 3));
        let mut random = Random::new(31);
        let (mut forwarded, mut now) = (0, Instant::ZERO);
        for round in 0..100 {
            now += core::time::Duration::from_secs(1);
            let sent = some_packets(&mut random, [1, 2, 31, 32, 33, 100][round % 6]);
            let mut slab = vec![0; sent.len() * ROOM];
            let mut packets = Vec::new();
            let mut hops = Vec::new();
            for (number, (from, packet)) in sent.iter().enumerate() {
                let start = number * ROOM;
                slab[start + 64..start + 64 + packet.len()].copy_from_slice(packet);
                packets.push(Packet::new(start..start + ROOM, start + 64..start + 64 + packet.len()));
                hops.push(Hop::new(*from));
            }
            let mut one_by_one = (slab.clone(), packets.clone());
            batched.forward_batch(now, &mut slab, &mut packets, &mut hops);
            for (number, (from, _)) in sent.iter().enumerate() {
                let Some(from) = *from else { continue };
                let packet = &mut one_by_one.1[number];
                let mut buf = packet.window(&mut one_by_one.0).unwrap();
                let forward = single.forward(now, from, &mut buf);
                packet.set_window(buf.window());
                assert_eq!(hops[number].forward, forward);
                forwarded += usize::from(matches!(forward, Forward::To(_)));
            }
            assert!(slab == one_by_one.0, "round {round}");
            assert!(packets.iter().zip(&one_by_one.1).all(|(a, b)| a.range() == b.range()));
            assert_eq!(outputs(&mut batched), outputs(&mut single));
            assert_eq!(batched.flows(), single.flows());
            assert!(batched.drops().iter().eq(single.drops().iter()));
        }
        assert!(forwarded > 500, "{forwarded}");
    }
}

#[test]
fn a_descriptor_outside_the_slab_is_dropped() {
    let mut router = router(masquerade(), 1);
    let mut packets = [Packet::new(0..100, 0..100), Packet::new(100..200, 90..120)];
    let mut hops = [Hop::new(Some(Zone::Host)); 2];
    router.forward_batch(Instant::ZERO, &mut [0; 50], &mut packets, &mut hops);
    assert_eq!(hops.map(|hop| hop.forward), [Forward::Drop(DropReason::BadSlot); 2]);
    assert_eq!(router.drops().get(DropReason::BadSlot), 2);
}
