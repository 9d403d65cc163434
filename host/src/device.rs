//! [`Tunnel`]: the TUN device together with the addresses and routes that were set for it, so that both go together.

use std::net::IpAddr;

use adit::config::{Device, DnsSettings};

use crate::dns::UserCommand;
use crate::guard::{Guard, Heard};
use crate::io::Io;
use crate::log::{Level, Log};
use crate::netconf::{Change, Interface, Moved, Network, Surroundings, Watch, interface_steps};
use crate::poller::Source;
use crate::privileges::Privileges;
use crate::tun::Tun;

/// What `dev` names, once it is open.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// `None` for `dev null`.
    network: Option<Network>,
    /// The device while no [`Io`] has it.
    parked: Option<Tun>,
    name: String,
    /// There if there is something to guard. The [`Io`] waits for it too.
    guard: Option<Guard>,
    /// What a guard may run for `dns-updown`.
    command: Option<UserCommand>,
    /// Whether we can start a guard that is root. None if there is never one.
    privileges: Option<Privileges>,
}

impl Tunnel {
    /// Opens the device and hands it to `io`.
    pub(crate) fn open(dev: &Device, io: &mut Io, log: &Log) -> Result<Self, String> {
        let wanted = match dev {
            Device::Null => {
                return Ok(Self {
                    network: None,
                    parked: None,
                    name: "null".to_owned(),
                    guard: None,
                    command: None,
                    privileges: None,
                });
            }
            Device::Tun => "tun",
            Device::Named(name) => name,
        };
        let network = Network::new()?;
        let tun = Tun::open(wanted)?;
        let name = tun.name().to_owned();
        log.info(format_args!("TUN/TAP device {name} opened"));
        io.attach_tun(tun).map_err(|error| format!("cannot wait for {name}: {error}"))?;
        let network = Some(network);
        Ok(Self { network, parked: None, name, guard: None, command: None, privileges: None })
    }

    /// Goes on with the guard of an earlier tunnel, whose orders come before those of this one.
    pub(crate) fn guarded_by(self, guard: Option<Guard>) -> Self {
        Self { guard: guard.or(self.guard), ..self }
    }

    /// Says what a guard may run for `dns-updown`, and whether one can be started; before that is done.
    pub(crate) fn prepare_guard(&mut self, command: Option<UserCommand>, privileges: &Privileges) {
        self.command = command;
        self.privileges = Some(privileges.clone());
    }

    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sets the device's MTU and addresses.
    pub(crate) fn configure(&mut self, interface: &Interface, log: &Log) {
        self.apply(interface_steps(&self.name, interface), log);
    }

