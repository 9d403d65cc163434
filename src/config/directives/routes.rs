//! Routes through the tunnel, and around it.

use super::super::directive::{Directive, Places};
use super::super::draft::Draft;
use super::super::statement::{Complaint, Statement};
use crate::algorithm::Role;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("route", "NETWORK|HOST [NETMASK] [GATEWAY] [METRIC]", route).also(Places::PUSH).repeats(),
    Directive::new("route-ipv6", "NETWORK/BITS [GATEWAY] [METRIC]", route).also(Places::PUSH).repeats(),
    Directive::new("route-gateway", "ADDRESS|dhcp", route).also(Places::PUSH),
    Directive::new("route-ipv6-gateway", "ADDRESS", route).also(Places::PUSH),
    Directive::new("route-metric", "METRIC", route).also(Places::PUSH),
    Directive::new("redirect-gateway", "[FLAG...]", route).also(Places::PUSH).only(Role::Client).repeats(),
    Directive::new("redirect-private", "[FLAG...]", route).also(Places::PUSH).only(Role::Client).repeats(),
    Directive::new("block-ipv6", "", route).also(Places::PUSH),
    Directive::new("route-delay", "[SECONDS] [WINDOW]", route).also(Places::PUSH).only(Role::Client),
    Directive::new("route-noexec", "", flag!(host.route_noexec)),
];

fn route(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    // Which word is wrong is not known here; the clause quotes it.
    match draft.host.routes.apply(&statement.words()) {
        Some(Err(clause)) => Err(statement.complain(1, clause)),
        _ => Ok(()),
    }
}
