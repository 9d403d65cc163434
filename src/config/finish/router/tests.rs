//! The router's directives, through the whole language.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::config::{
    Action, Diagnostic, Filtering, ForwardTarget, HostConfig, IpNetwork, Mapping, Nat, Profile, Protocol,
    RoleConfig, RouterConfig, RuleMode, Who,
};

/// A server with `more` from line 6 on.
fn parse(more: &str) -> (Option<(RouterConfig, HostConfig)>, Vec<String>) {
    let text =
        format!("server 10.8.0.0 255.255.255.0\ndev tun\nca ca.crt\ncert server.crt\nkey server.key\n{more}");
    let mut files = |path: &str| Ok::<_, String>(path.as_bytes().to_vec());
    let parsed = Profile::parse("x.conf", text.as_bytes(), &mut files);
    let found = parsed.diagnostics.iter().map(Diagnostic::to_string).collect();
    let profile = parsed.profile.map(|profile| match profile.role {
        RoleConfig::Server(server) => (*server.router, profile.host),
        RoleConfig::Client(_) => panic!("not a server"),
    });
    (profile, found)
}

#[track_caller]
fn router(more: &str) -> RouterConfig {
    let (profile, found) = parse(more);
    assert_eq!(found, [""; 0]);
    profile.unwrap().0
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(text: &str, prefix: u8) -> IpNetwork {
    IpNetwork::containing(ip(text), prefix)
}

#[test]
fn the_whole_picture() {
    let (profile, found) = parse(
        "cd /etc/adit\n\
         lan-port eth0 10.0.1.3/16\n\
         nat identity 10.0.1.200-10.0.1.220\n\
         group ops client1 client3\n\
         allow group:ops 10.0.2.2/32 tcp 22\n\
         allow group:ops 10.0.2.2/32 icmp\n\
         port-forward tcp 10.0.1.3 8443 client1 443\n\
         source-deny 203.0.113.0/24\n\
         flow-log flows.jsonl\n\
         group nogroup\n",
    );
    assert_eq!(found, [""; 0]);
    let (router, host) = profile.unwrap();
    assert!(router.is_stateful() && router.log_flows);
    assert_eq!(router.lan.as_ref().unwrap().device, "eth0");
    assert_eq!(router.lan_ipv4(), Some("10.0.1.3".parse().unwrap()));
    assert_eq!(router.nat, Nat::Identity(Vec::from([ip("10.0.1.200")..=ip("10.0.1.220")])));
    assert_eq!(router.groups[0].members, ["client1", "client3"]);
    let [ssh, ping] = &router.rules[..] else { panic!("two rules") };
    assert_eq!(
        (ssh.action, ssh.protocol, ssh.ports[0].clone(), ssh.line),
        (Action::Allow, Protocol::Tcp, 22..=22, 10)
    );
    assert_eq!((&ping.who, ping.protocol), (&Who::Group("ops".into()), Protocol::Icmp));
    let forward = &router.port_forwards[0];
    assert_eq!((forward.ports.clone(), forward.to_port), (8443..=8443, 443));
    assert_eq!(forward.to, ForwardTarget::Client("client1".into()));
    assert_eq!((router.sources[0].allow, router.sources[0].network), (false, network("203.0.113.0", 24)));
    assert_eq!(host.flow_log.as_deref(), Some("/etc/adit/flows.jsonl"));
    assert_eq!(host.process.group.as_deref(), Some("nogroup"));
}

#[test]
fn nat_of_every_kind() {
    assert_eq!(router("nat off\n").nat, Nat::Off);
    assert_eq!(router("lan-port eth0 10.0.1.3/16\nnat masquerade\n").nat, Nat::Masquerade(None));
    assert_eq!(router("nat masquerade 192.0.2.7\n").nat, Nat::Masquerade(Some(ip("192.0.2.7"))));
    let blocks = Nat::Blocks { size: 1024, addresses: Vec::from([ip("192.0.2.7"), ip("192.0.2.9")]) };
    assert_eq!(router("nat blocks 1024 192.0.2.7 192.0.2.9\n").nat, blocks);
    let ranges =
        Nat::Identity(Vec::from([ip("192.0.2.7")..=ip("192.0.2.7"), ip("fd00::1")..=ip("fd00::ff")]));
    assert_eq!(router("nat identity 192.0.2.7 fd00::1-fd00::ff\n").nat, ranges);
    let set = router(
        "nat masquerade 192.0.2.7\nnat-exempt 10.0.0.0/8\nnat-mapping tcp-per-destination\n\
         nat-filtering address\nnat-timeout udp 120\nnat-timeout tcp 7440\nnat-inbound-refresh\n",
    );
    assert_eq!(set.nat_exempt, [network("10.0.0.0", 8)]);
    assert_eq!((set.mapping, set.filtering), (Mapping::TcpPerDestination, Filtering::AddressDependent));
    assert_eq!(set.lifetimes.udp, Duration::from_secs(120));
    assert!(set.inbound_refresh);
}

#[test]
fn rules_forwards_limits_and_names() {
    let set = router(
        "lan-port eth0 10.0.1.3/16 fd00:1::3/64\nlan-gateway 10.0.0.1\nlan-gateway fd00:1::1\n\
         rule-mode longest-prefix\nallow all 0.0.0.0/0\ndeny client:bob 10.0.9.0/24 udp 53 100-200\n\
         reject all fd00:1::/64 icmp echo\nallow all 10.0.0.0/16 47\n\
         port-forward udp 10.0.1.3 5000-5009 10.8.0.7 6000 192.0.2.0/24\n\
         client-limit flows 500\nclient-limit rate-from 1000000\n\
         dns-forward 10.0.0.2\ndns-forward [fd00:1::2]:5353 corp.example lan\n",
    );
    let lan = set.lan.as_ref().unwrap();
    assert_eq!((lan.addresses.len(), &lan.gateways[..]), (2, &[ip("10.0.0.1"), ip("fd00:1::1")][..]));
    assert_eq!(set.rule_mode, RuleMode::LongestPrefix);
    assert_eq!(set.rules[1].ports, [53..=53, 100..=200]);
    assert_eq!(set.rules[2].ports, [128..=128]);
    assert_eq!(set.rules[3].protocol, Protocol::Number(47));
    assert_eq!(set.port_forwards[0].to, ForwardTarget::Address(ip("10.8.0.7")));
    assert_eq!(set.port_forwards[0].from, Some(network("192.0.2.0", 24)));
    assert_eq!((set.client_limits.flows, set.client_limits.rate_from), (Some(500), Some(1_000_000)));
    let dns = set.dns.as_ref().unwrap();
    assert_eq!(dns.servers[0].address.to_string(), "10.0.0.2:53");
    assert_eq!(
        (dns.servers[1].address.port(), &dns.servers[1].domains[..]),
        (5353, &["corp.example".into(), "lan".into()][..])
    );
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    for (line, sentence) in [
        ("nat masquerade", "nat: to which address? There is no 'lan-port' to take it from, so write it"),
        ("nat identity", "nat: the addresses are missing; it is written: nat identity FIRST-LAST..."),
        ("nat identity 10.0.0.9-10.0.0.1", "nat: '10.0.0.9-10.0.0.1' ends before it begins"),
        ("nat blocks 1000", "nat: '1000' is not a power of two from 64 to 16384"),
        ("nat snat 10.0.0.1", "nat: 'snat' is not off, masquerade, blocks or identity"),
        ("nat-timeout udp 30", "nat-timeout: 30 is less than the 120 seconds of RFC 4787"),
        ("allow ops 10.0.0.0/8", "allow: 'ops' is not all, client:NAME or group:NAME"),
        (
            "allow group:ops 10.0.0.0/8",
            "allow: line 6: there is no group 'ops': 'group ops MEMBER...' is missing",
        ),
        ("allow all 10.0.0.1/8", "allow: 10.0.0.1 is not a network of /8, but an address in 10.0.0.0/8"),
        ("allow all 10.0.0.0/8 47 22", "allow: only tcp and udp have ports, and icmp has types"),
        ("allow all 10.0.0.0/8 tcp 30-20", "allow: '30-20' ends before it begins"),
        ("lan-gateway 10.0.0.1", "lan-gateway: there is no LAN to have it: 'lan-port' is missing"),
        (
            "lan-port eth0 10.0.1.3",
            "lan-port: '10.0.1.3' is not an address with the length of its prefix, as 10.0.1.3/16",
        ),
        (
            "lan-port eth0 10.8.0.3/16",
            "lan-port: the LAN 10.8.0.0/16 and the clients' network 10.8.0.0/24 overlap: give 'server' another network",
        ),
        (
            "port-forward tcp 192.0.2.1 80 client1 80",
            "port-forward: 192.0.2.1 is no outside address of the router: neither that of 'lan-port' nor one of 'nat'",
        ),
        ("port-forward icmp 192.0.2.1 80 client1 80", "port-forward: 'icmp' is not tcp or udp"),
        (
            "client-limit speed 3",
            "client-limit: 'speed' is not flows, new-flows, ports, rate-from, rate-to or bytes",
        ),
        (
            "dns-forward ns.example",
            "dns-forward: 'ns.example' is not an address, as 10.0.0.2 or [fd00::2]:53",
        ),
    ] {
        let (profile, found) = parse(&format!("{line}\n"));
        assert!(profile.is_none(), "{line}");
        let [only] = &found[..] else { panic!("{line}: {found:#?}") };
        assert!(only.starts_with("x.conf:6"), "{only}");
        assert!(only.ends_with(sentence), "{only}");
    }
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let (profile, found) =
        parse("lan-port eth0 10.0.1.3/24\nnat identity 10.0.2.5-10.0.2.9\nrule-mode union\n");
    assert!(profile.is_some());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("not within the network of 'lan-port'"), "{found:#?}");
    assert!(found[1].contains("no effect without rules"), "{found:#?}");
}

#[test]
fn a_client_has_no_router() {
    let mut files = |path: &str| Ok::<_, String>(path.as_bytes().to_vec());
    let text = "client\ndev tun\nremote vpn.example\nca ca.crt\nauth-user-pass\nallow all 0.0.0.0/0\n";
    let parsed = Profile::parse("x.ovpn", text.as_bytes(), &mut files);
    assert!(parsed.profile.is_none());
}
