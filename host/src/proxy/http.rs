//! `http-proxy`: a connection by the method CONNECT (RFC 9110, 9.3.6), with the login `basic` (RFC 7617) or none.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use adit::config::Credentials;

use super::{Destination, Login, Refusal, Step, printable};

/// The most that the status line and the headers of an answer may be together, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// What is asked of an HTTP proxy beside the connection itself.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    /// `http-proxy-option VERSION`
    pub(crate) version: &'a str,
    /// `http-proxy-option AGENT`
    pub(crate) agent: Option<&'a str>,
    /// `http-proxy-option CUSTOM-HEADER`: a whole line, or a name and its content.
    pub(crate) headers: &'a [(String, Option<String>)],
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct HttpConnect {
    output: Option<Zeroizing<Vec<u8>>>,
    has_login: bool,
    /// Bytes of the answer so far.
    answered: usize,
    /// The answer's status, once its line has come.
    status: Option<Result<(), Refusal>>,
}

impl HttpConnect {
    /// Asks for a connection to `to`.
    pub(crate) fn new(to: &Destination, request: &Request<'_>, login: &Login) -> Self {
        let output = Some(compose(to, request, login.as_ref()));
        Self { output, has_login: login.is_some(), answered: 0, status: None }
    }

    pub(super) fn take_output(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.output.take()
    }

