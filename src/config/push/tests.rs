use proptest::prelude::*;

use super::*;

fn parse(options: &[&str]) -> (TunnelSettings, Vec<String>) {
    TunnelSettings::parse(options, &PushBase::default()).expect("usable")
}

fn fatal(option: &str) -> String {
    TunnelSettings::parse(&[option], &PushBase::default()).expect_err("unusable")
}

/// What OpenVPN 2.6 pushes to a client that speaks all of it.
#[test]
fn an_ordinary_reply() {
    let (settings, notices) = parse(&[
        "route 10.0.0.0 255.255.0.0",
        "route-gateway 10.8.0.1",
        "topology subnet",
        "ping 10",
        "ping-restart 120",
        "ifconfig-ipv6 fd00::1000/64 fd00::1",
        "ifconfig 10.8.0.2 255.255.255.0",
        "peer-id 3",
        "cipher AES-256-GCM",
        "protocol-flags cc-exit tls-ekm dyn-tls-crypt",
        "tun-mtu 1500",
    ]);
    assert_eq!(notices, [""; 0]);
    assert_eq!(settings.topology, Some(Topology::Subnet));
    let local = Ipv4Addr::new(10, 8, 0, 2);
    assert_eq!(settings.ifconfig, Some(Ifconfig { local, other: IfconfigOther::Subnet(24) }));
    let ipv6 = settings.ifconfig_ipv6.unwrap();
    assert_eq!((ipv6.local.to_string().as_str(), ipv6.prefix), ("fd00::1000", 64));
    assert_eq!(settings.routes.gateway, Some(Ipv4Addr::new(10, 8, 0, 1)));
    assert_eq!(settings.routes.ipv4.len(), 1);
    assert_eq!(settings.ping, Some(Some(Duration::from_secs(10))));
    assert_eq!(
        settings.ping_timeout,
        Some(Some(PingTimeout { after: Duration::from_secs(120), exit: false }))
    );
    assert_eq!(settings.peer_id, Some(3));
    assert_eq!(settings.cipher, Some(Ok(Cipher::Aes256Gcm)));
    let flags = ProtocolFlags { cc_exit: true, tls_ekm: true, dyn_tls_crypt: true, aead_epoch: false };
    assert_eq!(settings.flags, flags);
    assert_eq!(settings.tun_mtu, Some(1500));
}

#[test]
fn ifconfig_means_what_the_final_topology_says() {
    let other = |options: &[&str]| parse(options).0.ifconfig.unwrap().other;
    let peer = IfconfigOther::Peer(Ipv4Addr::new(10, 8, 0, 5));
    assert_eq!(other(&["ifconfig 10.8.0.6 10.8.0.5", "topology net30"]), peer);
    assert_eq!(other(&["ifconfig 10.8.0.6 10.8.0.5"]), peer);
    assert_eq!(other(&["ifconfig 10.8.0.6 255.255.0.0"]), IfconfigOther::Subnet(16));
    assert_eq!(other(&["ifconfig 10.8.0.6 128.0.0.0", "topology subnet"]), IfconfigOther::Subnet(1));
    assert_eq!(other(&["ifconfig 10.8.0.6 255.255.255.0", "topology p2p"]), IfconfigOther::Subnet(24));
    let wrong =
        TunnelSettings::parse(&["ifconfig 10.8.0.6 10.8.0.5", "topology subnet"], &PushBase::default());
    assert_eq!(
        wrong.unwrap_err(),
        "pushed option ifconfig: under topology subnet, 10.8.0.5 is not a netmask"
    );
}

#[test]
fn the_profile_gives_the_topology_where_the_server_does_not() {
    let base = PushBase { topology: Some(Topology::Subnet), ..PushBase::default() };
    assert!(TunnelSettings::parse(&["ifconfig 10.8.0.6 10.8.0.5"], &base).is_err());
}

#[test]
fn what_may_not_be_pushed_is_passed_over_with_a_notice() {
    for option in [
        "up /bin/sh",
        "ca /etc/passwd",
        "log /etc/passwd",
        "user root",
        "plugin x.so",
        "script-security 3",
        "nonsense",
    ] {
        let (settings, notices) = parse(&[option]);
        assert_eq!(settings, TunnelSettings::default(), "{option}");
        assert_eq!(notices.len(), 1, "{option}");
    }
}

