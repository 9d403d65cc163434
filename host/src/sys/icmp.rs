//! What routers tell of a destination that they cannot reach.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Has a UDP socket report every ICMP error about what it sent: a connected one not only that of a closed port, and one
/// that is not connected any at all. What is reported must be [taken](take_icmp), or the socket stays ready for ever.
pub(crate) fn report_icmp(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    let (level, option) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: libc::c_int = 1;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of `on`, which lives until after the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Empties the queue of what was reported; the newest error, if there was any.
pub(crate) fn take_icmp(socket: BorrowedFd<'_>) -> Option<io::Error> {
    let mut newest = None;
    // A flood of them must not hold up the loop.
    for _ in 0..64 {
        match take_one(socket) {
            Some(number) => newest = Some(number),
            None => break,
        }
    }
    newest.map(io::Error::from_raw_os_error)
}

fn take_one(socket: BorrowedFd<'_>) -> Option<i32> {
    let mut control = [0_u64; 64];
    // SAFETY: all-zero bytes are a valid `msghdr`: null pointers with length zero.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header names no buffer for data, and one for control messages that lives until after the call.
    let result = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    if result < 0 {
        return None;
    }
    // SAFETY: the kernel has written `msg_controllen` bytes of control messages, which these macros walk along.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !message.is_null() {
        // SAFETY: not null, so it lies within the control buffer, as its data does.
        let (level, kind) = unsafe { ((*message).cmsg_level, (*message).cmsg_type) };
        if matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        ) {
            // SAFETY: a message of this kind begins with a `sock_extended_err`; it may lie unaligned.
            let error = unsafe {
                std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::sock_extended_err>())
            };
            return Some(error.ee_errno as i32);
        }
        // SAFETY: as above.
        message = unsafe { libc::CMSG_NXTHDR(&raw const header, message) };
    }
    Some(0)
}
