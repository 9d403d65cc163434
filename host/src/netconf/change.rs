//! [`Change`]: one thing that the kernel is told about addresses and routes, and its opposite.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::{FromStr, SplitAsciiWhitespace};

/// One thing that the kernel is told. `Display` and `FromStr` are words as `ip` knows them: what was done is kept in a
/// file in this form, for a next start to undo it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A device is up, with this MTU in bytes, and a queue of so many packets if that is given.
    Up {
        dev: String,
        mtu: u16,
        queue: Option<u32>,
    },
    AddAddress(Address),
    DelAddress(Address),
    AddRoute(Route),
    DelRoute(Route),
}

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) dev: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    /// The other end, on a point-to-point device.
    pub(crate) peer: Option<Ipv4Addr>,
}

/// A route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) destination: IpAddr,
    pub(crate) prefix: u8,
    /// The router.
    pub(crate) via: Option<IpAddr>,
    /// The device; the kernel finds it by the router if there is none.
    pub(crate) dev: Option<String>,
    pub(crate) metric: Option<u32>,
    /// Who made it, as a number of rtnetlink; ours if there is none.
    pub(crate) protocol: Option<u8>,
    /// The source address that it prefers.
    pub(crate) source: Option<IpAddr>,
}

impl Change {
    /// What takes it back. A device stays up: it is about to vanish.
    pub(crate) fn inverse(&self) -> Option<Self> {
        match self.clone() {
            Self::Up { .. } => None,
            Self::AddAddress(address) => Some(Self::DelAddress(address)),
            Self::DelAddress(address) => Some(Self::AddAddress(address)),
            Self::AddRoute(route) => Some(Self::DelRoute(route)),
            Self::DelRoute(route) => Some(Self::AddRoute(route)),
        }
    }

    /// The line that OpenVPN logs for it.
    pub(crate) fn log_line(&self) -> String {
        match self {
            Self::Up { dev, mtu, .. } => {
                format!("net_iface_mtu_set: mtu {mtu} for {dev}; net_iface_up: set {dev} up")
            }
            Self::AddAddress(address) => address.log_line("add"),
            Self::DelAddress(address) => address.log_line("del"),
            Self::AddRoute(route) => route.log_line("add"),
            Self::DelRoute(route) => route.log_line("del"),
        }
    }
}

impl Address {
    fn log_line(&self, what: &str) -> String {
        let Self { dev, address, prefix, peer } = self;
        match peer {
            Some(peer) => format!("net_addr_ptp_v4_{what}: {address} peer {peer} dev {dev}"),
            None => format!("net_addr_{}_{what}: {address}/{prefix} dev {dev}", family(address)),
        }
    }
}

impl Route {
    /// A route of ours to this network, without a way yet.
    pub(crate) fn to(destination: impl Into<IpAddr>, prefix: u8) -> Self {
        Self {
            destination: destination.into(),
            prefix,
            via: None,
            dev: None,
            metric: None,
            protocol: None,
            source: None,
        }
    }

    /// Whether it leads to `address`, however specifically.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        covers(self.destination, self.prefix, address)
    }

    fn log_line(&self, what: &str) -> String {
        let Self { destination, prefix, via, dev, metric, .. } = self;
        let v = family(destination);
        let none = if v == "v4" { "0.0.0.0" } else { "::" };
        let via = via.map_or_else(|| none.to_owned(), |via| via.to_string());
        let dev = dev.as_deref().unwrap_or("[NULL]");
        let metric = metric.map_or(-1, i64::from);
        format!("net_route_{v}_{what}: {destination}/{prefix} via {via} dev {dev} table 0 metric {metric}")
    }
}

/// Whether the network of `prefix` bits around `network` holds `address`.
pub(crate) fn covers(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            (network.to_bits() ^ address.to_bits()) & mask == 0
        }
        _ => false,
    }
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "v4" } else { "v6" }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { dev, mtu, queue } => {
                write!(f, "link set dev {dev} up mtu {mtu}")?;
                queue.map_or(Ok(()), |queue| write!(f, " txqueuelen {queue}"))
            }
            Self::AddAddress(address) => write!(f, "address add {address}"),
            Self::DelAddress(address) => write!(f, "address del {address}"),
            Self::AddRoute(route) => write!(f, "route add {route}"),
            Self::DelRoute(route) => write!(f, "route del {route}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dev, address, prefix, peer } = self;
        write!(f, "{address}/{prefix}")?;
        if let Some(peer) = peer {
            write!(f, " peer {peer}")?;
        }
        write!(f, " dev {dev}")
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.destination, self.prefix)?;
        let words: [(&str, Option<&dyn fmt::Display>); 5] = [
            ("via", self.via.as_ref().map(|value| value as _)),
            ("dev", self.dev.as_ref().map(|value| value as _)),
            ("metric", self.metric.as_ref().map(|value| value as _)),
            ("proto", self.protocol.as_ref().map(|value| value as _)),
            ("src", self.source.as_ref().map(|value| value as _)),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        Ok(())
    }
}

