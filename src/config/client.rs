//! [`ClientConfig`].

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use super::host::Bind;
use super::proxy::Proxy;
use super::push::{Inactive, PushBase};
use super::server::Topology;
use super::session::{Mssfix, SessionConfig, WrapConfig};
use crate::path::Transport;

/// All that a [`Client`](crate::Client) is told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What both roles share.
    pub session: SessionConfig,
    /// `remote`, in the order to try. May be empty if the host always names the path itself.
    pub remotes: Vec<Remote>,
    /// `pull`: ask the server for options.
    pub pull: bool,
    /// `auth-user-pass`: log in by name and password.
    pub auth_user_pass: AuthUserPass,
    /// `connect-retry`: the pause between attempts, and its cap.
    pub connect_retry: ConnectRetry,
    /// `connect-timeout`: how long to wait for a server's first answer.
    pub connect_timeout: Duration,
    /// `push-peer-info`-like additions: `UV_*`, `IV_*` lines of the host, such as `IV_GUI_VER`.
    pub peer_info: Vec<(String, String)>,
    /// `float`: accept the server from any address.
    pub float: bool,
    /// `topology`, where the server pushes none.
    pub topology: Option<Topology>,
    /// `remote-random`: shuffle the remotes at the start.
    pub remote_random: bool,
    /// `connect-retry-max`: how often to go through all remotes before giving up.
    pub connect_retry_max: Option<u32>,
    /// `auth-retry`: what follows a login that was refused.
    pub auth_retry: AuthRetry,
    /// `auth-nocache`: forget a login that was asked for once it was used.
    pub auth_nocache: bool,
    /// `pull-filter`: the first that fits a pushed option decides.
    pub pull_filters: Vec<PullFilter>,
    /// `route-nopull`: take no routes and no DNS settings from the server.
    pub route_nopull: bool,
    /// `block-ipv6`: inner IPv6 packets are answered by an error instead of being sent. A server may push it too.
    pub block_ipv6: bool,
    /// `allow-recursive-routing`: packets to the server itself may go through the tunnel.
    pub allow_recursive_routing: bool,
    /// `allow-pull-fqdn`: pushed routes may be host names.
    pub allow_pull_fqdn: bool,
    /// `inactive`, unless the server pushes another.
    pub inactive: Option<Inactive>,
    /// `session-timeout`, unless the server pushes another.
    pub session_timeout: Option<Duration>,
    /// `push-peer-info`: tell the server more about this system.
    pub push_peer_info: bool,
}

impl ClientConfig {
    /// What `client` in a configuration file stands for: TLS client and `pull`, with OpenVPN's defaults.
    pub fn new() -> Self {
        Self { pull: true, connect_timeout: Duration::from_secs(120), ..Self::default() }
    }

    /// What pushed options are read against.
    pub fn push_base(&self) -> PushBase {
        PushBase {
            topology: self.topology,
            route_nopull: self.route_nopull,
            allow_pull_fqdn: self.allow_pull_fqdn,
            ..PushBase::default()
        }
    }
}

/// `remote HOST PORT PROTO`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// A name or an address; resolving it is the host's.
    pub host: String,
    /// The port.
    pub port: u16,
    /// UDP or TCP.
    pub transport: Transport,
    /// `udp4`, `tcp6`...: only addresses of this family.
    pub family: Option<AddressFamily>,
    /// What else is particular to this connection; for the host, and for the session.
    pub connection: Connection,
}

/// `<connection>`: what a remote may have of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// Where our end is bound; not at all with `nobind`.
    pub bind: Option<Bind>,
    /// `http-proxy`, `socks-proxy`
    pub proxy: Option<Proxy>,
    /// `connect-retry`; the client's own if there is none, as with all that follows.
    pub connect_retry: Option<ConnectRetry>,
    /// `connect-timeout`
    pub connect_timeout: Option<Duration>,
    /// `float`
    pub float: bool,
    /// `explicit-exit-notify`
    pub explicit_exit_notify: Option<u8>,
    /// `tun-mtu`
    pub tun_mtu: Option<u16>,
    /// `mssfix`
    pub mssfix: Option<Mssfix>,
    /// `max-packet-size`
    pub max_packet_size: Option<u16>,
    /// `tls-auth`, `tls-crypt`
    pub wrap: Option<WrapConfig>,
}

/// `auth-retry`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthRetry {
    /// The client ends.
    #[default]
    None,
    /// It tries again with what it has.
    NoInteract,
    /// It asks for a login again.
    Interact,
}

/// `pull-filter`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFilter {
    /// What becomes of the option.
    pub action: PullAction,
    /// How the option's text begins.
    pub prefix: String,
}

/// What becomes of a pushed option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullAction {
    /// It is taken.
    Accept,
    /// It is passed over.
    Ignore,
    /// The connection ends, and begins anew.
    Reject,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// `auth-user-pass`
#[derive(Clone, Debug, Default)]
pub enum AuthUserPass {
    /// No login.
    #[default]
    Off,
    /// The host is asked by an event when they are needed.
    Ask,
    /// Known from the start.
    Given(Credentials),
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Zeroizing<String>,
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// `connect-retry SECONDS MAX`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectRetry {
    /// The first pause.
    pub pause: Duration,
    /// What doubling ends at.
    pub max: Duration,
}

impl ConnectRetry {
    /// The same within reason: less than a second would hammer at the server.
    pub(crate) fn within_reason(self) -> Self {
        let pause = self.pause.max(Duration::from_secs(1));
        Self { pause, max: self.max.max(pause) }
    }
}

impl Default for ConnectRetry {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}
