use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::config::NamedText;
use crate::crypto::hex;
use crate::wire::{KeyId, Opcode, SessionId};

const RESET: ControlHeader = ControlHeader {
    opcode: Opcode::ControlHardResetClientV2,
    key_id: KeyId::INITIAL,
    session_id: SessionId::from_bytes([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]),
};
const UNIX: UnixTime = UnixTime(0x6000_0000);
const NOW: Instant = Instant::from_secs(100);

/// The static key whose bytes are 00 to ff.
fn key() -> NamedText {
    let digits: String = (0..=u8::MAX).map(|byte| format!("{byte:02x}")).collect();
    let text =
        format!("-----BEGIN OpenVPN Static key V1-----\n{digits}\n-----END OpenVPN Static key V1-----\n");
    NamedText::file("ta.key", text)
}

fn tls_auth(direction: Option<u8>) -> WrapConfig {
    WrapConfig::TlsAuth { key: key(), direction }
}

fn tls_crypt() -> WrapConfig {
    WrapConfig::TlsCrypt { key: key() }
}

fn keys(role: Role, config: &WrapConfig, digest: Digest) -> WrapKeys {
    WrapKeys::new(role, config, digest).unwrap()
}

/// The keys of client and server for every way of wrapping.
fn every_pair() -> Vec<(WrapKeys, WrapKeys)> {
    let mut pairs = vec![(WrapKeys::NONE, WrapKeys::NONE)];
    let pair = |client: &WrapConfig, server: &WrapConfig, digest| {
        (keys(Role::Client, client, digest), keys(Role::Server, server, digest))
    };
    pairs.push(pair(&tls_crypt(), &tls_crypt(), Digest::Sha1));
    for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        pairs.push(pair(&tls_auth(Some(1)), &tls_auth(Some(0)), digest));
        pairs.push(pair(&tls_auth(None), &tls_auth(None), digest));
    }
    pairs
}

fn sealed(wrap: &mut ControlWrap, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 200];
    let len = wrap.seal(UNIX, RESET, inner, &mut out).unwrap();
    out.truncate(len);
    out
}

fn wraps(pair: &(WrapKeys, WrapKeys)) -> (ControlWrap, ControlWrap) {
    (ControlWrap::new(pair.0.clone(), 64), ControlWrap::new(pair.1.clone(), 64))
}

#[test]
fn a_client_reset_under_tls_crypt() {
    let mut client = ControlWrap::new(keys(Role::Client, &tls_crypt(), Digest::Sha1), 64);
    let packet = sealed(&mut client, &[0; 5]);
    assert_eq!(
        packet,
        hex(
            "38a0a1a2a3a4a5a6a700000001600000002220dbfa0a3e59ed2899bc2107871c23d3491f7337be6f33cd51a3a3dd5414a7b19cd55f1d"
        )
    );
}

#[test]
fn a_client_reset_under_tls_auth() {
    let mut client = ControlWrap::new(keys(Role::Client, &tls_auth(Some(1)), Digest::Sha1), 64);
    let packet = sealed(&mut client, &[0; 5]);
    assert_eq!(
        packet,
        hex("38a0a1a2a3a4a5a6a7dc4ca1940d6bef10d8b07f4c2f01dd8337584d4d00000001600000000000000000")
    );
}

#[test]
fn without_wrapping_a_packet_is_header_and_inner_part() {
    let mut client = ControlWrap::new(WrapKeys::NONE, 64);
    assert_eq!(sealed(&mut client, &[0; 5]), hex("38a0a1a2a3a4a5a6a70000000000"));
}

#[test]
fn packets_pass_both_ways_once() {
    for pair in every_pair() {
        let (mut client, mut server) = wraps(&pair);
        for (inner, from_client) in [(&b"hello"[..], true), (b"x", false), (b"y", false), (b"z", true)] {
            let (sender, receiver) =
                if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let packet = sealed(sender, inner);
            assert_eq!(packet.len(), ControlHeader::LEN + pair.0.overhead() + inner.len());
            let mut copy = packet.clone();
            assert_eq!(receiver.open(NOW, &mut copy), Ok((RESET, inner)), "{pair:?}");
            let again = receiver.open(NOW, &mut packet.clone()).map(|_| ());
            let expected = if pair.0.is_none() { Ok(()) } else { Err(DropReason::WrapReplay) };
            assert_eq!(again, expected);
        }
    }
}

