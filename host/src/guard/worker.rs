//! The guard's own process.

use std::io::{self, BufRead, Write};

use adit::config::{PushBase, TunnelSettings};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::journal::Journal;
use crate::dns::{self, Applied, Note, UserCommand};
use crate::netconf::{Change, Netlink};

/// Serves until standard input closes; then takes back what there is. Signals are for the client: a guard goes after
/// it.
pub(crate) fn run() {
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
    let mut worker = Worker { kept: Vec::new(), applied: None, journal: Journal::open() };
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        worker.obey(&serde_json::from_str(&line).unwrap_or_default());
    }
    worker.down();
    worker.undo();
    worker.journal.close();
}

struct Worker {
    /// What undoes the client's changes, in the order of these.
    kept: Vec<Change>,
    applied: Option<Applied>,
    journal: Journal,
}

impl Worker {
    fn obey(&mut self, message: &Value) {
        if let Some(changes) = message["keep"].as_array() {
            let changes = changes.iter().filter_map(Value::as_str).filter_map(|text| text.parse().ok());
            self.kept.extend(changes);
            self.note();
        }
        if message["forget"] == true {
            self.kept.clear();
            self.note();
        }
        if message["down"] == true {
            self.down();
            self.note();
        }
        if let Some(up) = message.get("up") {
            self.up(up);
            self.note();
            say(&json!({ "done": "up" }));
        }
    }

    fn up(&mut self, up: &Value) {
        self.down();
        let strings = |value: &Value| -> Vec<String> {
            let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
            words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let Some(dev) = up["dev"].as_str() else { return };
        // The same reader as for a server's push: nothing gets here that it would not let through.
        let Ok((settings, _)) = TunnelSettings::parse(&strings(&up["options"]), &PushBase::default()) else {
            return;
        };
        let words = strings(&up["command"]);
        let command = (!words.is_empty()).then_some(UserCommand { words });
        let mut notes = Vec::new();
        self.applied = dns::up(dev, &settings.dns, command, &mut notes);
        tell(notes);
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
