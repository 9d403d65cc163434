//! The program that keeps out of a packet socket what is none of ours: it sees all that the device sees, and most of that is
//! the kernel's.
//!
//! Let in are ARP, neighbour discovery, and what comes to our hardware address for one of the given addresses; nothing that
//! this machine sends itself, and nothing with a VLAN tag, which the kernel may have taken off and put beside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use adit::router::MacAddress;
use socket2::SockFilter;

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_MORE: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Beside a frame: whether a VLAN tag was taken off, and which way it goes.
const VLAN_TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
/// In a frame.
const ETHERTYPE: u32 = 12;
const DESTINATION_V4: u32 = 14 + 16;
const DESTINATION_V6: u32 = 14 + 24;
const NEXT_HEADER: u32 = 14 + 6;
const ICMPV6_TYPE: u32 = 14 + 40;

/// What the kernel takes at most, with room for all but the addresses.
const MOST: usize = 4096 - 64;
const ALL: u32 = 0x4_0000;

/// The program for those addresses.
pub(super) fn program(mac: MacAddress, interests: &[RangeInclusive<IpAddr>]) -> Vec<SockFilter> {
    Program::new(mac, interests).0.into_iter().map(|[code, jt, jf, k]| op(code, jt, jf, k)).collect()
}

fn op(code: u32, jt: u32, jf: u32, k: u32) -> SockFilter {
    SockFilter::new(code as u16, jt as u8, jf as u8, k)
}

/// Code, where to go if so and if not, operand.
struct Program(Vec<[u32; 4]>);

impl Program {
    fn new(mac: MacAddress, interests: &[RangeInclusive<IpAddr>]) -> Self {
        let (v4, v6) = (Self::v4(&v4_ranges(interests)), Self::v6(&v6_ranges(interests)));
        let mut all = Self(Vec::new());
        all.load(LOAD_WORD, VLAN_TAG_PRESENT);
        all.refuse_unless_equal(0);
        all.load(LOAD_WORD, PACKET_TYPE);
        all.refuse_if_equal(u32::from(libc::PACKET_OUTGOING));
        all.load(LOAD_HALF, ETHERTYPE);
        all.accept_if_equal(libc::ETH_P_ARP as u32);
        // Neighbour discovery comes by multicast.
        all.push(IF_EQUAL, 0, 7, libc::ETH_P_IPV6 as u32);
        all.load(LOAD_BYTE, NEXT_HEADER);
        all.push(IF_EQUAL, 0, 4, libc::IPPROTO_ICMPV6 as u32);
        all.load(LOAD_BYTE, ICMPV6_TYPE);
        all.push(IF_EQUAL, 1, 0, 135);
        all.push(IF_EQUAL, 0, 1, 136);
        all.push(RETURN, 0, 0, ALL);
        all.load(LOAD_HALF, ETHERTYPE);
        // All else must be to our hardware address.
        let [a, b, c, d, e, f] = mac.0;
        all.load(LOAD_WORD, 0);
        all.refuse_unless_equal(u32::from_be_bytes([a, b, c, d]));
        all.load(LOAD_HALF, 4);
        all.refuse_unless_equal(u32::from_be_bytes([0, 0, e, f]));
        all.load(LOAD_HALF, ETHERTYPE);
        all.push(IF_EQUAL, 1, 0, libc::ETH_P_IP as u32);
        all.push(JUMP, 0, 0, v4.0.len() as u32);
        all.0.extend(v4.0);
        all.push(IF_EQUAL, 1, 0, libc::ETH_P_IPV6 as u32);
        all.push(RETURN, 0, 0, 0);
        all.0.extend(v6.0);
        all
    }

    /// Ends with a verdict.
    fn v4(ranges: &[(u32, u32)]) -> Self {
        let mut out = Self(Vec::new());
        out.load(LOAD_WORD, DESTINATION_V4);
        for (first, last) in merged(ranges, MOST / 2 / 3) {
            out.push(IF_AT_LEAST, 0, 2, first);
            out.push(IF_MORE, 1, 0, last);
            out.push(RETURN, 0, 0, ALL);
        }
        out.push(RETURN, 0, 0, 0);
        out
    }

