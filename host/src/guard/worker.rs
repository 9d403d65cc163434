//! The guard's own process.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::iter;
use std::path::PathBuf;

use adit::config::{PushBase, TunnelSettings};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::MAX_LINE;
use super::journal::Journal;
use crate::dns::{self, Applied, Note, UserCommand};
use crate::netconf::{Change, Netlink};

/// The most routes that are kept; more have no effect.
const MAX_KEPT: usize = 1 << 16;
/// The longest name of a device, in bytes: the kernel's.
const MAX_DEV: usize = 15;

/// What a guard is started with if it may run that command.
pub(super) fn arguments(command: &UserCommand) -> Vec<OsString> {
    let directory = command.directory.clone().unwrap_or_default().into_os_string();
    iter::once(directory).chain(command.words.iter().map(OsString::from)).collect()
}

/// Serves until standard input closes; then takes back what there is. `arguments` say the command of `dns-updown`, if
/// there is one: its folder, or nothing, and its words. Signals are for the client: a guard goes after it.
pub(crate) fn run(arguments: Vec<String>) {
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    let mut words = arguments.into_iter();
    let directory = words.next().filter(|directory| !directory.is_empty()).map(PathBuf::from);
    let words: Vec<String> = words.collect();
    let command = (!words.is_empty()).then_some(UserCommand { words, directory });
    let mut worker = Worker { command, kept: Vec::new(), applied: None, journal: Journal::open() };
    let mut input = io::stdin().lock();
    while let Some(line) = next_line(&mut input) {
        worker.obey(&serde_json::from_slice(&line).unwrap_or_default());
    }
    worker.down();
    worker.undo();
    worker.journal.close();
}

/// None at the end, and where a line is longer than any of the client's: whoever speaks is not the client any more.
fn next_line(input: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    input.take(MAX_LINE as u64).read_until(b'\n', &mut line).ok()?;
    line.ends_with(b"\n").then_some(line)
}

struct Worker {
    /// From before the client gave up root.
    command: Option<UserCommand>,
    /// What undoes the client's changes, in the order of these.
    kept: Vec<Change>,
    applied: Option<Applied>,
    journal: Journal,
}

impl Worker {
    fn obey(&mut self, message: &Value) {
        // One message may put others in the place of what was kept: there is no moment without any.
        if message["forget"] == true {
            self.kept.clear();
        }
        if let Some(changes) = message["keep"].as_array() {
            let room = MAX_KEPT.saturating_sub(self.kept.len());
            self.kept.extend(changes.iter().filter_map(route).take(room));
        }
        if ["forget", "keep"].iter().any(|word| message.get(word).is_some()) {
            self.note();
        }
        if message["down"] == true {
            self.down();
            self.note();
        }
        if let Some(up) = message.get("up") {
            if let Err(why) = self.up(up) {
                say(&json!({ "warning": format!("DNS: {why}") }));
            }
            self.note();
            say(&json!({ "done": "up" }));
        }
    }

    fn up(&mut self, up: &Value) -> Result<(), &'static str> {
        self.down();
        let (dev, settings, command) = self.order(up)?;
        let mut notes = Vec::new();
        self.applied = dns::up(dev, &settings.dns, command, &mut notes);
        tell(notes);
        Ok(())
    }

    /// What an order asks for, if it is one that a client gives.
    fn order<'a>(
        &self,
        up: &'a Value,
    ) -> Result<(&'a str, TunnelSettings, Option<UserCommand>), &'static str> {
        let dev = up["dev"].as_str().filter(|dev| is_device(dev)).ok_or("that is not a device's name")?;
        let options: Vec<String> = up["options"]
            .as_array()
            .and_then(|options| options.iter().map(|option| option.as_str().map(str::to_owned)).collect())
            .ok_or("those are not settings")?;
        // The same reader as for a server's push: nothing gets here that it would not let through.
        let (settings, _) =
            TunnelSettings::parse(&options, &PushBase::default()).map_err(|_| "those are not settings")?;
        let command = match (&up["command"], &self.command) {
            (Value::Bool(false), _) => None,
            (Value::Bool(true), Some(command)) => Some(command.clone()),
            // Words too: whoever has given up root does not say what root runs.
            _ => return Err("there is no such command of dns-updown"),
        };
        Ok((dev, settings, command))
    }

    fn down(&mut self) {
        let mut notes = Vec::new();
        if let Some(applied) = self.applied.take() {
            applied.down(&mut notes);
        }
        tell(notes);
    }

    fn undo(&mut self) {
        let changes: Vec<Change> = self.kept.drain(..).rev().collect();
        if let (false, Ok(mut netlink)) = (changes.is_empty(), Netlink::new()) {
            // One that fails was undone by the client, or by somebody else.
            let _ = netlink.apply(&changes);
        }
    }

    fn note(&self) {
        let changes = self.kept.iter().rev().map(Change::to_string);
        self.journal.write(changes.chain(self.applied.as_ref().and_then(Applied::for_journal)));
    }
}

