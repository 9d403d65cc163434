//! Frames as a kernel hands them over: many TCP segments or datagrams in one, and checksums that the network card was to
//! compute.
//!
//! What goes into the tunnel is real packets, so a super-packet is cut up again as it would have been on the wire, and a
//! checksum is completed. Where a checksum is there already it is left as it is, right or wrong.

use core::ops::Range;

use super::ethernet::{HEADER, ethertype};
use crate::reason::DropReason;
use crate::wire::checksum::{checksum, fold, sum};

const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// What the kernel says of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// What a super-packet is made of; none if it is an ordinary frame.
    segment: Option<Segment>,
    /// Where what the checksum covers begins, and where it is from there, in bytes, if it is to be completed.
    checksum: Option<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    protocol: u8,
    /// Bytes of payload in each but the last.
    len: u16,
}

impl Offload {
    /// Length of a [`virtio_net_hdr`](Self::parse), in bytes.
    pub const HEADER: usize = 10;

    /// Reads Linux's `virtio_net_hdr`, in this machine's byte order, as sockets of `AF_PACKET` (`PACKET_VNET_HDR`) and TAP
    /// devices have it.
    ///
    /// # Errors
    ///
    /// [`DropReason::Unsupported`]: a kind of super-packet that is none of TCP segments or of datagrams.
    pub fn parse(header: &[u8; Self::HEADER]) -> Result<Self, DropReason> {
        const NEEDS_CHECKSUM: u8 = 1;
        const TCP_V4: u8 = 1;
        const TCP_V6: u8 = 4;
        const DATAGRAMS: u8 = 5;
        const ECN: u8 = 0x80;

        let [flags, kind, _, _, l0, l1, s0, s1, o0, o1] = *header;
        let word = |a, b| u16::from_ne_bytes([a, b]);
        let segment = |protocol| Some(Segment { protocol, len: word(l0, l1) });
        Ok(Self {
            segment: match kind & !ECN {
                0 => None,
                TCP_V4 | TCP_V6 => segment(TCP),
                DATAGRAMS => segment(UDP),
                _ => return Err(DropReason::Unsupported),
            },
            checksum: (flags & NEEDS_CHECKSUM != 0).then(|| (word(s0, s1), word(o0, o1))),
        })
    }
}

/// The frames that a frame stands for, one after the other.
#[derive(Debug)]
pub struct Segments<'a> {
    frame: &'a [u8],
    cut: Option<Cut>,
    /// How many were taken out.
    count: usize,
    done: bool,
}

/// Where a super-packet is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    v4: bool,
    protocol: u8,
    /// Where the transport header begins.
    transport: usize,
    /// Where the payload lies.
    payload: (usize, usize),
    len: usize,
}

impl<'a> Segments<'a> {
    /// The frames in `frame`, of which `offload` was said. A checksum is completed in place.
    ///
    /// # Errors
    ///
    /// [`DropReason::BadInnerPacket`]: it is not what was said of it.
    pub fn new(frame: &'a mut [u8], offload: Offload) -> Result<Self, DropReason> {
        let cut = match offload.segment {
            Some(segment) => Some(Cut::find(frame, segment, offload.checksum)?),
            None => {
                if let Some((start, offset)) = offload.checksum {
                    complete(frame, start.into(), offset.into()).ok_or(DropReason::BadInnerPacket)?;
                }
                None
            }
        };
        Ok(Self { frame, cut, count: 0, done: false })
    }

    /// Leaves out the first `count` frames, which were taken before.
    pub fn skip(&mut self, count: usize) {
        self.count = count;
        self.done = count > 0 && self.cut.is_none_or(|cut| cut.part(count - 1).1);
    }

    /// Writes the next frame to the beginning of `out`; its length in bytes. `None` if there is no other.
    ///
    /// # Errors
    ///
    /// [`DropReason::TooBig`]: `out` is too short for it. The next call goes on behind it.
    pub fn next(&mut self, out: &mut [u8]) -> Option<Result<usize, DropReason>> {
        if self.done {
            return None;
        }
        let Some(cut) = self.cut else {
            self.done = true;
            return Some(write(out, &[self.frame]).ok_or(DropReason::TooBig));
        };
        let number = self.count;
        self.count += 1;
        let (from, last) = cut.part(number);
        self.done = last;
        let headers = &self.frame[..cut.payload.0];
        let Some(len) = write(out, &[headers, &self.frame[from]]) else {
            return Some(Err(DropReason::TooBig));
        };
        cut.finish(&mut out[..len], number, last);
        Some(Ok(len))
    }
}

