//! [`InstanceConfig`]: what is configured for one client alone, by a file of `client-config-dir` or by the output of
//! `client-connect`.
//!
//! The same language as a profile, of which a few directives may stand here. A line that cannot be used is a finding
//! and is passed over, as OpenVPN does it: a typing error must not lock a client out, nor the wrong one in.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::diagnostic::Diagnostic;
use super::directive::{Class, Directive, Places, unrecognized};
use super::files::Files;
use super::framing::framing;
use super::network::IpNetwork;
use super::push::Inactive;
use super::session::PingTimeout;
use super::statement::{self, Complaint, Statement};
use super::text::NamedText;
use super::values;
use crate::algorithm::{Cipher, Framing};

/// How deep `config` may nest, as in a profile.
const MAX_DEPTH: usize = 10;
/// The longest name that `override-username` may give, in bytes.
const MAX_USERNAME: usize = 128;

/// The settings of one client. Several texts merge in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceConfig {
    /// `disable`: the client is refused.
    pub disable: bool,
    /// `push`, `push-reset`, `push-remove`, in order; they change what is pushed to everybody.
    pub push: Vec<PushChange>,
    /// `ifconfig-push`
    pub ifconfig_push: Option<IfconfigPush>,
    /// `ifconfig-ipv6-push`
    pub ifconfig_ipv6_push: Option<IfconfigIpv6Push>,
    /// `iroute`, `iroute-ipv6`: networks behind the client.
    pub iroutes: Vec<IpNetwork>,
    /// `max-routes-per-client`
    pub max_routes: Option<u32>,
    /// `override-username`: the client is known by this name from now on.
    pub override_username: Option<String>,
    /// `data-ciphers`
    pub data_ciphers: Option<Vec<Cipher>>,
    /// `data-ciphers-fallback`
    pub data_ciphers_fallback: Option<Cipher>,
    /// `compress`, `comp-lzo`: the framing, without compression.
    pub framing: Option<Framing>,
    /// `ping`: `Some(None)` switches the server's pings to this client off.
    pub ping: Option<Option<Duration>>,
    /// `ping-restart`, `ping-exit`: `Some(None)` switches the timeout off.
    pub ping_timeout: Option<Option<PingTimeout>>,
    /// `inactive`: `Some(None)` switches it off.
    pub inactive: Option<Option<Inactive>>,
    /// `session-timeout`
    pub session_timeout: Option<Option<Duration>>,
}

/// A change to the list of options that are pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushChange {
    /// `push`: one more.
    Add(String),
    /// `push-reset`: none so far, not even `topology` and `route-gateway`; the client's addresses still go.
    Reset,
    /// `push-remove`: none so far that begins so. `ifconfig` and `ifconfig-ipv6` stand for the client's addresses.
    Remove(String),
}

/// `ifconfig-push LOCAL REMOTE_NETMASK ALIAS`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfconfigPush {
    /// The client's address.
    pub local: Ipv4Addr,
    /// The other end's address, or under `topology subnet` the netmask.
    pub remote_netmask: Ipv4Addr,
    /// What is pushed in place of `local`, while `local` is what is routed to the client.
    pub alias: Option<Ipv4Addr>,
}

/// `ifconfig-ipv6-push ADDRESS/BITS REMOTE`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfconfigIpv6Push {
    /// The client's address.
    pub local: Ipv6Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
    /// The other end's address; the server's own if it is not named.
    pub remote: Option<Ipv6Addr>,
}

impl InstanceConfig {
    /// Adds what `text` says. Files that it names by `config` are read by `files`.
    ///
    /// The findings are about lines that were passed over.
    pub fn extend(&mut self, text: &NamedText, files: &mut dyn Files) -> Vec<Diagnostic> {
        let mut reader = Reader { config: self, files, depth: 0, diagnostics: Vec::new() };
        reader.text(&text.file, &text.text);
        reader.diagnostics
    }

    /// The texts of one client, in order, as one.
    pub fn parse<'a>(
        texts: impl IntoIterator<Item = &'a NamedText>,
        files: &mut dyn Files,
    ) -> (Self, Vec<Diagnostic>) {
        let mut config = Self::default();
        let diagnostics = texts.into_iter().flat_map(|text| config.extend(text, files)).collect();
        (config, diagnostics)
    }
}

