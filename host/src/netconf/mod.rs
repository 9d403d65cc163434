//! What the system must be told: addresses of the TUN device, and routes.
//!
//! [`plan`] and [`routes`] say which commands of iproute2 do it and which undo it; [`Network`] runs them, and undoes
//! what it did when it goes.

mod hop;
mod ip;
mod plan;
mod routes;

use std::net::IpAddr;

pub(crate) use hop::Hop;
pub(crate) use ip::Ip;
pub(crate) use plan::{Interface, Ipv4Setup, Ipv6Setup, Step, interface_steps, pool_route};
pub(crate) use routes::{Surroundings, route_steps};

use crate::log::{Log, Verb};

/// Everything that was done to the system's addresses and routes, in order.
#[derive(Debug)]
pub(crate) struct Network {
    ip: Ip,
    undo: Vec<String>,
}

impl Network {
    /// Nothing done yet. Fails if the command `ip` is not installed.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { ip: Ip::find()?, undo: Vec::new() })
    }

    /// Runs the steps. One that fails is logged and left out: most often the route was there before.
    pub(crate) fn apply(&mut self, steps: Vec<Step>, log: &Log) {
        for step in steps {
            log.line(Verb::Details, format_args!("{} {}", self.ip.program(), step.command));
            match self.ip.run(&step.command) {
                Ok(()) => self.undo.extend(step.undo),
                Err(error) => log.error(error),
            }
        }
    }

    /// The next hop to `destination` at present.
    pub(crate) fn hop_to(&self, destination: IpAddr) -> Option<Hop> {
        let family = if destination.is_ipv4() { "-4" } else { "-6" };
        Hop::parse(&self.ip.output(&format!("{family} route get {destination}")).ok()?)
    }

    /// The default route of IPv4 or IPv6 (`v6`) at present.
    pub(crate) fn default_hop(&self, v6: bool) -> Option<Hop> {
        let family = if v6 { "-6" } else { "-4" };
        Hop::parse(&self.ip.output(&format!("{family} route show default")).ok()?)
    }

    /// Undoes everything, the last step first. What belongs to the device would go with it in any case; a route past
    /// it stays if we are not root any more.
    pub(crate) fn undo(&mut self, log: &Log) {
        let mut failures = Vec::new();
        for command in self.undo.drain(..).rev() {
            log.line(Verb::Details, format_args!("{} {command}", self.ip.program()));
            failures.extend(self.ip.run(&command).err());
        }
        match &failures[..] {
            [] => {}
            [one] => log.warning(one),
            [first, rest @ ..] => log.warning(format_args!("{first} (and {} more)", rest.len())),
        }
    }
}
