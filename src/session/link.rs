//! Packets off a TCP link: one at a time, in the caller's bytes.

use crate::buffer::PacketBuf;
use crate::packet::{Outcome, Packet};
use crate::reason::DropReason;
use crate::wire::stream;

/// Takes at most one packet off the front of `bytes`, hands it to `each`, and answers how many bytes it used; 0 if
/// the packet is not yet whole. `out` describes it, with the bytes used as its slot.
pub(crate) fn take_packet(
    bytes: &mut [u8],
    out: &mut Packet,
    each: impl FnOnce(&mut PacketBuf<'_>) -> Result<Outcome, DropReason>,
) -> usize {
    let end = match stream::parse_length(bytes) {
        Ok(Some(len)) => stream::PREFIX + len,
        Ok(None) => return 0,
        Err(reason) => {
            out.settle(Err(reason));
            return bytes.len(); // there is no finding the next packet
        }
    };
    let Some(frame) = bytes.get_mut(..end) else { return 0 };
    *out = Packet { cookie: out.cookie, ..Packet::new(0..end, stream::PREFIX..end) };
    if let Some(mut buf) = PacketBuf::new(frame, stream::PREFIX..end) {
        let outcome = each(&mut buf);
        out.set_window(buf.window());
        out.settle(outcome);
    }
    end
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
