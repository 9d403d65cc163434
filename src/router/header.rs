//! [`Header`]: what an IP header says, with its options or extensions.
//!
//! The same for a packet and for the beginning of one that an ICMP error quotes.

use super::address::Address;
use super::packet::TCP;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;

/// The most IPv6 extension headers that are walked through; nothing real has as many.
const MAX_EXTENSIONS: usize = 8;

/// What is found before the transport.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// The protocol above IP. In a later IPv6 fragment, what its own header says, which may be an extension's number.
    pub(super) protocol: u8,
    /// Where that begins, in bytes.
    pub(super) offset: usize,
    pub(super) fragment: Option<Fragment>,
    /// Whether routers must not fragment it: IPv4's DF, and always with IPv6.
    pub(super) dont_fragment: bool,
    /// TTL or hop limit.
    pub(super) hops: u8,
    /// Length of the whole packet, in bytes; of a quote, as much of it as is there.
    pub(super) len: usize,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// Where its payload belongs, in bytes.
    pub(super) offset: u16,
    /// And where that ends.
    pub(super) end: u16,
    /// Whether it is not the last.
    pub(super) more: bool,
    /// Where its payload begins in the packet, in bytes.
    pub(super) start: u16,
}

impl Fragment {
    /// Of a packet of `len` bytes.
    ///
    /// # Errors
    ///
    /// It is empty, not the last and of a length that is no multiple of eight bytes, or beyond what a datagram can hold
    /// (RFC 791 §3.2, RFC 8200 §4.5).
    fn new(id: u32, offset: u16, more: bool, start: usize, len: usize) -> Result<Self, DropReason> {
        let bad = DropReason::BadFragment;
        let payload = len.checked_sub(start).filter(|payload| *payload > 0).ok_or(bad)?;
        let end = u16::try_from(usize::from(offset) + payload).map_err(|_| bad)?;
        if more && payload % 8 != 0 {
            return Err(bad);
        }
        Ok(Self { id, offset, end, more, start: start as u16 })
    }
}

impl Header {
    /// That of a whole packet, which may have something behind its end.
    ///
    /// # Errors
    ///
    /// The packet is shorter than its headers say, its header checksum is wrong, it says which way it wants to go, or it
    /// is a fragment that makes no sense.
    #[inline]
    pub(super) fn parse<A: Address>(packet: &[u8]) -> Result<Self, DropReason> {
        if A::VERSION == 4 { ipv4(packet, true) } else { ipv6(packet, true) }
    }

    /// That of a packet of which only the beginning is there.
    pub(super) fn of_quote<A: Address>(quote: &[u8]) -> Result<Self, DropReason> {
        if A::VERSION == 4 { ipv4(quote, false) } else { ipv6(quote, false) }
    }
}

#[inline]
fn ipv4(packet: &[u8], whole: bool) -> Result<Header, DropReason> {
    let bad = DropReason::BadInnerPacket;
    let fixed = packet.first_chunk::<20>().ok_or(bad)?;
    let start = usize::from(fixed[0] & 0xF) * 4;
    let mut len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if !whole {
        len = len.min(packet.len());
    }
    if fixed[0] >> 4 != 4 || start < 20 || len < start || len > packet.len() {
        return Err(bad);
    }
    if checksum([&packet[..start]]) != 0 {
        return Err(DropReason::BadChecksum);
    }
    if start > 20 {
        check_options(&packet[20..start])?;
    }
    let bits = u16::from_be_bytes([fixed[6], fixed[7]]);
    let (offset, more) = ((bits & 0x1FFF) * 8, bits & 0x2000 != 0);
    let id = u32::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let fragment = if offset == 0 && !more {
        None
    } else if whole {
        Some(Fragment::new(id, offset, more, start, len)?)
    } else {
        Some(Fragment { id, offset, end: offset, more, start: start as u16 })
    };
    // RFC 1858 §3.2, RFC 3128: a second fragment within the TCP header is there to change what a filter has seen.
    if fixed[9] == TCP && fragment.is_some_and(|fragment| (1..20).contains(&fragment.offset)) {
        return Err(DropReason::BadFragment);
    }
    Ok(Header {
        protocol: fixed[9],
        offset: start,
        fragment,
        dont_fragment: bits & 0x4000 != 0,
        hops: fixed[8],
        len,
    })
}

