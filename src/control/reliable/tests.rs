use alloc::collections::BTreeMap;
use alloc::vec;

use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(2);

fn sender(messages: u8) -> Reliable {
    let mut reliable = Reliable::new(TIMEOUT);
    for i in 0..messages {
        reliable.queue(Opcode::ControlV1, &[i]);
    }
    reliable
}

/// The ids of all that is due.
fn send_all(reliable: &mut Reliable, now: Instant) -> Vec<u32> {
    core::iter::from_fn(|| reliable.poll_send(now).map(|out| out.message_id)).collect()
}

#[test]
fn a_message_is_repeated_after_2_4_4_4_seconds() {
    let mut reliable = sender(1);
    assert_eq!(reliable.next_timeout(), Some(Instant::ZERO));
    let mut now = Instant::from_secs(100);
    for wait in [2, 4, 4, 4] {
        assert!(reliable.is_due(now));
        let out = reliable.poll_send(now).unwrap();
        assert_eq!(out, Outgoing { opcode: Opcode::ControlV1, message_id: 0, payload: &[0] });
        assert_eq!(reliable.poll_send(now), None);
        let due = now + Duration::from_secs(wait);
        assert_eq!(reliable.next_timeout(), Some(due));
        assert!(!reliable.is_due(Instant::from_nanos(due.as_nanos() - 1)));
        assert_eq!(reliable.poll_send(Instant::from_nanos(due.as_nanos() - 1)), None);
        now = due;
    }
    assert!(!reliable.all_acked());
    reliable.handle_acks(&[0]);
    assert!(reliable.all_acked());
    assert_eq!(reliable.next_timeout(), None);
}

#[test]
fn six_messages_may_be_on_their_way() {
    let mut reliable = sender(6);
    assert!(!reliable.can_queue());
    assert_eq!(send_all(&mut reliable, Instant::ZERO), [0, 1, 2, 3, 4, 5]);
    reliable.handle_acks(&[1, 2, 3, 4, 5]);
    assert!(!reliable.can_queue(), "the window begins with the oldest, however few are left");
    reliable.handle_acks(&[0]);
    assert!(reliable.can_queue());
    reliable.queue(Opcode::ControlV1, b"next");
    assert_eq!(send_all(&mut reliable, Instant::ZERO), [6]);
}

#[test]
fn three_later_acknowledgements_send_a_message_again_two_do_not() {
    let mut reliable = sender(6);
    let now = Instant::from_secs(1);
    send_all(&mut reliable, now);
    reliable.handle_acks(&[1, 2]);
    assert_eq!(reliable.poll_send(now), None);
    reliable.handle_acks(&[1, 2, 1]);
    assert_eq!(reliable.poll_send(now), None, "repeated acknowledgements are not counted");
    reliable.handle_acks(&[4]);
    assert_eq!(send_all(&mut reliable, now), [0], "message 3 has one later acknowledgement only");
    assert_eq!(reliable.poll_send(now), None);
}

#[test]
fn acknowledgements_of_what_was_not_sent_are_ignored() {
    let mut reliable = sender(1);
    reliable.handle_acks(&[0, 1, 77, u32::MAX]);
    assert!(!reliable.all_acked());
    assert_eq!(send_all(&mut reliable, Instant::ZERO), [0]);
}

#[test]
fn a_burst_sends_everything_again_with_fresh_timeouts() {
    let mut reliable = sender(2);
    for secs in [0, 2, 6] {
        assert_eq!(send_all(&mut reliable, Instant::from_secs(secs)), [0, 1]);
    }
    let now = Instant::from_secs(7);
    reliable.schedule_all_now(now);
    assert_eq!(send_all(&mut reliable, now), [0, 1]);
    assert_eq!(reliable.next_timeout(), Some(now + TIMEOUT));
}

