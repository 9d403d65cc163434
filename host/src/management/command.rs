//! From a line of a management client to a [`Command`], or to the sentence that answers it.
//!
//! Knows the commands and their parameters, and nothing of who carries them out. The fuzz target `management` includes
//! this file, so it uses nothing else of the host.

// Beside this file wherever it is included from.
#[path = "router.rs"]
pub(crate) mod router;

use adit::config::lexer;
use adit::router::{Probe, Question, Timestamp};
use zeroize::Zeroizing;

/// The most lines that `test` prints.
const MAX_TEST_LINES: u32 = 1000;
/// The largest `verb`.
const MAX_VERB: u8 = 15;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// An empty line, or a comment.
    Nothing,
    AuthRetry(Option<String>),
    ByteCount(u32),
    ClientKill {
        cid: u64,
        notice: String,
    },
    ClientCount,
    Echo(Vec<Show>),
    Exit,
    /// adit's own: what would become of a client's packet.
    Explain {
        identity: String,
        probe: Probe,
    },
    /// adit's own: the flows of one client, or of all.
    Flows(Option<String>),
    ForgetPasswords,
    Help,
    Hold(Hold),
    Kill(Victim),
    LoadStats,
    Log(Vec<Show>),
    Mute(Option<u32>),
    Password {
        kind: String,
        text: Zeroizing<String>,
    },
    Pid,
    Pkcs11Count,
    RemoteCount,
    RemoteEntries(Entries),
    Signal(Signal),
    State(Vec<Show>),
    /// The version asked for; 0 if it is no number.
    Status(Option<u8>),
    Test(u32),
    Username {
        kind: String,
        text: String,
    },
    Verb(Option<u8>),
    /// `version N` tells what the client understands, and has no answer.
    Version {
        told: bool,
    },
    /// adit's own: who had an outside address and port, now or at that time.
    Whois {
        question: Question,
        at: Option<Timestamp>,
    },
    /// A command of OpenVPN's that this program does not have in any mode.
    Absent(&'static str),
}

/// A parameter of `state`, `log` and `echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    On,
    Off,
    All,
    Last(usize),
    /// Anything else.
    Bad,
}

/// What to do with the hold flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Show,
    On,
    Off,
    Release,
}

/// Whom `kill` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// All with this common name.
    CommonName(String),
    /// Who comes from there; `shown` is how the client wrote it.
    Address { address: core::net::SocketAddr, shown: String },
}

/// What `remote-entry-get` asks for: from `start` on, `end` excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) start: usize,
    pub(crate) end: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Hup,
    Int,
    Term,
    Usr1,
    Usr2,
}

impl Signal {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hup => "SIGHUP",
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
        }
    }
}

impl Command {
    /// Its name, for those that a role answers.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Absent(name) => name,
            Self::AuthRetry(_) => "auth-retry",
            Self::ClientKill { .. } => "client-kill",
            Self::ClientCount => "nclients",
            Self::Explain { .. } => "explain",
            Self::Flows(_) => "flows",
            Self::Kill(_) => "kill",
            Self::LoadStats => "load-stats",
            Self::RemoteCount => "remote-entry-count",
            Self::RemoteEntries(_) => "remote-entry-get",
            Self::Status(_) => "status",
            Self::Whois { .. } => "whois",
            _ => "given",
        }
    }
}

/// How many parameters a command must have.
#[derive(Clone, Copy)]
enum Need {
    Any,
    Exactly(usize),
    AtLeast(usize),
}

