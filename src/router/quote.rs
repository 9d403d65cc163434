//! ICMP errors that go through: about a packet of a flow, which they quote as it had become behind us.
//!
//! Who sent that packet must find it in the quote as it had sent it, and the error must come to it (RFC 5508 §4). The
//! quote is read by offsets alone, for it is only the beginning of a packet. An error changes nothing of a flow, and does
//! not keep it alive (RFC 5508 REQ-6, RFC 4787 REQ-12, RFC 5382 REQ-10); from which address it comes does not matter.

use super::address::Address;
use super::admit::Admitted;
use super::egress::{Leave, send, translate};
use super::forward::find_flow;
use super::header::Header;
use super::packet::{Inner, Transport};
use super::zone::Zone;
use super::{Common, Family, Forward, Step};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;

const ICMP_HEADER: usize = 8;

/// Sends an ICMP error to who sent the packet that it is about.
#[cold]
pub(super) fn forward_error<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    from: Zone,
    inner: &mut Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Forward> {
    let bad = DropReason::BadIcmp;
    let icmp = buf.payload().get(inner.offset..).unwrap_or(&[]);
    // RFC 5508 REQ-3 a.
    if icmp_checksum::<A>(buf.payload(), inner.offset) != 0 {
        return Err(DropReason::BadChecksum);
    }
    let len = quote_len::<A>(icmp).ok_or(bad)?;
    let quote = icmp.get(ICMP_HEADER..ICMP_HEADER + len).ok_or(bad)?;
    let mut sent = read_quote::<A>(quote)?;
    // It comes to who seems to have sent the packet.
    if sent.tuple.source != inner.tuple.destination {
        return Err(bad);
    }
    // The flow that the answers to that packet belong to, as they would come from there.
    let answers = sent.tuple.reversed();
    let found = find_flow(common, family, from, sent.protocol, &answers, (inner, buf))?;
    let Some(Admitted::Flow(id, answers)) = found else { return Err(bad) };
    let Some(flow) = family.flows.get(id) else { return Err(bad) };
    let direction = answers.other();
    let (to, arrived) = (flow.zones[direction as usize].get(), flow.tuples[direction as usize]);
    // There is never an error about an error.
    if inner.hops <= 1 {
        return Err(DropReason::HopsExceeded);
    }
    let mtu = common.mtu::<A>(to)?;
    if inner.len > usize::from(mtu) && inner.dont_fragment {
        return Err(DropReason::TooBig);
    }
    // If who answers is not who was asked, it stays behind the address that was (RFC 5508 REQ-5, REQ-7).
    let hidden = sent.tuple.destination != arrived.destination;
    let mut outer = inner.tuple;
    outer.destination = arrived.source;
    if hidden {
        outer.source = arrived.destination;
    }
    let packet = buf.payload_mut();
    translate(family, inner, packet, &outer);
    inner.count_hop(packet);
    let start = inner.offset + ICMP_HEADER;
    sent.rewrite(packet.get_mut(start..start + len).ok_or(bad)?, &arrived);
    limit_mtu::<A>(packet.get_mut(inner.offset..).ok_or(bad)?, mtu);
    // It was right before; a difference would do no better.
    let at = inner.offset + 2;
    packet.get_mut(at..at + 2).ok_or(bad)?.fill(0);
    let sum = icmp_checksum::<A>(packet, inner.offset);
    packet.get_mut(at..at + 2).ok_or(bad)?.copy_from_slice(&sum.to_be_bytes());
    send(common, inner, buf, to, mtu, Leave::InPlace)?;
    Ok(Forward::To(to))
}

/// The checksum over an ICMP message that reaches to the end of the packet; 0 if the one in it is right.
fn icmp_checksum<A: Address>(packet: &[u8], offset: usize) -> u16 {
    let icmp = packet.get(offset..).unwrap_or(&[]);
    if A::VERSION == 4 {
        return checksum([icmp]);
    }
    let addresses = packet.get(A::OFFSET..A::OFFSET + 2 * A::LEN).unwrap_or(&[]);
    checksum([addresses, &(icmp.len() as u32).to_be_bytes(), &[0, 0, 0, A::ICMP], icmp])
}

/// How much of a message is the quote: all, unless it says that extensions follow (RFC 4884 §4).
fn quote_len<A: Address>(icmp: &[u8]) -> Option<usize> {
    let rest = icmp.len().checked_sub(ICMP_HEADER)?;
    let said = match (A::VERSION, icmp.first()?) {
        (4, 3 | 11 | 12) => usize::from(*icmp.get(5)?) * 4,
        (6, 1 | 3) => usize::from(*icmp.get(4)?) * 8,
        _ => 0,
    };
    Some(if said == 0 { rest } else { said.min(rest) })
}

/// The ends of a quoted packet. RFC 5508 REQ-3: its header checksum must be right, its options are skipped, what follows
/// is not verified.
fn read_quote<A: Address>(quote: &[u8]) -> Step<Inner<A>> {
    let bad = DropReason::BadIcmp;
    let header = Header::of_quote::<A>(quote).map_err(|why| match why {
        DropReason::BadChecksum => why,
        _ => bad,
    })?;
    let mut sent = Inner::<A>::new(&header, quote);
    let transport = quote.get(header.offset..header.len).unwrap_or(&[]);
    // Nothing but the first eight bytes is certain to be there (RFC 792).
    if sent.transport == Transport::Later || !sent.read_quoted(transport.first_chunk().ok_or(bad)?) {
        return Err(bad);
    }
    Ok(sent)
}

/// What "too big" says is made to fit: no more than what goes to the sender, and no less than what every path carries,
/// since a forged one would slow it down.
fn limit_mtu<A: Address>(icmp: &mut [u8], mtu: u16) {
    let Some(header) = icmp.first_chunk_mut::<ICMP_HEADER>() else { return };
    match (A::VERSION, header[0], header[1]) {
        (4, 3, 4) => {
            let said = u16::from_be_bytes([header[6], header[7]]);
            let limited = said.max(A::LEAST_PATH).min(mtu);
            header[6..8].copy_from_slice(&limited.to_be_bytes());
        }
        (6, 2, _) => {
            let said = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let limited = said.max(A::LEAST_PATH.into()).min(mtu.into());
            header[4..8].copy_from_slice(&limited.to_be_bytes());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
