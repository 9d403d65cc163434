//! `socks-proxy`: SOCKS 5 (RFC 1928) with no login or with name and password (RFC 1929), for TCP and for UDP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use adit::config::Credentials;
use zeroize::Zeroizing;

use super::{Destination, Login, Refusal, Step};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What is asked of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// A connection to the server.
    Connect(Destination),
    /// A relay for datagrams.
    UdpAssociate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The methods of login that we know were named.
    Method,
    /// Name and password were sent.
    Login,
    /// The command was sent.
    Reply,
}

/// A dialogue with a SOCKS proxy.
#[derive(Debug)]
pub(crate) struct Socks {
    command: Command,
    login: Login,
    state: State,
    output: Option<Zeroizing<Vec<u8>>>,
}

impl Socks {
    /// Begins. An error is about the login: SOCKS has room for 255 bytes of each.
    pub(crate) fn new(command: Command, login: Login) -> Result<Self, String> {
        if let Some(Credentials { username, password }) = &login {
            let fits = |text: &str| (1..=255).contains(&text.len());
            if !fits(username) || !fits(password) {
                return Err("socks-proxy: a name and a password must have 1 to 255 bytes each".into());
            }
        }
        if let Command::Connect(to) = &command
            && to.host.len() > 255
        {
            return Err("socks-proxy: a host name can have 255 bytes at most".into());
        }
        let methods: &[u8] = if login.is_some() { &[NO_LOGIN, PASSWORD] } else { &[NO_LOGIN] };
        let mut hello = vec![VERSION, methods.len() as u8];
        hello.extend_from_slice(methods);
        Ok(Self { command, login, state: State::Method, output: Some(Zeroizing::new(hello)) })
    }

    pub(super) fn take_output(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.output.take()
    }

    pub(super) fn handle(&mut self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        let mut used = 0;
        while self.output.is_none() {
            let rest = &bytes[used..];
            let (taken, step) = match self.state {
                State::Method => self.method(rest)?,
                State::Login => self.logged_in(rest)?,
                State::Reply => self.reply(rest)?,
            };
            used += taken;
            if taken == 0 || step != Step::Wait {
                return Ok((used, step));
            }
        }
        Ok((used, Step::Wait))
    }

    fn method(&mut self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        let &[version, method, ..] = bytes else { return Ok((0, Step::Wait)) };
        if version != VERSION {
            return Err("the proxy's answer is not SOCKS 5".into());
        }
        match (method, &self.login) {
            (NO_LOGIN, _) => self.send_command(),
            (PASSWORD, Some(Credentials { username, password })) => {
                let mut login = Zeroizing::new(Vec::with_capacity(3 + 2 * 255));
                login.push(1);
                for text in [username.as_str(), password.as_str()] {
                    login.push(text.len() as u8);
                    login.extend_from_slice(text.as_bytes());
                }
                (self.state, self.output) = (State::Login, Some(login));
            }
            (PASSWORD | NO_METHOD, None) => {
                return Err(login_refused(
                    "the SOCKS proxy asks for a login: name a file in 'socks-proxy SERVER PORT FILE'",
                ));
            }
            _ => return Err("the SOCKS proxy accepts neither of our kinds of login".into()),
        }
        Ok((2, Step::Wait))
    }

    fn logged_in(&mut self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        // The first byte is 1 by the RFC, and 5 from some proxies.
        let &[_, status, ..] = bytes else { return Ok((0, Step::Wait)) };
        if status != 0 {
            return Err(login_refused("the SOCKS proxy refused the login of socks-proxy"));
        }
        self.send_command();
        Ok((2, Step::Wait))
    }

    fn send_command(&mut self) {
        let mut request = vec![VERSION];
        match &self.command {
            Command::Connect(Destination { host, port }) => {
                request.extend([1, 0]);
                match host.parse() {
                    Ok(IpAddr::V4(ip)) => {
                        request.push(IPV4);
                        request.extend(ip.octets());
                    }
                    Ok(IpAddr::V6(ip)) => {
                        request.push(IPV6);
                        request.extend(ip.octets());
                    }
                    Err(_) => {
                        request.extend([NAME, host.len() as u8]);
                        request.extend_from_slice(host.as_bytes());
                    }
                }
                request.extend(port.to_be_bytes());
            }
            // We do not know yet which address the datagrams will come from.
            Command::UdpAssociate => request.extend([3, 0, IPV4, 0, 0, 0, 0, 0, 0]),
        }
        (self.state, self.output) = (State::Reply, Some(Zeroizing::new(request)));
    }

    fn reply(&self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        let &[version, status, _, kind, first, ..] = bytes else { return Ok((0, Step::Wait)) };
        if version != VERSION {
            return Err("the proxy's answer is not SOCKS 5".into());
        }
        if status != 0 {
            return Err(format!("the SOCKS proxy refused: {}", meaning(status)).as_str().into());
        }
        let (start, len) = match kind {
            IPV4 => (4, 4),
            IPV6 => (4, 16),
            NAME => (5, usize::from(first)),
            _ => return Err("the SOCKS proxy's answer has an address of an unknown kind".into()),
        };
        let end = start + len + 2;
        let Some(address) = bytes.get(start..end) else { return Ok((0, Step::Wait)) };
        if self.command != Command::UdpAssociate {
            return Ok((end, Step::Open));
        }
        let (ip, port) = address.split_at(len);
        let port = u16::from_be_bytes([port[0], port[1]]);
        let ip: Option<IpAddr> = match kind {
            IPV4 => <[u8; 4]>::try_from(ip).ok().map(|ip| Ipv4Addr::from(ip).into()),
            IPV6 => <[u8; 16]>::try_from(ip).ok().map(|ip| Ipv6Addr::from(ip).into()),
            _ => None,
        };
        // Without an address it is the one that we reach the proxy at.
        Ok((end, Step::Relay(ip.filter(|ip| !ip.is_unspecified()), port)))
    }
}

