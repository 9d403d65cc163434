//! PEM blocks with their line numbers, read as leniently as OpenSSL does and explained better.
//!
//! Text may stand before, between and after the blocks; lines may end in CR LF; a byte order mark may come first.
//! What is written is plain: lines of 64 characters.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::config::{Diagnostic, NamedText};

/// What stands between a BEGIN line and its END line.
#[derive(Debug)]
pub(crate) struct Block {
    /// `CERTIFICATE`, `PRIVATE KEY` and so on.
    pub(crate) label: String,
    /// The line of its BEGIN, counted from 1 within the text.
    pub(crate) line: u32,
    /// Whether a header says that it is encrypted (`Proc-Type: 4,ENCRYPTED`).
    pub(crate) encrypted: bool,
    /// The decoded bytes; perhaps a key.
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// All blocks of `text`, in order.
pub(crate) fn read(text: &NamedText) -> Result<Vec<Block>, Diagnostic> {
    let bytes = text.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text.text);
    let mut blocks = Vec::new();
    let mut open: Option<OpenBlock> = None;

    for (line, number) in bytes.split(|&byte| byte == b'\n').zip(1..) {
        match (boundary(line), open.as_mut()) {
            (Some(Boundary::Begin(label)), None) => open = Some(OpenBlock::new(label, number)),
            (Some(Boundary::Begin(_)), Some(block)) => {
                return Err(Diagnostic::error(
                    &text.position(number, 0),
                    format!("a block begins here, but the one of line {} has no END line yet", block.line),
                ));
            }
            (Some(Boundary::End(label)), Some(block)) => {
                if label != block.label {
                    return Err(Diagnostic::error(
                        &text.position(number, 0),
                        format!("expected '-----END {}-----', found '-----END {label}-----'", block.label),
                    ));
                }
                blocks.extend(open.take().map(|block| block.decode(text)).transpose()?);
            }
            (None, Some(block)) => block.push_line(line).map_err(|(column, what)| {
                Diagnostic::error(
                    &text.position(number, column),
                    format!("{what} in the {} block", block.label),
                )
            })?,
            // Text outside of blocks, as `openssl x509 -text` and easy-rsa write it.
            (None | Some(Boundary::End(_)), None) => {}
        }
    }
    match open {
        Some(block) => Err(Diagnostic::error(
            &text.position(block.line, 0),
            format!("the block that begins here has no END line: expected '-----END {}-----'", block.label),
        )),
        None => Ok(blocks),
    }
}

/// The blocks of `text` whose label is one of `labels`; an error that says what was found if there is none.
/// `what` names them in that sentence: "a certificate".
pub(crate) fn read_only(text: &NamedText, labels: &[&str], what: &str) -> Result<Vec<Block>, Diagnostic> {
    let all = read(text)?;
    let found = describe(text, &all);
    let wanted: Vec<Block> = all.into_iter().filter(|block| labels.contains(&block.label.as_str())).collect();
    if wanted.is_empty() {
        let message = format!("expected {what} ('-----BEGIN {}-----'), found {found}", labels[0]);
        return Err(Diagnostic::error(&text.position(1, 0), message));
    }
    Ok(wanted)
}

/// What a text holds, for a person who took it for something else.
fn describe(text: &NamedText, blocks: &[Block]) -> String {
    const DER_SEQUENCE: u8 = 0x30;
    match (blocks, text.text.first()) {
        ([block, ..], _) => {
            format!("'-----BEGIN {}-----' on line {}", block.label, text.position(block.line, 0).line)
        }
        ([], None) => "an empty file".to_owned(),
        ([], Some(&DER_SEQUENCE)) if text.text.get(1).is_some_and(|&byte| byte >= 0x80) => {
            "DER (convert it: 'openssl x509 -inform DER -in FILE')".to_owned()
        }
        ([], Some(_)) => "no PEM block at all".to_owned(),
    }
}

