//! The connecting side: where to, and how to log in.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::directive::Directive;
use super::super::draft::{Draft, RemoteDraft};
use super::super::statement::{Complaint, Statement};
use super::super::values;
use super::network::proto_of;
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("client", "", client).only(Role::Client),
    Directive::new("pull", "", |draft, _| {
        draft.pull = true;
        Ok(())
    })
    .only(Role::Client),
    Directive::new("tls-client", "", |draft, _| {
        draft.tls_role = Some(Role::Client);
        Ok(())
    })
    .only(Role::Client),
    Directive::new("remote", "HOST [PORT] [PROTO]", remote).only(Role::Client).repeats(),
    Directive::new("remote-random-hostname", "", |draft, _| {
        draft.host.remote_random_hostname = true;
        Ok(())
    }),
    Directive::new("resolv-retry", "infinite|SECONDS", resolv_retry),
    Directive::new("connect-retry", "SECONDS [MAX]", connect_retry),
    Directive::new("connect-timeout", "SECONDS", connect_timeout),
    Directive::new("server-poll-timeout", "SECONDS", connect_timeout),
    Directive::new("float", "", |draft, _| {
        draft.client.float = true;
        Ok(())
    }),
    Directive::new("auth-user-pass", "[FILE]", auth_user_pass).only(Role::Client).inline(),
    Directive::new("auth-nocache", "", |draft, _| {
        draft.auth_nocache = true;
        Ok(())
    }),
];

fn client(draft: &mut Draft, _: &Statement) -> Result<(), Complaint> {
    draft.pull = true;
    draft.tls_role = Some(Role::Client);
    Ok(())
}

fn remote(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let remote = RemoteDraft {
        host: statement.get(1, host_name)?,
        port: statement.optional(2, values::port)?,
        proto: statement.optional(3, proto_of)?,
        named_at: statement.position(0),
    };
    draft.remotes.push(remote);
    Ok(())
}

/// A name is resolved by the host; here only what could never be one is refused.
fn host_name(word: &str) -> Result<String, String> {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if word.is_empty() || word.contains(odd) {
        return Err(format!("'{word}' is not a host name or an address"));
    }
    Ok(word.to_string())
}

fn resolv_retry(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.host.resolv_retry = statement.get(1, |word| match word {
        "infinite" => Ok(None),
        _ => values::seconds(word, 0)
            .map(Some)
            .map_err(|_| format!("'{word}' is not 'infinite' or a number of seconds")),
    })?;
    Ok(())
}

fn connect_retry(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    /// Less would hammer at the server.
    const LEAST: Duration = Duration::from_secs(1);
    let retry = &mut draft.client.connect_retry;
    retry.pause = statement.get(1, |word| values::seconds(word, 0))?.max(LEAST);
    if let Some(max) = statement.optional(2, |word| values::seconds(word, 1))? {
        retry.max = max;
    }
    retry.max = retry.max.max(retry.pause);
    Ok(())
}

fn connect_timeout(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.client.connect_timeout = statement.get(1, |word| values::seconds(word, 1))?;
    Ok(())
}

fn auth_user_pass(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.auth_user_pass = true;
    let given = statement.is_block() || statement.word(1).is_some();
    draft.sources.auth_user_pass = if given { Some(statement.source()?) } else { None };
    Ok(())
}
