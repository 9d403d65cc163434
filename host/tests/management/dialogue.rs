//! A dialogue with Debian's OpenVPN, recorded and replayed: the same commands have the same answers, after what must
//! differ (times, process ids, ports, counts, versions) is taken out. OpenVPN runs beside adit, so that a recording
//! that is out of date shows. `ADIT_RECORD=1` records anew.

use core::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::lab::console::Console;
use super::lab::program::Program::{self, Adit, Stock};
use super::lab::{PATIENCE, wait_until};
use super::{PORT, Place};

/// What is sent to a server that has one client, in this order.
const SERVER: &[&str] = &[
    "help",
    "version",
    "version 2",
    "pid",
    "pid 1",
    "\"pid\"",
    "pid # it",
    "",
    "PID",
    "foo",
    "foo \"",
    "state",
    "state all",
    "state 2",
    "state 0",
    "state x",
    "state on off",
    "state on all",
    "state off",
    "status",
    "status 1",
    "status 2",
    "status 3",
    "status 4",
    "load-stats",
    "nclients",
    "log",
    "log 1",
    "log off",
    "log x",
    "echo",
    "echo all",
    "echo on",
    "echo off",
    "bytecount",
    "bytecount 5",
    "bytecount 0",
    "bytecount x",
    "verb",
    "verb 4",
    "verb 16",
    "verb x",
    "verb 3",
    "mute",
    "mute 20",
    "mute",
    "mute 0",
    "hold",
    "hold on",
    "hold",
    "hold off",
    "hold release",
    "hold x",
    "signal",
    "signal FOO",
    "signal SIGUSR2",
    "kill",
    "kill nobody",
    "kill 192.0.2.77:5",
    "kill 192.0.2.77:x",
    "kill a:b:c",
    "kill udp:192.0.2.77:5",
    "client-kill",
    "client-kill x",
    "client-kill 99",
    "remote-entry-count",
    "remote-entry-get all",
    "username Auth x",
    "password Auth x",
    "password Auth",
    "needok a b",
    "needstr a b",
    "needstr a",
    "net",
    "test",
    "test 2",
    "pkcs11-id-count",
    "rsa-sig",
    "pk-sig",
    "certificate",
    "auth-retry",
    "auth-retry none",
    "forget-passwords",
    "client-auth",
    "client-auth-nt 99 0",
    "client-deny",
    "client-deny 99 0 x",
    "cr-response x",
    "env-filter",
    "proxy NONE",
    "remote ACCEPT",
    "client-pf",
    "kill client1",
    "nclients",
    "status",
];

/// What is sent to a client that is connected.
const CLIENT: &[&str] = &[
    "state",
    "state all",
    "status",
    "status 2",
    "status 3",
    "load-stats",
    "nclients",
    "kill client1",
    "client-kill 0",
    "remote-entry-count",
    "remote-entry-get all",
    "remote-entry-get 0",
    "remote-entry-get 0 1",
    "remote-entry-get",
    "hold",
    "hold on",
    "hold off",
    "bytecount 1",
    "bytecount 0",
    "echo all",
    "username Auth x",
    "password Auth x",
    "remote",
    "remote ACCEPT",
    "proxy",
    "auth-retry",
    "auth-retry interact",
    "cr-response x",
    "client-auth-nt 0 0",
    "signal SIGUSR2",
    "version",
    "log 1",
];

/// Where adit answers otherwise: to which command, with what, and why. `None`: with lines of its own.
const DIVERGENCES: &[(&str, Option<&[&str]>, &str)] = &[
    ("help", None, "the text is our own, and lists what there is"),
    ("foo \"", None, "how a line cannot be split is told in our own words"),
    ("test 2", None, "the text is our own"),
    (
        "bytecount x",
        Some(&["ERROR: the 'bytecount' parameter is a number of seconds, and 0 turns it off"]),
        "OpenVPN takes any word for 0",
    ),
    (
        "verb x",
        Some(&["ERROR: verb level is out of range"]),
        "OpenVPN takes any word for 0, and falls silent",
    ),
    (
        "kill udp:192.0.2.77:5",
        Some(&["ERROR: client at address 192.0.2.77:5 not found"]),
        "OpenVPN 2.7's form of an address is understood",
    ),
    ("auth-retry", Some(&[UNSUPPORTED]), "auth-retry is the configuration's"),
    ("auth-retry none", Some(&[UNSUPPORTED]), "auth-retry is the configuration's"),
    ("auth-retry interact", Some(&[UNSUPPORTED]), "auth-retry is the configuration's"),
    (
        "client-auth-nt 99 0",
        Some(&["ERROR: The 'client-auth' command is not supported by the current daemon mode"]),
        "management-client-auth is refused",
    ),
    ("client-deny 99 0 x", Some(&[UNSUPPORTED]), "management-client-auth is refused"),
    (
        "cr-response x",
        Some(&[UNSUPPORTED]),
        "there is no challenge to respond to; OpenVPN's name for it has a slip",
    ),
    ("env-filter", Some(&[UNSUPPORTED]), "it is for management-client-auth, which is refused"),
];

/// Stands for the sentence about a command that is not there.
const UNSUPPORTED: &str = "(unsupported)";

/// A server's answers, or a client's.
struct Recording {
    name: &'static str,
    commands: &'static [&'static str],
    /// Who runs the end that is talked to; the other is Debian's.
    run: fn(Program, &[&str]) -> Vec<Exchange>,
}

/// A command, and its answer without what must differ.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exchange {
    command: String,
    answer: Vec<String>,
}

#[test]
fn a_server_answers_as_openvpn_does() {
    replay(&Recording { name: "server", commands: SERVER, run: talk_to_server });
}

