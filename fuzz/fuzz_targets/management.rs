//! What a client of the management interface sends: cut into lines, the password, the commands.

#![no_main]

// The host is a program, not a library; these two files of it use nothing of the rest.
#[allow(dead_code)]
#[path = "../../host/src/management/command.rs"]
mod command;
#[allow(dead_code)]
#[path = "../../host/src/management/conversation.rs"]
mod conversation;

use conversation::{Conversation, Heard, MAX_LINE};
use libfuzzer_sys::fuzz_target;

const PASSWORD: &str = "secret";

fuzz_target!(|input: &[u8]| {
    // Whether there is a password, and in which pieces it comes.
    let [mode, bytes @ ..] = input else { return };
    let mut conversation = Conversation::new(mode & 1 == 1);
    let mut wrong = 0;
    for piece in bytes.chunks(usize::from(mode >> 1) * 16 + 1) {
        conversation.receive(piece);
        while let Some(heard) = conversation.next(Some(PASSWORD)) {
            match heard {
                Heard::Line(line) => {
                    assert!(!conversation.is_locked(), "a line before the password");
                    assert!(!line.contains(|c: char| c.is_ascii_control()));
                    assert!(line.chars().count() <= MAX_LINE);
                    if let Err(sentence) = command::parse(&line) {
                        assert!(!sentence.contains('\n'), "an answer is one line");
                    }
                    // What a password command holds is not shown.
                    if let Ok(command::Command::Password { .. }) = command::parse(&line) {
                        assert_eq!(command::for_log(&line), "password [...]");
                    }
                }
                Heard::Wrong => {
                    wrong += 1;
                    assert!(wrong < 3 && conversation.is_locked());
                }
                Heard::Rejected | Heard::Foreign => assert!(conversation.next(Some(PASSWORD)).is_none()),
                Heard::Accepted => assert!(!conversation.is_locked()),
                Heard::TooLong => {}
            }
        }
    }
});