fn login_refused(sentence: &str) -> Refusal {
    Refusal { sentence: sentence.to_owned(), wants_login: true }
}

fn meaning(status: u8) -> String {
    let known = match status {
        1 => "general failure",
        2 => "its rules do not allow it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "no answer from the server",
        7 => "it does not have this command (UDP, perhaps)",
        8 => "it does not have this kind of address",
        _ => return format!("error {status}"),
    };
    known.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(host: &str) -> Command {
        Command::Connect(Destination { host: host.into(), port: 443 })
    }

    fn joe() -> Login {
        Some(Credentials { username: "joe".into(), password: Zeroizing::new("pw".into()) })
    }

    /// Says each answer to what was sent before, and gives what was sent and the last step.
    fn talk(command: Command, login: Login, answers: &[&[u8]]) -> (Vec<Vec<u8>>, Result<Step, Refusal>) {
        let mut socks = Socks::new(command, login).unwrap();
        let mut sent = vec![socks.take_output().unwrap().to_vec()];
        let mut last = Ok(Step::Wait);
        for answer in answers {
            last = socks.handle(answer).map(|(used, step)| {
                assert_eq!(used, answer.len());
                step
            });
            sent.extend(socks.take_output().map(|bytes| bytes.to_vec()));
        }
        (sent, last)
    }

    #[test]
    fn a_connection_without_a_login() {
        let (sent, last) =
            talk(connect("vpn.example"), None, &[b"\x05\0", b"\x05\0\0\x01\x0a\0\0\x01\x04\x38"]);
        assert_eq!(sent, [&b"\x05\x01\0"[..], b"\x05\x01\0\x03\x0bvpn.example\x01\xbb"]);
        assert_eq!(last, Ok(Step::Open));
    }

    #[test]
    fn a_connection_with_a_login_to_an_address() {
        let answers: [&[u8]; 3] = [b"\x05\x02", b"\x01\0", b"\x05\0\0\x03\x04host\0\x01"];
        let (sent, last) = talk(connect("192.0.2.1"), joe(), &answers);
        assert_eq!(
            sent,
            [&b"\x05\x02\0\x02"[..], b"\x01\x03joe\x02pw", b"\x05\x01\0\x01\xc0\0\x02\x01\x01\xbb"]
        );
        assert_eq!(last, Ok(Step::Open));
        let (sent, _) = talk(connect("2001:db8::1"), None, &[b"\x05\0"]);
        assert_eq!(sent[1][3..6], [IPV6, 0x20, 0x01]);
    }

    #[test]
    fn a_relay_for_datagrams() {
        for (answer, relay) in [
            (&b"\x05\0\0\x01\x0a\0\0\x01\x04\x38"[..], Some("10.0.0.1".parse().unwrap())),
            (b"\x05\0\0\x01\0\0\0\0\x04\x38", None),
        ] {
            let (sent, last) = talk(Command::UdpAssociate, None, &[b"\x05\0", answer]);
            assert_eq!(sent[1], b"\x05\x03\0\x01\0\0\0\0\0\0");
            assert_eq!(last, Ok(Step::Relay(relay, 1080)));
        }
    }

    #[test]
    fn answers_in_pieces_and_the_servers_bytes_behind_them() {
        let answers = b"\x05\x02\x01\0\x05\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x07server";
        let mut socks = Socks::new(connect("vpn.example"), joe()).unwrap();
        let mut at = 0;
        let mut until = 0;
        let end = loop {
            let _ = socks.take_output();
            let (used, step) = socks.handle(&answers[at..until]).unwrap();
            at += used;
            if step == Step::Open {
                break at;
            }
            until += usize::from(used == 0);
        };
        assert_eq!(&answers[end..], b"server");
    }

    #[test]
    fn refusals_in_one_sentence() {
        for (login, answers, sentence) in [
            (None, &[&b"HTTP/1.1 400"[..]][..], "is not SOCKS 5"),
            (None, &[b"\x05\xff"], "asks for a login"),
            (joe(), &[b"\x05\xff"], "neither of our kinds"),
            (joe(), &[b"\x05\x02", b"\x01\x01"], "refused the login"),
            (None, &[b"\x05\0", b"\x05\x05\0\x01\0\0\0\0\0\0"], "refused: connection refused"),
            (None, &[b"\x05\0", b"\x05\x07\0\x01\0\0\0\0\0\0"], "it does not have this command"),
            (None, &[b"\x05\0", b"\x05\x63\0\x01\0\0\0\0\0\0"], "refused: error 99"),
            (None, &[b"\x05\0", b"\x05\0\0\x02\0\0\0\0\0\0"], "unknown kind"),
        ] {
            let (_, last) = talk(connect("vpn.example"), login, answers);
            assert!(last.clone().is_err_and(|error| error.sentence.contains(sentence)), "{last:?}");
        }
        let long = Some(Credentials { username: "x".repeat(256), password: Zeroizing::new("pw".into()) });
        assert!(Socks::new(connect("vpn.example"), long).unwrap_err().contains("255"));
    }
}