#[test]
fn a_client_answers_as_openvpn_does() {
    replay(&Recording { name: "client", commands: CLIENT, run: talk_to_client });
}

fn replay(recording: &Recording) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/management")
        .join(format!("{}.dialogue", recording.name));
    let stock = (recording.run)(Stock, recording.commands);
    if std::env::var_os("ADIT_RECORD").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, to_text(&stock)).unwrap();
    }
    let recorded = fs::read_to_string(&path).unwrap();
    assert_eq!(to_text(&stock), recorded, "OpenVPN says something else than when it was recorded");
    let adit = (recording.run)(Adit, recording.commands);
    let mut wrong = String::new();
    for (theirs, ours) in stock.iter().zip(&adit) {
        let divergence = DIVERGENCES.iter().find(|(command, ..)| *command == ours.command);
        let right = match divergence {
            None => theirs.answer == ours.answer,
            Some((_, None, _)) => theirs.answer != ours.answer && !ours.answer.is_empty(),
            Some((_, Some(answer), _)) => theirs.answer != ours.answer && is_answer(ours, answer),
        };
        if !right {
            let _ = write!(
                wrong,
                "\n{}\n  OpenVPN: {:?}\n  adit:    {:?}",
                ours.command, theirs.answer, ours.answer
            );
        }
    }
    assert!(wrong.is_empty(), "answers differ, and not as listed:{wrong}");
    assert_eq!(stock.len(), adit.len());
}

fn is_answer(exchange: &Exchange, expected: &[&str]) -> bool {
    let name = exchange.command.split(' ').next().unwrap();
    let unsupported = format!("ERROR: The '{name}' command is not supported by the current daemon mode");
    let expected: Vec<&str> =
        expected.iter().map(|line| if *line == UNSUPPORTED { unsupported.as_str() } else { line }).collect();
    exchange.answer == expected
}

fn to_text(exchanges: &[Exchange]) -> String {
    let mut text = String::new();
    for Exchange { command, answer } in exchanges {
        let _ = writeln!(text, "--> {command}");
        for line in answer {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn talk_to_server(program: Program, commands: &[&str]) -> Vec<Exchange> {
    let place = Place::new(&format!("dialogue server {program:?}"));
    let clients = place.folder.path().join("clients");
    fs::create_dir(&clients).unwrap();
    fs::write(clients.join("client1"), "iroute 10.99.0.0 255.255.0.0\n").unwrap();
    let more = "client-config-dir clients\nroute 10.99.0.0 255.255.0.0\n";
    let _server = place.serve(program, &format!("management 127.0.0.1 {PORT}\n{more}"));
    let _client = place.connect(Stock, "");
    let mut console = Console::tcp(&place.network.server, PORT);
    // A client is up before its server has taken note of it.
    assert!(wait_until(PATIENCE, || console.ask("nclients") == ["SUCCESS: nclients=1"]));
    talk(&mut console, commands)
}

fn talk_to_client(program: Program, commands: &[&str]) -> Vec<Exchange> {
    let place = Place::new(&format!("dialogue client {program:?}"));
    let _server = place.serve(Stock, "");
    let _client = place.connect(program, "management client.sock unix\n");
    let mut console = Console::unix(&place.folder.path().join("client.sock"));
    talk(&mut console, commands)
}

fn talk(console: &mut Console, commands: &[&str]) -> Vec<Exchange> {
    commands
        .iter()
        .map(|command| {
            let answer = console.ask(command);
            Exchange { command: (*command).to_owned(), answer: normalised(&answer) }
        })
        .collect()
}

/// The lines without what differs from run to run and from program to program.
fn normalised(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = lines.iter().map(|line| normalised_line(line)).collect();
    // A routing table has no order.
    let is_route = |line: &String| {
        ["ROUTING_TABLE", "10.8.0.2,", "10.99.0.0/16,", "fd00:8::1000,"]
            .iter()
            .any(|row| line.starts_with(row))
    };
    if let Some(start) = out.iter().position(is_route) {
        let len = out[start..].iter().take_while(|line| is_route(line)).count();
        out[start..start + len].sort();
    }
    out
}

fn normalised_line(line: &str) -> String {
    if line.starts_with("SUCCESS: pid=") {
        return "SUCCESS: pid=PID".to_owned();
    }
    if let Some((title, release)) = line.split_once("OpenVPN 2.")
        && release.starts_with(|first: char| first.is_ascii_digit())
    {
        return format!("{title}VERSION");
    }
    if line.starts_with("SUCCESS: nclients=") && line.contains("bytesin") {
        return format!("{},bytesin=N,bytesout=N", line.split(',').next().unwrap());
    }
    if line.contains("queue length") || line.contains("bytes,") {
        let end = line.rfind([',', '\t']).unwrap();
        return format!("{}N", &line[..=end]);
    }
    let separator = if line.contains('\t') { '\t' } else { ',' };
    let fields: Vec<String> = line.split(separator).map(normalised_field).collect();
    let mut fields = fields;
    // Bytes received and sent, behind the address or the addresses.
    match (fields.first().map(String::as_str), fields.len()) {
        (Some("client1"), 5) => fields[2..4].fill("N".to_owned()),
        (Some("CLIENT_LIST"), 13) => fields[5..7].fill("N".to_owned()),
        _ => {}
    }
    fields.join(&separator.to_string())
}

fn normalised_field(field: &str) -> String {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    if field.len() == 10 && digits(field) == 10 {
        return "TIME".to_owned();
    }
    if field.len() == 19 && digits(field) == 14 && field.as_bytes()[10] == b' ' {
        return "DATE".to_owned();
    }
    match field.rsplit_once(':') {
        Some(("192.0.2.2", _)) => "192.0.2.2:PORT".to_owned(),
        _ => field.to_owned(),
    }
}
