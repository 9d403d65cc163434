//! Commands of the user's that run when something happens: `up`, `client-connect` and the like.
//!
//! [`runner`] has the processes, [`env`] what they find in their environment, [`temp`] the files by which they answer.
//! [`facts`] and [`peer`] know OpenVPN's names for what scripts are told. [`clients`] has the hooks of a server about
//! its clients, with [`verify`], [`login`] and [`connect`] for the three that decide, and [`ccd`] for the files of
//! `client-config-dir`; [`tunnel`] those about the device, of both roles.

mod ccd;
mod clients;
mod connect;
mod env;
pub(crate) mod facts;
mod login;
mod peer;
mod runner;
mod temp;
mod tunnel;
mod verify;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use adit::PeerId;
use adit::config::{DnsUpdown, HostConfig, ScriptConfig, ScriptSecurity};
use rustix::fs::Access;

use crate::errors::cause;
use crate::log::Log;
use runner::Runner;

pub(crate) use clients::ClientHooks;
pub(crate) use env::Env;
pub(crate) use tunnel::{Done, Hook, TunnelHooks};

/// A script that nobody waits for may run so long.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the end of the process waits for scripts.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// Whose turn it is: scripts of one queue never run at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Those about the device.
    Host,
    /// Those that find out who a peer is.
    Session(PeerId),
    /// Those about a client of that name, over all its sessions.
    Client(String),
    /// Those about addresses, which may go from one client to the other.
    Addresses,
}

/// What all hooks of a role need.
pub(crate) struct Scripts<T> {
    config: ScriptConfig,
    temporary: PathBuf,
    /// What is the same for all scripts.
    base: Env,
    runner: Runner<Queue, T>,
}

impl<T> Scripts<T> {
    fn new(host: &HostConfig, base: Env, log: Rc<Log>) -> Self {
        let config = host.scripts.clone();
        let temporary = config.tmp_dir.clone().map_or_else(std::env::temp_dir, PathBuf::from);
        let directory = host.process.cd.clone().map(PathBuf::from);
        let runner = Runner::new(config.security, directory, log);
        Self { config, temporary, base, runner }
    }
}

/// Whether the user's commands can be run at all: what is wrong, in a sentence, or what to warn of.
pub(crate) fn check(host: &HostConfig) -> Result<Option<&'static str>, String> {
    let scripts = &host.scripts;
    let verify = scripts.auth_user_pass_verify.as_ref().map(|script| &script.command);
    let dns_updown = match &host.dns_updown {
        DnsUpdown::Command(command) => Some(command),
        DnsUpdown::Builtin | DnsUpdown::Forced | DnsUpdown::Disabled => None,
    };
    let commands = [
        ("up", scripts.up.as_ref()),
        ("down", scripts.down.as_ref()),
        ("route-up", scripts.route_up.as_ref()),
        ("route-pre-down", scripts.route_pre_down.as_ref()),
        ("ipchange", scripts.ipchange.as_ref()),
        ("tls-verify", scripts.tls_verify.as_ref()),
        ("auth-user-pass-verify", verify),
        ("client-connect", scripts.client_connect.as_ref()),
        ("client-disconnect", scripts.client_disconnect.as_ref()),
        ("learn-address", scripts.learn_address.as_ref()),
        ("dns-updown", dns_updown),
    ];
    let mut any = false;
    for (directive, command) in commands {
        let Some(program) = command.and_then(|command| command.words.first()) else { continue };
        any = true;
        // In another root directory it is there that it must be; but not for a guard, which stays outside.
        let chroot = host.process.chroot.as_deref().filter(|_| directive != "dns-updown");
        let path = PathBuf::from(host.process.cd.as_deref().unwrap_or("")).join(program);
        let path = match (path.strip_prefix("/"), chroot) {
            (Ok(inner), Some(root)) => PathBuf::from(root).join(inner),
            _ => path,
        };
        rustix::fs::access(&path, Access::EXEC_OK).map_err(|error| {
            let why = cause(&error.into());
            format!("{directive}: the command '{program}' cannot be executed: {why}")
        })?;
    }
    let refused = any && scripts.security < ScriptSecurity::Scripts;
    Ok(refused
        .then_some("there are scripts of your own, which are run only with 'script-security 2' or higher"))
}

#[cfg(test)]
mod tests {
    use adit::config::Profile;

    use super::*;

    fn checked(more: &str) -> Result<Option<&'static str>, String> {
        let text = format!(
            "server 10.8.0.0 255.255.255.0\ndev tun\n<ca>\n</ca>\n<cert>\n</cert>\n<key>\n</key>\n{more}"
        );
        let parsed = Profile::parse("test", text.as_bytes(), &mut adit::config::NoFiles);
        let findings = parsed.diagnostics;
        check(&parsed.profile.unwrap_or_else(|| panic!("{findings:?}")).host)
    }

    #[test]
    fn commands_that_cannot_be_run_are_found_at_the_start() {
        assert_eq!(checked(""), Ok(None));
        assert_eq!(checked("script-security 2\nup \"/bin/sh -c true\"\n"), Ok(None));
        assert!(checked("up /bin/sh\n").unwrap().unwrap().contains("script-security 2"));
        assert_eq!(
            checked("script-security 2\nup /bin/sh\nclient-connect \"/no/such -x\"\n"),
            Err("client-connect: the command '/no/such' cannot be executed: No such file or directory".into())
        );
        assert_eq!(
            checked("script-security 2\ndns-updown /no/such\n"),
            Err("dns-updown: the command '/no/such' cannot be executed: No such file or directory".into())
        );
        assert_eq!(
            checked("learn-address /proc/version\n"),
            Err("learn-address: the command '/proc/version' cannot be executed: Permission denied".into())
        );
    }
}
