//! The outer sockets: where they are bound, and their options.

use alloc::string::String;

use crate::config::client::AddressFamily;
use crate::path::Transport;

/// What a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub bind: Bind,
    /// UDP or TCP.
    pub transport: Transport,
    /// `udp4`, `tcp6`, ...: only addresses of this family; otherwise both, if no address is named.
    pub family: Option<AddressFamily>,
}

/// `local`, `lport`, `bind ipv6only`: the near end of a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bind {
    /// A name or an address; any if there is none.
    pub host: Option<String>,
    /// The port; the kernel's choice if there is none.
    pub port: Option<u16>,
    /// `bind ipv6only`: a socket of IPv6 does not take IPv4 too.
    pub ipv6_only: bool,
}

/// Options of every outer socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketOptions {
    /// `sndbuf`, in bytes; the system's own if there is none.
    pub sndbuf: Option<u32>,
    /// `rcvbuf`, in bytes.
    pub rcvbuf: Option<u32>,
    /// `mark`: SO_MARK.
    pub mark: Option<u32>,
    /// `bind-dev`: SO_BINDTODEVICE.
    pub bind_dev: Option<String>,
    /// `passtos`: the outer packet takes over the TOS of the inner one.
    pub passtos: bool,
    /// `tcp-nodelay`, `socket-flags TCP_NODELAY`
    pub tcp_nodelay: bool,
    /// `mtu-disc`
    pub mtu_discovery: Option<MtuDiscovery>,
}

/// `mtu-disc`: whether datagrams may be fragmented (IP_MTU_DISCOVER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtuDiscovery {
    /// `no`: they may.
    No,
    /// `maybe`: as the route says.
    Maybe,
    /// `yes`: they must not.
    Yes,
}