/// Whether it can be a device: it goes into `/etc/resolv.conf`, the journal, and programs' arguments.
fn is_device(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_DEV).contains(&name.len())
        && name.bytes().all(fine)
        && !name.starts_with('-')
        && !matches!(name, "." | "..")
}

/// Only routes are kept: addresses go with the tunnel's device. One may lead by any device, whose name is only looked up.
fn route(text: &Value) -> Option<Change> {
    let change = text.as_str()?.parse().ok()?;
    matches!(change, Change::AddRoute(_) | Change::DelRoute(_)).then_some(change)
}

fn tell(notes: Vec<Note>) {
    for note in notes {
        say(&match note {
            Note::Info(text) => json!({ "info": text }),
            Note::Warning(text) => json!({ "warning": text }),
        });
    }
}

/// The client may be gone; what it does not hear is lost.
fn say(message: &Value) {
    let _ = writeln!(io::stdout().lock(), "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(command: &[&str]) -> Worker {
        let words: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let command = (!words.is_empty()).then_some(UserCommand { words, directory: None });
        Worker { command, kept: Vec::new(), applied: None, journal: Journal::open() }
    }

    fn order(dev: &str, command: Value) -> Value {
        json!({ "dev": dev, "options": ["dhcp-option DNS 10.8.0.1"], "command": command })
    }

    #[test]
    fn a_name_that_is_no_devices_is_refused() {
        let worker = worker(&[]);
        for dev in ["tun0", "vpn-a.b_c", "a23456789012345"] {
            assert!(worker.order(&order(dev, json!(false))).is_ok(), "{dev}");
        }
        let bad = [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a b",
            "a\nnameserver 1.2.3.4",
            "-d",
            "t\u{e4}",
            "a234567890123456",
        ];
        for dev in bad {
            assert!(worker.order(&order(dev, json!(false))).is_err(), "{dev}");
        }
        assert!(worker.order(&json!({ "options": [], "command": false })).is_err());
    }

    #[test]
    fn a_command_is_the_one_of_the_beginning_or_none() {
        let late = json!(["sh", "-c", "id"]);
        let ours = worker(&["updown", "word"]);
        assert_eq!(ours.order(&order("tun0", json!(true))).unwrap().2, ours.command);
        assert_eq!(ours.order(&order("tun0", json!(false))).unwrap().2, None);
        for worker in [&ours, &worker(&[])] {
            assert!(worker.order(&order("tun0", late.clone())).is_err());
        }
        assert!(worker(&[]).order(&order("tun0", json!(true))).is_err());
        // Nothing is run or applied by such an order as a whole.
        let mut worker = worker(&[]);
        assert!(worker.up(&order("tun0", late)).is_err());
        assert_eq!(worker.applied, None);
    }

    #[test]
    fn only_routes_are_kept() {
        assert!(route(&json!("route del 0.0.0.0/0 via 192.0.2.1 dev eth0")).is_some());
        for text in ["address add 10.0.0.1/24 dev eth0", "link set dev eth0 up mtu 1", ""] {
            assert_eq!(route(&json!(text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_replaced_at_once() {
        let mut worker = worker(&[]);
        let change = |n: u8| format!("route del 10.{n}.0.0/16 via 192.0.2.1 dev no-such-device");
        let kept = |worker: &Worker| worker.kept.iter().map(Change::to_string).collect::<Vec<_>>();
        worker.obey(&json!({ "keep": [change(1)] }));
        worker.obey(&json!({ "keep": [change(2)] }));
        assert_eq!(kept(&worker), [change(1), change(2)]);
        worker.obey(&json!({ "forget": true, "keep": [change(3)] }));
        assert_eq!(kept(&worker), [change(3)]);
        worker.obey(&json!({ "forget": true }));
        assert_eq!(kept(&worker), [""; 0]);
        worker.journal.close();
    }

    #[test]
    fn a_line_is_bounded() {
        let line = |text: &[u8]| next_line(&mut &text[..]);
        assert_eq!(line(b"{}\n{}\n"), Some(b"{}\n".to_vec()));
        assert_eq!(line(b""), None);
        // Not whole: the client died while it spoke.
        assert_eq!(line(b"{"), None);
        assert!(line(&[&vec![b' '; MAX_LINE - 1][..], b"\n"].concat()).is_some());
        assert_eq!(line(&[&vec![b' '; MAX_LINE][..], b"\n"].concat()), None);
    }
}
