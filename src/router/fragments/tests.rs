//! Rows 4787-14, FRAG-v4, FRAG-v6, FRAG-OVL and FRAG-TO of what a router must do.

use alloc::vec::Vec;

use crate::config::RouterConfig;
use crate::reason::DropReason;
use crate::router::testing::{
    Random, assert_checksums, edit, fragments, outputs, peer, reassemble, router, send, send_all, udp,
};
use crate::router::{Forward, Router, Zone};
use crate::time::Instant;

const ENDS: [(&str, &str); 2] = [("10.8.0.2", "10.8.0.3"), ("fd00:8::2", "fd00:8::3")];

fn stateful(clients: u32) -> Router {
    router(RouterConfig { log_flows: true, ..RouterConfig::default() }, clients)
}

fn first() -> Zone {
    Zone::Peer(peer(1))
}

fn second() -> Zone {
    Zone::Peer(peer(2))
}

/// The packet as the next hop sees it.
fn a_hop_further(packet: &[u8]) -> Vec<u8> {
    edit(packet.to_vec(), |packet| packet[if packet[0] >> 4 == 4 { 8 } else { 7 }] -= 1)
}

/// What comes out, all for the second client.
fn through(router: &mut Router, parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts {
        for (zone, packet) in send_all(router, Instant::ZERO, first(), part).1 {
            assert_eq!(zone, second());
            out.push(packet);
        }
    }
    out
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return alloc::vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let places = |order: &Vec<usize>| {
        let order = order.clone();
        (0..count)
            .map(move |at| {
                let mut order = order.clone();
                order.insert(at, count - 1);
                order
            })
            .collect::<Vec<_>>()
    };
    shorter.iter().flat_map(places).collect()
}

/// RFC 4787 REQ-14 b: fragments out of order arrive, too. Every order of up to six, in both families; the first fragment
/// is the first to come out, and nothing is put together on the way.
#[test]
fn frag_v4_and_v6_every_order_of_six_fragments_arrives() {
    for (from, to) in ENDS {
        for count in 2..=6 {
            let datagram = udp((from, 4000), (to, 53), &Random::new(1).bytes(40 * count - 20));
            for (number, order) in permutations(count).iter().enumerate() {
                let mut router = stateful(2);
                let parts = fragments(&datagram, number as u32, 40);
                assert_eq!(parts.len(), count);
                let parts: Vec<Vec<u8>> = order.iter().map(|at| parts[*at].clone()).collect();
                let out = through(&mut router, &parts);
                assert_eq!(out.len(), count, "{order:?}");
                let whole = reassemble(&out);
                assert_eq!(whole[40..], a_hop_further(&datagram)[40..], "{order:?}");
                assert_checksums(&whole);
                let offset = if datagram[0] >> 4 == 4 { 6..8 } else { 42..44 };
                assert_eq!(u16::from_be_bytes([out[0][offset.start], out[0][offset.start + 1]]) & 0x1FF8, 0);
                assert_eq!(router.flows(), 1);
                assert_eq!(router.v4.fragments.len() + router.v6.fragments.len(), 0, "all of it has come");
                assert_eq!(router.drops().total(), 0);
            }
        }
    }
}

/// 45 fragments, backwards.
#[test]
fn frag_v4_and_v6_the_largest_datagram_arrives_backwards() {
    for (from, to) in ENDS {
        let datagram = udp((from, 4000), (to, 53), &Random::new(2).bytes(65_000));
        let mut parts = fragments(&datagram, 7, 1448);
        assert_eq!(parts.len(), 45);
        parts.reverse();
        let out = through(&mut stateful(2), &parts);
        assert_eq!(out.len(), 45);
        assert_checksums(&reassemble(&out));
    }
}

/// RFC 8200 §4.5: doubled by the network, a fragment may be dropped without the others.
#[test]
fn frag_v4_and_v6_doubled_fragments_do_no_harm() {
    for (from, to) in ENDS {
        for order in [[0, 0, 1, 2], [0, 1, 1, 2], [2, 2, 1, 0], [1, 0, 1, 2]] {
            let parts = fragments(&udp((from, 4000), (to, 53), &[7; 100]), 7, 40);
            let parts: Vec<Vec<u8>> = order.map(|at: usize| parts[at].clone()).into();
            let mut router = stateful(2);
            assert_checksums(&reassemble(&through(&mut router, &parts)));
            assert_eq!(router.drops().get(DropReason::BadFragment), 1);
        }
    }
}

/// What of these comes out at all.
fn what_is_left(parts: &[Vec<u8>]) -> usize {
    through(&mut stateful(2), parts).len()
}

