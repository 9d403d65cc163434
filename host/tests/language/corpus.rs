//! Configurations that people wrote, mutations of them, and lines by hand for what chance seldom finds.

use std::fs;
use std::path::Path;

use crate::case::Case;
use crate::random::Random;
use crate::stock::Version;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
const SAMPLES: &str = "/usr/share/doc/openvpn/examples/sample-config-files";

/// How many mutations of each text.
const MUTATIONS: usize = 12;

/// A sound client.
pub(crate) const CLIENT: &str = "client\ndev tun\nremote vpn.example\nca ca.crt\nauth-user-pass\n";
/// A sound server.
pub(crate) const SERVER: &str = "server 10.8.0.0 255.255.255.0\ndev tun\ntopology subnet\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n";

/// Behind a sound client.
const CLIENT_LINES: &[&str] = &[
    // Divergences of the list.
    "verb 4x",
    "resolv-retry soon",
    "script-security -1",
    "x509-track CN",
    "dev tap0",
    "vlan-pvid 1",
    "secret ta.key",
    "no-replay",
    "management 127.0.0.1 7505\nmanagement-external-key\nmanagement-external-cert x",
    "capath crls",
    "shaper 1000",
    "fragment 1300",
    "link-mtu 1500",
    "tun-mtu-extra 32",
    "client-nat snat 10.64.0.0 255.255.0.0 10.7.0.0",
    "crl-verify crls dir",
    "compress migrate",
    "auth-token abc",
    "rport http",
    "remote \"\"",
    "user \"\"",
    "route 10.0.0.0 255.0.255.0",
    "route-ipv6 fd09::/129",
    "allow-pull-fqdn\nroute-gateway gw.example",
    "dhcp-option UNHEARD x",
    "route-gateway dhcp",
    "dhcp-option DNS x",
    "dns server 1 address 192.0.2.53\ndns server 1 sni dns.example\ndns server 1 dnssec yes\ndns search-domains a.example",
    "connect-timeout 0",
    "bind x",
    "max-routes-per-client 0",
    "disable-dco x",
    "tun-mtu 68",
    "max-packet-size 100",
    "auth X",
    "cipher X",
    "data-ciphers-fallback X",
    "setenv a b",
    "setenv PUSH_PEER_INFO",
    "push \"\"",
    "<max-routes>\n</max-routes>",
    "ifconfig-ipv6 fd07::1 fd07::2",
    "ifconfig-ipv6 fd07::1/63 fd07::2",
    "replay-persist missing/replay.id",
    "compat-mode 2.3.6",
    "compat-names",
    "windows-driver wintun",
    "block-outside-dns",
    "data-ciphers AES-256-GCM:AES-256-CBC",
    "<connection>\nremote other.example\nmssfix 1400\nmtu-disc yes\n</connection>",
    "mtu-disc yes\n<connection>\nremote other.example\n</connection>\nmtu-disc no",
    "tls-version-min 1.0",
    "tls-version-max 1.1",
    "tls-version-min 1.4 or-highest",
    "tls-version-min 1.2 x",
    "mssfix 70000",
    "mssfix 153",
    "mssfix 154",
    "keepalive 50000 100000",
    "data-ciphers DEFAULT",
    "dhcp-option DNS 192.0.2.1 192.0.2.2",
    "route-ipv6 fd09::/32 x",
    "dev other",
    "dev tun0123456789abcdef",
    "dev-type x",
    "proto tcp6-server",
    "<auth-user-pass>\nuser\n</auth-user-pass>",
    "<disable-dco>\n</disable-dco>",
    "<connection>\nremote other.example\ncompat-mode 2.6.0\n</connection>",
    "<connection>\nremote other.example\nproviders default\n</connection>",
    "providers nonsense",
    "setenv opt http-proxy 192.0.2.9",
    "setenv a-b 1",
    "compat-mode 2.3.6\ncipher X",
    "setenv opt auth-user-pass a b",
    "setenv opt no-replay x",
    "setenv FORWARD_COMPATIBLE 1\nverify-x509-name \"\"",
    "auth none\n<connection>\nremote other.example\ntls-auth ta.key 1\n</connection>",
    "data-ciphers AES-256-CBC",
    "data-ciphers none",
    "<connection>\nremote other.example\ntun-ipv6\n</connection>",
    "ifconfig 10.7.0.1 10.7.0.1",
    "setenv FORWARD_COMPATIBLE 1\ndns x",
    "setenv FORWARD_COMPATIBLE 1\ndev tun stray",
    "tls-verify ./run.sh\nchroot jail",
    "nice 20",
    "dns server -128 address 192.0.2.53\ndns server 127 address 192.0.2.54",
    "down ./run.sh\ncd sub\nca ca.crt",
    "management /tmp/adit.sock unix\nmanagement 127.0.0.1 7505\nmanagement-client-user nobody",
    "ipchange ./run.sh,a\ntls-verify ./run.sh,b,c",
    "dev-node 'a\tb'",
    "socket-flags TCP_NODELAY",
    "setenv opt ignore-unknown-option nonsense\nnonsense a b",
    "setenv FORWARD_COMPATIBLE 1\n<client-nat>\n</client-nat>\n<management-query-proxy>\n</management-query-proxy>",
    "management 127.0.0.1 7505\nmanagement-client-user nobody",
    "management 127.0.0.1 7505\nmanagement-client-group nogroup",
    "management /tmp/adit.sock unix\nmanagement-client-user nobody\nmanagement-client-group nogroup",
    "lport 5000\n<connection>\nremote other.example\nnobind\n</connection>",
    "<connection>\nremote other.example\n</connection>\nnobind\nlport 5000",
    "<connection>\nremote other.example\n</connection>\nnobind\nbind\nlocal 192.0.2.1",
    "ping 100000",
    "reneg-bytes 4294967296\nreneg-pkts 4294967296",
    "<auth-user-pass>\nuser\npassword\n</auth-user-pass>\nauth-user-pass",
    "extra-certs missing.crt",
    "replay-window 65536 600",
    "verb 12",
    "hash-size 256 256",
    // The words of a line.
    "setenv ab 1 2",
    "setenv opt nonsense a b c",
    "setenv opt",
    "setenv opt verb",
    "setenv opt verb x",
    "ignore-unknown-option a b --c\na\nb 1 2\nc\nd",
    "setenv FORWARD_COMPATIBLE 1\nnonsense\nverb\nmssfix 1 2 3",
    "setenv GENERIC_CONFIG x",
    "setenv CLIENT_CERT 0\nsetenv UV_ID 5\nsetenv IV_SSO crtext",
    "--nice 5\n----nice 6",
    "\"nice\" '7'",
    "nice 1\nnice 2\nnice -3",
    "echo a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "tls-cipher a\\ b\ndev-node \"c\\\"d\\\\\"",
    "user no-such-user\ngroup no-such-group",
    // Blocks.
    "<ca>\nx\n</ca>\n<ca>\ny\n</ca>",
    "<ca>\nx\n  </ca> # end\nnice 5",
    "<ca>\nx\n</cax\n</ca",
    "<tls-auth>\nx\n</tls-auth>\nkey-direction 1",
    "key-direction 1\n<tls-crypt>\nx\n</tls-crypt>",
    "tls-auth ta.key 1\n<connection>\nremote other.example\n<tls-crypt>\nx\n</tls-crypt>\n</connection>",
    "<connection>\nremote other.example\ntls-auth ta.key 0\n</connection>\ntls-crypt tc.key\n<connection>\nremote b.example 53 udp6\n</connection>",
    "<connection>\n<connection>\nremote x\n</connection>\n</connection>",
    "<connection>\nremote x\nverb 3\n</connection>",
    "<connection>\n</connection>",
    "<connection>\nport 443\nremote x\nproto tcp-client\nremote y 80 udp\n</connection>\nport 7\nproto udp6",
    "<verb>\n4\n</verb>",
    "<nonsense>\nx\n</nonsense>",
    "ignore-unknown-option nonsense\n<nonsense>\nverb x\n</nonsense>\nnice 3",
    "persist-key\ntls-auth ta.key 1",
    // What belongs together.
    "http-proxy 192.0.2.9 8080\nproto tcp",
    "http-proxy 192.0.2.9 8080 login.txt basic\nhttp-proxy-option AGENT x\nhttp-proxy-option CUSTOM-HEADER a b\nproto tcp",
    "http-proxy 192.0.2.9 8080 auto\nproto tcp\nauth-nocache\nhttp-proxy-option VERSION 1.1",
    "socks-proxy 192.0.2.9\nproto tcp",
    "socks-proxy 192.0.2.9 1081 login.txt",
    "http-proxy 192.0.2.9 8080\nsocks-proxy 192.0.2.9\nproto tcp",
    "remote a.example 1 tcp6-client\nremote b.example 2 udp4\nremote-random\nconnect-retry 3 9\nproto-force udp",
    "port 5\nlport 6\nrport 7",
    "lport 6\nport 5",
    "nobind\nport 5",
    "nobind\nlport 5",
    "local 192.0.2.1\nbind ipv6only",
    "mssfix 1300 mtu\nmax-packet-size 600\nmssfix",
    "max-packet-size 600\nmssfix 1200 fixed\nmssfix 0",
    "keepalive 10 60\nping 0\nping-restart 0",
    "ping-exit 9\nping-restart 0",
    "comp-lzo\ncompress lz4\nallow-compression asym",
    "allow-compression no\ncomp-lzo",
    "allow-compression no\nallow-compression yes",
    "compress stub-v2\ncomp-noadapt",
    "replay-window 128 30\nreplay-window 64",
    "route-delay 5 60\nroute-delay 7",
    "tls-auth ta.key\ntls-crypt tc.key",
    "cd sub\nca ca.crt\ntls-auth ta.key 1",
    "cd sub\nca server.crt",
    "config missing.conf",
    "cert client1.crt",
    "pull-filter accept \"route 10.\"\npull-filter ignore route\npull-filter reject \"\"",
    "redirect-gateway def1 local\nredirect-gateway ipv6 !ipv4",
    "server 10.8.0.0 255.255.255.0",
    "tls-server",
    "mode server",
    "management 127.0.0.1 7505 login.txt\nmanagement-hold\nmanagement-query-passwords\nmanagement-signal",
    "management /tmp/adit.sock unix\nmanagement 127.0.0.1 7505\nmanagement-log-cache 7",
];