#[test]
fn messages_come_out_in_order_and_once() {
    let mut reliable = Reliable::new(TIMEOUT);
    for id in [2, 0, 2, 1, 0] {
        assert_eq!(reliable.receive(id, &[id as u8]), Ok(()));
    }
    assert_eq!(reliable.receive(1, b"another"), Ok(()), "the first of two counts");
    let all: Vec<_> = core::iter::from_fn(|| reliable.next_in_order()).collect();
    assert_eq!(all, [[0], [1], [2]]);
    assert_eq!(reliable.receive(1, b"late"), Ok(()));
    assert_eq!(reliable.next_in_order(), None);
}

#[test]
fn the_receive_window_has_twelve_places() {
    let mut reliable = Reliable::new(TIMEOUT);
    assert_eq!(reliable.receive(12, b""), Err(DropReason::OutOfWindow));
    assert_eq!(reliable.receive(u32::MAX, b""), Err(DropReason::OutOfWindow));
    assert!(!reliable.has_pending_acks());
    assert_eq!(reliable.receive(11, b""), Ok(()));
    assert_eq!(reliable.take_acks(8), [11]);
    assert_eq!(reliable.receive(0, b""), Ok(()));
    assert!(reliable.next_in_order().is_some());
    assert_eq!(reliable.receive(12, b""), Ok(()));
}

#[test]
fn while_the_window_is_full_nothing_is_acknowledged_not_even_duplicates() {
    let mut reliable = Reliable::new(TIMEOUT);
    for id in 0..12 {
        assert_eq!(reliable.receive(id, b""), Ok(()));
        reliable.take_acks(8);
    }
    assert_eq!(reliable.receive(3, b""), Err(DropReason::OutOfWindow));
    assert!(!reliable.has_pending_acks());
    reliable.next_in_order();
    assert_eq!(reliable.receive(3, b""), Ok(()));
    assert!(reliable.has_pending_acks());
}

/// CVE-2017-7478.
#[test]
fn a_payload_has_2048_bytes_at_most() {
    let mut reliable = Reliable::new(TIMEOUT);
    assert_eq!(reliable.receive(0, &[0; 2049]), Err(DropReason::TooLarge));
    assert!(!reliable.has_pending_acks());
    assert_eq!(reliable.receive(0, &[0; 2048]), Ok(()));
}

#[test]
fn acknowledgements_wait_in_a_queue_of_eight() {
    let mut reliable = Reliable::new(TIMEOUT);
    for id in 0..10 {
        assert_eq!(reliable.receive(id, b""), Ok(()));
    }
    assert_eq!(reliable.take_acks(4), [3, 2, 1, 0]);
    assert!(reliable.has_pending_acks());
    assert_eq!(reliable.take_acks(8), [7, 6, 5, 4, 3, 2, 1, 0]);
    assert!(!reliable.has_pending_acks(), "there was no room for 8 and 9");
    assert_eq!(reliable.receive(8, b""), Ok(()), "the peer repeats it");
    assert_eq!(reliable.take_acks(4), [8, 7, 6, 5]);
}

#[test]
fn the_latest_acknowledgements_fill_up_each_packet() {
    let mut reliable = Reliable::new(TIMEOUT);
    assert_eq!(reliable.take_acks(4), []);
    let _ = reliable.receive(0, b"");
    assert_eq!(reliable.take_acks(4), [0]);
    assert!(!reliable.has_pending_acks());
    assert_eq!(reliable.take_acks(4), [0]);
    let _ = reliable.receive(1, b"");
    let _ = reliable.receive(0, b"");
    assert_eq!(reliable.take_acks(1), [1]);
    assert_eq!(reliable.take_acks(4), [0, 1]);
    assert_eq!(reliable.take_acks(0), []);
}

#[test]
fn behind_a_cookie_both_directions_begin_with_message_1() {
    let mut reliable = Reliable::new(TIMEOUT);
    reliable.skip_initial();
    reliable.queue(Opcode::ControlV1, b"hello");
    assert_eq!(send_all(&mut reliable, Instant::ZERO), [1]);
    assert_eq!(reliable.receive(0, b"reset"), Ok(()), "a repeated reset is acknowledged again");
    assert_eq!(reliable.receive(1, b"hello"), Ok(()));
    assert_eq!(reliable.take_acks(8), [1, 0]);
    assert_eq!(reliable.next_in_order().as_deref(), Some(&b"hello"[..]));
}

