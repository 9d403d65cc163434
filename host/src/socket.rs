//! Outer sockets before they are used: their options (`sndbuf`, `mark`, `bind-dev`, ...), and where they are bound.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use adit::config::{AddressFamily, MtuDiscovery, SocketOptions};
use socket2::{Domain, Socket, Type};

use crate::sys::set_mtu_discovery;

/// What the buffers of a UDP socket should hold unless the configuration says so, in bytes: some batches. The system
/// may grant less.
const BUFFER: usize = 1 << 20;

/// How a socket of IPv6 stands to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Families {
    /// It serves both.
    Both,
    /// `bind ipv6only`
    Ipv6Only,
}

/// A non-blocking socket of the family of `address`, with the options set; not bound yet.
pub(crate) fn open(
    address: SocketAddr,
    kind: Type,
    families: Families,
    options: &SocketOptions,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::Ipv6Only)?;
    }
    let default = (kind == Type::DGRAM).then_some(BUFFER);
    set_buffers(&socket, options.sndbuf.map(as_size).or(default), options.rcvbuf.map(as_size).or(default));
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(|error| about("mark", &mark, &error))?;
    }
    if let Some(device) = &options.bind_dev {
        let bound = socket.bind_device(Some(device.as_bytes()));
        bound.map_err(|error| about("bind-dev", device, &error))?;
    }
    if let Some(discovery) = options.mtu_discovery {
        let value = match discovery {
            MtuDiscovery::No => 0,
            MtuDiscovery::Maybe => 1,
            MtuDiscovery::Yes => 2,
        };
        let set = set_mtu_discovery(&socket, address.is_ipv6(), value);
        set.map_err(|error| about("mtu-disc", &value, &error))?;
    }
    Ok(socket)
}

/// Sets the sizes of the buffers that are given, in bytes. The system may grant less.
pub(crate) fn set_buffers(socket: &Socket, send: Option<usize>, receive: Option<usize>) {
    if let Some(size) = send {
        let _ = socket.set_send_buffer_size(size);
    }
    if let Some(size) = receive {
        let _ = socket.set_recv_buffer_size(size);
    }
}

fn as_size(size: u32) -> usize {
    size as usize
}

fn about(option: &str, value: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{option} {value}: {}", crate::errors::cause(error)))
}

/// Where a socket without `local` is bound: to all addresses of the family; without a family to those of IPv4, as
/// OpenVPN does.
pub(crate) fn any_address(family: Option<AddressFamily>, port: u16) -> SocketAddr {
    match family {
        Some(AddressFamily::V6) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Some(AddressFamily::V4) | None => (Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_reach_the_socket() {
        let mut options = SocketOptions::default();
        (options.sndbuf, options.rcvbuf) = (Some(16_384), Some(32_768));
        options.bind_dev = Some("lo".into());
        let socket = open(any_address(None, 0), Type::DGRAM, Families::Both, &options).unwrap();
        // The kernel doubles them.
        assert_eq!(socket.send_buffer_size().unwrap(), 32_768);
        assert_eq!(socket.recv_buffer_size().unwrap(), 65_536);
        assert_eq!(socket.device().unwrap().unwrap(), b"lo");
        options.bind_dev = Some("no-such-device".into());
        let error = open(any_address(None, 0), Type::DGRAM, Families::Both, &options).unwrap_err();
        assert!(error.to_string().starts_with("bind-dev no-such-device: "), "{error}");
    }

    #[test]
    fn a_socket_of_ipv6_alone_leaves_the_port_to_ipv4() {
        let options = SocketOptions::default();
        let any = any_address(Some(AddressFamily::V6), 0);
        let only = open(any, Type::DGRAM, Families::Ipv6Only, &options).unwrap();
        only.bind(&any.into()).unwrap();
        let port = only.local_addr().unwrap().as_socket().unwrap().port();
        std::net::UdpSocket::bind(("0.0.0.0", port)).unwrap();
    }
}
