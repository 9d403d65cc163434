//! The one ICMPv6 message that the engine itself sends: that a destination cannot be reached (RFC 4443 §3.1).

use core::net::Ipv6Addr;

use crate::buffer::PacketBuf;
use crate::reason::DropReason;

use super::checksum::checksum;

/// Who answers for a tunnel that has no IPv6 address: the same as with OpenVPN.
pub(crate) const NOBODY: Ipv6Addr = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 7);

const IPV6_LEN: usize = 40;
const ICMP_LEN: usize = 8;
/// The protocol number of ICMPv6.
const ICMPV6: u8 = 58;
/// Types below this are errors, which are never answered.
const FIRST_INFORMATIONAL: u8 = 128;
/// The least MTU of IPv6, which an error must not exceed.
const MAX_LEN: usize = 1280;
const HOP_LIMIT: u8 = 64;

/// Turns the inner IPv6 packet in `buf` into the answer from `from` that there is no route to its destination.
///
/// # Errors
///
/// If it must not be answered: it is itself an error or no whole packet, or one of its ends is not a single host. Or if
/// there is no room.
pub(crate) fn make_no_route(buf: &mut PacketBuf<'_>, from: Ipv6Addr) -> Result<(), DropReason> {
    let header = buf.payload().first_chunk::<IPV6_LEN>().ok_or(DropReason::BadInnerPacket)?;
    let (addresses, _) = header[8..].as_chunks::<16>();
    let [source, destination] = *addresses else { return Err(DropReason::BadInnerPacket) };
    let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
    if source.is_unspecified() || source.is_multicast() || destination.is_multicast() {
        return Err(DropReason::Multicast);
    }
    let next = header[6];
    if next == ICMPV6 && buf.payload().get(IPV6_LEN).is_none_or(|kind| *kind < FIRST_INFORMATIONAL) {
        return Err(DropReason::BadInnerPacket);
    }
    buf.truncate(MAX_LEN - IPV6_LEN - ICMP_LEN);
    let length = (ICMP_LEN + buf.len()) as u16;

    *buf.grow_front::<ICMP_LEN>()? = [1, 0, 0, 0, 0, 0, 0, 0];
    let mut ip = [0; IPV6_LEN];
    ip[0] = 0x60;
    ip[4..6].copy_from_slice(&length.to_be_bytes());
    (ip[6], ip[7]) = (ICMPV6, HOP_LIMIT);
    ip[8..24].copy_from_slice(&from.octets());
    ip[24..40].copy_from_slice(&source.octets());
    let pseudo = [&ip[8..40], &u32::from(length).to_be_bytes(), &[0, 0, 0, ICMPV6]];
    let sum = checksum(pseudo.into_iter().chain([buf.payload()]));
    buf.payload_mut()[2..4].copy_from_slice(&sum.to_be_bytes());
    *buf.grow_front::<IPV6_LEN>()? = ip;
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    const FROM: Ipv6Addr = Ipv6Addr::new(0xFD00, 8, 0, 0, 0, 0, 0, 1);

    fn packet(next: u8, source: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
        let ends: [Ipv6Addr; 2] = [source.parse().unwrap(), destination.parse().unwrap()];
        let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 9];
        packet.extend(ends.iter().flat_map(Ipv6Addr::octets));
        packet.extend(payload);
        packet
    }

    fn answer(packet: &[u8]) -> Result<Vec<u8>, DropReason> {
        let mut memory = vec![0; 64 + packet.len() + 64];
        memory[64..64 + packet.len()].copy_from_slice(packet);
        let mut buf = PacketBuf::new(&mut memory, 64..64 + packet.len()).unwrap();
        make_no_route(&mut buf, FROM).map(|()| buf.payload().to_vec())
    }

    #[test]
    fn a_packet_is_answered_with_as_much_of_itself_as_fits() {
        for len in [8, 9, 1400] {
            let asked = packet(17, "fd00:8::1000", "2001:db8::1", &vec![7; len]);
            let answer = answer(&asked).unwrap();
            assert_eq!(answer.len(), (48 + asked.len()).min(1280));
            assert_eq!((answer[6], answer[40], answer[41]), (58, 1, 0));
            assert_eq!(answer[8..24], FROM.octets());
            assert_eq!(answer[24..40], asked[8..24]);
            assert_eq!(answer[48..], asked[..answer.len() - 48]);
            let length = u16::from_be_bytes([answer[4], answer[5]]);
            assert_eq!(usize::from(length), answer.len() - 40);
            // Summed up with its own checksum, nothing is left.
            let pseudo = [&answer[8..40], &u32::from(length).to_be_bytes(), &[0, 0, 0, 58], &answer[40..]];
            assert_eq!(checksum(pseudo.into_iter()), 0);
        }
    }

    #[test]
    fn errors_and_groups_are_not_answered() {
        let echo = [128, 0, 0, 0, 0, 0, 0, 0];
        assert!(answer(&packet(58, "fd00::1", "fd00::2", &echo)).is_ok());
        assert!(answer(&packet(58, "fd00::1", "fd00::2", &[1, 0, 0, 0])).is_err());
        assert!(answer(&packet(58, "fd00::1", "fd00::2", &[])).is_err());
        assert!(answer(&packet(58, "fe80::1", "ff02::2", &echo)).is_err());
        assert!(answer(&packet(58, "::", "fd00::2", &echo)).is_err());
        assert!(answer(&[0x60, 0, 0]).is_err());
    }
}
