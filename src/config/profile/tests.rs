use alloc::string::ToString;
use alloc::vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::algorithm::Framing;
use crate::config::{
    AddressFamily, AuthUserPass, CertRole, Device, Ipv4Network, LogTarget, NoFiles, PingTimeout,
    RouteAddress, Topology, VerifyX509Name, WrapConfig,
};
use crate::path::Transport;

/// Every file there is, except those whose name says otherwise.
fn read_file(path: &str) -> Result<Vec<u8>, String> {
    match path {
        _ if path.contains("missing") => Err("No such file or directory".into()),
        "ipp.txt" => Ok(b"client1,10.8.0.4,\n".to_vec()),
        "login.txt" => Ok(b"user\r\npass word\r\n".to_vec()),
        _ => Ok(path.as_bytes().to_vec()),
    }
}

fn parse(text: &str) -> Parsed {
    Profile::parse("x.conf", text.as_bytes(), &mut read_file)
}

fn messages(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(Diagnostic::to_string).collect()
}

fn client(text: &str) -> (ClientConfig, HostConfig) {
    let parsed = parse(text);
    match parsed.profile {
        Some(Profile { role: RoleConfig::Client(client), host }) => (client, host),
        _ => panic!("not a client: {:?}", messages(&parsed)),
    }
}

fn server(text: &str) -> (ServerConfig, HostConfig) {
    let parsed = parse(text);
    match parsed.profile {
        Some(Profile { role: RoleConfig::Server(server), host }) => (server, host),
        _ => panic!("not a server: {:?}", messages(&parsed)),
    }
}

/// A usable client, with `more` behind it from line 6 on.
fn client_with(more: &str) -> String {
    format!("client\ndev tun\nremote vpn.example\nca ca.crt\nauth-user-pass\n{more}")
}

/// A usable server, with `more` behind it from line 6 on.
fn server_with(more: &str) -> String {
    format!("server 10.8.0.0 255.255.255.0\ndev tun\nca ca.crt\ncert server.crt\nkey server.key\n{more}")
}

/// What is found in `more`.
fn findings(more: &str) -> Vec<String> {
    messages(&parse(&client_with(more)))
}

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../../../host/tests/fixtures/", $path))
    };
}

#[test]
fn the_guides_server() {
    let parsed = parse(fixture!("guide-2016/final-server.conf"));
    assert_eq!(
        messages(&parsed),
        [
            "x.conf:7:1: dh: this has no effect: TLS agrees on its keys by elliptic curves (ECDHE) here",
            "x.conf:17:1: status: this replaces the one on line 15",
        ]
    );
    let (server, host) = server(fixture!("guide-2016/final-server.conf"));
    assert_eq!(server.network, Some(Ipv4Network { address: [10, 0, 255, 0].into(), prefix: 24 }));
    assert_eq!(server.topology, Topology::Subnet);
    assert_eq!(server.push, ["route 10.0.0.0 255.255.0.0"]);
    assert_eq!(server.push_last, ["ping 10", "ping-restart 120"]);
    assert_eq!(server.session.ping, Some(Duration::from_secs(10)));
    assert_eq!(
        server.session.ping_timeout,
        Some(PingTimeout { after: Duration::from_secs(240), exit: false })
    );
    assert_eq!(server.session.framing, Framing::Lzo);
    let key = server.session.tls.key.unwrap();
    assert_eq!((&*key.file, key.text.as_slice()), ("server.key", &b"server.key"[..]));
    assert_eq!(server.leases.len(), 1);
    let [listener] = host.listeners.as_slice() else { panic!("{:?}", host.listeners) };
    assert_eq!((listener.transport, listener.bind.port), (Transport::Udp, Some(1194)));
    assert_eq!(host.dev, Device::Tun);
    assert_eq!(host.log.target, LogTarget::Truncate("openvpn.log".into()));
    let status = host.status.unwrap();
    assert_eq!(
        (status.path.as_str(), status.interval),
        ("openvpn-status.log", Some(Duration::from_secs(60)))
    );
    assert!(host.persist_key && host.persist_tun);
    assert_eq!(host.log.verb, 3);
}

