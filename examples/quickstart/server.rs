//! The server's end: adit's server engine, and a web server behind it.

use std::net::SocketAddr;

use adit::Server;
use adit::config::{NoFiles, Profile, RoleConfig};
use adit::{CloseReason, DropCounters, Event};

use crate::end::End;
use crate::web::Website;
use crate::{Result, parsed};

/// A server and what is behind it.
pub struct Host {
    end: End<Server>,
    website: Website,
}

/// What a server has seen.
pub struct Report {
    pub sealed: u64,
    pub opened: u64,
    pub drops: DropCounters,
}

impl Host {
    /// A server by the configuration `profile`, with its UDP socket at `local`.
    pub fn new(profile: &str, local: SocketAddr) -> Result<Self> {
        let parsed = parsed(Profile::parse("server.conf", profile.as_bytes(), &mut NoFiles))?;
        let RoleConfig::Server(config) = parsed.role else { return Err("server.conf is no server's".into()) };
        let mut end = End::new(local, |host, now| Server::new(config, host, now))?;
        if let Some(address) = end.engine.ipv4() {
            end.stack.set_address(address.local, 24);
        }
        let website = Website::open(&mut end.stack);
        Ok(Self { end, website })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.end.local_addr()
    }

    /// Serves one client until it leaves.
    pub fn serve_one(mut self) -> Result<Report> {
        let mut gone = None;
        loop {
            self.turn(|event| {
                if let Event::Closed { reason, .. } = event {
                    gone = Some(reason);
                }
            })?;
            match gone {
                None => {}
                Some(CloseReason::RemoteExit) if !self.end.engine.is_idle() => {}
                Some(CloseReason::RemoteExit) => break,
                Some(reason) => return Err(format!("the server has lost its client: {reason}")),
            }
        }
        let drops = self.end.engine.drops().clone();
        Ok(Report { sealed: self.end.sealed, opened: self.end.opened, drops })
    }

    /// Serves whoever comes, and says who does. Ends by an error alone.
    pub fn serve(mut self) -> Result<()> {
        loop {
            self.turn(|event| match event {
                Event::SessionStarted { path, .. } => println!("{} asks to join", path.remote),
                Event::Connected { cipher, ipv4: Some(address), .. } => {
                    println!("a client has joined as {address} ({cipher})");
                }
                Event::Closed { reason, .. } => println!("a client has gone: {reason}"),
                _ => {}
            })?;
        }
    }

    fn turn(&mut self, mut watch: impl FnMut(Event)) -> Result<()> {
        self.end.turn(|_, event| watch(event))?;
        self.website.work(&mut self.end.stack);
        Ok(())
    }
}
