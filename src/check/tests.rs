use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::config::{Profile, Severity};

/// 2026-11-28.
const NOW: UnixTime = UnixTime(1_795_824_000);

macro_rules! testdata {
    ($name:literal) => {
        include_bytes!(concat!("../tls/testdata/", $name)).to_vec()
    };
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    Ok(match path {
        "ca.crt" => testdata!("ca.crt"),
        "server.crt" => testdata!("server.crt"),
        "client.crt" => testdata!("client.crt"),
        "expired.crt" => testdata!("expired.crt"),
        "sha1.crt" => testdata!("sha1.crt"),
        "key" => testdata!("rsa.key"),
        "other.key" => testdata!("p256.key"),
        "ta.key" => {
            crate::crypto::emit_static_key(&crate::crypto::KeyBlock::new([7; 256])).as_bytes().to_vec()
        }
        _ => return Err("No such file or directory".into()),
    })
}

fn findings(text: &str) -> Vec<String> {
    let parsed = Profile::parse("x.conf", text.as_bytes(), &mut read);
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let severity =
        |finding: &Diagnostic| if finding.severity == Severity::Error { "error" } else { "warning" };
    check(&parsed, NOW, &crypto).iter().map(|finding| format!("{} {finding}", severity(finding))).collect()
}

/// What is found in `more`, which begins on line 9 of a server's configuration that is in order.
fn server(more: &str) -> Vec<String> {
    findings(&format!(
        "server 10.8.0.0 255.255.255.0\ntopology subnet\ndev tun\nkeepalive 10 60\nca ca.crt\ncert server.crt\n\
         key key\nremote-cert-tls client\n{more}"
    ))
}

/// The same of a client's, where it begins on line 8.
fn client(more: &str) -> Vec<String> {
    findings(&format!(
        "client\ndev tun\nremote vpn.example\nca ca.crt\ncert client.crt\nkey key\nremote-cert-tls server\n{more}"
    ))
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(server(""), [""; 0]);
    assert_eq!(client(""), [""; 0]);
}

/// A word that a hostile or careless hand may have written.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("route".to_owned()),
        Just("route-ipv6".to_owned()),
        Just("dhcp-option DNS".to_owned()),
        Just("dns server 0 address".to_owned()),
        Just("redirect-gateway !ipv4 ipv6".to_owned()),
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
        "[0-9a-f:]{1,12}/[0-9]{1,3}",
        "\\PC{0,12}",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(lines in prop::collection::vec((0..6_usize, prop::collection::vec(word(), 0..4)), 0..8)) {
        let names = ["push", "server", "server-ipv6", "management", "compress", "topology"];
        let text: String = lines
            .iter()
            .map(|(name, words)| match names[*name] {
                "push" => format!("push \"{}\"\n", words.join(" ")),
                name => format!("{name} {}\n", words.join(" ")),
            })
            .collect();
        for finding in findings(&text) {
            prop_assert!(!finding.contains(char::is_control), "{finding:?}");
        }
    }
}

/// Exactly one finding, which begins so.
fn one(found: &[String], start: &str) {
    assert!(found.len() == 1 && found[0].starts_with(start), "{start}: {found:#?}");
}

#[test]
fn weak_and_obsolete_settings() {
    for (more, start) in [
        ("comp-lzo", "warning x.conf:9:1: comp-lzo: nothing is compressed"),
        ("script-security 3", "warning x.conf:9:1: script-security: passwords go into the environment"),
        ("duplicate-cn", "warning x.conf:9:1: duplicate-cn: who copies"),
        ("management localhost 7505", "warning x.conf:9:1: management: every user of this machine"),
        ("management 192.0.2.1 7505", "warning x.conf:9:1: management: whoever reaches 192.0.2.1"),
        ("tls-auth ta.key", "warning ta.key:1: there is no key direction"),
        (
            "script-security 2\nauth-user-pass-verify /bin/true via-file\nverify-client-cert optional",
            "warning x.conf:11:1: verify-client-cert: a password alone",
        ),
    ] {
        one(&server(more), start);
    }
    assert_eq!(
        server("management /run/m.sock unix\nmanagement-hold\ntls-auth ta.key 0\ncompress stub"),
        [""; 0]
    );
    one(&client("ns-cert-type server"), "warning x.conf:8:1: ns-cert-type: few certificates");
    let net30 = "server 10.8.0.0 255.255.255.0\ntopology net30\ndev tun\nkeepalive 10 60\nca ca.crt\ncert server.crt\nkey key\n";
    one(&findings(net30), "warning x.conf:2:1: topology: this takes four addresses");
    let neither = net30.replace("topology net30\n", "").replace("keepalive 10 60\n", "");
    let found = findings(&neither);
    assert!(found[0].contains("server: there is no 'topology'"), "{found:?}");
    assert!(found[1].contains("server: there is no 'keepalive'"), "{found:?}");
}

#[test]
fn a_client_that_takes_any_certificate_of_the_ca() {
    let text = "client\ndev tun\nremote vpn.example\nca ca.crt\ncert client.crt\nkey key\n";
    one(&findings(text), "warning x.conf:4:1: ca: every client of this CA could pose as the server");
    assert_eq!(findings(&format!("{text}verify-x509-name server name")), [""; 0]);
}

