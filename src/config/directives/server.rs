//! The accepting side: addresses, pushes, how many and who.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::directive::{Class, Directive, Places};
use super::super::draft::Draft;
use super::super::host::{ClientConfigDir, PoolPersist};
use super::super::server::{AuthGenToken, ConnectFrequency, Ipv4Pool, Ipv6Network, Ipv6Pool, ServerConfig};
use super::super::session::VerifyClientCert;
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, text};
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("server", "NETWORK NETMASK [nopool]", server).only(Role::Server),
    Directive::new("server-ipv6", "NETWORK/BITS", server_ipv6).only(Role::Server),
    Directive::new("mode", "server|p2p", mode),
    Directive::new("tls-server", "", |draft, _| {
        draft.tls_role = Some(Role::Server);
        Ok(())
    })
    .only(Role::Server),
    Directive::new("ifconfig-pool", "START END [NETMASK]", ifconfig_pool).only(Role::Server),
    Directive::new("ifconfig-ipv6-pool", "START/BITS", some!(server.pool_v6, pool_v6)).only(Role::Server),
    Directive::new("ifconfig-pool-persist", "FILE [SECONDS]", pool_persist).only(Role::Server),
    Directive::new("push", "OPTION", push).also(Places::CLIENT).idle_at(Role::Client).repeats(),
    Directive::new("client-config-dir", "DIRECTORY", client_config_dir).only(Role::Server),
    Directive::new("ccd-exclusive", "", flag!(ccd_exclusive)).only(Role::Server),
    Directive::new("client-to-client", "", flag!(server.client_to_client)).only(Role::Server),
    Directive::new("duplicate-cn", "", flag!(server.duplicate_cn)).only(Role::Server),
    Directive::new("multihome", "", flag!(host.multihome)),
    // A peer-id has 24 bits, of which the highest value means none.
    Directive::new(
        "max-clients",
        "N",
        value!(server.max_clients, |word| values::number(word, 1..=0xFF_FFFE)),
    )
    .idle_at(Role::Client),
    Directive::new(
        "max-routes-per-client",
        "N",
        value!(server.max_routes_per_client, |word| values::number(word, 1..=i32::MAX as u64)),
    )
    .also(Places::CLIENT)
    .idle_at(Role::Client),
    Directive::new("connect-freq", "N SECONDS", |draft, statement| {
        draft.server.connect_freq = Some(frequency(statement)?);
        Ok(())
    })
    .only(Role::Server),
    Directive::new("connect-freq-initial", "N SECONDS", |draft, statement| {
        draft.server.connect_freq_initial = frequency(statement)?;
        Ok(())
    })
    .idle_at(Role::Client),
    Directive::new("verify-client-cert", "[none|optional|require]", verify_client_cert).idle_at(Role::Client),
    Directive::new("username-as-common-name", "", flag!(server.username_as_common_name)).only(Role::Server),
    Directive::new("auth-user-pass-optional", "", flag!(server.auth_user_pass_optional)).only(Role::Server),
    Directive::new("auth-gen-token", "[LIFETIME] [RENEWAL] [external-auth]", auth_gen_token)
        .only(Role::Server),
    Directive::new("auth-gen-token-secret", "FILE", source!(sources.auth_gen_token_secret))
        .idle_at(Role::Client)
        .inline(),
    // For one client: `config::instance` reads them.
    of_a_client("disable", ""),
    of_a_client("ifconfig-push", "LOCAL REMOTE|NETMASK [ALIAS]"),
    of_a_client("ifconfig-ipv6-push", "ADDRESS/BITS [REMOTE]"),
    of_a_client("iroute", "NETWORK [NETMASK]").repeats(),
    of_a_client("iroute-ipv6", "NETWORK/BITS").repeats(),
    of_a_client("override-username", "NAME"),
    of_a_client("push-remove", "TEXT").repeats(),
    of_a_client("push-reset", ""),
];

const fn of_a_client(name: &'static str, arguments: &'static str) -> Directive {
    let reason = "this is for one client: it stands in its file in client-config-dir";
    Directive::of(name, arguments, Class::Refused(reason)).nowhere_but(Places::CLIENT)
}

