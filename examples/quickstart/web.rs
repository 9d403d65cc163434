//! A web server and a web client, as small as they can be, on the stacks behind the tunnel.
//!
//! `GET /` is a page, `GET /bulk/N` is N bytes, `PUT /bulk` takes as many as the client likes to send. There is one
//! request in a connection, and the server closes it.

use std::net::Ipv4Addr;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State as TcpState};

use crate::Result;
use crate::stack::Stack;

/// HTTP's port.
pub const PORT: u16 = 80;
/// Connections that the server has at a time.
const CONNECTIONS: usize = 8;
/// The longest head of a request, and what a client keeps of a response, in bytes.
const HEAD: usize = 4096;

const PAGE: &str = "Hello from inside the tunnel.\n\
    This page comes from an IP stack behind adit's server: no TUN device, no root, no OpenVPN at this end.\n";

/// The web server.
pub struct Website(Vec<Connection>);

struct Connection {
    handle: SocketHandle,
    state: State,
}

enum State {
    /// The request is read.
    Request(Vec<u8>),
    /// Its body is read.
    Upload { total: u64, left: u64 },
    /// The response is sent: a text, then so many bytes that mean nothing.
    Reply { text: Vec<u8>, bulk: u64 },
}

impl Website {
    /// Listens on [`PORT`].
    pub fn open(stack: &mut Stack) -> Self {
        let closed = |_| Connection { handle: stack.add_socket(), state: State::Request(Vec::new()) };
        Self((0..CONNECTIONS).map(closed).collect())
    }

    /// Does what can be done now, on every connection.
    pub fn work(&mut self, stack: &mut Stack) {
        for connection in &mut self.0 {
            connection.work(stack.socket(connection.handle));
        }
    }
}

impl Connection {
    fn work(&mut self, socket: &mut Socket<'_>) {
        if !socket.is_open() {
            self.state = State::Request(Vec::new());
            // A closed socket can always listen.
            let _ = socket.listen(PORT);
        }
        match &mut self.state {
            State::Request(request) => {
                receive(socket, |bytes| request.extend_from_slice(bytes));
                if let Some(next) = respond(request) {
                    self.state = next;
                    return self.work(socket);
                }
                if request.len() > HEAD || has_left(socket) {
                    socket.abort();
                }
            }
            State::Upload { total, left } => {
                receive(socket, |bytes| *left = left.saturating_sub(bytes.len() as u64));
                if *left == 0 {
                    self.state = reply("200 OK", &format!("{total} bytes received\n"));
                    return self.work(socket);
                }
                if has_left(socket) {
                    socket.abort();
                }
            }
            State::Reply { text, bulk } => {
                if send(socket, text, bulk) {
                    socket.close();
                }
            }
        }
    }
}

/// What follows a request, once its head is whole.
fn respond(request: &[u8]) -> Option<State> {
    let end = head_len(request)?;
    let head = String::from_utf8_lossy(&request[..end]);
    let mut words = head.split_ascii_whitespace();
    let (method, path) = (words.next()?, words.next().unwrap_or_default());
    let bulk = path.strip_prefix("/bulk/").and_then(|count| count.parse().ok());
    Some(match (method, path, bulk, content_length(&head)) {
        ("GET", "/", ..) => reply("200 OK", PAGE),
        ("GET", _, Some(bulk), _) => State::Reply { text: head_of("200 OK", bulk).into_bytes(), bulk },
        ("PUT", "/bulk", _, Some(total)) => {
            State::Upload { total, left: total.saturating_sub((request.len() - end) as u64) }
        }
        ("PUT", "/bulk", _, None) => reply("411 Length Required", "Say how many bytes will follow.\n"),
        _ => reply("404 Not Found", "There is nothing of that name here.\n"),
    })
}

fn reply(status: &str, text: &str) -> State {
    State::Reply { text: (head_of(status, text.len() as u64) + text).into_bytes(), bulk: 0 }
}

