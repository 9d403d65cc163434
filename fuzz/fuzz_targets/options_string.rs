//! The options strings of two ends, separated by a line end: comparing them tells of nothing that is not there.

#![no_main]

use adit::wire::options_string::{cipher, comp_lzo, differences};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (ours, theirs) = text.split_once('\n').unwrap_or((text, ""));
    assert!(differences(ours, ours).is_empty());
    for difference in differences(ours, theirs) {
        assert!(difference.ours != difference.theirs || ours.matches(difference.name).count() > 1);
        assert!(!difference.to_string().is_empty());
    }
    assert!(cipher(theirs).is_none_or(|name| theirs.contains(name)));
    let _ = comp_lzo(theirs);
});
