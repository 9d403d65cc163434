//! Where to and how: what each `<connection>` may say for itself.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::client::AddressFamily;
use super::super::connection::{
    HttpProxyDraft, LocalDraft, LoginSource, Proto, RemoteDraft, SocksProxyDraft,
};
use super::super::directive::{Class, Directive, Places};
use super::super::draft::Draft;
use super::super::session::Mssfix;
use super::super::statement::{Complaint, Source, Statement};
use super::super::values::{self, text};
use crate::algorithm::Role;
use crate::path::Transport;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::of("connection", "", Class::Connection).only(Role::Client).inline().repeats(),
    Directive::new("remote", "HOST [PORT] [PROTO]", remote)
        .also(Places::CONNECTION)
        .only(Role::Client)
        .repeats(),
    Directive::new(
        "proto",
        "udp|udp4|udp6|tcp|tcp4|tcp6|tcp-client|tcp-server",
        some!(connection.proto, proto_of),
    )
    .also(Places::CONNECTION),
    Directive::new("proto-force", "udp|tcp", some!(proto_force, transport_of)).idle_at(Role::Server),
    Directive::new("port", "PORT", port).also(Places::CONNECTION),
    Directive::new("lport", "PORT", |draft, statement| {
        draft.connection.local_port = Some(statement.get(1, local_port)?);
        draft.connection.lport = true;
        Ok(())
    })
    .also(Places::CONNECTION),
    Directive::new("rport", "PORT", some!(connection.remote_port, values::port)).also(Places::CONNECTION),
    Directive::new("local", "HOST|* [PORT] [PROTO]", local).also(Places::CONNECTION).repeats(),
    Directive::new("bind", "[ipv6only]", bind).also(Places::CONNECTION),
    Directive::new("nobind", "", flag!(connection.nobind)).also(Places::CONNECTION).only(Role::Client),
    Directive::new("float", "", flag!(connection.float)).also(Places::CONNECTION),
    Directive::new("connect-retry", "SECONDS [MAX]", connect_retry).also(Places::CONNECTION),
    Directive::new(
        "connect-timeout",
        "SECONDS",
        some!(connection.connect_timeout, |word| values::seconds(word, 1)),
    )
    .also(Places::CONNECTION),
    Directive::new(
        "server-poll-timeout",
        "SECONDS",
        some!(connection.connect_timeout, |word| values::seconds(word, 1)),
    )
    .also(Places::CONNECTION),
    Directive::new("http-proxy", "HOST PORT [FILE|auto|auto-nct] [METHOD]", http_proxy)
        .also(Places::CONNECTION)
        .only(Role::Client),
    Directive::new("http-proxy-user-pass", "FILE", |draft, statement| {
        let proxy = draft.connection.http_proxy.get_or_insert_default();
        proxy.user_pass = Some(statement.source()?);
        Ok(())
    })
    .only(Role::Client)
    .inline(),
    Directive::new("http-proxy-option", "NAME VALUE [VALUE]", http_proxy_option)
        .also(Places::CONNECTION)
        .only(Role::Client)
        .repeats(),
    Directive::new("socks-proxy", "HOST [PORT] [FILE]", socks_proxy)
        .also(Places::CONNECTION)
        .only(Role::Client),
    Directive::new("explicit-exit-notify", "[N]", |draft, statement| {
        let times: u8 = statement.optional(1, |word| values::number(word, 0..=255))?.unwrap_or(1);
        draft.connection.explicit_exit_notify = (times > 0).then_some(times);
        Ok(())
    })
    .also(Places::CONNECTION)
    .also(Places::PUSH),
    Directive::new("tun-mtu", "BYTES [TOLD]", |draft, statement| {
        draft.connection.tun_mtu = Some(statement.get(1, tun_mtu)?);
        // What peers are told that still compare options; none of ours do.
        statement.optional(2, tun_mtu)?;
        Ok(())
    })
    .also(Places::CONNECTION)
    .also(Places::PUSH),
    Directive::no_effect("tun-mtu-max", "BYTES", "a server may push a tun-mtu of at most 1600")
        .checked(|statement| statement.get(1, tun_mtu).map(drop))
        .also(Places::CONNECTION),
    Directive::new("mssfix", "[BYTES] [mtu|fixed]", mssfix).also(Places::CONNECTION),
    Directive::new(
        "max-packet-size",
        "BYTES",
        // This bounds control packets, and the segments of connections inside alike.
        |draft, statement| {
            let bytes = statement.get(1, |word| values::number(word, 154..=2048))?;
            draft.connection.max_packet_size = Some(bytes);
            draft.connection.mssfix = Mssfix::Mtu(bytes);
            Ok(())
        },
    )
    .also(Places::CONNECTION),
    Directive::new("tls-auth", "FILE [DIRECTION]", |draft, statement| {
        if let Some(direction) = statement.optional(2, direction)? {
            draft.connection.key_direction = Some(direction);
        }
        draft.connection.tls_auth = Some(statement.source()?);
        Ok(())
    })
    .also(Places::CONNECTION)
    .inline(),
    Directive::new("tls-crypt", "FILE", source!(connection.tls_crypt)).also(Places::CONNECTION).inline(),
    Directive::new("key-direction", "0|1", some!(connection.key_direction, direction))
        .also(Places::CONNECTION),
];

