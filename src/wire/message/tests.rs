use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::reason::DropReason;

#[test]
fn every_message_is_known_by_its_word() {
    let cases = [
        ("PUSH_REQUEST", ControlMessage::PushRequest),
        ("PUSH_REPLY", ControlMessage::PushReply("")),
        ("PUSH_REPLY,ping 10,route 10.0.0.0", ControlMessage::PushReply("ping 10,route 10.0.0.0")),
        ("PUSH_UPDATE,-?dns", ControlMessage::PushUpdate("-?dns")),
        ("AUTH_FAILED", ControlMessage::AuthFailed("")),
        ("AUTH_FAILED,SESSION: token expired", ControlMessage::AuthFailed("SESSION: token expired")),
        ("AUTH_PENDING,timeout 60", ControlMessage::AuthPending("timeout 60")),
        ("RESTART,[N]", ControlMessage::Restart("[N]")),
        ("HALT,bye, all", ControlMessage::Halt("bye, all")),
        ("INFO_PRE,CR_TEXT:E:code?", ControlMessage::InfoPre("CR_TEXT:E:code?")),
        ("INFO,hello", ControlMessage::Info("hello")),
        ("CR_RESPONSE,YWJj", ControlMessage::CrResponse("YWJj")),
        ("EXIT", ControlMessage::Exit),
        ("EXIT,now", ControlMessage::Unknown("EXIT,now")),
        ("PUSH_REPLYX", ControlMessage::Unknown("PUSH_REPLYX")),
        ("RELAY,x", ControlMessage::Unknown("RELAY,x")),
    ];
    for (text, message) in cases {
        assert_eq!(ControlMessage::parse(text), message);
        assert_eq!(message.to_string(), text);
    }
    assert_eq!(ControlMessage::PushRequest.to_record(), b"PUSH_REQUEST\0");
}

#[test]
fn a_record_is_split_at_its_nuls() {
    let split = |record| split_messages(record).collect::<Vec<_>>();
    assert_eq!(split(b"EXIT\0"), [Ok("EXIT")]);
    assert_eq!(split(b"A\0B\r\n\0tail"), [Ok("A"), Ok("B")]);
    assert_eq!(split(b"tail"), []);
    assert_eq!(split(b""), []);
    assert_eq!(split(b"\0\0\r\n\0A\0"), [Ok("A")]);
}

#[test]
fn an_unprintable_message_is_refused_and_its_neighbours_are_not() {
    let split: Vec<_> = split_messages(b"A\nB\0OK\0\x1b[2J\0\xff\0\x7f\0").collect();
    let bad = |bytes| Err(bytes);
    assert_eq!(split, [bad(&b"A\nB"[..]), Ok("OK"), bad(b"\x1b[2J"), bad(b"\xff"), bad(b"\x7f")]);
}

#[test]
fn what_is_told_of_an_unprintable_message_is_printable_short_and_no_secret() {
    assert_eq!(
        quote_unprintable(b"INFO,\x1b]0;title\x07 \xc3\xa4\xff"),
        r"INFO,\x1b]0;title\x07 \xc3\xa4\xff"
    );
    assert_eq!(
        quote_unprintable(b"PUSH_REPLY,auth-token SECRET,echo \x07"),
        r"PUSH_REPLY,auth-token ...,echo \x07"
    );
    assert_eq!(quote_unprintable(&[0xFF; 40_000]), r"\xff".repeat(250) + "...");
}

#[test]
fn secrets_are_masked_wherever_they_stand() {
    let cases = [
        ("PUSH_REPLY,auth-token SESS_ID_AT_x,peer-id 0", "PUSH_REPLY,auth-token ...,peer-id 0"),
        ("PUSH_REPLY,ping 1,auth-token SESS_ID_AT_x", "PUSH_REPLY,ping 1,auth-token ..."),
        ("PUSH_REPLY,auth-token a,auth-token b,ping 1", "PUSH_REPLY,auth-token ...,auth-token ...,ping 1"),
        ("CR_RESPONSE,c2VjcmV0", "CR_RESPONSE,..."),
        ("INFO_PRE,WEB_AUTH::https://x/?token=1,2", "INFO_PRE,WEB_AUTH:..."),
        ("PUSH_REPLY,auth-token-user YWJj", "PUSH_REPLY,auth-token-user YWJj"),
        ("PUSH_REPLY,ping 10", "PUSH_REPLY,ping 10"),
    ];
    for (message, masked) in cases {
        assert_eq!(mask_secrets(message), masked);
    }
}

