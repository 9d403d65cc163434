//! TCP: the listener, and connections with what waits on them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use adit::config::SocketOptions;
use socket2::{SockRef, Socket, Type};

use crate::proxy::{Dialogue, Refusal, Step};
use crate::socket::{Families, open, set_buffers};

/// How many bytes may wait to be sent on a connection. What comes on top is lost, as it would be on UDP: the packets
/// inside have their own retransmissions.
const MAX_WAITING: usize = 256 * 1024;
/// From here on it is better to leave packets where they come from.
const MANY_WAITING: usize = 64 * 1024;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
}

impl Listener {
    /// Listens at `local`. Connections have the same options.
    pub(crate) fn bind(local: SocketAddr, families: Families, options: &SocketOptions) -> io::Result<Self> {
        let socket = open(local, Type::STREAM, families, options)?;
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        socket.listen(128)?;
        Ok(Self { socket })
    }

    /// The next connection that waits, if any.
    pub(crate) fn accept(&self) -> io::Result<Option<Connection>> {
        match self.socket.accept() {
            Ok((socket, remote)) => {
                socket.set_nonblocking(true)?;
                let remote = remote.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
                Ok(Some(Connection::new(socket, remote, false)?))
            }
            // A connection that was gone before it was accepted is none.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A connection, perhaps still being opened.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    connecting: bool,
    /// The beginning of a packet whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes that wait to be sent, from `sent` on.
    waiting: Vec<u8>,
    sent: usize,
    /// Whether the poller tells of room to write.
    pub(crate) watches_room: bool,
    /// What is still to be said to a proxy at the other end.
    dialogue: Option<Box<Dialogue>>,
}

impl Connection {
    fn new(socket: Socket, remote: SocketAddr, connecting: bool) -> io::Result<Self> {
        socket.set_tcp_nodelay(true)?;
        let (partial, waiting) = (Vec::new(), Vec::new());
        Ok(Self {
            stream: socket.into(),
            remote,
            connecting,
            partial,
            waiting,
            sent: 0,
            watches_room: false,
            dialogue: None,
        })
    }

    /// Begins to connect to `remote`, from `local` if that is given. The connection is there once it can be written
    /// to and [`finish_connect`](Self::finish_connect) agrees.
    pub(crate) fn open(
        remote: SocketAddr,
        local: Option<SocketAddr>,
        options: &SocketOptions,
    ) -> io::Result<Self> {
        let socket = open(remote, Type::STREAM, Families::Both, options)?;
        if let Some(local) = local {
            socket.set_reuse_address(true)?;
            socket.bind(&local.into())?;
        }
        match socket.connect(&remote.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Self::new(socket, remote, true)
    }

    /// The other end is a proxy: this is what to say to it first.
    pub(crate) fn through(self, dialogue: Dialogue) -> Self {
        Self { dialogue: Some(Box::new(dialogue)), ..self }
    }

    /// Whether the other end is a proxy that there is something to say to.
    pub(crate) fn is_in_dialogue(&self) -> bool {
        self.dialogue.is_some()
    }

    /// Puts what is to be said next into the queue.
    pub(crate) fn speak(&mut self) {
        if let Some(words) = self.dialogue.as_mut().and_then(|dialogue| dialogue.take_output()) {
            self.queue(&words);
        }
    }

    /// Takes what the proxy says, which was [read](Self::read). What it has not said to its end is kept, and what
    /// comes behind the dialogue.
    pub(crate) fn listen(&mut self, mut bytes: &[u8]) -> Result<Step, Refusal> {
        let Some(mut dialogue) = self.dialogue.take() else { return Ok(Step::Open) };
        let step = loop {
            let (used, step) = dialogue.handle(bytes)?;
            bytes = &bytes[used..];
            let words = dialogue.take_output();
            if let Some(words) = &words {
                self.queue(words);
            }
            if step != Step::Wait {
                break step;
            }
            if words.is_none() {
                self.dialogue = Some(dialogue);
                break step;
            }
        };
        self.keep(bytes);
        Ok(step)
    }

    /// The other end.
    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Our end.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.stream.local_addr().ok()
    }

    /// Whether the connection is still being opened.
    pub(crate) fn is_connecting(&self) -> bool {
        self.connecting
    }

    /// Sets the sizes that the server names (`sndbuf`, `rcvbuf`), in bytes.
    pub(crate) fn set_buffers(&self, send: Option<u32>, receive: Option<u32>) {
        let socket = SockRef::from(&self.stream);
        set_buffers(&socket, send.map(|size| size as usize), receive.map(|size| size as usize));
    }

    /// What has become of the opening.
    pub(crate) fn finish_connect(&mut self) -> io::Result<()> {
        self.connecting = false;
        match self.stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Reads into `buffer`, behind what was kept from before; says how many bytes there are now, and whether the
    /// other end has closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> (usize, bool) {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        self.partial.clear();
        match self.stream.read(&mut buffer[kept..]) {
            Ok(0) => (kept, true),
            Ok(count) => (kept + count, false),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                (kept, false)
            }
            Err(_) => (kept, true),
        }
    }

    /// Keeps the beginning of a packet for the next [`read`](Self::read).
    pub(crate) fn keep(&mut self, partial: &[u8]) {
        self.partial.extend_from_slice(partial);
    }

    /// Puts a packet into the queue; whether there was room.
    pub(crate) fn queue(&mut self, packet: &[u8]) -> bool {
        let fits = self.waiting.len() - self.sent + packet.len() <= MAX_WAITING;
        if fits {
            self.waiting.extend_from_slice(packet);
        }
        fits
    }

    /// Sends what waits, as far as there is room; says how many bytes. An error ends the connection.
    pub(crate) fn flush(&mut self) -> io::Result<usize> {
        let before = self.sent;
        while !self.connecting && self.sent < self.waiting.len() {
            match self.stream.write(&self.waiting[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let count = self.sent - before;
        if self.sent == self.waiting.len() || self.sent > MANY_WAITING {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
        Ok(count)
    }

    /// Whether anything waits to be sent.
    pub(crate) fn has_waiting(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// Whether so much waits that its source should be left alone.
    pub(crate) fn is_congested(&self) -> bool {
        self.waiting.len() - self.sent > MANY_WAITING
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener =
            Listener::bind("127.0.0.1:0".parse().unwrap(), Families::Both, &SocketOptions::default())
                .unwrap();
        assert!(listener.accept().unwrap().is_none());
        let address = listener.socket.local_addr().unwrap().as_socket().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let server = listener.accept().unwrap().unwrap();
        assert_eq!(server.remote(), client.local_addr().unwrap());
        (server, client)
    }

    fn read_some(connection: &mut Connection, buffer: &mut [u8]) -> (usize, bool) {
        let mut poll = crate::poller::Poller::new().unwrap();
        poll.add(&*connection, crate::poller::Source::Listener(0), false).unwrap();
        poll.wait(Some(Duration::from_secs(5)), &mut Vec::new()).unwrap();
        connection.read(buffer)
    }

    #[test]
    fn a_partial_packet_is_kept_and_a_close_is_seen() {
        let (mut connection, mut peer) = pair();
        let mut buffer = [0; 64];
        assert_eq!(connection.read(&mut buffer), (0, false));
        peer.write_all(b"abcde").unwrap();
        assert_eq!(read_some(&mut connection, &mut buffer), (5, false));
        connection.keep(&buffer[3..5]);
        peer.write_all(b"fg").unwrap();
        assert_eq!(read_some(&mut connection, &mut buffer), (4, false));
        assert_eq!(&buffer[..4], b"defg");
        drop(peer);
        assert_eq!(read_some(&mut connection, &mut buffer), (0, true));
    }

    #[test]
    fn the_queue_is_bounded_and_flows_off() {
        let (mut connection, mut peer) = pair();
        let packet = [7; 1000];
        let mut queued = 0;
        loop {
            while connection.queue(&packet) {
                queued += packet.len();
            }
            if connection.flush().unwrap() == 0 {
                break;
            }
        }
        assert!(connection.has_waiting() && connection.is_congested() && !connection.queue(&packet));
        let mut received = 0;
        let mut buffer = vec![0; 1 << 16];
        while received < queued {
            received += peer.read(&mut buffer).unwrap();
            connection.flush().unwrap();
        }
        assert!(!connection.has_waiting() && !connection.is_congested());
    }

    #[test]
    fn a_refused_connection_is_an_error_when_it_is_finished() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        match Connection::open(free, None, &SocketOptions::default()) {
            Ok(mut connection) => {
                assert!(connection.is_connecting());
                assert_eq!(connection.finish_connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        }
    }
}
