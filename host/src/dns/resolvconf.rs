//! The program `resolvconf`, of Debian or openresolv: it keeps what each device brings, and writes `resolv.conf`.

use std::path::Path;

use super::profile::Profile;
use super::{Note, program};

/// openresolv's settings. Debian's program has none.
const OPENRESOLV: &str = "/etc/resolvconf.conf";

pub(super) fn up(program: &Path, dev: &str, profile: &Profile, notes: &mut Vec<Note>) -> Result<(), String> {
    let settings = std::fs::read_to_string(OPENRESOLV).unwrap_or_default();
    let splits = !profile.server.resolve_domains.is_empty() && has_local_resolver(&settings);
    let (args, lines) = if splits {
        // A private device's servers are asked only for its own domains, which are its search domains.
        let mut domains = profile.search.clone();
        domains.extend(
            profile.server.resolve_domains.iter().filter(|name| !profile.search.contains(name)).cloned(),
        );
        (vec!["-p", "-a", dev], profile.resolv_conf_searching(&domains))
    } else {
        profile.warn_of_split("resolvconf without a local resolver", notes);
        (vec!["-a", dev], profile.resolv_conf())
    };
    program::run(program, &args, &(lines.join("\n") + "\n"), &[])
}

/// Whether openresolv feeds a resolver of this machine, which alone can tell names apart: a line like
/// `dnsmasq_conf=/etc/dnsmasq.d/openresolv.conf`.
fn has_local_resolver(settings: &str) -> bool {
    const KEYS: [&str; 5] = ["dnsmasq_conf", "unbound_conf", "named_zones", "pdnsd_conf", "pdns_zones"];
    settings.lines().any(|line| {
        line.split_once('=').is_some_and(|(key, value)| {
            KEYS.contains(&key.trim())
                && !value.trim_matches(|c: char| c == '"' || c.is_whitespace()).is_empty()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_resolver_is_one_that_openresolv_writes_for() {
        assert!(has_local_resolver("resolv_conf=/etc/resolv.conf\ndnsmasq_conf=/etc/dnsmasq.d/x.conf\n"));
        assert!(!has_local_resolver("resolv_conf=/etc/resolv.conf\n#unbound_conf=/x\nnamed_zones=\"\"\n"));
    }
}
