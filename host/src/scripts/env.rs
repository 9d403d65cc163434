//! [`Env`]: what a script finds in its environment, and nothing else: not a variable of the process's own.
//!
//! Every name and value passes here, whoever wrote it: what a peer sent cannot bring a control character along.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use adit::Address;
use zeroize::Zeroizing;

/// How many variables of one name are told apart by `_1`, `_2`, ...
const MAX_SAME_NAME: u32 = 1000;

/// Names and values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Env {
    values: BTreeMap<String, Zeroizing<String>>,
}

impl Env {
    /// Sets a variable, in place of one of that name. A name has letters, digits and `_`, a value no control
    /// characters; others are left out.
    pub(crate) fn set(&mut self, name: &str, value: impl Display) {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            self.values.insert(name, printable(value));
        }
    }

    /// Sets a variable beside those of that name: `NAME`, `NAME_1`, `NAME_2`, ...
    pub(crate) fn add(&mut self, name: &str, value: impl Display) {
        let mut numbered = name.to_owned();
        let mut number = 1;
        while self.values.contains_key(&numbered) {
            if number == MAX_SAME_NAME {
                return;
            }
            numbered = format!("{name}_{number}");
            number += 1;
        }
        self.set(&numbered, value);
    }

    /// Sets `PREFIX_ip` or `PREFIX_ip6`, and `PREFIX_port`.
    pub(crate) fn set_address(&mut self, prefix: &str, address: &Address) {
        if let Some(ip) = address.ip() {
            let name = if ip.is_ipv4() { "ip" } else { "ip6" };
            self.set(&format!("{prefix}_{name}"), ip);
            self.set(&format!("{prefix}_port"), address.port());
        }
    }

    /// Takes a variable away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Takes away all variables whose names begin so.
    pub(crate) fn remove_all(&mut self, prefix: &str) {
        self.values.retain(|name, _| !name.starts_with(prefix));
    }

    /// All variables, in the order of their names. Those that hold a password only with `passwords`.
    pub(crate) fn iter(&self, passwords: bool) -> impl Iterator<Item = (&str, &str)> {
        let all = self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, _)| passwords || !is_password(name))
    }
}

/// Passwords stay out of debug output.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter(false)).finish()
    }
}

/// OpenVPN's rule.
fn is_password(name: &str) -> bool {
    name.starts_with("password")
}

/// Without what OpenVPN leaves out. Beyond ASCII everything may stay, but for what terminals take as control characters.
fn printable(value: impl Display) -> Zeroizing<String> {
    let whole = Zeroizing::new(value.to_string());
    let mut kept = String::with_capacity(whole.len());
    kept.extend(whole.chars().filter(|c| !c.is_control()));
    Zeroizing::new(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_lose_what_does_not_belong_there() {
        let mut env = Env::default();
        env.set("a-b.c", "x");
        env.set("OPENVPN_we ird", "x");
        env.set("UTF", "über\ttab\nLD_PRELOAD=evil\0\u{7f}\u{9b}");
        env.set("=", "nothing is left of the name");
        let all: Vec<_> = env.iter(true).collect();
        assert_eq!(all, [("OPENVPN_weird", "x"), ("UTF", "übertabLD_PRELOAD=evil"), ("abc", "x")]);
    }

    #[test]
    fn passwords_are_for_those_who_may_see_them() {
        let mut env = Env::default();
        env.set("password", "secret");
        env.set("password_hint", "secret");
        env.set("username", "alice");
        assert_eq!(env.iter(false).collect::<Vec<_>>(), [("username", "alice")]);
        assert_eq!(env.iter(true).count(), 3);
        assert_eq!(format!("{env:?}"), r#"{"username": "alice"}"#);
    }

    #[test]
    fn several_of_one_name_are_numbered() {
        let mut env = Env::default();
        for unit in ["one", "two", "three"] {
            env.add("X509_0_OU", unit);
        }
        let all: Vec<_> = env.iter(true).collect();
        assert_eq!(all, [("X509_0_OU", "one"), ("X509_0_OU_1", "two"), ("X509_0_OU_2", "three")]);
        env.remove("X509_0_OU_1");
        assert_eq!(env.iter(true).count(), 2);
        env.remove("X509_0_OU_2");
        env.remove("X509_0_OU");
        for _ in 0..2 * MAX_SAME_NAME {
            env.add("X", "");
        }
        assert_eq!(env.iter(true).count(), MAX_SAME_NAME as usize);
    }

    #[test]
    fn an_address_is_named_after_its_family() {
        let address = |text: &str| Address::from(text.parse::<std::net::SocketAddr>().unwrap());
        let mut env = Env::default();
        env.set_address("trusted", &address("192.0.2.1:1194"));
        env.set_address("untrusted", &address("[2001:db8::1]:1195"));
        env.set_address("mapped", &address("[::ffff:192.0.2.2]:1"));
        let all: Vec<_> = env.iter(true).collect();
        assert_eq!(
            all,
            [
                ("mapped_ip", "192.0.2.2"),
                ("mapped_port", "1"),
                ("trusted_ip", "192.0.2.1"),
                ("trusted_port", "1194"),
                ("untrusted_ip6", "2001:db8::1"),
                ("untrusted_port", "1195"),
            ]
        );
    }
}
