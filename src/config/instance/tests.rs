use std::vec;

use proptest::prelude::*;

use super::*;
use crate::config::NoFiles;

fn parse(text: &str) -> (InstanceConfig, Vec<String>) {
    let (config, diagnostics) = InstanceConfig::parse([&NamedText::file("ccd/client1", text)], &mut NoFiles);
    (config, diagnostics.iter().map(Diagnostic::to_string).collect())
}

fn clean(text: &str) -> InstanceConfig {
    let (config, findings) = parse(text);
    assert_eq!(findings, [""; 0]);
    config
}

fn network(address: &str, prefix: u8) -> IpNetwork {
    IpNetwork::containing(address.parse().unwrap(), prefix)
}

#[test]
fn a_site_with_a_network_behind_it() {
    let config = clean(
        "# branch office\niroute 192.168.4.0 255.255.255.0\niroute 192.168.9.7\niroute-ipv6 fd00:4::/48\n\
         ifconfig-push 10.8.0.4 255.255.255.0\nifconfig-ipv6-push fd00::4/64\n\
         push \"route 10.66.0.0 255.255.0.0\"\n",
    );
    assert_eq!(
        config.iroutes,
        [network("192.168.4.0", 24), network("192.168.9.7", 32), network("fd00:4::", 48)]
    );
    let expected =
        IfconfigPush { local: [10, 8, 0, 4].into(), remote_netmask: [255, 255, 255, 0].into(), alias: None };
    assert_eq!(config.ifconfig_push, Some(expected));
    let expected = IfconfigIpv6Push { local: "fd00::4".parse().unwrap(), prefix: 64, remote: None };
    assert_eq!(config.ifconfig_ipv6_push, Some(expected));
    assert_eq!(config.push, [PushChange::Add("route 10.66.0.0 255.255.0.0".into())]);
}

#[test]
fn changes_of_the_push_list_keep_their_order() {
    let config = clean(
        "push-remove route\npush \"route 10.1.0.0 255.255.0.0\"\npush-reset\npush \"dhcp-option DNS 10.8.0.1\"\n",
    );
    assert_eq!(
        config.push,
        [
            PushChange::Remove("route".into()),
            PushChange::Add("route 10.1.0.0 255.255.0.0".into()),
            PushChange::Reset,
            PushChange::Add("dhcp-option DNS 10.8.0.1".into()),
        ]
    );
}

#[test]
fn a_script_adds_to_what_the_file_says() {
    let file = NamedText::file("ccd/client1", "ping 5\niroute 10.1.0.0 255.255.0.0\nsession-timeout 60\n");
    let script =
        NamedText::file("client-connect", "ping 0\niroute 10.2.0.0 255.255.0.0\ninactive 300 1000\n");
    let (config, findings) = InstanceConfig::parse([&file, &script], &mut NoFiles);
    assert_eq!(findings, []);
    assert_eq!(config.iroutes, [network("10.1.0.0", 16), network("10.2.0.0", 16)]);
    assert_eq!(config.ping, Some(None));
    assert_eq!(config.session_timeout, Some(Some(Duration::from_secs(60))));
    assert_eq!(config.inactive, Some(Some(Inactive { after: Duration::from_secs(300), bytes: 1000 })));
}

#[test]
fn a_bad_line_is_named_and_passed_over() {
    let (config, findings) = parse(
        "iroute 10.1.2.3 255.255.0.0\nport 1194\nirout 10.0.0.0\npush \"a,b\"\npush route 10.0.0.0\ndisable\n\
         ifconfig-push 10.8.0.4\nping 5 6\n<ca>\nx\n</ca>\n",
    );
    assert_eq!(
        findings,
        [
            "ccd/client1:1:8: iroute: 10.1.2.3 is an address in the network 10.1.0.0/16: write that",
            "ccd/client1:2:1: port: this cannot stand among the settings of one client, only in the server's configuration",
            "ccd/client1:3:1: irout: unrecognized option 'irout': did you mean 'iroute'?",
            "ccd/client1:4:6: push: an option that is pushed cannot contain a comma",
            "ccd/client1:5:12: push: '10.0.0.0' is too much; it is written: push OPTION",
            "ccd/client1:7:1: ifconfig-push: an argument is missing; it is written: ifconfig-push LOCAL REMOTE|NETMASK [ALIAS]",
            "ccd/client1:8:8: ping: '6' is too much; it is written: ping SECONDS",
            "ccd/client1:9:1: ca: this cannot stand among the settings of one client, only in the server's configuration",
        ]
    );
    assert_eq!(config, InstanceConfig { disable: true, ..InstanceConfig::default() });
}

#[test]
fn a_user_name_that_cannot_be_refuses_the_client() {
    assert_eq!(clean("override-username alice").override_username.as_deref(), Some("alice"));
    let (config, findings) = parse(&format!("override-username {}", "x".repeat(129)));
    assert_eq!((config.disable, findings.len()), (true, 1));
}

#[test]
fn other_files_are_included_and_not_without_end() {
    let mut files = |path: &str| match path {
        "shared" => Ok(b"iroute 10.1.0.0 255.255.0.0\n".to_vec()),
        "loop" => Ok(b"config loop\n".to_vec()),
        _ => Err("No such file or directory".to_string()),
    };
    let text = NamedText::file("ccd/client1", "config shared\nconfig gone\nconfig loop\n");
    let (config, findings) = InstanceConfig::parse([&text], &mut files);
    assert_eq!(config.iroutes, [network("10.1.0.0", 16)]);
    let findings: Vec<_> = findings.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        findings,
        [
            "ccd/client1:2:8: config: cannot read 'gone': No such file or directory",
            "loop:1:1: config: configurations are nested more than 10 deep",
        ]
    );
}

#[test]
fn ciphers_of_one_client() {
    let config = clean("data-ciphers AES-128-GCM:?FOO:AES-256-GCM\ndata-ciphers-fallback AES-256-GCM\n");
    assert_eq!(config.data_ciphers, Some(vec![Cipher::Aes128Gcm, Cipher::Aes256Gcm]));
    assert_eq!(config.data_ciphers_fallback, Some(Cipher::Aes256Gcm));
    assert_eq!(parse("data-ciphers FOO").0, InstanceConfig::default());
}

proptest! {
    /// Whatever a script writes is survived, and every line that is not taken is named.
    #[test]
    fn any_text_is_survived(lines in prop::collection::vec("(push|push-remove|iroute|iroute-ipv6|ifconfig-push|ping|config|disable|[ -~]{0,9}) [ -~\\n\"']{0,40}", 0..10)) {
        let text = lines.join("\n");
        let (config, findings) = parse(&text);
        let taken = config.push.len() + config.iroutes.len();
        prop_assert!(taken + findings.len() <= text.lines().count());
        prop_assert!(findings.iter().all(|finding| finding.starts_with("ccd/client1:")));
        for change in &config.push {
            if let PushChange::Add(option) = change {
                prop_assert!(!option.contains(',') && !option.contains(char::is_control));
            }
        }
    }
}