/// Puts the pieces one behind the other.
fn write(out: &mut [u8], pieces: &[&[u8]]) -> Option<usize> {
    let mut at = 0;
    for piece in pieces {
        out.get_mut(at..at + piece.len())?.copy_from_slice(piece);
        at += piece.len();
    }
    Some(at)
}

/// Completes a checksum whose place holds the sum over the pseudo header.
fn complete(frame: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let covered = frame.get_mut(start..)?;
    let result = !fold(sum(covered));
    let field = covered.get_mut(offset..offset + 2)?;
    // UDP has 0 for "none"; to the others both forms are the same (RFC 1624).
    field.copy_from_slice(&(if result == 0 { 0xFFFF } else { result }).to_be_bytes());
    Some(())
}

impl Cut {
    fn find(frame: &[u8], segment: Segment, checksum: Option<(u16, u16)>) -> Result<Self, DropReason> {
        Self::locate(frame, segment, checksum).ok_or(DropReason::BadInnerPacket)
    }

    fn locate(frame: &[u8], segment: Segment, checksum: Option<(u16, u16)>) -> Option<Self> {
        let ethernet = frame.first_chunk::<HEADER>()?;
        let ip = &frame[HEADER..];
        let (v4, transport, end) = match u16::from_be_bytes([ethernet[12], ethernet[13]]) {
            ethertype::IPV4 => {
                let header = ip.first_chunk::<20>()?;
                let len = usize::from(header[0] & 0xF) * 4;
                let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3FFF != 0;
                if header[0] >> 4 != 4 || len < 20 || header[9] != segment.protocol || fragment {
                    return None;
                }
                (true, len, usize::from(u16::from_be_bytes([header[2], header[3]])))
            }
            ethertype::IPV6 => {
                let header = ip.first_chunk::<IPV6_HEADER>()?;
                let len = IPV6_HEADER + usize::from(u16::from_be_bytes([header[4], header[5]]));
                let transport = match checksum {
                    _ if header[6] == segment.protocol => IPV6_HEADER,
                    // Behind extension headers: the kernel has walked through them.
                    Some((start, _)) => usize::from(start).checked_sub(HEADER)?,
                    None => return None,
                };
                if header[0] >> 4 != 6 || transport < IPV6_HEADER {
                    return None;
                }
                (false, transport, len)
            }
            _ => return None,
        };
        let bytes = ip.get(transport..end)?;
        let header = match segment.protocol {
            TCP => usize::from(bytes.first_chunk::<TCP_HEADER>()?[12] >> 4) * 4,
            _ => UDP_HEADER,
        };
        let least = if segment.protocol == TCP { TCP_HEADER } else { UDP_HEADER };
        if header < least || header > bytes.len() || segment.len == 0 {
            return None;
        }
        let transport = HEADER + transport;
        Some(Self {
            v4,
            protocol: segment.protocol,
            transport,
            payload: (transport + header, HEADER + end),
            len: segment.len.into(),
        })
    }

    /// The payload of part `number`, and whether it is the last.
    fn part(&self, number: usize) -> (Range<usize>, bool) {
        let (start, end) = self.payload;
        let from = (start + number * self.len).min(end);
        let to = (from + self.len).min(end);
        (from..to, to == end)
    }

