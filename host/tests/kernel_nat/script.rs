//! The packets, step by step: each may be made from what came out before, so that it fits the ports that were given.

use core::net::IpAddr;

use crate::Past;
use crate::packets::{
    ACK, End, FIN, RST, SYN, echo, ends, error, fragments, header_len, is_v4, mend, packet, tcp, udp,
    unfragmentable, with, with_hops, with_tos, word,
};
use crate::routers::{CLIENTS, GATEWAYS, OWN, Side, ip};

/// The addresses of one family.
pub struct Net {
    family: usize,
    client: IpAddr,
    second: IpAddr,
    gateway: IpAddr,
    own: IpAddr,
    host: IpAddr,
    other: IpAddr,
}

impl Net {
    /// 0 for IPv4, 1 for IPv6.
    pub fn new(family: usize) -> Self {
        Self {
            family,
            client: ip(CLIENTS[0][family]),
            second: ip(CLIENTS[1][family]),
            gateway: ip(GATEWAYS[family]),
            own: ip(OWN[family]),
            host: ip(["192.0.2.99", "2001:db8::99"][family]),
            other: ip(["198.51.100.7", "2001:db8:7::7"][family]),
        }
    }

    fn is_v4(&self) -> bool {
        self.family == 0
    }

    /// "Port unreachable".
    fn unreachable(&self) -> (u8, u8) {
        if self.is_v4() { (3, 3) } else { (1, 4) }
    }
}

/// Packets that are sent one after the other.
pub struct Step {
    pub name: &'static str,
    pub from: Side,
    pub packets: fn(&Net, &Past) -> Vec<Vec<u8>>,
    /// Whether it is for IPv4, and for IPv6.
    pub families: [bool; 2],
}

const fn inside(name: &'static str, packets: fn(&Net, &Past) -> Vec<Vec<u8>>) -> Step {
    Step { name, from: Side::Inside, packets, families: [true; 2] }
}

const fn outside(name: &'static str, packets: fn(&Net, &Past) -> Vec<Vec<u8>>) -> Step {
    Step { name, from: Side::Outside, packets, families: [true; 2] }
}

impl Step {
    const fn ipv4(mut self) -> Self {
        self.families = [true, false];
        self
    }
}

/// A datagram back to where that one came from.
fn answer(to: &[u8], payload: &[u8]) -> Vec<u8> {
    let (source, destination) = ends(to);
    udp(destination, source, payload)
}

/// A segment to where that one came from.
fn segment(to: &[u8], flags: u8, numbers: (u32, u32), payload: &[u8]) -> Vec<u8> {
    let (source, destination) = ends(to);
    tcp(destination, source, flags, numbers, payload)
}

/// Bytes that no two of which are alike nearby.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|number| (number * 7 + number / 256) as u8).collect()
}

/// The client's end and the host's, by port.
fn pair(net: &Net, client: u16, host: u16) -> (End, End) {
    ((net.client, client), (net.host, host))
}

