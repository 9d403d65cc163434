//! [`TunnelSettings`]: what a client makes of the options that the server pushed.
//!
//! The server is authenticated but not trusted with more than the tunnel: scripts, files, logs and TLS settings cannot
//! be pushed, names are checked before they are kept. What is unknown or malformed becomes a notice; only what the
//! tunnel cannot work without ends it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use zeroize::Zeroizing;

use super::dns::DnsSettings;
use super::framing::framing;
use super::lexer;
use super::route::RouteSettings;
use super::server::Topology;
use super::session::PingTimeout;
use super::values;
use crate::algorithm::{Cipher, Framing};

/// The longest option that OpenVPN 2 takes, in bytes.
const MAX_OPTION_LEN: usize = 255;

/// What `route-nopull` keeps out; gateways and topology are still taken.
const NOPULL: [&str; 12] = [
    "route",
    "route-ipv6",
    "route-metric",
    "redirect-gateway",
    "redirect-private",
    "block-ipv6",
    "client-nat",
    "dhcp-option",
    "dns",
    "register-dns",
    "block-outside-dns",
    "ip-win32",
];

/// The most variables that a server may set for scripts.
const MAX_ENVIRONMENT: usize = 64;

/// The largest peer-id: 24 bits, all of them set meaning "none".
const MAX_PEER_ID: u64 = 0xFF_FFFF;

/// What the server gave us. `None` and empty lists: it said nothing about it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TunnelSettings {
    /// `topology`, the profile's own if the server pushed none.
    pub topology: Option<Topology>,
    /// `ifconfig`: our inner IPv4 address.
    pub ifconfig: Option<Ifconfig>,
    /// `ifconfig-ipv6`: our inner IPv6 address.
    pub ifconfig_ipv6: Option<IfconfigIpv6>,
    /// `route` and its kin.
    pub routes: RouteSettings,
    /// `dns`, `dhcp-option`
    pub dns: DnsSettings,
    /// `setenv-safe`: names, `OPENVPN_` before them already, and values for scripts.
    pub environment: Vec<(String, String)>,
    /// `ping`: `Some(None)` switches pings off.
    pub ping: Option<Option<Duration>>,
    /// `ping-restart`, `ping-exit`: `Some(None)` switches the timeout off.
    pub ping_timeout: Option<Option<PingTimeout>>,
    /// `peer-id`, 24 bits.
    pub peer_id: Option<u32>,
    /// `cipher`: as the server spelled it if adit has no such cipher.
    pub cipher: Option<Result<Cipher, String>>,
    /// `protocol-flags`, `key-derivation`
    pub flags: ProtocolFlags,
    /// `tun-mtu`, in bytes.
    pub tun_mtu: Option<u16>,
    /// `compress`, `comp-lzo`
    pub framing: Option<Framing>,
    /// `auth-token`: the password of the next logins.
    pub auth_token: Option<Zeroizing<String>>,
    /// `auth-token-user`: the user name of the next logins, still in base64.
    pub auth_token_user: Option<String>,
    /// `explicit-exit-notify`: how often to say that we leave; 0 is off.
    pub explicit_exit_notify: Option<u8>,
    /// `inactive`: `Some(None)` switches it off.
    pub inactive: Option<Option<Inactive>>,
    /// `session-timeout`: the session ends after this long.
    pub session_timeout: Option<Option<Duration>>,
    /// `sndbuf`: the socket's send buffer, in bytes.
    pub sndbuf: Option<u32>,
    /// `rcvbuf`: the socket's receive buffer, in bytes.
    pub rcvbuf: Option<u32>,
}

/// `ifconfig LOCAL REMOTE_OR_NETMASK`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ifconfig {
    /// Our address.
    pub local: Ipv4Addr,
    /// What the second word means under the topology in force.
    pub other: IfconfigOther,
}

