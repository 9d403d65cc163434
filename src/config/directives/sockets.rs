//! Options of the outer sockets.

use alloc::format;
use alloc::string::String;

use super::super::directive::{Directive, Places};
use super::super::host::MtuDiscovery;
use super::super::values::{self, text};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("sndbuf", "BYTES", value!(host.sockets.sndbuf, buffer)).also(Places::PUSH),
    Directive::new("rcvbuf", "BYTES", value!(host.sockets.rcvbuf, buffer)).also(Places::PUSH),
    Directive::new(
        "mark",
        "N",
        some!(host.sockets.mark, |word| values::number(word, 0..=u64::from(u32::MAX))),
    ),
    Directive::new("bind-dev", "DEVICE", some!(host.sockets.bind_dev, text))
        .also(Places::PUSH)
        .also(Places::CLIENT),
    Directive::new("socket-flags", "[FLAG...]", |draft, statement| {
        for n in 1..statement.words().len() {
            draft.host.sockets.tcp_nodelay |= statement.get(n, socket_flag)?;
        }
        Ok(())
    })
    .also(Places::PUSH)
    .also(Places::CLIENT),
    Directive::new("tcp-nodelay", "", flag!(host.sockets.tcp_nodelay)),
    Directive::new("passtos", "", flag!(host.sockets.passtos)),
    Directive::new("mtu-disc", "no|maybe|yes", some!(host.sockets.mtu_discovery, mtu_discovery))
        .also(Places::CONNECTION),
];

/// 0 leaves it to the system.
fn buffer(word: &str) -> Result<Option<u32>, String> {
    values::number(word, 0..=i32::MAX as u64).map(|bytes| Some(bytes).filter(|&bytes| bytes > 0))
}

fn socket_flag(word: &str) -> Result<bool, String> {
    if word == "TCP_NODELAY" { Ok(true) } else { Err(format!("'{word}' is not TCP_NODELAY")) }
}

fn mtu_discovery(word: &str) -> Result<MtuDiscovery, String> {
    match word {
        "no" => Ok(MtuDiscovery::No),
        "maybe" => Ok(MtuDiscovery::Maybe),
        "yes" => Ok(MtuDiscovery::Yes),
        _ => Err(format!("'{word}' is not no, maybe or yes")),
    }
}
