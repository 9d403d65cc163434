//! Two ends of the reliability layer over a link whose every step the input decides: what arrives is in order.

#![no_main]

use std::time::Duration;

use adit::Instant;
use adit::control::Reliable;
use adit::wire::Opcode;
use libfuzzer_sys::fuzz_target;

/// A message and acknowledgements, on their way to end 0 or 1.
type Datagram = (usize, Option<(u32, Vec<u8>)>, Vec<u32>);

fuzz_target!(|steps: &[u8]| {
    let mut ends = [Reliable::new(Duration::from_secs(2)), Reliable::new(Duration::from_secs(2))];
    let mut queued = [0u8; 2];
    let mut arrived = [0u8; 2];
    let mut link: Vec<Datagram> = Vec::new();
    let mut now = Instant::ZERO;
    for step in steps {
        let at = usize::from(step & 1);
        let argument = usize::from(step >> 4);
        match step >> 1 & 7 {
            0 if ends[at].can_queue() => {
                ends[at].queue(Opcode::ControlV1, &[queued[at]]);
                queued[at] = queued[at].wrapping_add(1);
            }
            1 => {
                let message = ends[at].poll_send(now).map(|out| (out.message_id, out.payload.to_vec()));
                let acks = ends[at].take_acks(argument).to_vec();
                link.push((1 - at, message, acks));
            }
            // Deliver, and perhaps keep a copy.
            2 | 3 if argument < link.len() => {
                let (to, message, acks) = link[argument].clone();
                if step >> 1 & 7 == 2 {
                    link.swap_remove(argument);
                }
                ends[to].handle_acks(&acks);
                if let Some((id, payload)) = message {
                    let _ = ends[to].receive(id, &payload);
                }
            }
            // Lose.
            4 if argument < link.len() => drop(link.swap_remove(argument)),
            5 => now += Duration::from_secs(1 << argument),
            6 => ends[at].schedule_all_now(now),
            7 => {
                while let Some(payload) = ends[at].next_in_order() {
                    assert_eq!(payload, [arrived[at]]);
                    arrived[at] = arrived[at].wrapping_add(1);
                }
            }
            _ => {}
        }
    }
});
