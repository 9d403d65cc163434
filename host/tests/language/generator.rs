//! Configurations at random: mostly sound, here and there a mistake, written down in every way the language has.

use crate::case::{Case, MAIN};
use crate::random::Random;
use crate::words::{ROWS, Row};

/// Which end it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Client,
    Server,
}

/// How configurations are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A configuration file, perhaps with an include and something on the command line.
    Profile,
    /// A command line alone.
    CommandLine,
    /// A sound profile, with lines in it whose quotes, escapes, lengths and bytes are odd.
    OddText,
}

/// The case that belongs to this seed.
pub(crate) fn generate(kind: Kind, seed: u64) -> Case {
    let mut random = Random::new(seed);
    let case = match kind {
        Kind::Profile => profile(&mut random),
        Kind::CommandLine => command_line(&mut random),
        Kind::OddText => odd_text(&mut random),
    };
    Case { origin: format!("{kind:?} {seed}"), ..case }
}

fn profile(random: &mut Random) -> Case {
    let lines = statements(random);
    let mut case = Case::of_text("", "");
    let mut lines: Vec<String> = lines.iter().map(|line| dress(random, line)).collect();
    if random.one_in(6) && lines.len() > 3 {
        let rest = lines.split_off(random.below(lines.len()));
        case.files.insert("more.conf".into(), joined(random, &rest).into_bytes());
        lines.push("config more.conf".into());
    }
    if random.one_in(8) {
        case.args.extend(arguments(random).into_iter().flatten());
    }
    case.files.insert(MAIN.into(), joined(random, &lines).into_bytes());
    case
}

fn command_line(random: &mut Random) -> Case {
    let mut args = Vec::new();
    for line in statements(random) {
        if line.starts_with('<') {
            continue;
        }
        let Ok(words) = adit::config::lexer::split(&line) else { continue };
        for (n, word) in words.into_iter().enumerate() {
            args.push(if n == 0 { format!("--{}", word.text) } else { word.text });
        }
    }
    if random.one_in(20) {
        args.insert(random.below(args.len() + 1), random.pick(&["stray", "--", "---", "-x"]).into());
    }
    Case { args, ..Case::default() }
}

/// Some options as arguments, a list of words each.
fn arguments(random: &mut Random) -> Vec<Vec<String>> {
    let mut options = Vec::new();
    for _ in 0..1 + random.below(2) {
        let row = random.pick(ROWS);
        let line = written(random, &row, true);
        let Ok(words) = adit::config::lexer::split(&line) else { continue };
        let words = words.into_iter().enumerate();
        options.push(
            words.map(|(n, word)| if n == 0 { format!("--{}", word.text) } else { word.text }).collect(),
        );
    }
    options
}

/// The lines of a profile, undressed.
fn statements(random: &mut Random) -> Vec<String> {
    let end = if random.one_in(2) { End::Client } else { End::Server };
    let mut lines = base(random, end);
    if !random.one_in(40) {
        lines.push(random.pick(&["dev tun", "dev tun", "dev tun0"]).to_string());
    }
    if end == End::Server && !random.one_in(12) || random.one_in(20) {
        lines.push("topology subnet".into());
    }
    let count = 1 + random.below(7);
    for _ in 0..count {
        let row = random.pick(ROWS);
        let fits = match row.place {
            'c' => end == End::Client,
            's' => end == End::Server,
            _ => true,
        };
        if fits && !row.good().is_empty() || random.one_in(25) {
            lines.push(written(random, &row, true));
            if !random.one_in(8) {
                lines.extend(row.needs().iter().map(ToString::to_string));
            }
        }
    }
    if random.one_in(5) {
        let row = random.pick(ROWS);
        lines.push(written(random, &row, false));
    }
    if end == End::Client && random.one_in(8) {
        for _ in 0..1 + random.below(3) {
            lines.push(connection(random));
        }
    }
    if random.one_in(25) && !lines.is_empty() {
        lines.remove(random.below(lines.len()));
    }
    if random.one_in(20) {
        let again = random.pick(&lines);
        lines.push(again);
    }
    // Any order will do, and it is said that the last one wins.
    for n in (1..lines.len()).rev() {
        lines.swap(n, random.below(n + 1));
    }
    if random.one_in(12) {
        let known = random.pick(ROWS).name;
        lines.insert(0, format!("ignore-unknown-option nonsense --{known} block-outside-dns"));
    }
    if random.one_in(30) {
        lines.insert(0, "setenv FORWARD_COMPATIBLE 1".into());
    }
    lines
}

