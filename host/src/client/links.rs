//! Links to the server: names to addresses, sockets to paths.

use adit::client::Client;
use adit::config::Remote;
use adit::{Instant, Path, Transport};

use super::{Attempt, ClientRole, Waiting};
use crate::errors::cause;
use crate::io::{Io, Link};
use crate::lines::family_address;
use crate::management::{State, StateName};
use crate::poller::Source;
use crate::resolve::{Ends, Found, Target, family_of, random_host};
use crate::run::{Node, Outcome};
use crate::socket::{Families, any_address};
use crate::tcp::Connection;
use crate::udp::Udp;

impl ClientRole {
    /// Looks up the remote's addresses, unless they are known; the link follows then.
    pub(super) fn look_up(&mut self, node: &mut Node<Client>, now: Instant, attempt: Attempt) {
        node.io.close_links();
        (self.link, self.opening) = (None, None);
        // For another of its addresses a name is not looked up again, and `persist-remote-ip` keeps what it was.
        let keeps = attempt.address > 0 || self.host.persist_remote_ip;
        if let Some((_, found)) = self.found.take_if(|(remote, _)| keeps && *remote == attempt.remote) {
            return self.looked_up(node, now, attempt, Ok(found));
        }
        let begin = || {
            let remote = self.remotes.get(attempt.remote).ok_or("the configuration names no such remote")?;
            let task = self.target(remote).look_up().map_err(|error| cause(&error))?;
            node.io.poller.add(&task, Source::Task, false).map_err(|error| cause(&error))?;
            Ok::<_, String>(Waiting::LookUp(task, attempt))
        };
        match begin() {
            Ok(waiting) => {
                if self.remotes.get(attempt.remote).is_some_and(|remote| Self::is_name(&remote.host)) {
                    node.management.state(State::of(StateName::Resolve));
                }
                self.waiting = Some(waiting);
            }
            Err(why) => node.engine.connect_failed(now, &why),
        }
    }

    fn target(&self, remote: &Remote) -> Target {
        let mut host = remote.host.clone();
        if self.host.remote_random_hostname && host.parse::<std::net::IpAddr>().is_err() {
            let mut random = [0; 6];
            crate::fill_random(&mut random);
            host = random_host(&host, random);
        }
        let bind = remote.connection.bind.clone();
        Target { host, port: remote.port, family: remote.family, bind, proxy: None }
    }

    pub(super) fn looked_up(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        attempt: Attempt,
        found: Result<Found, String>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                let since = *self.unresolved.get_or_insert(now);
                if self.host.resolv_retry.is_some_and(|patience| now.since(since) >= patience) {
                    self.log.error(format_args!("{why}; giving up, as resolv-retry says"));
                    self.outcome = Some(Outcome::Exit(1));
                } else {
                    node.engine.connect_failed(now, &why);
                }
                return;
            }
        };
        self.unresolved = None;
        node.engine.found_addresses(now, found.ends.len());
        // A name may have fewer addresses than before.
        let ends = found.ends.get(attempt.address).or_else(|| found.ends.first()).copied();
        self.found = Some((attempt.remote, found));
        let (Some(ends), Some(remote)) = (ends, self.remotes.get(attempt.remote)) else { return };
        let timeout = remote.connection.connect_timeout.unwrap_or(self.connect_timeout);
        if remote.transport == Transport::Tcp {
            node.management.state(State::of(StateName::TcpConnect));
        }
        match self.open_link(&mut node.io, remote.transport, ends) {
            Ok(Some(path)) => {
                if node.engine.connect(now, path).is_ok() {
                    node.management.state(State::of(StateName::Wait));
                }
            }
            Ok(None) => self.opening = Some(now + timeout),
            Err(why) => node.engine.connect_failed(now, &why),
        }
    }

    /// The path of a UDP link at once; a TCP link is only begun.
    fn open_link(
        &mut self,
        io: &mut Io,
        transport: Transport,
        Ends { remote, local }: Ends,
    ) -> Result<Option<Path>, String> {
        let to = family_address(&remote.into());
        let version = if remote.is_ipv4() { 4 } else { 6 };
        self.keep_outside(remote.ip(), io);
        match transport {
            Transport::Udp => {
                let bind = local.unwrap_or_else(|| any_address(Some(family_of(remote)), 0));
                let udp = Udp::bind(bind, Families::Both, &self.host.sockets)
                    .map_err(|error| format!("cannot bind UDP to {bind}: {}", cause(&error)))?;
                let link = io.add_link(Link::Udp(udp)).map_err(|error| error.to_string())?;
                let bound =
                    local.map_or_else(|| "(not bound)".to_owned(), |local| family_address(&local.into()));
                self.log.info(format_args!("UDPv{version} link local: {bound}"));
                self.log.info(format_args!("UDPv{version} link remote: {to}"));
                self.link = Some((link, remote));
                Ok(Some(Path::udp(link, remote)))
            }
            Transport::Tcp => {
                self.log.info(format_args!("Attempting to establish TCP connection with {to}"));
                let connection = Connection::open(remote, local, &self.host.sockets)
                    .map_err(|error| tcp_failed(&to, &error))?;
                let link = io.add_link(Link::Tcp(connection)).map_err(|error| error.to_string())?;
                self.link = Some((link, remote));
                Ok(None)
            }
        }
    }
}

pub(super) fn tcp_failed(to: &str, error: &std::io::Error) -> String {
    format!("TCP: connect to {to} failed: {}", cause(error))
}
