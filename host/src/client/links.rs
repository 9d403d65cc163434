//! Links to the server: names to addresses, sockets to paths.

use adit::client::Client;
use adit::config::{HttpProxy, Proxy, Remote, SocksProxy};
use adit::{Instant, Path, Transport};

use super::{Attempt, ClientRole, Waiting};
use crate::errors::cause;
use crate::io::{Io, Link};
use crate::lines::family_address;
use crate::management::{State, StateName};
use crate::poller::Source;
use crate::proxy::Dialogue;
use crate::resolve::{self, Ends, LookedUp, Target, family_of, random_host};
use crate::run::{Node, Outcome};
use crate::socket::{Families, any_address};
use crate::tcp::Connection;
use crate::udp::Udp;

impl ClientRole {
    /// Looks up the remote's addresses, unless they are known; the link follows then.
    pub(super) fn look_up(&mut self, node: &mut Node<Client>, now: Instant, attempt: Attempt) {
        node.io.close_links();
        (self.link, self.control, self.opening) = (None, None, None);
        self.attempt = Some(attempt);
        // For another of its addresses a name is not looked up again.
        let keeps = attempt.address > 0 || self.host.persist_remote_ip || self.host.preresolve;
        if keeps && self.found.contains_key(&attempt.remote) {
            return self.open_link(node, now, attempt);
        }
        let begin = || {
            let targets = self.targets(attempt)?;
            let task = resolve::look_up(targets).map_err(|error| cause(&error))?;
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

    /// What to look up: the remote that is to be tried, and with `preresolve` at first all of them.
    fn targets(&self, attempt: Attempt) -> Result<Vec<(usize, Target)>, String> {
        let all = self.host.preresolve && self.found.is_empty();
        let remotes = self.remotes.iter().enumerate().filter(|(number, _)| all || *number == attempt.remote);
        let targets: Vec<_> = remotes.map(|(number, remote)| (number, self.target(remote))).collect();
        if targets.is_empty() { Err("the configuration names no such remote".into()) } else { Ok(targets) }
    }

    /// The server, or instead of it the proxy that looks it up itself, or both.
    fn target(&self, remote: &Remote) -> Target {
        let mut server = remote.host.clone();
        if self.host.remote_random_hostname && server.parse::<std::net::IpAddr>().is_err() {
            let mut random = [0; 6];
            crate::fill_random(&mut random);
            server = random_host(&server, random);
        }
        let proxy = match &remote.connection.proxy {
            None => None,
            Some(Proxy::Http(HttpProxy { host, port, .. }) | Proxy::Socks(SocksProxy { host, port, .. })) => {
                Some((host.clone(), *port))
            }
        };
        let (family, bind) = (remote.family, remote.connection.bind.clone());
        match (proxy, remote.transport) {
            (Some((host, port)), Transport::Tcp) => Target { host, port, family, bind, proxy: None, server },
            (proxy, _) => Target { host: server.clone(), port: remote.port, family, bind, proxy, server },
        }
    }

    pub(super) fn looked_up(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        attempt: Attempt,
        found: LookedUp,
    ) {
        let mut refusal = None;
        for (remote, found) in found {
            match found {
                Ok(mut found) => {
                    if let Some(before) = self.found.get(&remote).filter(|_| self.host.persist_local_ip) {
                        found.keep_local(before);
                    }
                    self.found.insert(remote, found);
                }
                Err(why) if remote == attempt.remote => refusal = Some(why),
                // It is looked up when its turn comes.
                Err(why) => self.log.info(why),
            }
        }
        let Some(why) = refusal else {
            self.unresolved = None;
            return self.open_link(node, now, attempt);
        };
        let since = *self.unresolved.get_or_insert(now);
        if self.host.resolv_retry.is_some_and(|patience| now.since(since) >= patience) {
            self.log.error(format_args!("{why}; giving up, as resolv-retry says"));
            self.outcome = Some(Outcome::Exit(1));
        } else {
            node.engine.connect_failed(now, &why);
        }
    }

    /// The addresses are known: opens the link, or begins to.
    fn open_link(&mut self, node: &mut Node<Client>, now: Instant, attempt: Attempt) {
        let (Some(found), Some(remote)) = (self.found.get(&attempt.remote), self.remotes.get(attempt.remote))
        else {
            return;
        };
        node.engine.found_addresses(now, found.ends.len());
        let Some(ends) = found.end(attempt.address) else { return };
        let (proxy, dialogue) = (found.proxy, self.dialogue(attempt, remote, &found.server));
        let timeout = remote.connection.connect_timeout.unwrap_or(self.connect_timeout);
        if remote.transport == Transport::Tcp {
            node.management.state(State::of(StateName::TcpConnect));
        }
        let opened = match dialogue {
            Ok(None) if remote.transport == Transport::Udp => self.open_udp(&mut node.io, ends).map(Some),
            Ok(dialogue) => {
                // A relay for datagrams is asked for at the proxy; otherwise the proxy's is the only address.
                let ends = proxy.map_or(ends, |proxy| Ends { remote: proxy, local: None });
                self.open_tcp(&mut node.io, ends, dialogue).map(|()| None)
            }
            Err(why) => Err(why),
        };
        match opened {
            Ok(Some(path)) => {
                if node.engine.connect(now, path).is_ok() {
                    node.management.state(State::of(StateName::Wait));
                }
            }
            Ok(None) => self.opening = Some(now + timeout),
            Err(why) => node.engine.connect_failed(now, &why),
        }
    }

    fn open_udp(&mut self, io: &mut Io, Ends { remote, local }: Ends) -> Result<Path, String> {
        let version = if remote.is_ipv4() { 4 } else { 6 };
        self.keep_outside(remote.ip(), io);
        let bind = local.unwrap_or_else(|| any_address(Some(family_of(remote)), 0));
        let udp = Udp::bind(bind, Families::Both, &self.host.sockets)
            .map_err(|error| format!("cannot bind UDP to {bind}: {}", cause(&error)))?;
        let _ = udp.report_icmp();
        let link = io.add_link(Link::Udp(udp)).map_err(|error| error.to_string())?;
        let bound = local.map_or_else(|| "(not bound)".to_owned(), |local| family_address(&local.into()));
        self.log.info(format_args!("UDPv{version} link local: {bound}"));
        self.log.info(format_args!("UDPv{version} link remote: {}", family_address(&remote.into())));
        self.link = Some((link, remote));
        Ok(Path::udp(link, remote))
    }

    /// Begins a connection, to the server or to a proxy.
    fn open_tcp(
        &mut self,
        io: &mut Io,
        Ends { remote, local }: Ends,
        dialogue: Option<Dialogue>,
    ) -> Result<(), String> {
        let to = family_address(&remote.into());
        self.keep_outside(remote.ip(), io);
        self.log.info(format_args!("Attempting to establish TCP connection with {to}"));
        let mut connection =
            Connection::open(remote, local, &self.host.sockets).map_err(|error| tcp_failed(&to, &error))?;
        if let Some(dialogue) = dialogue {
            connection = connection.through(dialogue);
        }
        let link = io.add_link(Link::Tcp(connection)).map_err(|error| error.to_string())?;
        self.link = Some((link, remote));
        Ok(())
    }
}

pub(super) fn tcp_failed(to: &str, error: &std::io::Error) -> String {
    format!("TCP: connect to {to} failed: {}", cause(error))
}
