//! What neighbours say to each other, in one form for both families: ARP (RFC 826) and neighbour discovery (RFC 4861) by
//! smoltcp's types.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet,
    Ipv6Repr, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress,
};

use super::ethernet::{Ethernet, HEADER, MacAddress, ethertype};
use crate::reason::DropReason;

/// Room for any frame that is made here, in bytes.
pub(super) const MAX_FRAME: usize = HEADER + 40 + 32;
/// Where an ICMPv6 message begins, if no extension header comes between.
const IPV6_HEADER: usize = 40;
const ICMPV6: u8 = 58;
/// Neighbour discovery comes from the same link (RFC 4861 §6.1).
const ON_LINK_HOPS: u8 = 255;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 1);

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Who has `target`? `sender` is none if who asks wants to have it.
    Asked { sender: Option<IpAddr>, mac: MacAddress, target: IpAddr },
    /// `address` is at `mac`. `to` is who is told, if it is an answer.
    Told { address: IpAddr, mac: MacAddress, to: Option<IpAddr> },
}

impl Heard {
    /// Reads what follows the header of an ARP frame.
    pub(super) fn arp(packet: &[u8]) -> Result<Self, DropReason> {
        let not = DropReason::NotForUs;
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr: sender,
            target_protocol_addr: target,
            ..
        } = ArpPacket::new_checked(packet).and_then(|packet| ArpRepr::parse(&packet)).map_err(|_| not)?
        else {
            return Err(not);
        };
        let mac = MacAddress(source_hardware_addr.0);
        if !mac.is_unicast() || sender.is_multicast() || sender.is_broadcast() {
            return Err(not);
        }
        match operation {
            ArpOperation::Request if sender == target => {
                Ok(Self::Told { address: sender.into(), mac, to: None })
            }
            ArpOperation::Request => Ok(Self::Asked {
                sender: (!sender.is_unspecified()).then_some(sender.into()),
                mac,
                target: target.into(),
            }),
            ArpOperation::Reply if !sender.is_unspecified() => {
                Ok(Self::Told { address: sender.into(), mac, to: Some(target.into()) })
            }
            _ => Err(not),
        }
    }

    /// Reads a packet of neighbour discovery, with all the checks of RFC 4861 §7.1.
    pub(super) fn ndp(packet: &[u8], frame: &Ethernet) -> Result<Self, DropReason> {
        let not = DropReason::NotForUs;
        let ip = Ipv6Packet::new_checked(packet).map_err(|_| not)?;
        if ip.next_header() != IpProtocol::Icmpv6 || ip.hop_limit() != ON_LINK_HOPS {
            return Err(not);
        }
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let icmp = Icmpv6Packet::new_checked(ip.payload()).map_err(|_| not)?;
        let message = Icmpv6Repr::parse(&source, &destination, &icmp, &ChecksumCapabilities::default());
        let is_for_all = destination.is_multicast();
        let mac_in = |option: Option<RawHardwareAddress>| match option {
            None => Some(frame.source),
            Some(raw) => Some(MacAddress(*raw.as_bytes().first_chunk()?)).filter(|mac| mac.is_unicast()),
        };
        match message {
            Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, lladdr })) => {
                let probe = source.is_unspecified();
                // A probe is for everybody who might have it, and names no hardware address.
                let wrong = probe && (!is_for_all || lladdr.is_some());
                if target_addr.is_multicast() || wrong {
                    return Err(not);
                }
                let sender = (!probe).then_some(source.into());
                Ok(Self::Asked { sender, mac: mac_in(lladdr).ok_or(not)?, target: target_addr.into() })
            }
            Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr })) => {
                let solicited = flags.contains(NdiscNeighborFlags::SOLICITED);
                if target_addr.is_multicast() || (solicited && is_for_all) {
                    return Err(not);
                }
                let to = solicited.then_some(destination.into());
                Ok(Self::Told { address: target_addr.into(), mac: mac_in(lladdr).ok_or(not)?, to })
            }
            _ => Err(not),
        }
    }
}

/// Whether an IPv6 packet is one of neighbour discovery: a solicitation or an advertisement.
pub(super) fn is_ndp(packet: &[u8]) -> bool {
    packet.get(6) == Some(&ICMPV6) && matches!(packet.get(IPV6_HEADER), Some(135 | 136))
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// Who has `target`? Asked by `sender`, or by nobody as yet; of `mac`, or of everybody.
    Ask { sender: Option<IpAddr>, target: IpAddr, mac: Option<MacAddress> },
    /// We have `address`, to who asked; without an address if he wants to have it himself.
    Answer { address: IpAddr, to: Option<IpAddr>, mac: MacAddress },
    /// We have `address`, to everybody.
    Announce { address: IpAddr },
}