/// The text is none of these changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoChange;

impl FromStr for Change {
    type Err = NoChange;

    /// Reads what `Display` writes of routes and addresses.
    fn from_str(text: &str) -> Result<Self, NoChange> {
        let mut words = text.split_ascii_whitespace();
        let [what, action] = [words.next(), words.next()];
        let (destination, prefix) = words.next().and_then(|word| word.split_once('/')).ok_or(NoChange)?;
        let destination: IpAddr = parse(destination)?;
        let prefix = parse(prefix)?;
        if prefix > if destination.is_ipv4() { 32 } else { 128 } {
            return Err(NoChange);
        }
        match (what, action) {
            (Some("route"), Some(action)) => {
                let mut route = Route::to(destination, prefix);
                while let Some(name) = words.next() {
                    match name {
                        "via" => route.via = Some(next(&mut words)?),
                        "dev" => route.dev = Some(next(&mut words)?),
                        "metric" => route.metric = Some(next(&mut words)?),
                        "proto" => route.protocol = Some(next(&mut words)?),
                        "src" => route.source = Some(next(&mut words)?),
                        _ => return Err(NoChange),
                    }
                }
                match action {
                    "add" => Ok(Self::AddRoute(route)),
                    "del" => Ok(Self::DelRoute(route)),
                    _ => Err(NoChange),
                }
            }
            _ => Err(NoChange),
        }
    }
}

fn next<T: FromStr>(words: &mut SplitAsciiWhitespace<'_>) -> Result<T, NoChange> {
    words.next().ok_or(NoChange).and_then(parse)
}

fn parse<T: FromStr>(word: &str) -> Result<T, NoChange> {
    word.parse().map_err(|_| NoChange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_to_routes_can_be_read_again() {
        for text in [
            "route add 203.0.113.5/32 via 192.0.2.1 dev eth0",
            "route del 0.0.0.0/0 via 192.0.2.1 dev eth0 metric 100 proto 16 src 192.0.2.7",
            "route add 2001:db8::/32 via fe80::1 dev wlan0 metric 1",
        ] {
            let change: Change = text.parse().unwrap();
            assert_eq!(change.to_string(), text);
            assert_eq!(change.inverse().and_then(|change| change.inverse()), Some(change));
        }
        for text in ["", "route add 10.0.0.0/33", "route add 10.0.0.0/8 via", "route add x/8", "rm -rf /"] {
            assert_eq!(text.parse::<Change>(), Err(NoChange), "{text}");
        }
    }

    #[test]
    fn log_lines_are_openvpns() {
        let line = |text: &str| text.parse::<Change>().unwrap().log_line();
        assert_eq!(
            line("route add 10.0.0.0/8 via 10.8.0.1"),
            "net_route_v4_add: 10.0.0.0/8 via 10.8.0.1 dev [NULL] table 0 metric -1"
        );
        assert_eq!(
            line("route del fd00::/64 dev tun0 metric 7"),
            "net_route_v6_del: fd00::/64 via :: dev tun0 table 0 metric 7"
        );
    }

    #[test]
    fn networks_and_what_they_cover() {
        let covers = |network: &str, prefix, address: &str| {
            covers(network.parse().unwrap(), prefix, address.parse().unwrap())
        };
        assert!(covers("10.0.0.0", 8, "10.255.0.1"));
        assert!(!covers("10.0.0.0", 9, "10.255.0.1"));
        assert!(covers("0.0.0.0", 0, "1.2.3.4"));
        assert!(!covers("0.0.0.0", 0, "::1"));
        assert!(covers("2001:db8::", 32, "2001:db8:1::1"));
        assert!(!covers("2001:db8::1", 128, "2001:db8::2"));
    }
}
