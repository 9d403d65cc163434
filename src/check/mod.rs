//! What is worth saying about a configuration before it is used: [`check`].
//!
//! Errors of the language are found by [`Profile`](crate::config::Profile). Here is what only shows when the parts are
//! seen together, or when keys and certificates are opened: settings that are weak or obsolete, addresses that do not
//! fit, certificates that expire. Each subject has its file. Reads no file and no clock.

mod keys;
mod networks;
mod obsolete;
mod peer;

use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::crypto::CryptoProvider;

use crate::algorithm::Role;
use crate::config::{Diagnostic, Outline, Parsed, RoleConfig};
use crate::time::UnixTime;

/// All findings about a configuration that was parsed, those of [`Parsed::diagnostics`] among them. `unix` is the time at
/// which certificates are judged.
pub fn check(parsed: &Parsed, unix: UnixTime, crypto: &Arc<CryptoProvider>) -> Vec<Diagnostic> {
    let outline = &parsed.outline;
    let mut findings = parsed.diagnostics.clone();
    let role = role(outline);
    findings.extend(obsolete::findings(outline, role));
    findings.extend(peer::findings(outline, role));
    if role == Role::Server {
        findings.extend(networks::findings(outline));
    }
    let profile = parsed.profile.as_ref().or(parsed.rejected.as_ref());
    if let Some(profile) = profile {
        let (session, remotes) = match &profile.role {
            RoleConfig::Client(client) => (&client.session, &client.remotes[..]),
            RoleConfig::Server(server) => (&server.session, &[][..]),
        };
        findings.extend(keys::certificates(role, &session.tls, unix, crypto));
        let wraps = remotes.iter().filter_map(|remote| remote.connection.wrap.as_ref());
        findings.extend(keys::wraps(role, core::iter::once(&session.wrap).chain(wraps), session.auth));
    }
    in_order(without_repetitions(findings))
}

/// File by file as they were first met, each from top to bottom; last what has no line.
fn in_order(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut files: Vec<Arc<str>> = Vec::new();
    for finding in &findings {
        if !files.contains(&finding.position.file) {
            files.push(Arc::clone(&finding.position.file));
        }
    }
    findings.sort_by_key(|Diagnostic { position, .. }| {
        let file = files.iter().position(|file| *file == position.file);
        (position.line == 0, file, position.line, position.column)
    });
    findings
}

/// Which end it is meant to be.
fn role(outline: &Outline) -> Role {
    if outline.has(&["server", "server-ipv6", "mode", "tls-server"]) { Role::Server } else { Role::Client }
}

fn without_repetitions(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut all: Vec<Diagnostic> = Vec::new();
    for finding in findings {
        if !all.contains(&finding) {
            all.push(finding);
        }
    }
    all
}

#[cfg(test)]
mod tests;