#[test]
fn the_guides_clients() {
    for (text, remote) in [
        (fixture!("guide-2016/quickstart-client.conf"), "my-server-1"),
        (fixture!("guide-2016/final-client.conf"), "X.X.X.X"),
    ] {
        assert_eq!(messages(&parse(text)), [""; 0]);
        let (client, host) = client(text);
        assert!(client.pull);
        assert_eq!((client.remotes[0].host.as_str(), client.remotes[0].port), (remote, 1194));
        assert_eq!(client.session.tls.ns_cert_type, Some(CertRole::Server));
        assert_eq!(client.session.framing, Framing::Lzo);
        assert_eq!((&client.remotes[0].connection.bind, host.resolv_retry), (&None, None));
    }
}

#[test]
fn the_guides_first_server() {
    let (server, host) = server(fixture!("guide-2016/quickstart-server.conf"));
    assert_eq!(server.network.unwrap().address, core::net::Ipv4Addr::new(10, 8, 0, 0));
    assert_eq!(server.max_clients, 1024);
    assert!(host.pool_persist.unwrap().interval.is_some());
}

#[test]
fn an_aws_profile() {
    let (client, host) = client(fixture!("aws/endpoint.ovpn"));
    assert!(host.remote_random_hostname);
    assert_eq!(client.remotes[0].port, 443);
    assert!(matches!(client.auth_user_pass, AuthUserPass::Ask));
    assert_eq!(client.session.renegotiate.after, None);
    assert_eq!(client.session.tls.verify_x509_name, Some(VerifyX509Name::Name("actmotech.local".into())));
    let ca = client.session.tls.ca.unwrap();
    assert_eq!((&*ca.file, ca.first_line), ("x.conf", 12));
    assert!(ca.text.starts_with(b"-----BEGIN CERTIFICATE-----\n(one certificate"));
}

/// The samples that Debian's package installs, where it is installed.
#[test]
fn debians_samples() {
    for name in ["server", "client"] {
        let path = format!("/usr/share/doc/openvpn/examples/sample-config-files/{name}.conf");
        let Ok(text) = std::fs::read_to_string(&path) else {
            std::eprintln!("SKIPPED: there is no {path}");
            continue;
        };
        let parsed = parse(&text);
        assert!(parsed.profile.is_some(), "{:?}", messages(&parsed));
    }
    let (server, host) = server(&server_with(
        "local 192.0.2.1\nproto tcp\npush \"redirect-gateway def1 bypass-dhcp\"\npush \"dhcp-option DNS 208.67.222.222\"\n\
         client-to-client\nduplicate-cn\ntls-auth ta.key 0 # This file is secret\nmax-clients 100\nuser openvpn\n\
         group openvpn\nlog-append  /var/log/openvpn/openvpn.log\nmute 20\n\
         data-ciphers AES-256-GCM:AES-128-GCM:?CHACHA20-POLY1305:AES-256-CBC\n",
    ));
    assert!(server.client_to_client && server.duplicate_cn);
    assert_eq!((server.max_clients, server.session.data_ciphers.len()), (100, 3));
    assert!(matches!(server.session.wrap, WrapConfig::TlsAuth { direction: Some(0), .. }));
    let listener = &host.listeners[0];
    assert_eq!((listener.transport, listener.bind.host.as_deref()), (Transport::Tcp, Some("192.0.2.1")));
    assert_eq!(host.process.user.as_deref(), Some("openvpn"));
}

#[test]
fn what_is_fine_is_not_warned_of() {
    let warnings = |more: &str| messages(&parse(&server_with(more)));
    assert!(warnings("dh none\n").is_empty());
    assert_eq!(warnings("dh dh.pem\n").len(), 1);
    assert!(warnings("user nobody\npersist-tun\n").is_empty());
    assert!(
        warnings("user nobody\n")[0].ends_with("user: a restart without root will fail: add 'persist-tun'")
    );
}

