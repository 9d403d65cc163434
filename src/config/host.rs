//! [`HostConfig`]: what a profile asks of the host, and the engine knows nothing of.
//!
//! Paths are resolved against `cd` already; the host need not change its directory.

use alloc::string::String;
use core::time::Duration;

use super::client::AddressFamily;
use super::route::RouteSettings;
use crate::path::Transport;

/// Sockets, device, routes, privileges, log and status of the process around the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostConfig {
    /// `dev`
    pub dev: Device,
    /// `proto`: what a server listens for; a client's remotes have their own.
    pub transport: Transport,
    /// `proto udp4`, `tcp6`...: only addresses of this family.
    pub family: Option<AddressFamily>,
    /// `local`: the name or address to bind to.
    pub local: Option<String>,
    /// `port`, `lport`: the port to bind to; `None` for any (`nobind`, or a TCP client).
    pub local_port: Option<u16>,
    /// `route`, `route-ipv6`, `redirect-gateway`... of the profile itself. A client adds what is pushed.
    pub routes: RouteSettings,
    /// `resolv-retry`: how long to try to resolve a remote's name before giving up; `None` for ever.
    pub resolv_retry: Option<Duration>,
    /// `remote-random-hostname`: put six random bytes in hexadecimal and a dot before a remote's name.
    pub remote_random_hostname: bool,
    /// `auth-user-pass FILE` with `auth-nocache`: read it anew for each login. Without `auth-nocache` the credentials
    /// are in the [`ClientConfig`](super::ClientConfig).
    pub auth_user_pass_file: Option<String>,
    /// `persist-tun`: keep the device over restarts.
    pub persist_tun: bool,
    /// `persist-key`: keep keys and certificates over restarts instead of reading their files again.
    pub persist_key: bool,
    /// `user`: whom to become once all is set up.
    pub user: Option<String>,
    /// `group`: the group to go with it.
    pub group: Option<String>,
    /// `log`, `log-append`
    pub log: LogTarget,
    /// `verb`: 0 (errors only) to 11.
    pub verb: u8,
    /// `status`
    pub status: Option<StatusFile>,
    /// `ifconfig-pool-persist`
    pub pool_persist: Option<PoolPersist>,
    /// `writepid`: a file for the process id.
    pub writepid: Option<String>,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            dev: Device::default(),
            transport: Transport::Udp,
            family: None,
            local: None,
            local_port: None,
            routes: RouteSettings::default(),
            resolv_retry: None,
            remote_random_hostname: false,
            auth_user_pass_file: None,
            persist_tun: false,
            persist_key: false,
            user: None,
            group: None,
            log: LogTarget::Stdout,
            verb: 1,
            status: None,
            pool_persist: None,
            writepid: None,
        }
    }
}

/// `dev`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// `dev tun`: the next free one.
    #[default]
    Tun,
    /// `dev tun0`, or `dev NAME` with `dev-type tun`.
    Named(String),
    /// `dev null`: none; inner packets are dropped.
    Null,
}

/// Where log lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    #[default]
    Stdout,
    /// `log`: this file, emptied first.
    Truncate(String),
    /// `log-append`: the end of this file.
    Append(String),
}

/// `status FILE SECONDS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFile {
    /// The file.
    pub path: String,
    /// How often it is written.
    pub interval: Duration,
}

/// `ifconfig-pool-persist FILE SECONDS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPersist {
    /// The file.
    pub path: String,
    /// How often it is written; `None` if it is only read (0 seconds).
    pub interval: Option<Duration>,
}
