//! [`HostConfig`]: what a profile asks of the host, and the engine knows nothing of.
//!
//! Paths are resolved against `cd` already; the host need not change its directory.

mod management;
mod process;
mod scripts;
mod sockets;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::dns::DnsSettings;
use super::route::RouteSettings;

pub use management::{ManagementAddress, ManagementConfig};
pub use process::{Daemon, LogConfig, LogTarget, ProcessConfig, Remapped, StatusFile, StatusVersion};
pub use scripts::{AuthScript, Command, CredentialsVia, ScriptConfig, ScriptSecurity};
pub use sockets::{Bind, Listener, MtuDiscovery, SocketOptions};

/// Sockets, device, routes, privileges, log and status of the process around the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostConfig {
    /// `dev`
    pub dev: Device,
    /// `txqueuelen`: how many packets the device's queue holds; the system's own figure if there is none.
    pub txqueuelen: Option<u32>,
    /// Server: `local`, `port`, `proto`: what it listens on, at least one.
    pub listeners: Vec<Listener>,
    /// Server: `multihome`: answers leave from the address that was asked.
    pub multihome: bool,
    /// `sndbuf`, `rcvbuf`, `mark`, ...: options of every outer socket.
    pub sockets: SocketOptions,
    /// `route`, `route-ipv6`, `redirect-gateway`... of the profile itself. A client adds what is pushed.
    pub routes: RouteSettings,
    /// `route-noexec`: routes are left to the scripts.
    pub route_noexec: bool,
    /// `ifconfig-noexec`: the device's addresses are left to the scripts.
    pub ifconfig_noexec: bool,
    /// Client: `dhcp-option`, `dns` of the profile itself.
    pub dns: DnsSettings,
    /// Client: `dns-updown`: who applies DNS settings.
    pub dns_updown: DnsUpdown,
    /// Client: `resolv-retry`: how long to try to resolve a remote's name before giving up; `None` for ever.
    pub resolv_retry: Option<Duration>,
    /// Client: `preresolve`: look up all remotes at the start, before there is a tunnel.
    pub preresolve: bool,
    /// Client: `remote-random-hostname`: put six random bytes in hexadecimal and a dot before a remote's name.
    pub remote_random_hostname: bool,
    /// Client: `auth-user-pass FILE` with `auth-nocache`: read it anew for each login. Without `auth-nocache` the
    /// credentials are in the [`ClientConfig`](super::ClientConfig).
    pub auth_user_pass_file: Option<String>,
    /// `persist-tun`: keep the device over restarts.
    pub persist_tun: bool,
    /// `persist-key`: keep keys and certificates over restarts instead of reading their files again.
    pub persist_key: bool,
    /// `persist-local-ip`: keep the address that was bound to.
    pub persist_local_ip: bool,
    /// `persist-remote-ip`: keep the address that a remote's name stood for.
    pub persist_remote_ip: bool,
    /// The process: `daemon`, `user`, `chroot`, ...
    pub process: ProcessConfig,
    /// `log`, `verb`, `mute`, ...
    pub log: LogConfig,
    /// `status`
    pub status: Option<StatusFile>,
    /// Server: `flow-log`: where every flow's beginning and end is appended.
    pub flow_log: Option<String>,
    /// `status-version`: of the file, of what SIGUSR2 logs, and of the management interface.
    pub status_version: StatusVersion,
    /// `ifconfig-pool-persist`
    pub pool_persist: Option<PoolPersist>,
    /// `client-config-dir`, `ccd-exclusive`
    pub client_config_dir: Option<ClientConfigDir>,
    /// `crl-verify FILE`: where the CRL is read from again when it has changed.
    pub crl_file: Option<String>,
    /// `up`, `auth-user-pass-verify`, ..., `script-security`, `setenv`
    pub scripts: ScriptConfig,
    /// `management` and its kin.
    pub management: Option<ManagementConfig>,
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

/// `dns-updown`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DnsUpdown {
    /// By adit itself, unless there is an `up` script.
    #[default]
    Builtin,
    /// `force`: by adit itself in any case.
    Forced,
    /// `disable`: not at all; scripts see the settings.
    Disabled,
    /// By this command.
    Command(Command),
}

/// `ifconfig-pool-persist FILE SECONDS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPersist {
    /// The file.
    pub path: String,
    /// How often it is written; `None` if it is only read (0 seconds).
    pub interval: Option<Duration>,
}

/// `client-config-dir`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfigDir {
    /// The directory of the clients' files.
    pub path: String,
    /// `ccd-exclusive`: who has no file there is refused.
    pub exclusive: bool,
}
