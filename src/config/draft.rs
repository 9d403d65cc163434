//! [`Draft`]: what the directives of a profile have set so far, before its parts are put in relation.
//!
//! A directive's function only writes down what it says; files are read, and defaults and contradictions settled, in
//! [`finish`](super::finish), since directives may stand in any order.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;
use core::time::Duration;

use super::client::{AddressFamily, ClientConfig};
use super::diagnostic::{Diagnostic, Position};
use super::host::HostConfig;
use super::server::{ServerConfig, Topology};
use super::session::{PingTimeout, SessionConfig};
use super::statement::{Source, Statement};
use crate::algorithm::{Cipher, Role};
use crate::path::Transport;

#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) session: SessionConfig,
    pub(crate) client: ClientConfig,
    pub(crate) server: ServerConfig,
    pub(crate) host: HostConfig,

    /// `cd`: relative paths begin there.
    pub(crate) directory: Option<String>,
    pub(crate) sources: Sources,
    /// `tls-client`, `tls-server`, and what implies them.
    pub(crate) tls_role: Option<Role>,
    /// `mode server`
    pub(crate) mode_server: bool,
    /// `client`, `pull`
    pub(crate) pull: bool,
    pub(crate) topology: Option<Topology>,
    pub(crate) proto: Option<Proto>,
    pub(crate) remotes: Vec<RemoteDraft>,
    /// `port`, `rport`
    pub(crate) remote_port: Option<u16>,
    /// `port`, `lport`; the inner `None` is port 0, any.
    pub(crate) local_port: Option<Option<u16>>,
    /// `bind`
    pub(crate) bind: bool,
    /// `nobind`
    pub(crate) nobind: bool,
    pub(crate) key_direction: Option<u8>,
    pub(crate) keepalive: Option<Keepalive>,
    /// `ping`, `ping-restart`, `ping-exit`; the inner `None` is 0, off.
    pub(crate) ping: Option<Option<Duration>>,
    pub(crate) ping_timeout: Option<Option<PingTimeout>>,
    /// `cipher`, which takes part only if it is one of `data-ciphers`.
    pub(crate) cipher: Option<Cipher>,
    /// `auth none`, which is fine as long as there is no tls-auth.
    pub(crate) auth_none: bool,
    pub(crate) auth_nocache: bool,
    /// `auth-user-pass`, with or without a file.
    pub(crate) auth_user_pass: bool,
    /// `dev-type tun`
    pub(crate) dev_type_tun: bool,
    /// `dev`
    pub(crate) dev: Option<String>,

    /// Where each directive stands, the last time.
    seen: BTreeMap<&'static str, Position>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The files and blocks that were named.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) ca: Option<Source>,
    pub(crate) cert: Option<Source>,
    pub(crate) extra_certs: Option<Source>,
    pub(crate) key: Option<Source>,
    pub(crate) crl: Option<Source>,
    pub(crate) tls_auth: Option<Source>,
    pub(crate) tls_crypt: Option<Source>,
    pub(crate) auth_user_pass: Option<Source>,
}

/// `proto`
#[derive(Clone, Copy)]
pub(crate) struct Proto {
    pub(crate) transport: Transport,
    pub(crate) family: Option<AddressFamily>,
    /// The end that `tcp-client` and `tcp-server` are for.
    pub(crate) role: Option<Role>,
}

/// `remote`, which falls back on `rport` and `proto`.
pub(crate) struct RemoteDraft {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) proto: Option<Proto>,
    pub(crate) named_at: Position,
}

/// `keepalive PING TIMEOUT`, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Keepalive {
    pub(crate) ping: u64,
    pub(crate) timeout: u64,
}

impl Draft {
    pub(crate) fn new() -> Self {
        let server = ServerConfig { max_clients: 1024, ..ServerConfig::default() };
        Self { client: ClientConfig::new(), server, ..Self::default() }
    }

    /// Notes that the directive `name` stands there, and gives back where it stood before.
    pub(crate) fn saw(&mut self, name: &'static str, position: Position) -> Option<Position> {
        self.seen.insert(name, position)
    }

    /// Where the directive stands, if it does.
    pub(crate) fn position(&self, name: &str) -> Option<Position> {
        self.seen.get(name).cloned()
    }

    /// All directives that stand in the profile.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&'static str, &Position)> {
        self.seen.iter().map(|(name, position)| (*name, position))
    }

    /// An error about the directive `name`.
    pub(crate) fn error(&mut self, name: &str, clause: impl Display) {
        let position = self.position(name).unwrap_or_default();
        self.diagnostics.push(Diagnostic::error(&position, format!("{name}: {clause}")));
    }

    /// A warning about the directive `name`.
    pub(crate) fn warning(&mut self, name: &str, clause: impl Display) {
        let position = self.position(name).unwrap_or_default();
        self.diagnostics.push(Diagnostic::warning(&position, format!("{name}: {clause}")));
    }

    /// A warning about word `n` of a statement.
    pub(crate) fn warn_of(&mut self, statement: &Statement, n: usize, clause: impl Display) {
        let message = format!("{}: {clause}", statement.name());
        self.diagnostics.push(Diagnostic::warning(&statement.position(n), message));
    }

    /// `path` from where the host is.
    pub(crate) fn path(&self, path: &str) -> String {
        match &self.directory {
            Some(directory) if !path.starts_with('/') => {
                format!("{}/{path}", directory.trim_end_matches('/'))
            }
            _ => path.into(),
        }
    }
}