#[test]
fn dns_servers_that_no_route_leads_to() {
    let push = |address: &str| format!("push \"dhcp-option DNS {address}\"");
    one(
        &server(&push("10.0.0.2")),
        "warning x.conf:9:6: push: no pushed route leads to the DNS server 10.0.0.2",
    );
    for covered in [
        push("10.8.0.1"),
        format!("{}\npush \"route 10.0.0.0 255.255.0.0\"", push("10.0.0.2")),
        format!("push \"redirect-gateway def1\"\n{}", push("8.8.8.8")),
        "push \"dns server 0 address 10.8.0.1\"".into(),
    ] {
        assert_eq!(server(&covered).iter().filter(|finding| finding.contains("DNS")).count(), 0, "{covered}");
    }
    for bare in [
        format!("push \"redirect-gateway !ipv4\"\n{}", push("8.8.8.8")),
        format!("push \"route 10.0.0.0 255.255.0.0 net_gateway\"\n{}", push("10.0.0.2")),
        "server-ipv6 fd00::/64\npush \"dns server 0 address fd01::1\"".into(),
    ] {
        let found = server(&bare);
        assert!(found.iter().any(|finding| finding.contains("no pushed route leads")), "{bare}: {found:?}");
    }
}

#[test]
fn networks_that_do_not_fit() {
    let found = findings(
        "server 10.0.255.0 255.255.255.0\ntopology subnet\ndev tun\nkeepalive 10 60\nca ca.crt\ncert server.crt\n\
         key key\npush \"route 10.0.0.0 255.255.0.0\"\n",
    );
    one(&found, "warning x.conf:1:8: server: the clients' network 10.0.255.0/24 lies within 10.0.0.0/16");
    one(
        &server("push \"route 10.8.0.128 255.255.255.128\""),
        "warning x.conf:9:6: push: 10.8.0.128/25 lies within",
    );
    one(
        &server("push \"route 192.168.1.0 255.255.255.0\""),
        "warning x.conf:9:6: push: 192.168.1.0/24 is what",
    );
    assert_eq!(server("push \"route 172.16.0.0 255.240.0.0\""), [""; 0]);
}

#[test]
fn pushed_options_that_no_client_takes() {
    one(
        &server("push \"rout 10.1.0.0\""),
        "warning x.conf:9:6: push: clients do not know 'rout': did you mean 'route'?",
    );
    one(
        &server("push \"route 10.1.0.0 255.0.255.0\""),
        "warning x.conf:9:6: push: 'route 10.1.0.0 255.0.255.0': ",
    );
    assert_eq!(server("push \"dhcp-option DISABLE-NBT\"\npush \"block-outside-dns\""), [""; 0]);
}

#[test]
fn certificates_and_keys() {
    let text = |cert: &str, key: &str| {
        format!(
            "client\ndev tun\nremote vpn.example\nca ca.crt\nremote-cert-tls server\ncert {cert}\nkey {key}\n"
        )
    };
    let found = findings(&text("expired.crt", "key"));
    one(&found, "warning expired.crt:1: the certificate (CN=expired) expired on ");
    one(
        &findings(&text("sha1.crt", "key")),
        "warning sha1.crt:1: the certificate (CN=sha1) is signed with SHA-1",
    );
    let found = findings(&text("client.crt", "other.key"));
    assert!(found[0].starts_with("error ") && found[0].contains("other.key"), "{found:?}");
    // Two things at once.
    let found = findings(&text("client.crt", "other.key").replace("ca ca.crt", "ca other.key"));
    assert_eq!(found.iter().filter(|finding| finding.starts_with("error ")).count(), 2, "{found:?}");
    // In spite of an error elsewhere.
    let found = findings(&(text("expired.crt", "key") + "verbose 3\n"));
    assert!(found[0].contains("unrecognized option 'verbose'"), "{found:?}");
    assert!(found[1].contains("expired on"), "{found:?}");
}

#[test]
fn a_bad_line_within_a_block_is_named() {
    let certificate = String::from_utf8(testdata!("ca.crt")).unwrap();
    let lines: Vec<&str> = certificate.lines().collect();
    let damaged = format!("{}\n{}\n", lines[..4].join("\n"), "M?II");
    let text = format!(
        "client\ndev tun\nremote vpn.example\nremote-cert-tls server\nauth-user-pass\n<ca>\n{damaged}{}\n</ca>\n",
        lines[5..].join("\n")
    );
    one(&findings(&text), "error x.conf:11:2: '?' is no character of base64 in the CERTIFICATE block");
}

#[test]
fn certificates_of_the_published_samples_are_known() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "OpenVPN-TEST");
    let sample = params.self_signed(&key).unwrap().pem();
    let text = format!(
        "client\ndev tun\nremote vpn.example\nremote-cert-tls server\nauth-user-pass\n<ca>\n{sample}</ca>\n"
    );
    one(
        &findings(&text),
        "warning x.conf:7: the certificate (CN=rcgen self signed cert, O=OpenVPN-TEST) is one of the",
    );
}