/// What makes it a client or a server.
fn base(random: &mut Random, end: End) -> Vec<String> {
    let mut lines: Vec<&str> = match end {
        End::Client => {
            let roles: [&[&str]; 4] = [&["client"], &["client"], &["client"], &["tls-client", "pull"]];
            let role = random.pick(&roles);
            let mut lines = role.to_vec();
            lines.push(random.pick(&[
                "remote vpn.example 1194",
                "remote vpn.example",
                "remote 192.0.2.1 443 tcp",
            ]));
            lines.extend(match random.below(4) {
                0 => &["auth-user-pass"] as &[_],
                1 => &["cert client1.crt", "key client1.key", "auth-user-pass login.txt"],
                _ => &["cert client1.crt", "key client1.key"],
            });
            if random.one_in(3) {
                lines.push("nobind");
            }
            lines
        }
        End::Server => {
            let mut lines = vec!["cert server.crt", "key server.key"];
            lines.extend(match random.below(12) {
                0 => &["mode server", "tls-server", "ifconfig 10.8.0.1 255.255.255.0"] as &[_],
                1 => &[
                    "mode server",
                    "tls-server",
                    "ifconfig 10.8.0.1 255.255.255.0",
                    "ifconfig-pool 10.8.0.10 10.8.0.20 255.255.255.0",
                ],
                2 => &["server-ipv6 fd08::/64"],
                3 => &["server 10.8.0.0 255.255.255.0 nopool"],
                4 => &["server 10.8.0.0 255.255.255.248"],
                5 => &["server 10.8.0.0 255.255.0.0", "server-ipv6 fd08::/64"],
                6 if random.one_in(2) => &["server 10.8.0.1 255.255.255.0"],
                7 if random.one_in(3) => &["server 10.0.0.0 255.0.0.0"],
                8 if random.one_in(3) => &["server 10.8.0.0 255.255.255.252"],
                _ => &["server 10.8.0.0 255.255.255.0"],
            });
            if !random.one_in(30) {
                lines.push(random.pick(&["dh none", "dh none", "dh dh.pem"]));
            }
            if random.one_in(5) && lines.iter().any(|line| line.starts_with("server ")) {
                lines.push("proto tcp");
            }
            lines
        }
    };
    lines.push("ca ca.crt");
    let mut lines: Vec<String> = lines.into_iter().map(String::from).collect();
    if random.one_in(8) {
        lines.pop();
        lines.push("<ca>\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n</ca>".into());
    }
    if random.one_in(60) {
        lines.clear();
    }
    lines
}

fn written(random: &mut Random, row: &Row, sound: bool) -> String {
    let choices = if sound && !row.good().is_empty() { row.good() } else { row.bad() };
    let arguments = random.pick(&choices);
    if !sound && random.one_in(8) {
        return format!("<{}>\ntext\n</{}>", row.name, row.name);
    }
    if random.one_in(10)
        && ["tls-auth", "tls-crypt", "auth-user-pass", "extra-certs", "dh"].contains(&row.name)
    {
        return format!("<{}>\nuser\npassword\n</{}>", row.name, row.name);
    }
    format!("{} {arguments}", row.name).trim_end().into()
}

fn connection(random: &mut Random) -> String {
    let mut lines = vec!["<connection>".to_owned()];
    if !random.one_in(12) {
        lines.push("remote other.example 1195".into());
    }
    for _ in 0..random.below(4) {
        let row = random.pick(ROWS);
        if row.place == 'n' || random.one_in(30) {
            let sound = !random.one_in(10);
            lines.push(written(random, &row, sound).split('\n').next().unwrap_or_default().into());
        }
    }
    if random.one_in(4) {
        lines.push("tls-auth ta.key 1".into());
    }
    lines.push("</connection>".into());
    lines.join("\n")
}

/// The line as somebody might write it.
fn dress(random: &mut Random, line: &str) -> String {
    if line.contains('\n') {
        return if random.one_in(6) { format!("  {line}  ") } else { line.into() };
    }
    match random.below(16) {
        0 => format!("--{line}"),
        1 => format!("\t {line}   "),
        2 => format!("{line} # a remark"),
        3 => format!("{line} ;another"),
        4 => format!("setenv opt {line}"),
        5 => {
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default();
            let rest: Vec<&str> = words.collect();
            if line.contains(['"', '\\', '\'']) || rest.is_empty() {
                format!("\"{first}\"{}", line.strip_prefix(first).unwrap_or_default())
            } else {
                let quote = random.pick(&['"', '\'']);
                let rest: Vec<String> = rest.iter().map(|word| format!("{quote}{word}{quote}")).collect();
                format!("{first}\t{}", rest.join("  "))
            }
        }
        6 if random.one_in(3) => format!("# {line}"),
        _ => line.into(),
    }
}

