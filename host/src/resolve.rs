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
    /// Which of several addresses is wanted.
    pub(crate) turn: usize,
    /// Where our end is bound, if it is.
    pub(crate) bind: Option<Bind>,
}

/// The same in addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) remote: SocketAddr,
    /// Where to bind, if `local` or a port is given.
    pub(crate) local: Option<SocketAddr>,
}

impl Target {
    /// Begins to look it up.
    pub(crate) fn look_up(self) -> io::Result<Task<Result<Ends, String>>> {
        Task::spawn("resolver", move |_| self.ends())
    }

    fn ends(&self) -> Result<Ends, String> {
        let addresses = resolve(&self.host, self.port, self.family)?;
        let remote = addresses[self.turn % addresses.len()];
        let family = Some(family_of(remote));
        let local = match &self.bind {
            Some(Bind { host: Some(host), port, .. }) => {
                resolve(host, port.unwrap_or(0), family)?.first().copied()
            }
            Some(Bind { host: None, port: Some(port), .. }) => Some(any_address(family, *port)),
            Some(Bind { host: None, port: None, .. }) | None => None,
        };
        Ok(Ends { remote, local })
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
        let bind = |host: Option<&str>, port| {
            let mut bind = Bind::default();
            (bind.host, bind.port) = (host.map(Into::into), port);
            Some(bind)
        };
        let target = Target {
            host: "2001:db8::1".into(),
            port: 1194,
            family: None,
            turn: 3,
            bind: bind(None, Some(7)),
        };
        let ends = |remote: &str, local: Option<&str>| Ends {
            remote: remote.parse().unwrap(),
            local: local.map(|local| local.parse().unwrap()),
        };
        assert_eq!(target.ends().unwrap(), ends("[2001:db8::1]:1194", Some("[::]:7")));
        let local = bind(Some("127.0.0.1"), Some(7));
        let ipv4 = Target { host: "192.0.2.1".into(), bind: local.clone(), ..target.clone() };
        assert_eq!(ipv4.ends().unwrap(), ends("192.0.2.1:1194", Some("127.0.0.1:7")));
        let neither = Target { bind: None, ..target.clone() };
        assert_eq!(neither.ends().unwrap(), ends("[2001:db8::1]:1194", None));
        let mixed = Target { bind: local, ..target };
        assert!(mixed.ends().unwrap_err().ends_with("127.0.0.1 has no IPv6 address"));
    }

    #[test]
    fn a_random_label_is_twelve_digits() {
        assert_eq!(random_host("vpn.example", [0, 1, 0xab, 3, 4, 255]), "0001ab0304ff.vpn.example");
    }
}
