//! `client-nat`: networks translated one to one, by the packet alone.

use alloc::vec::Vec;

use crate::config::{Ipv4Network, Netmap, RouterConfig};
use crate::router::packet::tcp_flags::SYN;
use crate::router::testing::{A, B, NOW, assert_checksums, end, ends, packet, pass, ping, router, tcp, udp};
use crate::router::{Netmaps, Zone};

fn netmap(source: bool, network: &str, prefix: u8, alias: &str) -> Netmap {
    let address = network.parse().expect("an address");
    Netmap { source, network: Ipv4Network { address, prefix }, alias: alias.parse().expect("an address") }
}

fn both(netmaps: &Netmaps, packet: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut into, mut out) = (packet.to_vec(), packet.to_vec());
    netmaps.into_tunnel(&mut into);
    netmaps.out_of_tunnel(&mut out);
    (into, out)
}

/// As OpenVPN 2.6's manual has it: `snat` is for the LAN behind the one who has the option, `dnat` for what it reaches
/// beyond the tunnel.
#[test]
fn snat_is_about_this_side_and_dnat_about_the_other() {
    let netmaps = Netmaps::new(&[
        netmap(true, "192.168.0.0", 16, "10.64.0.0"),
        netmap(false, "10.0.0.0", 24, "172.16.5.0"),
    ]);
    let packets: [fn(&str, &str) -> Vec<u8>; 4] = [
        |source, destination| udp((source, 1), (destination, 2), b"data"),
        |source, destination| tcp((source, 1), (destination, 2), SYN, b"odd"),
        |source, destination| ping(source, destination, 1, 1),
        |source, destination| packet(source, destination, 50, b"sealed"),
    ];
    for make in packets {
        let (into, _) = both(&netmaps, &make("192.168.7.9", "10.0.0.5"));
        assert_eq!(into, make("10.64.7.9", "172.16.5.5"));
        let (_, out) = both(&netmaps, &make("172.16.5.5", "10.64.7.9"));
        assert_eq!(out, make("10.0.0.5", "192.168.7.9"));
        // What fits nothing stays.
        let other = make("172.20.0.1", "172.21.0.1");
        assert_eq!(both(&netmaps, &other), (other.clone(), other));
    }
}

#[test]
fn the_first_that_fits_counts_and_each_address_changes_once() {
    let netmaps =
        Netmaps::new(&[netmap(true, "10.1.0.0", 16, "10.2.0.0"), netmap(true, "10.2.0.0", 16, "10.3.0.0")]);
    let (into, _) = both(&netmaps, &udp(("10.1.0.1", 1), ("192.0.2.1", 2), b""));
    assert_eq!(ends(&into).0, end("10.2.0.1", 1));
    assert_checksums(&into);
}

/// A UDP packet without a checksum keeps none, and a later fragment has none to change.
#[test]
fn what_has_no_checksum_gets_none() {
    let netmaps = Netmaps::new(&[netmap(true, "10.1.0.0", 16, "10.2.0.0")]);
    let mut without = udp(("10.1.0.1", 1), ("192.0.2.1", 2), b"data");
    without[26..28].fill(0);
    let (into, _) = both(&netmaps, &without);
    assert_eq!(into[26..28], [0, 0]);
    let mut later = without.clone();
    (later[6], later[7]) = (0, 4);
    let (into, _) = both(&netmaps, &later);
    assert_eq!(into[20..], later[20..]);
}

/// An error about what went the other way names what its receiver knows.
#[test]
fn what_an_error_quotes_is_translated_too() {
    let netmaps = Netmaps::new(&[netmap(true, "192.168.0.0", 16, "10.64.0.0")]);
    let error = |source: &str, destination: &str, quoted: &[u8]| {
        packet(source, destination, 1, &[&[3, 4, 0, 0, 0, 0, 5, 0x78], quoted].concat())
    };
    let sent = |source: &str| udp((source, 1), ("192.0.2.1", 2), b"data");
    let (_, out) = both(&netmaps, &error("203.0.113.1", "10.64.7.9", &sent("10.64.7.9")));
    assert_eq!(out, error("203.0.113.1", "192.168.7.9", &sent("192.168.7.9")));
    assert_checksums(&out);
    // From this side, about what came out of the tunnel.
    let came = |destination: &str| udp(("192.0.2.1", 2), (destination, 1), b"data");
    let (into, _) = both(&netmaps, &error("192.168.7.9", "192.0.2.1", &came("192.168.7.9")));
    assert_eq!(into, error("10.64.7.9", "192.0.2.1", &came("10.64.7.9")));
}

#[test]
fn any_bytes_are_survived() {
    let netmaps =
        Netmaps::new(&[netmap(true, "0.0.0.0", 1, "128.0.0.0"), netmap(false, "0.0.0.0", 0, "0.0.0.0")]);
    let whole = packet(
        "10.1.0.1",
        "10.2.0.1",
        1,
        &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &udp(("1.1.1.1", 1), ("2.2.2.2", 2), b"abc")].concat(),
    );
    for len in 0..whole.len() {
        for first in [0x45, 0x40, 0x4F, 0x65] {
            let mut cut = whole[..len].to_vec();
            if let Some(byte) = cut.first_mut() {
                *byte = first;
            }
            let _ = both(&netmaps, &cut);
        }
    }
}

/// In the router, on its side of the tunnel: with flows and without.
#[test]
fn the_router_translates_what_comes_out_of_tunnels_and_goes_into_them() {
    let netmaps = alloc::vec![netmap(false, "10.8.0.0", 24, "192.168.1.0")];
    for log_flows in [false, true] {
        let config = RouterConfig { netmaps: netmaps.clone(), log_flows, ..RouterConfig::default() };
        let mut router = router(config, 2);
        // The client knows itself and the other by the aliases.
        let sent =
            pass(&mut router, NOW, A, Zone::Host, &udp(("192.168.1.2", 1), ("198.51.100.7", 2), b"data"));
        assert_eq!(sent, (end("10.8.0.2", 1), end("198.51.100.7", 2)));
        let back = pass(&mut router, NOW, Zone::Host, A, &udp(("198.51.100.7", 2), ("10.8.0.2", 1), b"data"));
        assert_eq!(back, (end("198.51.100.7", 2), end("192.168.1.2", 1)));
        let mut over = ping("192.168.1.2", "10.8.0.3", 7, 1);
        let sent = pass(&mut router, NOW, A, B, &over);
        assert_eq!(sent, (end("10.8.0.2", 7), end("192.168.1.3", 0)));
        over.truncate(10);
        let _ = crate::router::testing::send(&mut router, NOW, A, &over);
    }
}
