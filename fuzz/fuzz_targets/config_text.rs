//! A configuration file with its inline blocks.

#![no_main]

use adit::config::{Profile, lexer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let parsed = Profile::parse("fuzz.conf", text, &mut |_: &str| Ok(b"user\npassword\n".to_vec()));
    assert!(parsed.profile.is_some() || !parsed.diagnostics.is_empty());

    // The words of a line are the same again when they are quoted and split once more.
    for line in core::str::from_utf8(text).unwrap_or_default().lines() {
        let Ok(words) = lexer::split(line) else { continue };
        let quoted: Vec<_> = words.iter().map(|word| lexer::quote(&word.text)).collect();
        let again = lexer::split(&quoted.join(" ")).expect("what was quoted can be split");
        assert!(words.iter().map(|word| &word.text).eq(again.iter().map(|word| &word.text)));
    }
});