/// The command of a line. An error is what goes behind `ERROR: `.
pub(crate) fn parse(line: &str) -> Result<Command, String> {
    // A quoted password stays in memory no longer than its command.
    let words = lexer::split(line).map_err(|error| format!("Options error: {error}"))?;
    let mut words: Vec<Zeroizing<String>> = words.into_iter().map(|word| Zeroizing::new(word.text)).collect();
    if words.is_empty() {
        return Ok(Command::Nothing);
    }
    let name = words.remove(0);
    let unknown = || Err("unknown command, enter 'help' for more options".to_owned());
    let Some(need) = need(&name) else { return unknown() };
    check(&name, need, words.len())?;
    let word = |index: usize| words.get(index).map_or("", |word| word.as_str());
    Ok(match name.as_str() {
        "auth-retry" => Command::AuthRetry(words.first().map(|word| word.to_string())),
        "bytecount" => Command::ByteCount(
            number(word(0), u32::MAX)
                .ok_or("the 'bytecount' parameter is a number of seconds, and 0 turns it off")?,
        ),
        "client-kill" => Command::ClientKill {
            cid: word(0).parse().map_err(|_| "cannot parse CID".to_owned())?,
            notice: words.get(1).map_or_else(|| "RESTART".to_owned(), |word| word.to_string()),
        },
        "echo" => Command::Echo(shows(&words)),
        "exit" | "quit" => Command::Exit,
        "explain" => {
            let words: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
            let (identity, probe) = router::probe(&words)?;
            Command::Explain { identity, probe }
        }
        "flows" => Command::Flows(words.first().map(|word| word.to_string())),
        "forget-passwords" => Command::ForgetPasswords,
        "help" => Command::Help,
        "hold" => Command::Hold(match word(0) {
            "" => Hold::Show,
            "on" => Hold::On,
            "off" => Hold::Off,
            "release" => Hold::Release,
            _ => return Err("bad hold command parameter".into()),
        }),
        "kill" => Command::Kill(victim(word(0))?),
        "load-stats" => Command::LoadStats,
        "log" => Command::Log(shows(&words)),
        "mute" => {
            Command::Mute(optional(&words, |word| number(word, u32::MAX), "mute level is out of range")?)
        }
        "nclients" => Command::ClientCount,
        "net" => return Err("Sorry, this command is currently only implemented on Windows".into()),
        "needok" => return Err("no needok-confirmation is currently needed at this time".into()),
        "needstr" => return Err("no needstr-string is currently needed at this time".into()),
        "password" => Command::Password { kind: word(0).to_owned(), text: words[1].clone() },
        "pid" => Command::Pid,
        "pkcs11-id-count" => Command::Pkcs11Count,
        "certificate" | "pk-sig" | "rsa-sig" => {
            return Err(format!("The {} command is not currently available", name.as_str()));
        }
        "remote-entry-count" => Command::RemoteCount,
        "remote-entry-get" => {
            Command::RemoteEntries(entries(word(0), words.get(1).map(|word| word.as_str()))?)
        }
        "signal" => Command::Signal(match word(0) {
            "SIGHUP" => Signal::Hup,
            "SIGINT" => Signal::Int,
            "SIGTERM" => Signal::Term,
            "SIGUSR1" => Signal::Usr1,
            "SIGUSR2" => Signal::Usr2,
            other => return Err(format!("signal '{other}' is not a known signal type")),
        }),
        "state" => Command::State(if words.is_empty() { vec![Show::Last(1)] } else { shows(&words) }),
        "status" => Command::Status(words.first().map(|word| number(word, u8::MAX).unwrap_or(0))),
        "test" => {
            Command::Test(number(word(0), MAX_TEST_LINES).ok_or_else(|| {
                format!("the 'test' parameter is a number of lines, at most {MAX_TEST_LINES}")
            })?)
        }
        "username" => Command::Username { kind: word(0).to_owned(), text: word(1).to_owned() },
        "verb" => {
            Command::Verb(optional(&words, |word| number(word, MAX_VERB), "verb level is out of range")?)
        }
        "version" => Command::Version { told: !words.is_empty() },
        "whois" => {
            let words: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
            let (question, at) = router::question(&words)?;
            Command::Whois { question, at }
        }
        _ => match ABSENT.iter().find(|absent| **absent == name.as_str()) {
            // OpenVPN takes the two for one.
            Some(&"client-auth-nt") => Command::Absent("client-auth"),
            Some(absent) => Command::Absent(absent),
            None => return unknown(),
        },
    })
}

