//! From a text to its statements: lines with their words, inline blocks attached.
//!
//! Knows line ends, the byte order mark and the shape of blocks, but no directive.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Display;

use super::diagnostic::{Diagnostic, Position};
use super::lexer::{self, Word};
use super::text::NamedText;

/// The longest line outside blocks, in bytes with its line feed: OpenVPN's.
const MAX_LINE_LEN: usize = 255;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A directive as it stands somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    file: Arc<str>,
    line: u32,
    /// The name, without leading `--`, and the arguments.
    words: Vec<Word>,
    /// The contents, if it is an inline block.
    block: Option<NamedText>,
}

/// What is wrong with a statement, and with which word of it (0 is the name).
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) word: usize,
    pub(crate) clause: String,
}

/// A file that a statement names, or the block that stands in its place.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Inline(NamedText),
    File { path: String, named_at: Position },
}

impl Statement {
    /// A statement of words that were never in a text. `None` if there are none.
    pub(crate) fn of_words(file: &Arc<str>, line: u32, words: Vec<Word>) -> Option<Self> {
        let mut statement = Self { file: Arc::clone(file), line, words, block: None };
        let name = &mut statement.words.first_mut()?.text;
        if name.len() > 2 && name.starts_with("--") {
            name.drain(..2);
        }
        Some(statement)
    }

