//! A static key file: a key, or one finding with a place in the file.

#![no_main]

use adit::config::NamedText;
use adit::crypto::parse_static_key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let lines = text.split(|&byte| byte == b'\n').count() as u32;
    if let Err(diagnostic) = parse_static_key(&NamedText::file("fuzz.key", text)) {
        assert!((1..=lines).contains(&diagnostic.position.line));
        assert!(!diagnostic.message.contains('\n'));
    }
});
