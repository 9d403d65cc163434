//! Whether the other end is known well enough, and missed when it goes.

use alloc::vec::Vec;

use crate::algorithm::Role;
use crate::config::{Diagnostic, Outline};

const CHECKS: &[&str] = &[
    "remote-cert-tls",
    "remote-cert-ku",
    "remote-cert-eku",
    "ns-cert-type",
    "verify-x509-name",
    "peer-fingerprint",
    "tls-verify",
];

pub(super) fn findings(outline: &Outline, role: Role) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if role == Role::Client
        && let Some(ca) = outline.last("ca")
        && !outline.has(CHECKS)
    {
        found.push(ca.warn(
            0,
            "every client of this CA could pose as the server: add 'remote-cert-tls server', and 'verify-x509-name' \
             with the server's name",
        ));
    }
    if role == Role::Server
        && let Some(server) = outline.last("server").or_else(|| outline.last("server-ipv6"))
        && !outline.has(&["keepalive", "ping-restart", "ping-exit"])
    {
        found.push(server.warn(
            0,
            "there is no 'keepalive': a client that has vanished is not noticed; 'keepalive 10 60' is usual",
        ));
    }
    found
}
