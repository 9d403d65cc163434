//! The system's name resolution while a tunnel is up: the server's and the profile's DNS settings put into force, and
//! taken back.
//!
//! Three ways, the first that the system has: systemd-resolved ([`resolved`]), a program `resolvconf`
//! ([`resolvconf`]), the file `/etc/resolv.conf` itself ([`file`]); or the user's own command ([`command`]). All of it
//! waits for programs and files, so it runs in the guard's process. Knows nothing of sessions.
//!
//! Only systemd-resolved, and openresolv with a local resolver, can send some names one way and the others another
//! (`resolve-domains`). Elsewhere all names go to the tunnel's servers, as with OpenVPN 2.7's own script, and the log
//! says so.

mod command;
mod file;
mod profile;
mod program;
mod resolvconf;
mod resolved;

use std::path::{Path, PathBuf};

use adit::config::DnsSettings;

pub(crate) use command::{UserCommand, variables};
pub(crate) use profile::{merged, to_options, unreachable};

use crate::guard::Owner;
use file::ResolvConf;
use profile::Profile;

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Info(String),
    Warning(String),
}

/// By which way settings are in force, so that they can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Resolved { program: PathBuf, dev: String },
    Resolvconf { program: PathBuf, dev: String },
    File { file: PathBuf, dev: String },
    Command { command: UserCommand, dev: String, settings: DnsSettings },
}

/// Puts `settings` into force for the tunnel of `dev`. `None` if nothing was done.
pub(crate) fn up(
    dev: &str,
    settings: &DnsSettings,
    command: Option<UserCommand>,
    notes: &mut Vec<Note>,
) -> Option<Applied> {
    if let Some(command) = command {
        let (dev, settings) = (dev.to_owned(), settings.clone());
        command.run(true, &dev, &settings, notes);
        return Some(Applied::Command { command, dev, settings });
    }
    let profiles = Profile::all_of(settings);
    if profiles.is_empty() {
        return None;
    }
    let applied = if is_resolved(Path::new(RESOLV_CONF)) {
        let program = program::find("resolvectl");
        let Some(program) = program else {
            notes.push(Note::Warning(
                "DNS: systemd-resolved resolves names here, but its program 'resolvectl' is not installed"
                    .to_owned(),
            ));
            return None;
        };
        let profile = Profile::first(&profiles, Profile::needs_no_https, notes)?;
        resolved::up(&program, dev, profile)
            .map(|()| (Applied::Resolved { program, dev: dev.to_owned() }, "resolvectl".to_owned(), profile))
    } else if let Some(program) = program::find("resolvconf") {
        let profile = Profile::first(&profiles, Profile::is_plain, notes)?;
        resolvconf::up(&program, dev, profile, notes).map(|()| {
            (Applied::Resolvconf { program, dev: dev.to_owned() }, "resolvconf".to_owned(), profile)
        })
    } else {
        let profile = Profile::first(&profiles, Profile::is_plain, notes)?;
        profile.warn_of_split(RESOLV_CONF, notes);
        let file = ResolvConf::new(Path::new(RESOLV_CONF));
        file.add(dev, Owner::this_process(), &profile.resolv_conf()).map(|file| {
            let shown = file.display().to_string();
            (Applied::File { file, dev: dev.to_owned() }, shown, profile)
        })
    };
    match applied {
        Ok((applied, by, profile)) => {
            notes.push(Note::Info(format!("DNS: {} by {by}", profile.summary())));
            Some(applied)
        }
        Err(why) => {
            notes.push(Note::Warning(format!("DNS: {why}")));
            None
        }
    }
}

impl Applied {
    /// Takes it back.
    pub(crate) fn down(self, notes: &mut Vec<Note>) {
        let done = match self {
            Self::Resolved { program, dev } => {
                // With its device, the settings are gone too.
                if !Path::new("/sys/class/net").join(&dev).exists() {
                    return;
                }
                program::run(&program, &["revert", &dev], "", &[])
            }
            Self::Resolvconf { program, dev } => program::run(&program, &["-d", &dev], "", &[]),
            Self::File { file, dev } => {
                ResolvConf::new(&file).remove(&dev, Owner::this_process()).map(|found| {
                    if !found {
                        notes.push(Note::Info(format!(
                            "DNS: {} has been changed by somebody else meanwhile, and stays as it is",
                            file.display()
                        )));
                    }
                })
            }
            Self::Command { command, dev, settings } => {
                command.run(false, &dev, &settings, notes);
                Ok(())
            }
        };
        if let Err(why) = done {
            notes.push(Note::Warning(format!("DNS: {why}")));
        }
    }

    /// What a later process needs to know to take it back, if this one cannot: a line for the journal.
    pub(crate) fn for_journal(&self) -> Option<String> {
        match self {
            Self::Resolvconf { dev, .. } => Some(format!("resolvconf {dev}")),
            // The one goes with its device, the other says in the file itself whose it is.
            Self::Resolved { .. } | Self::File { .. } | Self::Command { .. } => None,
        }
    }
}

/// Takes back what a process that is gone left by [`for_journal`](Applied::for_journal).
pub(crate) fn repair_resolvconf(dev: &str) -> Result<(), String> {
    match program::find("resolvconf") {
        Some(program) => program::run(&program, &["-d", dev], "", &[]),
        None => Ok(()),
    }
}

/// Takes out of `/etc/resolv.conf` what processes left that are gone; says for which devices.
pub(crate) fn repair_file() -> Result<Vec<String>, String> {
    ResolvConf::new(Path::new(RESOLV_CONF)).remove_stale()
}

/// Whether systemd-resolved is who resolves names: the file is a link to one of its own.
fn is_resolved(path: &Path) -> bool {
    path.read_link().is_ok_and(|target| target.to_string_lossy().contains("systemd"))
}
