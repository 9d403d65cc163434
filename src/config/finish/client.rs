//! What only a client has: remotes, login, a bound port perhaps.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use super::Finishing;
use crate::algorithm::Role;
use crate::config::client::{AuthUserPass, ClientConfig, Credentials, Remote};
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Keepalive;
use crate::config::session::PingTimeout;
use crate::config::statement::Source;
use crate::config::text::NamedText;
use crate::path::Transport;

/// OpenVPN's and IANA's.
pub(super) const DEFAULT_PORT: u16 = 1194;

/// `ping-restart 0`, where `None` would leave it to the client's default: a silence of 68 years.
const NEVER: Duration = Duration::from_secs(i32::MAX as u64);

impl Finishing<'_> {
    pub(super) fn client(&mut self) -> ClientConfig {
        let remotes = self.remotes();
        let udp = remotes.iter().any(|remote| remote.transport == Transport::Udp);
        self.client_socket(udp);
        self.client_pings();
        if !udp && !remotes.is_empty() && self.draft.session.explicit_exit_notify.take().is_some() {
            self.draft.warning(
                "explicit-exit-notify",
                "this has no effect over TCP, where the server sees us leave",
            );
        }
        let auth_user_pass = self.login();
        let draft = &mut self.draft;
        ClientConfig {
            session: core::mem::take(&mut draft.session),
            remotes,
            pull: draft.pull,
            auth_user_pass,
            topology: draft.topology,
            ..core::mem::take(&mut draft.client)
        }
    }

    fn remotes(&mut self) -> Vec<Remote> {
        let drafts = core::mem::take(&mut self.draft.remotes);
        if drafts.is_empty() {
            self.missing("'remote' is missing: a client needs 'remote HOST PORT'");
        }
        let port = self.draft.remote_port.unwrap_or(DEFAULT_PORT);
        if let Some(proto) = self.draft.proto {
            self.draft.host.transport = proto.transport;
            self.draft.host.family = proto.family;
            if proto.role == Some(Role::Server) {
                self.draft.error("proto", "a client cannot listen: write tcp or tcp-client");
            }
        }
        let mut remotes = Vec::with_capacity(drafts.len());
        for remote in drafts {
            if remote.proto.is_some_and(|proto| proto.role == Some(Role::Server)) {
                let message = "remote: a client cannot listen: write tcp or tcp-client";
                self.draft.diagnostics.push(Diagnostic::error(&remote.named_at, message));
            }
            let proto = remote.proto.or(self.draft.proto);
            remotes.push(Remote {
                host: remote.host,
                port: remote.port.unwrap_or(port),
                transport: proto.map_or(Transport::Udp, |proto| proto.transport),
                family: proto.and_then(|proto| proto.family),
            });
        }
        remotes
    }

    /// UDP binds to port 1194 unless told otherwise; TCP to any.
    fn client_socket(&mut self, udp: bool) {
        if self.draft.nobind {
            for name in ["bind", "lport", "local"] {
                if self.draft.position(name).is_some() {
                    self.draft.error(name, "there is 'nobind' too: one of them must go");
                }
            }
        }
        let named = self.draft.bind || self.draft.local_port.is_some() || self.draft.host.local.is_some();
        let bound = !self.draft.nobind && (udp || named);
        self.draft.host.local_port =
            if bound { self.draft.local_port.unwrap_or(Some(DEFAULT_PORT)) } else { None };
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
        let Some(text) = self.load("auth-user-pass", source) else { return AuthUserPass::Ask };
        match credentials(&text) {
            Ok(_) if self.draft.auth_nocache && path.is_some() => {
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
