//! `chroot`, `user` and `group`: giving up what root can do once everything is open.
//!
//! The right to set up the network stays (CAP_NET_ADMIN), as in OpenVPN since 2.6: without it routes could not be taken
//! back, nor set anew after a restart. So do the right to low ports, if one is served, and that to raw frames, if there is a
//! LAN port: restarts open them again.
//! Programs that are run inherit neither.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::chroot;
use std::rc::Rc;

use adit::config::HostConfig;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_keep_capabilities};

use crate::errors::cause;
use crate::log::Log;
use crate::sys::{Group, User, become_group, become_user};

/// Ports below are root's.
const FIRST_FREE_PORT: u16 = 1024;

/// Whom the process becomes, and where.
#[derive(Clone, Debug)]
pub(crate) struct Privileges(Rc<Wanted>);

#[derive(Debug)]
struct Wanted {
    /// By name.
    user: Option<(String, User)>,
    group: Option<(String, Group)>,
    chroot: Option<String>,
    /// Whether a port below 1024 is served.
    low_port: bool,
    /// Whether there is a LAN port.
    lan: bool,
    dropped: Cell<bool>,
    /// Whether the log says already that a guard would need them.
    missed: Cell<bool>,
}

impl Privileges {
    /// Looks up the names; they must exist before anything starts.
    pub(crate) fn find(host: &HostConfig, lan: bool) -> Result<Self, String> {
        let config = &host.process;
        let user = config.user.as_ref().map(|name| User::find(name).map(|user| (name.clone(), user)));
        let user = user.transpose().map_err(|error| format!("user: {error}"))?;
        let group = config.group.as_ref().map(|name| Group::find(name).map(|group| (name.clone(), group)));
        let group = group.transpose().map_err(|error| format!("group: {error}"))?;
        let chroot = config.chroot.clone();
        let low_port = host
            .listeners
            .iter()
            .any(|listener| listener.bind.port.is_some_and(|port| port < FIRST_FREE_PORT));
        let (dropped, missed) = (Cell::new(false), Cell::new(false));
        Ok(Self(Rc::new(Wanted { user, group, chroot, low_port, lan, dropped, missed })))
    }

    /// Whether it has happened, so that files can no longer be read, or the system not be set up.
    pub(crate) fn are_dropped(&self) -> bool {
        self.0.dropped.get()
    }

    /// Whether something that needs them is to be said, which is said once in the process's life.
    pub(crate) fn is_first_miss(&self) -> bool {
        !self.0.missed.replace(true)
    }

    /// Goes into the directory, and becomes them, the group first; nothing if that has happened already. A user
    /// without `group` would keep root's groups, so that its own group stands in.
    pub(crate) fn drop_now(&self, log: &Log) -> Result<(), String> {
        let Wanted { user, group, chroot: directory, low_port, lan, dropped, missed: _ } = &*self.0;
        if dropped.get() || (user.is_none() && group.is_none() && directory.is_none()) {
            return Ok(());
        }
        if let Some(directory) = directory {
            enter(directory).map_err(|error| format!("chroot to '{directory}' failed: {}", cause(&error)))?;
            log.info(format_args!("chroot to '{directory}' and cd to '/' succeeded"));
        }
        let retained =
            user.as_ref().is_some_and(|(_, user)| user.uid != 0) && set_keep_capabilities(true).is_ok();
        match (group, user) {
            (Some((name, group)), _) => {
                become_group(*group).map_err(|error| format!("cannot become group {name}: {error}"))?;
                log.info(format_args!("GID set to {name}"));
            }
            (None, Some((name, user))) => {
                let group = Group { gid: user.gid };
                become_group(group)
                    .map_err(|error| format!("cannot become the group of user {name}: {error}"))?;
                log.info(format_args!("GID set to {}", group.gid));
            }
            (None, None) => {}
        }
        if let Some((name, user)) = user {
            become_user(*user).map_err(|error| format!("cannot become user {name}: {error}"))?;
            log.info(format_args!("UID set to {name}"));
        }
        if retained {
            match keep_network_rights(*low_port, *lan) {
                Ok(Ok(names)) => log.info(format_args!("Capabilities retained: {names}")),
                Ok(Err(error)) => {
                    log.warning(format_args!("Unable to retain capabilities: {}", cause(&error)));
                }
                Err(error) => {
                    return Err(format!("cannot give up the capabilities of root: {}", cause(&error)));
                }
            }
        }
        dropped.set(true);
        Ok(())
    }
}

/// Gives back all that the change of the user has left, but for what is needed; the names of what is kept, or why
/// nothing is. An error: more may be left.
fn keep_network_rights(low_port: bool, lan: bool) -> io::Result<io::Result<&'static str>> {
    set_keep_capabilities(false)?;
    let keep = |kept| {
        let inheritable = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
    };
    let admin = CapabilitySet::NET_ADMIN;
    let (bind, raw) = (CapabilitySet::NET_BIND_SERVICE, CapabilitySet::NET_RAW);
    for (wanted, also, names) in [
        (low_port && lan, bind | raw, "CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW"),
        (low_port, bind, "CAP_NET_ADMIN, CAP_NET_BIND_SERVICE"),
        (lan, raw, "CAP_NET_ADMIN, CAP_NET_RAW"),
    ] {
        if wanted && keep(admin | also).is_ok() {
            return Ok(Ok(names));
        }
    }
    match keep(admin) {
        Ok(()) => Ok(Ok("CAP_NET_ADMIN")),
        Err(error) => {
            // Never more than that, also where not even that can be had.
            if let Err(error) = keep(CapabilitySet::empty())
                && !capabilities(None)?.permitted.is_empty()
            {
                return Err(error.into());
            }
            Ok(Err(error.into()))
        }
    }
}

fn enter(directory: &str) -> io::Result<()> {
    chroot(directory)?;
    std::env::set_current_dir("/")
}
