//! Peer info: the lines that are kept are written and read back alike.

#![no_main]

use adit::wire::PeerInfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let info = PeerInfo::parse(text);
    let _ = info.iv_proto();
    assert!(info.ciphers().all(|name| !name.is_empty()));
    assert_eq!(PeerInfo::parse(&info.to_string()), info);
});
