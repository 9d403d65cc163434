//! The next hop towards a destination, as `ip route` prints it.

use std::fmt;
use std::net::IpAddr;

/// Where packets to some destination go next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The router, or none if the destination is on the device's own network.
    pub(crate) via: Option<IpAddr>,
    pub(crate) dev: String,
}

impl Hop {
    /// Reads the first line of `ip route get` or `ip route show`. `None` if it names no device, as for a destination
    /// that is this machine itself or unreachable.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.lines().next()?.split_ascii_whitespace().collect();
        if matches!(words.first(), Some(&("local" | "unreachable" | "blackhole" | "prohibit"))) {
            return None;
        }
        let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
        // A gateway of the other family is printed as `via inet6 ADDRESS`.
        let via = after("via").and_then(|word| if *word == "inet6" { after("inet6") } else { Some(word) });
        let via = match via {
            Some(word) => Some(word.parse().ok()?),
            None => None,
        };
        Some(Self { via, dev: (*after("dev")?).to_owned() })
    }
}

impl fmt::Display for Hop {
    /// As words of a command: `via 192.0.2.1 dev eth0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(via) = self.via {
            write!(f, "via {via} ")?;
        }
        write!(f, "dev {}", self.dev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iproute2_prints() {
        let hop = |text| Hop::parse(text).map(|hop| hop.to_string());
        assert_eq!(
            hop("203.0.113.5 via 192.0.2.1 dev eth0 src 192.0.2.7 uid 0\n    cache\n").as_deref(),
            Some("via 192.0.2.1 dev eth0")
        );
        assert_eq!(hop("192.0.2.9 dev eth0 src 192.0.2.7 uid 0").as_deref(), Some("dev eth0"));
        assert_eq!(
            hop("default via fe80::1 dev wlan0 proto ra metric 600 pref medium").as_deref(),
            Some("via fe80::1 dev wlan0")
        );
        assert_eq!(hop("default via inet6 fe80::1 dev eth0").as_deref(), Some("via fe80::1 dev eth0"));
        assert_eq!(hop("local 127.0.0.1 dev lo src 127.0.0.1"), None);
        assert_eq!(hop(""), None);
    }
}