fn joined(random: &mut Random, lines: &[String]) -> String {
    let mut text = String::new();
    if random.one_in(15) {
        text.push('\u{feff}');
    }
    for line in lines {
        if random.one_in(15) {
            text.push_str(random.pick(&["\n", "# a remark\n", "; another \"\n", "   \n"]));
        }
        text.push_str(line);
        text.push('\n');
    }
    if random.one_in(10) {
        text = text.replace('\n', "\r\n");
    }
    if random.one_in(15) {
        text.pop();
    }
    text
}

fn odd_text(random: &mut Random) -> Case {
    let mut text = b"client\ndev tun\nremote vpn.example\nca ca.crt\nauth-user-pass\n".to_vec();
    for _ in 0..1 + random.below(3) {
        let carriers =
            ["dev-node", "tls-ciphersuites", "tls-cipher", "verify-x509-name", "remote", "setenv ab"];
        let end =
            random.pick(&[b"\n" as &[u8], b"\n", b"\n", b"\r\n", b" # \"\n", b";\n", b" ;'\n", b"\\\n", b""]);
        text.extend(match random.below(6) {
            0 => garbage(random),
            1 => [random.pick(&carriers).as_bytes(), b" ", &garbage(random)].concat(),
            _ => [
                random.pick(&carriers).as_bytes(),
                random.pick(&[b" " as &[u8], b"\t", b" \\ "]),
                &odd_word(random),
            ]
            .concat(),
        });
        text.extend(end);
    }
    if random.one_in(3) {
        text.extend(b"nice 3\n");
    }
    let mut case = Case::of_text("", text);
    if random.one_in(12) {
        case.files.entry(MAIN.into()).or_default().extend(b"config more.conf\n");
        case.files.insert("more.conf".into(), b"nice 4\nconfig deeper.conf\n".to_vec());
        let deeper = random.pick(&[b"nice 5\n" as &[u8], b"config deeper.conf\n", b"", b"nice"]);
        case.files.insert("deeper.conf".into(), deeper.to_vec());
    }
    case
}

/// Bytes that mean something to a lexer, in any order.
fn garbage(random: &mut Random) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
        b" ",
        b" ",
        b"\"",
        b"\"",
        b"'",
        b"'",
        b"\\",
        b"\\\\",
        b"\\\"",
        b"\\ ",
        b"#",
        b";",
        b"\t",
        b"--",
        b"<ca>",
        b"</ca>",
        b"<",
        b">",
        b"\n",
        b"\r",
        b"\x0b",
        b"\x0c",
        b"\xE9",
        b"\xC3\xA9",
        b"\0",
        b"\x7f",
        b"\x01",
        b"verb",
    ];
    let length = random.below(12);
    (0..length).flat_map(|_| random.pick(PIECES)).copied().collect()
}

/// A word, quoted or escaped as it must be.
fn odd_word(random: &mut Random) -> Vec<u8> {
    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
        b"x",
        b" ",
        b"\"",
        b"'",
        b"\\",
        b"#",
        b";",
        b"\t",
        b"--",
        b"<",
        b">",
        b"\r",
        b"\x0b",
        b"\xC3\xA9",
        b"/",
        b"=",
        b"\xE9",
        b"\x7f",
        b"$",
        b",",
    ];
    let length = match random.below(12) {
        0 => 225 + random.below(32),
        _ => random.below(10),
    };
    let quote = random.pick(&[b'"', b'"', b'\'', 0]);
    let mut word = Vec::new();
    while word.len() < length {
        let piece: &[u8] = if length > 100 && !random.one_in(60) { b"x" } else { random.pick(PIECES) };
        match (quote, piece) {
            (b'\'', b"'") => {}
            (b'"', b"\"" | b"\\") | (0, b"\"" | b"\\" | b" " | b"\t" | b"\x0b") => {
                word.extend([b"\\", piece].concat())
            }
            _ => word.extend(piece),
        }
    }
    match quote {
        0 => word,
        _ => [&[quote], word.as_slice(), &[quote]].concat(),
    }
}
