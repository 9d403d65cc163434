//! [`Draft`]: what the directives of a profile have set so far, before its parts are put in relation.
//!
//! A directive's function only writes down what it says; files are read, and defaults and contradictions settled, in
//! [`finish`](super::finish), since directives may stand in any order.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::client::ClientConfig;
use super::connection::{ConnectionDraft, LocalDraft, RemoteDraft};
use super::diagnostic::{Diagnostic, Position};
use super::host::{HostConfig, ManagementAddress};
use super::outline::{Outline, join};
use super::push::IfconfigIpv6;
use super::server::{AuthGenToken, ServerConfig, Topology};
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

    /// The per-connection directives outside of `<connection>` blocks, or inside of the present one.
    pub(crate) connection: ConnectionDraft,
    /// A `<connection>` block is being read.
    pub(crate) in_connection: bool,
    /// The `<connection>` blocks.
    pub(crate) connections: Vec<ConnectionDraft>,
    /// `remote`, outside of blocks.
    pub(crate) remotes: Vec<RemoteDraft>,
    /// `local`, of a server.
    pub(crate) locals: Vec<LocalDraft>,
    /// `proto-force`
    pub(crate) proto_force: Option<Transport>,

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
    /// `ifconfig`
    pub(crate) ifconfig: Option<(Ipv4Addr, Ipv4Addr)>,
    /// `ifconfig-ipv6`
    pub(crate) ifconfig_ipv6: Option<IfconfigIpv6>,
    /// `auth-gen-token`
    pub(crate) auth_gen_token: Option<AuthGenToken>,
    /// `lan-gateway`
    pub(crate) lan_gateways: Vec<IpAddr>,
    /// `ccd-exclusive`
    pub(crate) ccd_exclusive: bool,
    pub(crate) management: ManagementDraft,
    /// `ignore-unknown-option`: names that are passed over if they are not in the table.
    pub(crate) ignored_names: Vec<String>,
    /// `setenv FORWARD_COMPATIBLE 1`: no name is an error.
    pub(crate) forward_compatible: bool,

    /// `allow-compression no`
    pub(crate) no_compression: bool,
    /// `compress`, `comp-lzo`, with an algorithm and not the framing alone.
    pub(crate) names_compression: bool,
    /// `compat-mode`, as a number: 20400 for 2.4.0.
    pub(crate) compat_mode: Option<u32>,
    /// The first file that `config` named, as it was named.
    pub(crate) config: Option<String>,
    /// The connections as they were taken in, to be printed.
    pub(crate) shown_connections: Vec<ConnectionDraft>,
    /// All statements outside of `<connection>` blocks, in order, to be printed.
    pub(crate) history: Vec<Vec<String>>,
    /// All that was said, for whoever judges it as a whole.
    pub(crate) outline: Outline,
    /// What each directive said last, and where.
    seen: BTreeMap<&'static str, Seen>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A directive's last statement.
pub(crate) struct Seen {
    pub(crate) position: Position,
    /// Name and arguments; of a block the name alone.
    pub(crate) words: Vec<String>,
    /// It was a block.
    pub(crate) inline: bool,
}

/// The files and blocks that were named.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) ca: Option<Source>,
    pub(crate) cert: Option<Source>,
    pub(crate) extra_certs: Option<Source>,
    pub(crate) key: Option<Source>,
    pub(crate) crl: Option<Source>,
    pub(crate) auth_user_pass: Option<Source>,
    pub(crate) auth_gen_token_secret: Option<Source>,
}

/// `management` and its kin, in any order.
#[derive(Default)]
pub(crate) struct ManagementDraft {
    pub(crate) address: Option<ManagementAddress>,
    pub(crate) password_file: Option<String>,
    pub(crate) client: bool,
    pub(crate) hold: bool,
    pub(crate) signal: bool,
    pub(crate) forget_disconnect: bool,
    pub(crate) query_passwords: bool,
    pub(crate) log_cache: Option<u32>,
    pub(crate) client_user: Option<String>,
    pub(crate) client_group: Option<String>,
}

/// `keepalive PING TIMEOUT`, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Keepalive {
    pub(crate) ping: u64,
    pub(crate) timeout: u64,
}

impl Draft {
    pub(crate) fn new() -> Self {
        let server = ServerConfig::without_network();
        Self { client: ClientConfig::new(), server, ..Self::default() }
    }

    /// Notes that the directive `name` stands there, and gives back where it stood before.
    pub(crate) fn saw(&mut self, name: &'static str, statement: &Statement) -> Option<Position> {
        let seen = Seen {
            position: statement.position(0),
            words: statement.words().into_iter().map(Into::into).collect(),
            inline: statement.is_block(),
        };
        self.history.push(seen.words.clone());
        self.seen.insert(name, seen).map(|seen| seen.position)
    }

    /// Where the directive stands, if it does.
    pub(crate) fn position(&self, name: &str) -> Option<Position> {
        self.seen.get(name).map(|seen| seen.position.clone())
    }

    /// All directives that stand in the profile.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&'static str, &Seen)> {
        self.seen.iter().map(|(name, seen)| (*name, seen))
    }

    /// Whether `compat-mode` asks for what was before that version, 20400 for 2.4.0.
    pub(crate) fn compatible_before(&self, version: u32) -> bool {
        self.compat_mode.is_some_and(|wanted| wanted > 0 && wanted < version)
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
            Some(directory) => join(directory, path),
            None => path.into(),
        }
    }
}
