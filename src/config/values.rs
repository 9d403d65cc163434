//! The values of options: numbers, addresses, networks, names.
//!
//! Each function takes a word and returns the value, or a clause that says what was found and what would be right. It
//! does not know which directive asks.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

use super::network::IpNetwork;
use super::server::Ipv4Network;

/// The longest time that an option may name: a day, OpenVPN's bound for pings.
pub(crate) const DAY: u64 = 86_400;

/// A decimal number in `range`.
pub(crate) fn number<T: TryFrom<u64>>(word: &str, range: RangeInclusive<u64>) -> Result<T, String> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits { word.parse::<u64>().ok().filter(|value| range.contains(value)) } else { None };
    value.and_then(|value| T::try_from(value).ok()).ok_or_else(|| {
        if *range.end() >= u64::from(u32::MAX) {
            format!("'{word}' is not a number from {} on", range.start())
        } else {
            format!("'{word}' is not a number from {} to {}", range.start(), range.end())
        }
    })
}

/// A decimal number in `range`, perhaps below zero.
pub(crate) fn signed(word: &str, range: RangeInclusive<i32>) -> Result<i32, String> {
    word.parse()
        .ok()
        .filter(|value| range.contains(value))
        .ok_or_else(|| format!("'{word}' is not a number from {} to {}", range.start(), range.end()))
}

/// Any text but none at all: a path, a name.
pub(crate) fn text(word: &str) -> Result<String, String> {
    if word.is_empty() { Err("'' is no name".into()) } else { Ok(word.to_string()) }
}

/// Seconds from `least` to 2^31 - 1, as far as OpenVPN's own numbers go.
pub(crate) fn seconds(word: &str, least: u64) -> Result<Duration, String> {
    number(word, least..=i32::MAX as u64).map(Duration::from_secs)
}

/// Seconds of which 0 means "never".
pub(crate) fn seconds_or_never(word: &str) -> Result<Option<Duration>, String> {
    seconds(word, 0).map(|time| Some(time).filter(|time| !time.is_zero()))
}

/// Seconds between pings, or without one: at most a day; 0 means "never".
pub(crate) fn ping_seconds(word: &str) -> Result<Option<Duration>, String> {
    let seconds = number(word, 0..=DAY)?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// A UDP or TCP port.
pub(crate) fn port(word: &str) -> Result<u16, String> {
    number(word, 1..=65_535).map_err(|_| format!("'{word}' is not a port, a number from 1 to 65535"))
}

/// An IPv4 address.
pub(crate) fn ipv4(word: &str) -> Result<Ipv4Addr, String> {
    word.parse().map_err(|_| format!("'{word}' is not an IPv4 address like 192.0.2.1"))
}

/// An IPv6 address.
pub(crate) fn ipv6(word: &str) -> Result<Ipv6Addr, String> {
    word.parse().map_err(|_| format!("'{word}' is not an IPv6 address like 2001:db8::1"))
}

/// An address of either family.
pub(crate) fn ip(word: &str) -> Result<IpAddr, String> {
    word.parse().map_err(|_| format!("'{word}' is not an IP address"))
}

/// An IPv4 netmask, as the length of its prefix.
pub(crate) fn netmask(word: &str) -> Result<u8, String> {
    prefix_of(ipv4(word).map_err(|_| format!("'{word}' is not a netmask like 255.255.255.0"))?)
        .ok_or_else(|| format!("'{word}' is not a netmask: its ones do not all stand before its zeros"))
}

/// The length of the prefix that a netmask stands for.
pub(crate) fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    let ones = mask.to_bits().leading_ones();
    (ones + mask.to_bits().trailing_zeros() >= 32).then_some(ones as u8)
}

/// An IPv4 network; the host bits of `address` must be zero.
pub(crate) fn ipv4_network(address: Ipv4Addr, prefix: u8) -> Result<Ipv4Network, String> {
    let network = Ipv4Network::containing(address, prefix);
    if network.address == address {
        Ok(network)
    } else {
        Err(format!("{address} is not a network of /{prefix}, but an address in {}", network.address))
    }
}

