//! What is printed in as many lines as there are.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{View, quoted};
use crate::config::dns::{DnsTransport, Dnssec};
use crate::config::session::CertRole;

pub(super) fn pull_filters(view: &View<'_>, lines: &mut Vec<String>) {
    let mut filters = view.all("pull-filter").peekable();
    if filters.peek().is_some() {
        lines.push("  Pull filters:".into());
    }
    for filter in filters {
        let word = |n: usize| filter.get(n).map_or("", String::as_str);
        lines.push(format!("    {} \"{}\"", word(1), word(2)));
    }
}

/// Routes as they were written, the last one first.
pub(super) fn routes(view: &View<'_>, lines: &mut Vec<String>) {
    let mut redirect = None;
    for words in &view.draft.history {
        if words.first().is_some_and(|name| name == "redirect-gateway" || name == "redirect-private") {
            let has = |flag: &str| words.iter().any(|word| word == flag);
            let local = has("local") || redirect == Some(true);
            // Where IPv4 stays as it is, nothing is redirected.
            redirect = Some(local).filter(|_| !has("!ipv4"));
        }
    }
    if let Some(local) = redirect {
        lines.push(format!("  [redirect_default_gateway local={}]", u8::from(local)));
    }
    if let Some((network, netmask)) = super::server::own_route(view) {
        lines.push(format!("  route {network}/{netmask}/default (not set)/default (not set)"));
    }
    for words in view.all("route").rev() {
        let word = |n: usize| words.get(n).map_or("default (not set)", String::as_str);
        lines.push(format!("  route {}/{}/{}/{}", word(1), word(2), word(3), word(4)));
    }
}

pub(super) fn client_nat(view: &View<'_>, lines: &mut Vec<String>) {
    let rules: Vec<_> = view.all("client-nat").collect();
    if rules.is_empty() {
        return;
    }
    lines.push("*** CNAT list".into());
    for (n, words) in rules.iter().enumerate() {
        let word = |n: usize| words.get(n).map_or("", String::as_str);
        let kind = if word(1) == "dnat" { 1 } else { 0 };
        lines.push(format!("  CNAT[{n}] t={kind} {}/{}/{}", word(2), word(3), word(4)));
    }
}

pub(super) fn dns(view: &View<'_>, lines: &mut Vec<String>) {
    let dns = &view.host().dns;
    // Only `dns` is printed, not what came by dhcp-option.
    if !view.has("dns") {
        return;
    }
    for (n, server) in (1..).zip(dns.servers.values()) {
        lines.push(format!("  DNS server #{n}:"));
        for (address, port) in &server.addresses {
            let text = match port {
                None => address.to_string(),
                Some(port) => SocketAddr::new(*address, *port).to_string(),
            };
            lines.push(format!("    address = {text}"));
        }
        let dnssec = match server.dnssec {
            None => None,
            Some(Dnssec::No) => Some("no"),
            Some(Dnssec::Yes) => Some("yes"),
            Some(Dnssec::Optional) => Some("optional"),
        };
        let transport = match server.transport {
            None => None,
            Some(DnsTransport::Plain) => Some("plain"),
            Some(DnsTransport::Https) => Some("DoH"),
            Some(DnsTransport::Tls) => Some("DoT"),
        };
        lines.extend(dnssec.map(|value| format!("    dnssec = {value}")));
        lines.extend(transport.map(|value| format!("    transport = {value}")));
        lines.extend(server.sni.as_ref().map(|name| format!("    sni = {name}")));
        if !server.resolve_domains.is_empty() {
            lines.push("    resolve domains:".into());
            lines.extend(server.resolve_domains.iter().map(|domain| format!("      {domain}")));
        }
    }
    let domains: Vec<_> = view
        .all("dns")
        .filter(|words| words.get(1).is_some_and(|word| word == "search-domains"))
        .flat_map(|words| words.iter().skip(2))
        .collect();
    if !domains.is_empty() {
        lines.push("  DNS search domains:".into());
        lines.extend(domains.into_iter().map(|domain| format!("    {domain}")));
    }
}

/// Sixteen masks of key usage, of which `remote-cert-tls` asks for any.
pub(super) fn remote_cert_ku(view: &View<'_>, lines: &mut Vec<String>) {
    const ANY: u32 = 0xFFFF;
    let mut masks = [0; 16];
    for words in &view.draft.history {
        match words.first().map(String::as_str) {
            Some("remote-cert-tls") => masks[0] = ANY,
            Some("remote-cert-ku") if words.len() == 1 => masks[0] = ANY,
            Some("remote-cert-ku") => {
                for (mask, word) in masks.iter_mut().zip(words.iter().skip(1)) {
                    *mask = u32::from_str_radix(word, 16).unwrap_or(*mask);
                }
            }
            _ => {}
        }
    }
    lines.extend(masks.iter().map(|mask| format!("  remote_cert_ku[i] = {mask}")));
}

pub(super) fn remote_cert_eku(view: &View<'_>) -> String {
    let named = view.draft.history.iter().rev().find_map(|words| match words.first()?.as_str() {
        "remote-cert-eku" => words.get(1).map(String::as_str),
        "remote-cert-tls" => Some(match view.session().tls.remote_cert_tls? {
            CertRole::Server => "TLS Web Server Authentication",
            CertRole::Client => "TLS Web Client Authentication",
        }),
        _ => None,
    });
    quoted(named)
}
