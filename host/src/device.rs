//! [`Tunnel`]: the TUN device together with the addresses and routes that were set for it, so that both go together.

use std::net::IpAddr;

use adit::config::Device;

use crate::io::Io;
use crate::log::{Level, Log};
use crate::netconf::{Change, Interface, Network, Surroundings, interface_steps};
use crate::tun::Tun;

/// What `dev` names, once it is open.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// `None` for `dev null`.
    network: Option<Network>,
    /// The device while no [`Io`] has it.
    parked: Option<Tun>,
    name: String,
}

impl Tunnel {
    /// Opens the device and hands it to `io`.
    pub(crate) fn open(dev: &Device, io: &mut Io, log: &Log) -> Result<Self, String> {
        let wanted = match dev {
            Device::Null => {
                let name = "null".to_owned();
                return Ok(Self { network: None, parked: None, name });
            }
            Device::Tun => "tun",
            Device::Named(name) => name,
        };
        let network = Network::new()?;
        let tun = Tun::open(wanted)?;
        let name = tun.name().to_owned();
        log.info(format_args!("TUN/TAP device {name} opened"));
        io.attach_tun(tun).map_err(|error| format!("cannot wait for {name}: {error}"))?;
        Ok(Self { network: Some(network), parked: None, name })
    }

    /// The device's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sets the device's MTU and addresses.
    pub(crate) fn configure(&mut self, interface: &Interface, log: &Log) {
        self.apply(interface_steps(&self.name, interface), log);
    }

    /// Makes further changes.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, log: &Log) {
        if let Some(network) = &mut self.network {
            network.apply(changes, log);
        }
    }

    /// How the system routes at present, with a server at `remote`.
    pub(crate) fn surroundings(&mut self, remote: Option<IpAddr>) -> Surroundings {
        match &mut self.network {
            Some(network) => network.surroundings(&self.name, remote),
            None => Surroundings { dev: self.name.clone(), remote, ..Surroundings::default() },
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
        match self.parked.take() {
            Some(tun) => {
                io.attach_tun(tun).map_err(|error| format!("cannot wait for {}: {error}", self.name))
            }
            None => Ok(()),
        }
    }

    /// Undoes all that was set, and closes the device.
    pub(crate) fn close(mut self, io: &mut Io, log: &Log) {
        if let Some(network) = &mut self.network {
            log.line(Level::CLOSE, "Closing TUN/TAP interface");
            network.undo(log);
        }
        drop(io.take_tun());
    }
}
