//! What was found, in words and in JSON.
//!
//! The JSON is for programs: fields may be added to it, and none changes its meaning.

use std::fmt::Write as _;

use adit::config::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::Checked;
use crate::log::harmless;

pub(super) fn text(all: &[Checked]) -> String {
    let mut text = String::new();
    for checked in all {
        for finding in &checked.findings {
            let Diagnostic { severity, position, message } = finding;
            let _ = writeln!(text, "{position}: {}: {}", word(*severity), harmless(message));
        }
        let _ = writeln!(text, "{}: {}", checked.name, summary(checked));
    }
    text
}

fn summary(checked: &Checked) -> String {
    let [errors, warnings] = [Severity::Error, Severity::Warning].map(|severity| checked.count(severity));
    let counted = |count: usize, word: &str| match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let counts = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    match checked.role {
        Some(role) if errors == 0 => format!("a {role}'s configuration that can be used; {counts}"),
        _ => format!("it cannot be used; {counts}"),
    }
}

pub(super) fn json(all: &[Checked]) -> String {
    let errors: usize = all.iter().map(|checked| checked.count(Severity::Error)).sum();
    let files: Vec<Value> = all.iter().map(configuration).collect();
    let report = json!({ "version": 1, "ok": errors == 0, "configurations": files });
    format!("{report:#}\n")
}

fn configuration(checked: &Checked) -> Value {
    let findings: Vec<Value> = checked.findings.iter().map(finding).collect();
    json!({
        "name": checked.name,
        "role": checked.role,
        "errors": checked.count(Severity::Error),
        "warnings": checked.count(Severity::Warning),
        "findings": findings,
        "files": checked.read,
    })
}

fn finding(finding: &Diagnostic) -> Value {
    let Diagnostic { severity, position, message } = finding;
    // What is about the whole has no line.
    let number = |number: u32| (number > 0).then_some(number);
    json!({
        "severity": word(*severity),
        "file": &*position.file,
        "line": number(position.line),
        "column": number(position.column),
        "message": message,
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