pub const STEPS: &[Step] = &[
    // ---- UDP ----
    inside("udp goes out", |net, _| vec![udp((net.client, 4000), (net.host, 53), b"question")]),
    outside("udp is answered", |_, past| vec![answer(past.of("udp goes out"), b"answer")]),
    inside("udp to another port of the same host", |net, _| {
        vec![udp((net.client, 4000), (net.host, 54), b"b")]
    }),
    inside("udp to another host", |net, _| vec![udp((net.client, 4000), (net.other, 53), b"c")]),
    outside("udp is answered by the other host", |_, past| {
        vec![answer(past.of("udp to another host"), b"c")]
    }),
    outside("udp from a stranger to a mapping", |net, past| {
        let own = ends(past.of("udp goes out")).0;
        vec![udp((ip(["203.0.113.5", "2001:db8:5::5"][net.family]), 1), own, b"stranger")]
    }),
    outside("udp from another port of the host to a mapping", |net, past| {
        vec![udp((net.host, 1053), ends(past.of("udp goes out")).0, b"stranger")]
    }),
    outside("udp to a port without mapping", |net, _| {
        vec![udp((net.host, 53), (net.own, 4999), b"stranger")]
    }),
    inside("udp of a second client from the same port", |net, _| {
        vec![udp((net.second, 4000), (net.host, 53), b"second")]
    }),
    outside("udp of the second client is answered", |_, past| {
        vec![answer(past.of("udp of a second client from the same port"), b"for the second")]
    }),
    inside("udp of the second client once more", |net, _| {
        vec![udp((net.second, 4000), (net.host, 53), b"again")]
    }),
    inside("udp of the second client to a host of its own", |net, _| {
        vec![udp((net.second, 4000), (net.other, 99), b"elsewhere")]
    }),
    inside("udp from a port of its own", |net, _| vec![udp((net.client, 4600), (net.host, 53), b"mine")]),
    inside("udp from the same port to where the other does not send", |net, _| {
        vec![udp((net.second, 4600), (net.other, 53), b"mine too")]
    }),
    inside("udp to a neighbour's mapping", |net, _| {
        vec![udp((net.second, 4601), (net.own, 4000), b"hairpin")]
    }),
    inside("udp from a low port", |net, _| vec![udp((net.client, 500), (net.host, 500), b"ike")]),
    inside("udp of the second client from the low port", |net, _| {
        vec![udp((net.second, 500), (net.host, 500), b"ike")]
    }),
    outside("the low port is answered", |_, past| {
        vec![answer(past.of("udp of the second client from the low port"), b"ike")]
    }),
    inside("udp without a payload", |net, _| vec![udp((net.client, 4100), (net.host, 53), b"")]),
    inside("udp without a checksum", |net, _| {
        let mut packet = udp((net.client, 4101), (net.host, 53), b"plain");
        let at = header_len(&packet) + 6;
        packet[at..at + 2].fill(0);
        vec![packet]
    })
    .ipv4(),
    inside("udp to a client", |net, _| vec![udp((net.client, 4102), (net.second, 53), b"neighbour")]),
    inside("udp is answered by a client", |_, past| vec![answer(past.of("udp to a client"), b"neighbour")]),
    // ---- what each hop does ----
    inside("the type of service goes out", |net, _| {
        let sent = |tos| with_tos(udp((net.client, 4200), (net.host, 53), b"tos"), tos);
        vec![sent(0xB8 | 1), sent(0x03), sent(0x02), sent(0x28)]
    }),
    outside("the type of service comes in", |_, past| {
        vec![with_tos(answer(past.of("the type of service goes out"), b"tos"), 0xB8 | 3)]
    }),
    inside("with two hops left", |net, _| {
        vec![with_hops(udp((net.client, 4201), (net.host, 53), b"two"), 2)]
    }),
    inside("with one hop left", |net, _| vec![with_hops(udp((net.client, 4202), (net.host, 53), b"one"), 1)]),
    outside("an answer with one hop left", |_, past| {
        vec![with_hops(answer(past.of("with two hops left"), b"one"), 1)]
    }),
    inside("ping with one hop left", |net, _| vec![with_hops(echo(net.client, net.host, true, 41), 1)]),
    inside("tcp with one hop left", |net, _| {
        let (client, host) = pair(net, 4203, 80);
        vec![with_hops(tcp(client, host, SYN, (1, 0), b""), 1)]
    }),
    inside("too large for what is outside", |net, _| {
        vec![unfragmentable(udp((net.client, 4204), (net.host, 53), &bytes(1600)))]
    }),
    inside("large, and fits", |net, _| {
        vec![unfragmentable(udp((net.client, 4205), (net.host, 53), &bytes(1252)))]
    }),
    outside("too large for what is inside", |_, past| {
        vec![unfragmentable(answer(past.of("large, and fits"), &bytes(1400)))]
    }),
    outside("large for what is inside, and may be cut", |_, past| {
        vec![answer(past.of("large, and fits"), &bytes(1400))]
    })
    .ipv4(),
    // ---- fragments ----
    inside("fragments go out", |net, _| {
        fragments(&udp((net.client, 4300), (net.host, 53), &bytes(5000)), 7, 1240)
    }),
    outside("fragments come in", |net, past| {
        let to = if net.is_v4() { past.of("fragments go out") } else { past.of("udp goes out") };
        fragments(&answer(to, &bytes(5001)), 8, 1240)
    }),
    inside("fragments in the wrong order", |net, _| {
        let mut all = fragments(&udp((net.client, 4302), (net.host, 53), &bytes(3000)), 9, 800);
        all.reverse();
        all
    }),
    inside("fragments of two datagrams between each other", |net, _| {
        let [first, second] = [10, 11].map(|id| {
            fragments(&udp((net.client, 4303), (net.host, 53), &bytes(1500 + id as usize)), id, 800)
        });
        // The second has no end.
        first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).take(3).collect()
    }),
    inside("ping in fragments", |net, _| {
        let ping = with(echo(net.client, net.host, true, 43), |packet| packet.extend(bytes(3000)));
        fragments(&ping, 12, 1000)
    }),
    inside("only the first fragment", |net, _| {
        vec![fragments(&udp((net.client, 4304), (net.host, 53), &bytes(1500)), 13, 800).swap_remove(0)]
    }),
    inside("only a later fragment", |net, _| {
        vec![fragments(&udp((net.client, 4305), (net.host, 53), &bytes(1500)), 14, 800).swap_remove(1)]
    }),
    // ---- TCP ----
    inside("tcp: syn", |net, _| {
        let (client, host) = pair(net, 5000, 80);
        vec![tcp(client, host, SYN, (100, 0), b"")]
    }),
    outside("tcp: syn and ack", |_, past| vec![segment(past.of("tcp: syn"), SYN | ACK, (500, 101), b"")]),
    inside("tcp: ack", |net, _| {
        let (client, host) = pair(net, 5000, 80);
        vec![tcp(client, host, ACK, (101, 501), b""), tcp(client, host, ACK, (101, 501), b"get")]
    }),
    outside("tcp: data", |_, past| vec![segment(past.of("tcp: syn"), ACK, (501, 104), b"page")]),
    outside("tcp: a stranger's syn to a mapping", |net, past| {
        let (source, _) = ends(past.of("tcp: syn"));
        vec![tcp((net.other, 7), source, SYN, (1, 0), b"")]
    }),
    outside("tcp: a syn to a port without mapping", |net, _| {
        vec![tcp((net.other, 7), (net.own, 5999), SYN, (1, 0), b"")]
    }),
    inside("tcp: fin", |net, _| {
        let (client, host) = pair(net, 5000, 80);
        vec![tcp(client, host, FIN | ACK, (104, 505), b"")]
    }),
    outside("tcp: fin from the host", |_, past| {
        vec![segment(past.of("tcp: syn"), FIN | ACK, (505, 105), b"")]
    }),
    inside("tcp: the last ack", |net, _| {
        let (client, host) = pair(net, 5000, 80);
        vec![tcp(client, host, ACK, (105, 506), b"")]
    }),
    inside("tcp: a second client from the same port", |net, _| {
        vec![
            tcp((net.second, 5001), (net.host, 80), SYN, (1, 0), b""),
            tcp((net.client, 5001), (net.host, 80), SYN, (1, 0), b""),
        ]
    }),
    inside("tcp: to be refused", |net, _| {
        let (client, host) = pair(net, 5002, 81);
        vec![tcp(client, host, SYN, (1, 0), b"")]
    }),
    outside("tcp: refused", |_, past| vec![segment(past.of("tcp: to be refused"), RST | ACK, (0, 2), b"")]),
    inside("tcp: met in the middle", |net, _| {
        let (client, host) = pair(net, 5003, 82);
        vec![tcp(client, host, ACK, (9, 9), b"still here")]
    }),
    // ---- ICMP ----
    inside("ping", |net, _| vec![echo(net.client, net.host, true, 77)]),
    outside("pong", |net, past| vec![echo(net.host, net.own, false, ends(past.of("ping")).0.1)]),
    inside("ping of the second client with the same identifier", |net, _| {
        vec![echo(net.second, net.host, true, 77)]
    }),
    outside("pong for the second client", |net, past| {
        let id = ends(past.of("ping of the second client with the same identifier")).0.1;
        vec![echo(net.host, net.own, false, id)]
    }),
    outside("pong that nobody asked for", |net, _| vec![echo(net.host, net.own, false, 78)]),
    inside("pong that nobody asked for, from a client", |net, _| vec![echo(net.client, net.host, false, 79)]),
    inside("ping to the gateway", |net, _| vec![echo(net.client, net.gateway, true, 80)]),
    outside("ping to the router", |net, _| vec![echo(net.host, net.own, true, 81)]),
    outside("error: no such port", |net, past| {
        vec![error(net.host, net.unreachable(), 0, past.of("udp goes out"))]
    }),
    outside("error: no hops left, from a hop", |net, past| {
        let kind = if net.is_v4() { (11, 0) } else { (3, 0) };
        vec![error(net.other, kind, 0, &with_hops(past.of("udp goes out").to_vec(), 1))]
    }),
    outside("error: no such host, about the second client", |net, past| {
        let kind = if net.is_v4() { (3, 1) } else { (1, 3) };
        vec![error(net.other, kind, 0, past.of("udp of the second client once more"))]
    }),
    outside("error: prohibited, about tcp", |net, past| {
        let kind = if net.is_v4() { (3, 13) } else { (1, 1) };
        vec![error(net.other, kind, 0, past.of("tcp: met in the middle"))]
    }),
    outside("error: about a ping", |net, past| {
        let kind = if net.is_v4() { (3, 1) } else { (1, 3) };
        vec![error(net.other, kind, 0, past.of("ping of the second client with the same identifier"))]
    }),
    outside("error: the path is narrow", |net, past| {
        let (kind, size) = if net.is_v4() { ((3, 4), 1200) } else { ((2, 0), 1280) };
        vec![error(net.other, kind, size, past.of("large, and fits"))]
    }),
    outside("error: a bad header", |net, past| {
        let (kind, rest) = if net.is_v4() { ((12, 0), 0x0100_0000) } else { ((4, 0), 6) };
        vec![error(net.host, kind, rest, past.of("udp goes out"))]
    }),
    outside("error: about what nobody sent", |net, _| {
        vec![error(net.host, net.unreachable(), 0, &udp((net.own, 4998), (net.host, 53), b"?"))]
    }),
    outside("error: its checksum is wrong", |net, past| {
        let mut packet = error(net.host, net.unreachable(), 0, past.of("udp goes out"));
        let at = header_len(&packet) + 2;
        packet[at] ^= 0x55;
        vec![packet]
    }),
    inside("error from inside about an answer", |net, past| {
        vec![error(net.client, net.unreachable(), 0, past.of("udp is answered"))]
    }),
    inside("error from the second client about an answer", |net, past| {
        vec![error(net.second, net.unreachable(), 0, past.of("udp of the second client is answered"))]
    }),
    inside("error from inside about what never came", |net, _| {
        vec![error(net.client, net.unreachable(), 0, &udp((net.host, 53), (net.client, 4997), b"?"))]
    }),
    // ---- port forwards ----
    outside("forward: syn", |net, _| vec![tcp((net.host, 6000), (net.own, 8443), SYN, (1, 0), b"")]),
    inside("forward: syn and ack", |_, past| vec![segment(past.of("forward: syn"), SYN | ACK, (7, 2), b"")]),
    outside("forward: data", |net, _| vec![tcp((net.host, 6000), (net.own, 8443), ACK, (2, 8), b"hello")]),
    inside("forward: error from inside", |net, past| {
        vec![error(net.client, net.unreachable(), 0, past.of("forward: data"))]
    }),
    outside("forward: error from outside", |net, past| {
        let kind = if net.is_v4() { (3, 1) } else { (1, 3) };
        vec![error(net.other, kind, 0, past.of("forward: syn and ack"))]
    }),
    outside("forward: with one hop left", |net, _| {
        vec![with_hops(tcp((net.host, 6000), (net.own, 8443), ACK, (7, 8), b"hello"), 1)]
    }),
    outside("forward: a range of ports", |net, _| vec![udp((net.host, 6001), (net.own, 8507), b"range")]),
    inside("forward: the range answers", |_, past| {
        vec![answer(past.of("forward: a range of ports"), b"back")]
    }),
    outside("forward: fragments", |net, _| {
        fragments(&udp((net.host, 6002), (net.own, 8501), &bytes(3000)), 20, 1200)
    }),
    inside("forward: from a client", |net, _| {
        vec![tcp((net.second, 6003), (net.own, 8443), SYN, (1, 0), b"")]
    }),
    // ---- what is none of it ----
    inside("another protocol", |net, _| vec![packet(net.client, net.host, 50, b"esp packet")]),
    outside("another protocol answers", |_, past| {
        let (source, destination) = ends(past.of("another protocol"));
        vec![packet(destination.0, source.0, 50, b"esp answer")]
    }),
    inside("a source that is not the client's", |net, _| {
        vec![udp((ip(["172.16.0.1", "2001:db8:66::1"][net.family]), 1), (net.host, 53), b"forged")]
    })
    .ipv4(),
    outside("a client's source from outside", |net, _| {
        vec![udp((net.client, 1), (net.own, 4000), b"forged")]
    })
    .ipv4(),
    inside("to many", |net, _| {
        vec![udp((net.client, 1), (ip(["239.1.2.3", "ff0e::123"][net.family]), 53), b"many")]
    }),
    inside("to this host", |net, _| {
        vec![udp((net.client, 1), (ip(["127.0.0.1", "::1"][net.family]), 53), b"loop")]
    }),
    inside("a wrong header checksum", |net, _| {
        let mut packet = udp((net.client, 4400), (net.host, 53), b"wrong");
        packet[10] ^= 1;
        vec![packet]
    })
    .ipv4(),
    inside("a wrong length", |net, _| {
        let mut packet = udp((net.client, 4401), (net.host, 53), b"short");
        packet.truncate(packet.len() - 3);
        vec![packet]
    }),
    inside("more bytes than it says", |net, _| {
        let mut packet = udp((net.client, 4402), (net.host, 53), b"long");
        packet.extend(b"trailer");
        vec![packet]
    }),
    inside("a header with options", |net, _| {
        let plain = udp((net.client, 4403), (net.host, 53), b"options");
        let mut packet = [&plain[..20], &[1, 1, 1, 1], &plain[20..]].concat();
        packet[0] = 0x46;
        mend(&mut packet);
        vec![packet]
    })
    .ipv4(),
    inside("a wrong UDP checksum", |net, _| {
        let mut packet = udp((net.client, 4404), (net.host, 53), b"wrong");
        let at = packet.len() - 1;
        packet[at] ^= 1;
        assert!(!crate::packets::is_sound(&packet) && word(&packet, 0) != 0 && is_v4(&packet) == net.is_v4());
        vec![packet]
    }),
];
