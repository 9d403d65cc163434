//! Packets off a TCP link: one at a time, in the caller's bytes.

use crate::buffer::PacketBuf;
use crate::packet::{Outcome, Packet};
use crate::reason::{DropCounters, DropReason};
use crate::wire::stream;

/// Takes at most one packet off the front of `bytes`, hands it to `each`, and answers how many bytes it used; 0 if
/// the packet is not yet whole. One of more than `max` bytes breaks the link.
///
/// `out` describes the packet, with the bytes used as its slot. A drop is counted in `engine`.
pub(crate) fn take_packet<E: AsMut<DropCounters>>(
    engine: &mut E,
    max: usize,
    bytes: &mut [u8],
    out: &mut Packet,
    each: impl FnOnce(&mut E, &mut PacketBuf<'_>) -> Result<Outcome, DropReason>,
) -> usize {
    *out = Packet { cookie: out.cookie, ..Packet::default() };
    let (used, outcome) = match stream::parse_length(bytes, max) {
        Ok(Some(len)) => match bytes.get_mut(..stream::PREFIX + len) {
            Some(frame) => {
                let end = frame.len();
                *out = Packet { cookie: out.cookie, ..Packet::new(0..end, stream::PREFIX..end) };
                let outcome = match PacketBuf::new(frame, stream::PREFIX..end) {
                    Some(mut buf) => {
                        let outcome = each(engine, &mut buf);
                        out.set_window(buf.window());
                        outcome
                    }
                    None => Err(DropReason::BadSlot),
                };
                (end, outcome)
            }
            None => (0, Ok(Outcome::Consumed)),
        },
        Ok(None) => (0, Ok(Outcome::Consumed)),
        Err(reason) => (bytes.len(), Err(reason)), // there is no finding the next packet
    };
    out.settle(outcome, engine.as_mut());
    used
}

/// What a drop means for the link: on TCP nothing is lost or damaged on the way, so a broken length or a data packet
/// that fails its authentication shows that the two ends no longer understand each other.
pub(crate) fn breaks_link(reason: DropReason) -> Option<&'static str> {
    match reason {
        DropReason::BadStreamLength => Some("a packet's length is zero or beyond all bounds"),
        DropReason::DataAuthentication => Some("a data packet failed its authentication (decryption-error)"),
        _ => None,
    }
}