/// Pools from 4 addresses in a /29 to 65536 in a /16.
fn server(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let address = statement.get(1, values::ipv4)?;
    let prefix = statement.get(2, |word| {
        let prefix = values::netmask(word)?;
        match prefix {
            16..=29 => Ok(prefix),
            _ => Err(format!(
                "'{word}' is /{prefix}: the network must be between /16 and /29 (255.255.255.248)"
            )),
        }
    })?;
    let nopool = statement.optional(3, |word| match word {
        "nopool" => Ok(()),
        _ => Err(format!("'{word}' is not nopool")),
    })?;
    draft.server.nopool = nopool.is_some();
    let network = values::ipv4_network(address, prefix).map_err(|clause| statement.complain(1, clause))?;
    draft.server.network = Some(network);
    draft.mode_server = true;
    draft.tls_role = Some(Role::Server);
    Ok(())
}

fn server_ipv6(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.server.network_v6 = Some(statement.get(1, network_v6)?);
    Ok(())
}

fn pool_v6(word: &str) -> Result<Ipv6Pool, String> {
    match values::ipv6_with_prefix(word)? {
        (start, prefix @ 64..=124) => Ok(Ipv6Pool { start, prefix }),
        (_, prefix) => Err(format!("'{word}' is /{prefix}: the network must be between /64 and /124")),
    }
}

fn network_v6(word: &str) -> Result<Ipv6Network, String> {
    let Ipv6Pool { start: address, prefix } = pool_v6(word)?;
    let network = Ipv6Network::containing(address, prefix);
    if network.address == address {
        Ok(network)
    } else {
        Err(format!("{address} is not a network of /{prefix}, but an address in {}", network.address))
    }
}

fn ifconfig_pool(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let (start, end) = (statement.get(1, values::ipv4)?, statement.get(2, values::ipv4)?);
    let netmask = statement.optional(3, values::ipv4)?;
    if start > end {
        return Err(statement.complain(2, format!("the pool ends at {end}, before it begins at {start}")));
    }
    if end.to_bits() - start.to_bits() >= ServerConfig::MAX_POOL {
        return Err(
            statement.complain(2, format!("the pool has more than {} addresses", ServerConfig::MAX_POOL))
        );
    }
    draft.server.pool = Some(Ipv4Pool { start, end, netmask });
    Ok(())
}

fn mode(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.mode_server = statement.get(1, |word| match word {
        "server" => Ok(true),
        "p2p" => Ok(false),
        _ => Err(format!("'{word}' is not server or p2p")),
    })?;
    Ok(())
}

fn push(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let option = statement.get(1, values::pushable)?;
    draft.server.push.push(option);
    Ok(())
}

fn pool_persist(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// OpenVPN's own.
    const DEFAULT_SECONDS: Duration = Duration::from_secs(600);
    let path = statement.get(1, |path| Ok(path.to_string()))?;
    let interval = statement.optional(2, values::seconds_or_never)?.unwrap_or(Some(DEFAULT_SECONDS));
    draft.host.pool_persist = Some(PoolPersist { path, interval });
    Ok(())
}

fn client_config_dir(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.host.client_config_dir = Some(ClientConfigDir { path: statement.get(1, text)?, exclusive: false });
    Ok(())
}

fn frequency(statement: &Statement) -> Result<ConnectFrequency, Complaint> {
    let number = |word: &str| values::number(word, 1..=i32::MAX as u64);
    Ok(ConnectFrequency { count: statement.get(1, number)?, seconds: statement.get(2, number)? })
}

fn auth_gen_token(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let lifetime = statement.optional(1, values::seconds_or_never)?.flatten();
    let mut token = AuthGenToken { lifetime, ..AuthGenToken::default() };
    for n in 2..statement.words().len() {
        match statement.word(n) {
            Some("external-auth") => token.external_auth = true,
            _ if n == 2 => token.renewal = statement.get(2, values::seconds_or_never)?,
            other => {
                let word = other.unwrap_or_default();
                return Err(statement.complain(n, format!("'{word}' is not external-auth")));
            }
        }
    }
    draft.auth_gen_token = Some(token);
    Ok(())
}

fn verify_client_cert(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let verify = statement.optional(1, |word| match word {
        "none" => Ok(VerifyClientCert::None),
        "optional" => Ok(VerifyClientCert::Optional),
        "require" => Ok(VerifyClientCert::Require),
        _ => Err(format!("'{word}' is not none, optional or require")),
    })?;
    draft.session.tls.verify_client_cert = verify.unwrap_or(VerifyClientCert::Require);
    Ok(())
}
