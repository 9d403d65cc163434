//! From names to addresses, by the system's resolver.
//!
//! A look-up waits: nothing else happens in a client before it has a server. A server looks up only its own address.

use std::net::{SocketAddr, ToSocketAddrs};

use adit::config::AddressFamily;

/// The addresses of `host`, at least one, of `family` if that is given.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    family: Option<AddressFamily>,
) -> Result<Vec<SocketAddr>, String> {
    let found = (host, port).to_socket_addrs();
    let all =
        found.map_err(|error| format!("RESOLVE: Cannot resolve host address: {host}:{port} ({error})"))?;
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
    fn a_random_label_is_twelve_digits() {
        assert_eq!(random_host("vpn.example", [0, 1, 0xab, 3, 4, 255]), "0001ab0304ff.vpn.example");
    }
}