fn head_of(status: &str, len: u64) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    )
}

fn head_len(text: &[u8]) -> Option<usize> {
    Some(text.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4)
}

fn content_length(head: &str) -> Option<u64> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
}

/// One request of a client, and its response.
pub struct Exchange {
    handle: SocketHandle,
    text: Vec<u8>,
    bulk: u64,
    /// How the response begins.
    start: Vec<u8>,
    received: u64,
}

/// A response.
pub struct Answer {
    /// `HTTP/1.1 200 OK`
    pub status: String,
    /// The body, as far as it was kept.
    pub body: String,
    /// The length of the body, in bytes.
    pub len: u64,
}

impl Exchange {
    /// Asks for `path`.
    pub fn get(stack: &mut Stack, server: Ipv4Addr, path: &str) -> Result<Self> {
        Self::begin(stack, server, format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n"), 0)
    }

    /// Sends `bulk` bytes to `path`.
    pub fn put(stack: &mut Stack, server: Ipv4Addr, path: &str, bulk: u64) -> Result<Self> {
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: {bulk}\r\n\r\n");
        Self::begin(stack, server, head, bulk)
    }

    fn begin(stack: &mut Stack, server: Ipv4Addr, head: String, bulk: u64) -> Result<Self> {
        let handle = stack.connect((server, PORT))?;
        Ok(Self { handle, text: head.into_bytes(), bulk, start: Vec::new(), received: 0 })
    }

    /// How many bytes are still to be sent.
    pub fn unsent(&self) -> u64 {
        self.bulk
    }

    /// How many bytes have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Does what can be done now; the answer, when it is whole.
    pub fn work(&mut self, stack: &mut Stack) -> Option<Result<Answer>> {
        let socket = stack.socket(self.handle);
        if !socket.is_open() {
            return Some(Err("the web server inside the tunnel does not answer".into()));
        }
        send(socket, &mut self.text, &mut self.bulk);
        receive(socket, |bytes| {
            self.received += bytes.len() as u64;
            self.start.extend_from_slice(&bytes[..bytes.len().min(HEAD - self.start.len())]);
        });
        has_left(socket).then(|| {
            socket.close();
            self.answer()
        })
    }

    fn answer(&self) -> Result<Answer> {
        let head = head_len(&self.start).ok_or("the web server inside the tunnel speaks no HTTP")?;
        let text = String::from_utf8_lossy(&self.start[..head]);
        Ok(Answer {
            status: text.lines().next().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(&self.start[head..]).into_owned(),
            len: self.received - head as u64,
        })
    }
}

/// Whether the other end will send nothing more, and all that it sent was read.
fn has_left(socket: &Socket<'_>) -> bool {
    socket.state() == TcpState::CloseWait && !socket.can_recv()
}

/// Reads all that is there.
fn receive(socket: &mut Socket<'_>, mut each: impl FnMut(&[u8])) {
    while socket.can_recv() {
        let read = |bytes: &mut [u8]| {
            each(bytes);
            (bytes.len(), ())
        };
        if socket.recv(read).is_err() {
            break;
        }
    }
}

/// Sends as much of a text, and then of `bulk` bytes, as there is room for. Whether nothing is left.
fn send(socket: &mut Socket<'_>, text: &mut Vec<u8>, bulk: &mut u64) -> bool {
    if !text.is_empty()
        && let Ok(sent) = socket.send_slice(text)
    {
        text.drain(..sent);
    }
    while text.is_empty() && *bulk > 0 && socket.can_send() {
        let fill = |room: &mut [u8]| {
            let len = usize::try_from(*bulk).map_or(room.len(), |bulk| bulk.min(room.len()));
            room[..len].fill(b'.');
            (len, len)
        };
        let Ok(sent) = socket.send(fill) else { break };
        *bulk -= sent as u64;
    }
    text.is_empty() && *bulk == 0
}
