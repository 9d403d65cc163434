//! The connecting side as a whole: how to log in, how long to try, what to take from the server.

use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use super::super::client::{AuthRetry, PullAction, PullFilter};
use super::super::directive::{Directive, Places};
use super::super::draft::Draft;
use super::super::push::Inactive;
use super::super::statement::{Complaint, Statement};
use super::super::values;
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("client", "", |draft, _| {
        draft.pull = true;
        draft.tls_role = Some(Role::Client);
        Ok(())
    })
    .only(Role::Client),
    Directive::new("pull", "", flag!(pull)).only(Role::Client),
    Directive::new("tls-client", "", |draft, _| {
        draft.tls_role = Some(Role::Client);
        Ok(())
    })
    .only(Role::Client),
    Directive::new("remote-random", "", flag!(client.remote_random)).idle_at(Role::Server),
    Directive::new("remote-random-hostname", "", flag!(host.remote_random_hostname)).idle_at(Role::Server),
    Directive::new("resolv-retry", "infinite|SECONDS", value!(host.resolv_retry, resolv_retry)),
    Directive::new("preresolve", "[ADDRESS]", flag!(host.preresolve)),
    Directive::new(
        "connect-retry-max",
        "N",
        value!(client.connect_retry_max, |word| {
            values::number::<u32>(word, 0..=i32::MAX as u64)
                .map(|times| Some(times).filter(|&times| times > 0))
        }),
    )
    .also(Places::CONNECTION),
    Directive::new("auth-user-pass", "[FILE]", auth_user_pass).only(Role::Client).inline(),
    Directive::new("auth-nocache", "", flag!(auth_nocache)),
    Directive::new("auth-retry", "none|nointeract|interact", value!(client.auth_retry, auth_retry)),
    Directive::new("push-peer-info", "", flag!(client.push_peer_info)),
    Directive::new("pull-filter", "accept|ignore|reject TEXT", pull_filter).idle_at(Role::Server).repeats(),
    Directive::new("route-nopull", "", flag!(client.route_nopull)),
    Directive::new("allow-pull-fqdn", "", flag!(client.allow_pull_fqdn)),
    Directive::new("allow-recursive-routing", "", flag!(client.allow_recursive_routing)).only(Role::Client),
    Directive::new("inactive", "SECONDS [BYTES]", inactive).also(Places::PUSH).also(Places::CLIENT),
    Directive::new("session-timeout", "SECONDS", value!(client.session_timeout, values::seconds_or_never))
        .also(Places::PUSH)
        .also(Places::CLIENT),
];

fn resolv_retry(word: &str) -> Result<Option<Duration>, String> {
    if word == "infinite" {
        return Ok(None);
    }
    values::seconds(word, 0)
        .map(Some)
        .map_err(|_| format!("'{word}' is not 'infinite' or a number of seconds"))
}

fn auth_user_pass(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    // OpenVPN 2.7 asks for no password then.
    if statement.word(1) == Some("username-only") {
        return Err(statement.complain(1, "a login without a password is not supported yet"));
    }
    draft.auth_user_pass = true;
    let given = statement.is_block() || statement.word(1).is_some();
    draft.sources.auth_user_pass = if given { Some(statement.source()?) } else { None };
    Ok(())
}

fn auth_retry(word: &str) -> Result<AuthRetry, String> {
    match word {
        "none" => Ok(AuthRetry::None),
        "nointeract" => Ok(AuthRetry::NoInteract),
        "interact" => Ok(AuthRetry::Interact),
        _ => Err(format!("'{word}' is not none, nointeract or interact")),
    }
}

fn pull_filter(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let action = statement.get(1, |word| match word {
        "accept" => Ok(PullAction::Accept),
        "ignore" => Ok(PullAction::Ignore),
        "reject" => Ok(PullAction::Reject),
        _ => Err(format!("'{word}' is not accept, ignore or reject")),
    })?;
    let prefix = statement.get(2, |word| Ok(word.to_string()))?;
    draft.client.pull_filters.push(PullFilter { action, prefix });
    Ok(())
}

fn inactive(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let after = statement.get(1, |word| values::seconds(word, 0))?;
    let bytes = statement.optional(2, |word| values::number(word, 0..=i64::MAX as u64))?.unwrap_or(0);
    draft.client.inactive = (!after.is_zero()).then_some(Inactive { after, bytes });
    Ok(())
}