fn remote(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let remote = RemoteDraft {
        host: statement.get(1, host_name)?,
        port: statement.optional(2, values::port)?,
        proto: statement.optional(3, proto_of)?,
        named_at: statement.position(0),
    };
    if draft.in_connection {
        // What a `port` or `proto` below it says replaces what it says itself.
        let connection = &mut draft.connection;
        connection.remote_port = remote.port.or(connection.remote_port);
        if let Some(proto) = remote.proto {
            let family = proto.family.or_else(|| connection.proto.and_then(|proto| proto.family));
            connection.proto = Some(Proto { family, ..proto });
        }
        connection.remote = Some(RemoteDraft { port: None, proto: None, ..remote });
    } else {
        draft.remotes.push(remote);
    }
    Ok(())
}

/// A name is resolved by the host; here only what could never be one is refused.
fn host_name(word: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if word.is_empty() || word.contains(odd) {
        return Err(format!("'{word}' is not a host name or an address"));
    }
    Ok(word.to_string())
}

fn port(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let port = statement.get(1, values::port)?;
    draft.connection.local_port = Some(Some(port));
    draft.connection.remote_port = Some(port);
    Ok(())
}

/// Port 0 leaves the choice to the kernel.
fn local_port(word: &str) -> Result<Option<u16>, String> {
    if word == "0" { Ok(None) } else { values::port(word).map(Some) }
}

/// A server may listen at several places; of a client's the last one counts.
fn local(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let host = statement.get(1, host_name)?;
    let host = (host != "*").then_some(host);
    let port = statement.optional(2, values::port)?;
    let proto = statement.optional(3, proto_of)?;
    let local = LocalDraft { host, port, proto };
    draft.connection.local = Some(local.clone());
    draft.locals.push(local);
    Ok(())
}

fn bind(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.connection.bind = true;
    if let Some(ipv6_only) = statement.optional(1, |word| match word {
        "ipv6only" => Ok(true),
        _ => Err(format!("'{word}' is not ipv6only")),
    })? {
        draft.connection.ipv6_only = ipv6_only;
    }
    Ok(())
}

pub(super) fn proto_of(word: &str) -> Result<Proto, String> {
    use AddressFamily::{V4, V6};
    use Transport::{Tcp, Udp};
    let (transport, family, role) = match word {
        "udp" => (Udp, None, None),
        "udp4" => (Udp, Some(V4), None),
        "udp6" => (Udp, Some(V6), None),
        "tcp" => (Tcp, None, None),
        "tcp4" => (Tcp, Some(V4), None),
        "tcp6" => (Tcp, Some(V6), None),
        "tcp-client" => (Tcp, None, Some(Role::Client)),
        "tcp4-client" => (Tcp, Some(V4), Some(Role::Client)),
        "tcp6-client" => (Tcp, Some(V6), Some(Role::Client)),
        "tcp-server" => (Tcp, None, Some(Role::Server)),
        "tcp4-server" => (Tcp, Some(V4), Some(Role::Server)),
        "tcp6-server" => (Tcp, Some(V6), Some(Role::Server)),
        _ => {
            return Err(format!(
                "'{word}' is not udp, udp4, udp6, tcp, tcp4, tcp6, or one of the tcp ones with -client or -server"
            ));
        }
    };
    Ok(Proto { transport, family, role })
}

fn transport_of(word: &str) -> Result<Transport, String> {
    proto_of(word).map(|proto| proto.transport)
}

fn connect_retry(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// OpenVPN's own bound, so that the pause can be doubled.
    const MOST: Duration = Duration::from_secs(65_535);
    let retry = &mut draft.connection.connect_retry;
    retry.pause = statement.get(1, |word| values::seconds(word, 0))?.min(MOST);
    if let Some(max) = statement.optional(2, |word| values::seconds(word, 0))? {
        retry.max = max;
    }
    Ok(())
}

