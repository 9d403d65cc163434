//! From a [`Draft`] to a [`Profile`]: defaults, files, and the relations between directives.
//!
//! What belongs to one role only is in [`client`] and [`server`].

mod client;
mod server;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use super::diagnostic::{Diagnostic, Position};
use super::directive::Directive;
use super::draft::Draft;
use super::files::Files;
use super::host::{Device, LogTarget};
use super::profile::{Profile, RoleConfig};
use super::session::{TlsConfig, WrapConfig};
use super::statement::Source;
use super::text::NamedText;
use crate::algorithm::Role;

/// The profile, as far as there can be one, and all findings. `name` is what the whole is called in them.
pub(crate) fn finish(draft: Draft, name: &str, files: &mut dyn Files) -> (Option<Profile>, Vec<Diagnostic>) {
    let mut finishing = Finishing { draft, name, files };
    let role = finishing.role().map(|role| {
        finishing.check_roles(role);
        finishing.device();
        finishing.privileges();
        finishing.tls(role);
        finishing.wrap();
        finishing.ciphers();
        finishing.paths();
        match role {
            Role::Client => RoleConfig::Client(finishing.client()),
            Role::Server => RoleConfig::Server(finishing.server()),
        }
    });
    let Draft { host, diagnostics, .. } = finishing.draft;
    (role.map(|role| Profile { role, host }), diagnostics)
}

struct Finishing<'a> {
    draft: Draft,
    name: &'a str,
    files: &'a mut dyn Files,
}

