//! DNS settings, as a server pushes them. Applying them is the host's.
//!
//! Every text that gets here passed [`values::domain`] or was parsed as an address: a pushed name must not be able to
//! carry anything for a shell or a resolver's file (CVE-2025-10680).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::values;

/// `dns` and `dhcp-option`. Where there are `servers`, they win over `addresses`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsSettings {
    /// `dns server N ...`, by N: the host uses the lowest that it can serve.
    pub servers: BTreeMap<i8, DnsServer>,
    /// `dhcp-option DNS`, `DNS6`: in order.
    pub addresses: Vec<IpAddr>,
    /// `dhcp-option DOMAIN`, `ADAPTER_DOMAIN_SUFFIX`: the connection's own domain.
    pub domain: Option<String>,
    /// `dns search-domains`, `dhcp-option DOMAIN-SEARCH`: in order.
    pub search_domains: Vec<String>,
    /// `dhcp-option NTP`
    pub ntp: Vec<Ipv4Addr>,
    /// `dhcp-option WINS`
    pub wins: Vec<Ipv4Addr>,
}

/// `dns server N`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsServer {
    /// `address`: at most eight, with a port where it is not the transport's own.
    pub addresses: Vec<(IpAddr, Option<u16>)>,
    /// `resolve-domains`: only these names; all names if there are none.
    pub resolve_domains: Vec<String>,
    /// `dnssec`
    pub dnssec: Option<Dnssec>,
    /// `transport`
    pub transport: Option<DnsTransport>,
    /// `sni`: the server's name in TLS.
    pub sni: Option<String>,
}

/// `dns server N dnssec`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dnssec {
    /// `yes`: answers must be signed.
    Yes,
    /// `optional`: verify where there are signatures.
    Optional,
    /// `no`
    No,
}

/// `dns server N transport`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsTransport {
    /// `plain`: UDP and TCP on port 53.
    Plain,
    /// `DoH`: over HTTPS.
    Https,
    /// `DoT`: over TLS.
    Tls,
}

/// The most addresses of one server, and the most search domains by `dhcp-option`, as in OpenVPN.
const MAX_ADDRESSES: usize = 8;
const MAX_SEARCH_DOMAINS: usize = 10;

impl DnsSettings {
    /// Takes the option in if it is one of these. `None` if it is none of them, else whether its words are right.
    pub(crate) fn apply(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        match words {
            ["dns", rest @ ..] => Some(self.dns(rest)),
            ["dhcp-option", kind, rest @ ..] => Some(self.dhcp_option(kind, rest)),
            _ => None,
        }
    }

    fn dns(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["search-domains", names @ ..] if !names.is_empty() => {
                self.search_domains.extend(domains(names)?);
                Ok(())
            }
            ["server", number, property, args @ ..] => {
                let number = values::signed(number, -128..=127)? as i8;
                let mut server = self.servers.get(&number).cloned().unwrap_or_default();
                server.set(property, args)?;
                self.servers.insert(number, server);
                Ok(())
            }
            _ => Err("it takes 'search-domains NAME...' or 'server NUMBER PROPERTY VALUE...'".into()),
        }
    }

    fn dhcp_option(&mut self, kind: &str, args: &[&str]) -> Result<(), String> {
        let first = || args.first().copied().ok_or_else(|| format!("{kind} needs a value"));
        match kind {
            "DNS" => self.addresses.push(values::ip(first()?)?),
            "DNS6" => self.addresses.push(values::ipv6(first()?)?.into()),
            "DOMAIN" | "ADAPTER_DOMAIN_SUFFIX" => self.domain = Some(values::domain(first()?)?),
            "DOMAIN-SEARCH" => {
                if self.search_domains.len() >= MAX_SEARCH_DOMAINS {
                    return Err(format!("there are more than {MAX_SEARCH_DOMAINS} search domains"));
                }
                self.search_domains.push(values::domain(first()?)?);
            }
            "NTP" => self.ntp.push(values::ipv4(first()?)?),
            "WINS" => self.wins.push(values::ipv4(first()?)?),
            _ => return Err(format!("'{}' has no use here", kind)),
        }
        Ok(())
    }
}

