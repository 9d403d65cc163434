//! An unwrapped control packet: what is read is written back byte for byte.

#![no_main]

use adit::wire::{ControlHeader, ControlPacket, Opcode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Ok(header) = ControlHeader::parse(packet) else { return };
    let (head, inner) = packet.split_at(ControlHeader::LEN);
    assert_eq!(header.to_bytes(), head);
    let Ok(control) = ControlPacket::parse(header.opcode, inner) else { return };
    let mut out = vec![0; control.encoded_len()];
    assert_eq!(control.emit(&mut out), out.len());
    assert!(inner.starts_with(&out));
    assert!(inner.len() == out.len() || header.opcode == Opcode::AckV1);
});
