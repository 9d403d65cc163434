//! [`Netlink`]: the kernel's own interface to addresses and routes (rtnetlink).
//!
//! It needs no program, so that it works in a `chroot` and with the one capability that is left after root was given
//! up; and a thousand changes take milliseconds.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily as SocketFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netdevice, recv,
    send, socket_with,
};

use super::change::{Address, Change, Route};
use super::hop::Hop;

/// How many requests go out together. The answers to all of them must fit the socket's receive buffer.
const BATCH: usize = 64;
/// Room for what the kernel says at a time.
const BUFFER: usize = 64 * 1024;

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalAddress {
    pub(crate) dev: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkFacts {
    pub(crate) index: u32,
    /// Its hardware address, if it is an Ethernet device.
    pub(crate) mac: Option<[u8; 6]>,
    /// The largest IP packet that it takes, in bytes.
    pub(crate) mtu: u32,
    pub(crate) up: bool,
}

/// A socket that hears of changes of devices.
pub(crate) fn link_news() -> io::Result<OwnedFd> {
    const RTMGRP_LINK: u32 = 1;
    open(RTMGRP_LINK)
}

/// A socket for requests.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// A socket that hears of changes in these groups, or one for requests if there are none.
pub(super) fn open(groups: u32) -> io::Result<OwnedFd> {
    let flags = if groups == 0 { SocketFlags::CLOEXEC } else { SocketFlags::CLOEXEC | SocketFlags::NONBLOCK };
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(SocketFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

impl Netlink {
    pub(crate) fn new() -> Result<Self, String> {
        let limited = |socket: OwnedFd| {
            // The kernel answers before `send` returns; this is for one that answers nothing that we understand.
            sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(1)))?;
            Ok(socket)
        };
        let socket = open(0)
            .and_then(limited)
            .map_err(|error| format!("cannot talk to the kernel by netlink: {error}"))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Makes the changes, in order; what became of each.
    pub(crate) fn apply(&mut self, changes: &[Change]) -> Vec<io::Result<()>> {
        let mut results = Vec::with_capacity(changes.len());
        for changes in changes.chunks(BATCH) {
            results.extend(self.apply_batch(changes));
        }
        results
    }

    fn apply_batch(&mut self, changes: &[Change]) -> Vec<io::Result<()>> {
        let first = self.sequence.wrapping_add(1);
        let mut results: Vec<io::Result<()>> = Vec::with_capacity(changes.len());
        let mut bytes = Vec::new();
        let mut waiting = 0;
        for change in changes {
            self.sequence = self.sequence.wrapping_add(1);
            match self.request(change) {
                Ok((message, flags)) => {
                    bytes.extend(encode(message, flags | NLM_F_ACK, self.sequence));
                    waiting += 1;
                    results.push(Err(io::ErrorKind::TimedOut.into()));
                }
                Err(error) => results.push(Err(error)),
            }
        }
        if waiting > 0
            && let Err(error) = self.exchange(&bytes, first, waiting, &mut results)
        {
            let kind = error.kind();
            results.iter_mut().filter(|result| is_unanswered(result)).for_each(|it| *it = Err(kind.into()));
        }
        results
    }

    /// Sends, and takes in as many answers as there are requests.
    fn exchange(
        &mut self,
        bytes: &[u8],
        first: u32,
        mut waiting: usize,
        results: &mut [io::Result<()>],
    ) -> io::Result<()> {
        send(&self.socket, bytes, SendFlags::empty())?;
        while waiting > 0 {
            self.receive(|header, payload| {
                let NetlinkPayload::Error(answer) = payload else { return };
                let index = header.sequence_number.wrapping_sub(first) as usize;
                if let Some(result) = results.get_mut(index) {
                    waiting = waiting.saturating_sub(1);
                    *result = if answer.code.is_none() { Ok(()) } else { Err(answer.to_io()) };
                }
            })?;
        }
        Ok(())
    }

    /// The next hop to `destination` at present. `None` if that is this machine itself, or unreachable.
    pub(crate) fn hop_to(&mut self, destination: IpAddr) -> Option<Hop> {
        let mut query = RouteMessage::default();
        query.header.address_family = family(destination);
        query.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
        query.attributes.push(RouteAttribute::Destination(destination.into()));
        let answers = self.ask(RouteNetlinkMessage::GetRoute(query), 0).ok()?;
        let route = answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) if route.header.kind == RouteType::Unicast => Some(route),
            _ => None,
        })?;
        let found = self.read_route(&route)?;
        Some(Hop { via: found.via, dev: found.dev?, source: found.source })
    }

    /// The default route of the main table, for IPv4 or IPv6 (`v6`), that the kernel prefers at present.
    pub(crate) fn default_route(&mut self, v6: bool) -> Option<Route> {
        let routes = self.main_table(v6, |route| route.header.destination_prefix_length == 0);
        routes.into_iter().min_by_key(|route| route.metric.unwrap_or(0))
    }

    /// The routes of the main table that `destination` falls under, the default routes among them.
    pub(crate) fn routes_to(&mut self, destination: IpAddr) -> Vec<Route> {
        let mut routes = self.main_table(destination.is_ipv6(), |_| true);
        routes.retain(|route| route.contains(destination));
        routes
    }

    fn main_table(&mut self, v6: bool, is_wanted: impl Fn(&RouteMessage) -> bool) -> Vec<Route> {
        let mut query = RouteMessage::default();
        query.header.address_family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let answers = self.ask(RouteNetlinkMessage::GetRoute(query), NLM_F_DUMP).unwrap_or_default();
        let routes = answers.into_iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route)
                if route.header.kind == RouteType::Unicast
                    && route.header.table == RouteHeader::RT_TABLE_MAIN
                    && is_wanted(&route) =>
            {
                self.read_route(&route).filter(|route| route.dev.is_some())
            }
            _ => None,
        });
        routes.collect()
    }

    /// The addresses of all devices.
    pub(crate) fn addresses(&mut self) -> Vec<LocalAddress> {
        let query = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answers = self.ask(query, NLM_F_DUMP).unwrap_or_default();
        let read = answers.into_iter().filter_map(|answer| {
            let RouteNetlinkMessage::NewAddress(message) = answer else { return None };
            // On a point-to-point device, `Address` is the other end.
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let address = local.or_else(|| {
                message.attributes.iter().find_map(|attribute| match attribute {
                    AddressAttribute::Address(address) => Some(*address),
                    _ => None,
                })
            })?;
            let dev = self.name(message.header.index)?;
            Some(LocalAddress { dev, address, prefix: message.header.prefix_len })
        });
        read.collect()
    }

    /// What the device of that name is.
    pub(crate) fn link(&mut self, dev: &str) -> io::Result<LinkFacts> {
        let mut query = LinkMessage::default();
        query.header.index = self.index(dev)?;
        let answers = self.ask(RouteNetlinkMessage::GetLink(query), 0)?;
        let found = answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link),
            _ => None,
        });
        let link = found.ok_or(io::ErrorKind::NotFound)?;
        let is_ethernet = link.header.link_layer_type == LinkLayerType::Ether;
        let (mut mac, mut mtu) = (None, 0);
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::Address(address) if is_ethernet => mac = address[..].try_into().ok(),
                LinkAttribute::Mtu(bytes) => mtu = *bytes,
                _ => {}
            }
        }
        let up = link.header.flags.contains(LinkFlags::Up);
        Ok(LinkFacts { index: link.header.index, mac, mtu, up })
    }

    // ---- messages ----

    fn request(&self, change: &Change) -> io::Result<(RouteNetlinkMessage, u16)> {
        const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
        Ok(match change {
            Change::Up { dev, mtu, queue } => {
                let mut message = LinkMessage::default();
                message.header.index = self.index(dev)?;
                message.header.flags = LinkFlags::Up;
                message.header.change_mask = LinkFlags::Up;
                message.attributes.push(LinkAttribute::Mtu(u32::from(*mtu)));
                message.attributes.extend(queue.map(LinkAttribute::TxQueueLen));
                (RouteNetlinkMessage::SetLink(message), 0)
            }
            // An address that is there already is as good as ours.
            Change::AddAddress(address) => (
                RouteNetlinkMessage::NewAddress(self.address_message(address)?),
                NLM_F_CREATE | NLM_F_REPLACE,
            ),
            Change::DelAddress(address) => {
                (RouteNetlinkMessage::DelAddress(self.address_message(address)?), 0)
            }
            Change::AddRoute(route) => {
                (RouteNetlinkMessage::NewRoute(self.route_message(route, false)?), NEW)
            }
            Change::DelRoute(route) => (RouteNetlinkMessage::DelRoute(self.route_message(route, true)?), 0),
        })
    }

    fn address_message(&self, address: &Address) -> io::Result<AddressMessage> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.address);
        message.header.prefix_len = address.prefix;
        message.header.index = self.index(&address.dev)?;
        let other = address.peer.map_or(address.address, IpAddr::V4);
        message.attributes.push(AddressAttribute::Local(address.address));
        message.attributes.push(AddressAttribute::Address(other));
        Ok(message)
    }

    fn route_message(&self, route: &Route, delete: bool) -> io::Result<RouteMessage> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(route.destination);
        message.header.destination_prefix_length = route.prefix;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = route.protocol.map_or(RouteProtocol::Boot, RouteProtocol::from);
        message.header.kind = RouteType::Unicast;
        message.header.scope = match (delete, route.via, route.destination) {
            // Whatever scope it has.
            (true, ..) => RouteScope::NoWhere,
            (false, None, IpAddr::V4(_)) => RouteScope::Link,
            (false, ..) => RouteScope::Universe,
        };
        let attributes = &mut message.attributes;
        if route.prefix > 0 {
            attributes.push(RouteAttribute::Destination(route.destination.into()));
        }
        match (route.destination, route.via) {
            (_, None) => {}
            (IpAddr::V4(_), Some(IpAddr::V6(via))) => {
                attributes.push(RouteAttribute::Via(RouteVia::Inet6(via)));
            }
            (_, Some(via)) => attributes.push(RouteAttribute::Gateway(via.into())),
        }
        if let Some(dev) = &route.dev {
            attributes.push(RouteAttribute::Oif(self.index(dev)?));
        }
        if let Some(metric) = route.metric.filter(|metric| *metric > 0) {
            attributes.push(RouteAttribute::Priority(metric));
        }
        if let Some(source) = route.source {
            attributes.push(RouteAttribute::PrefSource(source.into()));
        }
        Ok(message)
    }

    fn read_route(&self, message: &RouteMessage) -> Option<Route> {
        let none = if message.header.address_family == AddressFamily::Inet6 {
            IpAddr::from([0_u16; 8])
        } else {
            IpAddr::from([0_u8; 4])
        };
        let mut route = Route::to(none, message.header.destination_prefix_length);
        route.protocol = Some(message.header.protocol.into());
        let mut dev = None;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => route.destination = ip(address)?,
                RouteAttribute::Gateway(address) => route.via = ip(address),
                RouteAttribute::Via(RouteVia::Inet6(address)) => route.via = Some((*address).into()),
                RouteAttribute::Oif(index) => dev = Some(*index),
                RouteAttribute::Priority(metric) => route.metric = Some(*metric),
                RouteAttribute::PrefSource(address) => route.source = ip(address),
                // Of several ways, the first.
                RouteAttribute::MultiPath(hops) => {
                    let hop = hops.first()?;
                    dev = Some(hop.interface_index);
                    route.via = hop.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Gateway(address) => ip(address),
                        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        route.dev = dev.and_then(|index| self.name(index));
        Some(route)
    }

    fn index(&self, dev: &str) -> io::Result<u32> {
        Ok(netdevice::name_to_index(&self.socket, dev)?)
    }

    fn name(&self, index: u32) -> Option<String> {
        netdevice::index_to_name(&self.socket, index).ok()
    }

    // ---- the socket ----

    /// Asks one thing; all that the kernel answers.
    fn ask(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        send(&self.socket, &encode(question, flags, sequence), SendFlags::empty())?;
        let (mut answers, mut end) = (Vec::new(), None);
        while end.is_none() {
            self.receive(|header, payload| {
                if header.sequence_number != sequence {
                    return;
                }
                match payload {
                    NetlinkPayload::InnerMessage(answer) => {
                        answers.push(answer);
                        if flags & NLM_F_DUMP == 0 {
                            end = Some(Ok(()));
                        }
                    }
                    NetlinkPayload::Error(answer) => end = Some(Err(answer.to_io())),
                    NetlinkPayload::Done(_) => end = Some(Ok(())),
                    _ => {}
                }
            })?;
        }
        end.unwrap_or(Ok(())).map(|()| answers)
    }

    /// Takes in what the kernel says next.
    fn receive(
        &mut self,
        mut each: impl FnMut(NetlinkHeader, NetlinkPayload<RouteNetlinkMessage>),
    ) -> io::Result<()> {
        let (count, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
        for bytes in split(&self.buffer[..count]) {
            // One that the library does not know is none of ours.
            if let Ok(message) = NetlinkMessage::deserialize(bytes) {
                let (header, payload) = message.into_parts();
                each(header, payload);
            }
        }
        Ok(())
    }
}

/// The messages in what the kernel has sent. The length of one is its first field; the next one begins at a multiple
/// of four.
pub(super) fn split(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(length) = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
        let Some(bytes) = rest.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        messages.push(bytes);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

fn encode(message: RouteNetlinkMessage, flags: u16, sequence: u32) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
    let length = message.buffer_len();
    message.serialize(&mut bytes[..length]);
    bytes
}

fn is_unanswered(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::TimedOut)
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

pub(super) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}
