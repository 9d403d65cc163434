//! [`ConnectionDraft`]: what may differ from one `<connection>` to the next.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::client::{AddressFamily, ConnectRetry};
use super::diagnostic::Position;
use super::host::Bind;
use super::proxy::{HttpProxy, SocksProxy};
use super::session::Mssfix;
use super::statement::Source;
use crate::algorithm::Role;
use crate::path::Transport;

/// OpenVPN's and IANA's.
pub(crate) const DEFAULT_PORT: u16 = 1194;

/// The directives of a `<connection>` block, on top of those that stood before it outside of any.
#[derive(Clone, Default)]
pub(crate) struct ConnectionDraft {
    pub(crate) remote: Option<RemoteDraft>,
    pub(crate) proto: Option<Proto>,
    /// `local` of a client.
    pub(crate) local: Option<LocalDraft>,
    /// `lport`, which has a client bind, as `port` alone does not.
    pub(crate) lport: bool,
    /// `port`, `lport`; the inner `None` is port 0, any.
    pub(crate) local_port: Option<Option<u16>>,
    /// `port`, `rport`
    pub(crate) remote_port: Option<u16>,
    /// `bind`
    pub(crate) bind: bool,
    /// `bind ipv6only`
    pub(crate) ipv6_only: bool,
    /// `nobind`
    pub(crate) nobind: bool,
    pub(crate) float: bool,
    pub(crate) connect_retry: ConnectRetry,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) explicit_exit_notify: Option<u8>,
    pub(crate) tun_mtu: Option<u16>,
    pub(crate) mssfix: Mssfix,
    pub(crate) max_packet_size: Option<u16>,
    pub(crate) tls_auth: Option<Source>,
    pub(crate) tls_crypt: Option<Source>,
    pub(crate) key_direction: Option<u8>,
    pub(crate) http_proxy: Option<HttpProxyDraft>,
    pub(crate) socks_proxy: Option<SocksProxyDraft>,
}

impl ConnectionDraft {
    /// The remote's own protocol, or that of all; a family that the one leaves open is the other's.
    pub(crate) fn remote_proto(&self) -> Option<Proto> {
        let own = self.remote.as_ref().and_then(|remote| remote.proto);
        let family = self.proto.and_then(|proto| proto.family);
        own.map(|own| Proto { family: own.family.or(family), ..own }).or(self.proto)
    }

    /// What the outer socket is bound to. A client binds only if it is told to.
    pub(crate) fn bind(&self, role: Role) -> Option<Bind> {
        let told = self.bind || self.lport || self.local.is_some();
        let own = self.local.as_ref().and_then(|local| local.port);
        (!self.nobind && (told || role == Role::Server)).then(|| Bind {
            host: self.local.as_ref().and_then(|local| local.host.clone()),
            port: own.or_else(|| self.local_port.unwrap_or(Some(DEFAULT_PORT))),
            ipv6_only: self.ipv6_only,
        })
    }
}

/// `http-proxy` and what belongs to it.
#[derive(Clone, Default)]
pub(crate) struct HttpProxyDraft {
    /// `http-proxy` and its arguments, to be printed.
    pub(crate) words: Vec<String>,
    pub(crate) proxy: HttpProxy,
    pub(crate) login: Option<LoginSource>,
    /// `http-proxy-user-pass`
    pub(crate) user_pass: Option<Source>,
    /// `auto-nct`: no password goes over the network in clear.
    pub(crate) no_cleartext: bool,
}

/// `socks-proxy`
#[derive(Clone, Default)]
pub(crate) struct SocksProxyDraft {
    pub(crate) proxy: SocksProxy,
    pub(crate) login: Option<LoginSource>,
}

/// Where a proxy's login comes from.
#[derive(Clone)]
pub(crate) enum LoginSource {
    /// The user is asked.
    Ask,
    /// A file of two lines.
    From(Source),
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
#[derive(Clone)]
pub(crate) struct RemoteDraft {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) proto: Option<Proto>,
    pub(crate) named_at: Position,
}

/// `local`: where a client is bound; of a server, one of its listeners.
#[derive(Clone)]
pub(crate) struct LocalDraft {
    /// `None` for `*`.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) proto: Option<Proto>,
}
