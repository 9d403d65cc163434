//! As much of JSON (RFC 8259) as a line of the log needs: one object of texts and numbers.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;

use super::BadRecord;

/// Writes an object.
pub(super) struct Writer<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    begun: bool,
}

impl<'a, 'f> Writer<'a, 'f> {
    pub(super) fn new(out: &'a mut fmt::Formatter<'f>) -> Self {
        Self { out, begun: false }
    }

    pub(super) fn text(&mut self, key: &str, value: &str) -> fmt::Result {
        self.key(key)?;
        self.out.write_str("\"")?;
        for letter in value.chars() {
            match letter {
                '"' | '\\' => write!(self.out, "\\{letter}")?,
                // Control characters would end the line or upset a terminal; the two separators end a line for some.
                '\0'..=' ' if letter != ' ' => write!(self.out, "\\u{:04x}", u32::from(letter))?,
                '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                    write!(self.out, "\\u{:04x}", u32::from(letter))?;
                }
                _ => write!(self.out, "{letter}")?,
            }
        }
        self.out.write_str("\"")
    }

    pub(super) fn number(&mut self, key: &str, value: u64) -> fmt::Result {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    pub(super) fn end(self) -> fmt::Result {
        self.out.write_str(if self.begun { "}" } else { "{}" })
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        let before = if core::mem::replace(&mut self.begun, true) { "," } else { "{" };
        write!(self.out, "{before}\"{key}\":")
    }
}

/// A member's value.
pub(super) enum Value {
    Text(String),
    /// A number that is whole and not negative; others are not ours.
    Number(u64),
    /// `true`, `false`, `null`, or another number.
    Other,
}

/// Gives the members of the object that `line` is to `each`.
pub(super) fn read(
    line: &str,
    mut each: impl FnMut(&str, Value) -> Result<(), BadRecord>,
) -> Result<(), BadRecord> {
    let mut rest = Rest(line);
    rest.expect('{')?;
    if !rest.take('}') {
        loop {
            let key = rest.text()?;
            rest.expect(':')?;
            let value = rest.value()?;
            each(&key, value)?;
            if rest.take('}') {
                break;
            }
            rest.expect(',')?;
        }
    }
    rest.skip();
    if rest.0.is_empty() { Ok(()) } else { Err(rest.bad("nothing more")) }
}

struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn skip(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, mark: char) -> bool {
        self.skip();
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), BadRecord> {
        if self.take(mark) { Ok(()) } else { Err(self.bad(&format!("'{mark}'"))) }
    }

    fn bad(&self, what: &str) -> BadRecord {
        let found: String = self.0.chars().take(20).collect();
        BadRecord(if found.is_empty() {
            format!("it ends where {what} should come")
        } else {
            format!("\"{}\" stands where {what} should", found.escape_debug())
        })
    }

    fn value(&mut self) -> Result<Value, BadRecord> {
        self.skip();
        if self.0.starts_with('"') {
            return self.text().map(Value::Text);
        }
        let end = self.0.find([',', '}', ' ', '\t', '\r', '\n']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        let value = match word {
            "true" | "false" | "null" => Value::Other,
            _ if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) => {
                word.parse().map_or(Value::Other, Value::Number)
            }
            _ if word.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => Value::Other,
            _ => return Err(self.bad("a text or a number")),
        };
        self.0 = rest;
        Ok(value)
    }

    fn text(&mut self) -> Result<String, BadRecord> {
        self.expect('"')?;
        let mut out = String::new();
        loop {
            let end = self.0.find(['"', '\\']).ok_or_else(|| BadRecord("a text has no end".to_owned()))?;
            let (part, rest) = self.0.split_at(end);
            out.push_str(part);
            self.0 = &rest[1..];
            if rest.starts_with('"') {
                return Ok(out);
            }
            let escaped = self.0.chars().next();
            let mut letters = self.0.chars();
            letters.next();
            self.0 = letters.as_str();
            out.push(match escaped {
                Some(letter @ ('"' | '\\' | '/')) => letter,
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => self.escaped()?,
                _ => return Err(BadRecord("a text has a '\\' before what needs none".to_owned())),
            });
        }
    }

    /// The character whose number stands behind `\u`; two of them for one beyond the first 65,536.
    fn escaped(&mut self) -> Result<char, BadRecord> {
        let bad = || BadRecord("a text has a '\\u' without a character's number".to_owned());
        let first = self.hex().ok_or_else(bad)?;
        let code = if (0xD800..0xDC00).contains(&first) {
            self.0 = self.0.strip_prefix("\\u").ok_or_else(bad)?;
            let second = self.hex().filter(|second| (0xDC00..0xE000).contains(second)).ok_or_else(bad)?;
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(bad)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.0.get(..4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.0 = &self.0[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}
