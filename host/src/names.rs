//! Asking name servers for the clients of a router with `dns-forward`, by sockets of our own.
//!
//! Every query has a socket for itself, so that the system's choice of its port, and an id of our own, are what a forged
//! answer would have to guess (RFC 5452). The sockets stand in an epoll of their own, which the loop watches as one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use adit::router::DnsRequest;
use adit::{Instant, LinkId};
use socket2::{Domain, Protocol, Socket, Type};

use crate::poller::{Poller, Ready, Source};

/// A query by UDP is repeated after this long.
const REPEAT: Duration = Duration::from_millis(1500);
/// Without an answer for this long there is none.
const PATIENCE: Duration = Duration::from_secs(6);
/// The longest answer by UDP.
const MOST: usize = 65_535;

/// A server's answer, or that there is none.
pub(crate) struct Answer {
    pub(crate) request: DnsRequest,
    pub(crate) message: Option<Vec<u8>>,
}

struct Query {
    number: u32,
    request: DnsRequest,
    /// As the client has it.
    id: [u8; 2],
    /// As it is sent, with an id of ours.
    message: Vec<u8>,
    way: Way,
    repeat: Option<Instant>,
    until: Instant,
}

enum Way {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, unsent: Vec<u8>, got: Vec<u8> },
}

impl AsFd for Way {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp { stream, .. } => stream.as_fd(),
        }
    }
}

/// All queries that wait.
pub(crate) struct Names {
    poller: Poller,
    queries: Vec<Query>,
    next: u32,
    answers: Vec<Answer>,
    ready: Vec<Ready>,
}

impl Names {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            queries: Vec::new(),
            next: 0,
            answers: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// What the loop watches.
    pub(crate) fn watched(&self) -> &Poller {
        &self.poller
    }

    /// Asks `server`. What cannot be asked has no answer.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        request: DnsRequest,
        server: SocketAddr,
        by_tcp: bool,
        query: &[u8],
        random: [u8; 2],
    ) {
        let mut message = query.to_vec();
        let Some(id) = message.first_chunk_mut::<2>() else { return };
        let id = std::mem::replace(id, random);
        let opened = if by_tcp { open_tcp(server, &message) } else { open_udp(server, &message) };
        let number = self.next;
        let opened = opened.and_then(|way| {
            self.poller.add(&way, Source::Link(LinkId(number)), by_tcp)?;
            Ok(way)
        });
        let Ok(way) = opened else {
            self.answers.push(Answer { request, message: None });
            return;
        };
        self.next = self.next.wrapping_add(1);
        let repeat = (!by_tcp).then_some(now + REPEAT);
        self.queries.push(Query { number, request, id, message, way, repeat, until: now + PATIENCE });
    }

    /// Takes what has come.
    pub(crate) fn receive(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        if self.poller.wait(Some(Duration::ZERO), &mut ready).is_ok() {
            for Ready { source, .. } in &ready {
                let Source::Link(LinkId(number)) = *source else { continue };
                let Some(at) = self.queries.iter().position(|query| query.number == number) else { continue };
                match self.queries[at].go_on() {
                    Ok(None) => {
                        let query = &self.queries[at];
                        if let Way::Tcp { unsent, .. } = &query.way {
                            let _ = self.poller.watch(&query.way, *source, true, !unsent.is_empty());
                        }
                    }
                    Ok(Some(message)) => self.finish(at, Some(message)),
                    // A port that nobody listens at; the query is repeated all the same, where it can be.
                    Err(_) if self.queries[at].repeat.is_some() => {}
                    Err(_) => self.finish(at, None),
                }
            }
        }
        self.ready = ready;
    }

    /// Repeats and gives up what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(at) = self.queries.iter().position(|query| query.until <= now) {
            self.finish(at, None);
        }
        for query in &mut self.queries {
            if query.repeat.is_some_and(|repeat| repeat <= now) {
                query.repeat = None;
                if let Way::Udp(socket) = &query.way {
                    let _ = socket.send(&query.message);
                }
            }
        }
    }

    /// When something is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.queries.iter().flat_map(|query| query.repeat.into_iter().chain([query.until])).min()
    }

    /// The next answer.
    pub(crate) fn next_answer(&mut self) -> Option<Answer> {
        self.answers.pop()
    }

    fn finish(&mut self, at: usize, message: Option<Vec<u8>>) {
        let query = self.queries.swap_remove(at);
        let _ = self.poller.remove(&query.way);
        let message = message.map(|mut message| {
            message[..2].copy_from_slice(&query.id);
            message
        });
        self.answers.push(Answer { request: query.request, message });
    }
}

impl Query {
    /// Sends and receives what goes without waiting. The answer, once it is whole.
    fn go_on(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.way {
            Way::Udp(socket) => {
                let mut buffer = vec![0; MOST];
                let len = match socket.recv(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                    other => other?,
                };
                buffer.truncate(len);
                // Whatever has not our id is forged, or late.
                Ok(buffer.starts_with(&self.message[..2]).then_some(buffer))
            }
            Way::Tcp { stream, unsent, got } => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                while !unsent.is_empty() {
                    match stream.write(unsent) {
                        Ok(count) => drop(unsent.drain(..count)),
                        Err(error) if not_yet(&error) => break,
                        Err(error) => return Err(error),
                    }
                }
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok(count) => got.extend_from_slice(&buffer[..count]),
                        Err(error) if not_yet(&error) => return Ok(None),
                        Err(error) => return Err(error),
                    }
                    if let Some((len, rest)) = got.split_first_chunk::<2>()
                        && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*len)))
                    {
                        let is_ours = message.starts_with(&self.message[..2]);
                        return is_ours
                            .then(|| Some(message.to_vec()))
                            .ok_or_else(|| io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
    }
}

fn not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}

fn open_udp(server: SocketAddr, message: &[u8]) -> io::Result<Way> {
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(server)?;
    // What is lost at once is repeated.
    let _ = socket.send(message);
    Ok(Way::Udp(socket))
}

fn open_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Way> {
    let len = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            return Err(error);
        }
        _ => {}
    }
    let unsent = [&len.to_be_bytes()[..], message].concat();
    Ok(Way::Tcp { stream: socket.into(), unsent, got: Vec::new() })
}