/// `ADDRESS/BITS`; without bits it is a network of /64.
pub(crate) fn ipv6_with_prefix(word: &str) -> Result<(Ipv6Addr, u8), String> {
    let wrong = || format!("'{word}' is not an IPv6 address with a prefix length, like 2001:db8::/64");
    let (address, bits) = word.split_once('/').unwrap_or((word, "64"));
    let address = address.parse().map_err(|_| wrong())?;
    let bits = number(bits, 0..=128).map_err(|_| wrong())?;
    Ok((address, bits))
}

/// A network of either family, `NETWORK/BITS`; a single address without bits is one, too.
pub(crate) fn network(word: &str) -> Result<IpNetwork, String> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (word, None),
    };
    let address = ip(address)
        .map_err(|_| format!("'{word}' is not a network, as 10.0.0.0/16, 10.0.2.2 or fd00:1::/64"))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = bits.map(|bits| number(bits, 0..=most)).transpose()?.unwrap_or(most as u8);
    let network = IpNetwork::containing(address, prefix);
    if network.address() == address {
        Ok(network)
    } else {
        Err(format!("{address} is not a network of /{prefix}, but an address in {network}"))
    }
}

/// A name of the DNS that is safe to hand on to scripts and resolvers: letters, digits, `.`, `_`, `-`, and letters
/// beyond ASCII; nothing that a shell could take for more (CVE-2025-10680).
pub(crate) fn domain(word: &str) -> Result<String, String> {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    if word.is_empty() || word.len() > 253 || word.starts_with('-') || !word.chars().all(fine) {
        return Err(format!("'{}' is not a domain name", word));
    }
    Ok(word.to_string())
}

/// An option to be pushed: one line, and no comma, which separates options and cannot be escaped.
pub(crate) fn pushable(word: &str) -> Result<String, String> {
    if word.contains(',') {
        Err("an option that is pushed cannot contain a comma".into())
    } else if word.contains(char::is_control) || word.trim().is_empty() {
        Err("an option that is pushed is one line of printable text".into())
    } else {
        Ok(word.to_string())
    }
}

/// The items of a colon-separated list.
pub(crate) fn colon_list(word: &str) -> Vec<&str> {
    word.split(':').filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_and_whole() {
        assert_eq!(number::<u8>("0255", 0..=255), Ok(255));
        for wrong in ["", "-1", "+1", "1x", "0x10", "256", "99999999999999999999"] {
            assert!(number::<u8>(wrong, 0..=255).is_err(), "{wrong}");
        }
    }

    #[test]
    fn netmasks() {
        assert_eq!(netmask("255.255.255.248"), Ok(29));
        assert_eq!(netmask("0.0.0.0"), Ok(0));
        assert_eq!(netmask("255.255.255.255"), Ok(32));
        assert!(netmask("255.0.255.0").is_err());
        assert!(netmask("24").is_err());
    }

    #[test]
    fn networks_have_no_host_bits() {
        assert!(ipv4_network(Ipv4Addr::new(10, 8, 0, 0), 24).is_ok());
        assert!(
            ipv4_network(Ipv4Addr::new(10, 8, 0, 1), 24).unwrap_err().ends_with("an address in 10.8.0.0")
        );
        assert!(ipv6_with_prefix("fd00::/64").is_ok());
        assert!(ipv6_with_prefix("fd00::").is_ok_and(|(_, bits)| bits == 64));
        assert!(ipv6_with_prefix("fd00::/").is_err());
        assert!(ipv6_with_prefix("fd00::/129").is_err());
    }

    #[test]
    fn domains_carry_nothing_for_a_shell() {
        for fine in ["example.com", "_dns.x-y.de", "bücher.example"] {
            assert_eq!(domain(fine), Ok(fine.into()));
        }
        for wrong in ["", "a b", "$(reboot)", "x;y", "`id`", "a'b", "a\"b", "a|b", "a\nb", "-x", "a/b", "x&y"]
        {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }
}
