//! A configuration file with its inline blocks and includes, out of the hands of a stranger.

#![no_main]

use adit::config::{Diagnostic, Profile, Severity};
use libfuzzer_sys::fuzz_target;

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
    for finding in &parsed.diagnostics {
        assert!(!finding.message.is_empty() && !finding.message.contains(char::is_control), "{finding:?}");
    }
});
