use core::time::Duration;

use super::*;
use crate::algorithm::{Cipher, Role};
use crate::crypto::KeyBlock;
use crate::wire::KeyId;

const T0: Instant = Instant::from_secs(1000);
const PAYLOAD: &[u8] = b"payload";

fn after(secs: u64) -> Instant {
    T0 + Duration::from_secs(secs)
}

fn id(id: u8) -> KeyId {
    KeyId::new(id).unwrap()
}

/// The key of negotiation `number`, whose bytes are unlike those of any other.
fn key(number: u8, role: Role) -> DataKey {
    let block = KeyBlock::new([number.wrapping_mul(37) ^ 0x5A; KeyBlock::LEN]);
    DataKey::new(id(number % 8), role, Cipher::Aes128Gcm, &block, 64)
}

/// Both ends of a peer relation, and packets between them.
#[derive(Default)]
struct Ends {
    client: KeySlots,
    server: KeySlots,
}

impl Ends {
    fn with_keys(numbers: &[u8]) -> Self {
        let mut ends = Self::default();
        for &number in numbers {
            ends.client.install(key(number, Role::Client), after(60));
            ends.server.install(key(number, Role::Server), after(60));
        }
        ends
    }

    /// The client sends at `now`; the key id that its packet names, and whether the server could read it.
    fn client_sends(&mut self, now: Instant) -> (u8, Result<(), DropReason>) {
        transfer(&mut self.client, &mut self.server, now)
    }

    fn server_sends(&mut self, now: Instant) -> (u8, Result<(), DropReason>) {
        transfer(&mut self.server, &mut self.client, now)
    }
}

fn transfer(from: &mut KeySlots, to: &mut KeySlots, now: Instant) -> (u8, Result<(), DropReason>) {
    let mut memory = [0; 256];
    let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
    buf.fill(PAYLOAD).unwrap();
    from.seal(now, None, &mut buf).unwrap();
    let header = DataHeader::parse(buf.payload()).unwrap();
    let opened = to.open(&header, &mut buf);
    assert!(opened.is_err() || buf.payload() == PAYLOAD);
    (header.key_id.get(), opened)
}

#[test]
fn the_only_key_sends_at_once() {
    let mut ends = Ends::with_keys(&[0]);
    assert_eq!(ends.client_sends(T0), (0, Ok(())));
}

#[test]
fn nothing_is_sent_without_a_key() {
    let mut memory = [0; 256];
    let mut buf = PacketBuf::new(&mut memory, 100..110).unwrap();
    assert_eq!(KeySlots::default().seal(T0, None, &mut buf), Err(DropReason::NotConnected));
}

#[test]
fn a_new_key_sends_when_its_time_has_come() {
    let mut ends = Ends::with_keys(&[0, 1]);
    assert_eq!(ends.client_sends(after(59)), (0, Ok(())));
    assert_eq!(ends.client_sends(after(60)), (1, Ok(())));
}

#[test]
fn a_new_key_sends_once_the_peer_has_used_it() {
    let mut ends = Ends::with_keys(&[0, 1]);
    assert_eq!(ends.server_sends(after(1)), (0, Ok(())));
    assert_eq!(ends.client_sends(after(60)), (1, Ok(())));
    assert_eq!(
        ends.server_sends(after(2)),
        (1, Ok(())),
        "before its own time, for the client has shown the way"
    );
}

#[test]
fn keys_in_quick_succession_lose_nothing() {
    let mut ends = Ends::with_keys(&[0]);
    for number in 1..20 {
        // Either end may be the first to have the new key; neither has reason to use it yet.
        if number % 2 == 0 {
            ends.client.install(key(number, Role::Client), after(60));
            assert_eq!(ends.client_sends(T0).1, Ok(()));
            assert_eq!(ends.server_sends(T0).1, Ok(()));
            ends.server.install(key(number, Role::Server), after(60));
        } else {
            ends.server.install(key(number, Role::Server), after(60));
            assert_eq!(ends.client_sends(T0).1, Ok(()));
            assert_eq!(ends.server_sends(T0).1, Ok(()));
            ends.client.install(key(number, Role::Client), after(60));
        }
        assert_eq!(ends.client_sends(T0), ((number - 1) % 8, Ok(())));
        assert_eq!(ends.server_sends(T0), ((number - 1) % 8, Ok(())));
    }
}