/// The other half of an [`Ifconfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfconfigOther {
    /// `topology subnet`: the length of our network's prefix.
    Subnet(u8),
    /// `topology net30`, `p2p`: the address of the other end.
    Peer(Ipv4Addr),
}

/// `ifconfig-ipv6 ADDRESS/BITS GATEWAY`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfconfigIpv6 {
    /// Our address.
    pub local: Ipv6Addr,
    /// The length of our network's prefix.
    pub prefix: u8,
    /// The address of the other end.
    pub gateway: Ipv6Addr,
}

/// `inactive SECONDS BYTES`: the session ends if in that time fewer bytes went through the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inactive {
    /// How long.
    pub after: Duration,
    /// How many, both directions together; 0 for "none at all".
    pub bytes: u64,
}

/// The words of `protocol-flags`, and `key-derivation tls-ekm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtocolFlags {
    /// `cc-exit`: leave by an EXIT message on the control channel.
    pub cc_exit: bool,
    /// `tls-ekm`: data keys come from the TLS exporter.
    pub tls_ekm: bool,
    /// `dyn-tls-crypt`: renegotiations are wrapped by a key of the session.
    pub dyn_tls_crypt: bool,
    /// `aead-epoch`: epoch data keys.
    pub aead_epoch: bool,
}

/// What the client's own configuration says about that which a server may push.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PushBase {
    /// `topology`, which a pushed one replaces.
    pub topology: Option<Topology>,
    /// `route-nopull`: pushed routes and DNS settings are passed over.
    pub route_nopull: bool,
    /// `allow-pull-fqdn`: pushed routes may be host names.
    pub allow_pull_fqdn: bool,
    /// The largest `tun-mtu` that there are buffers for, in bytes.
    pub tun_mtu_max: u16,
}

impl Default for PushBase {
    fn default() -> Self {
        Self { topology: None, route_nopull: false, allow_pull_fqdn: false, tun_mtu_max: 1600 }
    }
}

impl TunnelSettings {
    /// The settings that `options` ask for (the words of all PUSH_REPLYs between their commas, in order), and a
    /// sentence about each option that was passed over.
    ///
    /// # Errors
    ///
    /// A sentence, if the tunnel cannot work: the address is malformed, or the server expects a protocol feature that
    /// adit does not know.
    pub fn parse(options: &[impl AsRef<str>], base: &PushBase) -> Result<(Self, Vec<String>), String> {
        let mut reading = Reading { settings: Self::default(), ifconfig: None, notices: Vec::new(), base };
        reading.settings.topology = base.topology;
        for option in options {
            reading.option(option.as_ref())?;
        }
        reading.finish()
    }
}

/// Secrets stay out of logs.
impl core::fmt::Debug for TunnelSettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TunnelSettings")
            .field("topology", &self.topology)
            .field("ifconfig", &self.ifconfig)
            .field("ifconfig_ipv6", &self.ifconfig_ipv6)
            .field("routes", &self.routes)
            .field("dns", &self.dns)
            .field("peer_id", &self.peer_id)
            .field("cipher", &self.cipher)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// Why an option was not taken in.
enum Refusal {
    /// Passed over, with a notice.
    Notice(String),
    /// The tunnel cannot work.
    Fatal(String),
}

impl From<String> for Refusal {
    fn from(clause: String) -> Self {
        Self::Notice(clause)
    }
}

struct Reading<'a> {
    settings: TunnelSettings,
    /// Interpreted at the end, by the final topology.
    ifconfig: Option<(Ipv4Addr, Ipv4Addr)>,
    notices: Vec<String>,
    base: &'a PushBase,
}

