//! SIGHUP where nothing but the router's directives has changed: they are put into force, and sessions stay.

use std::io;

use adit::Instant;
use adit::config::{Diagnostic, Profile, RoleConfig, RouterConfig};
use adit::server::Server;

use super::{Failure, Process, load, open_files};
use crate::run::{self, Node, Outcome};
use crate::server::ServerRole;

impl Process {
    /// Runs a server until it is over. SIGHUP ends it only if more has changed than what can be changed meanwhile.
    pub(super) fn run_and_reload(
        &mut self,
        node: &mut Node<Server>,
        role: &mut ServerRole,
    ) -> io::Result<Outcome> {
        loop {
            let outcome = run::run(node, role, &mut self.signals)?;
            let Some(signal) = role.take_reload() else { return Ok(outcome) };
            let now = self.clock.now();
            match self.changed_router() {
                Change::Router(profile, warnings) => {
                    self.take_router(node, role, now, signal, *profile, warnings);
                }
                Change::More => role.leave_by(node, now, signal, Outcome::Reload),
                Change::Unusable(Failure(sentences)) => {
                    for sentence in sentences {
                        self.log.error(sentence);
                    }
                    self.log.warning("the configuration stays as it was, and so do all sessions");
                }
            }
        }
    }

    /// What has become of the configuration.
    fn changed_router(&mut self) -> Change {
        if self.privileges.are_dropped() {
            self.sources.fall_back(self.profile.host.process.chroot.as_deref());
        }
        let loaded = load(&self.args, &mut self.sources);
        // If there is a restart, it reads everything once more, and tells.
        self.sources.take_notes();
        match loaded {
            Ok((profile, warnings, _)) if only_the_router_differs(&self.profile, &profile) => {
                Change::Router(Box::new(profile), warnings)
            }
            Ok(_) => Change::More,
            // Who uses the router changes rules while people work: a slip of the pen must not send them all away.
            Err(failure) if self.uses_the_router() => Change::Unusable(failure),
            Err(_) => Change::More,
        }
    }

    fn uses_the_router(&self) -> bool {
        match &self.profile.role {
            RoleConfig::Server(server) => *server.router != RouterConfig::default(),
            RoleConfig::Client(_) => false,
        }
    }

    fn take_router(
        &mut self,
        node: &mut Node<Server>,
        role: &mut ServerRole,
        now: Instant,
        signal: &str,
        mut profile: Profile,
        warnings: Vec<Diagnostic>,
    ) {
        let (RoleConfig::Server(before), RoleConfig::Server(config)) =
            (&mut self.profile.role, &mut profile.role)
        else {
            return;
        };
        self.notifier.reloading();
        config.leases = std::mem::take(&mut before.leases);
        let router = (*config.router).clone();
        let flows = self.files.flows.clone();
        match open_files(&profile.host, &self.files, &self.log) {
            Ok(files) => self.files = files,
            Err(why) => self.log.warning(why),
        }
        if let Some(new) = &self.files.flows
            && !flows.is_some_and(|old| std::rc::Rc::ptr_eq(&old, new))
        {
            new.borrow_mut().begin(&self.clock);
        }
        for warning in warnings {
            self.log.warning(warning);
        }
        role.set_files(self.files.clone());
        node.engine.configure_router(now, router);
        self.profile = profile;
        self.log.info(format_args!(
            "{signal} received: only directives of the router have changed; they are in force, and sessions stay"
        ));
        self.notifier.ready(std::process::id());
    }
}

/// How the configuration differs from the one in force.
enum Change {
    /// In the router's directives alone.
    Router(Box<Profile>, Vec<Diagnostic>),
    /// In more than that, or not at all.
    More,
    /// It cannot be used.
    Unusable(Failure),
}

/// Whether another configuration is the same but for directives of the router that can be changed meanwhile: all but
/// the LAN port's.
fn only_the_router_differs(before: &Profile, after: &Profile) -> bool {
    let (RoleConfig::Server(server), RoleConfig::Server(other)) = (&before.role, &after.role) else {
        return false;
    };
    let differs = server.router != other.router || before.host.flow_log != after.host.flow_log;
    if !differs || server.router.lan != other.router.lan {
        return false;
    }
    let mut other = other.clone();
    other.router.clone_from(&server.router);
    other.leases.clone_from(&server.leases); // they change by themselves
    let mut host = after.host.clone();
    host.flow_log.clone_from(&before.host.flow_log);
    host.log.settings.clone_from(&before.host.log.settings);
    other == *server && host == before.host
}

#[cfg(test)]
mod tests {
    use adit::config::NoFiles;

    use super::*;

    const BASE: &str = "dev tun\nserver 10.8.0.0 255.255.255.0\nlan-port eth0 10.0.1.3/16\n\
        <ca>\nx\n</ca>\n<cert>\nx\n</cert>\n<key>\nx\n</key>\nkeepalive 10 60\n";

    fn profile(more: &str) -> Profile {
        let parsed = Profile::parse("server.conf", format!("{BASE}{more}").as_bytes(), &mut NoFiles);
        parsed.profile.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
    }

    #[test]
    fn rules_and_the_flow_log_change_meanwhile_and_nothing_else_does() {
        let before = profile("allow all 10.0.2.2/32\nverb 4\n");
        for more in
            ["verb 4\n", "verb 4\n\nallow all 10.0.2.3/32\n", "allow all 10.0.2.2/32\nflow-log f\nverb 4\n"]
        {
            assert!(only_the_router_differs(&before, &profile(more)), "{more}");
        }
        for more in [
            "allow all 10.0.2.2/32\nverb 4\n",
            "allow all 10.0.2.3/32\nverb 3\n",
            "allow all 10.0.2.3/32\nverb 4\nclient-to-client\n",
            "allow all 10.0.2.3/32\nverb 4\nlan-gateway 10.0.0.1\n",
        ] {
            assert!(!only_the_router_differs(&before, &profile(more)), "{more}");
        }
    }
}
