//! The process around the engine: its files, its privileges, its log, its status.

use alloc::string::{String, ToString};

use super::super::directive::{Class, Directive, Places};
use super::super::draft::Draft;
use super::super::host::{Daemon, LogTarget, Remapped, StatusFile, StatusVersion};
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, text};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::of("config", "FILE", Class::Include).also(Places::CLIENT).repeats(),
    // The reader obeys it.
    Directive::new("ignore-unknown-option", "NAME...", |_, _| Ok(())).repeats(),
    Directive::new("cd", "DIRECTORY", |draft, statement| {
        draft.directory = Some(statement.get(1, text)?);
        draft.host.process.cd.clone_from(&draft.directory);
        Ok(())
    }),
    Directive::new("daemon", "[NAME]", |draft, statement| {
        draft.host.process.daemon = Some(Daemon { name: statement.optional(1, text)? });
        Ok(())
    }),
    Directive::new("writepid", "FILE", some!(host.process.writepid, text)),
    Directive::new("user", "NAME", some!(host.process.user, text)),
    Directive::new("group", "NAME [MEMBER...]", group).repeats(),
    Directive::new("chroot", "DIRECTORY", some!(host.process.chroot, text)),
    Directive::new("nice", "N", value!(host.process.nice, |word| values::signed(word, -20..=19))),
    Directive::new("mlock", "", flag!(host.process.mlock)),
    Directive::new("remap-usr1", "SIGHUP|SIGTERM", some!(host.process.remap_usr1, remapped)),
    Directive::new("persist-tun", "", flag!(host.persist_tun)).also(Places::PUSH),
    Directive::new("persist-key", "", flag!(host.persist_key)).also(Places::PUSH),
    Directive::new("persist-local-ip", "", flag!(host.persist_local_ip)),
    Directive::new("persist-remote-ip", "", flag!(host.persist_remote_ip)),
    Directive::new("log", "FILE", |draft, statement| {
        draft.host.log.target = LogTarget::Truncate(statement.get(1, text)?);
        Ok(())
    }),
    Directive::new("log-append", "FILE", |draft, statement| {
        draft.host.log.target = LogTarget::Append(statement.get(1, text)?);
        Ok(())
    }),
    Directive::new("syslog", "[NAME]", |draft, statement| {
        let name = statement.optional(1, text)?;
        draft.host.log.target = LogTarget::Syslog(name.unwrap_or_else(|| LogTarget::NAME.to_string()));
        Ok(())
    }),
    Directive::new("verb", "LEVEL", value!(host.log.verb, verb)).also(Places::PUSH),
    Directive::new("mute", "N", value!(host.log.mute, |word| values::number(word, 0..=i32::MAX as u64)))
        .also(Places::PUSH),
    Directive::new("suppress-timestamps", "", flag!(host.log.suppress_timestamps)),
    Directive::new("machine-readable-output", "", flag!(host.log.machine_readable)),
    Directive::new("errors-to-stderr", "", flag!(host.log.errors_to_stderr)).also(Places::PUSH),
    Directive::new("status", "FILE [SECONDS]", status),
    Directive::new("status-version", "1|2|3", value!(host.status_version, status_version)),
];

/// OpenVPN's, of one word; with members it is a group of clients that rules are for.
fn group(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    if statement.word(2).is_some() {
        return super::router::group(draft, statement);
    }
    draft.host.process.group = Some(statement.get(1, text)?);
    Ok(())
}

/// What is more than all there is to say is all.
fn verb(word: &str) -> Result<u8, String> {
    const MOST: u8 = 11;
    values::number(word, 0..=MOST.into())
        .or_else(|clause| values::number::<u32>(word, 0..=i32::MAX as u64).map(|_| MOST).map_err(|_| clause))
}

fn remapped(word: &str) -> Result<Remapped, String> {
    match word {
        "SIGHUP" => Ok(Remapped::Sighup),
        "SIGTERM" => Ok(Remapped::Sigterm),
        _ => Err(alloc::format!("'{word}' is not SIGHUP or SIGTERM")),
    }
}

fn status(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// OpenVPN's own.
    const DEFAULT_INTERVAL: core::time::Duration = core::time::Duration::from_secs(60);
    let path = statement.get(1, text)?;
    let interval = statement.optional(2, values::seconds_or_never)?.unwrap_or(Some(DEFAULT_INTERVAL));
    draft.host.status = Some(StatusFile { path, interval });
    Ok(())
}

fn status_version(word: &str) -> Result<StatusVersion, String> {
    match word {
        "1" => Ok(StatusVersion::V1),
        "2" => Ok(StatusVersion::V2),
        "3" => Ok(StatusVersion::V3),
        _ => Err(alloc::format!("'{word}' is not 1, 2 or 3")),
    }
}
