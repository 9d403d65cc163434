//! `user` and `group`: giving up root once everything is open.

use crate::log::Log;
use crate::sys::{Group, User, become_group, become_user, current_uid};

/// Whom the process becomes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Privileges {
    user: Option<User>,
    group: Option<Group>,
}

impl Privileges {
    /// Looks up the names; they must exist before anything starts.
    pub(crate) fn find(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let user = user.map(User::find).transpose().map_err(|error| format!("user: {error}"))?;
        let group = group.map(Group::find).transpose().map_err(|error| format!("group: {error}"))?;
        Ok(Self { user, group })
    }

    /// Whether it has happened, so that the system can no longer be set up.
    pub(crate) fn are_dropped(&self) -> bool {
        self.user.is_some_and(|user| user.uid != 0 && user.uid == current_uid())
    }

    /// Becomes them, the group first; nothing if that has happened already. A user without `group` would keep root's
    /// groups, so that its own group stands in.
    pub(crate) fn drop_now(&self, log: &Log) -> Result<(), String> {
        if self.are_dropped() {
            return Ok(());
        }
        let group = self.group.or_else(|| self.user.map(|user| Group { gid: user.gid }));
        if let Some(group) = group {
            become_group(group).map_err(|error| format!("cannot become group {}: {error}", group.gid))?;
            log.info(format_args!("GID set to {}", group.gid));
        }
        if let Some(user) = self.user {
            become_user(user).map_err(|error| format!("cannot become user {}: {error}", user.uid))?;
            log.info(format_args!("UID set to {}", user.uid));
        }
        Ok(())
    }
}