/// Behind a sound server.
const SERVER_LINES: &[&str] = &[
    "redirect-gateway ipv6 !ipv4",
    "dhcp-option DNS6 2001:db8::53",
    "dev null",
    "management 127.0.0.1 7505\nmanagement-client-auth\nauth-user-pass-optional",
    "setenv opt auth-user-pass a b",
    "proto tcp\nconnect-freq x y",
    "setenv FORWARD_COMPATIBLE 1\nclient-connect ./run.sh -x",
    "setenv FORWARD_COMPATIBLE 1\n<auth-user-pass-verify>\n</auth-user-pass-verify>",
    "opt-verify\nallow-compression yes",
    "proto tcp\nport-share 127.0.0.1 4443",
    "explicit-exit-notify 3",
    "auth-gen-token-secret missing.key",
    "username-as-common-name\nauth-user-pass-optional",
    "verify-client-cert none",
    "auth-gen-token 0 300 external-auth\nreneg-sec 0",
    "auth-gen-token 0 30",
    "auth-user-pass-verify ./run.sh via-file\nverify-client-cert optional\nusername-as-common-name\nauth-user-pass-optional",
    "server-ipv6 fd08::1/64",
    "server-ipv6 fd08::/112\nifconfig-pool-persist ipp.txt 0",
    "server 10.8.0.0 255.255.255.0 nopool\nifconfig-pool 10.8.0.10 10.8.0.20",
    "ifconfig-pool 10.8.0.10 10.8.0.20",
    "topology net30",
    "topology net30\nclient-to-client",
    "topology p2p\nserver 10.8.0.0 255.255.255.248",
    "topology p2p\nserver 10.8.0.0 255.255.0.0\nserver-ipv6 fd08::/64",
    "keepalive 10 60\ntcp-nodelay\npush \"route 10.0.0.0 255.0.0.0\"\npush-peer-info",
    "push \"a,b\"",
    "push a b",
    "push \"echo 'x y' \\\"z\\\"\"",
    "route-gateway 10.8.0.77",
    "route 10.7.0.0 255.255.0.0\nroute 10.6.0.1",
    "proto tcp6",
    "proto tcp-server\nmultihome",
    "connect-freq 10 20\nconnect-freq-initial 5 5\nmax-clients 7\nmax-routes-per-client 9",
    "client-config-dir ccd\nccd-exclusive\nclient-connect \"./run.sh a b\"\ntmp-dir sub",
    "ccd-exclusive",
    "remote x",
    "nobind",
    "chroot jail\nclient-config-dir ccd",
    "ifconfig 10.8.0.1 255.255.255.0",
    "bcast-buffers 1\ntcp-queue-limit 2\nhash-size 3 4\nstale-routes-check 60",
];

