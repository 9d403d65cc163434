//! systemd-resolved, by its program `resolvectl`: settings belong to the tunnel's device, and go with it.

use std::path::Path;

use adit::config::{DnsTransport, Dnssec};

use super::profile::{Profile, with_port};
use super::program;

pub(super) fn up(program: &Path, dev: &str, profile: &Profile) -> Result<(), String> {
    for words in commands(dev, profile) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        program::run(program, &words, "", &[])?;
    }
    Ok(())
}

/// The words of each call. Where the server says nothing, the system-wide settings for DNSSEC and TLS must not hold:
/// they were made for other servers.
fn commands(dev: &str, profile: &Profile) -> Vec<Vec<String>> {
    let server = &profile.server;
    let tls = server.transport == Some(DnsTransport::Tls);
    let name = server.sni.as_ref().filter(|_| tls).map_or_else(String::new, |name| format!("#{name}"));
    let addresses = server.addresses.iter().map(|(address, port)| with_port(*address, *port) + &name);
    let only: Vec<String> = match &server.resolve_domains[..] {
        [] => vec!["~.".to_owned()],
        // A search domain is asked for there in any case.
        domains => domains
            .iter()
            .filter(|name| !profile.search.contains(name))
            .map(|name| format!("~{name}"))
            .collect(),
    };
    let dnssec = match server.dnssec {
        Some(Dnssec::Yes) => "yes",
        Some(Dnssec::Optional) => "allow-downgrade",
        Some(Dnssec::No) | None => "no",
    };
    let all = if server.resolve_domains.is_empty() { "yes" } else { "no" };
    let tls = if tls { "yes" } else { "no" };
    let words = |verb: &str, values: Vec<String>| [vec![verb.to_owned(), dev.to_owned()], values].concat();
    vec![
        words("dns", addresses.collect()),
        words("domain", [profile.search.clone(), only].concat()),
        words("default-route", vec![all.to_owned()]),
        words("dnssec", vec![dnssec.to_owned()]),
        words("dnsovertls", vec![tls.to_owned()]),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::profile::tests::pushed;
    use super::*;

    fn lines(options: &[&str]) -> Vec<String> {
        let profiles = Profile::all_of(&pushed(options));
        commands("tun0", &profiles[0]).iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn all_names() {
        assert_eq!(
            lines(&["dhcp-option DNS 10.8.0.1", "dhcp-option DNS6 fd00::1", "dhcp-option DOMAIN a.example"]),
            [
                "dns tun0 10.8.0.1 fd00::1",
                "domain tun0 a.example ~.",
                "default-route tun0 yes",
                "dnssec tun0 no",
                "dnsovertls tun0 no"
            ]
        );
    }

    #[test]
    fn some_names_over_tls() {
        assert_eq!(
            lines(&[
                "dns search-domains a.example",
                "dns server 0 address 10.8.0.1:853 [fd00::1]:853",
                "dns server 0 resolve-domains corp.example a.example",
                "dns server 0 transport DoT",
                "dns server 0 sni dns.example",
                "dns server 0 dnssec optional",
            ]),
            [
                "dns tun0 10.8.0.1:853#dns.example [fd00::1]:853#dns.example",
                "domain tun0 a.example ~corp.example",
                "default-route tun0 no",
                "dnssec tun0 allow-downgrade",
                "dnsovertls tun0 yes"
            ]
        );
    }
}