    /// The same with its block, if it is a line that opens one (`<name>` and nothing else).
    fn with_block<'a>(
        mut self,
        lines: &mut impl Iterator<Item = (u32, &'a [u8])>,
    ) -> Result<Self, Diagnostic> {
        let [word] = self.words.as_mut_slice() else { return Ok(self) };
        let Some(tag) = word.text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
            return Ok(self);
        };
        let tag = String::from(tag);
        word.text.clone_from(&tag);
        let Some(contents) = read_block(lines, &tag) else {
            let message = format!("the block <{tag}> that begins here has no </{tag}>");
            return Err(Diagnostic::error(&self.position(0), message));
        };
        self.block = Some(NamedText::inline(Arc::clone(&self.file), self.line + 1, contents));
        Ok(self)
    }

    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// The statement without its first `count` words, if there is one.
    pub(crate) fn behind(&self, count: usize) -> Option<Self> {
        let words = self.words.get(count..).filter(|words| !words.is_empty())?;
        Some(Self { words: words.to_vec(), ..self.clone() })
    }

    pub(crate) fn without_block(&self) -> Self {
        Self { file: Arc::clone(&self.file), line: self.line, words: self.words.clone(), block: None }
    }

    pub(crate) fn block(&self) -> Option<&NamedText> {
        self.block.as_ref()
    }

    /// Argument `n`, from 1.
    pub(crate) fn word(&self, n: usize) -> Option<&str> {
        self.words.get(n).map(|word| word.text.as_str())
    }

    /// The name and the arguments.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    pub(crate) fn is_block(&self) -> bool {
        self.block.is_some()
    }

    /// Argument `n` (from 1), parsed.
    pub(crate) fn get<T>(
        &self,
        n: usize,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Complaint> {
        self.optional(n, parse)?.ok_or_else(|| self.complain(0, "an argument is missing"))
    }

    /// Argument `n` (from 1), parsed, if it is there.
    pub(crate) fn optional<T>(
        &self,
        n: usize,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Complaint> {
        self.word(n).map(parse).transpose().map_err(|clause| self.complain(n, clause))
    }

    /// The block, or the file of argument 1.
    pub(crate) fn source(&self) -> Result<Source, Complaint> {
        match &self.block {
            Some(block) => Ok(Source::Inline(block.clone())),
            None => self
                .get(1, |path| Ok(path.into()))
                .map(|path| Source::File { path, named_at: self.position(1) }),
        }
    }

    pub(crate) fn complain(&self, word: usize, clause: impl Display) -> Complaint {
        Complaint { word, clause: format!("{clause}") }
    }

    /// Where word `n` stands, 0 being the name.
    pub(crate) fn position(&self, n: usize) -> Position {
        let column = self.words.get(n).or_else(|| self.words.first()).map_or(0, |word| word.column);
        Position::new(Arc::clone(&self.file), self.line, column)
    }
}

/// The statements of `text`, and in their places what is wrong with the lines that are none.
pub(crate) fn read(file: &Arc<str>, text: &[u8]) -> Vec<Result<Statement, Diagnostic>> {
    read_from(file, 1, text)
}

/// The same for a text whose first line is line `first` of the file.
pub(crate) fn read_from(file: &Arc<str>, first: u32, text: &[u8]) -> Vec<Result<Statement, Diagnostic>> {
    let at = |line, column| Position::new(Arc::clone(file), line, column);
    if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
        return Vec::from([Err(Diagnostic::error(&at(1, 1), "this file is UTF-16: save it as UTF-8"))]);
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut lines = (first..).zip(text.split_inclusive(|&byte| byte == b'\n'));
    let mut statements = Vec::new();
    while let Some((number, line)) = lines.next() {
        match split(line) {
            Ok(words) => {
                let statement = Statement::of_words(file, number, words);
                statements.extend(statement.map(|statement| statement.with_block(&mut lines)));
            }
            Err((column, message)) => statements.push(Err(Diagnostic::error(&at(number, column), message))),
        }
    }
    statements
}

/// Bytes that are not UTF-8 may stand in a comment: many a remark is in Latin-1. In a word they would be a guess.
fn split(line: &[u8]) -> Result<Vec<Word>, (u32, String)> {
    if line.len() > MAX_LINE_LEN {
        return Err((0, format!("this line is longer than {MAX_LINE_LEN} bytes")));
    }
    let text = String::from_utf8_lossy(line);
    if let Some(before) = text.chars().position(|c| c == '\0') {
        return Err((before as u32 + 1, "a zero byte cannot stand in a line".into()));
    }
    let words = lexer::split(&text).map_err(|error| (error.column, format!("{error}")))?;
    if matches!(text, Cow::Owned(_))
        && let Some((word, before)) =
            words.iter().find_map(|word| Some((word, word.text.split_once(char::REPLACEMENT_CHARACTER)?.0)))
    {
        let column = word.column + before.chars().count() as u32;
        return Err((column, "here is a byte that is not UTF-8: save the file as UTF-8".into()));
    }
    Ok(words)
}

/// All up to the line that begins with `</tag>`; `None` if there is none.
fn read_block<'a>(lines: &mut impl Iterator<Item = (u32, &'a [u8])>, tag: &str) -> Option<Vec<u8>> {
    let end = format!("</{tag}>");
    let mut contents = Vec::new();
    for (_, line) in lines {
        if line.trim_ascii_start().starts_with(end.as_bytes()) {
            return Some(contents);
        }
        contents.extend_from_slice(line);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8]) -> (Vec<Statement>, Vec<String>) {
        let (statements, errors): (Vec<_>, Vec<_>) =
            read(&"x.conf".into(), text).into_iter().partition(Result::is_ok);
        let errors = errors.into_iter().filter_map(Result::err).map(|error| format!("{error}"));
        (statements.into_iter().flatten().collect(), errors.collect())
    }

    #[test]
    fn byte_order_mark_and_line_ends_of_windows() {
        let (statements, errors) = read_text(b"\xEF\xBB\xBFclient\r\n--dev tun\r\n\r\n# x\r\nverb 3");
        let names: Vec<_> = statements.iter().map(|s| (s.name(), s.line, s.position(1).column)).collect();
        assert_eq!(names, [("client", 1, 1), ("dev", 2, 7), ("verb", 5, 6)]);
        assert_eq!(errors, [""; 0]);
    }

    #[test]
    fn blocks_keep_their_bytes_and_know_their_first_line() {
        let text = b"verb 3\n<ca>\n text before \"\n-----BEGIN\n  </ca> \nverb 4\n";
        let (statements, errors) = read_text(text);
        assert_eq!(errors, [""; 0]);
        assert_eq!(statements.len(), 3);
        let block = statements[1].block.as_ref().unwrap();
        assert_eq!(block.text.as_slice(), b" text before \"\n-----BEGIN\n");
        assert_eq!(format!("{}", block.position(2, 1)), "x.conf:4:1");
        assert_eq!(statements[2].line, 6);
    }

    #[test]
    fn a_block_without_an_end_is_named_by_its_opening_line() {
        let (statements, errors) = read_text(b"verb 3\n  <ca>\nabc\n</cert>\n");
        assert_eq!(statements.len(), 1);
        assert_eq!(errors, ["x.conf:2:3: the block <ca> that begins here has no </ca>"]);
    }

    #[test]
    fn every_bad_line_is_reported() {
        let long = format!("# {}\n", "x".repeat(260));
        let (_, errors) = read_text(&[b"a \"b\nc \\d\ne \xFFx\nf\0\n", long.as_bytes()].concat());
        assert_eq!(errors.len(), 5);
        assert_eq!(errors[0], "x.conf:1:3: this quote is not closed by another \" on its line");
        assert!(errors[1].starts_with("x.conf:2:3: a backslash may stand only before"));
        assert_eq!(errors[2], "x.conf:3:3: here is a byte that is not UTF-8: save the file as UTF-8");
        assert_eq!(errors[3], "x.conf:4:2: a zero byte cannot stand in a line");
        assert_eq!(errors[4], "x.conf:5: this line is longer than 255 bytes");
    }

    #[test]
    fn remarks_may_be_in_latin_1() {
        let (statements, errors) = read_text(b"# f\xFCr\nverb 3 ; gr\xFC\xDFe\n\xE9 1\n");
        assert_eq!((statements.len(), statements[0].words()), (1, Vec::from(["verb", "3"])));
        assert_eq!(errors, ["x.conf:3:1: here is a byte that is not UTF-8: save the file as UTF-8"]);
    }

    #[test]
    fn utf_16_is_named() {
        assert_eq!(read_text(b"\xFF\xFEc\0l\0").1, ["x.conf:1:1: this file is UTF-16: save it as UTF-8"]);
    }
}
