//! The LAN port: a server that is a host of its own on a LAN, without a TUN device, a route or a sysctl; and a stock client
//! that works there, behind the server's address.

#![allow(unreachable_pub, reason = "the lab is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lab;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::{fs, thread};

use lab::network::{Namespace, cable};
use lab::pki::{Keys, Pki};
use lab::place::{Place, UP, client_text};
use lab::process::Process;
use lab::program::Program::{Adit, Stock};
use lab::{PATIENCE, run, run_unchecked, wait_until};
use rustix::process::Signal;

/// The server's address on the LAN, the bastion's, and one that the server's kernel has.
const OURS: &str = "10.0.1.3";
const BASTION: &str = "10.0.2.2";
const KERNEL: &str = "10.0.1.2";

/// A LAN of three: the server's `lan0`, the bastion, and the switch between them.
struct Lan {
    place: Place,
    bastion: Namespace,
    _switch: Namespace,
}

impl Lan {
    fn new(test: &str) -> Self {
        let place = Place::new(test);
        let (switch, bastion) = (Namespace::new("switch"), Namespace::new("bastion"));
        let server = place.network.server.name();
        run("ip", &["-n", switch.name(), "link", "add", "br0", "type", "bridge", "forward_delay", "0"]);
        run("ip", &["-n", switch.name(), "link", "set", "br0", "up"]);
        for (namespace, device, port) in
            [(&place.network.server, "lan0", "port1"), (&bastion, "eth0", "port2")]
        {
            cable((namespace, device), (&switch, port));
            run("ip", &["-n", switch.name(), "link", "set", port, "master", "br0"]);
        }
        run("ip", &["-n", server, "address", "add", &format!("{KERNEL}/16"), "dev", "lan0"]);
        run("ip", &["-n", bastion.name(), "address", "add", &format!("{BASTION}/16"), "dev", "eth0"]);
        Self { place, bastion, _switch: switch }
    }

    fn server(&self, more: &str) -> Process {
        let pki = Pki::easy_rsa(Keys::Ec).directives("server");
        let text = format!(
            "dev null\ntopology subnet\nserver 10.8.0.0 255.255.255.0\ndh none\nverb 4\nkeepalive 10 60\n\
             push \"route 10.0.0.0 255.255.0.0\"\nlan-port lan0 {OURS}/16\nnat masquerade\n{pki}{more}"
        );
        self.place.up_at_server(Adit, "server", &text)
    }

    fn client(&self) -> Process {
        self.place.up_at_client(Stock, "client", &client_text("remote 192.0.2.1\n"))
    }

    fn pings(&self) {
        let args =
            ["netns", "exec", self.place.network.client.name(), "ping", "-q", "-c", "1", "-W", "1", BASTION];
        let answered = || run_unchecked("ip", &args).status.success();
        assert!(wait_until(PATIENCE, answered), "the bastion does not answer");
    }

    /// Whether the bastion gets an answer from that address.
    fn is_there(&self, address: &str) -> bool {
        let args = ["netns", "exec", self.bastion.name(), "ping", "-q", "-c", "1", "-W", "1", address];
        run_unchecked("ip", &args).status.success()
    }
}

/// Serves `body` to one who asks, and takes what one sends; whom that came from, and what.
fn web(listener: &TcpListener, body: &[u8]) -> (SocketAddr, Vec<u8>) {
    let (mut stream, from) = listener.accept().unwrap();
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let length = |head: &str| {
        let of = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned);
        head.lines().find_map(of).map_or(0, |number| number.trim().parse::<usize>().unwrap())
    };
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the client breaks off");
        seen.extend(&buffer[..count]);
        let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&seen[..end]).into_owned();
        if seen.len() >= end + 4 + length(&head) {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
                .unwrap();
            stream.write_all(body).unwrap();
            return (from, seen.split_off(end + 4));
        }
    }
}

