//! Against the kernel: as the host on the LAN behind a veth pair, offloads and all, and as the client behind a TUN device.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use adit::config::{Nat, RouterConfig};
use adit::router::{ClientSetup, Forward, Router, RouterSetup, Zone};
use adit::{HEADROOM, Instant, Limits, PacketBuf};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::*;
use crate::poller::{Poller, Source};
use crate::sys;
use crate::tun::Tun;

const CLIENT: PeerId = PeerId::SERVER;
const OURS: &str = "10.0.1.3";

/// The LAN: a network namespace, held by a process.
struct Place(Child);

impl Place {
    /// One that `eth0` leads to, as `lan0` is called at the other end, in the namespace of the calling thread.
    fn new() -> Self {
        let holder =
            Command::new("unshare").args(["-n", "sleep", "300"]).stdin(Stdio::null()).spawn().unwrap();
        let place = Self(holder);
        // Until it is in its own namespace.
        let ours = fs::read_link("/proc/thread-self/ns/net").unwrap();
        while fs::read_link(format!("/proc/{}/ns/net", place.0.id())).unwrap() == ours {
            std::thread::yield_now();
        }
        place.connect();
        place
    }

    fn connect(&self) {
        let id = self.0.id();
        run(&format!("ip link add lan0 type veth peer name eth0 netns {id}"));
        run("ip link set lan0 up");
        self.run("ip link set lo up");
        self.run("ip link set eth0 up");
        self.run("ip address add 10.0.2.2/16 dev eth0");
        self.run("ip address add fd00:1::2:2/64 dev eth0 nodad");
        self.run("ip route add 10.8.0.0/16 via 10.0.1.3");
        self.run("ip route add fd00:8::/64 via fd00:1::3");
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n"]).args(line.split(' '));
        command
    }

    fn run(&self, line: &str) {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn text(&self, line: &str) -> String {
        String::from_utf8(self.command(line).output().unwrap().stdout).unwrap()
    }

    /// A thread there.
    fn spawn<T: Send + 'static>(&self, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let namespace = fs::File::open(format!("/proc/{}/ns/net", self.0.id())).unwrap();
        std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            body()
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `body` in a network namespace of its own. Needs root, as the host does.
fn in_namespace(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        sys::tests::unshare_network();
        run("ip link set lo up");
        body();
    });
    thread.join().unwrap();
}

fn config() -> RouterConfig {
    let lan = LanConfig {
        device: "lan0".to_owned(),
        addresses: vec![(OURS.parse().unwrap(), 16), ("fd00:1::3".parse().unwrap(), 64)],
        gateways: vec![],
    };
    let mut config = RouterConfig::default();
    config.lan = Some(lan);
    config
}

fn open(config: &RouterConfig, log: &Log) -> Result<Lan, String> {
    Lan::open(config, config.lan.as_ref().unwrap(), log)
}

/// A router between the LAN and one client, which is the kernel behind a TUN device; in a thread of its own.
struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    largest_frame: usize,
    lost: u64,
}

