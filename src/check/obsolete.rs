//! Settings that are weak, or that there is something better for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::algorithm::Role;
use crate::config::{Diagnostic, Outline, Stated};

/// What there is to say about a directive by itself.
const ALWAYS: &[(&str, &str)] = &[
    ("ncp-ciphers", "this is the old name of data-ciphers: write that"),
    (
        "ns-cert-type",
        "few certificates have this mark (nsCertType) any more: write 'remote-cert-tls' with the same word, which looks at \
         their usual purpose",
    ),
    (
        "comp-lzo",
        "nothing is compressed, since compression betrays what is encrypted; take this line away on both ends, or \
         have the server push 'comp-lzo no'",
    ),
    ("duplicate-cn", "who copies one client's key comes in beside it unnoticed: give every client its own"),
];

pub(super) fn findings(outline: &Outline, role: Role) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for stated in outline.iter() {
        let always =
            ALWAYS.iter().find(|(name, _)| *name == stated.name()).map(|(_, clause)| String::from(*clause));
        if let Some(clause) = always.or_else(|| about(stated)) {
            found.push(stated.warn(0, clause));
        }
    }
    if role == Role::Server {
        found.extend(about_server(outline));
    }
    found
}

/// What depends on the arguments.
fn about(stated: &Stated) -> Option<String> {
    let words = [1, 2].map(|n| stated.argument(n));
    match (stated.name(), words) {
        ("compress", [Some(algorithm @ ("lzo" | "lz4" | "lz4-v2")), _]) => Some(format!(
            "nothing is compressed by {algorithm}, since compression betrays what is encrypted; take this line away \
             on both ends"
        )),
        ("script-security", [Some("3"), _]) => Some(
            "passwords go into the environment of commands, which other users may be able to read: write 2, and \
             'via-file' for auth-user-pass-verify"
                .into(),
        ),
        ("topology", [Some("net30"), _]) => Some(
            "this takes four addresses for each client, and OpenVPN will drop it: write 'topology subnet', which \
             every client since 2.1 has"
                .into(),
        ),
        ("auth-user-pass-verify", [_, Some("via-env")]) => {
            Some("passwords go into the environment of the command: write 'via-file'".into())
        }
        ("verify-client-cert", [Some("none" | "optional"), _]) => {
            Some("a password alone lets people in: a certificate for each would be a second lock".into())
        }
        ("management", [Some(host), Some(port)])
            if port != "unix" && stated.argument(3).is_none() =>
        {
            Some(if is_local(host) {
                "every user of this machine can control the tunnel: name a password file, or use a unix socket".into()
            } else {
                format!("whoever reaches {host} can control the tunnel: name a password file, or use a unix socket")
            })
        }
        _ => None,
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "::1"
}

fn about_server(outline: &Outline) -> Option<Diagnostic> {
    let server = outline.last("server")?;
    if outline.has(&["topology"]) {
        return None;
    }
    Some(server.warn(
        0,
        "there is no 'topology': clients get one address each out of a common network (subnet), as with OpenVPN 2.7; \
         up to 2.6 it was a pair of addresses (net30). Write 'topology subnet' or 'topology net30'",
    ))
}
