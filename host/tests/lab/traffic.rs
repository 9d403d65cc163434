//! Traffic through a tunnel: pings, iperf3 flows, and numbered echoes that miss nothing.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::PATIENCE;
use super::network::Namespace;
use super::process::Process;

/// Three pings from `from`; all must be answered.
pub fn ping(from: &Namespace, address: &str) {
    let report = from.run("ping", &["-n", "-c", "3", "-i", "0.2", "-W", "3", address]);
    assert!(report.contains(" 0% packet loss"), "{report}");
}

/// Bits per second that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// From the client's end to the server's.
    pub up: f64,
    /// From the server's end to the client's.
    pub down: f64,
}

/// One TCP flow in each direction, one after the other, for a second each.
pub fn iperf(server: &Namespace, client: &Namespace, address: &str, folder: &Path) -> Rates {
    let flow = |direction: &[&str]| {
        // A listener for each: between two tests it refuses connections for a moment.
        let mut listener = Process::start(server, folder, "iperf3", "iperf3", &["-s", "-1", "--forceflush"]);
        listener.expect_line("Server listening", PATIENCE);
        let report = client.run("iperf3", &[&["-c", address, "-t", "1", "-J"], direction].concat());
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
        let rate = rate.filter(|rate| *rate > 0.0).unwrap_or_else(|| panic!("nothing arrived: {report}"));
        listener.expect_exit(PATIENCE);
        rate
    };
    Rates { up: flow(&[]), down: flow(&["-R"]) }
}

/// What became of numbered datagrams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echoes {
    /// Numbers whose echo never came.
    pub missing: Vec<u32>,
    /// Echoes beyond the first of their number.
    pub duplicates: u32,
    /// Echoes whose content is not what was sent.
    pub corrupt: u32,
}

/// Sends `count` numbered datagrams, spread evenly over `during`, from `client` to an echoing socket in `server` at
/// `address`, and waits for the last of them.
pub fn echoes(
    server: &Namespace,
    client: &Namespace,
    address: SocketAddr,
    count: u32,
    during: Duration,
) -> Echoes {
    let responder = server.inside(|| UdpSocket::bind(address)).unwrap();
    responder.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let sender = client.inside(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
    sender.connect(address).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut datagram = [0; 2048];
            while !done.load(Ordering::Relaxed) {
                if let Ok((length, from)) = responder.recv_from(&mut datagram) {
                    let _ = responder.send_to(&datagram[..length], from);
                }
            }
        });
        let echoes = send_and_count(&sender, count, during);
        done.store(true, Ordering::Relaxed);
        echoes
    })
}

fn send_and_count(socket: &UdpSocket, count: u32, during: Duration) -> Echoes {
    let start = Instant::now();
    let mut seen = vec![0_u32; count as usize];
    let mut corrupt = 0;
    for number in 0..count {
        // A full send queue counts as a loss that the report then shows.
        let _ = socket.send(&datagram(number));
        receive_until(socket, start + during * (number + 1) / count, &mut seen, &mut corrupt, |_| false);
    }
    let late = Instant::now() + Duration::from_secs(3);
    receive_until(socket, late, &mut seen, &mut corrupt, |seen| seen.iter().all(|times| *times > 0));
    Echoes {
        missing: (0..count).filter(|number| seen[*number as usize] == 0).collect(),
        duplicates: seen.iter().map(|times| times.saturating_sub(1)).sum(),
        corrupt,
    }
}

fn receive_until(
    socket: &UdpSocket,
    end: Instant,
    seen: &mut [u32],
    corrupt: &mut u32,
    enough: impl Fn(&[u32]) -> bool,
) {
    let mut buffer = [0; 2048];
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok(length) = socket.recv(&mut buffer) else { continue };
        let number = buffer.first_chunk().map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes));
        match seen.get_mut(number as usize) {
            Some(times) if buffer[..length] == datagram(number) => *times += 1,
            _ => *corrupt += 1,
        }
        if enough(seen) {
            return;
        }
    }
}

/// The number, and more of it: lengths between 4 and 1200 bytes.
fn datagram(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(1 + number as usize % 300)
}
