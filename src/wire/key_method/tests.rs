use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::*;

fn client_message() -> KeyMethod2 {
    KeyMethod2 {
        source: KeySource { pre_master: [1; 48], random1: [2; 32], random2: [3; 32] },
        options: "V4,dev-type tun".into(),
        username: Some("alice".into()),
        password: Some(Zeroizing::new("secret".into())),
        peer_info: "IV_VER=2.6.14\nIV_PROTO=990\n".into(),
    }
}

fn bytes(message: &KeyMethod2, sender: Role) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(sender, &mut out);
    out
}

/// A client's message with these bytes behind the randoms.
fn with_strings(strings: &[u8]) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    out.extend([0; 48 + 32 + 32]);
    out.extend(strings);
    out
}

fn parse_client(bytes: &[u8]) -> Result<KeyMethod2, KeyMethodError> {
    KeyMethod2::parse(Role::Client, bytes).map(|(message, _)| message)
}

#[test]
fn a_client_s_message_is_laid_out_as_openvpn_does() {
    let mut expected = vec![0, 0, 0, 0, 2];
    expected.extend([1; 48]);
    expected.extend([2; 32]);
    expected.extend([3; 32]);
    expected.extend(b"\x00\x10V4,dev-type tun\0\x00\x06alice\0\x00\x07secret\0");
    expected.extend(b"\x00\x1cIV_VER=2.6.14\nIV_PROTO=990\n\0");
    assert_eq!(bytes(&client_message(), Role::Client), expected);
}

#[test]
fn a_server_sends_no_pre_master_and_empty_strings() {
    let message = KeyMethod2 {
        source: KeySource { pre_master: [0; 48], random1: [2; 32], random2: [3; 32] },
        options: "V4".into(),
        username: None,
        password: None,
        peer_info: String::new(),
    };
    let out = bytes(&message, Role::Server);
    assert_eq!(out.len(), 5 + 64 + 5 + 6);
    assert!(out.ends_with(b"\x00\x03V4\0\0\0\0\0\0\0"));
    assert_eq!(KeyMethod2::parse(Role::Server, &out), Ok((message, out.len())));
}

#[test]
fn what_follows_the_message_is_not_counted() {
    let mut out = bytes(&client_message(), Role::Client);
    let len = out.len();
    out.extend(b"PUSH_REQUEST\0");
    assert_eq!(KeyMethod2::parse(Role::Client, &out), Ok((client_message(), len)));
}

#[test]
fn a_message_may_end_before_a_trailing_string_but_not_within_one() {
    let out = bytes(&client_message(), Role::Client);
    let ends = [5 + 112 + 18, 5 + 112 + 18 + 8, 5 + 112 + 18 + 8 + 9, out.len()];
    for len in 0..=out.len() {
        let result = KeyMethod2::parse(Role::Client, &out[..len]);
        if ends.contains(&len) {
            assert_eq!(result.unwrap().1, len);
        } else {
            assert_eq!(result, Err(KeyMethodError::Incomplete), "{len} bytes");
        }
    }
    let old = parse_client(&out[..ends[0]]).unwrap();
    assert_eq!((old.username, old.password, old.peer_info.as_str()), (None, None, ""));
}

#[test]
fn not_provided_and_empty_are_two_things() {
    let message = parse_client(&with_strings(b"\0\0\0\0\0\x01\0\0\x01\0")).unwrap();
    assert_eq!(message.options, "");
    assert_eq!(message.username, None);
    assert_eq!(message.password.as_ref().map(|text| text.as_str()), Some(""));
}