    /// The same; by prefixes, each word by word.
    fn v6(networks: &[(u128, u32)]) -> Self {
        const LONGEST: usize = 13;
        let mut out = Self(Vec::new());
        if networks.len() > MOST / 2 / LONGEST {
            out.push(RETURN, 0, 0, ALL);
            return out;
        }
        for &(address, prefix) in networks {
            let words = prefix.div_ceil(32);
            for word in 0..words {
                let bits = (prefix - 32 * word).min(32);
                let mask = u32::MAX << (32 - bits);
                let value = (address >> (96 - 32 * word)) as u32 & mask;
                // What follows within this network: three for each further word, and the verdict.
                let rest = 3 * (words - word - 1) + 1;
                out.load(LOAD_WORD, DESTINATION_V6 + 4 * word);
                out.push(AND, 0, 0, mask);
                out.push(IF_EQUAL, 0, rest, value);
            }
            out.push(RETURN, 0, 0, ALL);
        }
        out.push(RETURN, 0, 0, 0);
        out
    }

    fn push(&mut self, code: u16, jt: u32, jf: u32, k: u32) {
        self.0.push([code.into(), jt, jf, k]);
    }

    fn load(&mut self, code: u16, at: u32) {
        self.push(code, 0, 0, at);
    }

    fn refuse_unless_equal(&mut self, value: u32) {
        self.push(IF_EQUAL, 1, 0, value);
        self.push(RETURN, 0, 0, 0);
    }

    fn refuse_if_equal(&mut self, value: u32) {
        self.push(IF_EQUAL, 0, 1, value);
        self.push(RETURN, 0, 0, 0);
    }

    fn accept_if_equal(&mut self, value: u32) {
        self.push(IF_EQUAL, 0, 1, value);
        self.push(RETURN, 0, 0, ALL);
    }
}

fn v4_ranges(interests: &[RangeInclusive<IpAddr>]) -> Vec<(u32, u32)> {
    let bits = |address: Ipv4Addr| address.to_bits();
    let ranges = interests.iter().filter_map(|range| match (range.start(), range.end()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some((bits(*first), bits(*last))),
        _ => None,
    });
    ranges.collect()
}

/// Sorted, those that touch together as one, and no more than so many: the nearest become one, so that more is let in
/// rather than less.
fn merged(ranges: &[(u32, u32)], most: usize) -> Vec<(u32, u32)> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    let mut gap = 1;
    loop {
        let mut out: Vec<(u32, u32)> = Vec::new();
        for &(first, last) in &sorted {
            match out.last_mut() {
                Some(before) if first <= before.1.saturating_add(gap) => before.1 = before.1.max(last),
                _ => out.push((first, last)),
            }
        }
        if out.len() <= most {
            return out;
        }
        gap = gap.saturating_mul(2);
    }
}