/// RFC 5722 §4 and, for IPv4, RFC 1858 and RFC 3128: what overlaps is dropped, and all of its datagram that comes then.
#[test]
fn frag_ovl_overlapping_fragments_are_dropped_with_the_rest() {
    for (from, to) in ENDS {
        let datagram = udp((from, 4000), (to, 53), &[7; 112]);
        let parts = fragments(&datagram, 7, 40);
        let shifted = |part: &Vec<u8>, by: i16| {
            edit(part.clone(), |packet| {
                let (at, unit) = if packet[0] >> 4 == 4 { (6, by / 8) } else { (42, by) };
                let bits = i16::from_be_bytes([packet[at], packet[at + 1]]) + unit;
                packet[at..at + 2].copy_from_slice(&bits.to_be_bytes());
            })
        };
        // The second reaches into the first: nothing more comes out.
        assert_eq!(what_is_left(&[parts[0].clone(), shifted(&parts[1], -8), parts[2].clone()]), 1);
        // Among those that wait: nothing at all.
        assert_eq!(what_is_left(&[parts[1].clone(), shifted(&parts[2], -8), parts[0].clone()]), 0);
        // The first itself overlaps.
        assert_eq!(what_is_left(&[shifted(&parts[1], -8), parts[0].clone(), parts[2].clone()]), 0);
        // A part that ends beyond the last, and two lasts.
        assert_eq!(what_is_left(&[parts[0].clone(), parts[2].clone(), shifted(&parts[1], 80)]), 2);
        assert_eq!(what_is_left(&[parts[0].clone(), parts[2].clone(), shifted(&parts[2], 40)]), 2);
        // Another beginning, to change what the rules have seen.
        let other = fragments(&udp((from, 4000), (to, 22), &[7; 112]), 7, 40);
        let mut router = stateful(2);
        let out =
            through(&mut router, &[parts[0].clone(), other[0].clone(), parts[1].clone(), parts[2].clone()]);
        assert_eq!(reassemble(&out)[40..], a_hop_further(&datagram)[40..]);
    }
}

/// IPv6's later fragments may name an extension header that is in the first alone.
#[test]
fn frag_v6_the_first_fragment_says_what_the_protocol_is() {
    let datagram = udp(("fd00:8::2", 4000), ("fd00:8::3", 53), &[7; 100]);
    let mut with_options = [&datagram[..40], &[17, 0, 1, 4, 0, 0, 0, 0], &datagram[40..]].concat();
    (with_options[5], with_options[6]) = (with_options[5] + 8, 60);
    for order in [[0, 1, 2], [2, 1, 0]] {
        let parts = fragments(&with_options, 7, 40);
        let parts: Vec<Vec<u8>> = order.map(|at: usize| parts[at].clone()).into();
        let mut router = stateful(2);
        assert_eq!(through(&mut router, &parts).len(), 3);
        assert_eq!(router.flows(), 1);
    }
}

/// What is decided about the first fragment holds for the others.
#[test]
fn frag_v4_and_v6_none_follows_a_first_that_was_refused() {
    for (from, to) in ENDS {
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            let mut parts = fragments(&udp((from, 4000), (to, 53), &[7; 100]), 7, 40);
            parts[0] = edit(parts[0].clone(), |packet| packet[if packet[0] >> 4 == 4 { 8 } else { 7 }] = 1);
            let mut router = stateful(2);
            let outcomes: Vec<Forward> =
                order.iter().map(|at| send(&mut router, Instant::ZERO, first(), &parts[*at]).0).collect();
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Forward::Reply).count(), 1);
            assert!(!outcomes.contains(&Forward::To(second())));
            assert_eq!(outputs(&mut router), []);
            assert_eq!(router.drops().total(), 3, "{order:?}");
        }
    }
}

/// RFC 791 §3.2, RFC 8200 §4.5: what is not complete is forgotten after 30 seconds. No Time Exceeded is sent: who misses
/// something beyond us sends it itself, if it saw the first fragment (RFC 792, RFC 4443 §3.3).
#[test]
fn frag_to_what_waits_in_vain_is_forgotten_in_silence() {
    for (from, to) in ENDS {
        let parts = fragments(&udp((from, 4000), (to, 53), &[7; 100]), 7, 40);
        for (late, arrive) in [(29, 3), (31, 1)] {
            let mut router = stateful(2);
            assert_eq!(send(&mut router, Instant::ZERO, first(), &parts[1]).0, Forward::Consumed);
            assert_eq!(send(&mut router, Instant::ZERO, first(), &parts[2]).0, Forward::Consumed);
            assert!(router.next_timeout().unwrap().at <= Instant::from_secs(30));
            router.handle_timeout(Instant::from_secs(late));
            let (_, out) = send_all(&mut router, Instant::from_secs(late), first(), &parts[0]);
            assert_eq!(out.len(), arrive);
            let lost = if arrive == 1 { 2 } else { 0 };
            assert_eq!(router.drops().get(DropReason::FragmentTimeout), lost);
        }
        // Its own later fragments find no first after that time.
        let mut router = stateful(2);
        assert_eq!(send(&mut router, Instant::ZERO, first(), &parts[0]).0, Forward::To(second()));
        assert_eq!(send(&mut router, Instant::from_secs(31), first(), &parts[1]).0, Forward::Consumed);
    }
}