#[test]
fn findings_say_where_and_what_would_be_right() {
    let cases = [
        ("verrb 3", "x.conf:6:1: unrecognized option 'verrb': did you mean 'verb'?"),
        ("verb", "x.conf:6:1: verb: an argument is missing; it is written: verb LEVEL"),
        ("verb 3 4", "x.conf:6:8: verb: '4' is too much; it is written: verb LEVEL"),
        ("  verb \"x", "x.conf:6:8: this quote is not closed by another \" on its line"),
        ("port 70000", "x.conf:6:6: port: '70000' is not a port, a number from 1 to 65535"),
        ("<verb>\n3\n</verb>", "x.conf:6:1: verb: cannot be a block; it is written: verb LEVEL"),
        ("<tls-crypt>\nabc", "x.conf:6:1: the block <tls-crypt> that begins here has no </tls-crypt>"),
        (
            "keepalive 10 15",
            "x.conf:6:14: keepalive: the timeout, 15, must be at least twice the ping, 10; five or six times is better",
        ),
        (
            "keepalive 10 60\nping 5",
            "x.conf:7:1: ping: there is 'keepalive' too, which sets this: one of them must go",
        ),
        (
            "tls-auth missing.key 1",
            "x.conf:6:10: tls-auth: cannot read 'missing.key': No such file or directory",
        ),
        (
            "tls-auth ta.key 2",
            "x.conf:6:17: tls-auth: '2' is not a key direction: 0 on one end (the server), 1 on the other",
        ),
        ("nobind\nlport 5", "x.conf:7:1: lport: there is 'nobind' too: one of them must go"),
        ("nobind\nbind", "x.conf:7:1: bind: there is 'nobind' too: one of them must go"),
        ("duplicate-cn", "x.conf:6:1: duplicate-cn: this cannot stand in the configuration of a client"),
        (
            "auth none\ntls-auth ta.key",
            "x.conf:6:1: auth: 'none' leaves tls-auth without a digest: SHA1, SHA256, SHA384 or SHA512",
        ),
        ("cert c.crt", "x.conf:6:1: cert: there is no 'key' for this certificate"),
        (
            "tls-auth a\ntls-crypt b",
            "x.conf:7:1: tls-crypt: there is 'tls-auth' too: only one of them can protect the control packets",
        ),
        (
            "server 10.8.0.0 255.255.255.0",
            "x.conf:6:1: server: this is for a server, but there is 'client' too: one must go",
        ),
        ("proto tcp-server", "x.conf:6:1: proto: a client cannot listen: write tcp or tcp-client"),
        ("pkcs12 client.p12", "x.conf:6:1: pkcs12: adit does not have this yet"),
        ("dev tap", "x.conf:6:5: dev: Ethernet tunnels (tap) are not supported: use 'dev tun' on both ends"),
        ("max-clients 5", "x.conf:6:1: max-clients: this has no effect at a client"),
        (
            "route 10.0.0.0 255.0.255.0",
            "x.conf:6:7: route: '255.0.255.0' is not a netmask: its ones do not all stand before its zeros",
        ),
        (
            "tls-version-max 1.1",
            "x.conf:6:17: tls-version-max: TLS below 1.2 does not exist here: 1.2 is the least",
        ),
        (
            "data-ciphers AES-999",
            "x.conf:6:14: data-ciphers: 'AES-999' is not a cipher that adit has: AES-256-GCM, AES-128-GCM, CHACHA20-POLY1305",
        ),
    ];
    for (more, expected) in cases {
        let found = findings(more);
        assert!(
            found.iter().any(|message| message == expected),
            "{more}\n  expected {expected}\n  found {found:?}"
        );
    }
}