fn pushed(options: &[String]) -> Vec<String> {
    push_replies(options.iter().map(String::as_str)).iter().map(|message| message.to_string()).collect()
}

#[test]
fn options_that_fit_go_out_in_one_message() {
    assert_eq!(pushed(&[]), ["PUSH_REPLY"]);
    let options = ["ping 10".to_owned(), "peer-id 3".to_owned()];
    assert_eq!(pushed(&options), ["PUSH_REPLY,ping 10,peer-id 3"]);
}

#[test]
fn a_message_stops_before_940_bytes() {
    let head = "PUSH_REPLY,".len();
    let fits = ["x".repeat(255), "x".repeat(255), "x".repeat(255), "x".repeat(939 - head - 768)];
    let messages = pushed(&fits);
    assert_eq!(messages.iter().map(String::len).collect::<Vec<_>>(), [939]);

    let mut longer = fits.to_vec();
    longer[3].push('x');
    let messages = pushed(&longer);
    assert_eq!(messages.len(), 2);
    assert!(messages[0].ends_with(",push-continuation 2"));
    assert!(messages[1].ends_with("x,push-continuation 1"));
    assert!(messages.iter().all(|message| message.len() < 1024));
}

#[test]
fn a_push_ends_with_continuation_1_or_without_one() {
    let mut push = PushReplyAssembler::new(1000);
    assert_eq!(push.add("ping 10,push-continuation 2"), Ok(None));
    assert_eq!(push.add("push-continuation 2,,peer-id 1"), Ok(None));
    let all = vec!["ping 10".to_owned(), "peer-id 1".to_owned(), "cipher X".to_owned()];
    assert_eq!(push.add("cipher X,push-continuation 1"), Ok(Some(all)));
    assert_eq!(push.add("a"), Ok(Some(vec!["a".to_owned()])), "the next push starts anew");
    assert_eq!(push.add(""), Ok(Some(vec![])));
}

#[test]
fn a_push_without_end_is_stopped_at_its_limit() {
    let mut push = PushReplyAssembler::new(160);
    for _ in 0..10 {
        assert_eq!(push.add("a,push-continuation 2"), Ok(None));
    }
    assert_eq!(push.add("a,push-continuation 2"), Err(DropReason::TooLarge));
    assert_eq!(push.add("b"), Ok(Some(vec!["b".to_owned()])), "what came before is forgotten");

    assert_eq!(push.add(&"x".repeat(159)).map(|all| all.map_or(0, |all| all.len())), Ok(1));
    assert_eq!(push.add(&"x".repeat(160)), Err(DropReason::TooLarge));
}

proptest! {
    #[test]
    fn what_is_pushed_arrives(options in prop::collection::vec("[a-z][ -+\\--~]{0,254}", 0..40)) {
        let options: Vec<String> = options.into_iter().filter(|o| !o.starts_with("push-c")).collect();
        let mut push = PushReplyAssembler::new(64 * 1024);
        let messages = pushed(&options);
        let mut got = None;
        for (i, message) in messages.iter().enumerate() {
            prop_assert!(message.len() < 1024);
            let ControlMessage::PushReply(part) = ControlMessage::parse(message) else { panic!("{message}") };
            got = push.add(part).unwrap();
            prop_assert_eq!(got.is_some(), i + 1 == messages.len());
        }
        prop_assert_eq!(got, Some(options));
    }

    #[test]
    fn emit_undoes_parse(text in "(PUSH_REPLY|AUTH_FAILED|INFO|EXIT|[A-Z]{1,4}),[ -~]{1,30}") {
        prop_assert_eq!(ControlMessage::parse(&text).to_string(), text);
    }

    #[test]
    fn hostile_records_give_printable_text(record in prop::collection::vec(any::<u8>(), 0..100)) {
        for text in split_messages(&record).flatten() {
            prop_assert!(!text.is_empty() && !text.contains(char::is_control));
            let _ = format!("{}{}", ControlMessage::parse(text), mask_secrets(text));
        }
    }
}