#[test]
fn a_stock_client_works_on_the_lan_and_nobody_was_reconfigured() {
    let lan = Lan::new("LAN port");
    let mut server = lan.server("");
    server.expect_line("LAN port lan0 opened", PATIENCE);
    let mut client = lan.client();
    client.expect_line(UP, PATIENCE);
    lan.pings();

    // 10 MB each way: super-packets from the bastion, whose card is none.
    let bytes: Vec<u8> = (0..10_u32 << 20).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect();
    let (sent, got) = (lan.place.folder.write("sent", &bytes), lan.place.folder.path().join("got"));
    let listener = lan.bastion.inside(|| TcpListener::bind((BASTION, 80)).unwrap());
    let (from, uploaded) = thread::scope(|scope| {
        let server = scope.spawn(|| web(&listener, &bytes));
        lan.place.network.client.run(
            "curl",
            &[
                "-sS",
                "-m",
                "60",
                "-H",
                "Expect:",
                "-T",
                sent.to_str().unwrap(),
                "-o",
                got.to_str().unwrap(),
                &format!("http://{BASTION}/x"),
            ],
        );
        server.join().unwrap()
    });
    assert_eq!(from.ip().to_string(), OURS, "what the bastion sees");
    assert!(uploaded == bytes, "{} bytes arrived", uploaded.len());
    assert!(fs::read(got).unwrap() == bytes);

    // Without a route, forwarding, or a packet filter anywhere.
    let server = &lan.place.network.server;
    assert_eq!(server.run("cat", &["/proc/sys/net/ipv4/conf/lan0/forwarding"]).trim(), "0");
    assert!(!server.run("ip", &["link"]).contains("tun"));
    assert!(!server.run("ip", &["route"]).contains("10.8."));
    assert!(!lan.bastion.run("ip", &["route"]).contains("10.8."));
    client.signal(Signal::TERM);
    client.expect_exit(PATIENCE);
}

#[test]
fn it_answers_for_its_own_address_only_and_leaves_the_kernel_its() {
    let lan = Lan::new("LAN port, ARP");
    let _server = lan.server("");
    let _client = lan.client();
    lan.pings();
    assert!(lan.is_there(KERNEL));
    for nobody in ["10.0.1.4", "10.0.9.9", "10.0.8.2"] {
        assert!(!lan.is_there(nobody), "{nobody}");
    }
    let mac = lan.place.network.server.run("cat", &["/sys/class/net/lan0/address"]);
    let known = lan.bastion.run("ip", &["neighbour", "show", "dev", "eth0"]);
    let at_server: Vec<&str> = known
        .lines()
        .filter(|line| line.contains(mac.trim()) && !line.starts_with("fe80"))
        .filter_map(|line| line.split_ascii_whitespace().next())
        .collect();
    let mut sorted = at_server.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [KERNEL, OURS], "{known}");
}

#[test]
fn it_outlives_its_device_going_down_and_the_loss_of_root() {
    let lan = Lan::new("LAN port, down and up");
    let mut server = lan.server("user nobody\ngroup nogroup\npersist-key\npersist-tun\n");
    server.expect_line("CAP_NET_RAW", PATIENCE);
    let mut client = lan.client();
    lan.pings();
    let device = |state| run("ip", &["-n", lan.place.network.server.name(), "link", "set", "lan0", state]);
    device("down");
    server.expect_line("lan-port lan0: the device is down", PATIENCE);
    device("up");
    server.expect_line("lan-port lan0: the device is up", PATIENCE);
    lan.pings();
    // Opened anew, without root.
    let opened = server.count("LAN port lan0 opened");
    server.signal(Signal::USR1);
    assert!(wait_until(PATIENCE, || server.count("LAN port lan0 opened") > opened), "{}", server.log());
    client.signal(Signal::USR1);
    client.expect_line("SIGUSR1", PATIENCE);
    lan.pings();
}

#[test]
fn who_has_our_address_already_is_named() {
    let lan = Lan::new("LAN port, conflicts");
    lan.bastion.run("ip", &["address", "add", &format!("{OURS}/16"), "dev", "eth0"]);
    let mac = lan.bastion.run("cat", &["/sys/class/net/eth0/address"]);
    let mut server = lan.server("");
    server.expect_line(&format!("LAN: {} has {OURS} as well; it is not used", mac.trim()), PATIENCE);
    drop(server);
    // The kernel beside, on any device.
    lan.place.network.server.run("ip", &["address", "add", &format!("{OURS}/32"), "dev", "lo"]);
    let pki = Pki::easy_rsa(Keys::Ec).directives("server");
    let text = format!("dev null\nserver 10.8.0.0 255.255.255.0\ndh none\nlan-port lan0 {OURS}/16\n{pki}");
    let mut server = lan.place.start_at_server(Adit, "second", &text);
    assert_eq!(server.expect_exit(Duration::from_secs(10)).code(), Some(1));
    let told = format!("lan-port lan0: {OURS} is already an address of this machine, on lo");
    assert!(server.log().contains(&told), "{}", server.log());
}