#[test]
fn a_servers_findings() {
    let found = |more: &str| messages(&parse(&server_with(more)));
    assert_eq!(found("remote x"), ["x.conf:6:1: remote: this cannot stand in the configuration of a server"]);
    assert_eq!(
        found("explicit-exit-notify 3"),
        [
            "x.conf:6:1: explicit-exit-notify: 3 is not 1 (clients come back to this server) or 2 (they go to their next one)"
        ]
    );
    assert_eq!(
        found("proto tcp\nexplicit-exit-notify 1"),
        ["x.conf:7:1: explicit-exit-notify: this has no effect over TCP, where clients see us leave"]
    );
    assert_eq!(
        found("server-ipv6 fd00::/48"),
        ["x.conf:6:13: server-ipv6: 'fd00::/48' is /48: the network must be between /64 and /124"]
    );
    assert_eq!(
        found("username-as-common-name"),
        [
            "x.conf:6:1: username-as-common-name: nobody would verify the name: it needs 'auth-user-pass-verify'"
        ]
    );
    assert_eq!(found("push \"a,b\""), ["x.conf:6:6: push: an option that is pushed cannot contain a comma"]);
    assert_eq!(
        found("keepalive 10 50000"),
        ["x.conf:6:1: keepalive: at a server the timeout can be at most 43200, since it waits twice as long"]
    );
    let network = |text: &str| messages(&parse(text)).remove(0);
    assert_eq!(
        network("server 10.8.0.1 255.255.255.0"),
        "x.conf:1:8: server: 10.8.0.1 is not a network of /24, but an address in 10.8.0.0"
    );
    assert_eq!(
        network("server 10.0.0.0 255.0.0.0"),
        "x.conf:1:17: server: '255.0.0.0' is /8: the network must be between /16 and /29 (255.255.255.248)"
    );
}

#[test]
fn all_findings_are_reported_and_the_missing_last() {
    let parsed = parse("client\nverb x\nfoo\n");
    assert!(parsed.profile.is_none());
    assert_eq!(
        messages(&parsed),
        [
            "x.conf:2:6: verb: 'x' is not a number from 0 to 11",
            "x.conf:3:1: unrecognized option 'foo'",
            "x.conf: 'ca' is missing: the file of the certificate authorities that the peer's certificate is checked by",
            "x.conf: 'remote' is missing: a client needs 'remote HOST PORT'",
        ]
    );
    assert_eq!(messages(&parse("")), ["x.conf: this needs 'client', or 'server NETWORK NETMASK'"]);
}

#[test]
fn byte_order_mark_and_carriage_returns() {
    let text = format!("\u{feff}{}", client_with("verb 5\n").replace('\n', "\r\n"));
    assert_eq!(client(&text).1.log.verb, 5);
}

#[test]
fn remotes_take_what_they_do_not_say_from_port_and_proto() {
    let (client, _) = client(&client_with("remote b 443 tcp4\nremote c 53\nrport 2000\nproto udp6"));
    let remotes: Vec<_> =
        client.remotes.iter().map(|r| (r.host.as_str(), r.port, r.transport, r.family)).collect();
    assert_eq!(
        remotes,
        [
            ("vpn.example", 2000, Transport::Udp, Some(AddressFamily::V6)),
            ("b", 443, Transport::Tcp, Some(AddressFamily::V4)),
            ("c", 53, Transport::Udp, Some(AddressFamily::V6)),
        ]
    );
}

#[test]
fn what_a_client_binds_to() {
    let port = |more: &str| {
        client(&client_with(more)).0.remotes.remove(0).connection.bind.and_then(|bind| bind.port)
    };
    // Not at all, unless it is told to.
    assert_eq!(port(""), None);
    assert_eq!(port("nobind"), None);
    assert_eq!(port("port 53"), None);
    assert_eq!(port("bind"), Some(1194));
    assert_eq!(port("port 53\nbind"), Some(53));
    assert_eq!(port("lport 0"), None);
    assert_eq!(port("proto tcp"), None);
    assert_eq!(port("proto tcp\nlport 7"), Some(7));
}

#[test]
fn a_clients_ping_restart() {
    let timeout = |more: &str| client(&client_with(more)).0.session.ping_timeout;
    assert_eq!(timeout(""), None);
    assert_eq!(timeout("keepalive 5 30"), Some(PingTimeout { after: Duration::from_secs(30), exit: false }));
    assert_eq!(timeout("ping-exit 9"), Some(PingTimeout { after: Duration::from_secs(9), exit: true }));
    // Off is not the same as not said: the client has a default of its own.
    assert!(
        timeout("ping-restart 0").is_some_and(|timeout| timeout.after > Duration::from_secs(1_000_000_000))
    );
}

