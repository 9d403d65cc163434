//! The two that are compared: Linux in a namespace between two TUN devices, and ours in this process.

use core::net::{IpAddr, Ipv4Addr};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;

use adit::config::{ForwardTarget, IpNetwork, LanConfig, Nat, PortForward, Protocol, RouterConfig};
use adit::router::{ClientSetup, Forward, Router, RouterSetup, Zone};
use adit::{Instant, Limits, PacketBuf, PeerId};

use crate::lab::network::Namespace;
use crate::lab::{PATIENCE, wait_until};
use crate::packets::{addresses, udp};
use crate::tun::open_tun;

/// The narrower side, so that what comes in may not fit.
pub const INSIDE_MTU: u16 = 1300;
pub const CLIENTS: [[&str; 2]; 2] = [["10.8.0.2", "fd00:8::2"], ["10.8.0.3", "fd00:8::3"]];
pub const GATEWAYS: [&str; 2] = ["10.8.0.1", "fd00:8::1"];
/// The router's own addresses outside.
pub const OWN: [&str; 2] = ["192.0.2.10", "2001:db8::10"];
const BEYOND: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

/// Where clients are, or everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Inside,
    Outside,
}

/// Something that forwards packets.
pub trait Subject {
    /// What comes out because of these packets, in order for each side.
    fn send(&mut self, from: Side, packets: &[Vec<u8>]) -> Vec<(Side, Vec<u8>)>;
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Linux as most set it up for this: `masquerade`, a port forward, MSS clamped, and what conntrack calls invalid dropped.
const RULES: &str = "
table inet nat {
  chain before { type nat hook prerouting priority dstnat;
    iifname outside ip daddr 192.0.2.10 tcp dport 8443 dnat ip to 10.8.0.2:443
    iifname outside ip daddr 192.0.2.10 udp dport 8500-8509 dnat ip to 10.8.0.3:8500-8509
    iifname outside ip6 daddr 2001:db8::10 tcp dport 8443 dnat ip6 to [fd00:8::2]:443
    iifname outside ip6 daddr 2001:db8::10 udp dport 8500-8509 dnat ip6 to [fd00:8::3]:8500-8509
  }
  chain behind { type nat hook postrouting priority srcnat; oifname outside masquerade; }
  chain through { type filter hook forward priority filter;
    ct state invalid drop
    tcp flags syn tcp option maxseg size set rt mtu
  }
}
";

/// Linux between two TUN devices.
pub struct Linux {
    _namespace: Namespace,
    inside: File,
    outside: File,
    markers: u32,
}

impl Linux {
    pub fn new() -> Self {
        let namespace = Namespace::new("router");
        let [inside, outside] =
            ["inside", "outside"].map(|name| namespace.inside(move || open_tun(name)).unwrap().0);
        let name = namespace.name().to_owned();
        let ip = |arguments: &str| {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            crate::lab::run("ip", &[&["-n", name.as_str()], arguments.as_slice()].concat());
        };
        // The kernel shows these of the namespace of whoever opens them.
        namespace.inside(|| {
            for (setting, value) in [
                ("ipv4/ip_forward", "1"),
                ("ipv6/conf/all/forwarding", "1"),
                ("ipv4/conf/all/rp_filter", "1"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
                ("ipv4/icmp_ratelimit", "0"),
                ("ipv6/icmp/ratelimit", "0"),
            ] {
                fs::write(format!("/proc/sys/net/{setting}"), value).unwrap();
            }
        });
        ip(&format!("link set inside up mtu {INSIDE_MTU}"));
        ip("link set outside up mtu 1500");
        ip("address add 10.8.0.1/16 dev inside");
        ip("address add fd00:8::1/64 dev inside nodad");
        ip("address add 192.0.2.10/24 dev outside");
        ip("address add 2001:db8::10/64 dev outside nodad");
        ip("route add default dev outside");
        ip("-6 route add default dev outside");
        let mut nft = std::process::Command::new("ip")
            .args(["netns", "exec", &name, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin.take().unwrap().write_all(RULES.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft");
        Self { _namespace: namespace, inside, outside, markers: 0 }
    }

    /// Sends a packet that certainly goes through, and takes all that comes out until it does.
    fn marker(&mut self, from: Side, out: &mut Vec<(Side, Vec<u8>)>) {
        self.markers += 1;
        let (client, own, beyond) = (ip(CLIENTS[0][0]), ip(OWN[0]), ip("192.0.2.99"));
        let payload = format!("marker {}", self.markers);
        let (mut into, sent) = match from {
            Side::Inside => (&self.inside, udp((client, 9), (beyond, 9), payload.as_bytes())),
            Side::Outside => (&self.outside, udp((beyond, 9), (own, 9), payload.as_bytes())),
        };
        into.write_all(&sent).unwrap();
        let mut arrived = false;
        let came = wait_until(PATIENCE, || {
            for (side, mut device) in [(Side::Inside, &self.inside), (Side::Outside, &self.outside)] {
                let mut memory = [0; 65_536];
                loop {
                    match device.read(&mut memory) {
                        Ok(len) if memory[..len].ends_with(payload.as_bytes()) => arrived = true,
                        // What the kernel says on its own of the link: who is there, and redirects.
                        Ok(len) if is_of_the_link(&memory[..len]) => {}
                        Ok(len) => out.push((side, memory[..len].to_vec())),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            arrived
        });
        assert!(came, "a packet that surely goes through did not");
    }
}

/// Whether a packet is to everybody, or from an address that means something on its link alone.
fn is_of_the_link(packet: &[u8]) -> bool {
    let (source, destination) = addresses(packet);
    destination.is_multicast() || matches!(source, IpAddr::V6(source) if source.is_unicast_link_local())
}

impl Subject for Linux {
    fn send(&mut self, from: Side, packets: &[Vec<u8>]) -> Vec<(Side, Vec<u8>)> {
        let mut out = Vec::new();
        for packet in packets {
            let mut into = if from == Side::Inside { &self.inside } else { &self.outside };
            // A packet that is none at all it refuses here already.
            let _ = into.write(packet);
        }
        self.marker(Side::Inside, &mut out);
        self.marker(Side::Outside, &mut out);
        out
    }
}

/// Ours, with the same place, NAT and port forwards.
pub struct Ours(Router);

impl Ours {
    pub fn new() -> Self {
        let mut config = RouterConfig::default();
        config.nat = Nat::Masquerade(None);
        config.lan = Some(LanConfig {
            device: "outside".into(),
            addresses: vec![(ip(OWN[0]), 24), (ip(OWN[1]), 64)],
            gateways: BEYOND.map(ip).to_vec(),
        });
        for own in OWN {
            let forward = |protocol, ports, client: &str, to_port| PortForward {
                protocol,
                address: ip(own),
                ports,
                to: ForwardTarget::Client(client.into()),
                to_port,
                from: None,
            };
            config.port_forwards.push(forward(Protocol::Tcp, 8443..=8443, "client1", 443));
            config.port_forwards.push(forward(Protocol::Udp, 8500..=8509, "client2", 8500));
        }
        let [gateway, gateway6] = GATEWAYS;
        let setup = RouterSetup {
            gateway_ipv4: Some(gateway.parse::<Ipv4Addr>().unwrap()),
            gateway_ipv6: Some(gateway6.parse().unwrap()),
            networks: vec![
                IpNetwork::containing(ip("10.8.0.0"), 16),
                IpNetwork::containing(ip("fd00:8::"), 64),
            ],
            client_to_client: true,
            host_mtu: None,
            lan: None,
        };
        let mut router = Router::new(config, setup, &Limits::ROUTER, [7; 32], Instant::ZERO);
        for (number, addresses) in (1..).zip(CLIENTS) {
            let client = ClientSetup {
                identity: format!("client{number}"),
                networks: addresses.map(|address| ip(address).into()).to_vec(),
                mtu: INSIDE_MTU,
                limits: None,
            };
            router.client_up(Instant::ZERO, PeerId::new(number, 1), client);
        }
        Self(router)
    }
}

/// Where a packet that goes to `zone` comes out. A client gets what is for it and nothing else.
fn side(zone: Zone, packet: &[u8]) -> Side {
    let Zone::Peer(peer) = zone else { return Side::Outside };
    assert_eq!(client_at(addresses(packet).1), peer, "it goes to another client");
    Side::Inside
}

fn client_at(address: IpAddr) -> PeerId {
    let number = (1..).zip(CLIENTS).find(|(_, addresses)| addresses.map(ip).contains(&address));
    PeerId::new(number.map_or(1, |(number, _)| number), 1)
}

impl Subject for Ours {
    fn send(&mut self, from: Side, packets: &[Vec<u8>]) -> Vec<(Side, Vec<u8>)> {
        let mut out = Vec::new();
        for packet in packets {
            let zone = match from {
                Side::Inside => Zone::Peer(client_at(addresses(packet).0)),
                Side::Outside => Zone::Lan,
            };
            let mut memory = [&[0; 64], packet.as_slice(), &[0; 128]].concat();
            let mut buf = PacketBuf::new(&mut memory, 64..64 + packet.len()).unwrap();
            match self.0.forward(Instant::ZERO, zone, &mut buf) {
                Forward::To(to) => out.push((side(to, buf.payload()), buf.payload().to_vec())),
                Forward::Reply => out.push((side(zone, buf.payload()), buf.payload().to_vec())),
                Forward::Consumed | Forward::Drop(_) => {}
            }
            let mut memory = vec![0; 4096];
            loop {
                let mut buf = PacketBuf::new(&mut memory, 0..0).unwrap();
                let Some(to) = self.0.poll_output(Instant::ZERO, &mut buf) else { break };
                out.push((side(to, buf.payload()), buf.payload().to_vec()));
            }
        }
        out
    }
}
