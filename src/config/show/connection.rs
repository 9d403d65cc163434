//! `Connection profiles [N]`: where to and how, each remote by itself.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{View, enabled, quoted};
use crate::algorithm::Role;
use crate::config::client::AddressFamily;
use crate::config::connection::{ConnectionDraft, DEFAULT_PORT, HttpProxyDraft, Proto};
use crate::config::session::Mssfix;
use crate::config::statement::Source;
use crate::path::Transport;

/// OpenVPN's own, where nothing is said: packets of at most so many bytes with the outer headers.
const DEFAULT_MSSFIX: u16 = 1492;

pub(super) fn connections(view: &View<'_>, lines: &mut Vec<String>) {
    let own = [view.draft.connection.clone()];
    let connections =
        if view.draft.shown_connections.is_empty() { &own } else { view.draft.shown_connections.as_slice() };
    for (n, connection) in connections.iter().enumerate() {
        lines.push(format!("Connection profiles [{n}]:"));
        one(view, connection, lines);
    }
    lines.push("Connection profiles END".into());
}

fn one(view: &View<'_>, connection: &ConnectionDraft, lines: &mut Vec<String>) {
    let role = if view.server().is_some() { Role::Server } else { Role::Client };
    let remote = connection.remote.as_ref();
    let proto = connection.remote_proto();
    let transport = proto.map_or(Transport::Udp, |proto| proto.transport);
    // Of a server's several listeners, the last.
    let listener = view.host().listeners.last().map(|listener| listener.bind.clone());
    let bind = listener.or_else(|| connection.bind(role));
    let port = |port: Option<u16>| port.map(|port| port.to_string());
    let remote_port =
        remote.and_then(|remote| remote.port).or(connection.remote_port).unwrap_or(DEFAULT_PORT);
    let socks = connection.socks_proxy.as_ref().map(|draft| &draft.proxy);
    let tun_mtu = connection.tun_mtu.unwrap_or(1500);
    let mssfix = Limit::of(view, connection, tun_mtu);

    let mut put = |name: &str, value: String| lines.push(format!("  {name} = {value}"));
    put("proto", proto_name(proto, role, socks.is_some()));
    let local = connection.local.as_ref().and_then(|local| local.host.as_deref());
    put("local", quoted(local));
    let local_port = bind.as_ref().map(|bind| bind.port.unwrap_or(0));
    put("local_port", quoted(port(local_port).as_deref()));
    put("remote", quoted(remote.map(|remote| remote.host.as_str())));
    put("remote_port", quoted(port(Some(remote_port)).as_deref()));
    put("remote_float", enabled(connection.float));
    put("bind_defined", enabled(connection.bind));
    put("bind_local", enabled(bind.is_some()));
    put("bind_ipv6_only", enabled(connection.ipv6_only));
    put("connect_retry_seconds", connection.connect_retry.pause.as_secs().to_string());
    put("connect_timeout", connection.connect_timeout.map_or(120, |time| time.as_secs()).to_string());
    if let Some(proxy) = &connection.http_proxy {
        http_proxy(view, proxy, lines);
    }
    let mut put = |name: &str, value: String| lines.push(format!("  {name} = {value}"));
    put("socks_proxy_server", quoted(socks.map(|proxy| proxy.host.as_str())));
    put("socks_proxy_port", quoted(port(socks.map(|proxy| proxy.port)).as_deref()));
    put("tun_mtu", tun_mtu.to_string());
    put("tun_mtu_defined", enabled(true));
    put("link_mtu", "1500".into());
    put("link_mtu_defined", enabled(false));
    put("tun_mtu_extra", "0".into());
    put("tun_mtu_extra_defined", enabled(false));
    put("tls_mtu", connection.max_packet_size.unwrap_or(1250).to_string());
    put("mtu_discover_type", mtu_discovery(view));
    put("fragment", "0".into());
    put("mssfix", mssfix.bytes.to_string());
    put("mssfix_encap", enabled(mssfix.outer));
    put("mssfix_fixed", enabled(mssfix.fixed));
    let notify = connection.explicit_exit_notify.filter(|_| transport == Transport::Udp);
    put("explicit_exit_notification", notify.unwrap_or(0).to_string());
    put("tls_auth_file", key_file(view, connection.tls_auth.as_ref()));
    put("key_direction", key_direction(connection.key_direction));
    put("tls_crypt_file", key_file(view, connection.tls_crypt.as_ref()));
    put("tls_crypt_v2_file", quoted(None));
}