#[test]
fn logins() {
    let login = |more: &str| client(&client_with(more)).0.auth_user_pass;
    let AuthUserPass::Given(credentials) = login("auth-user-pass login.txt") else { panic!("no login") };
    assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("user", "pass word"));
    let AuthUserPass::Given(credentials) = login("<auth-user-pass>\nme\nsecret\n</auth-user-pass>") else {
        panic!("no login")
    };
    assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("me", "secret"));
    let (client, host) = client(&client_with("auth-user-pass login.txt\nauth-nocache"));
    assert!(matches!(client.auth_user_pass, AuthUserPass::Ask));
    assert_eq!(host.auth_user_pass_file.as_deref(), Some("login.txt"));
    assert!(
        findings("<auth-user-pass>\nme\n</auth-user-pass>")
            .contains(&"x.conf:8:1: auth-user-pass: line 2 is empty: it must be the password".to_string())
    );
}

#[test]
fn blocks_and_key_direction() {
    let (client, _) = client(&client_with("key-direction 1\n<tls-auth>\n# 2048 bit\nabc\n</tls-auth>\n"));
    let WrapConfig::TlsAuth { key, direction } = client.session.wrap else { panic!("no tls-auth") };
    assert_eq!((direction, key.first_line, key.text.as_slice()), (Some(1), 8, &b"# 2048 bit\nabc\n"[..]));
}

#[test]
fn relative_paths_begin_where_cd_says() {
    let (server, host) = server(&server_with("log a.log\nstatus /s\ncd /etc/openvpn/\n"));
    assert_eq!(&*server.session.tls.ca.unwrap().file, "/etc/openvpn/ca.crt");
    assert_eq!(host.log.target, LogTarget::Truncate("/etc/openvpn/a.log".into()));
    assert_eq!(host.status.unwrap().path, "/s");
}

#[test]
fn routes_of_the_profile() {
    let (_, host) = client(&client_with("route 10.1.0.0 255.255.0.0 net_gateway\nredirect-gateway def1\n"));
    assert_eq!(host.routes.ipv4[0].gateway, RouteAddress::NetGateway);
    assert!(host.routes.redirect_gateway.unwrap().def1);
}

#[test]
fn command_lines() {
    let args = |line: &str| Profile::from_args(&line.split(' ').collect::<Vec<_>>(), &mut read_file);
    let parsed =
        args("--client --dev tun --remote vpn.example 443 tcp --ca ca.crt --auth-user-pass --verb 4");
    assert_eq!(messages(&parsed), [""; 0]);
    assert_eq!(parsed.profile.unwrap().host.log.verb, 4);
    assert_eq!(
        messages(&args("--dev tun --verb x"))[0],
        "[CMD-LINE]:1:18: verb: 'x' is not a number from 0 to 11"
    );
    assert_eq!(
        messages(&args("dev tun"))[0],
        "[CMD-LINE]:1:1: 'dev' is not an option: options begin with --"
    );
    assert_eq!(
        messages(&args("missing.conf")),
        ["[CMD-LINE]:1:1: config: cannot read 'missing.conf': No such file or directory"]
    );
}

#[test]
fn a_command_line_names_a_file_and_overrides_it() {
    let mut files = |path: &str| match path {
        "server.conf" => Ok(server_with("verb 1\n").into_bytes()),
        _ => read_file(path),
    };
    let parsed = Profile::from_args(&["server.conf"], &mut files);
    assert_eq!(parsed.profile.unwrap().host.log.verb, 1);
    let parsed = Profile::from_args(&["--config", "server.conf", "--verb", "5"], &mut files);
    assert_eq!(messages(&parsed), [""; 0]);
    assert_eq!(parsed.profile.unwrap().host.log.verb, 5);
}

#[test]
fn includes_end_somewhere() {
    let mut files = |_: &str| Ok(b"config x.conf\n".to_vec());
    let parsed = Profile::parse("x.conf", b"config x.conf", &mut files);
    assert_eq!(messages(&parsed)[0], "x.conf:1:1: config: configurations are nested more than 10 deep");
}

#[test]
fn a_profile_without_files() {
    let text = "client\ndev tun\nremote x\n<ca>\nabc\n</ca>\nauth-user-pass\n";
    assert!(Profile::parse("x", text.as_bytes(), &mut NoFiles).profile.is_some());
}

