//! Asking over TCP: by a reset, and if that is not answered, by what other services understand.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use adit::Transport;
use adit::client::{Answer, Probe};
use adit::wire::stream;
use adit::wrap::WrapKeys;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::udp::failed;
use super::{Outcome, Service, random_session_id};
use crate::clock::Clock;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for the answer to a packet.
const ANSWER: Duration = Duration::from_secs(3);
/// How much of an answer is looked at.
const MOST: usize = 512;

/// What came over a connection after we had said something.
enum Heard {
    Nothing,
    Closed,
    Bytes(Vec<u8>),
}

/// Sends one reset, over a connection of its own. Says also how many were sent.
pub(super) fn ask(address: SocketAddr, keys: &WrapKeys, clock: Clock) -> (Outcome, u32) {
    let mut probe = Probe::new(clock.now(), keys.clone(), Transport::Tcp, random_session_id());
    let first = match reset(address, &mut probe, clock) {
        Ok(first) => first,
        Err(error) if error.kind() == ErrorKind::TimedOut => return (Outcome::Silent, 0),
        Err(error) => return (failed(&error), 0),
    };
    let outcome = match (probe.answer(), &first) {
        (Some(Answer::Server(server)), _) => {
            Outcome::Answered { protection_fits: server.protection_fits, cookie: server.cookie }
        }
        (Some(Answer::Unreadable), _) => Outcome::Other(Service::Unreadable),
        (_, Heard::Bytes(bytes)) => Outcome::Other(recognise(bytes)),
        (_, Heard::Nothing) => other(address, clock).map_or(Outcome::Mute, Outcome::Other),
        (_, Heard::Closed) => other(address, clock).map_or(Outcome::Closed, Outcome::Other),
    };
    (outcome, probe.resets())
}

fn reset(address: SocketAddr, probe: &mut Probe, clock: Clock) -> io::Result<Heard> {
    let mut connection = TcpStream::connect_timeout(&address, CONNECT)?;
    let mut packet = [0; 256];
    let len = probe.poll_transmit(clock.now(), clock.unix(), &mut packet).unwrap_or_default();
    let prefix = stream::prefix(len).unwrap_or_default();
    let mut enough = |bytes: &[u8]| match stream::parse_length(bytes, stream::max_packet(0)) {
        Ok(Some(len)) => match bytes.get(stream::PREFIX..stream::PREFIX + len) {
            Some(packet) => {
                probe.handle_packet(clock.now(), &mut packet.to_vec());
                true
            }
            // No answer to a reset is as long as the text that another service may begin with.
            None => len > MOST,
        },
        Ok(None) => false,
        Err(_) => true,
    };
    hear(&mut connection, &[&prefix, &packet[..len]].concat(), clock, &mut enough)
}

/// What else than OpenVPN it may be.
fn other(address: SocketAddr, clock: Clock) -> Option<Service> {
    const HTTP: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
    [client_hello(), Some(HTTP.to_vec())].into_iter().flatten().find_map(|question| {
        let mut connection = TcpStream::connect_timeout(&address, CONNECT).ok()?;
        match hear(&mut connection, &question, clock, &mut |bytes| bytes.len() >= 5) {
            Ok(Heard::Bytes(bytes)) => Some(recognise(&bytes)),
            _ => None,
        }
    })
}

/// The first bytes of any TLS client.
fn client_hello() -> Option<Vec<u8>> {
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().ok()?;
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("probe.invalid").ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

/// Says `question`, and listens until it is `enough`, or for a while.
fn hear(
    connection: &mut TcpStream,
    question: &[u8],
    clock: Clock,
    enough: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<Heard> {
    connection.set_write_timeout(Some(ANSWER))?;
    let mut heard = Vec::new();
    let mut buffer = [0; MOST];
    if connection.write_all(question).is_err() {
        return Ok(Heard::Closed);
    }
    // For all of the answer: one that comes byte by byte must not take for ever.
    let until = clock.now() + ANSWER;
    let closed = loop {
        let left = until.since(clock.now());
        if left.is_zero() {
            break false;
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut buffer[heard.len()..]) {
            Ok(0) => break true,
            Ok(len) => {
                let from = heard.len();
                heard.extend_from_slice(&buffer[from..from + len]);
                if enough(&heard) || heard.len() == MOST {
                    break false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break false,
            Err(_) => break true,
        }
    };
    Ok(match (heard.is_empty(), closed) {
        (false, _) => Heard::Bytes(heard),
        (true, true) => Heard::Closed,
        (true, false) => Heard::Nothing,
    })
}

/// Which service begins like this.
fn recognise(bytes: &[u8]) -> Service {
    match bytes {
        // A record of a handshake, or an alert.
        [0x15 | 0x16, 0x03, ..] => Service::Tls,
        _ if bytes.starts_with(b"SSH-") => Service::Ssh,
        _ if bytes.starts_with(b"HTTP/") => Service::Http,
        _ => {
            let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
            let printable = line.iter().all(|byte| (b' '..=b'~').contains(byte));
            if printable && line.len() >= 4 {
                // Nothing of it can mislead a terminal.
                Service::Text(line.iter().take(80).map(|&byte| char::from(byte)).collect())
            } else {
                Service::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_their_first_bytes() {
        for (bytes, service) in [
            (&b"\x15\x03\x01\x00\x02\x02\x46"[..], Service::Tls),
            (b"\x16\x03\x03", Service::Tls),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Service::Ssh),
            (b"HTTP/1.1 400 Bad Request\r\n", Service::Http),
            (b"220 mail.example ESMTP\r\nmore", Service::Text("220 mail.example ESMTP".into())),
            (b"\x1b[2Jhello\n", Service::Unknown),
            (b"\0\x0e\x40", Service::Unknown),
            (b"", Service::Unknown),
        ] {
            assert_eq!(recognise(bytes), service, "{bytes:?}");
        }
        let long = [b'x'; 300];
        assert_eq!(recognise(&long), Service::Text("x".repeat(80)));
    }

    #[test]
    fn a_hello_is_a_record_of_tls() {
        assert_eq!(client_hello().unwrap()[..2], [0x16, 0x03]);
    }
}
