//! [`ClientConfig`].

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use super::push::PushBase;
use super::server::Topology;
use super::session::SessionConfig;
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
}

impl ClientConfig {
    /// What `client` in a configuration file stands for: TLS client and `pull`, with OpenVPN's defaults.
    pub fn new() -> Self {
        Self { pull: true, connect_timeout: Duration::from_secs(120), ..Self::default() }
    }

    /// What pushed options are read against.
    pub fn push_base(&self) -> PushBase {
        PushBase { topology: self.topology, ..PushBase::default() }
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

impl Default for ConnectRetry {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}