/// What 2.6 does not know, behind a sound client and a sound server.
const NEWER_CLIENT_LINES: &[&str] = &[
    "<connection>\nremote other.example\nlocal 192.0.2.7\n</connection>",
    "local 192.0.2.1 1195",
    "local * 1195",
    "local 192.0.2.1 1195\nlocal 192.0.2.2 1195",
    "dns-updown ./run.sh",
    "dns-updown disable",
    "dns-updown force",
    "dns-updown",
    "dns-updown ./missing.sh",
    "static-challenge x 1 concat",
    "auth-user-pass username-only",
    "auth-user-pass login.txt username-only",
    "route-table 7",
    "tls-crypt-v2-max-age 7",
    "allow-deprecated-insecure-static-crypto",
    "data-ciphers DEFAULT:AES-256-CBC",
    "data-ciphers AES-256-GCM:DEFAULT",
    "data-ciphers DEFAULT:AES-256-GCM",
    "data-ciphers default",
    "tun-mtu 100",
    "tun-mtu 99",
    "verb -1",
    "persist-key\nfast-io\nopt-verify",
    "no-replay",
    "secret ta.key",
    "key-direction 1\ntls-crypt tc.key",
    "proto tcp\nhttp-proxy 192.0.2.9 8080 auto\nhttp-proxy-option VERSION 1.0",
    "route 10.9.0.0 255.255.0.0 vpn_gateway 5\nroute-ipv6 fd09::/32",
    "dns server 1 address 192.0.2.53\ndns server 1 resolve-domains a.example\ndns server 1 transport DoT",
    "dns server 128 address 192.0.2.53",
    "push-update-x",
    "reneg-bytes -1",
    "replay-window 65537",
    "compress migrate",
    "comp-lzo",
    "allow-compression yes",
    "keepalive 86400 86400",
    "connect-retry 1 2",
    "connect-timeout 0",
    "ping-restart 86400\nping 86400",
    "hand-window 0",
];