impl Running {
    fn new() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let log = Log::silent();
            let config = config();
            let mut lan = open(&config, &log).unwrap();
            let mut tun = Tun::open("client").unwrap();
            for line in [
                "ip link set client up",
                "ip address add 10.8.0.2/32 dev client",
                "ip address add fd00:8::2/128 dev client nodad",
                "ip route add 10.0.0.0/16 dev client src 10.8.0.2",
                "ip route add fd00:1::/64 dev client src fd00:8::2",
            ] {
                run(line);
            }
            let setup = RouterSetup {
                networks: vec![
                    IpNetwork::containing("10.8.0.0".parse().unwrap(), 16),
                    IpNetwork::containing("fd00:8::".parse().unwrap(), 64),
                ],
                lan: Some(lan.link()),
                ..RouterSetup::default()
            };
            let start = std::time::Instant::now();
            let now = || Instant::from_nanos(start.elapsed().as_nanos() as u64);
            let mut router = Router::new(config, setup, &Limits::ROUTER, [7; 32], now());
            let addresses: [IpAddr; 2] = ["10.8.0.2".parse().unwrap(), "fd00:8::2".parse().unwrap()];
            let client = ClientSetup {
                identity: "client1".to_owned(),
                networks: addresses.map(IpNetwork::from).to_vec(),
                mtu: 1500,
                limits: None,
            };
            router.client_up(now(), CLIENT, client);
            lan.listen(router.lan_interests()).unwrap();
            let mut poller = Poller::new().unwrap();
            poller.add(&tun, Source::Tun, false).unwrap();
            poller.add(lan.frames(), Source::Lan, false).unwrap();
            poller.add(lan.news(), Source::LanNews, false).unwrap();
            tell.send(()).unwrap();
            const SLOT: usize = 2048;
            let mut slab = vec![0; 64 * SLOT];
            let free = || (0..64).map(|at| Packet::free(at * SLOT..(at + 1) * SLOT)).collect::<Vec<_>>();
            while !stopped.load(Ordering::Relaxed) {
                poller.wait(Some(Duration::from_millis(5)), &mut Vec::new()).unwrap();
                if let Some(link) = lan.read_news(&log) {
                    router.set_lan_link(now(), link);
                }
                for zone in [Zone::Peer(CLIENT), Zone::Lan] {
                    loop {
                        let mut packets = free();
                        let count = match zone {
                            Zone::Lan => lan.read(&mut slab, &mut packets),
                            _ => tun.read(1500, &mut slab, &mut packets).unwrap(),
                        };
                        for packet in &mut packets[..count] {
                            let mut buf = packet.window(&mut slab).unwrap();
                            let forward = router.forward(now(), zone, &mut buf);
                            let to = match forward {
                                Forward::To(to) => Some(to),
                                Forward::Reply => Some(zone),
                                Forward::Consumed | Forward::Drop(_) => None,
                            };
                            let window = buf.window();
                            packet.set_window(window);
                            go(&mut lan, &mut tun, &slab, packet, to);
                        }
                        if count < packets.len() {
                            break;
                        }
                    }
                }
                router.handle_timeout(now());
                loop {
                    let mut packet = Packet::free(0..SLOT);
                    let mut buf = PacketBuf::new(&mut slab[..SLOT], HEADROOM..HEADROOM).unwrap();
                    let Some(to) = router.poll_output(now(), &mut buf) else { break };
                    packet.set_window(buf.window());
                    go(&mut lan, &mut tun, &slab, &packet, Some(to));
                }
            }
            Seen { largest_frame: lan.frames.largest(), lost: lan.lost }
        });
        told.recv().unwrap();
        Self { stop, thread: Some(thread) }
    }

    fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn go(lan: &mut Lan, tun: &mut Tun, slab: &[u8], packet: &Packet, to: Option<Zone>) {
    match to {
        Some(Zone::Lan) => lan.write(slab, std::iter::once(packet)),
        // IPv6 has the kernel greet its router; that is dropped before.
        Some(_) => assert!(tun.write(&slab[packet.range()])),
        None => {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_kernel_on_the_lan_pings_a_client_and_finds_us_for_our_addresses_only() {
    in_namespace(|| {
        let place = Place::new();
        let running = Running::new();
        for client in ["10.8.0.2", "fd00:8::2"] {
            place.run(&format!("ping -q -c 3 -i 0.2 -w 20 {client}"));
        }
        run("ping -q -c 3 -i 0.2 -w 20 10.0.2.2");
        run("ping -q -c 3 -i 0.2 -w 20 fd00:1::2:2");
        // Addresses of nobody, of the client, of the client's other family.
        for other in ["10.0.1.4", "10.0.8.2", "fd00:1::4"] {
            assert!(!place.command(&format!("ping -q -c 1 -W 1 {other}")).output().unwrap().status.success());
        }
        let neighbours = place.text("ip neigh show dev eth0");
        for line in neighbours.lines() {
            let ours = line.starts_with("10.0.1.3 ") || line.starts_with("fd00:1::3 ");
            // The kernel answers for its own link-local address.
            let kernels = line.starts_with("fe80:");
            assert!(ours == line.contains("lladdr") || kernels, "{neighbours}");
        }
        assert!(neighbours.contains("10.0.1.3 lladdr"), "{neighbours}");
        assert_eq!(running.stop().lost, 0);
    });
}

/// 10 MB each way, with segmentation and checksums left to a network card that is none.
#[test]
fn super_packets_and_partial_checksums_arrive_whole() {
    const BYTES: usize = 10 << 20;
    fn pattern(at: usize) -> u8 {
        (at ^ at >> 8 ^ at >> 16) as u8
    }
    fn receive(stream: &mut TcpStream) {
        let (mut at, mut buffer) = (0, vec![0; 1 << 16]);
        while at < BYTES {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "an end at {at}");
            for byte in &buffer[..count] {
                assert_eq!(*byte, pattern(at));
                at += 1;
            }
        }
    }
    fn send(stream: &mut TcpStream) {
        let data: Vec<u8> = (0..BYTES).map(pattern).collect();
        stream.write_all(&data).unwrap();
    }
    in_namespace(|| {
        let place = Place::new();
        let running = Running::new();
        for host in ["10.0.2.2", "fd00:1::2:2"] {
            let address = SocketAddr::new(host.parse().unwrap(), 0);
            let (tell, told) = std::sync::mpsc::channel();
            let server = place.spawn(move || {
                let listener = TcpListener::bind(address).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                receive(&mut stream);
                send(&mut stream);
            });
            let mut stream = TcpStream::connect(told.recv().unwrap()).unwrap();
            send(&mut stream);
            receive(&mut stream);
            server.join().unwrap();
        }
        let seen = running.stop();
        assert!(seen.largest_frame > 10_000, "no super-packets: {seen:?}");
    });
}

#[test]
fn a_device_that_goes_down_or_away_comes_back() {
    in_namespace(|| {
        let place = Place::new();
        let running = Running::new();
        let ping = "ping -q -c 1 -i 0.2 -w 20 10.8.0.2";
        place.run(ping);
        run("ip link set lan0 down");
        assert!(!place.command("ping -q -c 1 -W 1 10.8.0.2").output().unwrap().status.success());
        run("ip link set lan0 up");
        place.run(ping);
        // Another device of that name, with another hardware address.
        run("ip link del lan0");
        place.connect();
        place.run(ping);
        run("ping -q -c 1 -w 20 10.0.2.2");
        drop(running);
    });
}

#[test]
fn what_stands_in_the_way_is_told() {
    in_namespace(|| {
        let log = Log::silent();
        log.set_verb(3);
        log.keep(10);
        let mut config = config();
        let error = |config: &RouterConfig| open(config, &log).err().unwrap_or_default();
        let told = error(&config);
        assert!(told.starts_with("lan-port lan0: there is no such device"), "{told}");
        config.lan.as_mut().unwrap().device = "lo".to_owned();
        let told = error(&config);
        assert!(told.starts_with("lan-port lo: the device is no Ethernet device"), "{told}");

        config.lan.as_mut().unwrap().device = "lan0".to_owned();
        run("ip link add lan0 type veth peer name other");
        assert_eq!(error(&config), "");
        let warned = |text: &str| log.history().last(10).any(|line| line.contains(text));
        assert!(warned("lan-port lan0: the device is down"));
        assert!(!warned("the kernel forwards"));
        run("ip link set lan0 up");
        // On whatever device: it would answer on all of them.
        config.nat = Nat::Identity(vec!["10.0.1.200".parse().unwrap()..="10.0.1.220".parse().unwrap()]);
        for address in ["10.0.1.3/16", "10.0.1.207/32", "fd00:1::3/64"] {
            run(&format!("ip address add {address} dev other"));
            let told = error(&config);
            let (bare, _) = address.split_once('/').unwrap();
            assert!(told.starts_with(&format!(
                "lan-port lan0: {bare} is already an address of this machine, on other"
            )));
            assert!(told.contains(&format!("ip address del {address} dev other")), "{told}");
            run(&format!("ip address del {address} dev other"));
        }
        run("ip address add 10.0.1.4/16 dev lan0");
        fs::write("/proc/sys/net/ipv4/conf/lan0/forwarding", "1").unwrap();
        assert_eq!(error(&config), "");
        assert!(warned("the kernel forwards IPv4 on lan0"));
        assert!(warned("sysctl -w net.ipv4.conf.lan0.forwarding=0"));
        assert!(!warned("IPv6"));
    });
}
