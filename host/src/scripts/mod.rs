//! Commands of the user's that run when something happens: `up`, `client-connect` and the like.
//!
//! [`runner`] has the processes, [`env`] what they find in their environment, [`temp`] the files by which they answer.
//! [`facts`] and [`peer`] know OpenVPN's names for what scripts are told. [`clients`] has the hooks of a server about
//! its clients, with [`verify`], [`login`] and [`connect`] for the three that decide, and [`ccd`] for the files of
//! `client-config-dir`; [`tunnel`] those about the device, of both roles.

mod ccd;
mod clients;
mod connect;
mod env;
pub(crate) mod facts;
mod login;
mod peer;
mod runner;
mod temp;
mod tunnel;
mod verify;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use adit::PeerId;
use adit::config::{HostConfig, ScriptConfig};

use crate::log::Log;
use runner::Runner;

pub(crate) use clients::ClientHooks;
pub(crate) use env::Env;
pub(crate) use tunnel::{Done, Hook, TunnelHooks};

/// A script that nobody waits for may run so long.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the end of the process waits for scripts.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// Whose turn it is: scripts of one queue never run at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Those about the device.
    Host,
    /// Those that find out who a peer is.
    Session(PeerId),
    /// Those about a client of that name, over all its sessions.
    Client(String),
    /// Those about addresses, which may go from one client to the other.
    Addresses,
}

/// What all hooks of a role need.
pub(crate) struct Scripts<T> {
    config: ScriptConfig,
    temporary: PathBuf,
    /// What is the same for all scripts.
    base: Env,
    runner: Runner<Queue, T>,
}

impl<T> Scripts<T> {
    fn new(host: &HostConfig, base: Env, log: Rc<Log>) -> Self {
        let config = host.scripts.clone();
        let temporary = config.tmp_dir.clone().map_or_else(std::env::temp_dir, PathBuf::from);
        let directory = host.process.cd.clone().map(PathBuf::from);
        let runner = Runner::new(config.security, directory, log);
        Self { config, temporary, base, runner }
    }
}
