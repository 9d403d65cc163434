//! Name servers and search domains.

use alloc::format;
use alloc::string::String;

use super::super::directive::{Directive, Places};
use super::super::draft::Draft;
use super::super::host::DnsUpdown;
use super::super::statement::{Complaint, Statement};
use super::scripts::command;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("dhcp-option", "KIND [VALUE...]", dns).also(Places::PUSH).repeats(),
    Directive::new("dns", "search-domains|server WORD...", dns).also(Places::PUSH).repeats(),
    Directive::new("dns-updown", "disable|force|COMMAND", value!(host.dns_updown, dns_updown)),
];

fn dns(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// What Windows alone can use stands in many a profile.
    const FOR_WINDOWS: [&str; 5] = ["DISABLE-NBT", "NBDD", "NBS", "NBT", "PROXY_AUTO_CONFIG_URL"];
    if statement.name() == "dhcp-option"
        && let Some(kind) = statement.word(1).filter(|kind| FOR_WINDOWS.contains(kind))
    {
        draft.warn_of(statement, 1, format!("'{kind}' has no effect: it is for Windows"));
        return Ok(());
    }
    match draft.host.dns.apply(&statement.words()) {
        Some(Err(clause)) => Err(statement.complain(1, clause)),
        _ => Ok(()),
    }
}

fn dns_updown(word: &str) -> Result<DnsUpdown, String> {
    match word {
        "disable" => Ok(DnsUpdown::Disabled),
        "force" => Ok(DnsUpdown::Forced),
        _ => command(word).map(DnsUpdown::Command),
    }
}
