//! The states that a tunnel goes through, as `state` and `>STATE:` show them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use adit::UnixTime;

/// A state's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateName {
    /// The beginning.
    Connecting,
    /// A client looks up its server's name.
    Resolve,
    /// A client opens a TCP connection.
    TcpConnect,
    /// A client waits for the first answer.
    Wait,
    /// The server has answered.
    Auth,
    /// The login is under way elsewhere.
    AuthPending,
    /// A client asks for its options.
    GetConfig,
    AssignIp,
    AddRoutes,
    Connected,
    Reconnecting,
    Exiting,
}

/// A state with what is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) stage: StateName,
    /// `SUCCESS`, or the cause of an end.
    pub(crate) detail: String,
    /// Our addresses in the tunnel.
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// The server, and where a bound or connected socket of ours is.
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
}

impl State {
    /// A state with nothing to tell.
    pub(crate) fn of(stage: StateName) -> Self {
        Self::because(stage, String::new())
    }

    /// A state with its cause.
    pub(crate) fn because(stage: StateName, detail: impl Into<String>) -> Self {
        Self { stage, detail: detail.into(), ipv4: None, ipv6: None, remote: None, local: None }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "CONNECTING",
            Self::Resolve => "RESOLVE",
            Self::TcpConnect => "TCP_CONNECT",
            Self::Wait => "WAIT",
            Self::Auth => "AUTH",
            Self::AuthPending => "AUTH_PENDING",
            Self::GetConfig => "GET_CONFIG",
            Self::AssignIp => "ASSIGN_IP",
            Self::AddRoutes => "ADD_ROUTES",
            Self::Connected => "CONNECTED",
            Self::Reconnecting => "RECONNECTING",
            Self::Exiting => "EXITING",
        })
    }
}

/// The line of `state`: nine fields, the last only if there is an IPv6 address.
pub(crate) fn line(time: UnixTime, state: &State) -> String {
    let shown = |value: Option<String>| value.unwrap_or_default();
    let ends = [state.remote, state.local].map(|end| {
        let end = end.map(|end| (end.ip().to_canonical(), end.port()));
        format!("{},{}", shown(end.map(|end| end.0.to_string())), shown(end.map(|end| end.1.to_string())))
    });
    let ipv4 = shown(state.ipv4.map(|address| address.to_string()));
    let ipv6 = shown(state.ipv6.map(|address| format!(",{address}")));
    format!("{},{},{},{ipv4},{}{ipv6}", time.0, state.stage, state.detail, ends.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_openvpn() {
        // As OpenVPN 2.6.14 prints them.
        let at = |state: &State| line(UnixTime(1_795_858_204), state);
        assert_eq!(at(&State::of(StateName::Connecting)), "1795858204,CONNECTING,,,,,,");
        let assigned = State {
            ipv4: Some([10, 8, 0, 2].into()),
            ipv6: Some("fd00:8::1000".parse().unwrap()),
            ..State::of(StateName::AssignIp)
        };
        assert_eq!(at(&assigned), "1795858204,ASSIGN_IP,,10.8.0.2,,,,,fd00:8::1000");
        let connected = State {
            ipv4: Some([10, 8, 0, 2].into()),
            remote: Some("192.0.2.1:1194".parse().unwrap()),
            local: Some("192.0.2.2:40494".parse().unwrap()),
            ..State::because(StateName::Connected, "SUCCESS")
        };
        assert_eq!(at(&connected), "1795858204,CONNECTED,SUCCESS,10.8.0.2,192.0.2.1,1194,192.0.2.2,40494");
        assert_eq!(
            at(&State::because(StateName::Reconnecting, "SIGUSR1")),
            "1795858204,RECONNECTING,SIGUSR1,,,,,"
        );
    }
}
