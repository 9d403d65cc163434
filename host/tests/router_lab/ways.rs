//! Ways through the router that other programs of the lab do not take: hops, narrow links, large datagrams, port forwards.

use core::net::{IpAddr, SocketAddr};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use crate::lab::network::{Namespace, cable};
use crate::lab::process::Process;
use crate::lab::program::unpacked;
use crate::lab::traffic::ping;
use crate::lab::{PATIENCE, run, wait_until};
use crate::site::{BASTION, OURS, Site, example, plug};

/// Behind the LAN: a router of its own, and a host beyond a link that is narrow.
const INNER: &str = "10.0.9.1";
const FAR: &str = "10.5.0.2";
const NARROW: &str = "1300";

impl Site {
    /// From the LAN, and from another client, to a server at client1.
    pub fn port_forward_works(&self, clients: &[Process]) {
        assert!(clients.len() >= 3);
        let listener = self.client(1).inside(|| TcpListener::bind("0.0.0.0:443")).unwrap();
        let url = format!("http://{OURS}:8443/");
        let words = ["curl", "-sS", "-m", "20", &url];
        thread::scope(|scope| {
            let served = scope.spawn(|| [answer(&listener), answer(&listener)]);
            assert_eq!(self.bastion.host.run(words[0], &words[1..]), "here");
            let (well, said) = self.at_client(3, &words);
            assert!(well && said == "here", "{said}");
            let [from_lan, from_client] = served.join().unwrap();
            assert_eq!(from_lan.to_string(), BASTION);
            // The address that was asked is none that `nat` hands out, so that client3 keeps its own.
            let own = self.client(3).run("ip", &["-4", "-oneline", "address", "show", "dev", "tun0"]);
            assert!(own.contains(&format!("inet {from_client}/")), "{from_client}: {own}");
        });
    }

    /// The gateway answers, and shows where the tunnel ends.
    pub fn the_gateway_is_a_hop(&self) {
        ping(self.client(1), "10.8.0.1");
        ping(self.client(2), "10.8.0.1");
        assert_eq!(self.hops(1, &["-I"], BASTION), ["10.8.0.1", BASTION]);
    }

    /// Who answers `traceroute` at each hop.
    fn hops(&self, client: usize, kind: &[&str], to: &str) -> Vec<String> {
        let program = unpacked("traceroute") + "/usr/bin/traceroute.db";
        let words = [&[program.as_str(), "-n", "-q", "1", "-w", "3", "-m", "5"][..], kind, &[to]].concat();
        let (well, said) = self.at_client(client, &words);
        assert!(well, "{said}");
        let lines = said.lines().skip(1);
        lines.filter_map(|line| line.split_ascii_whitespace().nth(1).map(str::to_owned)).collect()
    }
}

/// Serves one request; whom it came from.
fn answer(listener: &TcpListener) -> IpAddr {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    assert!(wait_until(PATIENCE, || {
        accepted = listener.accept().ok();
        accepted.is_some()
    }));
    let (mut stream, from) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0);
        request.extend(&buffer[..count]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere").unwrap();
    from.ip()
}

/// Sends a datagram of that size to an echoing socket, and gets it back; from where the echo's socket saw it come.
fn echo(at: (&Namespace, &str), from: &Namespace, to: SocketAddr, size: usize) -> IpAddr {
    let bind = |namespace: &Namespace, address: &str| {
        let socket = namespace.inside(|| UdpSocket::bind(address)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    };
    let (responder, sender) = (bind(at.0, at.1), bind(from, "0.0.0.0:0"));
    let bytes: Vec<u8> = (0..size).map(|at| (at ^ at >> 8) as u8).collect();
    let mut buffer = vec![0; size + 1];
    sender.send_to(&bytes, to).unwrap();
    let (length, seen) = responder.recv_from(&mut buffer).unwrap();
    assert!(buffer[..length] == bytes, "{length} bytes arrived");
    responder.send_to(&bytes, seen).unwrap();
    let (length, back) = sender.recv_from(&mut buffer).unwrap();
    assert!(buffer[..length] == bytes, "{length} bytes came back");
    assert_eq!(back, to);
    seen.ip()
}

/// Two hops behind the router, over a narrow link.
pub fn all_kinds_of_packets_find_their_way(name: &str) {
    let site = Site::within(name, 1);
    let (inner, far) = (Namespace::new("inner"), Namespace::new("far"));
    plug(&site.switch, "port3", &inner, "eth0");
    cable((&inner, "eth1"), (&far, "eth0"));
    for (host, device, address) in
        [(&inner, "eth0", "10.0.9.1/16"), (&inner, "eth1", "10.5.0.1/24"), (&far, "eth0", "10.5.0.2/24")]
    {
        run("ip", &["-n", host.name(), "address", "add", address, "dev", device]);
    }
    for (host, device) in [(&inner, "eth1"), (&far, "eth0")] {
        run("ip", &["-n", host.name(), "link", "set", device, "mtu", NARROW]);
    }
    // These two are other people's machines.
    inner.run("sh", &["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
    run("ip", &["-n", far.name(), "route", "add", "default", "via", "10.5.0.1"]);

    let text = example().replace("nat identity 10.0.1.200-10.0.1.220", "nat masquerade");
    let text = format!(
        "{text}push \"route 10.5.0.0 255.255.255.0\"\nlan-gateway {INNER}\nallow all 10.5.0.0/24\n\
         allow all 10.0.0.0/16 udp\nport-forward udp {OURS} 5000 client1 5000\n"
    );
    let server = site.serve(&text);
    let clients = site.connect_all();

    // What waits for an address on the LAN is eight packets at most, and traceroute sends more at once.
    ping(site.client(1), FAR);

    // Each hop says that it is one.
    assert_eq!(site.hops(1, &[], FAR), ["10.8.0.1", INNER, FAR]);
    let tracepath = unpacked("traceroute") + "/usr/bin/tracepath";
    let (well, said) = site.at_client(1, &[&tracepath, "-n", "-m", "5", FAR]);
    assert!(well && said.contains("10.8.0.1") && said.contains(&format!("{FAR} ")), "{said}");
    assert!(said.contains(&format!("Resume: pmtu {NARROW} hops 3 back 3")), "{said}");

    // Datagrams in fragments, which on the way to the far host are cut once more.
    let at = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
    let bastion = &site.bastion.host;
    let seen = echo((bastion, "10.0.2.2:7000"), site.client(1), at(BASTION, 7000), 5000);
    assert_eq!(seen.to_string(), OURS);
    let seen = echo((&far, "10.5.0.2:7000"), site.client(1), at(FAR, 7000), 5000);
    assert_eq!(seen.to_string(), OURS);
    let seen = echo((site.client(1), "0.0.0.0:5000"), bastion, at(OURS, 5000), 5000);
    assert_eq!(seen.to_string(), BASTION);
    drop((server, clients));
}