/// Commands of OpenVPN's for what is not built: asking the interface whether a client may connect, and the like.
const ABSENT: [&str; 9] = [
    "client-auth",
    "client-auth-nt",
    "client-deny",
    "client-pending-auth",
    "cr-response",
    "env-filter",
    "pkcs11-id-get",
    "proxy",
    "remote",
];

fn need(name: &str) -> Option<Need> {
    Some(match name {
        "auth-retry" | "exit" | "quit" | "flows" | "forget-passwords" | "help" | "hold" | "load-stats"
        | "mute" | "nclients" | "net" | "pid" | "pkcs11-id-count" | "certificate" | "pk-sig" | "rsa-sig"
        | "remote-entry-count" | "state" | "status" | "verb" | "version" | "env-filter" => Need::Any,
        "bytecount" | "kill" | "signal" | "test" | "cr-response" | "pkcs11-id-get" => Need::Exactly(1),
        "needok" | "needstr" | "password" | "username" | "client-auth" | "client-auth-nt" => Need::Exactly(2),
        "client-kill" | "echo" | "log" | "proxy" | "remote" | "remote-entry-get" | "whois" => {
            Need::AtLeast(1)
        }
        "explain" => Need::AtLeast(2),
        "client-deny" => Need::AtLeast(3),
        "client-pending-auth" => Need::Exactly(4),
        _ => return None,
    })
}

/// More than enough is enough, as in OpenVPN.
fn check(name: &str, need: Need, given: usize) -> Result<(), String> {
    let (least, text) = match need {
        Need::Any => return Ok(()),
        Need::Exactly(least) => (least, ""),
        Need::AtLeast(least) => (least, "at least "),
    };
    if given >= least {
        return Ok(());
    }
    let plural = if least == 1 { "" } else { "s" };
    Err(format!("the '{name}' command requires {text}{least} parameter{plural}"))
}

/// What `state`, `log` and `echo` are asked to do, in order.
fn shows(words: &[Zeroizing<String>]) -> Vec<Show> {
    let show = |word: &Zeroizing<String>| match word.as_str() {
        "on" => Show::On,
        "off" => Show::Off,
        "all" => Show::All,
        other => number(other, u32::MAX)
            .filter(|count| *count > 0)
            .map_or(Show::Bad, |count| Show::Last(count as usize)),
    };
    words.iter().take(2).map(show).collect()
}

/// An address with a port, perhaps with a protocol before it, or else a name.
fn victim(word: &str) -> Result<Victim, String> {
    let protocols =
        ["udp", "udp4", "udp6", "tcp", "tcp4", "tcp6", "tcp-server", "tcp4-server", "tcp6-server"];
    let place = match word.split_once(':') {
        Some((protocol, rest)) if protocols.contains(&protocol) && rest.contains(':') => rest,
        _ => word,
    };
    // As wide as OpenVPN's notion of what is an address: names do not hold colons.
    let Some((host, port)) = place.rsplit_once(':') else {
        return Ok(Victim::CommonName(word.to_owned()));
    };
    let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ip: core::net::IpAddr = ip
        .parse()
        .map_err(|_| format!("error parsing IP address: {}", word.split(':').next().unwrap_or_default()))?;
    let Some(port) = number(port, u16::MAX).filter(|port| *port > 0) else {
        return Err(format!("port number is out of range: {port}"));
    };
    Ok(Victim::Address { address: (ip, port).into(), shown: place.to_owned() })
}

fn entries(start: &str, end: Option<&str>) -> Result<Entries, String> {
    if start == "all" {
        return Ok(Entries { start: 0, end: None });
    }
    let index = |word: &str| number::<u32>(word, u32::MAX).map(|index| index as usize);
    let wrong = || "remote-entry-get takes the index of an entry, or 'all'".to_owned();
    let start = index(start).ok_or_else(wrong)?;
    let end = match end {
        Some(end) => index(end).ok_or_else(wrong)?,
        None => start.saturating_add(1),
    };
    Ok(Entries { start, end: Some(end) })
}

/// Decimal digits for at most `most`.
fn number<T: core::str::FromStr + PartialOrd>(word: &str, most: T) -> Option<T> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|value| digits && *value <= most)
}

