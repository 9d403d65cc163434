//! The key method 2 message, from either end: what was read once is written and read alike ever after.

#![no_main]

use adit::Role;
use adit::wire::KeyMethod2;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for sender in [Role::Client, Role::Server] {
        let Ok((message, used)) = KeyMethod2::parse(sender, bytes) else { continue };
        assert!(used <= bytes.len());
        let mut out = Vec::new();
        message.emit(sender, &mut out);
        // Peer info is not compared: we would never send as much as we take.
        let (again, len) = KeyMethod2::parse(sender, &out).unwrap();
        assert_eq!(len, out.len());
        assert_eq!((&again.source, &again.options), (&message.source, &message.options));
        assert_eq!((&again.username, &again.password), (&message.username, &message.password));
    }
});