/// A block as a text of its own.
pub(crate) fn emit(label: &str, bytes: &[u8]) -> Zeroizing<String> {
    const LINE: usize = 64;
    let mut base64 = Zeroizing::new(alloc::vec![0; Base64::encoded_len(bytes)]);
    let base64 = Base64::encode(bytes, &mut base64).unwrap_or_default();
    // Enough from the start, so that no copy of a key is left behind when the text grows.
    let mut text =
        Zeroizing::new(String::with_capacity(base64.len() + base64.len() / LINE + 2 * label.len() + 40));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

enum Boundary {
    Begin(String),
    End(String),
}

fn boundary(line: &[u8]) -> Option<Boundary> {
    let line = line.trim_ascii().strip_suffix(b"-----")?;
    let label = |rest: &[u8]| String::from_utf8_lossy(rest).into_owned();
    if let Some(rest) = line.strip_prefix(b"-----BEGIN ") {
        Some(Boundary::Begin(label(rest)))
    } else {
        line.strip_prefix(b"-----END ").map(|rest| Boundary::End(label(rest)))
    }
}

struct OpenBlock {
    label: String,
    line: u32,
    encrypted: bool,
    base64: Zeroizing<Vec<u8>>,
}

impl OpenBlock {
    fn new(label: String, line: u32) -> Self {
        Self { label, line, encrypted: false, base64: Zeroizing::default() }
    }

    /// Takes a line of the body; an error is a column from 1 and a description.
    fn push_line(&mut self, line: &[u8]) -> Result<(), (u32, String)> {
        // RFC 1421 headers of old encrypted keys. A colon is not of base64's alphabet.
        if self.base64.is_empty() && line.contains(&b':') {
            self.encrypted |= line.starts_with(b"Proc-Type") && line.trim_ascii().ends_with(b"ENCRYPTED");
            return Ok(());
        }
        for (&byte, column) in line.iter().zip(1..) {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => self.base64.push(byte),
                b' ' | b'\t' | b'\r' => {}
                b'!'..=b'~' => {
                    return Err((column, format!("'{}' is no character of base64", char::from(byte))));
                }
                _ => return Err((column, format!("byte 0x{byte:02x} is no character of base64"))),
            }
        }
        Ok(())
    }

    fn decode(self, text: &NamedText) -> Result<Block, Diagnostic> {
        let mut der = Zeroizing::new(alloc::vec![0; self.base64.len() / 4 * 3 + 3]);
        let Ok(decoded) = Base64::decode(&self.base64, &mut der).map(<[u8]>::len) else {
            let message = format!(
                "the base64 of this {} block is damaged: {} characters are no whole number of bytes, or its '=' are wrong",
                self.label,
                self.base64.len()
            );
            return Err(Diagnostic::error(&text.position(self.line, 0), message));
        };
        der.truncate(decoded);
        Ok(Block { label: self.label, line: self.line, encrypted: self.encrypted, der })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn text(bytes: &[u8]) -> NamedText {
        NamedText::file("some.pem", bytes)
    }

    fn complaint(bytes: &[u8]) -> String {
        read(&text(bytes)).unwrap_err().to_string()
    }

    #[test]
    fn finds_blocks_in_text_with_bom_and_crlf() {
        let bytes = b"\xef\xbb\xbfCertificate:\r\n  Data: caf\xe9\r\n-----BEGIN A-----  \r\nAQID\r\n-----END A-----\r\nmore\r\n\t-----BEGIN B C-----\r\nBA==\r\n-----END B C-----";
        let blocks = read(&text(bytes)).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(
            (blocks[0].label.as_str(), blocks[0].line, blocks[0].der.as_slice()),
            ("A", 3, &[1, 2, 3][..])
        );
        assert_eq!(
            (blocks[1].label.as_str(), blocks[1].line, blocks[1].der.as_slice()),
            ("B C", 7, &[4][..])
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        for len in [0, 1, 48, 49, 256] {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let written = emit("SOME KEY", &bytes);
            assert!(written.lines().all(|line| line.len() <= 64));
            let blocks = read(&text(written.as_bytes())).unwrap();
            assert_eq!(blocks.len(), 1);
            assert_eq!((blocks[0].label.as_str(), &*blocks[0].der), ("SOME KEY", &bytes));
        }
        assert_eq!(*emit("A", &[1, 2, 3]), "-----BEGIN A-----\nAQID\n-----END A-----\n");
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(
            complaint(b"x\n-----BEGIN A-----\nAQID\nAQ?D\n-----END A-----\n"),
            "some.pem:4:3: '?' is no character of base64 in the A block"
        );
        assert_eq!(
            complaint(b"-----BEGIN A-----\nAQIDB\n-----END A-----\n"),
            "some.pem:1: the base64 of this A block is damaged: 5 characters are no whole number of bytes, or its '=' are wrong"
        );
        assert_eq!(
            complaint(b"-----BEGIN A-----\nAQID\n"),
            "some.pem:1: the block that begins here has no END line: expected '-----END A-----'"
        );
        assert_eq!(
            complaint(b"-----BEGIN A-----\nAQID\n-----END B-----\n"),
            "some.pem:3: expected '-----END A-----', found '-----END B-----'"
        );
        assert_eq!(
            complaint(b"-----BEGIN A-----\nAQID\n-----BEGIN A-----\n"),
            "some.pem:3: a block begins here, but the one of line 1 has no END line yet"
        );
    }

    #[test]
    fn lines_of_inline_blocks_are_those_of_the_file() {
        let inline = NamedText::inline("client.ovpn", 20, &b"-----BEGIN A-----\n!\n"[..]);
        assert!(read(&inline).unwrap_err().to_string().starts_with("client.ovpn:21:1: '!'"));
    }

    #[test]
    fn an_encrypted_block_of_old_form_is_recognised() {
        let bytes = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END RSA PRIVATE KEY-----\n";
        assert!(read(&text(bytes)).unwrap()[0].encrypted);
    }

    #[test]
    fn what_was_found_instead_is_said() {
        let found =
            |bytes: &[u8]| read_only(&text(bytes), &["CERTIFICATE"], "a certificate").unwrap_err().message;
        let expected = "expected a certificate ('-----BEGIN CERTIFICATE-----'), found ";
        assert_eq!(found(b""), format!("{expected}an empty file"));
        assert_eq!(found(b"hello"), format!("{expected}no PEM block at all"));
        assert_eq!(
            found(b"-----BEGIN A-----\n-----END A-----\n"),
            format!("{expected}'-----BEGIN A-----' on line 1")
        );
        assert!(found(b"\x30\x82\x01\x02").contains("DER"));
    }
}