struct Reader<'a> {
    config: &'a mut InstanceConfig,
    files: &'a mut dyn Files,
    /// How many `config`s enclose the present statement.
    depth: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn text(&mut self, file: &Arc<str>, text: &[u8]) {
        for statement in statement::read(file, text) {
            let statement = match statement {
                Ok(statement) => statement,
                Err(diagnostic) => {
                    self.diagnostics.push(diagnostic);
                    continue;
                }
            };
            if let Err(Complaint { word, clause }) = self.statement(&statement) {
                let message = format!("{}: {clause}", statement.name());
                self.diagnostics.push(Diagnostic::error(&statement.position(word), message));
            }
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Complaint> {
        let name = statement.name();
        let row = Directive::find(name).ok_or_else(|| statement.complain(0, unrecognized(name)))?;
        if !row.places.contains(Places::CLIENT) {
            return Err(statement.complain(
                0,
                "this cannot stand among the settings of one client, only in the server's configuration",
            ));
        }
        row.check_shape(statement)?;
        let config = &mut *self.config;
        match *statement.words().as_slice() {
            ["config", _] => return self.include(statement),
            ["disable"] => config.disable = true,
            ["push", _] => config.push.push(PushChange::Add(statement.get(1, values::pushable)?)),
            ["push-reset"] => config.push.push(PushChange::Reset),
            ["push-remove", prefix] => config.push.push(PushChange::Remove(prefix.to_string())),
            ["ifconfig-push", _, _] | ["ifconfig-push", _, _, _] => {
                config.ifconfig_push = Some(IfconfigPush {
                    local: statement.get(1, values::ipv4)?,
                    remote_netmask: statement.get(2, values::ipv4)?,
                    alias: statement.optional(3, values::ipv4)?,
                });
            }
            ["ifconfig-ipv6-push", _] | ["ifconfig-ipv6-push", _, _] => {
                let (local, prefix) = statement.get(1, values::ipv6_with_prefix)?;
                let remote = statement.optional(2, values::ipv6)?;
                config.ifconfig_ipv6_push = Some(IfconfigIpv6Push { local, prefix, remote });
            }
            ["iroute", _] | ["iroute", _, _] => {
                let address = statement.get(1, values::ipv4)?;
                let prefix = statement.optional(2, values::netmask)?.unwrap_or(32);
                self.iroute(statement, address.into(), prefix)?;
            }
            ["iroute-ipv6", _] => {
                let (address, prefix) = statement.get(1, values::ipv6_with_prefix)?;
                self.iroute(statement, address.into(), prefix)?;
            }
            ["max-routes-per-client", _] => {
                config.max_routes = Some(statement.get(1, |word| values::number(word, 1..=i32::MAX as u64))?);
            }
            ["override-username", name] => {
                if name.is_empty() || name.len() > MAX_USERNAME || name.contains(char::is_control) {
                    // Under another name than it should have, the client must not come in.
                    config.disable = true;
                    let clause = format!(
                        "a user name has 1 to {MAX_USERNAME} printable characters; the client is refused"
                    );
                    return Err(statement.complain(1, clause));
                }
                config.override_username = Some(name.to_string());
            }
            ["data-ciphers" | "ncp-ciphers", _] => {
                config.data_ciphers = Some(statement.get(1, data_ciphers)?);
            }
            ["cipher" | "data-ciphers-fallback", _] => {
                config.data_ciphers_fallback = Some(statement.get(1, cipher)?);
            }
            ["ping", _] => config.ping = Some(statement.get(1, values::ping_seconds)?),
            [name @ ("ping-restart" | "ping-exit"), _] => {
                let after = statement.get(1, values::ping_seconds)?;
                let exit = name == "ping-exit";
                config.ping_timeout = Some(after.map(|after| PingTimeout { after, exit }));
            }
            ["inactive", _] | ["inactive", _, _] => {
                let after = statement.get(1, |word| values::seconds(word, 0))?;
                let bytes = statement.optional(2, |word| values::number(word, 0..=u64::MAX))?.unwrap_or(0);
                config.inactive = Some((!after.is_zero()).then_some(Inactive { after, bytes }));
            }
            ["session-timeout", _] => {
                config.session_timeout = Some(statement.get(1, values::seconds_or_never)?);
            }
            ref words => match (framing(words), &row.class) {
                (Some(framing), _) => {
                    config.framing = Some(framing.map_err(|clause| statement.complain(0, clause))?);
                }
                (None, Class::Refused(reason)) => return Err(statement.complain(0, reason)),
                // Nothing to do at this end.
                (None, _) => {}
            },
        }
        Ok(())
    }

    fn iroute(&mut self, statement: &Statement, address: IpAddr, prefix: u8) -> Result<(), Complaint> {
        let network = IpNetwork::containing(address, prefix);
        if network.address() != address {
            let clause = format!("{address} is an address in the network {network}: write that");
            return Err(statement.complain(1, clause));
        }
        self.config.iroutes.push(network);
        Ok(())
    }

    fn include(&mut self, statement: &Statement) -> Result<(), Complaint> {
        if self.depth == MAX_DEPTH {
            return Err(
                statement.complain(0, format!("configurations are nested more than {MAX_DEPTH} deep"))
            );
        }
        let path = statement.get(1, |path| Ok(path.to_string()))?;
        let read = self.files.read(&path);
        let text = read.map_err(|cause| statement.complain(1, format!("cannot read '{path}': {cause}")))?;
        self.depth += 1;
        self.text(&path.into(), &text);
        self.depth -= 1;
        Ok(())
    }
}

fn cipher(word: &str) -> Result<Cipher, String> {
    Cipher::from_name(word).ok_or_else(|| format!("'{word}' is not a data cipher of adit"))
}

/// Ciphers that adit has, of a list of which some may be unknown if they begin with `?`.
fn data_ciphers(word: &str) -> Result<Vec<Cipher>, String> {
    let mut ciphers = Vec::new();
    for item in values::colon_list(word) {
        match item.strip_prefix('?') {
            Some(name) => ciphers.extend(Cipher::from_name(name)),
            None if item == "DEFAULT" => ciphers.extend(Cipher::DEFAULT_LIST),
            None => ciphers.push(cipher(item)?),
        }
    }
    if ciphers.is_empty() { Err("there is no data cipher of adit in this list".into()) } else { Ok(ciphers) }
}

#[cfg(test)]
mod tests;
