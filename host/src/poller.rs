//! Waiting for several descriptors at once: a level-triggered epoll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use adit::LinkId;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A signal has arrived.
    Signals,
    /// The TUN device has packets.
    Tun,
    /// The LAN port's device has frames.
    Lan,
    /// Devices have changed; the LAN port's perhaps.
    LanNews,
    /// The listener of that number has connections.
    Listener(u32),
    /// A [`Task`](crate::task::Task) is done.
    Task,
    /// Clients of the management interface want something.
    Management,
    /// A script has ended.
    Script,
    /// Name servers have answered.
    Names,
    /// A UDP socket or TCP connection.
    Link(LinkId),
}

/// One descriptor's readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) source: Source,
    /// There is something to read, or an error to fetch.
    pub(crate) readable: bool,
    /// There is room to write, or an error to fetch.
    pub(crate) writable: bool,
}

/// The epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(64) })
    }

    /// Watches `fd`, for room to write too if `write`.
    pub(crate) fn add(&self, fd: impl AsFd, source: Source, write: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, source.data(), flags(true, write))?)
    }

    /// Watches `fd` no longer.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Changes what `fd` is watched for.
    pub(crate) fn watch(&self, fd: impl AsFd, source: Source, read: bool, write: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, source.data(), flags(read, write))?)
    }

    /// Waits until something is ready or `timeout` has passed; `None` waits for ever. A signal ends the wait.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        // Longer than that some kernels do not take; waking up once a day does no harm.
        let timeout = timeout.map(|timeout| {
            let timeout = timeout.min(Duration::from_secs(24 * 3600));
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) as _ }
        });
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
            Ready {
                source: Source::from_data(event.data),
                readable: failed || flags.contains(EventFlags::IN),
                writable: failed || flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

/// A poller can be watched by another: it is readable when one of its own is ready.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn flags(read: bool, write: bool) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, read);
    flags.set(EventFlags::OUT, write);
    flags
}

impl Source {
    const LINKS: u64 = 1 << 32;
    const LISTENERS: u64 = 1 << 33;

    fn data(self) -> EventData {
        EventData::new_u64(match self {
            Self::Signals => 0,
            Self::Tun => 1,
            Self::Task => 2,
            Self::Management => 3,
            Self::Script => 4,
            Self::Lan => 5,
            Self::LanNews => 6,
            Self::Names => 7,
            Self::Listener(number) => Self::LISTENERS | u64::from(number),
            Self::Link(link) => Self::LINKS | u64::from(link.0),
        })
    }

    fn from_data(data: EventData) -> Self {
        match data.u64() {
            0 => Self::Signals,
            1 => Self::Tun,
            2 => Self::Task,
            3 => Self::Management,
            4 => Self::Script,
            5 => Self::Lan,
            6 => Self::LanNews,
            7 => Self::Names,
            listener if listener & Self::LISTENERS != 0 => Self::Listener(listener as u32),
            link => Self::Link(LinkId(link as u32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_is_ready_as_long_as_there_is_something_to_read() {
        let mut poller = Poller::new().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        poller.add(&socket, Source::Link(LinkId(9)), false).unwrap();
        let mut ready = Vec::new();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert!(ready.is_empty());
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        for _ in 0..2 {
            poller.wait(None, &mut ready).unwrap();
            assert_eq!(ready[0].source, Source::Link(LinkId(9)));
            assert!(ready[0].readable && !ready[0].writable);
        }
        poller.watch(&socket, Source::Link(LinkId(9)), false, true).unwrap();
        poller.wait(None, &mut ready).unwrap();
        assert!(!ready[0].readable && ready[0].writable);
    }
}
