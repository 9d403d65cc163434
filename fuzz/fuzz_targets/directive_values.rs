//! Directives with any values, in a profile that is sound without them: a client's or a server's, by the first byte.

#![no_main]

use adit::config::{Profile, RoleConfig, Severity};
use libfuzzer_sys::fuzz_target;

const CLIENT: &[u8] = b"client\ndev tun\nremote vpn.example\nca ca.crt\nauth-user-pass login.txt\n";
const SERVER: &[u8] =
    b"server 10.8.0.0 255.255.255.0\ndev tun\nca ca.crt\ncert server.crt\nkey server.key\ndh none\n";

fuzz_target!(|input: &[u8]| {
    let Some((&role, lines)) = input.split_first() else { return };
    let base = if role & 1 == 0 { CLIENT } else { SERVER };
    let text = [base, lines].concat();
    let parsed = Profile::parse("fuzz.conf", &text, &mut |_: &str| Ok(b"user\npassword\n".to_vec()));
    let failed = parsed.diagnostics.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(parsed.profile.is_none(), failed);
    for finding in &parsed.diagnostics {
        assert!(!finding.message.contains(char::is_control), "{finding:?}");
    }
    // What an engine relies on.
    if let Some(profile) = parsed.profile {
        let session = match &profile.role {
            RoleConfig::Client(client) => &client.session,
            RoleConfig::Server(server) => &server.session,
        };
        assert!(!session.data_ciphers.is_empty());
        assert!(session.tun_mtu >= 68 && session.max_packet_size >= 154);
        assert!(!session.tls_timeout.is_zero() && !session.hand_window.is_zero());
    }
});