/// What is on its way, by arrival; the second number tells apart what arrives together.
type Link = BTreeMap<(Instant, u64), Datagram>;

/// A packet to end 0 or 1.
struct Datagram {
    to: usize,
    acks: AckList,
    message: Option<(u32, Vec<u8>)>,
}

/// Random numbers that a seed repeats (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % sides
    }
}

/// Sends `count` messages each way over a link that loses, repeats, delays and reorders; gives what each end got.
fn over_a_bad_link(seed: u64, loss_percent: u64, count: u8) -> [Vec<u8>; 2] {
    let mut dice = Dice(seed);
    let mut ends = [Reliable::new(TIMEOUT), Reliable::new(TIMEOUT)];
    let mut queued = [0u8; 2];
    let mut got = [vec![], vec![]];
    let mut link = Link::new();
    let mut serial = 0;
    let mut now = Instant::ZERO;
    loop {
        for at in 0..2 {
            while queued[at] < count && ends[at].can_queue() {
                ends[at].queue(Opcode::ControlV1, &[queued[at]]);
                queued[at] += 1;
            }
            let mut send = |acks, message: Option<(u32, Vec<u8>)>| {
                for _ in 0..1 + u64::from(dice.roll(100) < 5) {
                    if dice.roll(100) < loss_percent {
                        continue;
                    }
                    let arrival = now + Duration::from_millis(1 + dice.roll(200));
                    serial += 1;
                    link.insert(
                        (arrival, serial),
                        Datagram { to: 1 - at, acks: Clone::clone(&acks), message: message.clone() },
                    );
                }
            };
            while let Some(message) =
                ends[at].poll_send(now).map(|out| (out.message_id, out.payload.to_vec()))
            {
                send(ends[at].take_acks(4), Some(message));
            }
            while ends[at].has_pending_acks() {
                send(ends[at].take_acks(8), None);
            }
        }
        let arrival = link.keys().next().map(|&(at, _)| at);
        let timeouts = ends.iter().filter_map(Reliable::next_timeout);
        let Some(next) = timeouts.chain(arrival).min() else { return got };
        assert!(next > now, "an event that is due already would never end");
        assert!(next < Instant::from_secs(100_000), "the link is stuck");
        now = next;
        while let Some(entry) = link.first_entry().filter(|entry| entry.key().0 <= now) {
            let Datagram { to, acks, message } = entry.remove();
            ends[to].handle_acks(&acks);
            if let Some((id, payload)) = message {
                let _ = ends[to].receive(id, &payload);
            }
            while let Some(payload) = ends[to].next_in_order() {
                got[to].extend(payload);
            }
        }
    }
}

#[test]
fn everything_arrives_in_order_over_a_bad_link() {
    let all: Vec<u8> = (0..60).collect();
    for seed in 0..200 {
        for loss_percent in [0, 10, 40] {
            let got = over_a_bad_link(seed, loss_percent, 60);
            assert_eq!(got, [all.clone(), all.clone()], "seed {seed}, {loss_percent} % loss");
        }
    }
}

proptest! {
    #[test]
    fn a_hostile_peer_cannot_fill_memory_or_panic(
        events in prop::collection::vec((any::<bool>(), prop_oneof![0u32..20, any::<u32>()]), 0..200),
    ) {
        let mut reliable = sender(4);
        send_all(&mut reliable, Instant::ZERO);
        for (ack, id) in events {
            if ack {
                reliable.handle_acks(&[id, id.wrapping_add(1)]);
            } else {
                let _ = reliable.receive(id, &[0; 100]);
            }
            prop_assert!(reliable.received.iter().flatten().count() <= RECEIVE_WINDOW);
            prop_assert!(reliable.take_acks(3).len() <= 3);
        }
    }
}
