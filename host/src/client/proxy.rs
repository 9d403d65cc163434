//! Proxies on the way to the server: what to say to one, and what follows its answer.

use std::net::SocketAddr;

use adit::client::Client;
use adit::config::{Credentials, HttpProxy, Proxy, ProxyLogin, Remote, SocksProxy};
use adit::{Instant, LinkId, Path, Transport};

use super::login::ask;
use super::{Attempt, ClientRole, Waiting};
use crate::errors::cause;
use crate::io::Link;
use crate::lines::family_address;
use crate::password::Asker;
use crate::proxy::{Command, Destination, Dialogue, HttpConnect, Login, Refusal, Request, Socks};
use crate::resolve::family_of;
use crate::run::{Node, Outcome};
use crate::socket::{Families, any_address};
use crate::udp::Udp;

/// The version of HTTP that is spoken unless `http-proxy-option VERSION` says otherwise.
const HTTP_VERSION: &str = "1.0";

impl ClientRole {
    /// What is to be said to the proxy of this remote, which is called `host`; `None` without a proxy.
    pub(super) fn dialogue(
        &self,
        attempt: Attempt,
        remote: &Remote,
        host: &str,
    ) -> Result<Option<Dialogue>, String> {
        let to = Destination { host: host.to_owned(), port: remote.port };
        let login = |login: &ProxyLogin| -> Login {
            match login {
                ProxyLogin::Off => None,
                ProxyLogin::Ask => self.proxy_logins.get(&attempt.remote).cloned(),
                ProxyLogin::Given(credentials) => Some(credentials.clone()),
            }
        };
        Ok(Some(match (&remote.connection.proxy, remote.transport) {
            (None, _) => return Ok(None),
            (Some(Proxy::Http(_)), Transport::Udp) => {
                return Err("http-proxy carries TCP only: write 'proto tcp' or use socks-proxy".into());
            }
            (Some(Proxy::Http(http)), Transport::Tcp) => {
                let version = http.version.as_deref().unwrap_or(HTTP_VERSION);
                let request = Request { version, agent: http.agent.as_deref(), headers: &http.headers };
                Dialogue::Http(HttpConnect::new(&to, &request, &login(&http.login)))
            }
            (Some(Proxy::Socks(socks)), transport) => {
                let command = match transport {
                    Transport::Tcp => Command::Connect(to),
                    Transport::Udp => Command::UdpAssociate,
                };
                Dialogue::Socks(Socks::new(command, login(&socks.login))?)
            }
        }))
    }

    /// A SOCKS proxy passes our datagrams on: they go to its relay.
    pub(super) fn relay_opened(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        control: LinkId,
        relay: SocketAddr,
    ) {
        let server = self.attempt.and_then(|attempt| self.found.get(&attempt.remote)?.end(attempt.address));
        let Some(server) = server else { return };
        self.log.info(format_args!("SOCKS proxy wants us to send UDP to {}", family_address(&relay.into())));
        self.keep_outside(relay.ip(), &node.io);
        let family = family_of(relay);
        let local = server.local.filter(|local| family_of(*local) == family);
        let local = local.unwrap_or_else(|| any_address(Some(family), 0));
        let opened = Udp::bind(local, Families::Both, &self.host.sockets)
            .and_then(|udp| node.io.add_link(Link::Udp(udp.through(relay))));
        match opened {
            Ok(link) => {
                (self.control, self.link) = (Some(control), Some((link, relay)));
                let _ = node.engine.connect(now, Path::udp(link, server.remote));
            }
            Err(error) => {
                let why = format!("cannot bind UDP to {local}: {}", cause(&error));
                node.engine.connect_failed(now, &why);
            }
        }
    }

    /// The proxy has ended the connection, and the relay with it.
    pub(super) fn control_closed(&mut self, node: &mut Node<Client>, now: Instant) {
        self.control = None;
        if let Some((link, _)) = self.link {
            node.engine.link_closed(now, link);
        }
    }

    pub(super) fn proxy_refused(&mut self, node: &mut Node<Client>, now: Instant, refusal: Refusal) {
        let Refusal { sentence, wants_login } = refusal;
        let attempt = self.attempt.filter(|_| wants_login);
        let asker = attempt.and_then(|attempt| {
            match self.remotes.get(attempt.remote).and_then(|remote| remote.connection.proxy.as_ref()) {
                Some(Proxy::Http(HttpProxy { login: ProxyLogin::Ask, .. })) => Some(Asker::HttpProxy),
                Some(Proxy::Socks(SocksProxy { login: ProxyLogin::Ask, .. })) => Some(Asker::SocksProxy),
                _ => None,
            }
        });
        let (Some(attempt), Some(asker)) = (attempt, asker) else {
            return node.engine.connect_failed(now, &sentence);
        };
        if self.proxy_logins.remove(&attempt.remote).is_some() {
            self.log.info(sentence);
        }
        match ask(node, asker, None) {
            Ok(prompt) => self.waiting = Some(Waiting::ProxyLogin(prompt, attempt)),
            Err(why) => self.proxy_login_told(node, now, attempt, Err(why)),
        }
    }

    /// The user has answered: once more to the same proxy.
    pub(super) fn proxy_login_told(
        &mut self,
        node: &mut Node<Client>,
        now: Instant,
        attempt: Attempt,
        answer: Result<Credentials, String>,
    ) {
        match answer {
            Ok(credentials) => {
                self.proxy_logins.insert(attempt.remote, credentials);
                self.look_up(node, now, attempt);
            }
            Err(why) => {
                self.log.error(why);
                self.outcome = Some(Outcome::Exit(1));
            }
        }
    }
}
