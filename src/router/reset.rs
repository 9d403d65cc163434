//! The TCP reset that answers a segment, in its place (RFC 9293 §3.5.2, §3.10.7.1).

use super::address::Address;
use super::packet::{Inner, TCP, Transport, tcp_flags};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;

const TCP_HEADER: usize = 20;
const HOPS: u8 = 64;

/// Turns the segment in `buf` into the reset that its destination would answer if it had no such connection.
///
/// # Errors
///
/// `why`, if it is no whole TCP segment, is itself a reset, or comes from or goes to what is no single host.
pub(super) fn make_reset<A: Address>(
    buf: &mut PacketBuf<'_>,
    inner: &Inner<A>,
    why: DropReason,
) -> Result<(), DropReason> {
    let Transport::Tcp { flags } = inner.transport else { return Err(why) };
    let (source, destination) = A::pair(buf.payload());
    if flags & tcp_flags::RST != 0 || inner.fragment.is_some() || !source.is_host() || !destination.is_host()
    {
        return Err(why);
    }
    let segment = buf.payload().get(inner.offset..).ok_or(why)?;
    let header = *segment.first_chunk::<TCP_HEADER>().ok_or(why)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    let payload = segment.len().checked_sub(header_len.max(TCP_HEADER)).ok_or(why)?;

    // The answer begins where the sender says that we are; if it says nothing, it acknowledges all that it sent.
    let (sequence, acknowledgement, control) = if flags & tcp_flags::ACK != 0 {
        ([header[8], header[9], header[10], header[11]], [0; 4], tcp_flags::RST)
    } else {
        let controls = u32::from(flags & tcp_flags::SYN != 0) + u32::from(flags & tcp_flags::FIN != 0);
        let theirs = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let next = theirs.wrapping_add(payload as u32).wrapping_add(controls);
        ([0; 4], next.to_be_bytes(), tcp_flags::RST | tcp_flags::ACK)
    };

    // The segment was no shorter than this.
    buf.strip_front(inner.offset);
    buf.truncate(TCP_HEADER);
    let answer = buf.payload_mut().first_chunk_mut::<TCP_HEADER>().ok_or(why)?;
    *answer = [0; TCP_HEADER];
    (answer[0], answer[1], answer[2], answer[3]) = (header[2], header[3], header[0], header[1]);
    answer[4..8].copy_from_slice(&sequence);
    answer[8..12].copy_from_slice(&acknowledgement);
    (answer[12], answer[13]) = (0x50, control);
    A::put_header(buf, destination, source, TCP, HOPS)?;
    let packet = buf.payload_mut();
    let addresses = &packet[A::OFFSET..A::OFFSET + 2 * A::LEN];
    let sum = checksum([addresses, &[0, TCP, 0, TCP_HEADER as u8], &packet[A::HEADER..]]);
    packet[A::HEADER + 16..A::HEADER + 18].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}