/// The smallest network around each range, and its length.
fn v6_ranges(interests: &[RangeInclusive<IpAddr>]) -> Vec<(u128, u32)> {
    let bits = |address: Ipv6Addr| address.to_bits();
    let ranges = interests.iter().filter_map(|range| match (range.start(), range.end()) {
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let prefix = (bits(*first) ^ bits(*last)).leading_zeros();
            Some((bits(*first), prefix))
        }
        _ => None,
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    /// Runs a program as the kernel does.
    fn passes(program: &Program, frame: &[u8], vlan: bool, kind: u8) -> bool {
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let [code, jt, jf, k] = program.0[at];
            at += 1;
            let bytes = |len: usize| {
                let bytes = frame.get(k as usize..k as usize + len)?;
                Some(bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
            };
            let jump = |yes: bool| if yes { jt } else { jf } as usize;
            match code as u16 {
                LOAD_WORD if k == VLAN_TAG_PRESENT => value = vlan.into(),
                LOAD_WORD if k == PACKET_TYPE => value = kind.into(),
                LOAD_WORD | LOAD_HALF | LOAD_BYTE => {
                    let len = match code as u16 {
                        LOAD_WORD => 4,
                        LOAD_HALF => 2,
                        _ => 1,
                    };
                    let Some(loaded) = bytes(len) else { return false };
                    value = loaded;
                }
                AND => value &= k,
                IF_EQUAL => at += jump(value == k),
                IF_MORE => at += jump(value > k),
                IF_AT_LEAST => at += jump(value >= k),
                JUMP => at += k as usize,
                RETURN => return k != 0,
                other => panic!("{other}"),
            }
            assert!(jt < 256 && jf < 256);
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn frame(to: MacAddress, destination: &str) -> Vec<u8> {
        let mut out = [&to.0[..], &[2; 6]].concat();
        match ip(destination) {
            IpAddr::V4(address) => {
                out.extend([8, 0]);
                out.extend([0x45; 16]);
                out.extend(address.octets());
            }
            IpAddr::V6(address) => {
                out.extend([0x86, 0xDD]);
                out.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
                out.extend([0; 16]);
                out.extend(address.octets());
            }
        }
        out.extend([0; 20]);
        out
    }

    #[test]
    fn what_is_ours_passes_and_nothing_else() {
        let interests = [
            ip("10.0.1.3")..=ip("10.0.1.3"),
            ip("10.0.1.200")..=ip("10.0.1.220"),
            ip("fd00:1::3")..=ip("fd00:1::3"),
            ip("fd00:8::")..=ip("fd00:8::ffff:ffff:ffff:ffff"),
        ];
        let program = Program::new(US, &interests);
        for (address, expected) in [
            ("10.0.1.3", true),
            ("10.0.1.2", false),
            ("10.0.1.199", false),
            ("10.0.1.200", true),
            ("10.0.1.210", true),
            ("10.0.1.220", true),
            ("10.0.1.221", false),
            ("255.255.255.255", false),
            ("fd00:1::3", true),
            ("fd00:1::4", false),
            ("fd00:8::", true),
            ("fd00:8::1:2:3:4", true),
            ("fd00:8:0:1::", false),
            ("ff02::1", false),
        ] {
            assert_eq!(passes(&program, &frame(US, address), false, 0), expected, "{address}");
            assert!(!passes(&program, &frame(US, address), true, 0), "{address} with a tag");
            assert!(
                !passes(&program, &frame(US, address), false, libc::PACKET_OUTGOING),
                "{address} from here"
            );
            let other = MacAddress([2, 0, 0, 0, 1, 1]);
            assert!(!passes(&program, &frame(other, address), false, 0), "{address} to another");
        }
        let all = MacAddress([0xFF; 6]);
        let mut arp = frame(all, "10.0.1.2");
        arp[13] = 6;
        assert!(passes(&program, &arp, false, 1));
        for (kind, expected) in [(135, true), (136, true), (134, false), (128, false)] {
            let mut ndp = frame(MacAddress([0x33, 0x33, 0, 0, 0, 1]), "ff02::1");
            (ndp[20], ndp[54]) = (58, kind);
            assert_eq!(passes(&program, &ndp, false, 2), expected, "{kind}");
        }
        assert!(!passes(&program, &[], false, 0));
        let mut lldp = frame(US, "10.0.1.3");
        lldp[12..14].copy_from_slice(&[0x88, 0xCC]);
        assert!(!passes(&program, &lldp, false, 0));
    }

    #[test]
    fn many_addresses_still_fit() {
        let interests: Vec<_> = (0..5000_u32)
            .map(|number| {
                let address = IpAddr::from(Ipv4Addr::from_bits((10 << 24) + number * 7));
                address..=address
            })
            .chain((0..5000_u128).map(|number| {
                let address = IpAddr::from(Ipv6Addr::from_bits((0xFD << 120) + number * 7));
                address..=address
            }))
            .collect();
        let program = Program::new(US, &interests);
        assert!(program.0.len() <= 4096, "{}", program.0.len());
        for range in &interests {
            assert!(passes(&program, &frame(US, &range.start().to_string()), false, 0));
        }
        assert!(!passes(&program, &frame(US, "11.0.0.1"), false, 0));
    }
}
