//! `management` and its kin.

use alloc::string::String;

/// The management interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagementConfig {
    /// Where.
    pub address: ManagementAddress,
    /// The file whose first line is the password.
    pub password_file: Option<String>,
    /// `management-client`: connect there instead of listening.
    pub client: bool,
    /// `management-hold`: wait for a `hold release` before anything begins.
    pub hold: bool,
    /// `management-signal`: a client that disconnects raises SIGUSR1.
    pub signal: bool,
    /// `management-forget-disconnect`: a client that disconnects takes the cached passwords with it.
    pub forget_disconnect: bool,
    /// `management-query-passwords`: ask the interface, not the terminal.
    pub query_passwords: bool,
    /// `management-log-cache`: how many log lines are kept for `log`.
    pub log_cache: u32,
    /// `management-client-user`: only this user may connect to the unix socket.
    pub client_user: Option<String>,
    /// `management-client-group`
    pub client_group: Option<String>,
}

/// `management HOST PORT`, or `management PATH unix`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManagementAddress {
    /// TCP: a name, an address, or `tunnel` for our end of the tunnel.
    Tcp {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket at this path.
    Unix(String),
}
