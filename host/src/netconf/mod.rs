//! What the system must be told: addresses of the TUN device, and routes.
//!
//! [`plan`] and [`routes`] say which changes do it; [`Network`] makes them by [`netlink`], and undoes what it did when
//! it goes.

mod change;
mod follow;
mod hop;
mod netlink;
mod plan;
mod routes;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

pub(crate) use change::Change;
pub(crate) use follow::Moved;
pub(crate) use hop::Hop;
pub(crate) use netlink::{LinkFacts, Netlink, link_news};
pub(crate) use plan::{Interface, Ipv4Setup, Ipv6Setup, interface_steps, pool_route};
pub(crate) use routes::{Surroundings, route_steps};
pub(crate) use watch::Watch;

use crate::errors::cause;
use crate::log::{Log, Verb};

/// Everything that was done to the system's addresses and routes, in order.
#[derive(Debug)]
pub(crate) struct Network {
    netlink: Netlink,
    done: Vec<Change>,
    underlay: Option<follow::Underlay>,
}

impl Network {
    /// Nothing done yet.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { netlink: Netlink::new()?, done: Vec::new(), underlay: None })
    }

    /// Makes the changes. One that fails is logged and left out; a route that was there before stays its owner's.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, log: &Log) {
        let results = self.netlink.apply(&changes);
        for (change, result) in changes.into_iter().zip(results) {
            log.line(Verb::Details, change.log_line());
            match result {
                Ok(()) => self.done.push(change),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    log.line(Verb::Details, "NOTE: Linux route add command failed because route exists");
                }
                Err(error) => log.error(format_args!("'{change}' failed: {}", cause(&error))),
            }
        }
    }

    /// The next hop to `destination` at present.
    pub(crate) fn hop_to(&mut self, destination: IpAddr) -> Option<Hop> {
        self.netlink.hop_to(destination)
    }

    /// How the system routes at present, with a server at `remote` and our device `dev`.
    pub(crate) fn surroundings(&mut self, dev: &str, remote: Option<IpAddr>) -> Surroundings {
        Surroundings {
            dev: dev.to_owned(),
            remote,
            to_remote: remote.and_then(|remote| self.hop_to(remote)),
            net: self.netlink.default_route(false),
            net_v6: self.netlink.default_route(true),
            addresses: self.netlink.addresses(),
            ..Surroundings::default()
        }
    }

    /// Of what was done, that which stays when the device `dev` goes.
    pub(crate) fn outlasting(&mut self, dev: &str) -> Vec<Change> {
        let mut routers: BTreeMap<IpAddr, bool> = BTreeMap::new();
        let netlink = &mut self.netlink;
        let mut outlasts = |change: &Change| match change {
            Change::DelRoute(_) => true,
            Change::AddRoute(route) => match (&route.dev, route.via) {
                (Some(other), _) => other != dev,
                (None, Some(via)) => *routers
                    .entry(via)
                    .or_insert_with(|| netlink.hop_to(via).is_none_or(|hop| hop.dev != dev)),
                (None, None) => false,
            },
            Change::Up { .. } | Change::AddAddress(_) | Change::DelAddress(_) => false,
        };
        self.done.iter().filter(|change| outlasts(change)).cloned().collect()
    }

    /// Undoes what was done about routes, and nothing else.
    pub(crate) fn undo_routes(&mut self, log: &Log) {
        let is_route = |change: &Change| matches!(change, Change::AddRoute(_) | Change::DelRoute(_));
        let (routes, others) = self.done.drain(..).partition(is_route);
        self.done = routes;
        self.undo(log);
        self.done = others;
    }

    /// Undoes everything, the last change first. What is gone already, as with its device, is as good as undone.
    /// Answers whether all is undone.
    pub(crate) fn undo(&mut self, log: &Log) -> bool {
        let changes: Vec<Change> = self.done.drain(..).rev().filter_map(|change| change.inverse()).collect();
        let results = self.netlink.apply(&changes);
        let mut failures = Vec::new();
        for (change, result) in changes.iter().zip(results) {
            log.line(Verb::Details, change.log_line());
            if let Err(error) = result.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) }) {
                failures.push(format!("'{change}' failed: {}", cause(&error)));
            }
        }
        match &failures[..] {
            [] => {}
            [one] => log.warning(one),
            [first, rest @ ..] => log.warning(format_args!("{first} (and {} more)", rest.len())),
        }
        failures.is_empty()
    }
}

/// No such route, address or device.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::SRCH, Errno::ADDRNOTAVAIL, Errno::NODEV]
        .iter()
        .any(|gone| error.raw_os_error() == Some(gone.raw_os_error()))
        || error.kind() == io::ErrorKind::AlreadyExists
}
