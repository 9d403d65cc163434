//! Asking over UDP.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use adit::Transport;
use adit::client::{Answer, Probe};
use adit::wrap::WrapKeys;

use super::{Outcome, Service, random_session_id};
use crate::clock::Clock;
use crate::errors::cause;
use crate::socket::any_address;
use crate::sys::report_icmp;

/// Sends resets until there is an answer or the probe is over. Says also how many were sent.
pub(super) fn ask(address: SocketAddr, keys: &WrapKeys, clock: Clock) -> (Outcome, u32) {
    let mut probe = Probe::new(clock.now(), keys.clone(), Transport::Udp, random_session_id());
    let outcome = match talk(address, &mut probe, clock) {
        Ok(()) => match probe.answer() {
            Some(Answer::Server(server)) => {
                Outcome::Answered { protection_fits: server.protection_fits, cookie: server.cookie }
            }
            Some(Answer::Unreadable) => Outcome::Other(Service::Unreadable),
            Some(Answer::Foreign) => Outcome::Other(Service::Unknown),
            None => Outcome::Silent,
        },
        Err(error) => failed(&error),
    };
    (outcome, probe.resets())
}

/// What the system says instead of an answer: what a router or the machine has told by ICMP, or its own reasons.
pub(super) fn failed(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused,
        _ => Outcome::Unreachable(cause(error)),
    }
}

fn talk(address: SocketAddr, probe: &mut Probe, clock: Clock) -> io::Result<()> {
    let family = Some(crate::resolve::family_of(address));
    let socket = UdpSocket::bind(any_address(family, 0))?;
    socket.connect(address)?;
    // Without it the kernel keeps to itself what routers tell of a host or network that they cannot reach.
    report_icmp(socket.as_fd(), address.is_ipv6())?;
    let mut buffer = [0; 2048];
    loop {
        let now = clock.now();
        if probe.is_over(now) {
            return Ok(());
        }
        if let Some(len) = probe.poll_transmit(now, clock.unix(), &mut buffer) {
            socket.send(&buffer[..len])?;
            continue;
        }
        let wait = probe.next_timeout() - now;
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv(&mut buffer) {
            Ok(len) => probe.handle_packet(clock.now(), &mut buffer[..len]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                // The server was there a moment ago.
                _ if probe.answer().is_some() => return Ok(()),
                _ => return Err(error),
            },
        }
    }
}
