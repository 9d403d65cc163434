//! A command line, its words between zero bytes.

#![no_main]

use adit::config::{Profile, Severity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let args: Vec<&str> = text.split('\0').collect();
    let mut files = |path: &str| match path {
        "x.conf" => Ok(b"client\ndev tun\nremote vpn.example\n<ca>\nx\n</ca>\nauth-user-pass\n".to_vec()),
        _ => Ok(b"user\npassword\n".to_vec()),
    };
    let parsed = Profile::from_args(&args, &mut files);
    let failed = parsed.diagnostics.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(parsed.profile.is_none(), failed);
    for finding in &parsed.diagnostics {
        assert!(!finding.message.contains(char::is_control), "{finding:?}");
    }
});