    /// Takes whole lines only: the rest comes again, with what follows it.
    pub(super) fn handle(&mut self, bytes: &[u8]) -> Result<(usize, Step), Refusal> {
        let mut used = 0;
        while let Some(end) = bytes[used..].iter().position(|&byte| byte == b'\n') {
            let line = &bytes[used..used + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            used += end + 1;
            match (&self.status, line.is_empty()) {
                (None, _) => self.status = Some(self.judge(line)),
                // Behind the empty line the server speaks, or an error page follows that nobody reads.
                (Some(Ok(())), true) => return Ok((used, Step::Open)),
                (Some(Err(refusal)), _) => return Err(refusal.clone()),
                (Some(Ok(())), false) => {}
            }
        }
        if let Some(Err(refusal)) = &self.status {
            return Err(refusal.clone());
        }
        self.answered += used;
        if self.answered + (bytes.len() - used) > MAX_ANSWER {
            return Err(format!("the HTTP proxy's answer does not end within {MAX_ANSWER} bytes")
                .as_str()
                .into());
        }
        Ok((used, Step::Wait))
    }

    /// What a status line means: `HTTP/1.1 200 Connection established`.
    fn judge(&self, line: &[u8]) -> Result<(), Refusal> {
        let shown = printable(line);
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let is_http = words.next().is_some_and(|word| word.starts_with(b"HTTP/"));
        let status = words.next().and_then(|word| core::str::from_utf8(word).ok()?.parse::<u16>().ok());
        let status = status.filter(|_| is_http);
        let sentence = match status {
            Some(200..=299) => return Ok(()),
            // Of a login that is wrong some say 401, which would be about the server.
            Some(401 | 407) if self.has_login => {
                format!("the HTTP proxy refused the login of http-proxy: '{shown}'")
            }
            Some(407) => format!(
                "the HTTP proxy asks for a login ('{shown}'): name a file in 'http-proxy SERVER PORT FILE basic'"
            ),
            Some(_) => format!("the HTTP proxy refused the connection: '{shown}'"),
            None => format!("the proxy's answer is not HTTP: '{shown}'"),
        };
        Err(Refusal { sentence, wants_login: matches!(status, Some(401 | 407)) })
    }
}

fn compose(to: &Destination, request: &Request<'_>, login: Option<&Credentials>) -> Zeroizing<Vec<u8>> {
    let Destination { host, port } = to;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let mut lines = Zeroizing::new(Vec::with_capacity(1024));
    let mut line = |text: &str| {
        lines.extend_from_slice(text.as_bytes());
        lines.extend_from_slice(b"\r\n");
    };
    line(&format!("CONNECT {host}:{port} HTTP/{}", request.version));
    let mut names_host = false;
    for (name, content) in request.headers {
        let is_host = |name: &str| name.trim_end().eq_ignore_ascii_case("host");
        names_host |= is_host(name.split(':').next().unwrap_or_default());
        match content {
            Some(content) => line(&format!("{name}: {content}")),
            None => line(name),
        }
    }
    if !names_host {
        line(&format!("Host: {host}"));
    }
    if let Some(agent) = request.agent {
        line(&format!("User-Agent: {agent}"));
    }
    if let Some(Credentials { username, password }) = login {
        let pair = Zeroizing::new(format!("{username}:{}", password.as_str()));
        let encoded = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
        line(&Zeroizing::new(format!("Proxy-Authorization: Basic {}", encoded.as_str())));
    }
    line("");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Request<'_> = Request { version: "1.0", agent: None, headers: &[] };

    fn to(host: &str) -> Destination {
        Destination { host: host.into(), port: 443 }
    }

    fn asked(to: &Destination, request: &Request<'_>, login: &Login) -> String {
        let mut dialogue = HttpConnect::new(to, request, login);
        let bytes = dialogue.take_output().unwrap();
        assert!(dialogue.take_output().is_none());
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn joe() -> Login {
        Some(Credentials { username: "Aladdin".into(), password: Zeroizing::new("open sesame".into()) })
    }

    #[test]
    fn requests() {
        let plain = asked(&to("vpn.example"), &PLAIN, &None);
        assert_eq!(plain, "CONNECT vpn.example:443 HTTP/1.0\r\nHost: vpn.example\r\n\r\n");
        // The pair and its encoding are RFC 7617's.
        let headers = [("X-A".into(), Some("b c".into())), ("HOST: other".into(), None)];
        let full = Request { version: "1.1", agent: Some("tester"), headers: &headers };
        assert_eq!(
            asked(&to("2001:db8::1"), &full, &joe()),
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nX-A: b c\r\nHOST: other\r\nUser-Agent: tester\r\n\
             Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_in_pieces_and_the_servers_bytes_behind_it() {
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n\0\x0e8server";
        let end = answer.len() - b"\0\x0e8server".len();
        for cut in 0..answer.len() {
            let mut dialogue = HttpConnect::new(&to("vpn.example"), &PLAIN, &None);
            let (mut used, mut step) = dialogue.handle(&answer[..cut]).unwrap();
            if step == Step::Wait {
                let more = dialogue.handle(&answer[used..]).unwrap();
                (used, step) = (used + more.0, more.1);
            }
            assert_eq!((used, step), (end, Step::Open), "cut at {cut}");
        }
    }

    #[test]
    fn refusals_in_one_sentence() {
        for (login, answer, sentence) in [
            (None, &b"HTTP/1.0 403 Forbidden\r\n"[..], "refused the connection: 'HTTP/1.0 403 Forbidden'"),
            (None, b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n<html>", "asks for a login"),
            (joe(), b"HTTP/1.0 407 Proxy Authentication Required\r\n", "refused the login of http-proxy"),
            (joe(), b"HTTP/1.0 401 Unauthorized\r\n", "refused the login of http-proxy"),
            (None, b"SSH-2.0-OpenSSH\n", "is not HTTP: 'SSH-2.0-OpenSSH'"),
            (None, b"HTTP/1.0 two hundred\n", "is not HTTP"),
            (None, b"\n", "is not HTTP: ''"),
        ] {
            let error = HttpConnect::new(&to("vpn.example"), &PLAIN, &login).handle(answer).unwrap_err();
            assert!(error.sentence.contains(sentence), "{error:?}");
            assert_eq!(error.wants_login, sentence.contains("login"));
        }
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let endless: [(&[u8], &[u8]); 2] = [(b"", b"x"), (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")];
        for (head, more) in endless {
            let mut dialogue = HttpConnect::new(&to("vpn.example"), &PLAIN, &None);
            let mut waiting = head.to_vec();
            let mut total = 0;
            let error = loop {
                match dialogue.handle(&waiting) {
                    Ok((used, step)) => {
                        assert_eq!(step, Step::Wait);
                        waiting.drain(..used);
                        waiting.extend_from_slice(more);
                        total += more.len();
                    }
                    Err(error) => break error,
                }
                assert!(total < 2 * MAX_ANSWER);
            };
            assert!(error.sentence.contains("does not end"), "{error:?}");
        }
    }
}