impl Reading<'_> {
    fn option(&mut self, option: &str) -> Result<(), String> {
        let shown = |text: &str| printable(&text.chars().take(80).collect::<String>());
        if option.len() > MAX_OPTION_LEN {
            self.notices
                .push(format!("pushed option '{}...' is longer than {MAX_OPTION_LEN} bytes", shown(option)));
            return Ok(());
        }
        let words = match lexer::split(option) {
            Ok(words) => words,
            Err(error) => {
                let (option, column) = (shown(option), error.column);
                self.notices.push(printable(&format!("pushed option '{option}', column {column}: {error}")));
                return Ok(());
            }
        };
        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let name = shown(words.first().copied().unwrap_or_default());
        match self.take(&words) {
            Ok(()) => Ok(()),
            Err(Refusal::Fatal(clause)) => Err(format!("pushed option {name}: {}", printable(&clause))),
            // Named but not shown whole, since it may be a secret.
            Err(Refusal::Notice(clause)) => {
                self.notices.push(format!("pushed option {name} passed over: {}", printable(&clause)));
                Ok(())
            }
        }
    }

    fn take(&mut self, words: &[&str]) -> Result<(), Refusal> {
        if self.base.route_nopull && words.first().is_some_and(|name| NOPULL.contains(name)) {
            return Err(Refusal::Notice("route-nopull is set".into()));
        }
        let settings = &mut self.settings;
        let shared = settings.routes.apply(words).or_else(|| settings.dns.apply(words));
        if let Some(taken) = shared {
            if !self.base.allow_pull_fqdn && !settings.routes.named.is_empty() {
                settings.routes.named.clear();
                return Err(Refusal::Notice(
                    "a host name in a pushed route needs 'allow-pull-fqdn' in the profile".into(),
                ));
            }
            return Ok(taken?);
        }
        if let Some(framing) = framing(words) {
            settings.framing = Some(framing.map_err(Refusal::Fatal)?);
            return Ok(());
        }
        match *words {
            [] => {}
            ["ifconfig", local, other] => {
                let parse = |word| values::ipv4(word).map_err(Refusal::Fatal);
                self.ifconfig = Some((parse(local)?, parse(other)?));
            }
            ["ifconfig-ipv6", local, gateway] => {
                let (local, prefix) = values::ipv6_with_prefix(local).map_err(Refusal::Fatal)?;
                let gateway = values::ipv6(gateway).map_err(Refusal::Fatal)?;
                settings.ifconfig_ipv6 = Some(IfconfigIpv6 { local, prefix, gateway });
            }
            ["topology", word] => settings.topology = Some(topology(word).map_err(Refusal::Fatal)?),
            ["ping", seconds] => settings.ping = Some(values::ping_seconds(seconds)?),
            [name @ ("ping-restart" | "ping-exit"), seconds] => {
                let exit = name == "ping-exit";
                let after = values::ping_seconds(seconds)?;
                settings.ping_timeout = Some(after.map(|after| PingTimeout { after, exit }));
            }
            ["peer-id", id] => {
                settings.peer_id = Some(values::number(id, 0..=MAX_PEER_ID).map_err(Refusal::Fatal)?);
            }
            ["cipher", name] => {
                settings.cipher = Some(Cipher::from_name(name).ok_or_else(|| printable(name)));
            }
            ["key-derivation", "tls-ekm"] => settings.flags.tls_ekm = true,
            ["key-derivation", ..] => return Err(Refusal::Fatal("only 'tls-ekm' is known".into())),
            ["protocol-flags", ref flags @ ..] => settings.flags.set(flags).map_err(Refusal::Fatal)?,
            ["tun-mtu", bytes] | ["tun-mtu", bytes, _] => {
                settings.tun_mtu = Some(values::number(bytes, 100..=u64::from(self.base.tun_mtu_max))?);
            }
            ["auth-token", token] => settings.auth_token = Some(Zeroizing::new(token.to_string())),
            ["auth-token-user", user] => settings.auth_token_user = Some(user.to_string()),
            ["explicit-exit-notify"] => settings.explicit_exit_notify = Some(1),
            ["explicit-exit-notify", times] => {
                settings.explicit_exit_notify = Some(values::number(times, 0..=255)?);
            }
            ["inactive", seconds, ref bytes @ ..] if bytes.len() <= 1 => {
                let after = values::seconds(seconds, 0)?;
                let bytes = bytes.first().map_or(Ok(0), |word| values::number(word, 0..=u64::MAX))?;
                settings.inactive = Some((!after.is_zero()).then_some(Inactive { after, bytes }));
            }
            ["session-timeout", seconds] => {
                settings.session_timeout = Some(values::seconds_or_never(seconds)?);
            }
            ["sndbuf", bytes] => settings.sndbuf = Some(values::number(bytes, 0..=i32::MAX as u64)?),
            ["rcvbuf", bytes] => settings.rcvbuf = Some(values::number(bytes, 0..=i32::MAX as u64)?),
            ["setenv-safe", name, ref value @ ..] if value.len() <= 1 => {
                let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if name.is_empty() || !name.chars().all(fine) {
                    return Err(Refusal::Notice("its first word is no name for a variable".into()));
                }
                if settings.environment.len() >= MAX_ENVIRONMENT {
                    return Err(Refusal::Notice(format!("there are more than {MAX_ENVIRONMENT} of them")));
                }
                let value = value.first().map_or("", |value| value);
                settings.environment.push((format!("OPENVPN_{name}"), printable(value)));
            }
            // Nothing to do: continuations are the session's, the rest holds here anyway or is for another system.
            [
                "push-continuation" | "tun-ipv6" | "persist-tun" | "persist-key" | "ifconfig-nowarn"
                | "ping-timer-rem" | "socket-flags" | "verb" | "mute" | "errors-to-stderr" | "echo"
                | "parameter" | "route-method" | "ip-win32" | "tap-sleep" | "dhcp-renew" | "dhcp-pre-release"
                | "register-dns" | "block-outside-dns",
                ..,
            ] => {}
            _ => {
                return Err(Refusal::Notice(
                    "adit does not take this option from a server, or not with these words".into(),
                ));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(TunnelSettings, Vec<String>), String> {
        if let Some((local, other)) = self.ifconfig {
            let netmask = values::prefix_of(other).filter(|_| other.octets()[0] == 255);
            let other = match (self.settings.topology, netmask) {
                (Some(Topology::Subnet) | None, Some(prefix)) => IfconfigOther::Subnet(prefix),
                (Some(Topology::Subnet), None) => match values::prefix_of(other) {
                    Some(prefix) => IfconfigOther::Subnet(prefix),
                    None => {
                        return Err(format!(
                            "pushed option ifconfig: under topology subnet, {other} is not a netmask"
                        ));
                    }
                },
                (Some(_), Some(prefix)) => {
                    self.notices.push(format!(
                        "pushed option ifconfig: {other} looks like a netmask, and is taken as one although the \
                         topology is not subnet"
                    ));
                    IfconfigOther::Subnet(prefix)
                }
                (Some(_) | None, None) => IfconfigOther::Peer(other),
            };
            self.settings.ifconfig = Some(Ifconfig { local, other });
        }
        Ok((self.settings, self.notices))
    }
}

impl ProtocolFlags {
    /// An unknown flag ends the session: the two ends would not understand each other.
    fn set(&mut self, flags: &[&str]) -> Result<(), String> {
        for flag in flags {
            match *flag {
                "cc-exit" => self.cc_exit = true,
                "tls-ekm" => self.tls_ekm = true,
                "dyn-tls-crypt" => self.dyn_tls_crypt = true,
                "aead-epoch" => self.aead_epoch = true,
                other => return Err(format!("the flag '{}' is not known", other)),
            }
        }
        Ok(())
    }
}

/// The value of `topology`.
pub(crate) fn topology(word: &str) -> Result<Topology, String> {
    match word {
        "subnet" => Ok(Topology::Subnet),
        "net30" => Ok(Topology::Net30),
        "p2p" => Ok(Topology::P2p),
        _ => Err(format!("'{}' is not subnet, net30 or p2p", word)),
    }
}

/// What a peer wrote, fit for a log or a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests;
