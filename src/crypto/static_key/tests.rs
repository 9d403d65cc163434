use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn hex_lines(bytes: &[u8]) -> String {
    bytes
        .chunks(16)
        .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n")
        .collect()
}

/// A file with the bytes 00 to ff, the BEGIN line on line 4.
fn file() -> String {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let key = hex_lines(&bytes);
    format!("#\n# 2048 bit OpenVPN static key\n#\n{}\n{key}{}\n", BEGIN, END)
}

fn parse(text: &str) -> Result<KeyBlock, String> {
    parse_static_key(&NamedText::file("ta.key", text)).map_err(|diagnostic| diagnostic.to_string())
}

#[test]
fn the_key_s_bytes_come_in_order() {
    let block = parse(&file()).unwrap();
    assert!(block.as_bytes().iter().copied().eq(0..=u8::MAX));
    assert_eq!(block.key(1).hmac[0], 192);
}

#[test]
fn the_file_is_written_as_openvpn_does() {
    let block = parse(&file()).unwrap();
    assert_eq!(*emit_static_key(&block), file());
}

#[test]
fn white_space_crlf_bom_case_and_what_follows_do_not_matter() {
    let block = parse(&file()).unwrap();
    let text = format!("{}and so on\n", file().replace("0a0b", " 0A 0B\n\t").replace('\n', "\r\n"));
    assert_eq!(parse(&text), Ok(block.clone()));
    let from_begin = format!("\u{feff}{}", &file()[file().find("-----").unwrap()..]);
    assert_eq!(parse(&from_begin), Ok(block.clone()));
    assert_eq!(parse(file().trim_end()), Ok(block));
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let cases = [
        (
            String::new(),
            "ta.key:1: there is no line \"-----BEGIN OpenVPN Static key V1-----\", so this is no static key: \
             `adit --genkey secret FILE` makes one",
        ),
        (
            file().replace("Static key V1", "tls-crypt-v2 client key"),
            "ta.key:4:1: this is an \"OpenVPN tls-crypt-v2 client key\", and a static key is needed: \
             `adit --genkey secret FILE` makes one",
        ),
        (file().replace("202122", "20x122"), "ta.key:7:3: this is no hexadecimal digit (0-9, a-f)"),
        (
            file().replace("-----END", "00\n-----END"),
            "ta.key:21:1: the key goes on here after its 512 hexadecimal digits",
        ),
        (
            file().replace("fdfeff", "fdfef"),
            "ta.key:21:1: the key ends here after 511 of its 512 hexadecimal digits: the file is incomplete",
        ),
        // "E" is a digit, and goes where there is no more room for one.
        (
            file().replace("-----END", "END"),
            "ta.key:21:1: the key goes on here after its 512 hexadecimal digits",
        ),
        (
            file().replace("-----END OpenVPN Static key V1-----\n", ""),
            "ta.key:4:1: the key that begins here has no line \"-----END OpenVPN Static key V1-----\" to end it",
        ),
        (
            file().replace("END OpenVPN", "END"),
            "ta.key:21:1: the line that ends the key must be \"-----END OpenVPN Static key V1-----\"",
        ),
        (
            format!("{}\n{}{}\n", BEGIN, hex_lines(&[0; 256]), END),
            "ta.key:1:1: a part of this key is all zero, and so no secret: `adit --genkey secret FILE` makes one",
        ),
    ];
    for (text, sentence) in cases {
        assert_eq!(parse(&text).unwrap_err(), sentence);
    }
}

#[test]
fn an_inline_block_is_named_by_the_lines_of_its_file() {
    let text = NamedText::inline("client.ovpn", 30, file().replace("202122", "20x122"));
    let message = parse_static_key(&text).unwrap_err().to_string();
    assert_eq!(message, "client.ovpn:36:3: this is no hexadecimal digit (0-9, a-f)");
}

proptest! {
    #[test]
    fn a_key_comes_back(bytes in prop::collection::vec(1u8.., 256)) {
        let text = format!("{}\n{}{}", BEGIN, hex_lines(&bytes), END);
        let block = parse(&text).unwrap();
        prop_assert_eq!(&block.as_bytes()[..], &bytes[..]);
    }

    #[test]
    fn hostile_text_never_panics(text in "(-----BEGIN OpenVPN Static key V1-----\n)?[0-9a-f\n -]{0,600}\\PC{0,20}") {
        let _ = parse(&text);
    }
}
