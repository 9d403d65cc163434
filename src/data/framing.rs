//! The compression framings (`compress`, `comp-lzo`), without compression.
//!
//! Works in place on a whole payload: inner packet, ping or OCC message alike. Nothing is ever compressed
//! (VORACLE), and what arrives compressed is refused.

use crate::algorithm::Framing;
use crate::buffer::PacketBuf;
use crate::reason::DropReason;

/// Not compressed, under `comp-lzo`.
const LZO_PLAIN: u8 = 0xFA;
/// Not compressed, under `compress`; the payload's own first byte stands at its end.
const STUB_PLAIN: u8 = 0xFB;
/// Begins a header of the second version, whose next byte is the algorithm.
const V2_ESCAPE: u8 = 0x50;
/// "No compression", as all decoders know it.
const V2_PLAIN: u8 = 0x00;
/// "No compression", as OpenVPN 2.x writes it against its own decoder.
const V2_PLAIN_QUIRK: u8 = 0x0A;

/// Frames a payload of at least one byte for sending.
#[inline]
pub(crate) fn frame(framing: Framing, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
    match framing {
        Framing::None => {}
        Framing::Lzo => *buf.grow_front()? = [LZO_PLAIN],
        Framing::Stub => {
            if let Some(first) = buf.payload_mut().first_mut() {
                let first = core::mem::replace(first, STUB_PLAIN);
                buf.grow_back(1)?[0] = first;
            }
        }
        Framing::StubV2 => {
            if buf.payload().first() == Some(&V2_ESCAPE) {
                *buf.grow_front()? = [V2_ESCAPE, V2_PLAIN];
            }
        }
    }
    Ok(())
}

/// Takes a received payload out of its frame. Leaves at least one byte.
#[inline]
pub(crate) fn unframe(framing: Framing, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
    match (framing, buf.payload_mut()) {
        (_, []) => return Err(DropReason::BadFraming),
        (Framing::None, _) => {}
        (Framing::Lzo, [LZO_PLAIN, _, ..]) => buf.strip_front(1),
        (Framing::Stub, [first, .., last]) if *first == STUB_PLAIN => {
            *first = *last;
            buf.truncate(buf.len() - 1);
        }
        (Framing::StubV2, [V2_ESCAPE, V2_PLAIN | V2_PLAIN_QUIRK, _, ..]) => buf.strip_front(2),
        (Framing::StubV2, [first, ..]) if *first != V2_ESCAPE => {}
        _ => return Err(DropReason::BadFraming),
    }
    Ok(())
}

/// Bytes that a frame adds to an inner packet.
pub(crate) const fn overhead(framing: Framing) -> usize {
    match framing {
        // The second version escapes only what begins with 0x50, and no IP packet does.
        Framing::None | Framing::StubV2 => 0,
        Framing::Lzo | Framing::Stub => 1,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    type Step = fn(Framing, &mut PacketBuf<'_>) -> Result<(), DropReason>;

    fn apply(step: Step, framing: Framing, payload: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut memory = [0xEE; 256];
        let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
        buf.fill(payload)?;
        step(framing, &mut buf).map(|()| buf.payload().to_vec())
    }

    /// Protocol facts §7.10, column "uncompressed packet".
    #[test]
    fn frames_look_as_peers_expect() {
        let packet = [0x45, 1, 2, 3];
        assert_eq!(apply(frame, Framing::None, &packet).unwrap(), packet);
        assert_eq!(apply(frame, Framing::Lzo, &packet).unwrap(), [0xFA, 0x45, 1, 2, 3]);
        assert_eq!(apply(frame, Framing::Stub, &packet).unwrap(), [0xFB, 1, 2, 3, 0x45]);
        assert_eq!(apply(frame, Framing::StubV2, &packet).unwrap(), packet);
        assert_eq!(apply(frame, Framing::StubV2, &[0x50, 9]).unwrap(), [0x50, 0x00, 0x50, 9]);
    }

    #[test]
    fn what_is_framed_comes_out_again() {
        for framing in [Framing::None, Framing::Lzo, Framing::Stub, Framing::StubV2] {
            for payload in [&[0x45, 1, 2, 3][..], &[0x50, 0x50], &[0x50], &[0xFA], &[0xFB], &[0]] {
                let framed = apply(frame, framing, payload).unwrap();
                assert_eq!(apply(unframe, framing, &framed).unwrap(), payload, "{framing:?}");
            }
        }
    }

    #[test]
    fn both_spellings_of_an_escaped_packet_are_read() {
        assert_eq!(apply(unframe, Framing::StubV2, &[0x50, 0x00, 0x50, 9]).unwrap(), [0x50, 9]);
        assert_eq!(apply(unframe, Framing::StubV2, &[0x50, 0x0A, 0x50, 9]).unwrap(), [0x50, 9]);
    }

    #[test]
    fn compressed_foreign_and_empty_frames_are_refused() {
        let refused: [(Framing, &[&[u8]]); 4] = [
            (Framing::None, &[&[]]),
            (Framing::Lzo, &[&[], &[0xFA], &[0x66, 1, 2], &[0xFB, 1, 2], &[0x45, 1, 2]]),
            (Framing::Stub, &[&[], &[0xFB], &[0x66, 1, 2], &[0x69, 1, 2], &[0xFA, 1, 2], &[0x45, 1, 2]]),
            (Framing::StubV2, &[&[], &[0x50], &[0x50, 0], &[0x50, 1, 9], &[0x50, 2, 9], &[0x50, 3, 9]]),
        ];
        for (framing, payloads) in refused {
            for payload in payloads {
                assert_eq!(
                    apply(unframe, framing, payload),
                    Err(DropReason::BadFraming),
                    "{framing:?} {payload:x?}"
                );
            }
        }
    }

    #[test]
    fn a_slot_without_room_is_no_panic() {
        for (framing, payload) in
            [(Framing::Lzo, &[0x45][..]), (Framing::Stub, &[0x45]), (Framing::StubV2, &[0x50])]
        {
            let mut memory = payload.to_vec();
            let mut buf = PacketBuf::new(&mut memory, 0..payload.len()).unwrap();
            assert_eq!(frame(framing, &mut buf), Err(DropReason::NoRoom), "{framing:?}");
        }
    }
}
