//! Users and groups: looking them up, and becoming them.

use std::ffi::CString;
use std::io;
use std::mem;
use std::ptr;

/// A user's id and main group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A group's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) gid: u32,
}

impl User {
    /// The user of that name, or number.
    pub(crate) fn find(name: &str) -> io::Result<Self> {
        let c_name = c_string(name)?;
        let mut buffer = vec![0; 16 * 1024];
        // SAFETY: all-zero bytes are a valid `passwd`.
        let mut entry: libc::passwd = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to values of ours that live until after the call, the buffer with its length.
        let error = unsafe {
            libc::getpwnam_r(
                c_name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        if error == 0 && !found.is_null() {
            return Ok(Self { uid: entry.pw_uid, gid: entry.pw_gid });
        }
        number(name).map(|uid| Self { uid, gid: uid }).ok_or_else(|| not_found("user", name))
    }
}

impl Group {
    /// The group of that name, or number.
    pub(crate) fn find(name: &str) -> io::Result<Self> {
        let c_name = c_string(name)?;
        let mut buffer = vec![0; 64 * 1024];
        // SAFETY: all-zero bytes are a valid `group`.
        let mut entry: libc::group = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: as for `getpwnam_r` above.
        let error = unsafe {
            libc::getgrnam_r(
                c_name.as_ptr(),
                &raw mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        if error == 0 && !found.is_null() {
            return Ok(Self { gid: entry.gr_gid });
        }
        number(name).map(|gid| Self { gid }).ok_or_else(|| not_found("group", name))
    }
}

/// Takes `group` as the only group of the process.
pub(crate) fn become_group(group: Group) -> io::Result<()> {
    // SAFETY: one group id behind the pointer, as the count says; the calls keep nothing.
    let done = unsafe { libc::setgroups(1, &raw const group.gid) == 0 && libc::setgid(group.gid) == 0 };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Becomes `user` for good: the groups must be set before.
pub(crate) fn become_user(user: User) -> io::Result<()> {
    // SAFETY: takes a number only.
    if unsafe { libc::setuid(user.uid) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn c_string(name: &str) -> io::Result<CString> {
    CString::new(name).map_err(|_| not_found("user or group", name))
}

fn number(name: &str) -> Option<u32> {
    name.parse().ok()
}

fn not_found(what: &str, name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {what} \"{name}\" on this system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        assert_eq!(User::find("root").unwrap(), User { uid: 0, gid: 0 });
        assert_eq!(Group::find("root").unwrap(), Group { gid: 0 });
        assert_eq!(User::find("12345").unwrap().uid, 12345);
        let error = User::find("no-such-user").unwrap_err();
        assert_eq!(error.to_string(), "there is no user \"no-such-user\" on this system");
    }
}
