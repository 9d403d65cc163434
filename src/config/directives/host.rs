//! The process around the engine: privileges, log, status.

use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::directive::{Class, Directive};
use super::super::draft::Draft;
use super::super::host::{LogTarget, StatusFile};
use super::super::statement::{Complaint, Statement};
use super::super::values;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::of("config", "FILE", Class::Include).repeats(),
    Directive::new("cd", "DIRECTORY", |draft, statement| {
        draft.directory = Some(statement.get(1, path)?);
        Ok(())
    }),
    Directive::new("user", "NAME", |draft, statement| {
        draft.host.user = Some(statement.get(1, path)?);
        Ok(())
    }),
    Directive::new("group", "NAME", |draft, statement| {
        draft.host.group = Some(statement.get(1, path)?);
        Ok(())
    }),
    Directive::new("persist-tun", "", |draft, _| {
        draft.host.persist_tun = true;
        Ok(())
    }),
    Directive::new("persist-key", "", |draft, _| {
        draft.host.persist_key = true;
        Ok(())
    }),
    Directive::new("log", "FILE", |draft, statement| {
        draft.host.log = LogTarget::Truncate(statement.get(1, path)?);
        Ok(())
    }),
    Directive::new("log-append", "FILE", |draft, statement| {
        draft.host.log = LogTarget::Append(statement.get(1, path)?);
        Ok(())
    }),
    Directive::new("verb", "LEVEL", |draft, statement| {
        draft.host.verb = statement.get(1, |word| values::number(word, 0..=11))?;
        Ok(())
    }),
    Directive::of("mute", "N", Class::NoEffect("nothing is logged again and again that could be left out")),
    Directive::new("status", "FILE [SECONDS]", status),
    Directive::new("writepid", "FILE", |draft, statement| {
        draft.host.writepid = Some(statement.get(1, path)?);
        Ok(())
    }),
    Directive::of(
        "mute-replay-warnings",
        "",
        Class::NoEffect("replayed packets are counted, not logged one by one"),
    ),
    Directive::of("script-security", "LEVEL", Class::NoEffect("no scripts are run")),
];

fn path(word: &str) -> Result<String, String> {
    if word.is_empty() { Err("'' is no name".into()) } else { Ok(word.to_string()) }
}

fn status(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// OpenVPN's own.
    const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
    let path = statement.get(1, path)?;
    let interval = statement.optional(2, |word| values::seconds(word, 1))?.unwrap_or(DEFAULT_INTERVAL);
    draft.host.status = Some(StatusFile { path, interval });
    Ok(())
}
