//! Whom to ask, and with which keys: from the command line and the profile that it names.

use std::net::SocketAddr;
use std::time::Duration;

use adit::config::{AddressFamily, Diagnostic, NamedText, Profile, Remote, RoleConfig, Severity, WrapConfig};
use adit::wrap::WrapKeys;
use adit::{Digest, Role, Transport};

use super::{Finding, Outcome};
use crate::errors::cause;
use crate::fill_random;
use crate::resolve::{random_host, resolve};

/// How many addresses of one name are asked.
const MOST_ADDRESSES: usize = 4;

const FORMS: &str = "--probe FILE, or --probe HOST PORT [udp|tcp]";

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) remotes: Vec<Named>,
    /// The profile that all of it is from.
    pub(super) profile: Option<String>,
    pub(super) json: bool,
}

/// A remote as it is written.
#[derive(Clone, Debug)]
pub(super) struct Named {
    host: String,
    port: u16,
    transport: Transport,
    family: Option<AddressFamily>,
    /// `remote-random-hostname`
    random: bool,
    /// `http-proxy`, `socks-proxy`
    proxied: bool,
    protection: Protection,
}

/// How control packets are protected.
#[derive(Clone, Debug)]
pub(super) struct Protection {
    /// `tls-auth`, `tls-crypt`, or `none`.
    pub(super) name: &'static str,
    pub(super) keys: WrapKeys,
}

/// One address of a remote.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
    /// None if there is none.
    pub(super) address: Option<SocketAddr>,
    /// The client goes through a proxy, which the probe does not.
    pub(super) proxied: bool,
    pub(super) protection: Protection,
}

impl Request {
    /// The sentences of an error have no tool's name before them.
    pub(super) fn parse(args: &[String]) -> Result<Self, Vec<String>> {
        let json = args.iter().any(|arg| arg == "--json");
        let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--json").collect();
        let at = args.iter().position(|arg| *arg == "--probe").unwrap_or_default();
        let (before, after) = args.split_at(at);
        let after = after.get(1..).unwrap_or_default();
        let end = after.iter().position(|arg| arg.starts_with("--")).unwrap_or(after.len());
        let (words, rest) = after.split_at(end);
        let options = [before, rest].concat();
        match words {
            [file] => Self::of_profile(file, &options, json),
            [host, port] => Self::of_address(host, port, "udp", &options, json),
            [host, port, proto] => Self::of_address(host, port, proto, &options, json),
            _ => Err(vec![format!("it is written: {FORMS}")]),
        }
    }

    /// `options` are those of the command line beside the file: `--cd`, for one.
    fn of_profile(file: &str, options: &[&str], json: bool) -> Result<Self, Vec<String>> {
        let args = [options, &["--config", file]].concat();
        let parsed =
            Profile::from_args(&args, &mut |path: &str| std::fs::read(path).map_err(|error| cause(&error)));
        let Some(profile) = parsed.profile else {
            let errors =
                parsed.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            return Err(errors.map(Diagnostic::to_string).collect());
        };
        let RoleConfig::Client(client) = profile.role else {
            return Err(vec![format!("{file} is a server's: the probe goes out from a client")]);
        };
        let random = profile.host.remote_random_hostname;
        let session = &client.session;
        let named = |remote: &Remote| {
            let wrap = remote.connection.wrap.as_ref().unwrap_or(&session.wrap);
            Ok(Named {
                host: remote.host.clone(),
                port: remote.port,
                transport: remote.transport,
                family: remote.family,
                random,
                proxied: remote.connection.proxy.is_some(),
                protection: Protection::of(wrap, session.auth)?,
            })
        };
        let remotes: Vec<Named> = client.remotes.iter().map(named).collect::<Result<_, Vec<String>>>()?;
        if remotes.is_empty() {
            return Err(vec![format!("{file} names no server: remote HOST PORT")]);
        }
        Ok(Self { remotes, profile: Some(file.to_owned()), json })
    }

