use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

const CONTROL_OPCODES: [Opcode; 7] = [
    Opcode::ControlSoftResetV1,
    Opcode::ControlV1,
    Opcode::AckV1,
    Opcode::ControlHardResetClientV2,
    Opcode::ControlHardResetServerV2,
    Opcode::HardResetClientV3,
    Opcode::ControlWkcV1,
];

fn bytes(packet: &ControlPacket<'_>) -> Vec<u8> {
    let mut out = vec![0; packet.encoded_len()];
    assert_eq!(packet.emit(&mut out), out.len());
    out
}

#[test]
fn a_header_comes_back() {
    let packet = [0x38, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xff];
    let header = ControlHeader::parse(&packet).unwrap();
    assert_eq!(header.opcode, Opcode::ControlHardResetClientV2);
    assert_eq!(header.key_id, KeyId::INITIAL);
    assert_eq!(header.to_bytes(), packet[..ControlHeader::LEN]);
    for len in 0..ControlHeader::LEN {
        assert_eq!(ControlHeader::parse(&packet[..len]), Err(DropReason::Truncated), "{len} bytes");
    }
}

#[test]
fn a_header_without_session_id_or_of_a_data_packet_is_refused() {
    assert_eq!(ControlHeader::parse(&[0x38, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DropReason::MalformedControl));
    assert_eq!(ControlHeader::parse(&[0x48, 1, 1, 1, 1, 1, 1, 1, 1]), Err(DropReason::BadOpcode));
    assert_eq!(ControlHeader::parse(&[0x08, 1, 1, 1, 1, 1, 1, 1, 1]), Err(DropReason::BadOpcode));
}

#[test]
fn a_client_reset_has_five_bytes() {
    let reset = ControlPacket { message_id: Some(0), ..ControlPacket::default() };
    assert_eq!(bytes(&reset), [0, 0, 0, 0, 0]);
    assert_eq!(ControlPacket::parse(Opcode::ControlHardResetClientV2, &[0, 0, 0, 0, 0]), Ok(reset));
}

#[test]
fn a_server_reset_acknowledges_the_client_s() {
    let inner = [1, 0, 0, 0, 0, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0, 0, 0, 0];
    let packet = ControlPacket::parse(Opcode::ControlHardResetServerV2, &inner).unwrap();
    assert_eq!(packet.acks, [0]);
    assert_eq!(
        packet.remote_session_id.map(|id| *id.as_bytes()),
        Some([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7])
    );
    assert_eq!(packet.message_id, Some(0));
    assert_eq!(bytes(&packet), inner);
}

#[test]
fn every_truncated_prefix_of_every_packet_is_refused() {
    for opcode in CONTROL_OPCODES {
        for count in 0..=8u8 {
            let mut inner = vec![count];
            inner.extend((0..4 * usize::from(count)).map(|i| i as u8));
            if count > 0 {
                inner.extend([7; 8]);
            }
            if opcode != Opcode::AckV1 {
                inner.extend([0, 0, 0, 9]);
            }
            for len in 0..inner.len() {
                let result = ControlPacket::parse(opcode, &inner[..len]);
                assert_eq!(result, Err(DropReason::Truncated), "{opcode:?}, {count} acks, {len} bytes");
            }
            let packet = ControlPacket::parse(opcode, &inner).unwrap();
            assert_eq!(packet.acks.len(), usize::from(count));
            assert_eq!(packet.message_id, (opcode != Opcode::AckV1).then_some(9));
            assert_eq!(bytes(&packet), inner);
        }
    }
}

#[test]
fn more_than_eight_acknowledgements_are_refused_however_long_the_packet() {
    for opcode in CONTROL_OPCODES {
        for count in 0..=u8::MAX {
            let mut inner = vec![0; 2048];
            inner[0] = count;
            let expected =
                if count <= 8 { Ok(usize::from(count)) } else { Err(DropReason::MalformedControl) };
            assert_eq!(ControlPacket::parse(opcode, &inner).map(|packet| packet.acks.len()), expected);
        }
    }
}

#[test]
fn acknowledgements_stay_behind_without_a_session_to_send_them_to() {
    let packet = ControlPacket {
        acks: AckList::from_slice(&[1, 2]).unwrap(),
        message_id: Some(3),
        ..ControlPacket::default()
    };
    assert_eq!(bytes(&packet), [0, 0, 0, 0, 3]);
}

proptest! {
    #[test]
    fn emit_undoes_parse(op in 0usize..7, inner in prop::collection::vec(any::<u8>(), 0..80), count in 0u8..10) {
        let opcode = CONTROL_OPCODES[op];
        let mut inner = inner;
        if let Some(first) = inner.first_mut() {
            *first = count;
        }
        if let Ok(packet) = ControlPacket::parse(opcode, &inner) {
            let out = bytes(&packet);
            prop_assert!(inner.starts_with(&out));
            prop_assert!(out.len() == inner.len() || opcode == Opcode::AckV1);
        }
    }

    #[test]
    fn parse_undoes_emit(
        acks in prop::collection::vec(any::<u32>(), 0..=8),
        message_id in any::<u32>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let packet = ControlPacket {
            remote_session_id: (!acks.is_empty()).then(|| SessionId::from_bytes([3; 8])),
            acks: AckList::from_slice(&acks).unwrap(),
            message_id: Some(message_id),
            payload: &payload,
        };
        let out = bytes(&packet);
        prop_assert_eq!(ControlPacket::parse(Opcode::ControlV1, &out), Ok(packet));
    }
}