const NEWER_SERVER_LINES: &[&str] = &[
    "local 192.0.2.1 1195 tcp\nlocal * 1196 udp6",
    "local 192.0.2.1\nlocal 127.0.0.1",
    "local 192.0.2.1 1195 sctp",
    "local 192.0.2.1 http",
    "local 192.0.2.1 1195 udp x",
    "override-username x",
    "tls-crypt-v2-max-age 7",
    "topology",
    "topology net30",
    "keepalive 43200 86400",
    "keepalive 10 43200",
    "keepalive 10 43201",
    "max-clients 16777215",
    "auth-gen-token 300 600",
    "client-connect missing.sh",
    "hash-size 64 64",
    "route-table 7",
    "ifconfig-pool-persist ipp.txt 30",
    "connect-freq-initial 10x 5",
    "bcast-buffers 0",
    "push-remove route",
];

/// Whole configurations.
const TEXTS: &[&str] = &[
    "",
    "client\nremote vpn.example\nca ca.crt\nauth-user-pass\n",
    "dev-type tap\nserver 10.8.0.0 255.255.255.252\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev-type tap\ndev tap0\nserver 10.8.0.0 255.255.255.252\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev tun\ntls-server\nca ca.crt\ncert server.crt\nkey server.key\ndh none\ndata-ciphers AES-256-CBC\n",
    "dev null\nmode server\ntls-server\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "tls-client\npull\ndev tun\nremote vpn.example 443 tcp\nca ca.crt\nauth-user-pass\n",
    "dev tun\n",
    "dev tun\nifconfig 10.0.0.1 10.0.0.2\nremote x\n",
    "client\ndev tun\nca ca.crt\nauth-user-pass\nbind\n",
    "dev tun\nifconfig 10.0.0.1 10.0.0.2\nremote x\nsecret ta.key\n",
    "dev tun\ntls-client\nca ca.crt\ncert client1.crt\nkey client1.key\nremote x\n",
    "dev tun\nmode server\ntls-server\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev tun\nserver 10.8.0.0 255.255.255.0\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev tun\nmode server\ntls-server\nifconfig 10.8.0.1 255.255.255.0\nifconfig-pool 10.8.0.9 10.8.0.12 255.255.255.0\n\
     ca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev tun\nmode server\ntls-server\ntopology subnet\nifconfig-pool 10.8.0.9 10.8.0.12 255.255.255.0\n\
     ifconfig-pool 10.8.0.9 10.8.0.12\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
    "dev tun\nmode server\ntls-server\nifconfig 10.8.0.1 10.8.0.2\ntopology subnet\nca ca.crt\ncert server.crt\n\
     key server.key\ndh none\n",
    "dev tun\nserver 10.8.0.0 255.255.255.0\ntopology subnet\nca ca.crt\ncert server.crt\nkey server.key\n",
    "dev tun\nmode server\ntls-server\nifconfig-ipv6 fd08::1/64 fd08::2\nifconfig-ipv6-pool fd08::100/64\nproto tcp\n\
     ifconfig 10.8.0.1 255.255.255.0\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n",
];

