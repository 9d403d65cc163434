//! The file of `ifconfig-pool-persist`, which anybody may have edited.

#![no_main]

use adit::config::{Lease, NamedText};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let (leases, warnings) = Lease::parse_all(&NamedText::file("ipp.txt", text));
    let lines = text.split(|&byte| byte == b'\n').count();
    assert!(leases.len() + warnings.len() <= lines);
    // What is written is read again.
    let written: String = leases.iter().map(|lease| format!("{lease}\n")).collect();
    let (again, warnings) = Lease::parse_all(&NamedText::file("ipp.txt", written.as_bytes()));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(leases, again);
});