/// Options make sense, and none of them names the way: rules judge the destination in the header, and checksums cover
/// the last one (RFC 7126 §4.3, §4.4).
#[cold]
fn check_options(mut options: &[u8]) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;

    loop {
        let len = match options {
            [] | [END, ..] => return Ok(()),
            [NOP, ..] => 1,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return Err(DropReason::SourceRoute),
            [_, len, ..] if *len >= 2 => usize::from(*len),
            _ => return Err(DropReason::BadInnerPacket),
        };
        options = options.get(len..).ok_or(DropReason::BadInnerPacket)?;
    }
}

#[inline]
fn ipv6(packet: &[u8], whole: bool) -> Result<Header, DropReason> {
    let fixed = packet.first_chunk::<40>().ok_or(DropReason::BadInnerPacket)?;
    let mut len = 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if !whole {
        len = len.min(packet.len());
    }
    let packet = packet.get(..len).filter(|_| fixed[0] >> 4 == 6).ok_or(DropReason::BadInnerPacket)?;
    let mut header =
        Header { protocol: fixed[6], offset: 40, fragment: None, dont_fragment: true, hops: fixed[7], len };
    if matches!(header.protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
        header.walk_extensions(packet, whole)?;
    }
    Ok(header)
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

impl Header {
    /// Goes on to what follows the extension headers (RFC 8200 §4).
    #[cold]
    fn walk_extensions(&mut self, packet: &[u8], whole: bool) -> Result<(), DropReason> {
        let mut bad = DropReason::BadInnerPacket;
        let mut fragmented = false;
        for number in 0..=MAX_EXTENSIONS {
            let kind = self.protocol;
            if !matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
                return Ok(());
            }
            let extension = packet.get(self.offset..).and_then(|rest| rest.first_chunk::<8>());
            let extension = extension.filter(|_| number < MAX_EXTENSIONS).ok_or(bad)?;
            self.protocol = extension[0];
            if kind != FRAGMENT {
                // It stands first or nowhere.
                if kind == HOP_BY_HOP && number > 0 {
                    return Err(bad);
                }
                // As with IPv4's source routes; whoever is the last on its list (RFC 8200 §4.4) is still the
                // destination.
                if kind == ROUTING && extension[3] != 0 {
                    return Err(DropReason::SourceRoute);
                }
                self.offset += 8 * (1 + usize::from(extension[1]));
                if self.offset > self.len {
                    return Err(bad);
                }
                continue;
            }
            self.offset += 8;
            let bits = u16::from_be_bytes([extension[2], extension[3]]);
            let id = u32::from_be_bytes([extension[4], extension[5], extension[6], extension[7]]);
            let (offset, more) = (bits & 0xFFF8, bits & 1 != 0);
            // A fragment of a fragment: nobody makes these.
            if core::mem::replace(&mut fragmented, true) {
                return Err(DropReason::BadFragment);
            }
            // An atomic fragment (RFC 6946) is a whole packet.
            if offset == 0 && !more {
                continue;
            }
            // RFC 7112: all that follows in a first fragment must be in it.
            bad = DropReason::BadFragment;
            if self.protocol == TCP && (1..20).contains(&offset) {
                return Err(bad);
            }
            self.fragment = Some(if whole {
                Fragment::new(id, offset, more, self.offset, self.len)?
            } else {
                Fragment { id, offset, end: offset, more, start: self.offset as u16 }
            });
            if offset != 0 {
                return Ok(()); // what follows is the middle of something
            }
        }
        Err(bad)
    }
}
