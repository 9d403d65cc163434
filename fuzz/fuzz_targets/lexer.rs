//! A line and its words.

#![no_main]

use adit::config::lexer::{self, MAX_WORD_LEN, MAX_WORDS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let length = line.chars().count() as u32;
    match lexer::split(line) {
        Ok(words) => {
            assert!(words.len() <= MAX_WORDS);
            assert!(words.iter().all(|word| word.text.len() <= MAX_WORD_LEN));
            // They stand in the line, in this order.
            assert!(words.iter().all(|word| (1..=length).contains(&word.column)));
            assert!(words.is_sorted_by(|before, behind| before.column < behind.column));
            // And they are the same again when they are quoted and split once more.
            let quoted: Vec<_> = words.iter().map(|word| lexer::quote(&word.text)).collect();
            let again = lexer::split(&quoted.join(" ")).expect("what was quoted can be split");
            assert!(words.iter().map(|word| &word.text).eq(again.iter().map(|word| &word.text)));
        }
        Err(error) => {
            assert!((1..=length).contains(&error.column));
            assert!(!error.to_string().is_empty());
        }
    }
});
