//! `dns-updown COMMAND`: the user's own program applies the settings, told by its environment as by OpenVPN 2.7.

use std::path::PathBuf;

use adit::config::DnsSettings;

use super::profile::{Profile, dnssec_word, transport_word};
use super::{Note, program};

/// The command, which runs like all scripts: in the folder that `cd` names, and with an environment of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserCommand {
    pub(crate) words: Vec<String>,
    /// `cd`
    pub(crate) directory: Option<PathBuf>,
}

impl UserCommand {
    /// Runs it: to put settings into force, or (`up` is false) to take them back.
    pub(super) fn run(&self, up: bool, dev: &str, settings: &DnsSettings, notes: &mut Vec<Note>) {
        let which = if up { "up" } else { "down" };
        let [program, args @ ..] = &self.words[..] else { return };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let env = environment(up, dev, settings);
        notes.push(match program::run_alone(program.as_ref(), &args, self.directory.as_deref(), &env) {
            Ok(()) => Note::Info(format!("dns {which} command exited with status 0")),
            Err(why) => Note::Warning(format!("dns {which} command: {why}")),
        });
    }
}

fn environment(up: bool, dev: &str, settings: &DnsSettings) -> Vec<(String, String)> {
    let script_type = if up { "dns-up" } else { "dns-down" };
    let mut env =
        vec![("dev".to_owned(), dev.to_owned()), ("script_type".to_owned(), script_type.to_owned())];
    env.extend(variables(settings));
    env
}

/// `dns_server_N_...` and `dns_search_domain_N`, as all scripts find them.
pub(crate) fn variables(settings: &DnsSettings) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let profiles = Profile::all_of(settings);
    let mut set = |name: String, value: String| env.push((name, value));
    for (number, name) in (1..).zip(profiles.first().into_iter().flat_map(|profile| &profile.search)) {
        set(format!("dns_search_domain_{number}"), name.clone());
    }
    for (n, profile) in (1..).zip(&profiles) {
        let server = &profile.server;
        for (i, (address, port)) in (1..).zip(&server.addresses) {
            set(format!("dns_server_{n}_address_{i}"), address.to_string());
            if let Some(port) = port {
                set(format!("dns_server_{n}_port_{i}"), port.to_string());
            }
        }
        for (i, name) in (1..).zip(&server.resolve_domains) {
            set(format!("dns_server_{n}_resolve_domain_{i}"), name.clone());
        }
        if let Some(dnssec) = server.dnssec {
            set(format!("dns_server_{n}_dnssec"), dnssec_word(dnssec).to_owned());
        }
        if let Some(transport) = server.transport {
            set(format!("dns_server_{n}_transport"), transport_word(transport).to_owned());
        }
        if let Some(sni) = &server.sni {
            set(format!("dns_server_{n}_sni"), sni.clone());
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::super::profile::tests::pushed;
    use super::*;

    #[test]
    fn it_runs_in_its_folder_and_finds_nothing_else_in_its_environment() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let script = "test \"$PWD\" = \"$0\" && test \"$dev\" = tun7 && test -z \"$CARGO_MANIFEST_DIR$HOME\"";
        let words = ["/bin/sh", "-c", script, folder.to_str().unwrap()].map(str::to_owned).to_vec();
        let mut notes = Vec::new();
        for (directory, fine) in [(Some(folder), true), (None, false)] {
            let command = UserCommand { words: words.clone(), directory };
            command.run(true, "tun7", &DnsSettings::default(), &mut notes);
            assert_eq!(matches!(notes.pop(), Some(Note::Info(_))), fine);
        }
    }

    #[test]
    fn variables_are_those_of_openvpn() {
        let settings = pushed(&[
            "dns search-domains mycorp.in eu.mycorp.com",
            "dns server 7 address 192.168.99.254 [fd00::99]:5353",
            "dns server 7 resolve-domains mycorp.in",
            "dns server 7 dnssec yes",
            "dns server 7 transport DoT",
            "dns server 7 sni dns.mycorp.in",
        ]);
        let lines: Vec<String> = environment(true, "tun0", &settings)
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            lines,
            [
                "dev=tun0",
                "script_type=dns-up",
                "dns_search_domain_1=mycorp.in",
                "dns_search_domain_2=eu.mycorp.com",
                "dns_server_1_address_1=192.168.99.254",
                "dns_server_1_address_2=fd00::99",
                "dns_server_1_port_2=5353",
                "dns_server_1_resolve_domain_1=mycorp.in",
                "dns_server_1_dnssec=yes",
                "dns_server_1_transport=DoT",
                "dns_server_1_sni=dns.mycorp.in",
            ]
        );
    }
}