fn http_proxy(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let host = statement.get(1, host_name)?;
    let port = statement.get(2, values::port)?;
    let login = match statement.word(3) {
        None => None,
        Some("auto-nct") => {
            let clause = "'auto-nct' leaves no login, since basic, the only one that there is, goes in clear";
            draft.warn_of(statement, 3, clause);
            None
        }
        Some("auto" | "stdin") => Some(LoginSource::Ask),
        Some(path) => {
            let path = path.to_string();
            Some(LoginSource::From(Source::File { path, named_at: statement.position(3) }))
        }
    };
    statement.optional(4, |word| match word {
        "none" | "basic" => Ok(()),
        "ntlm" | "ntlm2" => {
            Err("NTLM is not supported, since it is weak: use basic, or another proxy".into())
        }
        _ => Err(format!("'{word}' is not none or basic")),
    })?;
    let draft: &mut HttpProxyDraft = draft.connection.http_proxy.get_or_insert_default();
    (draft.proxy.host, draft.proxy.port, draft.login) = (host, port, login);
    draft.no_cleartext = statement.word(3) == Some("auto-nct");
    draft.words = statement.words().into_iter().map(Into::into).collect();
    Ok(())
}

fn http_proxy_option(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// OpenVPN's.
    const MAX_HEADERS: usize = 10;
    let name = statement.get(1, text)?;
    let value = statement.get(2, header)?;
    let more = statement.optional(3, header)?;
    let proxy = &mut draft.connection.http_proxy.get_or_insert_default().proxy;
    match (name.as_str(), more) {
        ("VERSION", None) => proxy.version = Some(value),
        ("AGENT", None) => proxy.agent = Some(value),
        ("CUSTOM-HEADER" | "EXT1" | "EXT2", more) => {
            if proxy.headers.len() >= MAX_HEADERS {
                return Err(statement.complain(1, format!("there are more than {MAX_HEADERS} headers")));
            }
            proxy.headers.push((value, more));
        }
        ("VERSION" | "AGENT", Some(_)) => {
            return Err(statement.complain(3, format!("{name} takes one value")));
        }
        _ => {
            let clause = format!("'{name}' is not VERSION, AGENT or CUSTOM-HEADER");
            return Err(statement.complain(1, clause));
        }
    }
    Ok(())
}

/// Part of a line that goes to a proxy.
fn header(word: &str) -> Result<String, String> {
    if word.contains(char::is_control) { Err("a header is one line".into()) } else { Ok(word.to_string()) }
}

fn socks_proxy(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// IANA's.
    const SOCKS_PORT: u16 = 1080;
    let mut proxy = SocksProxyDraft::default();
    proxy.proxy.host = statement.get(1, host_name)?;
    proxy.proxy.port = statement.optional(2, values::port)?.unwrap_or(SOCKS_PORT);
    proxy.login = match statement.word(3) {
        None => None,
        Some("stdin") => Some(LoginSource::Ask),
        Some(path) => {
            let path = path.to_string();
            Some(LoginSource::From(Source::File { path, named_at: statement.position(3) }))
        }
    };
    draft.connection.socks_proxy = Some(proxy);
    Ok(())
}

fn tun_mtu(word: &str) -> Result<u16, String> {
    values::number(word, 100..=65_535)
}

fn mssfix(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let kind = statement.optional(2, |word| match word {
        "mtu" => Ok(Mssfix::Mtu as fn(u16) -> Mssfix),
        "fixed" => Ok(Mssfix::Fixed as _),
        _ => Err(format!("'{word}' is not mtu or fixed")),
    })?;
    draft.connection.mssfix = match statement.optional(1, mssfix_bytes)? {
        None => Mssfix::Default,
        Some(0) => Mssfix::Off,
        Some(bytes) => kind.unwrap_or(Mssfix::Payload)(bytes),
    };
    Ok(())
}

/// OpenVPN's least is the least that a control packet fits into.
fn mssfix_bytes(word: &str) -> Result<u16, String> {
    if word == "0" {
        return Ok(0);
    }
    values::number(word, 154..=65_535).map_err(|clause| format!("{clause}, or 0 for none"))
}

fn direction(word: &str) -> Result<u8, String> {
    match word {
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err(format!("'{word}' is not a key direction: 0 on one end (the server), 1 on the other")),
    }
}