/// Command lines.
const COMMAND_LINES: &[&[&str]] = &[
    &["x.conf"],
    &["--config", "x.conf", "--nice", "4", "--remote", "b.example", "2"],
    &["--nice", "4", "--config", "x.conf"],
    &["--config", "x.conf", "stray"],
    &["--config", "x.conf", "--"],
    &["--config", "x.conf", "---nice", "4"],
    &["--config", "x.conf", "--setenv", "opt", "nonsense"],
    &[
        "--config", "x.conf", "--echo", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
        "14", "15",
    ],
    &[
        "--config", "x.conf", "--echo", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
        "14", "15", "16",
    ],
    &["--cd", "sub", "--config", "../x.conf"],
    &["--config", "missing.conf"],
    &["--config", "x.conf", "--config", "x.conf"],
];

/// All of them.
pub(crate) fn cases(version: Version) -> Vec<Case> {
    let mut cases = Vec::new();
    let with =
        |base: &str, lines: &&str| Case::of_text(format!("by hand: {lines}"), format!("{base}{lines}\n"));
    cases.extend(CLIENT_LINES.iter().map(|lines| with(CLIENT, lines)));
    cases.extend(SERVER_LINES.iter().map(|lines| with(SERVER, lines)));
    if version == Version::Seven {
        cases.extend(NEWER_CLIENT_LINES.iter().map(|lines| with(CLIENT, lines)));
        cases.extend(NEWER_SERVER_LINES.iter().map(|lines| with(SERVER, lines)));
    }
    cases.extend(TEXTS.iter().map(|text| Case::of_text("by hand", *text)));
    for args in COMMAND_LINES {
        let args = args.iter().map(ToString::to_string).collect();
        cases.push(Case { args, ..Case::of_text("by hand", CLIENT) });
    }
    cases.extend(
        bytes().into_iter().map(|text| Case::of_text("by hand", [CLIENT.as_bytes(), &text].concat())),
    );
    let written = [FIXTURES, SAMPLES].map(|folder| texts_in(Path::new(folder))).concat();
    assert!(written.len() > 5, "there are no fixtures in {FIXTURES}");
    for (name, text) in written {
        for n in 0..MUTATIONS {
            let mut random = Random::new(n as u64 ^ text.len() as u64);
            let text = if n == 0 { text.clone() } else { mutated(&mut random, &text) };
            cases.push(Case::of_text(format!("{name}, mutation {n}"), text));
        }
    }
    cases
}

