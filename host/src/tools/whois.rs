//! `adit --whois ADDRESS PORT PROTOCOL TIME FILE...`: which client had an outside address and port, by the flow log.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::ExitCode;

use adit::router::{FlowRecord, LogSearch};

use super::usage;
use crate::errors::unreadable;
use crate::management::question;

/// Longer than any line of a flow log, in bytes.
const LONGEST: u64 = 16 << 10;

/// Prints who it was, a line each; the exit status says whether somebody was found.
pub(super) fn run(args: &[&str]) -> ExitCode {
    match search(args) {
        Ok(lines) => {
            for line in &lines {
                println!("{line}");
            }
            if lines.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(sentence) => {
            usage("whois", &sentence);
            ExitCode::from(2)
        }
    }
}

fn search(args: &[&str]) -> Result<Vec<String>, String> {
    let Some((words, files)) = args.split_at_checked(4).filter(|(_, files)| !files.is_empty()) else {
        return Err("it is written: adit --whois ADDRESS PORT PROTOCOL TIME FILE...".into());
    };
    let (question, at) = question(words)?;
    let at = at.ok_or("the time must be given, like 2026-11-28T12:50:00Z")?;
    let mut search = LogSearch::new(question, at);
    for path in files {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
            if count.map_err(|error| unreadable(path, &error))? == 0 {
                break;
            }
            search.line(&String::from_utf8_lossy(&line));
        }
    }
    let answer = search.finish();
    if answer.malformed > 0 {
        eprintln!("adit --whois: {} lines are none of a flow log", answer.malformed);
    }
    if answer.records.is_empty() {
        eprintln!("adit --whois: nobody had it then");
    }
    if !answer.reaches(at) {
        eprintln!(
            "adit --whois: the log begins later than {at}: give older files, too, before the newer ones"
        );
    }
    Ok(answer.records.iter().map(show).collect())
}

/// `client1: 10.0.1.3:40000 for 10.8.0.2:40000 to 10.0.2.2:22, 2026-... to 2026-...`
fn show(record: &FlowRecord) -> String {
    let mut text = record.identity.clone();
    if let Some(outside) = &record.outside {
        text += &format!(": {outside}");
    }
    if let Some(inside) = &record.inside {
        text += &format!(" for {inside}");
    }
    if let Some(destination) = &record.destination {
        text += &format!(" to {destination}");
    }
    let start = record.start.unwrap_or(record.time);
    match record.end {
        Some(end) => text += &format!(", {start} to {end}"),
        None => text += &format!(", since {start}"),
    }
    text
}
