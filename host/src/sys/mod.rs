//! The system calls that no safe crate offers, each behind a safe function. All `unsafe` of the host is in here.

#![allow(unsafe_code)]

mod datagrams;
mod local_time;
mod tun;
mod user;

pub(crate) use datagrams::{Datagrams, Sent};
pub(crate) use local_time::{LocalTime, local_time};
pub(crate) use tun::open_tun;
pub(crate) use user::{Group, User, become_group, become_user, current_uid};
