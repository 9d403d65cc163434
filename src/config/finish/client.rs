//! What only a client has: remotes, login, a bound port perhaps.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use super::Finishing;
use crate::algorithm::Role;
use crate::config::client::{AuthRetry, AuthUserPass, ClientConfig, Connection, Credentials, Remote};
use crate::config::connection::{ConnectionDraft, DEFAULT_PORT, LoginSource};
use crate::config::diagnostic::{Diagnostic, Position};
use crate::config::draft::Keepalive;
use crate::config::proxy::{HttpProxy, Proxy, ProxyLogin, SocksProxy};
use crate::config::session::{PingTimeout, VerifyClientCert};
use crate::config::statement::Source;
use crate::config::text::NamedText;
use crate::path::Transport;

/// `ping-restart 0`, where `None` would leave it to the client's default: a silence of 68 years.
const NEVER: Duration = Duration::from_secs(i32::MAX as u64);

impl Finishing<'_> {
    pub(super) fn client(&mut self) -> ClientConfig {
        let remotes = self.remotes();
        let udp = remotes.iter().any(|remote| remote.transport == Transport::Udp);
        self.connection_relations();
        self.client_socket();
        if self.draft.session.tls.verify_client_cert != VerifyClientCert::Require {
            self.draft.error("verify-client-cert", "this cannot stand in the configuration of a client");
        }
        self.client_pings();
        if !udp && !remotes.is_empty() && self.draft.session.explicit_exit_notify.take().is_some() {
            self.draft.warning(
                "explicit-exit-notify",
                "this has no effect over TCP, where the server sees us leave",
            );
        }
        let auth_user_pass = self.login();
        let draft = &mut self.draft;
        let tells = draft.client.push_peer_info;
        draft.client.peer_info.retain(|(name, _)| tells || !name.starts_with("UV_"));
        ClientConfig {
            session: core::mem::take(&mut draft.session),
            remotes,
            pull: draft.pull,
            auth_user_pass,
            topology: draft.topology,
            block_ipv6: draft.host.routes.block_ipv6,
            ..core::mem::take(&mut draft.client)
        }
    }

    /// The remotes: those of the `<connection>` blocks, or those outside of them.
    fn remotes(&mut self) -> Vec<Remote> {
        let mut connections = core::mem::take(&mut self.draft.connections);
        let remotes = core::mem::take(&mut self.draft.remotes);
        if connections.is_empty() {
            let own = &self.draft.connection;
            let with = |remote| ConnectionDraft { remote: Some(remote), ..own.clone() };
            connections = remotes.into_iter().map(with).collect();
        }
        for connection in &mut connections {
            if connection.tls_auth.is_none() && connection.tls_crypt.is_none() {
                let whole = &self.draft.connection;
                (connection.tls_auth, connection.tls_crypt) =
                    (whole.tls_auth.clone(), whole.tls_crypt.clone());
                connection.key_direction = whole.key_direction;
            }
        }
        if connections.is_empty() {
            self.missing("'remote' is missing: a client needs 'remote HOST PORT'");
        }
        self.draft.shown_connections.clone_from(&connections);
        if self.draft.connection.proto.is_some_and(|proto| proto.role == Some(Role::Server)) {
            self.draft.error("proto", "a client cannot listen: write tcp or tcp-client");
        }
        let force = self.draft.proto_force;
        let mut out: Vec<Remote> =
            connections.into_iter().filter_map(|connection| self.remote(connection)).collect();
        if let Some(transport) = force {
            out.retain(|remote| remote.transport == transport);
            if out.is_empty() {
                self.draft.error("proto-force", "there is no 'remote' of this protocol");
            }
        }
        out
    }

    fn remote(&mut self, connection: ConnectionDraft) -> Option<Remote> {
        let remote = connection.remote.clone()?;
        let proto = connection.remote_proto();
        let of_all = self.draft.connection.proto.and_then(|proto| proto.role);
        if proto.is_some_and(|proto| proto.role == Some(Role::Server)) && of_all != Some(Role::Server) {
            let message = "remote: a client cannot listen: write tcp or tcp-client";
            self.draft.diagnostics.push(Diagnostic::error(&remote.named_at, message));
        }
        self.bound_or_not(&connection, &remote.named_at);
        let transport = proto.map_or(Transport::Udp, |proto| proto.transport);
        let wrap = self.wrap(&connection);
        let proxy = self.proxy(&connection);
        if transport == Transport::Udp && matches!(proxy, Some(Proxy::Http(_))) {
            let message = "remote: this is UDP, and there is 'http-proxy', which carries TCP only: write tcp, or use socks-proxy";
            self.draft.diagnostics.push(Diagnostic::error(&remote.named_at, message));
        }
        Some(Remote {
            host: remote.host,
            port: remote.port.or(connection.remote_port).unwrap_or(DEFAULT_PORT),
            transport,
            family: proto.and_then(|proto| proto.family),
            connection: Connection {
                bind: connection.bind(Role::Client),
                proxy,
                connect_retry: Some(connection.connect_retry.within_reason()),
                connect_timeout: connection.connect_timeout,
                float: connection.float,
                explicit_exit_notify: connection.explicit_exit_notify,
                tun_mtu: connection.tun_mtu,
                mssfix: Some(connection.mssfix),
                max_packet_size: connection.max_packet_size,
                wrap,
            },
        })
    }

    /// Both may stand outside of the connection, and outside of several: that is said once.
    fn bound_or_not(&mut self, connection: &ConnectionDraft, named_at: &Position) {
        let binds =
            [("bind", connection.bind), ("lport", connection.lport), ("local", connection.local.is_some())];
        for (name, _) in binds.into_iter().filter(|(_, binds)| *binds && connection.nobind) {
            let position = self.draft.position(name).unwrap_or_else(|| named_at.clone());
            let message = format!("{name}: there is 'nobind' too: one of them must go");
            let said = Diagnostic::error(&position, message);
            if !self.draft.diagnostics.contains(&said) {
                self.draft.diagnostics.push(said);
            }
        }
    }

    fn proxy(&mut self, connection: &ConnectionDraft) -> Option<Proxy> {
        if let Some(draft) = &connection.socks_proxy {
            let login = self.proxy_login("socks-proxy", draft.login.clone());
            return Some(Proxy::Socks(SocksProxy { login, ..draft.proxy.clone() }));
        }
        let draft = connection.http_proxy.as_ref().filter(|draft| !draft.proxy.host.is_empty())?;
        let login = match &draft.user_pass {
            _ if draft.no_cleartext => ProxyLogin::Off,
            Some(source) => self.proxy_login("http-proxy-user-pass", Some(LoginSource::From(source.clone()))),
            None => self.proxy_login("http-proxy", draft.login.clone()),
        };
        Some(Proxy::Http(HttpProxy { login, ..draft.proxy.clone() }))
    }

    fn proxy_login(&mut self, directive: &str, login: Option<LoginSource>) -> ProxyLogin {
        match login {
            None => ProxyLogin::Off,
            Some(LoginSource::Ask) => ProxyLogin::Ask,
            Some(LoginSource::From(source)) => {
                let Some(text) = self.load(directive, Some(source)) else { return ProxyLogin::Ask };
                match credentials(&text) {
                    Ok(credentials) => ProxyLogin::Given(credentials),
                    Err(diagnostic) => {
                        self.draft.diagnostics.push(diagnostic);
                        ProxyLogin::Ask
                    }
                }
            }
        }
    }

    fn client_socket(&mut self) {
        let connection = &self.draft.connection;
        let client = &mut self.draft.client;
        client.float = connection.float;
        client.connect_retry = connection.connect_retry.within_reason();
        client.connect_timeout = connection.connect_timeout.unwrap_or(client.connect_timeout);
    }

    fn client_pings(&mut self) {
        self.pings();
        if let Some(Keepalive { ping, timeout }) = self.draft.keepalive {
            self.draft.session.ping = Some(Duration::from_secs(ping));
            self.draft.session.ping_timeout =
                Some(PingTimeout { after: Duration::from_secs(timeout), exit: false });
        } else if self.draft.ping_timeout == Some(None) {
            self.draft.session.ping_timeout = Some(PingTimeout { after: NEVER, exit: false });
        }
    }

    fn login(&mut self) -> AuthUserPass {
        if !self.draft.auth_user_pass {
            return AuthUserPass::Off;
        }
        let source = self.draft.sources.auth_user_pass.take();
        let path = match &source {
            Some(Source::File { path, .. }) => Some(self.draft.path(path)),
            _ => None,
        };
        self.draft.client.auth_nocache = self.draft.auth_nocache;
        let reread = self.draft.auth_nocache || self.draft.client.auth_retry == AuthRetry::Interact;
        let Some(text) = self.load("auth-user-pass", source) else { return AuthUserPass::Ask };
        if path.is_some() && is_name_only(&text) {
            self.draft.host.auth_user_pass_file = path; // the password is asked for
            return AuthUserPass::Ask;
        }
        match credentials(&text) {
            // Read anew, for it may have changed.
            Ok(_) if reread && path.is_some() => {
                self.draft.host.auth_user_pass_file = path;
                AuthUserPass::Ask
            }
            Ok(credentials) => AuthUserPass::Given(credentials),
            Err(diagnostic) => {
                self.draft.diagnostics.push(diagnostic);
                AuthUserPass::Ask
            }
        }
    }
}

/// Whether there is a name, and no line for a password.
fn is_name_only(text: &NamedText) -> bool {
    let mut lines = text.text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.next().is_some_and(|name| !name.is_empty()) && lines.all(<[u8]>::is_empty)
}

/// The name on the first line, the password on the second.
pub(crate) fn credentials(text: &NamedText) -> Result<Credentials, Diagnostic> {
    let error = |line: u32, clause: String| {
        Diagnostic::error(&text.position(line, 1), format!("auth-user-pass: {clause}"))
    };
    let mut lines =
        text.text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut next = |number, what| {
        let line = lines.next().filter(|line| !line.is_empty());
        let line =
            line.ok_or_else(|| error(number, format!("line {number} is empty: it must be the {what}")))?;
        core::str::from_utf8(line).map_err(|_| error(number, format!("the {what} is not UTF-8")))
    };
    let username = next(1, "user name")?;
    let password = next(2, "password")?;
    Ok(Credentials { username: username.into(), password: Zeroizing::new(password.into()) })
}

#[cfg(test)]
mod tests;