#[test]
fn nobody_opens_a_packet_of_their_own_unless_the_key_has_no_direction() {
    for pair in every_pair() {
        let (mut client, _) = wraps(&pair);
        let mut packet = sealed(&mut client, b"hello");
        let both_ways = pair.0.is_none() || (pair.0.is_tls_auth() && pair.0.key_direction().is_none());
        assert_eq!(client.open(NOW, &mut packet).is_ok(), both_ways);
    }
}

#[test]
fn every_changed_bit_and_every_lost_byte_is_noticed() {
    for pair in every_pair().into_iter().skip(1) {
        let (mut client, _) = wraps(&pair);
        let packet = sealed(&mut client, b"hello");
        for at in 0..8 * packet.len() {
            let mut changed = packet.clone();
            changed[at / 8] ^= 1 << (at % 8);
            // The first byte may turn into that of another kind, which is noticed before.
            assert!(pair.1.open_stateless(&mut changed).is_err(), "bit {at}");
        }
        for len in 0..packet.len() {
            let reason = pair.1.open_stateless(&mut packet[..len].to_vec()).unwrap_err();
            assert!(matches!(reason, DropReason::Truncated | DropReason::WrapAuthentication), "{len} bytes");
        }
        assert!(pair.1.open_stateless(&mut packet.clone()).is_ok());
    }
}

#[test]
fn another_key_or_digest_is_another_language() {
    let pairs = every_pair();
    for (i, pair) in pairs.iter().enumerate().skip(1) {
        for (j, other) in pairs.iter().enumerate().skip(1) {
            let (mut client, _) = wraps(pair);
            let opened = other.1.open_stateless(&mut sealed(&mut client, b"hello")).is_ok();
            assert_eq!(opened, i == j, "{i}, {j}");
        }
    }
}

#[test]
fn a_packet_opened_without_a_session_is_then_accepted_by_one_once() {
    for pair in every_pair().into_iter().skip(1) {
        let (mut client, mut server) = wraps(&pair);
        let mut packet = sealed(&mut client, b"hello");
        let stamp = pair.1.stamp(&packet);
        assert_eq!(stamp, Some(PacketStamp { packet_id: 1, time: 0x6000_0000 }));
        assert_eq!(pair.1.open_stateless(&mut packet), Ok((RESET, &b"hello"[..])));
        assert_eq!(pair.1.stamp(&packet), stamp);
        assert_eq!(server.accept_opened(NOW, stamp), Ok(()));
        assert_eq!(server.accept_opened(NOW, stamp), Err(DropReason::WrapReplay));
    }
    assert_eq!(WrapKeys::NONE.stamp(&[0; 100]), None);
    assert_eq!(ControlWrap::new(WrapKeys::NONE, 64).accept_opened(NOW, None), Ok(()));
}

#[test]
fn a_session_behind_a_cookie_goes_on_with_packet_2() {
    let keys = keys(Role::Server, &tls_crypt(), Digest::Sha1);
    let mut out = [0; 100];
    let len = keys.seal_stateless(UNIX, 1, RESET, &[0; 5], &mut out).unwrap();
    assert_eq!(keys.stamp(&out[..len]).map(|stamp| stamp.packet_id), Some(1));
    let mut session = ControlWrap::new_after_cookie(keys.clone(), 64);
    for packet_id in 2..5 {
        assert_eq!(keys.stamp(&sealed(&mut session, b"x")).map(|stamp| stamp.packet_id), Some(packet_id));
    }
}

