//! The virtual router: LAN port, NAT, port forwards, rules, limits. All of them are adit's own.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use super::super::directive::Directive;
use super::super::draft::Draft;
use super::super::network::IpNetwork;
use super::super::router::{
    Action, DnsUpstream, Filtering, ForwardTarget, Group, LanConfig, Mapping, Nat, PortForward, Protocol,
    Rule, RuleMode, SourceRule, Who,
};
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, text};
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    own("lan-port", "DEVICE ADDRESS/BITS [ADDRESS/BITS]", lan_port),
    own("lan-gateway", "ADDRESS", lan_gateway).repeats(),
    own("nat", "off|masquerade|blocks|identity [ARGUMENT...]", nat),
    own("nat-exempt", "NETWORK/BITS", |draft, statement| {
        draft.server.router.nat_exempt.push(statement.get(1, values::network)?);
        Ok(())
    })
    .repeats(),
    own("nat-mapping", "endpoint-independent|tcp-per-destination", value!(server.router.mapping, mapping)),
    own(
        "nat-filtering",
        "endpoint-independent|address|address-and-port",
        value!(server.router.filtering, filtering),
    ),
    own("nat-timeout", "udp|udp-well-known|tcp|tcp-transitory|icmp|other SECONDS", nat_timeout).repeats(),
    own("nat-inbound-refresh", "", flag!(server.router.inbound_refresh)),
    own("port-forward", "tcp|udp ADDRESS PORT[-LAST] CLIENT|ADDRESS PORT [NETWORK/BITS]", port_forward)
        .repeats(),
    own("allow", "all|client:NAME|group:NAME NETWORK/BITS [PROTOCOL] [PORTS...]", |draft, statement| {
        rule(draft, statement, Action::Allow)
    })
    .repeats(),
    own("deny", "all|client:NAME|group:NAME NETWORK/BITS [PROTOCOL] [PORTS...]", |draft, statement| {
        rule(draft, statement, Action::Deny)
    })
    .repeats(),
    own("reject", "all|client:NAME|group:NAME NETWORK/BITS [PROTOCOL] [PORTS...]", |draft, statement| {
        rule(draft, statement, Action::Reject)
    })
    .repeats(),
    own("rule-mode", "union|longest-prefix", value!(server.router.rule_mode, rule_mode)),
    own("source-allow", "NETWORK/BITS", |draft, statement| source(draft, statement, true)).repeats(),
    own("source-deny", "NETWORK/BITS", |draft, statement| source(draft, statement, false)).repeats(),
    own("client-limit", "flows|new-flows|ports|rate-from|rate-to|bytes N", client_limit).repeats(),
    own("flow-log", "FILE", |draft, statement| {
        draft.host.flow_log = Some(statement.get(1, text)?);
        draft.server.router.log_flows = true;
        Ok(())
    }),
    own("dns-forward", "ADDRESS[:PORT] [DOMAIN...]", dns_forward).repeats(),
];

/// A directive that OpenVPN does not have, of a server.
const fn own(
    name: &'static str,
    arguments: &'static str,
    apply: super::super::directive::Apply,
) -> Directive {
    Directive::new(name, arguments, apply).only(Role::Server).foreign()
}

/// `group NAME MEMBER...`; with a name alone it is OpenVPN's, which `process` has.
pub(super) fn group(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = statement.get(1, text)?;
    let groups = &mut draft.server.router.groups;
    let at = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
        groups.push(Group { name, members: Vec::new() });
        groups.len() - 1
    });
    groups[at].members.extend(statement.words().into_iter().skip(2).map(ToString::to_string));
    Ok(())
}

fn lan_port(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let device = statement.get(1, text)?;
    let mut addresses = Vec::from([statement.get(2, address_with_prefix)?]);
    if let Some(second) = statement.optional(3, address_with_prefix)? {
        if second.0.is_ipv4() == addresses[0].0.is_ipv4() {
            return Err(statement.complain(3, "there may be one IPv4 and one IPv6 address"));
        }
        addresses.push(second);
    }
    let gateways = draft.server.router.lan.take().map_or_else(Vec::new, |lan| lan.gateways);
    draft.server.router.lan = Some(LanConfig { device, addresses, gateways });
    Ok(())
}

fn lan_gateway(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.lan_gateways.push(statement.get(1, values::ip)?);
    Ok(())
}

