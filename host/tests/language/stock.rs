//! Debian's OpenVPN as the judge: what it prints of its settings, or what it complains of.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::case::{Case, Workshop};

/// What became of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was accepted, and these are the settings, a line each.
    Settings(Vec<String>),
    /// It was refused, with these words.
    Refused(Vec<String>),
}

/// The line before the settings.
const BEGINNING: &str = "Current Parameter Settings:";

/// What stock OpenVPN makes of the case. It opens neither sockets nor devices: it cannot write its process id.
pub(crate) fn judge(workshop: &Workshop, case: &Case) -> Outcome {
    let mut child = Command::new("openvpn")
        .args(case.whole_command_line())
        .current_dir(workshop.path())
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("openvpn: {error}; `./test` installs it"));
    let mut log = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut log).unwrap();
    child.wait().unwrap();
    let log = String::from_utf8_lossy(&log);
    let mut lines = log.split('\n').map(without_time);
    let mut said: Vec<String> = Vec::new();
    for line in lines.by_ref() {
        if line == BEGINNING {
            // The version ends the settings.
            let settings = lines.take_while(|line| !line.starts_with("OpenVPN 2."));
            return Outcome::Settings(settings.map(String::from).collect());
        }
        if !line.is_empty() {
            said.push(line.into());
        }
    }
    Outcome::Refused(said)
}

/// `2026-11-28 09:15:09 us=835308 text` without what `verb 4` puts before the text.
fn without_time(line: &str) -> &str {
    let mut words = line.splitn(4, ' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(date), Some(time), Some(micro), Some(text))
            if date.len() == 10 && time.len() == 8 && micro.starts_with("us=") =>
        {
            text
        }
        (Some(date), Some(time), ..) if date.len() == 10 && time.len() == 8 && date.starts_with("20") => {
            line.get(20..).unwrap_or_default()
        }
        _ => line,
    }
}