/// Lines at the edges of lengths, and bytes that are no text.
fn bytes() -> Vec<Vec<u8>> {
    let line = |length: usize| [b"tls-cipher ", "x".repeat(length - 12).as_bytes(), b"\n"].concat();
    vec![
        line(255),
        line(256),
        line(257),
        line(600),
        line(255)[..254].to_vec(),
        [b"# ", "x".repeat(300).as_bytes(), b"\n"].concat(),
        b"# f\xFCr\nnice 5\n".to_vec(),
        b"dev-node \xFC\n".to_vec(),
        b"nice 5\0 6\n".to_vec(),
        b"nice\x0b5\x0c\n".to_vec(),
        b"dev-node \"x\\\n".to_vec(),
        b"dev-node x\\\n".to_vec(),
        b"\xEF\xBB\xBFnice 5\n".to_vec(),
    ]
}

/// The configurations below the folder, with their names.
fn texts_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        if path.is_dir() {
            texts.extend(texts_in(&path));
        } else if path.extension().is_some_and(|ending| ending == "conf" || ending == "ovpn") {
            // Directives that would have OpenVPN write elsewhere, or say less.
            let harmless = |line: &&str| {
                let name = line.split_whitespace().next().unwrap_or_default();
                !["log", "log-append", "daemon", "syslog", "mute", "writepid", "plugin"].contains(&name)
            };
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let text: String = text.split_inclusive('\n').filter(harmless).collect();
            texts.push((path.display().to_string(), text.into_bytes()));
        }
    }
    texts
}

/// A line taken out, doubled or moved; a word changed; a byte lost.
fn mutated(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let said: Vec<usize> = (0..lines.len())
        .filter(|&n| !matches!(lines[n].trim_ascii_start().first(), None | Some(b'#' | b';')))
        .collect();
    for _ in 0..1 + random.below(2) {
        if said.is_empty() || lines.is_empty() {
            break;
        }
        let n = random.pick(&said).min(lines.len() - 1);
        match random.below(6) {
            0 => drop(lines.remove(n)),
            1 => lines.insert(n, lines[n].clone()),
            2 => {
                let line = lines.remove(n);
                lines.insert(random.below(lines.len() + 1), line);
            }
            3 => lines[n].retain(|_| !random.one_in(20)),
            4 => lines[n].splice(0..0, *b"setenv opt ").for_each(drop),
            _ => {
                let end =
                    lines[n].iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
                lines[n].splice(end..end, random.pick(&[*b" x", *b" 0", *b" \"", *b"\\ "])).for_each(drop);
            }
        }
    }
    lines.concat()
}
