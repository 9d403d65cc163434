//! The process: its privileges, its log, its status file.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// What the process becomes, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessConfig {
    /// `daemon`: go into the background once the configuration is known to be good.
    pub daemon: Option<Daemon>,
    /// `writepid`: a file for the process id.
    pub writepid: Option<String>,
    /// `user`: whom to become once all is set up.
    pub user: Option<String>,
    /// `group`: the group to go with it.
    pub group: Option<String>,
    /// `chroot`: the root directory from then on.
    pub chroot: Option<String>,
    /// `cd`: the directory that relative paths are told from; for scripts.
    pub cd: Option<String>,
    /// `nice`: added to the process's priority.
    pub nice: i32,
    /// `mlock`: keep all memory out of swap.
    pub mlock: bool,
    /// `remap-usr1`: what SIGUSR1 within the process becomes: SIGHUP or SIGTERM.
    pub remap_usr1: Option<Remapped>,
}

/// `daemon [NAME]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The name for the system log.
    pub name: Option<String>,
}

/// `remap-usr1`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remapped {
    /// Read the configuration again.
    Sighup,
    /// End.
    Sigterm,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogConfig {
    /// `log`, `log-append`, `syslog`
    pub target: LogTarget,
    /// `verb`: 0 (errors only) to 11.
    pub verb: u8,
    /// `mute`: at most so many lines of one kind in a row; 0 for any number.
    pub mute: u32,
    /// `suppress-timestamps`: lines without their time.
    pub suppress_timestamps: bool,
    /// `machine-readable-output`: times as seconds since 1970, with flags.
    pub machine_readable: bool,
    /// `errors-to-stderr`: errors to standard error rather than standard output.
    pub errors_to_stderr: bool,
    /// From `verb 4` on: every setting in a line as OpenVPN prints it, to be logged below "Current Parameter Settings:".
    pub settings: Vec<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            target: LogTarget::Stdout,
            verb: 1,
            mute: 0,
            suppress_timestamps: false,
            machine_readable: false,
            errors_to_stderr: false,
            settings: Vec::new(),
        }
    }
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
    /// `syslog`, and `daemon` without a file: the system log, under this name.
    Syslog(String),
}

impl LogTarget {
    /// The name that stands in the system log if none is given: OpenVPN's for itself, which filters of logs look for.
    pub(crate) const NAME: &str = "openvpn";
}

/// `status FILE SECONDS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFile {
    /// The file.
    pub path: String,
    /// How often it is written; `None` (0 seconds) for the start and the end alone.
    pub interval: Option<Duration>,
}

/// `status-version`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusVersion {
    /// For people.
    #[default]
    V1,
    /// Separated by commas.
    V2,
    /// Separated by tabs.
    V3,
}
