//! [`Profile`]: one way to resolve names, out of those that the settings offer.

use std::net::IpAddr;

use adit::config::{DnsServer, DnsSettings, DnsTransport, Dnssec};

use super::Note;

/// More nameservers than these no C library asks.
const MAX_SERVERS: usize = 3;

/// A `dns server` together with the search domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) server: DnsServer,
    pub(super) search: Vec<String>,
}

impl Profile {
    /// All that there are, the preferred one first. Without a `dns server`, what `dhcp-option` says is the only one.
    pub(super) fn all_of(settings: &DnsSettings) -> Vec<Self> {
        let mut search: Vec<String> = settings.domain.iter().cloned().collect();
        for name in &settings.search_domains {
            if !search.contains(name) {
                search.push(name.clone());
            }
        }
        if settings.servers.is_empty() {
            let mut server = DnsServer::default();
            server.addresses = settings.addresses.iter().map(|address| (*address, None)).collect();
            let usable = !server.addresses.is_empty();
            return usable.then_some(Self { server, search }).into_iter().collect();
        }
        let usable = settings.servers.values().filter(|server| !server.addresses.is_empty());
        usable.map(|server| Self { server: server.clone(), search: search.clone() }).collect()
    }

    /// The first one that a back-end can do.
    pub(super) fn first<'a>(
        profiles: &'a [Self],
        fits: impl Fn(&Self) -> bool,
        notes: &mut Vec<Note>,
    ) -> Option<&'a Self> {
        let found = profiles.iter().find(|profile| fits(profile));
        if found.is_none() {
            notes.push(Note::Warning(
                "DNS: none of the servers can be used by this system: it has no DNS over HTTPS, and without \
                 systemd-resolved neither DNS over TLS, DNSSEC nor other ports than 53"
                    .to_owned(),
            ));
        }
        found
    }

    pub(super) fn needs_no_https(&self) -> bool {
        self.server.transport != Some(DnsTransport::Https)
    }

    /// Whether the C library can do it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.server.transport, None | Some(DnsTransport::Plain))
            && matches!(self.server.dnssec, None | Some(Dnssec::No))
            && self.server.addresses.iter().all(|(_, port)| matches!(port, None | Some(53)))
    }

    /// The lines of a `resolv.conf`.
    pub(super) fn resolv_conf(&self) -> Vec<String> {
        self.resolv_conf_searching(&self.search)
    }

    /// The same with other search domains.
    pub(super) fn resolv_conf_searching(&self, search: &[String]) -> Vec<String> {
        let servers = self.server.addresses.iter().take(MAX_SERVERS);
        let mut lines: Vec<String> = servers.map(|(address, _)| format!("nameserver {address}")).collect();
        if !search.is_empty() {
            lines.push(format!("search {}", search.join(" ")));
        }
        lines
    }

    /// Says that all names go to the tunnel's servers, although only some were meant to.
    pub(super) fn warn_of_split(&self, what: &str, notes: &mut Vec<Note>) {
        if !self.server.resolve_domains.is_empty() {
            notes.push(Note::Warning(format!(
                "DNS: {what} cannot send only the names in {} to the tunnel: all names go to {} while it is up \
                 (systemd-resolved can; 'dns-updown disable' leaves name resolution alone)",
                self.server.resolve_domains.join(", "),
                self.addresses()
            )));
        }
    }

    /// For the log.
    pub(super) fn summary(&self) -> String {
        let names = match &self.server.resolve_domains[..] {
            [] => "names".to_owned(),
            domains => format!("names in {}", domains.join(", ")),
        };
        format!("{names} are resolved by {}", self.addresses())
    }

    fn addresses(&self) -> String {
        let addresses: Vec<String> =
            self.server.addresses.iter().map(|(address, port)| with_port(*address, *port)).collect();
        addresses.join(", ")
    }
}

/// `1.2.3.4`, `1.2.3.4:53`, `fd00::1` or `[fd00::1]:53`.
pub(super) fn with_port(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (_, None) => address.to_string(),
        (IpAddr::V4(_), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(_), Some(port)) => format!("[{address}]:{port}"),
    }
}

/// The profile's own settings together with those that were pushed: these win where there can be only one.
pub(crate) fn merged(own: &DnsSettings, pushed: &DnsSettings) -> DnsSettings {
    let mut all = own.clone();
    all.servers.extend(pushed.servers.iter().map(|(number, server)| (*number, server.clone())));
    for address in &pushed.addresses {
        if !all.addresses.contains(address) {
            all.addresses.push(*address);
        }
    }
    all.domain = pushed.domain.clone().or(all.domain);
    for name in &pushed.search_domains {
        if !all.search_domains.contains(name) {
            all.search_domains.push(name.clone());
        }
    }
    all
}

/// The servers' addresses of a family in which the tunnel itself has none.
pub(crate) fn unreachable(settings: &DnsSettings, v4: bool, v6: bool) -> Vec<IpAddr> {
    let addresses =
        settings.servers.values().flat_map(|server| server.addresses.iter().map(|(address, _)| *address));
    let all = addresses.chain(settings.addresses.iter().copied().filter(|_| settings.servers.is_empty()));
    all.filter(|address| if address.is_ipv4() { !v4 } else { !v6 }).collect()
}