#[test]
fn lengths_at_and_beyond_their_limits() {
    let options = |len: usize| {
        let mut strings = (len as u16).to_be_bytes().to_vec();
        strings.extend(vec![b'x'; len - 1]);
        strings.push(0);
        strings
    };
    assert_eq!(parse_client(&with_strings(&options(512))).unwrap().options.len(), 511);
    let too_long = KeyMethodError::Malformed("the options string has more than 512 bytes");
    assert_eq!(parse_client(&with_strings(&options(513))), Err(too_long));
    assert_eq!(parse_client(&with_strings(b"\xff\xff")), Err(too_long));

    let username = |len: usize| [b"\0\0".to_vec(), options(len)].concat();
    let name = parse_client(&with_strings(&username(4096))).unwrap().username;
    assert_eq!(name.map(|name| name.len()), Some(4095));
    assert_eq!(
        parse_client(&with_strings(&username(4097))),
        Err(KeyMethodError::Malformed("the username has more than 4096 bytes"))
    );

    let mut peer_info = b"\0\0\0\0\0\0".to_vec();
    peer_info.extend(16384u16.to_be_bytes());
    assert_eq!(parse_client(&with_strings(&peer_info)), Err(KeyMethodError::Incomplete));
    peer_info.extend(vec![b'x'; 16384]);
    assert_eq!(
        parse_client(&with_strings(&peer_info)),
        Err(KeyMethodError::Malformed("it is longer than 16 KiB"))
    );
}

/// CVE-2017-12166: a message of key method 1 overflowed its buffer. Its opcodes are refused, too.
#[test]
fn another_key_method_is_refused() {
    let mut out = bytes(&client_message(), Role::Client);
    out[4] = 0x12;
    assert_eq!(parse_client(&out), Ok(client_message()), "only the low four bits count");
    out[4] = 1;
    assert_eq!(parse_client(&out), Err(KeyMethodError::Malformed("the key method is not 2")));
    out[0] = 1;
    assert!(matches!(parse_client(&out), Err(KeyMethodError::Malformed(_))));
}

#[test]
fn strings_end_at_their_nul() {
    for strings in [&b"\0\x02ab"[..], b"\0\x03a\0\0", b"\0\x01a"] {
        assert!(matches!(parse_client(&with_strings(strings)), Err(KeyMethodError::Malformed(_))));
    }
}

#[test]
fn unprintable_bytes_become_underscores() {
    let strings = b"\0\0\0\x05a\nb\xff\0\0\x04\x07\xc3\xa4\0\0\x04a\nb\0";
    let message = parse_client(&with_strings(strings)).unwrap();
    assert_eq!(message.username.as_deref(), Some("a_b_"));
    assert_eq!(message.password.as_ref().map(|text| text.as_str()), Some("_\u{e4}"));
    assert_eq!(message.peer_info, "a\nb");
}

#[test]
fn a_string_that_cannot_be_carried_is_not_provided() {
    let mut message = client_message();
    message.username = Some("a\0b".into());
    message.password = Some(Zeroizing::new("x".repeat(4096)));
    let (read, _) = KeyMethod2::parse(Role::Client, &bytes(&message, Role::Client)).unwrap();
    assert_eq!((read.username, read.password), (None, None));
    assert_eq!(read.peer_info, message.peer_info);
}

#[test]
fn no_secret_is_printed() {
    let text = alloc::format!("{:?}", client_message());
    assert!(text.contains("alice") && !text.contains("secret") && !text.contains("[1, 1"));
    assert_eq!(
        KeyMethodError::Malformed("the key method is not 2").to_string(),
        "the key method message is malformed: the key method is not 2"
    );
}

#[test]
fn a_server_s_share_has_no_pre_master() {
    let mut entropy = |out: &mut [u8]| out.fill(9);
    assert_eq!(KeySource::random(Role::Server, &mut entropy).pre_master, [0; 48]);
    let client = KeySource::random(Role::Client, &mut entropy);
    assert_eq!((client.pre_master, client.random1, client.random2), ([9; 48], [9; 32], [9; 32]));
}

proptest! {
    #[test]
    fn parse_undoes_emit(
        options in "[ -~]{0,100}",
        username in prop::option::of("[ -~]{0,40}"),
        password in prop::option::of("\\PC{0,40}"),
        peer_info in "([A-Z_]{1,8}=[ -~]{0,20}\n){0,5}",
        client in any::<bool>(),
    ) {
        let sender = if client { Role::Client } else { Role::Server };
        let mut source = KeySource::ZERO;
        source.random2 = [4; 32];
        let message = KeyMethod2 { source, options, username, password: password.map(Zeroizing::new), peer_info };
        let out = bytes(&message, sender);
        prop_assert_eq!(KeyMethod2::parse(sender, &out), Ok((message, out.len())));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = KeyMethod2::parse(Role::Client, &bytes);
        let _ = KeyMethod2::parse(Role::Client, &with_strings(&bytes));
    }
}
