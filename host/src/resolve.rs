//! From names to addresses, by the system's resolver.
//!
//! A look-up waits, for many seconds if no name server answers. A client does it in a [`Task`], a server, which looks
//! up only its own address, before it has anything else to do.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use adit::config::{AddressFamily, Bind};

use crate::errors::cause;
use crate::socket::any_address;
use crate::task::Task;

/// Where a client's link is to go, in names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) family: Option<AddressFamily>,
    /// Where our end is bound, if it is.
    pub(crate) bind: Option<Bind>,
    /// A proxy on the way, whose address is needed as well.
    pub(crate) proxy: Option<(String, u16)>,
    /// What a proxy is to be told, which looks the name up itself.
    pub(crate) server: String,
}

/// The same in addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The other end: at least one address, each with our own end to bind to, if it is to be bound.
    pub(crate) ends: Vec<Ends>,
    /// The proxy.
    pub(crate) proxy: Option<SocketAddr>,
    /// What the server is called.
    pub(crate) server: String,
}

/// What became of several look-ups, each with the number of its remote.
pub(crate) type LookedUp = Vec<(usize, Result<Found, String>)>;

/// Both ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) remote: SocketAddr,
    /// Where to bind, if `local` or a port is given.
    pub(crate) local: Option<SocketAddr>,
}

impl Found {
    /// The address of that number, or if there are fewer than there were, the first.
    pub(crate) fn end(&self, address: usize) -> Option<Ends> {
        self.ends.get(address).or_else(|| self.ends.first()).copied()
    }

    /// Binds our end where `before` did (`persist-local-ip`).
    pub(crate) fn keep_local(&mut self, before: &Self) {
        for end in &mut self.ends {
            let family = family_of(end.remote);
            let same = before.ends.iter().find(|before| family_of(before.remote) == family);
            end.local = same.map_or(end.local, |before| before.local);
        }
    }
}

/// Begins to look up `targets`, one after the other.
pub(crate) fn look_up(targets: Vec<(usize, Target)>) -> io::Result<Task<LookedUp>> {
    Task::spawn("resolver", move |_| {
        targets.into_iter().map(|(remote, target)| (remote, target.found())).collect()
    })
}

impl Target {
    fn found(&self) -> Result<Found, String> {
        let proxy = match &self.proxy {
            Some((host, port)) => resolve(host, *port, None)?.first().copied(),
            None => None,
        };
        let addresses = resolve(&self.host, self.port, self.family)?;
        let v4 = self.local(&addresses, AddressFamily::V4);
        let v6 = self.local(&addresses, AddressFamily::V6);
        let mut ends = Vec::with_capacity(addresses.len());
        let mut refusal = None;
        for remote in addresses {
            match if remote.is_ipv4() { &v4 } else { &v6 } {
                Ok(local) => ends.push(Ends { remote, local: *local }),
                Err(why) => refusal = Some(why.clone()),
            }
        }
        // There may be no way to one of its addresses only.
        match refusal {
            Some(why) if ends.is_empty() => Err(why),
            _ => Ok(Found { ends, proxy, server: self.server.clone() }),
        }
    }

    /// Our end of links to addresses of `family`, if there are any.
    fn local(&self, addresses: &[SocketAddr], family: AddressFamily) -> Result<Option<SocketAddr>, String> {
        if !addresses.iter().any(|address| family_of(*address) == family) {
            return Ok(None);
        }
        Ok(match &self.bind {
            Some(Bind { host: Some(host), port, .. }) => {
                resolve(host, port.unwrap_or(0), Some(family))?.first().copied()
            }
            Some(Bind { host: None, port: Some(port), .. }) => Some(any_address(Some(family), *port)),
            Some(Bind { host: None, port: None, .. }) | None => None,
        })
    }
}

/// The family of an address.
pub(crate) fn family_of(address: SocketAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::V4 } else { AddressFamily::V6 }
}

/// The addresses of `host`, at least one, of `family` if that is given.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    family: Option<AddressFamily>,
) -> Result<Vec<SocketAddr>, String> {
    let found = (host, port).to_socket_addrs();
    let all = found.map_err(|error| {
        format!("RESOLVE: Cannot resolve host address: {host}:{port} ({})", cause(&error))
    })?;
    let fits = |address: &SocketAddr| match family {
        None => true,
        Some(AddressFamily::V4) => address.is_ipv4(),
        Some(AddressFamily::V6) => address.is_ipv6(),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in all.filter(fits) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let wanted = if family == Some(AddressFamily::V6) { "IPv6" } else { "IPv4" };
        return Err(format!("RESOLVE: Cannot resolve host address: {host} has no {wanted} address"));
    }
    Ok(addresses)
}

/// `remote-random-hostname`: a label in front that no cache has seen.
pub(crate) fn random_host(host: &str, random: [u8; 6]) -> String {
    let label: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{label}.{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_their_own_names() {
        assert_eq!(resolve("192.0.2.1", 1194, None).unwrap(), ["192.0.2.1:1194".parse().unwrap()]);
        assert_eq!(resolve("2001:db8::1", 1, Some(AddressFamily::V6)).unwrap().len(), 1);
        let error = resolve("192.0.2.1", 1194, Some(AddressFamily::V6)).unwrap_err();
        assert_eq!(error, "RESOLVE: Cannot resolve host address: 192.0.2.1 has no IPv6 address");
    }

    #[test]
    fn both_ends_are_of_one_family() {
        let bind =
            |host: Option<&str>, port| Some(Bind { host: host.map(Into::into), port, ..Bind::default() });
        let target = Target {
            host: "2001:db8::1".into(),
            port: 1194,
            family: None,
            bind: bind(None, Some(7)),
            proxy: None,
            server: "vpn".into(),
        };
        let found = |remote: &str, local: Option<&str>| {
            let remote = remote.parse().unwrap();
            let ends = vec![Ends { remote, local: local.map(|local| local.parse().unwrap()) }];
            Ok(Found { ends, proxy: None, server: "vpn".into() })
        };
        assert_eq!(target.found(), found("[2001:db8::1]:1194", Some("[::]:7")));
        let ipv4 =
            Target { host: "192.0.2.1".into(), bind: bind(Some("127.0.0.1"), Some(7)), ..target.clone() };
        assert_eq!(ipv4.found(), found("192.0.2.1:1194", Some("127.0.0.1:7")));
        let neither = Target { bind: None, ..target.clone() };
        assert_eq!(neither.found(), found("[2001:db8::1]:1194", None));
        let mixed = Target { bind: bind(Some("127.0.0.1"), None), ..target.clone() };
        assert!(mixed.found().unwrap_err().ends_with("127.0.0.1 has no IPv6 address"));
        let behind = Target { proxy: Some(("192.0.2.9".into(), 1080)), ..target };
        assert_eq!(behind.found().unwrap().proxy, Some("192.0.2.9:1080".parse().unwrap()));
    }

    #[test]
    fn a_random_label_is_twelve_digits() {
        assert_eq!(random_host("vpn.example", [0, 1, 0xab, 3, 4, 255]), "0001ab0304ff.vpn.example");
    }
}
