//! Another implementation as the host on the LAN: smoltcp's, which does its own ARP and neighbour discovery.

use alloc::collections::VecDeque;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::icmp;
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

use super::super::super::packet::{ICMP, ICMPV6};
use super::*;

#[derive(Default)]
struct Wire {
    to_host: VecDeque<Vec<u8>>,
    from_host: VecDeque<Vec<u8>>,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let out = f(&mut frame);
        self.0.push_back(frame);
        out
    }
}

impl Device for Wire {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: SmolInstant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.to_host.pop_front()?), Tx(&mut self.from_host)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.from_host))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut out = DeviceCapabilities::default();
        (out.medium, out.max_transmission_unit) = (Medium::Ethernet, 1514);
        out
    }
}

/// A client pings the host, and the host answers on its own; each finds the other by questions of its own.
#[test]
fn a_client_and_a_host_find_each_other() {
    for (client, host) in [("10.8.0.2", NEAR), ("fd00:8::2", "fd00:1::2:2")] {
        let mut router = lan_router(1);
        let mut wire = Wire::default();
        let mut iface = Interface::new(
            Config::new(HardwareAddress::Ethernet(EthernetAddress(HOST.0))),
            &mut wire,
            SmolInstant::from_millis(10_000),
        );
        let (prefix, route) = if client.contains(':') { (64, "fd00:1::3") } else { (16, OURS) };
        iface.update_ip_addrs(|all| all.push(IpCidr::new(IpAddress::from(ip(host)), prefix)).unwrap());
        match ip(route) {
            IpAddr::V4(route) => iface.routes_mut().add_default_ipv4_route(route).map(|_| ()).unwrap(),
            IpAddr::V6(route) => iface.routes_mut().add_default_ipv6_route(route).map(|_| ()).unwrap(),
        }
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
        let mut sockets = SocketSet::new(vec![]);
        sockets.add(icmp::Socket::new(buffer(), buffer()));

        let mut answers = Vec::new();
        for step in 0..40_u64 {
            let now = START + Duration::from_millis(50 * step);
            if step % 10 == 0 {
                let (forward, sent) =
                    send(&mut router, now, Zone::Peer(peer(1)), &ping(client, host, 7, step as u16));
                if forward == Forward::To(Zone::Lan) {
                    wire.to_host.push_back(sent);
                }
            }
            router.handle_timeout(now);
            wire.to_host.extend(drain(&mut router, now).into_iter().map(|(zone, frame)| {
                assert_eq!(zone, Zone::Lan);
                frame
            }));
            iface.poll(SmolInstant::from_millis(10_000 + 50 * step as i64), &mut wire, &mut sockets);
            while let Some(frame) = wire.from_host.pop_front() {
                let (forward, packet) = from_lan(&mut router, now, &frame);
                match forward {
                    Forward::To(Zone::Peer(to)) => {
                        assert_eq!(to, peer(1));
                        answers.push(packet);
                    }
                    Forward::Consumed => {}
                    other => panic!("{other:?}: {frame:x?}"),
                }
            }
        }
        assert_eq!(answers.len(), 4, "{host}");
        for (number, packet) in answers.iter().enumerate() {
            assert_checksums(packet);
            let (at, protocol) = if packet[0] >> 4 == 4 { (20, packet[9]) } else { (40, packet[6]) };
            assert!([ICMP, ICMPV6].contains(&protocol));
            assert_eq!(packet[at + 7], number as u8 * 10, "in order");
        }
        assert_eq!(router.drops().total(), 0);
    }
}
