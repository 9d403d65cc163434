//! OpenVPN's static key file: 256 bytes in hexadecimal between two lines.

use alloc::format;
use alloc::string::String;

use zeroize::Zeroizing;

use super::key_block::KeyBlock;
use crate::config::{Diagnostic, NamedText};

const BEGIN: &str = "-----BEGIN OpenVPN Static key V1-----";
const END: &str = "-----END OpenVPN Static key V1-----";
/// How such a file is made, for whoever has another.
const HOW_TO_MAKE: &str = "`adit --genkey secret FILE` makes one";

/// Reads a static key (`tls-auth`, `tls-crypt`). A byte order mark, text before the BEGIN line, white space in the
/// key, CRLF line ends and all that follows the END line are passed over.
///
/// The error names the line and the column, and says what stands there and what should.
pub fn parse_static_key(text: &NamedText) -> Result<KeyBlock, Diagnostic> {
    let error = |line, column, message: &str| Diagnostic::error(&text.position(line, column), message);
    let bytes = text.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text.text);
    let mut lines = (1..).zip(bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end));
    let Some((begin, _)) = lines.find(|&(_, line)| line.trim_ascii() == BEGIN.as_bytes()) else {
        return Err(no_begin(text));
    };

    let mut key = Zeroizing::new([0; KeyBlock::LEN]);
    let mut digits = 0;
    let (end, end_line) = loop {
        let Some((number, line)) = lines.next() else {
            let message = format!("the key that begins here has no line \"{END}\" to end it");
            return Err(error(begin, 1, &message));
        };
        if line.trim_ascii_start().starts_with(b"-") {
            break (number, line.trim_ascii_start());
        }
        for (column, byte) in (1..).zip(line).filter(|(_, byte)| !byte.is_ascii_whitespace()) {
            let Some(digit) = char::from(*byte).to_digit(16) else {
                return Err(error(number, column, "this is no hexadecimal digit (0-9, a-f)"));
            };
            let Some(place) = key.get_mut(digits / 2) else {
                return Err(error(number, column, "the key goes on here after its 512 hexadecimal digits"));
            };
            *place = *place << 4 | digit as u8;
            digits += 1;
        }
    };
    if end_line != END.as_bytes() {
        return Err(error(end, 1, &format!("the line that ends the key must be \"{END}\"")));
    }
    if digits < 2 * KeyBlock::LEN {
        let message =
            format!("the key ends here after {digits} of its 512 hexadecimal digits: the file is incomplete");
        return Err(error(end, 1, &message));
    }
    let block = KeyBlock::new(*key);
    if block.as_bytes().as_chunks::<64>().0.contains(&[0; 64]) {
        let message = format!("a part of this key is all zero, and so no secret: {HOW_TO_MAKE}");
        return Err(error(begin, 1, &message));
    }
    Ok(block)
}

/// The text of a file that holds this key, as `openvpn --genkey secret` writes it.
pub fn emit_static_key(key: &KeyBlock) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Enough from the start, so that no copy of the key is left behind when the text grows.
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str("#\n# 2048 bit OpenVPN static key\n#\n");
    text.push_str(BEGIN);
    text.push('\n');
    for line in key.as_bytes().chunks(16) {
        for byte in line {
            text.push(DIGITS[usize::from(byte >> 4)].into());
            text.push(DIGITS[usize::from(byte & 0x0f)].into());
        }
        text.push('\n');
    }
    text.push_str(END);
    text.push('\n');
    text
}

/// Says what the file is instead, if it says so itself.
fn no_begin(text: &NamedText) -> Diagnostic {
    let other_kind = (1..).zip(text.text.split(|&byte| byte == b'\n')).find_map(|(number, line)| {
        let kind = line.trim_ascii().strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
        Some((number, String::from_utf8_lossy(kind)))
    });
    match other_kind {
        Some((number, kind)) => Diagnostic::error(
            &text.position(number, 1),
            format_args!("this is an \"{kind}\", and a static key is needed: {HOW_TO_MAKE}"),
        ),
        None => Diagnostic::error(
            &text.position(1, 0),
            format_args!("there is no line \"{BEGIN}\", so this is no static key: {HOW_TO_MAKE}"),
        ),
    }
}

#[cfg(test)]
mod tests;