fn nat(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let words = statement.words().len();
    let addresses =
        |first: usize| (first..words).map(|n| statement.get(n, values::ip)).collect::<Result<Vec<_>, _>>();
    let surplus = |most: usize| match statement.word(most + 1) {
        Some(word) => Err(statement.complain(most + 1, format!("'{word}' is too much"))),
        None => Ok(()),
    };
    draft.server.router.nat = match statement.word(1) {
        Some("off") => {
            surplus(1)?;
            Nat::Off
        }
        Some("masquerade") => {
            surplus(2)?;
            Nat::Masquerade(statement.optional(2, values::ip)?)
        }
        Some("blocks") => Nat::Blocks { size: statement.get(2, block_size)?, addresses: addresses(3)? },
        Some("identity") => {
            let ranges: Vec<_> = (2..words).map(|n| statement.get(n, range)).collect::<Result<_, _>>()?;
            if ranges.is_empty() {
                return Err(statement
                    .complain(0, "the addresses are missing; it is written: nat identity FIRST-LAST..."));
            }
            Nat::Identity(ranges)
        }
        word => {
            let word = word.unwrap_or_default();
            return Err(statement.complain(1, format!("'{word}' is not off, masquerade, blocks or identity")));
        }
    };
    Ok(())
}

fn block_size(word: &str) -> Result<u16, String> {
    match values::number::<u16>(word, 64..=16384) {
        Ok(size) if size.is_power_of_two() => Ok(size),
        _ => Err(format!("'{word}' is not a power of two from 64 to 16384")),
    }
}

/// `FIRST-LAST`, or a single address.
fn range(word: &str) -> Result<RangeInclusive<IpAddr>, String> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (values::ip(first)?, values::ip(last)?);
    if first.is_ipv4() != last.is_ipv4() {
        return Err(format!("'{word}' begins in one address family and ends in the other"));
    }
    if first > last {
        return Err(format!("'{word}' ends before it begins"));
    }
    Ok(first..=last)
}

/// `ADDRESS/BITS`, where the address keeps its host bits.
fn address_with_prefix(word: &str) -> Result<(IpAddr, u8), String> {
    let written = || format!("'{word}' is not an address with the length of its prefix, as 10.0.1.3/16");
    let (address, bits) = word.split_once('/').ok_or_else(written)?;
    let address = values::ip(address).map_err(|_| written())?;
    let most = if address.is_ipv4() { 30 } else { 126 };
    let prefix = values::number(bits, 1..=most)?;
    Ok((address, prefix))
}

fn mapping(word: &str) -> Result<Mapping, String> {
    match word {
        "endpoint-independent" => Ok(Mapping::EndpointIndependent),
        "tcp-per-destination" => Ok(Mapping::TcpPerDestination),
        _ => Err(format!("'{word}' is not endpoint-independent or tcp-per-destination")),
    }
}

fn filtering(word: &str) -> Result<Filtering, String> {
    match word {
        "endpoint-independent" => Ok(Filtering::EndpointIndependent),
        "address" => Ok(Filtering::AddressDependent),
        "address-and-port" => Ok(Filtering::AddressAndPortDependent),
        _ => Err(format!("'{word}' is not endpoint-independent, address or address-and-port")),
    }
}

/// No less than the RFCs allow: shorter ones break what they were made for.
fn nat_timeout(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let lifetimes = &mut draft.server.router.lifetimes;
    let (field, least, rule) = match statement.word(1) {
        Some("udp") => (&mut lifetimes.udp, 120, "RFC 4787"),
        Some("udp-well-known") => (&mut lifetimes.udp_well_known, 1, ""),
        Some("tcp") => (&mut lifetimes.tcp_established, 7440, "RFC 5382"),
        Some("tcp-transitory") => (&mut lifetimes.tcp_transitory, 240, "RFC 5382"),
        Some("icmp") => (&mut lifetimes.icmp, 60, "RFC 5508"),
        Some("other") => (&mut lifetimes.other, 1, ""),
        word => {
            let word = word.unwrap_or_default();
            let kinds = "udp, udp-well-known, tcp, tcp-transitory, icmp or other";
            return Err(statement.complain(1, format!("'{word}' is not {kinds}")));
        }
    };
    let seconds: u64 = statement.get(2, |word| values::number(word, 1..=i32::MAX as u64))?;
    if seconds < least {
        return Err(statement.complain(2, format!("{seconds} is less than the {least} seconds of {rule}")));
    }
    *field = Duration::from_secs(seconds);
    Ok(())
}

fn port_forward(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let protocol = statement.get(1, |word| match word {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(format!("'{word}' is not tcp or udp")),
    })?;
    let ports = statement.get(3, port_range)?;
    let to = statement.get(4, |word| {
        Ok(match values::ip(word) {
            Ok(address) => ForwardTarget::Address(address),
            Err(_) => ForwardTarget::Client(text(word.strip_prefix("client:").unwrap_or(word))?),
        })
    })?;
    let to_port: u16 = statement.get(5, values::port)?;
    if to_port.checked_add(ports.end() - ports.start()).is_none() {
        return Err(statement.complain(5, "the last of so many ports lies beyond 65535"));
    }
    let from = statement.optional(6, values::network)?;
    let address = statement.get(2, values::ip)?;
    draft.server.router.port_forwards.push(PortForward { protocol, address, ports, to, to_port, from });
    Ok(())
}

