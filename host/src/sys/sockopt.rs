//! Socket options that no safe crate sets.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::c_int;

/// Has the kernel tell with each datagram which of our addresses it was sent to.
pub(crate) fn tell_local_address(socket: impl AsFd, v6: bool) -> io::Result<()> {
    match v6 {
        // It tells of IPv4's too, by mapped addresses.
        true => set(socket, libc::SOL_IPV6, libc::IPV6_RECVPKTINFO, 1),
        false => set(socket, libc::SOL_IP, libc::IP_PKTINFO, 1),
    }
}

/// `IP_MTU_DISCOVER`, for both families if the socket has both: 0 no, 1 as the route says, 2 yes.
pub(crate) fn set_mtu_discovery(socket: impl AsFd, v6: bool, value: c_int) -> io::Result<()> {
    if v6 {
        set(&socket, libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER, value)?;
    }
    set(&socket, libc::SOL_IP, libc::IP_MTU_DISCOVER, value)
}

/// Sets an option that is an integer.
pub(super) fn set(socket: impl AsFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer is to an integer of the given size, which lives until after the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
