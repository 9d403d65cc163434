//! `--check`: every error and every warning about a configuration, before it is used.
//!
//! Reads the configuration and the files that it names. Opens no socket and no device, and writes nothing.

mod files;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;

use adit::config::{Diagnostic, Outline, Profile, RoleConfig, Severity};

use crate::clock::Clock;
use crate::errors::unreadable;

/// What was found in one configuration.
struct Checked {
    /// Its name, as the user wrote it.
    name: String,
    /// `client` or `server`, if it can be used.
    role: Option<&'static str>,
    findings: Vec<Diagnostic>,
    /// The files that were read.
    read: BTreeSet<String>,
}

impl Checked {
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

pub(super) fn run(args: &[String]) -> ExitCode {
    let json = args.iter().any(|arg| arg == "--json");
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--json").collect();
    let at = args.iter().position(|arg| *arg == "--check").unwrap_or_default();
    let (before, after) = args.split_at(at);
    let after = after.get(1..).unwrap_or_default();
    let end = after.iter().position(|arg| arg.starts_with("--")).unwrap_or(after.len());
    let (names, rest) = after.split_at(end);
    if names.is_empty() && before.is_empty() && rest.is_empty() {
        super::usage("check", "it is written: --check FILE... [--json]");
        return ExitCode::FAILURE;
    }
    let checked: Vec<Checked> = if names.is_empty() {
        // As at a start: --config FILE is one of the options.
        vec![check("[CMD-LINE]", &[before, rest].concat())]
    } else {
        names.iter().map(|name| check(name, &[before, &["--config", name], rest].concat())).collect()
    };
    print!("{}", if json { report::json(&checked) } else { report::text(&checked) });
    let errors = checked.iter().any(|checked| checked.count(Severity::Error) > 0);
    if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What there is to say about the files that a configuration names.
pub(super) fn files(outline: &Outline) -> Vec<Diagnostic> {
    files::findings(outline)
}

/// Checks one configuration, which the words of a command line make up.
fn check(name: &str, args: &[&str]) -> Checked {
    let mut read = BTreeSet::new();
    let parsed = Profile::from_args(args, &mut |path: &str| match fs::read(path) {
        Ok(text) => {
            read.insert(path.to_owned());
            Ok(text)
        }
        Err(error) => Err(unreadable(path, &error)),
    });
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let mut findings = adit::check(&parsed, Clock::new().unix(), &crypto);
    findings.extend(files::findings(&parsed.outline));
    let role = parsed.profile.map(|profile| match profile.role {
        RoleConfig::Client(_) => "client",
        RoleConfig::Server(_) => "server",
    });
    Checked { name: name.to_owned(), role, findings, read }
}