/// RFC 4787 REQ-14 a: a client's flood of fragments without a first is bounded, and takes nothing from the others.
#[test]
fn frag_4787_14_a_flood_of_fragments_hurts_nobody_else() {
    for ((from, to), number) in ENDS.into_iter().zip(0..) {
        let mut router = stateful(3);
        let mut random = Random::new(3);
        let source = if number == 0 { "10.8.0.4" } else { "fd00:8::4" };
        let flood = fragments(&udp((source, 4000), (to, 53), &[7; 100]), 7, 40);
        let later = |id: u32| {
            let mut part = flood[1].clone();
            let at = if number == 0 { 4..6 } else { 44..48 };
            part[at.clone()].copy_from_slice(&id.to_be_bytes()[4 - at.len()..]);
            edit(part, |_| {})
        };
        for round in 0..20 {
            for _ in 0..500 {
                let _ = send(&mut router, Instant::ZERO, Zone::Peer(peer(3)), &later(random.next() as u32));
            }
            // Datagrams of another, backwards, and what is whole.
            let mut parts = fragments(&udp((from, 4000), (to, 53), &[7; 1000]), round, 40);
            parts.reverse();
            assert_eq!(through(&mut router, &parts).len(), parts.len());
            assert_eq!(through(&mut router, &[udp((from, 4000), (to, 53), b"?")]).len(), 1);
        }
        assert!(router.v4.fragments.len() + router.v6.fragments.len() <= 64);
        assert!(router.drops().get(DropReason::FragmentsFull) > 9_000);
        // And they are all forgotten.
        router.handle_timeout(Instant::from_secs(31));
        assert_eq!(router.v4.fragments.len() + router.v6.fragments.len(), 0);
    }
}

/// Who floods us still gets its own fragments through while they come close together.
#[test]
fn frag_4787_14_the_newest_take_the_place_of_the_oldest() {
    let mut router = stateful(2);
    for id in 0..5000 {
        let mut parts = fragments(&udp(("10.8.0.2", 4000), ("10.8.0.3", 53), &[7; 100]), id, 40);
        parts.swap(0, 1);
        // The last one never comes.
        assert_eq!(through(&mut router, &parts[..2]).len(), 2, "{id}");
    }
}

/// Fragments in a random mixture from three zones, checked for what may never happen: a byte that was not judged.
#[test]
fn frag_random_mixtures_keep_their_books() {
    let mut router = stateful(3);
    let mut random = Random::new(4);
    let mut seconds = 0;
    for _ in 0..30_000 {
        let number = 1 + random.below(3) as u32;
        let source = alloc::format!("10.8.0.{}", number + 1);
        let datagram = udp((&source, 4000), ("192.0.2.1", 53), &[7; 150]);
        let parts = fragments(&datagram, random.below(200) as u32, [8, 40, 48][random.below(3)]);
        let part = &parts[random.below(parts.len())];
        if random.chance(500) {
            seconds += 10;
            router.handle_timeout(Instant::from_secs(seconds));
        }
        let _ = send_all(&mut router, Instant::from_secs(seconds), Zone::Peer(peer(number)), part);
        router.v4.fragments.check();
    }
    router.handle_timeout(Instant::from_secs(seconds + 31));
    assert_eq!(router.v4.fragments.len(), 0);
}

impl<A: super::Address> super::Fragments<A> {
    /// Lists, index, shares and slots agree.
    fn check(&self) {
        let (mut at, mut count, mut waiting) = (self.ends.oldest, 0, 0);
        let mut born = 0;
        while let Some(record) = self.records.get(at as usize) {
            assert_eq!(self.find(&record.key), Some(at));
            assert!(record.born >= born);
            born = record.born;
            waiting += usize::from(!record.held.is_empty());
            (at, count) = (record.all.newer, count + 1);
        }
        assert_eq!(count, self.index.len());
        let owned: usize = self.owners.iter().map(|owner| owner.records).sum();
        assert_eq!(owned, count);
        for owner in &self.owners {
            assert!(owner.records <= self.share(owner.zone) && owner.held <= self.share(owner.zone));
            let (mut at, mut count) = (owner.ends.oldest, 0);
            while let Some(record) = self.records.get(at as usize) {
                assert_eq!(record.key.zone, owner.zone);
                (at, count) = (record.zone.newer, count + 1);
            }
            assert_eq!(count, owner.records);
        }
        let held: usize = self.owners.iter().map(|owner| owner.held).sum();
        assert_eq!(self.held.used(), held);
        assert!(held >= waiting);
    }
}
