//! A client of the management interface.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use super::network::Namespace;
use super::{PATIENCE, wait_until};

/// A connection, and what has come over it and is not yet looked at.
pub struct Console {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Notices that came between answers.
    pub notices: Vec<String>,
}

/// A command that does nothing, and its answer.
const SENTINEL: (&str, &str) =
    ("needok a b", "ERROR: no needok-confirmation is currently needed at this time");

/// Either kind of socket.
trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

impl Console {
    /// Connects to 127.0.0.1 inside `namespace`, as soon as somebody listens there.
    pub fn tcp(namespace: &Namespace, port: u16) -> Self {
        let mut stream = None;
        let connected = wait_until(PATIENCE, || {
            stream = namespace.inside(|| TcpStream::connect(("127.0.0.1", port))).ok();
            stream.is_some()
        });
        assert!(connected, "nobody listens at port {port}");
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::of(stream)
    }

    /// Connects to a unix socket, as soon as it is there.
    pub fn unix(path: &Path) -> Self {
        let mut stream = None;
        let connected = wait_until(PATIENCE, || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        assert!(connected, "nobody listens at {}", path.display());
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::of(stream)
    }

    fn of(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new(), notices: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.send_raw(format!("{line}\n").as_bytes());
    }

    /// Sends a command and takes its answer: all lines that are no notices.
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        self.send(command);
        // What comes before the answer to this is the answer to the other.
        self.send(SENTINEL.0);
        let mut answer = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("'{command}' ended the connection"));
            if line.starts_with('>') {
                self.notices.push(line);
            } else if line == SENTINEL.1 && (command != SENTINEL.0 || !answer.is_empty()) {
                return answer;
            } else {
                answer.push(line);
            }
        }
    }

    /// Waits for a notice that begins like this, which may have come already.
    pub fn expect(&mut self, beginning: &str) -> String {
        if let Some(at) = self.notices.iter().position(|notice| notice.starts_with(beginning)) {
            return self.notices.drain(..=at).next_back().unwrap();
        }
        self.notices.clear();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let line = self.line().unwrap_or_else(|| panic!("the connection ended before {beginning}"));
            if line.starts_with(beginning) {
                return line;
            }
        }
        panic!("no {beginning}");
    }

    /// Waits for text that need not end its line.
    pub fn expect_text(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.buffer).contains(text) {
            assert!(self.fill(), "the connection ended before '{text}'");
        }
        self.buffer.clear();
    }

    /// Reads until the other end closes; what came.
    pub fn rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&core::mem::take(&mut self.buffer)).into_owned()
    }

    /// The next line; `None` at the end of the connection.
    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing comes from the management interface: {error}"),
        }
    }
}
