//! Settings that OpenVPN keeps as bits or as a list, and prints as a number or in its own spelling.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{View, quoted};
use crate::config::host::ManagementAddress;
use crate::config::session::{TlsVersion, TlsVersionMax, VerifyClientCert};

/// The sum of the bits that are set.
fn sum(bits: &[(u32, bool)]) -> u32 {
    bits.iter().filter(|(_, set)| *set).map(|(bit, _)| 1 << bit).sum()
}

pub(super) fn sockets(view: &View<'_>) -> String {
    let nodelay = view.host().sockets.tcp_nodelay;
    sum(&[(0, view.host().multihome), (1, nodelay), (3, view.host().remote_random_hostname)]).to_string()
}

pub(super) fn management(view: &View<'_>) -> String {
    let Some(management) = &view.host().management else { return "0".into() };
    sum(&[
        (1, management.query_passwords),
        (2, management.hold),
        (3, management.signal),
        (4, management.forget_disconnect),
        (5, management.client),
        (6, view.has("management-client-auth")),
        (8, matches!(management.address, ManagementAddress::Unix(_))),
        (12, view.has("management-up-down")),
        (13, view.has("management-query-remote")),
        (14, view.has("management-query-proxy")),
    ])
    .to_string()
}

pub(super) fn tls(view: &View<'_>) -> String {
    let tls = &view.session().tls;
    let server = view.server();
    let version = |version: TlsVersion| match version {
        TlsVersion::V1_2 => 3,
        TlsVersion::V1_3 => 4,
    };
    let flags = sum(&[
        (0, tls.verify_client_cert == VerifyClientCert::None),
        (1, tls.verify_client_cert == VerifyClientCert::Optional),
        (2, server.is_some_and(|server| server.username_as_common_name)),
        (3, server.is_some_and(|server| server.auth_user_pass_optional)),
        (4, view.has("opt-verify")),
        (5, view.word("crl-verify", 2) == Some("dir")),
        // OpenVPN asks its library for a log, too, and does not take that back.
        (
            14,
            view.all("verb")
                .any(|words| words.get(1).is_some_and(|verb| verb.parse().is_ok_and(|verb: u8| verb >= 8))),
        ),
    ]);
    let TlsVersionMax(max) = tls.version_max;
    let max = if view.has("tls-version-max") { version(max) } else { 0 };
    (flags + (version(tls.version_min) << 6) + (max << 10)).to_string()
}

/// The algorithm and the flags of `compress`, `comp-lzo` and `allow-compression`.
pub(super) fn compression(view: &View<'_>) -> (u32, u32) {
    const ADAPTIVE: u32 = 1;
    const SWAP: u32 = 4;
    const ADVERTISE_STUBS: u32 = 8;
    const STUBS_ONLY: u32 = 16;
    const MIGRATE: u32 = 32;
    const COMPRESS: u32 = 2;
    const ASYM: u32 = 64;
    const STUB: u32 = 1;
    const LZO: u32 = 2;
    const LZ4: u32 = 4;
    const STUB_V2: u32 = 10;
    const LZ4_V2: u32 = 11;
    let (mut algorithm, mut flags) = (0, 0);
    for words in &view.draft.history {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["comp-lzo", ref how @ ..] => {
                flags &= !SWAP;
                let (kind, adaptive) = match how {
                    ["no"] => (STUB, false),
                    ["yes"] => (LZO, false),
                    _ => (LZO, true),
                };
                algorithm = kind;
                flags = if adaptive { flags | ADAPTIVE } else { flags & !ADAPTIVE };
            }
            ["comp-noadapt"] => flags &= !ADAPTIVE,
            ["compress", ref how @ ..] => match how {
                ["migrate"] => (algorithm, flags) = (0, MIGRATE),
                ["stub-v2"] => (algorithm, flags) = (STUB_V2, flags | ADVERTISE_STUBS),
                ["lzo"] => (algorithm, flags) = (LZO, flags & !(ADAPTIVE | SWAP)),
                ["lz4"] => (algorithm, flags) = (LZ4, flags | SWAP),
                ["lz4-v2"] => algorithm = LZ4_V2,
                _ => (algorithm, flags) = (STUB, flags | SWAP | ADVERTISE_STUBS),
            },
            ["allow-compression", "no"] => flags = STUBS_ONLY | ADVERTISE_STUBS,
            ["allow-compression", "asym"] => flags = flags & !COMPRESS | ASYM,
            ["allow-compression", "yes"] => flags |= COMPRESS,
            _ => {}
        }
    }
    if flags == 0 && matches!(algorithm, 0 | STUB | STUB_V2) && !view.draft.compatible_before(20_600) {
        flags = STUBS_ONLY | ADVERTISE_STUBS;
    }
    (algorithm, flags)
}

/// The cipher for peers that cannot negotiate, by its last name.
pub(super) fn cipher(view: &View<'_>) -> String {
    let named = view.draft.history.iter().rev().find_map(|words| match words.first()?.as_str() {
        "cipher" | "data-ciphers-fallback" => words.get(1),
        _ => None,
    });
    quoted(Some(named.map_or("BF-CBC", String::as_str)))
}

pub(super) fn data_ciphers(view: &View<'_>) -> String {
    let names: Vec<_> = view.session().data_ciphers.iter().map(|cipher| cipher.name()).collect();
    quoted(Some(&names.join(":")))
}