impl Say {
    /// Writes the frame; its length.
    pub(super) fn emit(self, own: MacAddress, out: &mut [u8; MAX_FRAME]) -> usize {
        let address = match self {
            Self::Ask { target: address, .. } | Self::Answer { address, .. } | Self::Announce { address } => {
                address
            }
        };
        match address {
            IpAddr::V4(address) => self.arp(own, address, out),
            IpAddr::V6(address) => self.ndp(own, address, out),
        }
    }

    fn arp(self, own: MacAddress, address: Ipv4Addr, out: &mut [u8; MAX_FRAME]) -> usize {
        let v4 = |address: Option<IpAddr>| match address {
            Some(IpAddr::V4(address)) => address,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let (operation, sender, target, to, asked) = match self {
            Self::Ask { sender, mac, .. } => {
                let to = mac.unwrap_or(MacAddress::BROADCAST);
                (ArpOperation::Request, v4(sender), address, to, MacAddress::default())
            }
            Self::Answer { to, mac, .. } => (ArpOperation::Reply, address, v4(to), mac, mac),
            // RFC 5227 §3: a request is what everybody understands.
            Self::Announce { .. } => {
                (ArpOperation::Request, address, address, MacAddress::BROADCAST, MacAddress::default())
            }
        };
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(own.0),
            source_protocol_addr: sender,
            target_hardware_addr: EthernetAddress(asked.0),
            target_protocol_addr: target,
        };
        let header = Ethernet { destination: to, source: own, ethertype: ethertype::ARP };
        out[..HEADER].copy_from_slice(&header.emit());
        let len = HEADER + repr.buffer_len();
        repr.emit(&mut ArpPacket::new_unchecked(&mut out[HEADER..len]));
        len
    }

    fn ndp(self, own: MacAddress, address: Ipv6Addr, out: &mut [u8; MAX_FRAME]) -> usize {
        let v6 = |address: Option<IpAddr>| match address {
            Some(IpAddr::V6(address)) => Some(address),
            _ => None,
        };
        let lladdr = Some(RawHardwareAddress::from(EthernetAddress(own.0)));
        let (source, destination, mac, message) = match self {
            Self::Ask { sender, mac, .. } => {
                let sender = v6(sender);
                let lladdr = lladdr.filter(|_| sender.is_some());
                let message = NdiscRepr::NeighborSolicit { target_addr: address, lladdr };
                let destination = if mac.is_some() { address } else { solicited_node(address) };
                (sender.unwrap_or(Ipv6Addr::UNSPECIFIED), destination, mac, message)
            }
            Self::Answer { to, mac, .. } => {
                let to = v6(to);
                let solicited =
                    if to.is_some() { NdiscNeighborFlags::SOLICITED } else { NdiscNeighborFlags::empty() };
                let flags = NdiscNeighborFlags::OVERRIDE | solicited;
                let message = NdiscRepr::NeighborAdvert { flags, target_addr: address, lladdr };
                (address, to.unwrap_or(ALL_NODES), to.map(|_| mac), message)
            }
            Self::Announce { .. } => {
                let flags = NdiscNeighborFlags::OVERRIDE;
                let message = NdiscRepr::NeighborAdvert { flags, target_addr: address, lladdr };
                (address, ALL_NODES, None, message)
            }
        };
        let icmp = Icmpv6Repr::Ndisc(message);
        let ip = Ipv6Repr {
            src_addr: source,
            dst_addr: destination,
            next_header: IpProtocol::Icmpv6,
            payload_len: icmp.buffer_len(),
            hop_limit: ON_LINK_HOPS,
        };
        let header = Ethernet {
            destination: mac.unwrap_or_else(|| multicast(destination)),
            source: own,
            ethertype: ethertype::IPV6,
        };
        out[..HEADER].copy_from_slice(&header.emit());
        let start = HEADER + ip.buffer_len();
        let len = start + icmp.buffer_len();
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut out[HEADER..start]));
        let mut packet = Icmpv6Packet::new_unchecked(&mut out[start..len]);
        icmp.emit(&source, &destination, &mut packet, &ChecksumCapabilities::default());
        len
    }
}

/// RFC 4291 §2.7.1.
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let low = address.to_bits() & 0xFF_FFFF;
    Ipv6Addr::from_bits(Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 1, 0xFF00, 0).to_bits() | low)
}

/// RFC 2464 §7.
fn multicast(address: Ipv6Addr) -> MacAddress {
    let [.., a, b, c, d] = address.octets();
    MacAddress([0x33, 0x33, a, b, c, d])
}
