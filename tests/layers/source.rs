//! Just enough of Rust's syntax to read the references in a file: comments, literals, test items, `crate::` paths.

/// The text with comments and the insides of literals blanked, so that every brace left is a real one. Lines keep
/// their numbers.
pub(crate) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, length) = if rest.starts_with("//") {
            ("", rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            ("", block_comment(rest))
        } else if let Some(length) = literal(rest, out.chars().last()) {
            ("\"\"", length)
        } else {
            let length = first.len_utf8();
            (&rest[..length], length)
        };
        out.push_str(kept);
        let (gone, left) = rest.split_at(length);
        if kept != gone {
            out.extend(gone.matches('\n'));
        }
        rest = left;
    }
    out
}

/// The text without the items under `#[cfg(test)]`; wants it [`without_comments`].
pub(crate) fn without_tests(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        out.push_str(before);
        let (item, left) = item.split_at(item_length(item));
        out.extend(item.matches('\n'));
        rest = left;
    }
    out.push_str(rest);
    out
}

/// The first segments of all `crate::` paths: `crate::a::B` and `use crate::{a, b::C}` give `a`, and `a`, `b`.
pub(crate) fn crate_references(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, found) in text.match_indices("crate::") {
        let after = &text[at + found.len()..];
        match after.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group)),
            None => names.extend(words(after).next().map(str::to_owned)),
        }
    }
    names
}

/// The identifiers of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Whether `line` has a path that begins with `start`.
pub(crate) fn has_path(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && !line[..at].strip_suffix("::").is_some_and(|before| before.ends_with(char::is_alphanumeric))
    })
}

/// The first word of each entry of a `{...}` group, whose opening brace is gone.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut entry = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                heads.extend(words(&group[entry..at]).next().map(str::to_owned));
                entry = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

/// Up to the `;`, or to the `}` that ends the block, of the item at the start of `text`.
fn item_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let attribute = text.find(']').map_or(0, |end| end + 1);
    for (at, c) in text[attribute..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return attribute + at + 1;
                }
            }
            ';' if depth == 0 => return attribute + at + 1,
            _ => {}
        }
    }
    text.len()
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string or character literal at the start of `text`, where `before` is what precedes it.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    let inside_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let unprefixed = text.trim_start_matches(['b', 'c', 'r']);
    let prefix = text.len() - unprefixed.len();
    if prefix > 2 || (prefix > 0 && inside_a_word) {
        return None;
    }
    if text[..prefix].ends_with('r') {
        let hashes = unprefixed.len() - unprefixed.trim_start_matches('#').len();
        let body = unprefixed[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", &unprefixed[..hashes]);
        let closing = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + closing);
    }
    if let Some(body) = unprefixed.strip_prefix('"') {
        return Some(prefix + 1 + quoted(body, '"'));
    }
    // A lifetime has no closing quote behind its first character.
    let body = unprefixed.strip_prefix('\'')?;
    let mut characters = body.chars();
    let first = characters.next()?;
    (first == '\\' || characters.next() == Some('\'')).then(|| prefix + 1 + quoted(body, '\''))
}

/// Up to and with the closing `quote`.
fn quoted(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if !escaped && c == quote {
            return at + c.len_utf8();
        }
        escaped = !escaped && c == '\\';
    }
    body.len()
}

#[test]
fn reads_groups_and_skips_comments_strings_and_tests() {
    let text = r###"
        use crate::{wire::{Opcode, data}, time::Instant};
        // crate::comment::X
        fn a<'a>(b: &'a str) { crate::wrap::y(); "crate::string"; r#"crate::raw""#; '"'; b'\''; crate::end() }
        #[cfg(test)]
        mod tests { use crate::server::Server; fn b() {} }
        const AFTER: crate::after::T = 0;
    "###;
    let text = without_tests(&without_comments(text));
    assert_eq!(crate_references(&text), ["wire", "time", "wrap", "end", "after"]);
    assert!(has_path("use std::vec;", "std::"));
    assert!(!has_path("use nostd::vec;", "std::"));
}
