//! The tunnel's device and its addresses.

use alloc::format;
use alloc::string::{String, ToString};

use super::super::directive::{Directive, Places};
use super::super::draft::Draft;
use super::super::push::{IfconfigIpv6, topology as topology_of};
use super::super::statement::{Complaint, Statement};
use super::super::values;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("dev", "tun|tunN|null|NAME", some!(dev, dev)),
    Directive::new("dev-type", "tun", value!(dev_type_tun, dev_type)),
    Directive::new("topology", "subnet|net30|p2p", some!(topology, topology_of)).also(Places::PUSH),
    Directive::new("ifconfig", "LOCAL REMOTE|NETMASK", ifconfig).also(Places::PUSH),
    Directive::new("ifconfig-ipv6", "LOCAL/BITS REMOTE", ifconfig_ipv6).also(Places::PUSH),
    Directive::new("ifconfig-noexec", "", flag!(host.ifconfig_noexec)).also(Places::PUSH),
    Directive::no_effect("ifconfig-nowarn", "", "the two ends' addresses are not compared")
        .also(Places::PUSH),
    Directive::new(
        "txqueuelen",
        "PACKETS",
        some!(host.txqueuelen, |word| values::number(word, 0..=i32::MAX as u64)),
    ),
];

const NO_TAP: &str = "Ethernet tunnels (tap) are not supported: use 'dev tun' on both ends";

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

fn dev_type(word: &str) -> Result<bool, String> {
    match word {
        "tun" => Ok(true),
        "tap" => Err(NO_TAP.to_string()),
        _ => Err(format!("'{word}' is not tun")),
    }
}

fn ifconfig(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let ends = (statement.get(1, values::ipv4)?, statement.get(2, values::ipv4)?);
    if ends.0 == ends.1 {
        return Err(
            statement.complain(2, format!("'{}' is our own address, and not the other end's", ends.1))
        );
    }
    draft.ifconfig = Some(ends);
    Ok(())
}

fn ifconfig_ipv6(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let (local, prefix) = statement.get(1, |word| match values::ipv6_with_prefix(word)? {
        (_, prefix) if !(64..=124).contains(&prefix) => {
            Err(format!("'{word}' is /{prefix}: the network must be between /64 and /124"))
        }
        fine => Ok(fine),
    })?;
    let gateway = statement.get(2, values::ipv6)?;
    draft.ifconfig_ipv6 = Some(IfconfigIpv6 { local, prefix, gateway });
    Ok(())
}
