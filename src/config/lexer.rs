//! From a line to its words, exactly as OpenVPN splits configuration lines and pushed options.
//!
//! Words are separated by white space. `"..."` may hold white space and escapes, `'...'` is taken as it is. A backslash
//! outside single quotes escapes a backslash, a double quote or white space, and nothing else. `#` or `;` where a word
//! would begin starts a comment; inside or right behind a word they are ordinary characters.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The longest word, in bytes.
pub const MAX_WORD_LEN: usize = 255;

/// The most words of a line, the directive's name among them. What follows them is not read.
pub const MAX_WORDS: usize = 16;

/// A word with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text, without quotes and escapes.
    pub text: String,
    /// Where it begins, in characters from 1; the quote if it is quoted.
    pub column: u32,
}

/// Why a line cannot be split, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexError {
    /// Where, in characters from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: LexErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LexErrorKind {
    /// A backslash before a character that cannot be escaped.
    BadEscape(char),
    /// A backslash at the very end of the text, within a word.
    DanglingEscape,
    /// The quote that begins here is never closed.
    UnclosedQuote(char),
    /// The word that begins here is longer than [`MAX_WORD_LEN`].
    TooLong,
}

impl fmt::Display for LexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LexErrorKind::BadEscape(found) => write!(
                f,
                "a backslash may stand only before a backslash, a double quote or white space, not before '{found}': \
                 write \\\\ for a backslash, as in \"c:\\\\dir\\\\file.key\", or put the word in single quotes"
            ),
            LexErrorKind::DanglingEscape => {
                f.write_str("the backslash at the end escapes nothing: write \\\\")
            }
            LexErrorKind::UnclosedQuote(quote) => {
                write!(f, "this quote is not closed by another {quote} on its line")
            }
            LexErrorKind::TooLong => write!(f, "this word is longer than {MAX_WORD_LEN} bytes"),
        }
    }
}

/// The words of `line`, which may end in its line feed.
pub fn split(line: &str) -> Result<Vec<Word>, LexError> {
    let mut words = Vec::new();
    let mut chars = Chars::new(line);
    while words.len() < MAX_WORDS {
        let Some(word) = chars.next_word()? else { break };
        words.push(word);
    }
    Ok(words)
}

/// `word` so that [`split`] gives it back as one word.
pub fn quote(word: &str) -> String {
    let plain = !word.is_empty()
        && !word.starts_with(['#', ';', '\''])
        && !word.contains(|c: char| is_space(c) || c == '"' || c == '\\');
    if plain {
        return word.into();
    }
    let mut out = String::with_capacity(word.len() + 2);
    out.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// C's `isspace` in the C locale.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// The rest of a line, which knows its column.
struct Chars<'a> {
    rest: core::iter::Peekable<core::str::Chars<'a>>,
    /// Of the next character, from 1.
    column: u32,
}

impl<'a> Chars<'a> {
    fn new(line: &'a str) -> Self {
        Self { rest: line.chars().peekable(), column: 1 }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.column += 1;
        Some(c)
    }

    /// The next character, and whether it was escaped and so cannot end the word.
    fn next_escaped(&mut self) -> Result<Option<(char, bool)>, LexErrorKind> {
        match self.next() {
            Some('\\') => match self.next() {
                Some(c) if matches!(c, '\\' | '"') || is_space(c) => Ok(Some((c, true))),
                Some(c) => Err(LexErrorKind::BadEscape(c)),
                None => Err(LexErrorKind::DanglingEscape),
            },
            c => Ok(c.map(|c| (c, false))),
        }
    }

    fn next_word(&mut self) -> Result<Option<Word>, LexError> {
        if !self.skip_blanks() {
            return Ok(None);
        }
        let column = self.column;
        let text = match self.rest.next_if(|c| matches!(c, '"' | '\'')) {
            Some(quote) => {
                self.column += 1;
                self.quoted(quote, column)
            }
            None => self.unquoted(column),
        }?;
        if text.len() > MAX_WORD_LEN {
            return Err(LexError { column, kind: LexErrorKind::TooLong });
        }
        Ok(Some(Word { text, column }))
    }

