//! Lines as they are written, read back, and searched.

use alloc::format;
use alloc::string::{String, ToString};

use proptest::prelude::*;

use super::super::testing::ip;
use super::super::whois::Question;
use super::{FlowRecord, LogSearch, OutsideEnd, RecordKind, Timestamp};

fn end(text: &str) -> Option<OutsideEnd> {
    Some(text.parse().expect("an end"))
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-28T{text}Z").parse().expect("a time")
}

fn flow(kind: RecordKind, identity: &str, outside: &str, start: &str, until: Option<&str>) -> FlowRecord {
    FlowRecord {
        time: time(until.unwrap_or(start)),
        kind,
        identity: identity.into(),
        protocol: Some(6),
        inside: end("10.8.0.6:40000"),
        outside: end(outside),
        destination: end("10.0.2.2:22"),
        start: Some(time(start)),
        end: until.map(time),
        sent: 1200,
        received: 34,
    }
}

/// The members that issue 4 asks for, to the letter.
#[test]
fn a_line_as_it_is_written() {
    let record = flow(RecordKind::FlowEnded, "client1", "10.0.1.200:40000", "12:50:00.123", Some("12:51:00"));
    let line = concat!(
        r#"{"time":"2026-11-28T12:51:00.000Z","event":"end","identity":"client1","protocol":"tcp","#,
        r#""inside":"10.8.0.6:40000","outside":"10.0.1.200:40000","destination":"10.0.2.2:22","#,
        r#""start":"2026-11-28T12:50:00.123Z","end":"2026-11-28T12:51:00.000Z","#,
        r#""bytes":1234,"sent":1200,"received":34}"#
    );
    assert_eq!(record.to_string(), line);
    assert_eq!(line.parse(), Ok(record));
    assert_eq!(
        FlowRecord::opened(time("00:00:00")).to_string(),
        r#"{"time":"2026-11-28T00:00:00.000Z","event":"open"}"#
    );
}