fn optional<T>(
    words: &[Zeroizing<String>],
    value: impl Fn(&str) -> Option<T>,
    wrong: &str,
) -> Result<Option<T>, String> {
    words.first().map(|word| value(word).ok_or_else(|| wrong.to_owned())).transpose()
}

/// `line` as the log may show it.
pub(crate) fn for_log(line: &str) -> &str {
    let name = line.trim_start_matches([' ', '\t', '"', '\'', '\\']);
    if name.starts_with("password") { "password [...]" } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        parse(line).unwrap_err()
    }

    #[test]
    fn commands_with_their_parameters() {
        use Command::*;
        for (line, command) in [
            ("", Nothing),
            ("# nothing", Nothing),
            ("pid", Pid),
            ("\"pid\" 1", Pid),
            ("state", State(vec![Show::Last(1)])),
            ("state on all", State(vec![Show::On, Show::All])),
            ("log 20", Log(vec![Show::Last(20)])),
            ("log off 0", Log(vec![Show::Off, Show::Bad])),
            ("status", Status(None)),
            ("status 3", Status(Some(3))),
            ("status x", Status(Some(0))),
            ("verb", Verb(None)),
            ("verb 15", Verb(Some(15))),
            ("mute 7", Mute(Some(7))),
            ("hold release", Hold(super::Hold::Release)),
            ("version 3", Version { told: true }),
            ("signal SIGUSR2", Signal(super::Signal::Usr2)),
            ("client-kill 7", ClientKill { cid: 7, notice: "RESTART".into() }),
            ("client-kill 7 HALT", ClientKill { cid: 7, notice: "HALT".into() }),
            ("bytecount 5", ByteCount(5)),
            ("username \"Auth\" \"a \\\"b\"", Username { kind: "Auth".into(), text: "a \"b".into() }),
            ("password Auth x", Password { kind: "Auth".into(), text: Zeroizing::new("x".into()) }),
            ("remote-entry-get 1 3", RemoteEntries(Entries { start: 1, end: Some(3) })),
            ("client-deny 0 0 no", Absent("client-deny")),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn refusals_are_openvpns() {
        for (line, sentence) in [
            ("PID", "unknown command, enter 'help' for more options"),
            ("bytecount", "the 'bytecount' command requires 1 parameter"),
            ("log", "the 'log' command requires at least 1 parameter"),
            ("password x", "the 'password' command requires 2 parameters"),
            ("client-deny 1", "the 'client-deny' command requires at least 3 parameters"),
            ("verb 16", "verb level is out of range"),
            ("hold x", "bad hold command parameter"),
            ("signal FOO", "signal 'FOO' is not a known signal type"),
            ("kill 1.2.3.4:x", "port number is out of range: x"),
            ("kill a:b:c", "error parsing IP address: a"),
            ("client-kill x", "cannot parse CID"),
            ("net", "Sorry, this command is currently only implemented on Windows"),
        ] {
            assert_eq!(refused(line), sentence, "{line}");
        }
        assert!(refused("pid \"").starts_with("Options error: "));
    }

    #[test]
    fn whom_to_kill() {
        let at = |address: &str, shown: &str| Victim::Address {
            address: address.parse().unwrap(),
            shown: shown.into(),
        };
        for (word, victim) in [
            ("client 1", Victim::CommonName("client 1".into())),
            ("192.0.2.2:1194", at("192.0.2.2:1194", "192.0.2.2:1194")),
            ("tcp:192.0.2.2:1194", at("192.0.2.2:1194", "192.0.2.2:1194")),
            ("udp6:[2001:db8::2]:7", at("[2001:db8::2]:7", "[2001:db8::2]:7")),
        ] {
            assert_eq!(parse(&format!("kill \"{word}\"")), Ok(Command::Kill(victim)), "{word}");
        }
    }

    #[test]
    fn a_password_is_not_for_the_log() {
        assert_eq!(for_log("pid"), "pid");
        for line in
            ["password Auth x", " \"password\" Auth x", "'password' Auth x", "\\ password Auth x", "password"]
        {
            assert_eq!(for_log(line), "password [...]", "{line}");
        }
    }
}