#[test]
fn a_stamp_has_the_time_of_the_first_packet_until_its_numbers_are_used_up() {
    let keys = keys(Role::Client, &tls_crypt(), Digest::Sha1);
    let mut wrap = ControlWrap::new(keys.clone(), 64);
    let mut out = [0; 100];
    let mut seal = |wrap: &mut ControlWrap, unix| {
        let len = wrap.seal(UnixTime(unix), RESET, b"x", &mut out).unwrap();
        keys.stamp(&out[..len]).map(|stamp| (stamp.packet_id, stamp.time)).unwrap()
    };
    assert_eq!(seal(&mut wrap, 50), (1, 50));
    assert_eq!(seal(&mut wrap, 60), (2, 50));
    wrap.sent = Some(PacketStamp { packet_id: u32::MAX - 1, time: 50 });
    assert_eq!(seal(&mut wrap, 70), (u32::MAX, 50));
    assert_eq!(seal(&mut wrap, 70), (1, 70));
    wrap.sent = Some(PacketStamp { packet_id: u32::MAX, time: 70 });
    assert_eq!(seal(&mut wrap, 60), (1, 71), "the clock was set back");
}

#[test]
fn a_packet_needs_room_for_all_of_itself() {
    for pair in every_pair() {
        let (mut client, _) = wraps(&pair);
        let len = ControlHeader::LEN + pair.0.overhead() + 5;
        let mut out = vec![0; len];
        assert_eq!(client.seal(UNIX, RESET, b"hello", &mut out[1..]), Err(DropReason::NoRoom));
        assert_eq!(client.seal(UNIX, RESET, b"hello", &mut out), Ok(len));
    }
}

#[test]
fn what_is_no_control_packet_is_refused_under_every_wrapping() {
    for pair in every_pair() {
        let open = |mut packet: Vec<u8>| pair.1.open_stateless(&mut packet).map(|_| ());
        assert_eq!(open(vec![]), Err(DropReason::Truncated));
        assert_eq!(open(vec![0x48; 100]), Err(DropReason::BadOpcode));
        assert_eq!(open(vec![0x08; 100]), Err(DropReason::BadOpcode));
        let mut no_session = vec![0; 100];
        no_session[0] = 0x38;
        assert_eq!(open(no_session), Err(DropReason::MalformedControl));
    }
}

#[test]
fn overheads_are_those_of_the_layouts() {
    let overhead = |config: &WrapConfig, digest| keys(Role::Client, config, digest).overhead();
    assert_eq!(overhead(&WrapConfig::None, Digest::Sha1), 0);
    assert_eq!(overhead(&tls_crypt(), Digest::Sha512), 40);
    assert_eq!(overhead(&tls_auth(None), Digest::Sha1), 28);
    assert_eq!(overhead(&tls_auth(None), Digest::Sha512), 72);
}

#[test]
fn a_bad_key_or_direction_is_refused_with_its_place() {
    let error = |config| WrapKeys::new(Role::Client, &config, Digest::Sha1).unwrap_err().to_string();
    assert_eq!(
        error(tls_auth(Some(2))),
        "ta.key:1: key-direction is 2, and can only be 0 (server) or 1 (client)"
    );
    let no_key = WrapConfig::TlsCrypt { key: NamedText::file("empty.key", "") };
    assert!(error(no_key).starts_with("empty.key:1: there is no line "));
}

#[test]
fn no_key_is_printed() {
    let keys = keys(Role::Client, &tls_crypt(), Digest::Sha1);
    assert_eq!(format!("{keys:?}"), "WrapKeys::TlsCrypt(..)");
}

proptest! {
    #[test]
    fn hostile_packets_never_panic_and_never_open(packet in prop::collection::vec(any::<u8>(), 0..150)) {
        for pair in every_pair().into_iter().skip(1) {
            prop_assert!(pair.1.open_stateless(&mut packet.clone()).is_err());
            let mut reset = packet.clone();
            reset.splice(..reset.len().min(9), RESET.to_bytes());
            prop_assert!(pair.1.open_stateless(&mut reset).is_err());
        }
    }
}
