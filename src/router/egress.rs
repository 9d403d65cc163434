//! What a packet is like when it leaves: its ends, its hops, its size.

use super::address::Address;
use super::header::Fragment;
use super::lan::LanPort;
use super::outbox::Outbox;
use super::packet::{Inner, Transport, Tuple, tcp_flags};
use super::zone::Zone;
use super::{Common, Family, Step};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;
use crate::wire::mss;

/// How a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// In the buffer that it came in; what follows it if it is cut, by the outbox.
    InPlace,
    /// All of it by the outbox, to follow another.
    ByOutbox,
}

/// Gives the packet the ends that it leaves with.
///
/// A datagram that is or may yet be in fragments gets another identification with them: those of different clients come
/// together behind one address (RFC 6864 §5.3.1).
#[inline]
pub(super) fn translate<A: Address>(
    family: &mut Family<A>,
    inner: &mut Inner<A>,
    packet: &mut [u8],
    to: &Tuple<A>,
) {
    let moved = (inner.tuple.source, inner.tuple.destination) != (to.source, to.destination);
    inner.rewrite(packet, to);
    // One that cannot be cut needs none (RFC 6864 §4.1).
    if !moved || (inner.dont_fragment && inner.fragment.is_none()) {
        return;
    }
    let mut new = || family.identifications.next(to.source, to.destination, inner.protocol);
    let id = match inner.datagram {
        Some(datagram) => family.fragments.sent_id(datagram, new),
        None => new(),
    };
    inner.renumber(packet, id);
}

/// Lowers the segment size that a SYN announces to what goes through here, whichever way it came (RFC 6691).
#[inline]
pub(super) fn clamp_mss<A: Address>(inner: &Inner<A>, packet: &mut [u8], mtu: u16) {
    if let Transport::Tcp { flags } = inner.transport
        && flags & tcp_flags::SYN != 0
        && let Some(segment) = packet.get_mut(inner.offset..)
    {
        mss::clamp(segment, mtu.saturating_sub(A::TCP_HEADERS));
    }
}

/// Sends the packet, which is all changed, to where it goes.
///
/// # Errors
///
/// There is no room for all of its fragments: none of them is sent.
#[inline]
pub(super) fn send<A: Address>(
    common: &mut Common,
    inner: &Inner<A>,
    buf: &mut PacketBuf<'_>,
    to: Zone,
    mtu: u16,
    leave: Leave,
) -> Step<()> {
    if buf.len() > usize::from(mtu) {
        let kept = cut(&mut common.outbox, to, mtu, inner.offset, inner.fragment, buf.payload_mut(), leave)?;
        buf.truncate(kept);
        return Ok(());
    }
    match leave {
        Leave::InPlace => Ok(()),
        Leave::ByOutbox => push(&mut common.outbox, to, &[buf.payload()]),
    }
}

/// Cuts an IPv4 packet into fragments (RFC 791 §3.2), which leave in order; how long the first one is.
#[cold]
fn cut(
    outbox: &mut Outbox,
    to: Zone,
    mtu: u16,
    header_len: usize,
    fragment: Option<Fragment>,
    packet: &mut [u8],
    leave: Leave,
) -> Step<usize> {
    let Some((header, payload)) = packet.split_at_mut_checked(header_len) else {
        return Err(DropReason::TooBig);
    };
    let largest = usize::from(mtu).min(outbox.largest());
    let piece = largest.saturating_sub(header_len) / 8 * 8;
    if piece == 0 || payload.is_empty() {
        return Err(DropReason::TooBig);
    }
    let count = payload.len().div_ceil(piece);
    let by_outbox = if leave == Leave::InPlace { count - 1 } else { count };
    if by_outbox > outbox.room() {
        return Err(DropReason::OutboxFull);
    }
    let (base, last_is_last) = fragment.map_or((0, true), |fragment| (fragment.offset, !fragment.more));
    let mut later = [0; 60];
    let later_len = later_header(header, &mut later);
    let first = piece.min(payload.len());
    describe(header, first, base, true);
    if leave == Leave::ByOutbox {
        push(outbox, to, &[header, &payload[..first]])?;
    }
    for (number, part) in payload.chunks(piece).enumerate().skip(1) {
        let is_last = last_is_last && number + 1 == count;
        let offset = base + (number * piece) as u16;
        let later = &mut later[..later_len];
        describe(later, part.len(), offset, !is_last);
        push(outbox, to, &[later, part])?;
    }
    Ok(header_len + first)
}

fn push(outbox: &mut Outbox, to: Zone, parts: &[&[u8]]) -> Step<()> {
    let len = parts.iter().map(|part| part.len()).sum();
    outbox.push(to, len, |room| {
        let mut room = room;
        for part in parts {
            let (head, rest) = core::mem::take(&mut room).split_at_mut(part.len());
            head.copy_from_slice(part);
            room = rest;
        }
    })
}

/// The header of fragments but the first: with those options alone that are to be copied. Gives back its length.
fn later_header(header: &[u8], out: &mut [u8; 60]) -> usize {
    let (fixed, mut options) = header.split_at(20);
    out[..20].copy_from_slice(fixed);
    let mut len = 20;
    while let Some(&kind) = options.first().filter(|kind| **kind != 0) {
        let option = match options.get(1) {
            _ if kind == 1 => 1,
            Some(option) if *option >= 2 => usize::from(*option),
            _ => break,
        };
        let Some((option, rest)) = options.split_at_checked(option) else { break };
        if kind & 0x80 != 0 {
            out[len..len + option.len()].copy_from_slice(option);
            len += option.len();
        }
        options = rest;
    }
    len = len.next_multiple_of(4);
    out[0] = 0x40 | (len / 4) as u8;
    len
}

/// Makes a header say which part of a datagram follows it. Its checksum was right before, so that it is made anew.
fn describe(header: &mut [u8], payload: usize, offset: u16, more: bool) {
    let len = (header.len() + payload) as u16;
    header[2..4].copy_from_slice(&len.to_be_bytes());
    let bits = (offset / 8) | if more { 0x2000 } else { 0 };
    header[6..8].copy_from_slice(&bits.to_be_bytes());
    header[10..12].fill(0);
    let sum = checksum([&header[..]]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

impl Common {
    /// The largest packet that goes there, in bytes.
    #[inline]
    pub(super) fn mtu<A: Address>(&self, to: Zone) -> Step<u16> {
        let mtu = match to {
            Zone::Peer(peer) => self.clients.get(peer).ok_or(DropReason::NoRoute)?.mtu,
            Zone::Host => self.setup.host_mtu.ok_or(DropReason::NoRoute)?,
            Zone::Lan => self.lan.as_ref().map_or(1500, LanPort::mtu),
        };
        Ok(mtu.max(A::LEAST_MTU))
    }
}

#[cfg(test)]
mod tests;
