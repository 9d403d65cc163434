//! A configuration file with its inline blocks and includes, out of the hands of a stranger.

#![no_main]

use std::sync::{Arc, LazyLock};

use adit::UnixTime;
use adit::config::{Diagnostic, Profile, Severity};
use libfuzzer_sys::fuzz_target;
use rustls::crypto::CryptoProvider;

static CRYPTO: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

fuzz_target!(|text: &[u8]| {
    let mut read = 0;
    let mut files = |path: &str| {
        read += 1;
        match path {
            // The text includes itself, a few times.
            "self" if read < 4 => Ok(text.to_vec()),
            _ if path.contains("missing") => Err("No such file or directory".into()),
            _ => Ok(b"user\npassword\n".to_vec()),
        }
    };
    let parsed = Profile::parse("fuzz.conf", text, &mut files);
    let is_error = |finding: &Diagnostic| finding.severity == Severity::Error;
    assert_eq!(parsed.profile.is_none(), parsed.diagnostics.iter().any(is_error));
    for finding in adit::check(&parsed, UnixTime(1_800_000_000), &CRYPTO) {
        assert!(!finding.message.is_empty() && !finding.message.contains(char::is_control), "{finding:?}");
    }
});
