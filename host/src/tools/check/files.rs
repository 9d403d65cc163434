//! Files and directories that a configuration names: whether they are there, and who may read a secret.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use adit::config::{Diagnostic, InstanceConfig, NamedText, Outline, Position, Stated};

use crate::errors::unreadable;

/// Directives whose file, or block, is a secret.
const SECRETS: &[&str] = &[
    "key",
    "pkcs12",
    "tls-auth",
    "tls-crypt",
    "tls-crypt-v2",
    "auth-user-pass",
    "auth-gen-token-secret",
    "http-proxy-user-pass",
    "askpass",
];

/// Directives that name a directory, which must be there.
const DIRECTORIES: &[&str] = &["client-config-dir", "tmp-dir", "chroot", "cd"];

/// Directives that name a command.
const COMMANDS: &[&str] = &[
    "up",
    "down",
    "route-up",
    "route-pre-down",
    "ipchange",
    "tls-verify",
    "auth-user-pass-verify",
    "client-connect",
    "client-disconnect",
    "learn-address",
];

/// Of these, those that are used after the process has gone into its `chroot`.
const IN_CHROOT: &[&str] = &[
    "client-config-dir",
    "tmp-dir",
    "down",
    "route-pre-down",
    "ipchange",
    "tls-verify",
    "auth-user-pass-verify",
    "client-connect",
    "client-disconnect",
    "learn-address",
];

/// Directives that name a file to write, whose directory must be there.
const WRITTEN: &[&str] = &["log", "log-append", "status", "writepid", "ifconfig-pool-persist"];

pub(super) fn findings(outline: &Outline) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = outline.iter().filter_map(|stated| finding(outline, stated)).collect();
    found.extend(blocks(outline));
    if let Some(directory) = outline.last("client-config-dir").and_then(|stated| stated.argument(1)) {
        found.extend(clients(&outline.path(directory)));
    }
    found
}

/// What is wrong with the files of single clients, by name.
fn clients(directory: &str) -> Vec<Diagnostic> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let mut files: Vec<String> = files.filter_map(|path| path.to_str().map(str::to_owned)).collect();
    files.sort();
    let read = |path: &str| fs::read(path).map_err(|error| unreadable(path, &error));
    let mut found = Vec::new();
    for file in files {
        match read(&file) {
            Ok(text) => {
                let text = NamedText::file(file.as_str(), text);
                found.extend(InstanceConfig::parse([&text], &mut |path: &str| read(path)).1);
            }
            Err(why) => {
                found.push(Diagnostic::error(
                    &Position::new(file.as_str(), 0, 0),
                    format!("cannot read it: {why}"),
                ));
            }
        }
    }
    found
}

fn finding(outline: &Outline, stated: &Stated) -> Option<Diagnostic> {
    let name = stated.name();
    let named = stated.argument(1)?;
    // `cd` itself is seen from where we are.
    let path = if name == "cd" { named.to_owned() } else { located(outline, name, named) };
    let error = |clause: String| Some(Diagnostic::error(&stated.position(1), format!("{name}: {clause}")));
    if SECRETS.contains(&name) {
        let mode = open_mode(&fs::metadata(&path).ok()?)?;
        let clause = format!(
            "{name}: '{path}' is a secret, and others may read it (mode {mode:04o}): chmod 600 {path}"
        );
        Some(Diagnostic::warning(&stated.position(1), clause))
    } else if DIRECTORIES.contains(&name) {
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => None,
            Ok(_) => error(format!("'{path}' is not a directory")),
            Err(cause) => error(format!("there is no directory '{path}': {}", unreadable(&path, &cause))),
        }
    } else if COMMANDS.contains(&name) {
        // In these two, commas stand for blanks.
        let spaced = ["ipchange", "tls-verify"].contains(&name);
        let command = if spaced { named.replace(',', " ") } else { named.into() };
        let program = adit::config::lexer::split(&command).ok()?.first()?.text.clone();
        let program = located(outline, name, &program);
        match fs::metadata(&program) {
            Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
                error(format!("'{program}' is not executable: chmod +x {program}"))
            }
            Ok(_) => None,
            Err(cause) => error(format!("cannot execute '{program}': {}", unreadable(&program, &cause))),
        }
    } else if WRITTEN.contains(&name) {
        let directory = Path::new(&path).parent().filter(|parent| !parent.as_os_str().is_empty())?;
        (!directory.is_dir()).then(|| error(format!("there is no directory '{}'", directory.display())))?
    } else {
        None
    }
}

/// Where that is which the directive names: in the `chroot`, if it is used from there.
fn located(outline: &Outline, name: &str, path: &str) -> String {
    let path = outline.path(path);
    match outline.all("chroot").last().and_then(|chroot| chroot.argument(1)) {
        Some(root) if IN_CHROOT.contains(&name) => {
            format!("{}/{}", outline.path(root).trim_end_matches('/'), path.trim_start_matches('/'))
        }
        _ => path,
    }
}

/// A configuration with a secret in a block is a secret by itself.
fn blocks(outline: &Outline) -> Option<Diagnostic> {
    let block = outline.iter().find(|stated| stated.is_block() && SECRETS.contains(&stated.name()))?;
    let position = block.position(0);
    let mode = open_mode(&fs::metadata(&*position.file).ok()?)?;
    let (name, file) = (block.name(), &position.file);
    let clause = format!(
        "{name}: this block is a secret, and others may read the file (mode {mode:04o}): chmod 600 {file}"
    );
    Some(Diagnostic::warning(&position, clause))
}

/// The permissions of a file that others than its owner may read.
fn open_mode(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o7777;
    (metadata.is_file() && mode & 0o077 != 0).then_some(mode)
}
