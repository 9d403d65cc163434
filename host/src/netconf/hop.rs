//! [`Hop`]: the next hop towards a destination.

use std::net::IpAddr;

use super::change::Route;

/// Where packets to some destination go next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The router, or none if the destination is on the device's own network.
    pub(crate) via: Option<IpAddr>,
    pub(crate) dev: String,
    /// The source address that they get.
    pub(crate) source: Option<IpAddr>,
}

impl Hop {
    /// The route to this one destination by this way.
    pub(crate) fn route_to(&self, destination: IpAddr) -> Route {
        let prefix = if destination.is_ipv4() { 32 } else { 128 };
        Route { via: self.via, dev: Some(self.dev.clone()), ..Route::to(destination, prefix) }
    }
}