impl DnsServer {
    fn set(&mut self, property: &str, args: &[&str]) -> Result<(), String> {
        match (property, args) {
            ("address", [_, ..]) => {
                for word in args {
                    if self.addresses.len() >= MAX_ADDRESSES {
                        return Err(format!("a server has more than {MAX_ADDRESSES} addresses"));
                    }
                    self.addresses.push(address_and_port(word)?);
                }
            }
            ("resolve-domains", [_, ..]) => self.resolve_domains.extend(domains(args)?),
            ("dnssec", ["yes"]) => self.dnssec = Some(Dnssec::Yes),
            ("dnssec", ["optional"]) => self.dnssec = Some(Dnssec::Optional),
            ("dnssec", ["no"]) => self.dnssec = Some(Dnssec::No),
            ("transport", ["plain"]) => self.transport = Some(DnsTransport::Plain),
            ("transport", ["DoH"]) => self.transport = Some(DnsTransport::Https),
            ("transport", ["DoT"]) => self.transport = Some(DnsTransport::Tls),
            ("sni", [name]) => self.sni = Some(values::domain(name)?),
            _ => {
                return Err(format!(
                    "'{}' is not address ADDRESS..., resolve-domains NAME..., dnssec yes|optional|no, \
                     transport plain|DoH|DoT or sni NAME",
                    property
                ));
            }
        }
        Ok(())
    }
}

fn domains(words: &[&str]) -> Result<Vec<String>, String> {
    words.iter().map(|word| values::domain(word)).collect()
}

/// `1.2.3.4`, `1.2.3.4:53`, `fd00::1` or `[fd00::1]:53`.
fn address_and_port(word: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(address) = word.parse::<core::net::SocketAddr>() {
        return Ok((address.ip(), Some(address.port())));
    }
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    bare.parse()
        .map(|address| (address, None))
        .map_err(|_| format!("'{}' is not an address with or without a port", word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Result<DnsSettings, String> {
        let mut dns = DnsSettings::default();
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            dns.apply(&words).expect("a DNS option")?;
        }
        Ok(dns)
    }

    #[test]
    fn dhcp_options() {
        let dns = parse(&[
            "dhcp-option DNS 10.8.0.1",
            "dhcp-option DNS6 fd00::1",
            "dhcp-option DOMAIN example.com",
            "dhcp-option DOMAIN-SEARCH a.example",
        ])
        .unwrap();
        assert_eq!(dns.addresses, [IpAddr::from([10, 8, 0, 1]), "fd00::1".parse().unwrap()]);
        assert_eq!(dns.domain.as_deref(), Some("example.com"));
        assert_eq!(dns.search_domains, ["a.example"]);
    }

    #[test]
    fn dns_servers() {
        let dns = parse(&[
            "dns server 1 address 10.8.0.1:5353 [fd00::1]:853 fd00::2",
            "dns server 1 resolve-domains corp.example",
            "dns server 1 transport DoT",
            "dns server 1 sni dns.example",
            "dns server -129 address 10.0.0.1",
        ]);
        assert_eq!(dns.unwrap_err(), "'-129' is not a number from -128 to 127");
        let dns =
            parse(&["dns server 1 address 10.8.0.1:5353 [fd00::1]:853 fd00::2", "dns server 1 dnssec yes"]);
        let server = &dns.unwrap().servers[&1];
        let ports: Vec<_> = server.addresses.iter().map(|(_, port)| *port).collect();
        assert_eq!(ports, [Some(5353), Some(853), None]);
        assert_eq!(server.dnssec, Some(Dnssec::Yes));
    }

    #[test]
    fn injections_are_refused() {
        for line in [
            "dhcp-option DOMAIN x;reboot",
            "dhcp-option DOMAIN-SEARCH $(id)",
            "dns search-domains a.example `id`",
            "dns server 0 sni a'b",
            "dns server 0 resolve-domains a|b",
            "dhcp-option DNS 10.0.0.1;id",
        ] {
            assert!(parse(&[line]).is_err(), "{line}");
        }
    }
}
