//! The header of a data packet, and the first byte of any packet.

#![no_main]

use adit::wire::DataHeader;
use adit::wire::opcode::{first_byte, parse_first_byte};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    if let Some(&byte) = packet.first()
        && let Ok((opcode, key_id)) = parse_first_byte(byte)
    {
        assert_eq!(first_byte(opcode, key_id), byte);
    }
    let Ok(header) = DataHeader::parse(packet) else { return };
    let mut out = [0; 4];
    assert_eq!(header.emit(&mut out), header.len);
    assert!(packet.starts_with(&out[..header.len]));
});
