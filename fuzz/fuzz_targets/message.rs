//! A record of control messages: nothing unprintable comes out, and a push stays within its limit.

#![no_main]

use adit::wire::message::{ControlMessage, PushReplyAssembler, mask_secrets, split_messages};
use libfuzzer_sys::fuzz_target;

const PUSH_LIMIT: usize = 4096;

fuzz_target!(|record: &[u8]| {
    let mut push = PushReplyAssembler::new(PUSH_LIMIT);
    for text in split_messages(record).flatten() {
        assert!(!text.is_empty() && !text.contains(char::is_control));
        let _ = mask_secrets(text);
        let message = ControlMessage::parse(text);
        assert_eq!(ControlMessage::parse(&message.to_string()), message);
        if let ControlMessage::PushReply(part) = message
            && let Ok(Some(options)) = push.add(part)
        {
            assert!(options.iter().map(String::len).sum::<usize>() <= PUSH_LIMIT);
        }
    }
});
