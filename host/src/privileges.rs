//! `chroot`, `user` and `group`: giving up what root can do once everything is open.

use std::cell::Cell;
use std::io;
use std::os::unix::fs::chroot;
use std::rc::Rc;

use adit::config::ProcessConfig;

use crate::errors::cause;
use crate::log::Log;
use crate::sys::{Group, User, become_group, become_user};

/// Whom the process becomes, and where.
#[derive(Clone, Debug)]
pub(crate) struct Privileges(Rc<Wanted>);

#[derive(Debug)]
struct Wanted {
    user: Option<User>,
    group: Option<Group>,
    chroot: Option<String>,
    dropped: Cell<bool>,
}

impl Privileges {
    /// Looks up the names; they must exist before anything starts.
    pub(crate) fn find(config: &ProcessConfig) -> Result<Self, String> {
        let (user, group) = (config.user.as_deref(), config.group.as_deref());
        let user = user.map(User::find).transpose().map_err(|error| format!("user: {error}"))?;
        let group = group.map(Group::find).transpose().map_err(|error| format!("group: {error}"))?;
        let chroot = config.chroot.clone();
        Ok(Self(Rc::new(Wanted { user, group, chroot, dropped: Cell::new(false) })))
    }

    /// Whether it has happened, so that files can no longer be read, or the system not be set up.
    pub(crate) fn are_dropped(&self) -> bool {
        self.0.dropped.get()
    }

    /// Goes into the directory, and becomes them, the group first; nothing if that has happened already. A user
    /// without `group` would keep root's groups, so that its own group stands in.
    pub(crate) fn drop_now(&self, log: &Log) -> Result<(), String> {
        let Wanted { user, group, chroot: directory, dropped } = &*self.0;
        if dropped.get() || (user.is_none() && group.is_none() && directory.is_none()) {
            return Ok(());
        }
        if let Some(directory) = directory {
            enter(directory).map_err(|error| format!("chroot to '{directory}' failed: {}", cause(&error)))?;
            log.info(format_args!("chroot to '{directory}' and cd to '/' succeeded"));
        }
        let group = group.or_else(|| user.map(|user| Group { gid: user.gid }));
        if let Some(group) = group {
            become_group(group).map_err(|error| format!("cannot become group {}: {error}", group.gid))?;
            log.info(format_args!("GID set to {}", group.gid));
        }
        if let Some(user) = user {
            become_user(*user).map_err(|error| format!("cannot become user {}: {error}", user.uid))?;
            log.info(format_args!("UID set to {}", user.uid));
        }
        dropped.set(true);
        Ok(())
    }
}

fn enter(directory: &str) -> io::Result<()> {
    chroot(directory)?;
    std::env::set_current_dir("/")
}
