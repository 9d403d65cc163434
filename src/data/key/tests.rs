use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::data::PING;
use crate::wire::WirePeerId;

/// Protocol facts §6.12, as far as the block is given there.
const VECTOR_CIPHER: &str = "29d42d137aeb58b373130b0c9d1c2a930580983cf57d375c235fa10d9f73d8f4";
const VECTOR_IV: &str = "e3fd7b26a0052d46";

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

fn header(key_id: u8, peer_id: Option<u32>) -> DataHeader {
    DataHeader::new(KeyId::new(key_id).unwrap(), peer_id.map(|id| WirePeerId::new(id).unwrap()))
}

fn block() -> KeyBlock {
    KeyBlock::new(core::array::from_fn(|i| (i * 7 + 3) as u8))
}

fn key(id: u8, role: Role, cipher: Cipher) -> DataKey {
    DataKey::new(KeyId::new(id).unwrap(), role, cipher, &block(), 64)
}

fn seal(key: &mut DataKey, header: &DataHeader, payload: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut memory = [0xEE; 512];
    let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
    buf.fill(payload).unwrap();
    key.seal(header, &mut buf).map(|()| buf.payload().to_vec())
}

fn open(key: &mut DataKey, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut memory = packet.to_vec();
    let mut buf = PacketBuf::new(&mut memory, 0..packet.len()).unwrap();
    let header = DataHeader::parse(packet)?;
    key.open(&header, &mut buf).map(|()| buf.payload().to_vec())
}

#[test]
fn the_published_packets_byte_for_byte() {
    let mut bytes = [0; KeyBlock::LEN];
    bytes[..32].copy_from_slice(&unhex(VECTOR_CIPHER));
    bytes[64..72].copy_from_slice(&unhex(VECTOR_IV));
    let block = KeyBlock::new(bytes);
    for (peer_id, expected) in [
        (Some(5), "4800000500000001a84a1c6aba8788e3eb32b178f9cd15cd4505e3f8a74d7d23a561c2a324947659"),
        (None, "3000000001f6b076bd7ee3c8884547e70f3ee71f734505e3f8a74d7d23a561c2a324947659"),
    ] {
        let key = |role| DataKey::new(KeyId::INITIAL, role, Cipher::Aes256Gcm, &block, 64);
        let sealed = seal(&mut key(Role::Client), &header(0, peer_id), &PING).unwrap();
        assert_eq!(hex(&sealed), expected);
        assert_eq!(open(&mut key(Role::Server), &sealed).unwrap(), PING);
    }
}

/// Made by Python's `cryptography` (OpenSSL) from the block of [`block`]: a server's first ping under key id 3.
#[test]
fn every_cipher_agrees_with_another_library() {
    for (cipher, v2, v1) in [
        (
            Cipher::Aes128Gcm,
            "4b010203000000016c20bcc7cf2379f2f2cb02f502c61de261218f0d317182c8db48a84a5cde1973",
            "3300000001b955ee9bcfb39b8aead977bbc230252561218f0d317182c8db48a84a5cde1973",
        ),
        (
            Cipher::Aes256Gcm,
            "4b01020300000001cb6abc71e27698c1e6ec7d72af5c0f114182eec32b294fdfdb5eee142b11034a",
            "3300000001d00ecf0ab5e61b76eedd7e0be13e1a544182eec32b294fdfdb5eee142b11034a",
        ),
        (
            Cipher::ChaCha20Poly1305,
            "4b0102030000000172c1aba1e8d6351ceeb39c52e11f75c9352b31e1a341dc7f758257cdd7956b68",
            "33000000016f5b41960e1ac04eceafd917b9a5520e352b31e1a341dc7f758257cdd7956b68",
        ),
    ] {
        for (peer_id, expected) in [(Some(0x01_0203), v2), (None, v1)] {
            let sealed = seal(&mut key(3, Role::Server, cipher), &header(3, peer_id), &PING).unwrap();
            assert_eq!(hex(&sealed), expected, "{cipher}");
            assert_eq!(open(&mut key(3, Role::Client, cipher), &sealed).unwrap(), PING, "{cipher}");
        }
    }
}

#[test]
fn the_peer_id_is_authenticated_and_the_v1_opcode_is_not() {
    let mut sender = key(0, Role::Client, Cipher::Aes256Gcm);
    let mut receiver = key(0, Role::Server, Cipher::Aes256Gcm);
    let mut v2 = seal(&mut sender, &header(0, Some(5)), b"payload").unwrap();
    v2[3] = 6;
    assert_eq!(open(&mut receiver, &v2), Err(DropReason::DataAuthentication));
    let mut v1 = seal(&mut sender, &header(0, None), b"payload").unwrap();
    v1[0] |= 7;
    assert_eq!(open(&mut receiver, &v1).unwrap(), b"payload");
}

#[test]
fn a_packet_is_accepted_once() {
    let mut sender = key(0, Role::Client, Cipher::Aes128Gcm);
    let mut receiver = key(0, Role::Server, Cipher::Aes128Gcm);
    let packet = seal(&mut sender, &header(0, None), b"payload").unwrap();
    assert!(open(&mut receiver, &packet).is_ok());
    assert_eq!(open(&mut receiver, &packet), Err(DropReason::DataReplay));
}