impl Finishing<'_> {
    /// An error about something that stands nowhere.
    fn missing(&mut self, message: impl Display) {
        self.draft.diagnostics.push(Diagnostic::error(&Position::new(self.name, 0, 0), message));
    }

    fn role(&mut self) -> Option<Role> {
        let wants_server =
            ["server", "server-ipv6"].into_iter().find(|name| self.draft.position(name).is_some());
        let wants_client = ["client", "pull"].into_iter().find(|name| self.draft.position(name).is_some());
        let mode = self.draft.mode_server.then_some("mode");
        match (wants_server.or(mode), wants_client) {
            (Some(server), Some(client)) => {
                self.draft
                    .error(server, format!("this is for a server, but there is '{client}' too: one must go"));
                None
            }
            (Some(_), None) if self.draft.tls_role == Some(Role::Server) || wants_server.is_some() => {
                Some(Role::Server)
            }
            (Some(server), None) => {
                self.draft.error(
                    server,
                    "a server needs 'tls-server' too, or 'server NETWORK NETMASK', which implies it",
                );
                None
            }
            (None, Some(_)) if self.draft.tls_role == Some(Role::Client) => Some(Role::Client),
            (None, Some(client)) => {
                self.draft.error(client, "a client needs 'tls-client' too, or 'client', which implies it");
                None
            }
            (None, None) if self.draft.tls_role.is_some() => {
                self.missing(
                    "tunnels between two equal ends are not supported yet: use 'client' on one end and \
                     'server NETWORK NETMASK' on the other",
                );
                None
            }
            (None, None) => {
                self.missing("this needs 'client', or 'server NETWORK NETMASK'");
                None
            }
        }
    }

    /// Who is no longer root cannot open the device again.
    fn privileges(&mut self) {
        let host = &self.draft.host;
        if host.user.is_some() && !host.persist_tun && host.dev != Device::Null {
            self.draft.warning("user", "a restart without root will fail: add 'persist-tun'");
        }
    }

    fn check_roles(&mut self, role: Role) {
        let this = match role {
            Role::Client => "client",
            Role::Server => "server",
        };
        let names: Vec<&'static str> = self.draft.seen().map(|(name, _)| name).collect();
        for directive in names.into_iter().filter_map(Directive::find) {
            if directive.role.is_some_and(|only| only != role) {
                self.draft
                    .error(directive.name, format!("this cannot stand in the configuration of a {this}"));
            } else if directive.idle_at == Some(role) {
                self.draft.warning(directive.name, format!("this has no effect at a {this}"));
            }
        }
    }

    fn device(&mut self) {
        let Some(dev) = self.draft.dev.take() else {
            return self.missing("'dev' is missing: write 'dev tun'");
        };
        self.draft.host.dev = match dev.as_str() {
            "tun" => Device::Tun,
            "null" => Device::Null,
            _ if dev.starts_with("tun") || self.draft.dev_type_tun => Device::Named(dev),
            _ => {
                return self
                    .draft
                    .error("dev", format!("'{dev}' needs 'dev-type tun' beside it, to say what it is"));
            }
        };
    }

    fn tls(&mut self, role: Role) {
        let sources = core::mem::take(&mut self.draft.sources);
        let login = self.draft.auth_user_pass;
        let Some(ca) = sources.ca else {
            return self.missing("'ca' is missing: the file of the certificate authorities that the peer's certificate is checked by");
        };
        match (&sources.cert, &sources.key) {
            (None, Some(_)) => self.draft.error("key", "there is no 'cert' for this key"),
            (Some(_), None) => self.draft.error("cert", "there is no 'key' for this certificate"),
            (None, None) if role == Role::Server => {
                self.missing("'cert' and 'key' are missing: a server needs a certificate and its key")
            }
            (None, None) if !login => {
                self.missing(
                    "a client needs 'cert' and 'key', or 'auth-user-pass', or both, to say who it is",
                );
            }
            _ => {}
        }
        let tls = TlsConfig {
            ca: self.load("ca", Some(ca)),
            cert: self.load("cert", sources.cert),
            extra_certs: self.load("extra-certs", sources.extra_certs),
            key: self.load("key", sources.key),
            crl: self.load("crl-verify", sources.crl),
            ..core::mem::take(&mut self.draft.session.tls)
        };
        if tls.version_min > tls.version_max.0 {
            self.draft.error("tls-version-max", "this is below tls-version-min");
        }
        self.draft.session.tls = tls;
        self.draft.sources.tls_auth = sources.tls_auth;
        self.draft.sources.tls_crypt = sources.tls_crypt;
        self.draft.sources.auth_user_pass = sources.auth_user_pass;
    }

    fn wrap(&mut self) {
        let (tls_auth, tls_crypt) = (self.draft.sources.tls_auth.take(), self.draft.sources.tls_crypt.take());
        if tls_auth.is_some() && tls_crypt.is_some() {
            self.draft.error(
                "tls-crypt",
                "there is 'tls-auth' too: only one of them can protect the control packets",
            );
        }
        if tls_auth.is_some() && self.draft.auth_none {
            self.draft
                .error("auth", "'none' leaves tls-auth without a digest: SHA1, SHA256, SHA384 or SHA512");
        }
        let direction = self.draft.key_direction;
        if let Some(key) = self.load("tls-auth", tls_auth) {
            self.draft.session.wrap = WrapConfig::TlsAuth { key, direction };
        }
        if let Some(key) = self.load("tls-crypt", tls_crypt) {
            self.draft.session.wrap = WrapConfig::TlsCrypt { key };
        }
    }

    /// `cipher` speaks to peers that cannot negotiate, but never for a cipher that negotiation would refuse.
    fn ciphers(&mut self) {
        let session = &mut self.draft.session;
        let agreed = self.draft.cipher.filter(|cipher| session.data_ciphers.contains(cipher));
        session.data_ciphers_fallback = session.data_ciphers_fallback.or(agreed);
    }

    /// The host's files lie where `cd` says.
    fn paths(&mut self) {
        let mut host = core::mem::take(&mut self.draft.host);
        let draft = &self.draft;
        if let LogTarget::Truncate(path) | LogTarget::Append(path) = &mut host.log {
            *path = draft.path(path);
        }
        let status = host.status.as_mut().map(|status| &mut status.path);
        let pool = host.pool_persist.as_mut().map(|persist| &mut persist.path);
        for path in [status, pool, host.writepid.as_mut()].into_iter().flatten() {
            *path = draft.path(path);
        }
        self.draft.host = host;
    }

    /// The contents of what `directive` names; if they cannot be read, that is an error.
    fn load(&mut self, directive: &str, source: Option<Source>) -> Option<NamedText> {
        match source? {
            Source::Inline(text) => Some(text),
            Source::File { path, named_at } => match self.read(&self.draft.path(&path)) {
                Ok(text) => Some(text),
                Err(clause) => {
                    let message = format!("{directive}: {clause}");
                    self.draft.diagnostics.push(Diagnostic::error(&named_at, message));
                    None
                }
            },
        }
    }

    fn read(&mut self, path: &str) -> Result<NamedText, String> {
        match self.files.read(path) {
            Ok(text) => Ok(NamedText::file(path, text)),
            Err(cause) => Err(format!("cannot read '{path}': {cause}")),
        }
    }

    /// `ping`, `ping-restart` and `ping-exit`, unless `keepalive` sets them.
    fn pings(&mut self) {
        if self.draft.keepalive.is_some() {
            for name in ["ping", "ping-restart", "ping-exit"] {
                if self.draft.position(name).is_some() {
                    self.draft.error(name, "there is 'keepalive' too, which sets this: one of them must go");
                }
            }
        }
        self.draft.session.ping = self.draft.ping.flatten();
        self.draft.session.ping_timeout = self.draft.ping_timeout.flatten();
    }
}
