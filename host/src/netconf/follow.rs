//! Following the network under the tunnel: when the way to the server changes, the routes that go past the tunnel must
//! lead the new way.

use std::io::ErrorKind;
use std::net::IpAddr;

use super::Network;
use super::change::{Change, Route};
use super::hop::Hop;
use crate::errors::cause;
use crate::log::{Log, Verb};

/// How the server is reached, tunnel aside.
#[derive(Clone, Debug)]
pub(super) struct Underlay {
    remote: IpAddr,
    hop: Hop,
    /// There is no way at present; the hop is the last there was.
    lost: bool,
}

/// What has become of the way to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    No,
    /// There is none any more.
    Lost,
    /// There is one again, or another.
    Yes {
        /// What the server is reached by now.
        hop: Hop,
        /// Packets leave by another device, or from another address.
        elsewhere: bool,
    },
}

impl Network {
    /// Takes note of how `remote` is reached, past the tunnel of `dev`.
    pub(crate) fn remember_way(&mut self, remote: IpAddr, dev: &str) {
        self.underlay = self.way_to(remote, dev).map(|hop| Underlay {
            remote,
            hop: Hop { source: self.source_for(remote), ..hop },
            lost: false,
        });
    }

    /// Looks whether that is as it was, and has the routes past the tunnel follow.
    pub(crate) fn follow(&mut self, dev: &str, log: &Log) -> Moved {
        let Some(before) = self.underlay.clone() else { return Moved::No };
        let Some(hop) = self.way_to(before.remote, dev) else {
            self.underlay = Some(Underlay { lost: true, ..before.clone() });
            return if before.lost { Moved::No } else { Moved::Lost };
        };
        self.lead(&before.hop, &hop, log);
        let hop = Hop { source: self.source_for(before.remote), ..hop };
        self.underlay = Some(Underlay { remote: before.remote, hop: hop.clone(), lost: false });
        if hop == before.hop && !before.lost {
            return Moved::No;
        }
        let elsewhere = (&hop.dev, hop.source) != (&before.hop.dev, before.hop.source);
        Moved::Yes { hop, elsewhere }
    }

    /// Sees to it that `remote`, to be connected to while the tunnel of `dev` stays open, is not reached through it.
    pub(crate) fn keep_outside(&mut self, remote: IpAddr, dev: &str, log: &Log) {
        if self.hop_to(remote).is_some_and(|hop| hop.dev == dev)
            && let Some(hop) = self.way_to(remote, dev)
        {
            self.apply(vec![Change::AddRoute(hop.route_to(remote))], log);
        }
    }

    /// Our routes by way of `old` now go by way of `new`; those that have vanished meanwhile, with their link, come
    /// back.
    fn lead(&mut self, old: &Hop, new: &Hop, log: &Log) {
        let is_by = |route: &Route, hop: &Hop| route.dev.as_ref() == Some(&hop.dev) && route.via == hop.via;
        let moves = (&old.via, &old.dev) != (&new.via, &new.dev);
        let mut changes = Vec::new();
        self.done.retain(|change| match change {
            Change::AddRoute(route) if is_by(route, old) => {
                if moves {
                    changes.push(Change::DelRoute(route.clone()));
                }
                let route = Route { via: new.via, dev: Some(new.dev.clone()), ..route.clone() };
                changes.push(Change::AddRoute(route));
                false
            }
            // The default route that was there before the tunnel is not to come back any more.
            Change::DelRoute(route) => !(moves && is_by(route, old)),
            _ => true,
        });
        let results = self.netlink.apply(&changes);
        for (change, result) in changes.into_iter().zip(results) {
            if matches!(change, Change::AddRoute(_)) {
                match result {
                    Ok(()) => log.line(Verb::Details, change.log_line()),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    Err(error) => log.warning(format_args!("'{change}' failed: {}", cause(&error))),
                }
                // It may be there: then it is ours, as before.
                self.done.push(change);
            }
        }
    }

    /// The way that the main table has, less the tunnel and the routes that we made past it ourselves; where it has
    /// none, as with routing by policy, what the kernel says.
    fn way_to(&mut self, remote: IpAddr, dev: &str) -> Option<Hop> {
        let bits = if remote.is_ipv4() { 32 } else { 128 };
        let routes = self.netlink.routes_to(remote);
        let is_ours = |route: &Route| {
            route.prefix == bits
                && self.done.iter().any(|change| {
                    matches!(change, Change::AddRoute(ours) if ours.destination == route.destination
                        && ours.prefix == bits && ours.via == route.via && ours.dev == route.dev)
                })
        };
        let others = routes.into_iter().filter(|route| route.dev.as_deref() != Some(dev) && !is_ours(route));
        let best = others.min_by_key(|route| (bits - route.prefix, route.metric.unwrap_or(0)));
        match best {
            Some(route) => Some(Hop { via: route.via, dev: route.dev?, source: None }),
            None => {
                let ours = self.done.iter().any(|change| {
                    matches!(change, Change::AddRoute(route) if route.prefix == bits && route.destination == remote)
                });
                self.netlink.hop_to(remote).filter(|hop| hop.dev != dev && !ours)
            }
        }
    }

    fn source_for(&mut self, remote: IpAddr) -> Option<IpAddr> {
        self.netlink.hop_to(remote).and_then(|hop| hop.source)
    }
}