#[test]
fn a_forgery_does_not_move_the_replay_window() {
    let mut sender = key(0, Role::Client, Cipher::Aes256Gcm);
    let mut receiver = key(0, Role::Server, Cipher::Aes256Gcm);
    let first = seal(&mut sender, &header(0, None), b"payload").unwrap();
    let mut forged = first.clone();
    forged[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(open(&mut receiver, &forged), Err(DropReason::DataAuthentication));
    assert!(open(&mut receiver, &first).is_ok());
}

#[test]
fn every_truncation_is_dropped() {
    for peer_id in [Some(5), None] {
        let packet =
            seal(&mut key(0, Role::Client, Cipher::Aes256Gcm), &header(0, peer_id), b"payload").unwrap();
        let head = packet.len() - b"payload".len();
        for len in 0..packet.len() {
            let mut receiver = key(0, Role::Server, Cipher::Aes256Gcm);
            let expected = if len <= head { DropReason::Truncated } else { DropReason::DataAuthentication };
            assert_eq!(open(&mut receiver, &packet[..len]), Err(expected), "{len} of {}", packet.len());
        }
    }
}

/// CVE-2017-7479.
#[test]
fn packet_ids_end_without_starting_over() {
    let mut sender = key(0, Role::Client, Cipher::Aes256Gcm);
    sender.next_packet_id = u32::MAX - 1;
    let last = seal(&mut sender, &header(0, None), b"payload").unwrap();
    assert_eq!(last[1..5], [0xFF, 0xFF, 0xFF, 0xFE]);
    for _ in 0..3 {
        assert_eq!(seal(&mut sender, &header(0, None), b"payload"), Err(DropReason::PacketIdsExhausted));
    }
    assert!(open(&mut key(0, Role::Server, Cipher::Aes256Gcm), &last).is_ok());
}

#[test]
fn a_slot_without_room_uses_up_no_packet_id() {
    let mut sender = key(0, Role::Client, Cipher::Aes256Gcm);
    let mut memory = [0; 23 + 7];
    let mut buf = PacketBuf::new(&mut memory, 23..30).unwrap();
    assert_eq!(sender.seal(&header(0, Some(1)), &mut buf), Err(DropReason::NoRoom));
    assert_eq!(seal(&mut sender, &header(0, None), b"payload").unwrap()[1..5], [0, 0, 0, 1]);
}

mod limits {
    use super::*;

    const NONE: RenegotiateConfig = RenegotiateConfig { after: None, bytes: None, packets: None };

    fn wants(change: impl FnOnce(&mut DataKey), config: RenegotiateConfig) -> Option<RenegotiateReason> {
        let mut key = key(0, Role::Client, Cipher::Aes256Gcm);
        change(&mut key);
        key.wants_renegotiation(&config)
    }

    #[test]
    fn packet_ids() {
        assert_eq!(wants(|key| key.next_packet_id = 0xFEFF_FFFF, NONE), None);
        assert_eq!(wants(|key| key.next_packet_id = 0xFF00_0000, NONE), Some(RenegotiateReason::PacketIds));
    }

    #[test]
    fn aes_gcm_blocks_and_packets_of_either_direction() {
        let threshold = ((1_u64 << 36) - 1) / 8 * 7;
        for (blocks, expected) in [(threshold - 2, None), (threshold - 1, Some(RenegotiateReason::AeadLimit))]
        {
            let usage = || Usage { packets: 1, bytes: 0, blocks };
            assert_eq!(wants(|key| key.send.usage = usage(), NONE), expected);
            assert_eq!(wants(|key| key.receive.usage = usage(), NONE), expected);
        }
    }

    #[test]
    fn chacha20_poly1305_has_none() {
        let mut key = key(0, Role::Client, Cipher::ChaCha20Poly1305);
        key.send.usage.blocks = u64::MAX / 2;
        assert_eq!(key.wants_renegotiation(&NONE), None);
    }

    #[test]
    fn blocks_are_counted_in_full() {
        let mut sender = key(0, Role::Client, Cipher::Aes256Gcm);
        for (payload, blocks) in [(&[0; 16][..], 1), (&[0; 17], 3), (&[0; 1], 4)] {
            seal(&mut sender, &header(0, None), payload).unwrap();
            assert_eq!(sender.send.usage.blocks, blocks);
        }
        assert_eq!(sender.send.usage.protected(), 4 + 3);
    }

    #[test]
    fn bytes_and_packets_of_both_directions_together() {
        let both = |sent, received| {
            move |key: &mut DataKey| {
                (key.send.usage.bytes, key.send.usage.packets) = sent;
                (key.receive.usage.bytes, key.receive.usage.packets) = received;
            }
        };
        let bytes = RenegotiateConfig { bytes: Some(1000), ..NONE };
        assert_eq!(wants(both((499, 9), (500, 9)), bytes), None);
        assert_eq!(wants(both((500, 9), (500, 9)), bytes), Some(RenegotiateReason::Bytes));
        let packets = RenegotiateConfig { packets: Some(10), ..NONE };
        assert_eq!(wants(both((499, 4), (500, 5)), packets), None);
        assert_eq!(wants(both((499, 5), (500, 5)), packets), Some(RenegotiateReason::Packets));
    }

    #[test]
    fn forgeries() {
        assert_eq!(wants(|key| key.failures = 1 << 35, NONE), None);
        assert_eq!(wants(|key| key.failures = (1 << 35) + 1, NONE), Some(RenegotiateReason::Forgeries));

        let packet =
            seal(&mut key(0, Role::Client, Cipher::Aes256Gcm), &header(0, None), b"payload").unwrap();
        let mut receiver = key(0, Role::Server, Cipher::Aes256Gcm);
        receiver.failures = 1 << 36;
        let mut forged = packet.clone();
        forged[20] ^= 1;
        assert_eq!(open(&mut receiver, &forged), Err(DropReason::DataAuthentication));
        assert_eq!(open(&mut receiver, &packet), Err(DropReason::KeyExhausted));
        receiver.failures = 1 << 36;
        assert!(open(&mut receiver, &packet).is_ok());
    }
}