#[test]
fn a_name_cannot_break_out_of_its_line() {
    let name = "a\"},{\"b\\\n\r\u{1b}[2J\u{2028}é𝄞";
    let record = flow(RecordKind::FlowEnded, name, "[fd00::3]:1", "12:50:00", Some("12:51:00"));
    let line = record.to_string();
    assert!(line.contains(r#""a\"},{\"b\\\u000a\u000d\u001b[2J\u2028é𝄞""#), "{line}");
    assert_eq!(line.parse(), Ok(record));
}

#[test]
fn what_others_wrote_is_read_and_what_is_cut_off_is_not() {
    let line = r#" { "time" : "2026-11-28T12:50:00Z" , "new": null, "x":-1.5e3, "event":"start", "identity":"\u0061\ud834\udd1e\/\n" } "#;
    let record: FlowRecord = line.parse().unwrap();
    assert_eq!((&*record.identity, record.kind), ("a𝄞/\n", RecordKind::FlowStarted));
    for bad in [
        "",
        "{",
        "{}",
        "[]",
        r#"{"time":"2026-11-28T12:50:00Z"}"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"other"}"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open"} x"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open","a":{}}"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open","a":"\ud800"}"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open","a":"\x"}"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open","a"#,
        r#"{"time":"2026-11-28T12:50:00Z","event":"open","outside":"10.0.1"}"#,
        r#"{"time":"yesterday","event":"open"}"#,
    ] {
        assert!(bad.parse::<FlowRecord>().is_err(), "{bad}");
    }
    let error = r#"{"time":"yesterday","event":"open"}"#.parse::<FlowRecord>().unwrap_err().to_string();
    assert_eq!(
        error,
        "no line of a flow log: \"yesterday\" is no time; right would be 2026-11-28T12:50:00.123Z"
    );
}

#[test]
fn ends_both_ways() {
    for text in [
        "10.0.1.200",
        "10.1.0.0/16",
        "10.0.1.3:40000",
        "10.0.1.3:1024-2047",
        "fd00::3",
        "[fd00::3]:1024-2047",
    ] {
        assert_eq!(text.parse::<OutsideEnd>().unwrap().to_string(), text);
    }
    let block: OutsideEnd = "10.0.1.3:1024-2047".parse().unwrap();
    assert!(block.holds(ip("10.0.1.3"), Some(2047)) && block.holds(ip("10.0.1.3"), None));
    assert!(!block.holds(ip("10.0.1.3"), Some(2048)) && !block.holds(ip("10.0.1.4"), Some(1024)));
}

fn log(records: &[FlowRecord]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn who<'a>(log: &str, port: u16, at: &str, out: &'a mut String) -> &'a str {
    let question = Question { port: Some(port), protocol: Some(6), ..Question::new(ip("10.0.1.3")) };
    let mut search = LogSearch::new(question, time(at));
    log.lines().for_each(|line| search.line(line));
    *out = search.finish().identities().join(" ");
    out
}

#[test]
fn a_log_tells_who_had_a_port_at_a_time() {
    let (start, ended) = (RecordKind::FlowStarted, RecordKind::FlowEnded);
    let log = log(&[
        flow(start, "a", "10.0.1.3:5000", "10:00:00", None),
        flow(start, "b", "10.0.1.3:5001", "10:00:00", None),
        flow(ended, "a", "10.0.1.3:5000", "10:00:00", Some("10:10:00")),
        flow(start, "c", "10.0.1.3:5000", "10:20:00", None),
    ]);
    let log = log + "{\"time\":\"2026-11-28T10:2\n";
    let mut out = String::new();
    for (port, at, expected) in [
        (5000, "10:00:00", "a"),
        (5000, "10:10:00", "a"),
        (5000, "10:10:02", "a"),
        (5000, "10:10:03", ""),
        (5000, "10:19:57", ""),
        (5000, "10:20:00", "c"),
        (5000, "23:00:00", "c"),
        (5001, "09:00:00", ""),
        (5001, "23:00:00", "b"),
        (5002, "10:05:00", ""),
    ] {
        assert_eq!(who(&log, port, at, &mut out), expected, "{port} at {at}");
    }
    let mut search = LogSearch::new(Question::new(ip("10.0.1.3")), time("09:00:00"));
    log.lines().for_each(|line| search.line(line));
    let answer = search.finish();
    assert_eq!((answer.malformed, answer.reaches(time("09:00:00"))), (1, false));
}

#[test]
fn after_a_restart_nothing_goes_on() {
    let start = RecordKind::FlowStarted;
    let log = log(&[
        flow(start, "a", "10.0.1.3:5000", "10:00:00", None),
        FlowRecord::opened(time("10:30:00")),
        flow(start, "b", "10.0.1.3:5000", "10:40:00", None),
    ]);
    let mut out = String::new();
    assert_eq!(who(&log, 5000, "10:29:59", &mut out), "a");
    assert_eq!(who(&log, 5000, "10:35:00", &mut out), "");
    assert_eq!(who(&log, 5000, "10:41:00", &mut out), "b");
}

#[test]
fn a_lease_answers_for_all_its_ports() {
    let lease = FlowRecord {
        kind: RecordKind::LeaseStarted,
        identity: "a".into(),
        outside: end("10.0.1.3:1024-2047"),
        start: Some(time("10:00:00")),
        ..FlowRecord::opened(time("10:00:00"))
    };
    let release = FlowRecord {
        kind: RecordKind::LeaseEnded,
        time: time("11:00:00"),
        end: Some(time("11:00:00")),
        ..lease.clone()
    };
    let log = log(&[lease, release]);
    let mut out = String::new();
    assert_eq!(who(&log, 2047, "10:30:00", &mut out), "a");
    assert_eq!(who(&log, 2048, "10:30:00", &mut out), "");
    assert_eq!(who(&log, 2047, "11:30:00", &mut out), "");
}

proptest! {
    #[test]
    fn every_record_comes_back(
        identity in any::<String>(),
        protocol in any::<u8>(),
        port in any::<u16>(),
        (sent, received, start) in (any::<u32>(), any::<u32>(), 0u64..1 << 40),
    ) {
        let record = FlowRecord {
            identity,
            protocol: Some(protocol),
            outside: Some(OutsideEnd { network: ip("2001:db8::1").into(), ports: port..=port }),
            start: Some(Timestamp(start)),
            sent: sent.into(),
            received: received.into(),
            ..flow(RecordKind::FlowEnded, "", "10.0.1.3:1", "10:00:00", Some("11:00:00"))
        };
        prop_assert_eq!(record.to_string().parse(), Ok(record));
    }

    /// A damaged line is one or is none, and nothing worse.
    #[test]
    fn any_line_is_read(line in "[{}\":,a-z0-9\\\\u. ]{0,60}", at in 0usize..200, byte in any::<char>()) {
        let _ = line.parse::<FlowRecord>();
        let mut good: alloc::vec::Vec<char> =
            flow(RecordKind::FlowEnded, "a\n", "10.0.1.3:1", "10:00:00", Some("11:00:00")).to_string().chars().collect();
        let at = at % good.len();
        good[at] = byte;
        let _ = good.iter().collect::<String>().parse::<FlowRecord>();
    }
}
