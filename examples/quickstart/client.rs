//! The client's end: adit's client engine, and somebody behind it who uses the tunnel.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use adit::Client;
use adit::config::{IfconfigOther, NoFiles, Profile, Remote, RoleConfig};
use adit::{CloseReason, Event, Instant, Path};

use crate::end::End;
use crate::slots::LINK;
use crate::web::{Answer, Exchange};
use crate::{Result, parsed};

/// How long a step may make no progress.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client and what it has found out.
pub struct Guest {
    pub end: End<Client>,
    pub facts: Facts,
    remotes: Vec<Remote>,
}

/// What the engine's events said.
#[derive(Default)]
pub struct Facts {
    /// When the handshake began and was done, and when the tunnel was up.
    pub began: Instant,
    pub authenticated: Instant,
    pub up: Instant,
    /// TLS version and cipher suite.
    pub tls: (&'static str, &'static str),
    /// The data channel's cipher.
    pub cipher: &'static str,
    /// Our address inside the tunnel.
    pub address: Option<Ipv4Addr>,
    pub renegotiations: u32,
    pub closed: Option<CloseReason>,
}

/// Bytes one way, and the time that they took.
pub struct Transfer {
    pub bytes: u64,
    pub time: Duration,
}

impl Transfer {
    /// In Mbit/s.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 * 8e-6 / self.time.as_secs_f64()
    }
}

impl Guest {
    /// A client by the configuration `profile`.
    pub fn new(profile: &str) -> Result<Self> {
        let parsed = parsed(Profile::parse("quickstart.ovpn", profile.as_bytes(), &mut NoFiles))?;
        let RoleConfig::Client(config) = parsed.role else {
            return Err("quickstart.ovpn is no client's".into());
        };
        let remotes = config.remotes.clone();
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let end = End::new(local, |host, now| Client::new(config, host, now))?;
        Ok(Self { end, facts: Facts::default(), remotes })
    }

    /// Joins the server.
    pub fn join(&mut self) -> Result<()> {
        self.end.engine.start(self.end.now());
        self.run("the handshake", |guest| (0, guest.facts.address.map(|_| ())))
    }

    /// Fetches `path` from the web server inside.
    pub fn fetch(&mut self, server: Ipv4Addr, path: &str) -> Result<Answer> {
        let mut exchange = Exchange::get(&mut self.end.stack, server, path)?;
        self.run("the page", |guest| (exchange.received(), exchange.work(&mut guest.end.stack)))?
    }

    /// Fetches `bytes` bytes, and has the keys renegotiated twice on the way.
    pub fn download(&mut self, server: Ipv4Addr, bytes: u64) -> Result<Transfer> {
        let exchange = Exchange::get(&mut self.end.stack, server, &format!("/bulk/{bytes}"))?;
        let (answer, time) = self.transfer("the download", exchange, bytes, Exchange::received)?;
        Ok(Transfer { bytes: answer.len, time })
    }

    /// Sends `bytes` bytes, and has the keys renegotiated twice on the way.
    pub fn upload(&mut self, server: Ipv4Addr, bytes: u64) -> Result<Transfer> {
        let exchange = Exchange::put(&mut self.end.stack, server, "/bulk", bytes)?;
        let sent = |exchange: &Exchange| bytes - exchange.unsent();
        let (answer, time) = self.transfer("the upload", exchange, bytes, sent)?;
        let taken = answer.body.split(' ').next().and_then(|count| count.parse().ok());
        Ok(Transfer { bytes: taken.unwrap_or(0), time })
    }

    fn transfer(
        &mut self,
        what: &str,
        mut exchange: Exchange,
        bytes: u64,
        progress: impl Fn(&Exchange) -> u64,
    ) -> Result<(Answer, Duration)> {
        let began = self.end.now();
        let before = self.facts.renegotiations;
        let mut asked = 0;
        let answer = self.run(what, |guest| {
            let moved = progress(&exchange);
            let due = [bytes / 4, bytes / 2].iter().filter(|&&mark| moved >= mark).count() as u32;
            if due > asked && guest.facts.renegotiations - before == asked {
                guest.end.engine.renegotiate(guest.end.now());
                asked += 1;
            }
            (moved, exchange.work(&mut guest.end.stack))
        })??;
        Ok((answer, self.end.now() - began))
    }

    /// Waits until nothing comes any more that belongs to what was before.
    pub fn settle(&mut self) -> Result<()> {
        let until = self.end.now() + Duration::from_millis(200);
        self.run("the pause", |guest| (0, (guest.end.now() >= until).then_some(())))
    }

    /// Says good-bye, and goes on until `done`.
    pub fn leave(&mut self, done: impl Fn() -> bool) -> Result<()> {
        self.end.engine.disconnect(self.end.now());
        while !done() && self.facts.closed.is_none() {
            self.turn()?;
        }
        Ok(())
    }

    /// Turns the loop until `step` gives a result. It says how far it has come besides.
    fn run<T>(&mut self, what: &str, mut step: impl FnMut(&mut Self) -> (u64, Option<T>)) -> Result<T> {
        let (mut last, mut since) = (0, self.end.now());
        loop {
            let (progress, result) = step(self);
            if let Some(result) = result {
                return Ok(result);
            }
            if let Some(reason) = &self.facts.closed {
                return Err(format!("the tunnel has ended during {what}: {reason}"));
            }
            if progress != last {
                (last, since) = (progress, self.end.now());
            } else if self.end.now() - since > PATIENCE {
                return Err(format!("{what} made no progress for {} seconds", PATIENCE.as_secs()));
            }
            self.turn()?;
        }
    }

    fn turn(&mut self) -> Result<()> {
        let (facts, remotes) = (&mut self.facts, &self.remotes);
        self.end.turn(|end, event| act(end, facts, remotes, event))
    }
}

/// Does what an event asks for, and notes what it tells.
fn act(end: &mut End<Client>, facts: &mut Facts, remotes: &[Remote], event: Event) {
    let now = end.now();
    match event {
        Event::ConnectRequested { remote, .. } => {
            facts.began = now;
            let address =
                remotes.get(remote).and_then(|remote| remote.host.parse().ok().map(|ip| (ip, remote.port)));
            match address {
                // The engine has asked, so it is in a state to take the answer.
                Some((ip, port)) => drop(end.engine.connect(now, Path::udp(LINK, SocketAddr::new(ip, port)))),
                None => end.engine.connect_failed(now, "the remote is no address"),
            }
        }
        Event::HandshakeCompleted { tls_version, cipher_suite, renegotiation: false, .. } => {
            facts.authenticated = now;
            facts.tls = (tls_version, cipher_suite);
        }
        Event::Connected { cipher, ipv4, .. } => {
            facts.up = now;
            facts.cipher = cipher.name();
            facts.address = ipv4;
            let ifconfig = end.engine.settings().and_then(|settings| settings.ifconfig);
            if let Some(ifconfig) = ifconfig
                && let IfconfigOther::Subnet(prefix) = ifconfig.other
            {
                end.stack.set_address(ifconfig.local, prefix);
            }
        }
        Event::Rekeyed { .. } => facts.renegotiations += 1,
        Event::Closed { reason, .. } => facts.closed = Some(reason),
        _ => {}
    }
}