/// `tcp` is told by the role which end of it is meant.
fn proto_name(proto: Option<Proto>, role: Role, socks: bool) -> String {
    let transport = proto.map_or(Transport::Udp, |proto| proto.transport);
    // OpenVPN reaches a SOCKS proxy by IPv4 if it is for UDP.
    let family = match proto.and_then(|proto| proto.family) {
        _ if socks && transport == Transport::Udp => "4",
        Some(AddressFamily::V4) => "4",
        Some(AddressFamily::V6) => "6",
        None => "",
    };
    match (transport, role) {
        (Transport::Udp, _) => format!("udp{family}"),
        (Transport::Tcp, Role::Client) => format!("tcp{family}-client"),
        (Transport::Tcp, Role::Server) => format!("tcp{family}-server"),
    }
}

/// `auto` leaves the method open; a file goes with `basic`, where no other is named.
fn http_proxy(view: &View<'_>, draft: &HttpProxyDraft, lines: &mut Vec<String>) {
    let proxy = &draft.proxy;
    let (file, method) = match draft.words.get(3).map(String::as_str) {
        None => (None, Some("none")),
        Some("auto" | "auto-nct") => (None, None),
        Some(file) => (Some(file), Some(draft.words.get(4).map_or("basic", String::as_str))),
    };
    let (up, inline) = match &draft.user_pass {
        None => (None, false),
        Some(Source::File { path, .. }) => (Some(path.as_str()), false),
        // The block's contents are the login itself.
        Some(Source::Inline(_)) => (Some("[INLINE]"), true),
    };
    lines.push("BEGIN http_proxy".into());
    for (name, value) in [
        ("server", quoted(Some(&proxy.host))),
        ("port", quoted(Some(&proxy.port.to_string()))),
        ("auth_method_string", quoted(method)),
        ("auth_file", quoted(file)),
        ("auth_file_up", quoted(up)),
        ("inline_creds", enabled(inline)),
        ("nocache", enabled(view.has("auth-nocache"))),
        ("http_version", quoted(Some(proxy.version.as_deref().unwrap_or("1.0")))),
        ("user_agent", quoted(proxy.agent.as_deref())),
    ] {
        lines.push(format!("  {name} = {value}"));
    }
    for (n, (name, value)) in proxy.headers.iter().enumerate() {
        let value = value.as_ref().map(|value| format!(": {value}")).unwrap_or_default();
        lines.push(format!("  custom_header[{n}] = {name}{value}"));
    }
    lines.push("END http_proxy".into());
}

fn mtu_discovery(view: &View<'_>) -> String {
    use crate::config::host::MtuDiscovery;
    // Linux's IP_PMTUDISC_DONT, _WANT and _DO.
    match view.host().sockets.mtu_discovery {
        None => "-1",
        Some(MtuDiscovery::No) => "0",
        Some(MtuDiscovery::Maybe) => "1",
        Some(MtuDiscovery::Yes) => "2",
    }
    .into()
}

/// With `persist-key`, OpenVPN reads the file at the start and has it like an inline block from then on.
fn key_file(view: &View<'_>, source: Option<&Source>) -> String {
    match source {
        None => quoted(None),
        Some(Source::File { path, .. }) if !view.host().persist_key => quoted(Some(path)),
        Some(_) => quoted(Some("[INLINE]")),
    }
}

pub(super) fn key_direction(direction: Option<u8>) -> String {
    direction.map_or_else(|| "not set".into(), |direction| direction.to_string())
}

/// `mssfix` as OpenVPN counts it.
struct Limit {
    bytes: u16,
    /// The outer headers are part of it.
    outer: bool,
    /// It is the inner packet's.
    fixed: bool,
}

impl Limit {
    fn of(_view: &View<'_>, connection: &ConnectionDraft, tun_mtu: u16) -> Self {
        let limit = |bytes, outer, fixed| Self { bytes, outer, fixed };
        match connection.mssfix {
            Mssfix::Default if tun_mtu == 1500 => limit(DEFAULT_MSSFIX, true, false),
            Mssfix::Default => limit(tun_mtu, true, true),
            Mssfix::Off => limit(0, false, false),
            Mssfix::Payload(bytes) => limit(bytes, false, false),
            Mssfix::Mtu(bytes) => limit(bytes, true, false),
            Mssfix::Fixed(bytes) => limit(bytes, false, true),
        }
    }
}