    /// Makes a packet of its own of the copied headers and the payload behind them.
    fn finish(&self, frame: &mut [u8], number: usize, last: bool) {
        const FIN_PSH: u8 = 0x01 | 0x08;
        const CWR: u8 = 0x80;

        let (ip, transport) = frame[HEADER..].split_at_mut(self.transport - HEADER);
        let len = ip.len() + transport.len();
        if self.v4 {
            ip[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(number as u16);
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            ip[10..12].fill(0);
            let sum = checksum([&*ip]);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
        } else {
            ip[4..6].copy_from_slice(&((len - IPV6_HEADER) as u16).to_be_bytes());
        }
        let field = if self.protocol == TCP {
            let sequence = u32::from_be_bytes([transport[4], transport[5], transport[6], transport[7]]);
            let sequence = sequence.wrapping_add((number * self.len) as u32);
            transport[4..8].copy_from_slice(&sequence.to_be_bytes());
            if !last {
                transport[13] &= !FIN_PSH;
            }
            if number > 0 {
                transport[13] &= !CWR;
            }
            16
        } else {
            let len = transport.len() as u16;
            transport[4..6].copy_from_slice(&len.to_be_bytes());
            6
        };
        transport[field..field + 2].fill(0);
        let addresses = if self.v4 { &ip[12..20] } else { &ip[8..40] };
        let pseudo = (transport.len() as u32).to_be_bytes();
        let result = checksum([addresses, &pseudo, &[0, self.protocol], &*transport]);
        let result = if result == 0 { 0xFFFF } else { result };
        transport[field..field + 2].copy_from_slice(&result.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::super::super::testing::{assert_checksums, tcp, udp};
    use super::*;

    fn framed(packet: &[u8]) -> Vec<u8> {
        let kind = if packet[0] >> 4 == 4 { ethertype::IPV4 } else { ethertype::IPV6 };
        [&[2; 12][..], &kind.to_be_bytes(), packet].concat()
    }

    fn header(flags: u8, kind: u8, len: u16, checksum: (u16, u16)) -> Offload {
        let mut out = [flags, kind, 0, 0, 0, 0, 0, 0, 0, 0];
        out[4..6].copy_from_slice(&len.to_ne_bytes());
        out[6..8].copy_from_slice(&checksum.0.to_ne_bytes());
        out[8..10].copy_from_slice(&checksum.1.to_ne_bytes());
        Offload::parse(&out).unwrap()
    }

    fn all(frame: &mut [u8], offload: Offload) -> Vec<Vec<u8>> {
        let mut segments = Segments::new(frame, offload).unwrap();
        let mut out = Vec::new();
        let mut memory = vec![0xEE; 70_000];
        while let Some(len) = segments.next(&mut memory) {
            out.push(memory[..len.unwrap()].to_vec());
        }
        out
    }

    const ENDS: [(&str, &str); 2] = [("10.0.2.2", "10.0.1.200"), ("fd00:1::2", "fd00:1::200")];

    #[test]
    fn a_super_packet_becomes_the_segments_that_tcp_would_have_sent() {
        for (from, to) in ENDS {
            let payload: Vec<u8> = (0..3500_u16).map(|byte| byte as u8).collect();
            // CWR, ACK, PSH, FIN.
            let packet = tcp((from, 443), (to, 50_000), 0x80 | 0x10 | 0x08 | 0x01, &payload);
            let (kind, at) = if packet[0] >> 4 == 4 { (1, 20) } else { (4, 40) };
            let mut frame = framed(&packet);
            // What stands in the checksum's place does not matter.
            frame[14 + at + 16..14 + at + 18].fill(0x55);
            let parts = all(&mut frame, header(1, kind | 0x80, 1400, ((14 + at) as u16, 16)));
            assert_eq!(
                parts.iter().map(|part| part.len() - 14 - at - 20).collect::<Vec<_>>(),
                [1400, 1400, 700]
            );
            let mut whole: Vec<u8> = Vec::new();
            for (number, part) in parts.iter().enumerate() {
                let packet = &part[14..];
                assert_checksums(packet);
                let sequence = u32::from_be_bytes(*packet[at + 4..].first_chunk().unwrap());
                assert_eq!(sequence as usize, 1 + whole.len());
                assert_eq!(packet[at + 13], [0x90, 0x10, 0x19][number], "flags");
                if kind == 1 {
                    assert_eq!(u16::from_be_bytes([packet[4], packet[5]]), 0x1234 + number as u16);
                }
                whole.extend(&packet[at + 20..]);
            }
            assert_eq!(whole, payload);
            for count in 0..=3 {
                let mut segments =
                    Segments::new(&mut frame, header(1, kind, 1400, ((14 + at) as u16, 16))).unwrap();
                segments.skip(count);
                let mut memory = [0; 2000];
                let rest = core::iter::from_fn(|| segments.next(&mut memory));
                let rest: Vec<_> = rest.map(Result::unwrap).collect();
                assert_eq!(rest, parts[count..].iter().map(Vec::len).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn datagrams_in_one_become_datagrams() {
        for (from, to) in ENDS {
            let payload: Vec<u8> = (0..1000_u16).map(|byte| byte as u8).collect();
            let packet = udp((from, 53), (to, 50_000), &payload);
            let at = if packet[0] >> 4 == 4 { 20 } else { 40 };
            let parts = all(&mut framed(&packet), header(1, 5, 300, ((14 + at) as u16, 6)));
            assert_eq!(parts.len(), 4);
            for (number, part) in parts.iter().enumerate() {
                assert_checksums(&part[14..]);
                let expected = &payload[300 * number..(300 * number + 300).min(1000)];
                assert_eq!(&part[14 + at + 8..], expected);
                let len = u16::from_be_bytes([part[14 + at + 4], part[14 + at + 5]]);
                assert_eq!(usize::from(len), 8 + expected.len());
            }
        }
    }

    #[test]
    fn a_partial_checksum_is_completed_and_another_is_left() {
        for (from, to) in ENDS {
            let packet = tcp((from, 443), (to, 50_000), 0x10, b"hello");
            let at = if packet[0] >> 4 == 4 { 20 } else { 40 };
            let addresses = if at == 20 { 12..20 } else { 8..40 };
            let pseudo = fold(sum(&packet[addresses]) + (packet.len() - at) as u64 + u64::from(TCP));
            let mut frame = framed(&packet);
            frame[14 + at + 16..14 + at + 18].copy_from_slice(&pseudo.to_be_bytes());
            let partial = frame.clone();
            let done = all(&mut frame, header(1, 0, 0, ((14 + at) as u16, 16)));
            assert_eq!(done, [framed(&packet)]);
            // Said to be complete, or nothing said.
            for flags in [0, 2] {
                assert_eq!(all(&mut partial.clone(), header(flags, 0, 0, (0, 0))), [&partial[..]]);
            }
        }
    }

    #[test]
    fn what_does_not_fit_what_was_said_of_it_is_refused() {
        assert_eq!(Offload::parse(&[0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DropReason::Unsupported));
        let good = framed(&tcp(("10.0.2.2", 1), ("10.0.1.200", 2), 0x10, &[7; 3000]));
        let tcp_of = |len| header(1, 1, len, (34, 16));
        let changed = |at: usize, value: u8| {
            let mut frame = good.clone();
            frame[at] = value;
            frame
        };
        for (mut frame, offload) in [
            (good.clone(), tcp_of(0)),
            (good.clone(), header(1, 5, 1000, (34, 6))), // TCP, said to be UDP
            (good.clone(), header(1, 0, 0, (2990, 100))), // a checksum behind the end
            (good.clone(), header(1, 0, 0, (60_000, 16))),
            (good[..40].to_vec(), tcp_of(1000)),
            (good[..10].to_vec(), tcp_of(1000)),
            (changed(12, 0x86), tcp_of(1000)),           // another EtherType
            (changed(14, 0x44), tcp_of(1000)),           // a short header
            (changed(16, 0xFF), tcp_of(1000)),           // longer than it is
            (changed(20, 0x20), tcp_of(1000)),           // a fragment
            (changed(14 + 20 + 12, 0x40), tcp_of(1000)), // a short TCP header
        ] {
            assert_eq!(Segments::new(&mut frame, offload).unwrap_err(), DropReason::BadInnerPacket);
        }
        let mut short = [0; 100];
        let mut frame = good.clone();
        let mut segments = Segments::new(&mut frame, tcp_of(1400)).unwrap();
        let results: Vec<_> = core::iter::from_fn(|| segments.next(&mut short)).collect();
        assert_eq!(results, [Err(DropReason::TooBig); 3]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            mut frame in prop::collection::vec(any::<u8>(), 0..200),
            header: [u8; 10],
            v6: bool,
            tcp: bool,
        ) {
            if let Some(kind) = frame.get_mut(12..14) {
                kind.copy_from_slice(&(if v6 { ethertype::IPV6 } else { ethertype::IPV4 }).to_be_bytes());
            }
            if let Some(protocol) = frame.get_mut(if v6 { 20 } else { 23 }) {
                *protocol = if tcp { TCP } else { UDP };
            }
            let mut out = [0; 300];
            if let Ok(offload) = Offload::parse(&header)
                && let Ok(mut segments) = Segments::new(&mut frame, offload)
            {
                let mut count = 0;
                while segments.next(&mut out).is_some() {
                    count += 1;
                    prop_assert!(count <= 200);
                }
            }
        }
    }
}