#[test]
fn ciphers() {
    use crate::algorithm::Cipher::{Aes128Gcm, Aes256Gcm};
    let session = |more: &str| client(&client_with(more)).0.session;
    assert_eq!(session("data-ciphers aes-128-gcm:?NOPE:AES-128-GCM").data_ciphers, vec![Aes128Gcm]);
    assert_eq!(session("cipher AES-256-GCM").data_ciphers_fallback, Some(Aes256Gcm));
    assert_eq!(session("cipher AES-256-GCM\ndata-ciphers AES-128-GCM").data_ciphers_fallback, None);
    assert_eq!(session("cipher AES-256-CBC").data_ciphers_fallback, None);
    assert_eq!(session("data-ciphers-fallback BF-CBC").data_ciphers_fallback, None);
    assert_eq!(session("data-ciphers-fallback AES-128-GCM").data_ciphers_fallback, Some(Aes128Gcm));
}

proptest! {
    #[test]
    fn never_panics(lines in proptest::collection::vec(
        "(client|server|remote|<ca>|</ca>|verb|push|route|keepalive|tls-auth|cd|dev|proto|mssfix)?[ -~\t\"'\\\\é]{0,40}", 0..12,
    )) {
        let _ = parse(&lines.join("\n"));
    }

    #[test]
    fn never_panics_on_bytes(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Profile::parse("x", &text, &mut NoFiles);
    }
}

#[test]
fn whom_no_certificate_speaks_for_must_log_in() {
    let verifier = "auth-user-pass-verify /bin/true via-env\n";
    for (text, verifies) in [
        ("verify-client-cert require", false),
        (verifier, true),
        (&format!("{verifier}verify-client-cert optional"), true),
        (&format!("{verifier}verify-client-cert none"), true),
    ] {
        let (config, _) = server(&server_with(text));
        assert_eq!(config.verify_user_pass, verifies, "{text}");
    }
    for argument in ["optional", "none"] {
        let parsed = parse(&server_with(&format!("verify-client-cert {argument}")));
        assert!(parsed.profile.is_none(), "{argument}");
        let sentence = "verify-client-cert: clients without a certificate must log in, and there is no \
                        'auth-user-pass-verify' to verify it";
        assert!(parsed.diagnostics.iter().any(|found| found.message == sentence), "{:?}", parsed.diagnostics);
    }
}

#[test]
fn a_servers_addresses_are_set_once() {
    let by_hand = "mode server\ntls-server\ndev tun\nca ca.crt\ncert server.crt\nkey server.key\n";
    let parsed = |more: &str| parse(&format!("{by_hand}{more}"));
    let (config, _) = server(&format!(
        "{by_hand}ifconfig 10.9.0.1 255.255.255.0\nifconfig-pool 10.9.0.10 10.9.0.20\nifconfig-ipv6 fd00::1/64 fd00::2\n"
    ));
    let local = [10, 9, 0, 1].into();
    let other = crate::config::IfconfigOther::Subnet(24);
    assert_eq!(config.ifconfig, Some(crate::config::Ifconfig { local, other }));
    assert!(config.ifconfig_ipv6.is_some() && config.network.is_none());
    assert_eq!(
        messages(&parsed("ifconfig 10.9.0.1 10.9.0.2\n")),
        ["x.conf:7:1: ifconfig: under topology subnet, 10.9.0.2 is not a netmask"]
    );
    assert_eq!(
        messages(&parse(&server_with("ifconfig-pool 10.8.0.9 10.8.0.12\nifconfig 10.8.0.1 255.255.255.0\n"))),
        [
            "x.conf:6:1: ifconfig-pool: 'server' has a pool of its own: write 'server ... nopool', or leave this away",
            "x.conf:7:1: ifconfig: this has no effect: 'server' sets the server's address",
        ]
    );
    assert_eq!(
        messages(&parse(&server_with("auth-gen-token 0 60\n"))),
        ["x.conf:6:1: auth-gen-token: the renewal time must be at least twice hand-window, 120 seconds"]
    );
}
