//! The accepting side: addresses, pushes, how many and who.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::directive::Directive;
use super::super::draft::Draft;
use super::super::host::PoolPersist;
use super::super::server::{ConnectFrequency, Ipv6Network};
use super::super::session::VerifyClientCert;
use super::super::statement::{Complaint, Statement};
use super::super::values;
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
    Directive::new("push", "OPTION", push).idle_at(Role::Client).repeats(),
    Directive::new("client-to-client", "", |draft, _| {
        draft.server.client_to_client = true;
        Ok(())
    })
    .only(Role::Server),
    Directive::new("duplicate-cn", "", |draft, _| {
        draft.server.duplicate_cn = true;
        Ok(())
    })
    .only(Role::Server),
    Directive::new("max-clients", "N", |draft, statement| {
        // A peer-id has 24 bits, of which the highest value means none.
        draft.server.max_clients = statement.get(1, |word| values::number(word, 1..=0xFF_FFFE))?;
        Ok(())
    })
    .idle_at(Role::Client),
    Directive::new("ifconfig-pool-persist", "FILE [SECONDS]", pool_persist).only(Role::Server),
    Directive::new("connect-freq-initial", "N SECONDS", connect_freq_initial).idle_at(Role::Client),
    Directive::new("verify-client-cert", "[none|optional|require]", verify_client_cert).only(Role::Server),
];

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
    statement.optional(3, |word| match word {
        "nopool" => Err::<(), _>("'nopool' is not supported yet".to_string()),
        _ => Err(format!("'{word}' is too much")),
    })?;
    let network = values::ipv4_network(address, prefix).map_err(|clause| statement.complain(1, clause))?;
    draft.server.network = Some(network);
    draft.mode_server = true;
    draft.tls_role = Some(Role::Server);
    Ok(())
}

fn server_ipv6(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let (address, prefix) = statement.get(1, |word| match values::ipv6_with_prefix(word)? {
        (address, prefix @ 64..=124) => Ok((address, prefix)),
        (_, prefix) => Err(format!("'{word}' is /{prefix}: the network must be between /64 and /124")),
    })?;
    let network = Ipv6Network::containing(address, prefix);
    if network.address != address {
        let clause =
            format!("{address} is an address in the network {}/{prefix}, which is taken", network.address);
        draft.warn_of(statement, 1, clause);
    }
    draft.server.network_v6 = Some(network);
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
    let option = statement.get(1, |word| {
        if word.contains(',') {
            Err("an option that is pushed cannot contain a comma".into())
        } else if word.contains(char::is_control) || word.trim().is_empty() {
            Err("an option that is pushed is one line of printable text".into())
        } else {
            Ok(String::from(word))
        }
    })?;
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

fn connect_freq_initial(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let number = |word: &str| values::number(word, 1..=i32::MAX as u64);
    let (count, seconds) = (statement.get(1, number)?, statement.get(2, number)?);
    draft.server.connect_freq_initial = ConnectFrequency { count, seconds };
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