/// The settings as the options that would push them.
pub(crate) fn to_options(settings: &DnsSettings) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for (number, server) in &settings.servers {
        let mut server_option = |property: &str, value: &str| {
            options.push(format!("dns server {number} {property} {value}"));
        };
        for (address, port) in &server.addresses {
            server_option("address", &with_port(*address, *port));
        }
        for name in &server.resolve_domains {
            server_option("resolve-domains", name);
        }
        if let Some(dnssec) = server.dnssec {
            server_option("dnssec", dnssec_word(dnssec));
        }
        if let Some(transport) = server.transport {
            server_option("transport", transport_word(transport));
        }
        if let Some(sni) = &server.sni {
            server_option("sni", sni);
        }
    }
    for address in &settings.addresses {
        let kind = if address.is_ipv4() { "DNS" } else { "DNS6" };
        options.push(format!("dhcp-option {kind} {address}"));
    }
    options.extend(settings.domain.iter().map(|name| format!("dhcp-option DOMAIN {name}")));
    options.extend(settings.search_domains.iter().map(|name| format!("dns search-domains {name}")));
    options
}

pub(super) fn dnssec_word(dnssec: Dnssec) -> &'static str {
    match dnssec {
        Dnssec::Yes => "yes",
        Dnssec::Optional => "optional",
        Dnssec::No => "no",
    }
}

pub(super) fn transport_word(transport: DnsTransport) -> &'static str {
    match transport {
        DnsTransport::Plain => "plain",
        DnsTransport::Https => "DoH",
        DnsTransport::Tls => "DoT",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use adit::config::{PushBase, TunnelSettings};

    use super::*;

    /// What these options would push.
    pub(in crate::dns) fn pushed(options: &[&str]) -> DnsSettings {
        let (settings, notices) = TunnelSettings::parse(options, &PushBase::default()).unwrap();
        assert!(notices.is_empty(), "{notices:?}");
        settings.dns
    }

    #[test]
    fn a_server_wins_over_dhcp_options() {
        let options =
            ["dhcp-option DNS 10.8.0.1", "dhcp-option DOMAIN a.example", "dns search-domains b.example"];
        let profiles = Profile::all_of(&pushed(&options));
        assert_eq!(profiles[0].resolv_conf(), ["nameserver 10.8.0.1", "search a.example b.example"]);
        let more = [&options[..], &["dns server 5 address 10.8.0.5", "dns server 1 transport DoT"]].concat();
        let profiles = Profile::all_of(&pushed(&more));
        assert_eq!(profiles.len(), 1);
        assert_eq!(profiles[0].summary(), "names are resolved by 10.8.0.5");
        assert!(Profile::all_of(&pushed(&options[1..])).is_empty());
    }

    #[test]
    fn the_first_that_fits() {
        let profiles = Profile::all_of(&pushed(&[
            "dns server 0 address 10.8.0.1",
            "dns server 0 transport DoH",
            "dns server 1 address [fd00::1]:853",
            "dns server 1 transport DoT",
            "dns server 2 address 10.8.0.2:53",
            "dns server 2 resolve-domains corp.example",
        ]));
        let mut notes = Vec::new();
        let first = |fits: fn(&Profile) -> bool, notes: &mut Vec<Note>| {
            Profile::first(&profiles, fits, notes).map(Profile::summary)
        };
        assert_eq!(
            first(Profile::needs_no_https, &mut notes).as_deref(),
            Some("names are resolved by [fd00::1]:853")
        );
        assert_eq!(
            first(Profile::is_plain, &mut notes).as_deref(),
            Some("names in corp.example are resolved by 10.8.0.2:53")
        );
        assert!(notes.is_empty());
        assert_eq!(first(|_| false, &mut notes), None);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn settings_survive_being_written_as_options() {
        let options = [
            "dns server 0 address 10.8.0.1",
            "dns server 0 address [fd00::1]:5353",
            "dns server 0 resolve-domains corp.example",
            "dns server 0 dnssec optional",
            "dns server 0 transport DoT",
            "dns server 0 sni dns.example",
            "dhcp-option DNS 10.8.0.1",
            "dhcp-option DNS6 fd00::2",
            "dhcp-option DOMAIN a.example",
            "dns search-domains b.example",
        ];
        let settings = pushed(&options);
        assert_eq!(to_options(&settings), options);
    }

    #[test]
    fn a_server_needs_an_address_of_its_family() {
        let settings = pushed(&["dhcp-option DNS 10.8.0.1", "dhcp-option DNS6 fd00::1"]);
        assert_eq!(unreachable(&settings, true, true).len(), 0);
        assert_eq!(unreachable(&settings, true, false), [IpAddr::from([0xFD00, 0, 0, 0, 0, 0, 0, 1])]);
        assert_eq!(unreachable(&settings, false, true), [IpAddr::from([10, 8, 0, 1])]);
    }

    #[test]
    fn pushed_settings_win_over_the_profiles_own() {
        let own = pushed(&[
            "dns server 0 address 10.0.0.1",
            "dns server 3 address 10.0.0.3",
            "dhcp-option DOMAIN own.example",
            "dhcp-option DNS 10.0.0.9",
        ]);
        let all = merged(&own, &pushed(&["dns server 0 address 10.8.0.1", "dhcp-option DOMAIN new.example"]));
        assert_eq!(
            to_options(&all),
            [
                "dns server 0 address 10.8.0.1",
                "dns server 3 address 10.0.0.3",
                "dhcp-option DNS 10.0.0.9",
                "dhcp-option DOMAIN new.example"
            ]
        );
    }
}
