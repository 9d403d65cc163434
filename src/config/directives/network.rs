//! The outer transport, the tunnel's device, topology and routes.

use alloc::format;
use alloc::string::{String, ToString};

use super::super::client::AddressFamily;
use super::super::directive::{Class, Directive};
use super::super::draft::{Draft, Proto};
use super::super::push::topology as topology_of;
use super::super::statement::{Complaint, Statement};
use super::super::values;
use crate::algorithm::Role;
use crate::path::Transport;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("proto", "udp|udp4|udp6|tcp|tcp4|tcp6|tcp-client|tcp-server", |draft, statement| {
        draft.proto = Some(statement.get(1, proto_of)?);
        Ok(())
    }),
    Directive::new("port", "PORT", port),
    Directive::new("lport", "PORT", |draft, statement| {
        draft.local_port = Some(statement.get(1, local_port)?);
        Ok(())
    }),
    Directive::new("rport", "PORT", |draft, statement| {
        draft.remote_port = Some(statement.get(1, values::port)?);
        Ok(())
    }),
    Directive::new("local", "HOST", |draft, statement| {
        draft.host.local = Some(statement.get(1, non_empty)?);
        Ok(())
    }),
    Directive::new("bind", "", |draft, _| {
        draft.bind = true;
        Ok(())
    }),
    Directive::new("nobind", "", |draft, _| {
        draft.nobind = true;
        Ok(())
    })
    .only(Role::Client),
    Directive::new("dev", "tun|tunN|null|NAME", |draft, statement| {
        draft.dev = Some(statement.get(1, dev)?);
        Ok(())
    }),
    Directive::new("dev-type", "tun", |draft, statement| {
        draft.dev_type_tun = statement.get(1, |word| match word {
            "tun" => Ok(true),
            "tap" => Err(NO_TAP.to_string()),
            _ => Err(format!("'{word}' is not tun")),
        })?;
        Ok(())
    }),
    Directive::new("topology", "subnet|net30|p2p", |draft, statement| {
        draft.topology = Some(statement.get(1, topology_of)?);
        Ok(())
    }),
    Directive::new("route", "NETWORK [NETMASK] [GATEWAY] [METRIC]", route).repeats(),
    Directive::new("route-ipv6", "NETWORK/BITS [GATEWAY] [METRIC]", route).repeats(),
    Directive::new("route-gateway", "ADDRESS", route),
    Directive::new("route-ipv6-gateway", "ADDRESS", route),
    Directive::new("route-metric", "METRIC", route),
    Directive::new("redirect-gateway", "[FLAG...]", route).only(Role::Client).repeats(),
    Directive::new("redirect-private", "[FLAG...]", route).only(Role::Client).repeats(),
    Directive::new("block-ipv6", "", route),
    Directive::of("tun-ipv6", "", Class::NoEffect("tunnels carry IPv6 in any case")),
];

const NO_TAP: &str = "Ethernet tunnels (tap) are not supported: use 'dev tun' on both ends";

fn port(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let port = statement.get(1, values::port)?;
    draft.local_port = Some(Some(port));
    draft.remote_port = Some(port);
    Ok(())
}

/// Port 0 leaves the choice to the kernel.
fn local_port(word: &str) -> Result<Option<u16>, String> {
    if word == "0" { Ok(None) } else { values::port(word).map(Some) }
}

fn non_empty(word: &str) -> Result<String, String> {
    if word.is_empty() { Err("'' is not a host name or an address".into()) } else { Ok(word.into()) }
}

fn dev(word: &str) -> Result<String, String> {
    /// Linux's IFNAMSIZ without the zero byte.
    const MAX_DEVICE_NAME: usize = 15;
    if word.starts_with("tap") {
        return Err(NO_TAP.into());
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
    if word.is_empty() || word.len() > MAX_DEVICE_NAME || word.contains(odd) {
        return Err(format!(
            "'{word}' cannot be the name of a device: at most {MAX_DEVICE_NAME} bytes, no blank, no slash"
        ));
    }
    Ok(word.into())
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

fn route(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    // Which word is wrong is not known here; the clause quotes it.
    match draft.host.routes.apply(&statement.words()) {
        Some(Err(clause)) => Err(statement.complain(1, clause)),
        _ => Ok(()),
    }
}
