//! [`Watch`]: notices when the way to the server may have changed.
//!
//! The kernel tells of every change of links, addresses and routes; most are none of ours (the tunnel's own routes, a
//! routing daemon's). One that may matter only starts a short wait, since changes come in flocks; then
//! [`Network::follow`](super::Network::follow) looks.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use adit::Instant;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::{RecvFlags, netdevice, recv};

use super::change::covers;
use super::netlink::{ip, open, split};

/// How long changes are collected.
const CALM: Duration = Duration::from_millis(200);
/// RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// A socket that hears of changes.
#[derive(Debug)]
pub(crate) struct Watch {
    socket: OwnedFd,
    remote: IpAddr,
    /// Our own device, whose changes do not count. It may be gone when they are heard of.
    tunnel: Option<u32>,
    due: Option<Instant>,
    buffer: Vec<u8>,
}

impl Watch {
    /// Watches the way to `remote`, past the tunnel of `dev`.
    pub(crate) fn new(remote: IpAddr, dev: &str) -> io::Result<Self> {
        let socket = open(GROUPS)?;
        let tunnel = netdevice::name_to_index(&socket, dev).ok();
        Ok(Self { socket, remote, tunnel, due: None, buffer: vec![0; 32 * 1024] })
    }

    /// Takes in what has changed.
    pub(crate) fn read(&mut self, now: Instant) {
        loop {
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((count, _)) => {
                    let messages = split(&self.buffer[..count]);
                    if self.due.is_none() && messages.into_iter().any(|bytes| self.matters(bytes)) {
                        self.due = Some(now + CALM);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // There was more than the socket holds.
                Err(rustix::io::Errno::NOBUFS) => self.due = self.due.or(Some(now + CALM)),
                Err(_) => return,
            }
        }
    }

    /// When to look.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether it is time to look; asked again, not until there are further changes.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    fn matters(&self, bytes: &[u8]) -> bool {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else { return false };
        let NetlinkPayload::InnerMessage(message) = message.payload else { return false };
        match message {
            RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
                self.leads_there(&route)
            }
            RouteNetlinkMessage::NewAddress(AddressMessage { header, .. })
            | RouteNetlinkMessage::DelAddress(AddressMessage { header, .. }) => {
                self.is_family(header.family) && Some(header.index) != self.tunnel
            }
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
                Some(link.header.index) != self.tunnel
            }
            _ => false,
        }
    }

    /// Whether it is a route, not through the tunnel, that the server's address falls under.
    fn leads_there(&self, route: &RouteMessage) -> bool {
        let header = &route.header;
        if header.table != RouteHeader::RT_TABLE_MAIN || !self.is_family(header.address_family) {
            return false;
        }
        let mut covered = header.destination_prefix_length == 0;
        for attribute in &route.attributes {
            match attribute {
                RouteAttribute::Oif(index) if Some(*index) == self.tunnel => return false,
                RouteAttribute::Destination(address) => {
                    covered = ip(address).is_some_and(|network| {
                        covers(network, header.destination_prefix_length, self.remote)
                    });
                }
                _ => {}
            }
        }
        covered
    }

    fn is_family(&self, family: AddressFamily) -> bool {
        family == if self.remote.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
