//! [`End`]: an engine, its UDP socket, and the host behind it, in one loop. This is what an embedder writes.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use adit::{Endpoint, Event, Host, Instant, Port, UnixTime, Verdict};
use ring::rand::{SecureRandom, SystemRandom};

use crate::Result;
use crate::slots::Slots;
use crate::stack::Stack;

/// How long a loop with nothing to do sleeps at most.
const IDLE: Duration = Duration::from_secs(1);

/// One end of the tunnel.
pub struct End<E> {
    pub engine: E,
    pub stack: Stack,
    /// Inner packets that went into the tunnel here.
    pub sealed: u64,
    /// Inner packets that came out of the tunnel here.
    pub opened: u64,
    socket: UdpSocket,
    arrived: Slots,
    leaving: Slots,
    origin: std::time::Instant,
}

impl<E: Endpoint> End<E> {
    /// An end at the address `local`, whose engine is made by `make`.
    pub fn new(
        local: SocketAddr,
        make: impl FnOnce(Host, Instant) -> core::result::Result<E, adit::Error>,
    ) -> Result<Self> {
        let socket = UdpSocket::bind(local)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|error| format!("cannot bind a UDP socket to {local}: {error}"))?;
        let mut seed = [0; 8];
        random(&mut seed);
        Ok(Self {
            engine: make(Host::new(random, unix_time()), Instant::ZERO).map_err(|error| error.to_string())?,
            stack: Stack::new(u64::from_le_bytes(seed)),
            sealed: 0,
            opened: 0,
            socket,
            arrived: Slots::new(),
            leaving: Slots::new(),
            origin: monotonic(),
        })
    }

    /// Where the socket is bound.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().map_err(|error| format!("the UDP socket has no address: {error}"))
    }

    /// The time, as the engine wants it told.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(monotonic().duration_since(self.origin).as_nanos() as u64)
    }

    /// One turn of the loop.
    pub fn turn(&mut self, mut act: impl FnMut(&mut Self, Event)) -> Result<()> {
        let now = self.now();

        // 1. Outer packets in: the engine opens them where they lie.
        self.arrived.receive(&self.socket).map_err(broken)?;
        self.arrived.process(|batch| self.engine.handle_datagrams(now, batch));
        self.arrived.send(&self.socket);
        self.opened += self.arrived.count(Verdict::Deliver);
        let mut moved = self.arrived.len() > 0;

        // 2. Inner packets: the stack reads what was opened and writes what is to be sealed.
        loop {
            self.leaving.clear();
            self.stack.poll(now, &mut self.arrived, &mut self.leaving);
            if self.leaving.len() == 0 {
                break;
            }
            self.leaving.process(|batch| self.engine.handle_tunnel_packets(now, Port::Host, batch));
            self.leaving.send(&self.socket);
            self.sealed += self.leaving.count(Verdict::Transmit);
            moved = true;
        }

        // 3. Time.
        if self.engine.next_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.engine.handle_timeout(now);
        }

        // 4. What the engine itself has to send and to say, until there is nothing more.
        loop {
            self.transmit();
            let Some(event) = self.engine.poll_event() else { break };
            act(self, event);
        }

        // 5. Sleep, unless there may be more.
        if moved { Ok(()) } else { self.wait().map_err(broken) }
    }

    fn transmit(&mut self) {
        // An event's answer may have been given since the turn began, and time must not run backwards.
        let now = self.now();
        loop {
            self.leaving.clear();
            self.leaving.process(|batch| self.engine.poll_transmits(now, batch));
            self.leaving.send(&self.socket);
            if !self.leaving.is_full() {
                break;
            }
        }
    }

    /// Sleeps until a datagram comes or a timer is due.
    fn wait(&mut self) -> io::Result<()> {
        let now = self.now();
        let engine = self.engine.next_timeout().map(|deadline| deadline.at.since(now));
        let timers = engine.into_iter().chain(self.stack.poll_delay(now));
        let time = timers.fold(IDLE, Duration::min);
        if time.is_zero() {
            return Ok(());
        }
        self.socket.set_nonblocking(false)?;
        self.socket.set_read_timeout(Some(time))?;
        // Which of the two it was, the next turn sees.
        let _ = self.socket.peek_from(&mut [0]);
        self.socket.set_nonblocking(true)
    }
}

fn broken(error: io::Error) -> String {
    format!("the UDP socket broke: {error}")
}

/// Random bytes of the system.
pub fn random(out: &mut [u8]) {
    // It fails only where the system has no source at all, and then nothing here may go on.
    SystemRandom::new().fill(out).expect("the system has a source of random bytes");
}

#[expect(clippy::disallowed_methods, reason = "a host has a clock; only the engine has none")]
fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a host has a clock; only the engine has none")]
fn unix_time() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime(since_1970.unwrap_or_default().as_secs())
}