#[test]
fn a_forged_packet_shows_nothing() {
    let mut ends = Ends::with_keys(&[0, 1]);
    let mut memory = [0; 256];
    let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
    buf.fill(PAYLOAD).unwrap();
    ends.client.seal(after(60), None, &mut buf).unwrap();
    let header = DataHeader::parse(buf.payload()).unwrap();
    assert_eq!(header.key_id, id(1));
    buf.payload_mut()[20] ^= 1;
    assert_eq!(ends.server.open(&header, &mut buf), Err(DropReason::DataAuthentication));
    assert_eq!(ends.server_sends(after(2)), (0, Ok(())));
}

#[test]
fn an_old_key_is_read_after_the_switch_and_does_not_switch_back() {
    let mut ends = Ends::with_keys(&[0, 1]);
    assert_eq!(ends.server_sends(after(60)), (1, Ok(())));
    let mut late = Ends::with_keys(&[0]);
    assert_eq!(transfer(&mut late.client, &mut ends.server, T0), (0, Ok(())));
    assert_eq!(ends.server_sends(after(60)), (1, Ok(())));
}

/// Protocol facts §6.4: with short `reneg-sec` a peer may be more than one generation behind.
#[test]
fn the_last_four_generations_are_read() {
    let mut ends = Ends::with_keys(&[0, 1, 2, 3, 4]);
    let mut slow = Ends::with_keys(&[1]);
    assert_eq!(transfer(&mut slow.client, &mut ends.server, T0), (1, Ok(())));
    let mut slower = Ends::with_keys(&[0]);
    assert_eq!(transfer(&mut slower.client, &mut ends.server, T0), (0, Err(DropReason::NoKey)));
}

#[test]
fn a_key_id_that_comes_again_replaces_the_old_key() {
    let mut ends = Ends::with_keys(&[1, 2]);
    ends.client.install(key(9, Role::Client), after(60));
    ends.server.install(key(9, Role::Server), after(60));
    assert_eq!(ends.client_sends(after(60)), (1, Ok(())));
    let mut stale = Ends::with_keys(&[1]);
    assert_eq!(transfer(&mut stale.client, &mut ends.server, T0), (1, Err(DropReason::DataAuthentication)));
}

#[test]
fn retired_keys_die_on_time_and_the_newest_never() {
    let mut ends = Ends::with_keys(&[0, 1]);
    ends.server.retire_others(after(3600));
    assert_eq!(ends.server.next_expiry(), Some(after(3600)));
    ends.server.expire(after(3599));
    assert_eq!(ends.client_sends(T0), (0, Ok(())));
    ends.server.expire(after(3600));
    assert_eq!(ends.client_sends(T0), (0, Err(DropReason::NoKey)));
    assert_eq!(ends.client_sends(after(60)), (1, Ok(())));
    assert_eq!(ends.server.next_expiry(), None);
}

#[test]
fn a_key_does_not_live_longer_for_being_retired_again() {
    let mut ends = Ends::with_keys(&[0, 1]);
    ends.server.retire_others(after(100));
    ends.server.install(key(2, Role::Server), after(60));
    ends.server.retire_others(after(200));
    assert_eq!(ends.server.next_expiry(), Some(after(100)));
    ends.server.expire(after(100));
    assert_eq!(ends.server.next_expiry(), Some(after(200)));
}

#[test]
fn when_the_sending_key_dies_the_next_one_sends() {
    let mut ends = Ends::with_keys(&[0, 1, 2]);
    assert_eq!(ends.client_sends(T0), (1, Ok(())));
    ends.client.retire_others(after(10));
    ends.client.expire(after(10));
    assert_eq!(ends.client_sends(after(10)), (2, Ok(())));
    assert!(!ends.client.is_empty());
}
