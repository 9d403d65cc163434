//! The system calls that no safe crate offers, each behind a safe function. All `unsafe` of the host is in here.

#![allow(unsafe_code)]

mod control;
mod datagrams;
mod icmp;
mod local_time;
mod packet;
mod process;
mod sockopt;
mod tun;
mod user;

pub(crate) use datagrams::{Datagrams, Receiving, Sent, with_tos};
pub(crate) use icmp::{report_icmp, take_icmp};
pub(crate) use local_time::{LocalTime, local_time};
pub(crate) use packet::{Frames, PacketSocket, SendScratch};
pub(crate) use process::{Forked, fork};
pub(crate) use sockopt::{set_mtu_discovery, tell_local_address};
pub(crate) use tun::open_tun;
pub(crate) use user::{Group, User, become_group, become_user};

#[cfg(test)]
pub(crate) mod tests {
    /// Puts the calling thread into a network namespace of its own.
    pub(crate) fn unshare_network() {
        // SAFETY: only this thread's view of the network changes; no memory or descriptor is concerned.
        let done = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        assert!(done, "this test needs root: {}", std::io::Error::last_os_error());
    }
}
