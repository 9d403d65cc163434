//! From a [`Draft`] to a [`Profile`]: defaults, files, and the relations between directives.
//!
//! What belongs to one role only is in [`client`] and [`server`].

mod client;
mod relations;
mod router;
mod server;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use super::connection::ConnectionDraft;
use super::diagnostic::{Diagnostic, Position};
use super::directive::Directive;
use super::draft::Draft;
use super::files::Files;
use super::host::{Device, HostConfig, LogTarget, ManagementAddress, ManagementConfig};
use super::profile::{Profile, RoleConfig};
use super::session::{TlsConfig, WrapConfig};
use super::show;
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
        finishing.session();
        finishing.ciphers();
        finishing.host();
        match role {
            Role::Client => RoleConfig::Client(finishing.client()),
            Role::Server => RoleConfig::Server(finishing.server()),
        }
    });
    let mut draft = finishing.draft;
    let profile = role.map(|role| {
        let host = core::mem::take(&mut draft.host);
        let mut profile = Profile { role, host };
        profile.host.log.settings = show::lines(&draft, &profile);
        profile
    });
    (profile, draft.diagnostics)
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
        if host.process.user.is_some() && !host.persist_tun && host.dev != Device::Null {
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
            self.draft.host.dev = Device::Tun;
            return;
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
        let (crl, crl_file) = self.crl_file(sources.crl);
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
            crl: self.load("crl-verify", crl),
            verify_by_host: self.draft.host.scripts.tls_verify.is_some(),
            ..core::mem::take(&mut self.draft.session.tls)
        };
        if tls.version_min > tls.version_max.0 {
            self.draft.error("tls-version-max", "this is below tls-version-min");
        }
        self.draft.session.tls = tls;
        self.draft.host.crl_file = crl_file;
        self.draft.sources.auth_user_pass = sources.auth_user_pass;
        self.draft.sources.auth_gen_token_secret = sources.auth_gen_token_secret;
    }

    /// From where the revocation list is read now, and from where later. Under `chroot` its path is one in that
    /// directory, which is not the root directory yet.
    fn crl_file(&self, crl: Option<Source>) -> (Option<Source>, Option<String>) {
        match (crl, &self.draft.host.process.chroot) {
            (Some(Source::File { path, named_at }), Some(root)) => {
                let path = path.trim_start_matches('/');
                let now = format!("{}/{path}", root.trim_end_matches('/'));
                (Some(Source::File { path: now, named_at }), Some(format!("/{path}")))
            }
            (Some(Source::File { path, named_at }), None) => {
                let later = self.draft.path(&path);
                (Some(Source::File { path, named_at }), Some(later))
            }
            (crl, _) => (crl, None),
        }
    }

    /// What stands outside of `<connection>` blocks holds for the session, too.
    fn session(&mut self) {
        let connection = self.draft.connection.clone();
        let wrap = self.wrap(&connection);
        let session = &mut self.draft.session;
        session.wrap = wrap.unwrap_or_default();
        session.explicit_exit_notify = connection.explicit_exit_notify;
        session.tun_mtu = connection.tun_mtu.unwrap_or(session.tun_mtu);
        session.mssfix = connection.mssfix;
        session.max_packet_size = connection.max_packet_size.unwrap_or(session.max_packet_size);
    }

    /// The protection that a connection has; `None` without one, or if its key cannot be read.
    fn wrap(&mut self, connection: &ConnectionDraft) -> Option<WrapConfig> {
        let (tls_auth, tls_crypt) = (connection.tls_auth.clone(), connection.tls_crypt.clone());
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
        let direction = connection.key_direction;
        let tls_auth = self.load("tls-auth", tls_auth).map(|key| WrapConfig::TlsAuth { key, direction });
        let tls_crypt = self.load("tls-crypt", tls_crypt).map(|key| WrapConfig::TlsCrypt { key });
        tls_crypt.or(tls_auth)
    }

    /// `cipher` speaks to peers that cannot negotiate, but never for a cipher that negotiation would refuse.
    fn ciphers(&mut self) {
        if self.draft.no_compression && self.draft.names_compression {
            self.draft
                .error("allow-compression", "'no' and an algorithm to compress by: one of them must go");
        }
        // For peers before 2.5, and before 2.4, as they expect it.
        let (before_2_5, before_2_4) =
            (self.draft.compatible_before(20_500), self.draft.compatible_before(20_400));
        let session = &mut self.draft.session;
        if let Some(cipher) = self.draft.cipher {
            if before_2_5 && !session.data_ciphers.contains(&cipher) {
                session.data_ciphers.push(cipher);
            }
            if before_2_4 {
                session.data_ciphers_fallback.get_or_insert(cipher);
            }
        }
        let agreed = self.draft.cipher.filter(|cipher| session.data_ciphers.contains(cipher));
        session.data_ciphers_fallback = session.data_ciphers_fallback.or(agreed);
    }

    /// The host's files lie where `cd` says; what goes together is put together.
    fn host(&mut self) {
        let mut host = core::mem::take(&mut self.draft.host);
        if let Some(directory) = &mut host.client_config_dir {
            directory.exclusive = self.draft.ccd_exclusive;
        }
        host.management = self.management();
        self.log_target(&mut host);
        let draft = &self.draft;
        if let LogTarget::Truncate(path) | LogTarget::Append(path) = &mut host.log.target {
            *path = draft.path(path);
        }
        let HostConfig { status, pool_persist, client_config_dir, process, scripts, .. } = &mut host;
        let named = [
            status.as_mut().map(|status| &mut status.path),
            pool_persist.as_mut().map(|persist| &mut persist.path),
            client_config_dir.as_mut().map(|directory| &mut directory.path),
            process.writepid.as_mut(),
            process.chroot.as_mut(),
            scripts.tmp_dir.as_mut(),
        ];
        for path in named.into_iter().flatten() {
            *path = draft.path(path);
        }
        self.draft.host = host;
    }

    /// A daemon without a log file has the system log.
    fn log_target(&self, host: &mut HostConfig) {
        if let (LogTarget::Stdout, Some(daemon)) = (&host.log.target, &host.process.daemon) {
            host.log.target =
                LogTarget::Syslog(daemon.name.clone().unwrap_or_else(|| LogTarget::NAME.into()));
        }
    }

    fn management(&mut self) -> Option<ManagementConfig> {
        /// OpenVPN's own.
        const LOG_CACHE: u32 = 250;
        let draft = core::mem::take(&mut self.draft.management);
        let Some(address) = draft.address else {
            let names: Vec<_> = self
                .draft
                .seen()
                .map(|(name, _)| name)
                .filter(|name| name.starts_with("management-"))
                .collect();
            for name in names {
                self.draft.error(name, "there is no 'management' for this to belong to");
            }
            return None;
        };
        if matches!(address, ManagementAddress::Tcp { .. }) {
            for (name, told) in [
                ("management-client-user", draft.client_user.is_some()),
                ("management-client-group", draft.client_group.is_some()),
            ] {
                if told {
                    let clause = "who a client is can only be told from a unix socket: management PATH unix";
                    self.draft.error(name, clause);
                }
            }
        }
        let path = |path: String| self.draft.path(&path);
        Some(ManagementConfig {
            address: match address {
                ManagementAddress::Unix(socket) => ManagementAddress::Unix(path(socket)),
                tcp @ ManagementAddress::Tcp { .. } => tcp,
            },
            password_file: draft.password_file.map(path),
            client: draft.client,
            hold: draft.hold,
            signal: draft.signal,
            forget_disconnect: draft.forget_disconnect,
            query_passwords: draft.query_passwords,
            log_cache: draft.log_cache.unwrap_or(LOG_CACHE),
            client_user: draft.client_user,
            client_group: draft.client_group,
        })
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
            // Zero says nothing that could differ.
            let (ping, timeout) = (self.draft.ping.flatten(), self.draft.ping_timeout.flatten());
            for (name, said) in [
                ("ping", ping.is_some()),
                ("ping-restart", timeout.is_some_and(|timeout| !timeout.exit)),
                ("ping-exit", timeout.is_some_and(|timeout| timeout.exit)),
            ] {
                if said {
                    self.draft.error(name, "there is 'keepalive' too, which sets this: one of them must go");
                }
            }
        }
        self.draft.session.ping = self.draft.ping.flatten();
        self.draft.session.ping_timeout = self.draft.ping_timeout.flatten();
    }
}