/// `PORT` or `FIRST-LAST`.
fn port_range(word: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (values::port(first)?, values::port(last)?);
    if first > last {
        return Err(format!("'{word}' ends before it begins"));
    }
    Ok(first..=last)
}

fn rule(draft: &mut Draft, statement: &Statement, action: Action) -> Result<(), Complaint> {
    let who = statement.get(1, who)?;
    let destination = statement.get(2, values::network)?;
    let protocol = statement.optional(3, protocol)?.unwrap_or_default();
    let mut ports = Vec::new();
    for n in 4..statement.words().len() {
        ports.push(match protocol {
            Protocol::Tcp | Protocol::Udp => statement.get(n, port_range)?,
            Protocol::Icmp => statement.get(n, |word| icmp_type(word, &destination))?,
            Protocol::Any | Protocol::Number(_) => {
                return Err(statement.complain(n, "only tcp and udp have ports, and icmp has types"));
            }
        });
    }
    let line = statement.position(0).line;
    draft.server.router.rules.push(Rule { action, who, destination, protocol, ports, line });
    Ok(())
}

fn who(word: &str) -> Result<Who, String> {
    match word.split_once(':') {
        None if word == "all" => Ok(Who::All),
        Some(("client", name)) if !name.is_empty() => Ok(Who::Client(name.into())),
        Some(("group", name)) if !name.is_empty() => Ok(Who::Group(name.into())),
        _ => Err(format!("'{word}' is not all, client:NAME or group:NAME")),
    }
}

fn protocol(word: &str) -> Result<Protocol, String> {
    match word {
        "any" => Ok(Protocol::Any),
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "icmp" => Ok(Protocol::Icmp),
        _ => values::number(word, 0..=255)
            .map(Protocol::Number)
            .map_err(|_| format!("'{word}' is not any, tcp, udp, icmp or the number of a protocol")),
    }
}

/// A type by its name, which differs between the families, or by its number.
fn icmp_type(word: &str, destination: &IpNetwork) -> Result<RangeInclusive<u16>, String> {
    let is_v4 = matches!(destination, IpNetwork::V4(_));
    let kind = match word {
        "echo" | "ping" if is_v4 => 8,
        "echo" | "ping" => 128,
        _ => values::number(word, 0..=255)
            .map_err(|_| format!("'{word}' is not echo or the number of an ICMP type"))?,
    };
    Ok(kind..=kind)
}

fn rule_mode(word: &str) -> Result<RuleMode, String> {
    match word {
        "union" => Ok(RuleMode::Union),
        "longest-prefix" => Ok(RuleMode::LongestPrefix),
        _ => Err(format!("'{word}' is not union or longest-prefix")),
    }
}

fn source(draft: &mut Draft, statement: &Statement, allow: bool) -> Result<(), Complaint> {
    let network = statement.get(1, values::network)?;
    draft.server.router.sources.push(SourceRule { allow, network });
    Ok(())
}

fn client_limit(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let number =
        |statement: &Statement| statement.get(2, |word| values::number(word, 1..=u64::from(u32::MAX)));
    let bytes = |statement: &Statement| statement.get(2, |word| values::number(word, 1..=i64::MAX as u64));
    let limits = &mut draft.server.router.client_limits;
    match statement.word(1) {
        Some("flows") => limits.flows = Some(number(statement)?),
        Some("new-flows") => limits.new_flows = Some(number(statement)?),
        Some("ports") => limits.ports = Some(number(statement)?),
        Some("rate-from") => limits.rate_from = Some(bytes(statement)?),
        Some("rate-to") => limits.rate_to = Some(bytes(statement)?),
        Some("bytes") => limits.bytes = Some(bytes(statement)?),
        word => {
            let word = word.unwrap_or_default();
            let kinds = "flows, new-flows, ports, rate-from, rate-to or bytes";
            return Err(statement.complain(1, format!("'{word}' is not {kinds}")));
        }
    }
    Ok(())
}

fn dns_forward(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    const DNS: u16 = 53;
    let address = statement.get(1, |word| {
        let with_port = word.parse::<SocketAddr>().ok();
        let plain = word.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, DNS));
        with_port.or(plain).ok_or_else(|| format!("'{word}' is not an address, as 10.0.0.2 or [fd00::2]:53"))
    })?;
    let domains = (2..statement.words().len()).map(|n| statement.get(n, values::domain));
    let domains = domains.collect::<Result<_, _>>()?;
    let upstream = DnsUpstream { address, domains };
    draft.server.router.dns.get_or_insert_default().servers.push(upstream);
    Ok(())
}