    fn of_address(
        host: &str,
        port: &str,
        proto: &str,
        options: &[&str],
        json: bool,
    ) -> Result<Self, Vec<String>> {
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| vec![format!("'{port}' is not a port, 1 to 65535; it is written: {FORMS}")])?;
        let (transport, family) = protocol(proto).ok_or_else(|| {
            vec![format!(
                "'{proto}' is not a protocol: udp or tcp, and with a 4 or 6 behind it for one family"
            )]
        })?;
        let (wrap, auth) = wrapping(options).map_err(|sentence| vec![sentence])?;
        let protection = Protection::of(&wrap, auth)?;
        let host = host.to_owned();
        let remote = Named { host, port, transport, family, random: false, proxied: false, protection };
        Ok(Self { remotes: vec![remote], profile: None, json })
    }
}

impl Protection {
    fn of(wrap: &WrapConfig, auth: Digest) -> Result<Self, Vec<String>> {
        let keys =
            WrapKeys::new(Role::Client, wrap, auth).map_err(|diagnostic| vec![diagnostic.to_string()])?;
        let name = match wrap {
            WrapConfig::TlsAuth { .. } => "tls-auth",
            WrapConfig::TlsCrypt { .. } => "tls-crypt",
            _ => "none",
        };
        Ok(Self { name, keys })
    }
}

fn protocol(word: &str) -> Option<(Transport, Option<AddressFamily>)> {
    let word = word.strip_suffix("-client").unwrap_or(word);
    let (name, family) = match (word.strip_suffix('4'), word.strip_suffix('6')) {
        (Some(name), _) => (name, Some(AddressFamily::V4)),
        (_, Some(name)) => (name, Some(AddressFamily::V6)),
        (None, None) => (word, None),
    };
    match name {
        "udp" => Some((Transport::Udp, family)),
        "tcp" => Some((Transport::Tcp, family)),
        _ => None,
    }
}

/// `--tls-auth FILE [DIRECTION]` with `--auth`, or `--tls-crypt FILE`, beside an address.
fn wrapping(options: &[&str]) -> Result<(WrapConfig, Digest), String> {
    let key = |file: &str| {
        let text = std::fs::read(file).map_err(|error| format!("cannot read '{file}': {}", cause(&error)))?;
        Ok::<_, String>(NamedText::file(file, text))
    };
    let (mut wrap, mut auth) = (WrapConfig::None, Digest::Sha1);
    for option in options.chunk_by(|_, next| !next.starts_with("--")) {
        match option {
            ["--tls-crypt", file] => wrap = WrapConfig::TlsCrypt { key: key(file)? },
            ["--tls-auth", file] => wrap = WrapConfig::TlsAuth { key: key(file)?, direction: None },
            ["--tls-auth", file, direction @ ("0" | "1")] => {
                let direction = direction.parse().ok();
                wrap = WrapConfig::TlsAuth { key: key(file)?, direction };
            }
            ["--auth", name] => {
                auth = Digest::from_name(name).ok_or_else(|| {
                    format!("'{name}' is not a digest that adit has: SHA1, SHA256, SHA384, SHA512")
                })?;
            }
            [name, ..] => {
                return Err(format!(
                    "'{name}' does not go with --probe HOST PORT: --tls-crypt FILE, --tls-auth FILE [DIRECTION], --auth DIGEST and --json do"
                ));
            }
            [] => {}
        }
    }
    Ok((wrap, auth))
}

impl Named {
    /// Its addresses, at least one.
    pub(super) fn targets(&self) -> Result<Vec<Target>, String> {
        let host = if self.random {
            let mut label = [0; 6];
            fill_random(&mut label);
            random_host(&self.host, label)
        } else {
            self.host.clone()
        };
        let mut addresses = resolve(&host, self.port, self.family)?;
        addresses.truncate(MOST_ADDRESSES);
        Ok(addresses.into_iter().map(|address| self.target(Some(address))).collect())
    }

    pub(super) fn unresolved(&self, cause: String) -> Finding {
        let outcome = Outcome::Unresolved(cause);
        Finding { target: self.target(None), outcome, packets: 0, after: Duration::ZERO }
    }

    fn target(&self, address: Option<SocketAddr>) -> Target {
        Target {
            host: self.host.clone(),
            port: self.port,
            transport: self.transport,
            address,
            proxied: self.proxied,
            protection: self.protection.clone(),
        }
    }
}

impl Target {
    pub(super) fn is_tcp(&self) -> bool {
        self.transport == Transport::Tcp
    }
}