#[test]
fn notices_name_the_option_and_show_no_secret_or_control_character() {
    let (_, notices) =
        parse(&["auth-token s3cret two", "tun-mtu 50", "ping \"1", "\x1b[2J x", "route 1.2.3.4 \x1b"]);
    assert_eq!(
        notices,
        [
            "pushed option auth-token passed over: adit does not take this option from a server, or not with these words",
            "pushed option tun-mtu passed over: '50' is not a number from 100 to 1600",
            "pushed option 'ping \"1', column 6: this quote is not closed by another \" on its line",
            "pushed option _[2J passed over: adit does not take this option from a server, or not with these words",
            "pushed option route passed over: '_' is not a netmask like 255.255.255.0",
        ]
    );
}

#[test]
fn long_options_are_passed_over() {
    let (settings, notices) =
        parse(&[&format!("auth-token {}", "x".repeat(244)), &format!("auth-token {}", "y".repeat(245))]);
    assert_eq!(settings.auth_token.unwrap().len(), 244);
    assert_eq!(notices.len(), 1);
}

#[test]
fn what_the_tunnel_cannot_work_without_is_fatal() {
    assert_eq!(
        fatal("ifconfig 10.8.0.2 x"),
        "pushed option ifconfig: 'x' is not an IPv4 address like 192.0.2.1"
    );
    assert_eq!(
        fatal("peer-id 16777216"),
        "pushed option peer-id: '16777216' is not a number from 0 to 16777215"
    );
    assert_eq!(
        fatal("protocol-flags cc-exit warp"),
        "pushed option protocol-flags: the flag 'warp' is not known"
    );
    assert_eq!(fatal("key-derivation x"), "pushed option key-derivation: only 'tls-ekm' is known");
    assert!(fatal("compress zstd").starts_with("pushed option compress: 'zstd' is not"));
}

#[test]
fn an_unknown_cipher_is_reported_by_name() {
    assert_eq!(parse(&["cipher AES-256-CBC"]).0.cipher, Some(Err("AES-256-CBC".into())));
}

#[test]
fn off_differs_from_not_pushed() {
    let settings = parse(&["ping 0", "ping-restart 0"]).0;
    assert_eq!((settings.ping, settings.ping_timeout), (Some(None), Some(None)));
}

proptest! {
    #[test]
    fn never_panics(options in proptest::collection::vec(".{0,80}", 0..8)) {
        let _ = TunnelSettings::parse(&options, &PushBase::default());
    }
}

#[test]
fn host_names_in_routes_need_leave() {
    let options = ["route www.example.com", "route 10.0.0.0 255.0.0.0", "route-delay 3"];
    let (settings, notices) = TunnelSettings::parse(&options, &PushBase::default()).unwrap();
    assert!(settings.routes.named.is_empty());
    assert_eq!(settings.routes.ipv4.len(), 1);
    assert_eq!(settings.routes.delay.map(|delay| delay.after.as_secs()), Some(3));
    assert_eq!(
        notices,
        [
            "pushed option route passed over: a host name in a pushed route needs 'allow-pull-fqdn' in the profile"
        ]
    );
    let base = PushBase { allow_pull_fqdn: true, ..PushBase::default() };
    let (settings, notices) = TunnelSettings::parse(&options, &base).unwrap();
    assert_eq!(settings.routes.named[0].name, "www.example.com");
    assert!(notices.is_empty());
}

#[test]
fn a_server_sets_variables_for_scripts_under_names_of_their_own() {
    let (settings, notices) = parse(&["setenv-safe SITE \"north east\"", "setenv-safe EMPTY"]);
    let set = |name: &str, value: &str| (String::from(name), String::from(value));
    assert_eq!(settings.environment, [set("OPENVPN_SITE", "north east"), set("OPENVPN_EMPTY", "")]);
    assert!(notices.is_empty());
    let (settings, notices) = parse(&["setenv-safe A=B x", "setenv-safe X y z", "setenv PATH /evil"]);
    assert!(settings.environment.is_empty());
    assert_eq!(notices.len(), 3);
    // One more than there is room for.
    let (settings, notices) = parse(&["setenv-safe X y"; MAX_ENVIRONMENT + 1]);
    assert_eq!((settings.environment.len(), notices.len()), (MAX_ENVIRONMENT, 1));
}