    /// Makes further changes, that go with the device.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, log: &Log) {
        if let Some(network) = &mut self.network {
            network.apply(changes, log);
        }
    }

    /// Makes changes that may outlive the device, and has them guarded.
    pub(crate) fn apply_guarded(&mut self, changes: Vec<Change>, io: &Io, log: &Log) {
        if self.network.is_none() {
            return;
        }
        // Whatever kills us between the change and the word about it: a route of the system's own that we take away
        // comes back. To set one that is still there does no harm; to remove one that was never ours would.
        let taken: Vec<Change> =
            changes.iter().filter(|change| matches!(change, Change::DelRoute(_))).cloned().collect();
        if !taken.is_empty()
            && let Some(guard) = self.start_guard(io, log)
        {
            guard.keep(&taken);
        }
        if let Some(network) = &mut self.network {
            network.apply(changes, log);
        }
        self.keep_guarded(io, log);
    }

    /// Tells the guard what there is to take back now.
    fn keep_guarded(&mut self, io: &Io, log: &Log) {
        let Some(network) = &mut self.network else { return };
        let outlasting = network.outlasting(&self.name);
        if !outlasting.is_empty()
            && let Some(guard) = self.start_guard(io, log)
        {
            guard.keep_only(&outlasting);
        }
    }

    /// Watches the way to the server at `remote`, so that [`follow`](Self::follow) can be called when it may have changed.
    pub(crate) fn watch(&mut self, remote: IpAddr, io: &Io) -> Option<Watch> {
        let network = self.network.as_mut()?;
        network.remember_way(remote, &self.name);
        let watch = Watch::new(remote, &self.name).ok()?;
        io.poller.add(&watch, Source::Task, false).ok()?;
        Some(watch)
    }

    /// Has the routes past the tunnel follow the way to the server, and says how that has changed.
    pub(crate) fn follow(&mut self, io: &Io, log: &Log) -> Moved {
        let Some(network) = &mut self.network else { return Moved::No };
        let moved = network.follow(&self.name, log);
        if moved != Moved::No {
            self.keep_guarded(io, log);
        }
        moved
    }

    /// Sees to it that a server at `remote` is not reached through the tunnel, which stays open meanwhile.
    pub(crate) fn keep_outside(&mut self, remote: IpAddr, io: &Io, log: &Log) {
        if let Some(network) = &mut self.network {
            network.keep_outside(remote, &self.name, log);
            self.keep_guarded(io, log);
        }
    }

    /// Has DNS settings applied, by the user's command if `by_command`; whether to wait for [`hear`](Self::hear) to
    /// tell of it.
    pub(crate) fn dns_up(&mut self, settings: &DnsSettings, by_command: bool, io: &Io, log: &Log) -> bool {
        let (name, command) = (self.name.clone(), self.command.clone());
        if self.network.is_none() {
            return false;
        }
        if by_command
            && !self.has_dropped_root()
            && self.guard.as_ref().map(Guard::command) != Some(command.as_ref())
        {
            self.replace_guard(io, log);
        }
        let Some(guard) = self.start_guard(io, log) else { return false };
        if by_command && guard.command() != command.as_ref() {
            // Root runs what it was told when it was asked by root.
            log.warning("dns-updown: another command needs a full restart, since root was given up");
            guard.dns_down();
            return false;
        }
        let asked = guard.dns_up(&name, settings, by_command);
        if !asked {
            log.warning("DNS: the settings are too long to be applied");
            guard.dns_down();
        }
        asked
    }

    /// Whether there is a guard, which is root even if we are not any more.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// What the guard says.
    pub(crate) fn hear(&mut self, io: &Io, log: &Log) -> Heard {
        hear(&mut self.guard, io, log)
    }

    fn has_dropped_root(&self) -> bool {
        self.privileges.as_ref().is_some_and(Privileges::are_dropped)
    }

    /// Ends a guard that was started with another command. The routes are ours, and are told to the next one.
    fn replace_guard(&mut self, io: &Io, log: &Log) {
        if let Some(mut old) = self.guard.take() {
            let _ = io.poller.remove(&old);
            old.forget();
            old.finish(log);
        }
    }

    fn start_guard(&mut self, io: &Io, log: &Log) -> Option<&mut Guard> {
        if self.guard.is_none() {
            // Without root it could take nothing back, and in a `chroot` there is no program to start.
            let privileges = self.privileges.as_ref()?;
            if privileges.are_dropped() {
                if privileges.is_first_miss() {
                    log.warning(
                        "root was given up: what outlives the device is not taken back if this process is killed",
                    );
                }
                return None;
            }
            let started = Guard::start(self.command.as_ref()).and_then(|guard| {
                io.poller.add(&guard, Source::Task, false).map_err(|error| error.to_string())?;
                Ok(guard)
            });
            match started {
                Ok(guard) => self.guard = Some(guard),
                Err(why) => log.warning(why),
            }
        }
        self.guard.as_mut()
    }

    /// How the system routes at present, with a server at `remote`.
    pub(crate) fn surroundings(&mut self, remote: Option<IpAddr>) -> Surroundings {
        match &mut self.network {
            Some(network) => network.surroundings(&self.name, remote),
            None => Surroundings { dev: self.name.clone(), remote, ..Surroundings::default() },
        }
    }

    /// Takes the routes away, before all else is undone.
    pub(crate) fn remove_routes(&mut self, log: &Log) {
        if let Some(network) = &mut self.network {
            network.undo_routes(log);
        }
    }

    /// Takes the device out of an [`Io`] that ends, to be [resumed](Self::resume) by another.
    pub(crate) fn park(mut self, io: &mut Io) -> Self {
        self.parked = io.take_tun();
        self
    }

    /// Goes on with a parked device.
    pub(crate) fn resume(&mut self, io: &mut Io, log: &Log) -> Result<(), String> {
        log.info(format_args!("Preserving previous TUN/TAP instance: {}", self.name));
        let cannot = |error: std::io::Error| format!("cannot wait for {}: {error}", self.name);
        if let Some(guard) = &self.guard {
            io.poller.add(guard, Source::Task, false).map_err(cannot)?;
        }
        match self.parked.take() {
            Some(tun) => io.attach_tun(tun).map_err(cannot),
            None => Ok(()),
        }
    }

    /// Undoes all that was set.
    pub(crate) fn reset(&mut self, log: &Log) {
        let all = self.network.as_mut().is_none_or(|network| network.undo(log));
        if let (Some(guard), true) = (&mut self.guard, all) {
            guard.forget();
        }
    }

    /// Undoes all that was set, and closes the device. A guard has its orders for what we may no longer do, and is
    /// handed back for a next tunnel.
    pub(crate) fn close(mut self, io: &mut Io, log: &Log) -> Option<Guard> {
        if let Some(guard) = &mut self.guard {
            guard.dns_down();
        }
        if self.network.is_some() {
            log.line(Level::CLOSE, "Closing TUN/TAP interface");
            self.reset(log);
        }
        drop(io.take_tun());
        self.guard
    }
}

/// Lets a guard speak, and go.
pub(crate) fn hear(guard: &mut Option<Guard>, io: &Io, log: &Log) -> Heard {
    let Some(speaking) = guard else { return Heard::default() };
    let heard = speaking.read(log);
    if heard.ended {
        let _ = io.poller.remove(&*speaking);
        log.warning("the process that guards the system's settings has ended");
        *guard = None;
    }
    heard
}