    /// Whether a word follows; comments are none. An escape of white space between words is skipped like a blank,
    /// an escaped comment sign still begins a comment.
    fn skip_blanks(&mut self) -> bool {
        loop {
            let mut ahead = self.rest.clone();
            let first = ahead.next();
            let escaped = if first == Some('\\') { ahead.next() } else { None };
            match (first, escaped) {
                (None | Some('#' | ';'), _) | (Some('\\'), None | Some('#' | ';')) => return false,
                (Some('\\'), Some(c)) if is_space(c) => {
                    self.next();
                    self.next();
                }
                (Some(c), _) if is_space(c) => {
                    self.next();
                }
                _ => return true,
            }
        }
    }

    fn quoted(&mut self, quote: char, start: u32) -> Result<String, LexError> {
        let mut text = String::new();
        loop {
            let column = self.column;
            let next = if quote == '"' {
                self.next_escaped().map_err(|kind| LexError { column, kind })?
            } else {
                self.next().map(|c| (c, false))
            };
            match next {
                None => return Err(LexError { column: start, kind: LexErrorKind::UnclosedQuote(quote) }),
                Some((c, false)) if c == quote => return Ok(text),
                Some((c, _)) => text.push(c),
            }
        }
    }

    fn unquoted(&mut self, start: u32) -> Result<String, LexError> {
        let mut text = String::new();
        loop {
            let column = self.column;
            match self.next_escaped().map_err(|kind| LexError { column, kind })? {
                None => return Ok(text),
                Some((c, false)) if is_space(c) => return Ok(text),
                Some((c, _)) => text.push(c),
            }
            if text.len() > MAX_WORD_LEN {
                return Err(LexError { column: start, kind: LexErrorKind::TooLong });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).expect("splits").into_iter().map(|word| word.text).collect()
    }

    fn error(line: &str) -> (u32, LexErrorKind) {
        let error = split(line).expect_err("does not split");
        (error.column, error.kind)
    }

    #[test]
    fn words_and_columns() {
        let words = split("  push\t\"route 10.0.0.0 255.0.0.0\" x\r\n").unwrap();
        let expected = [("push", 3), ("route 10.0.0.0 255.0.0.0", 8), ("x", 35)];
        let found: Vec<_> = words.iter().map(|word| (word.text.as_str(), word.column)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn comments_only_where_a_word_would_begin() {
        assert_eq!(texts("key server.key  # secret"), ["key", "server.key"]);
        assert_eq!(texts("; nothing"), [""; 0]);
        assert_eq!(texts("a#b c;d"), ["a#b", "c;d"]);
        assert_eq!(texts("\"#a\" ';b'"), ["#a", ";b"]);
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(texts(r#"a "b \" \\ c" 'd\e" f'"#), ["a", r#"b " \ c"#, r#"d\e" f"#]);
        assert_eq!(texts(r"two\ words"), ["two words"]);
        assert_eq!(texts(r#""" ''"#), ["", ""]);
        // A closing quote ends the word, an opening one within a word is a character of it.
        assert_eq!(texts(r#""a"b c"d"#), ["a", "b", "c\"d"]);
    }

    // All of these as OpenVPN 2.6.14 does.
    #[test]
    fn odd_backslashes() {
        assert_eq!(texts("verb 4 \\"), ["verb", "4"]);
        assert_eq!(texts("verb 4\\\n"), ["verb", "4\n"]);
        assert_eq!(texts("verb \\# 4"), ["verb"]);
        assert_eq!(error("verb 4\\"), (7, LexErrorKind::DanglingEscape));
        assert_eq!(error("verb \\4"), (6, LexErrorKind::BadEscape('4')));
    }

    #[test]
    fn quotes_must_close() {
        assert_eq!(error("verb \"4\n"), (6, LexErrorKind::UnclosedQuote('"')));
        assert_eq!(error("verb '4"), (6, LexErrorKind::UnclosedQuote('\'')));
        assert_eq!(error(r#"verb "4\""#), (6, LexErrorKind::UnclosedQuote('"')));
    }

    #[test]
    fn limits() {
        let longest = "a".repeat(MAX_WORD_LEN);
        assert_eq!(texts(&longest), vec![longest.clone()]);
        let too_long = alloc::format!("x {longest}a");
        assert_eq!(error(&too_long), (3, LexErrorKind::TooLong));
        assert_eq!(split(&"w ".repeat(20)).unwrap().len(), MAX_WORDS);
    }

    proptest! {
        #[test]
        fn never_panics(line in ".{0,300}") {
            let _ = split(&line);
        }

        #[test]
        fn quoting_round_trips(words in proptest::collection::vec("[^\0]{0,60}", 1..MAX_WORDS)) {
            let line: Vec<_> = words.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(texts(&line.join(" ")), words);
        }
    }
}
