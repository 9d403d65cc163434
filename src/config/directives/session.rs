//! What a session negotiates and when: ciphers, sizes, timers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::directive::{Directive, Places};
use super::super::draft::{Draft, Keepalive};
use super::super::framing::framing;
use super::super::session::PingTimeout;
use super::super::statement::{Complaint, Statement};
use super::super::values::{self, DAY};
use crate::algorithm::{Cipher, Digest};

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new("cipher", "NAME", cipher).also(Places::PUSH).also(Places::CLIENT),
    Directive::new("data-ciphers", "LIST", data_ciphers).also(Places::CLIENT),
    Directive::new("ncp-ciphers", "LIST", data_ciphers).also(Places::CLIENT),
    Directive::new("data-ciphers-fallback", "NAME", data_ciphers_fallback).also(Places::CLIENT),
    Directive::new("auth", "DIGEST", auth),
    // adit's own: OpenVPN derives by the exporter whenever both ends can.
    Directive::new("disable-tls-ekm", "", |draft, _| {
        draft.session.key_export = false;
        Ok(())
    }),
    Directive::new("comp-lzo", "[yes|no|adaptive]", compression).also(Places::PUSH).also(Places::CLIENT),
    Directive::new("compress", "[stub|stub-v2|lzo|lz4|lz4-v2]", compression)
        .also(Places::PUSH)
        .also(Places::CLIENT),
    // Nothing is ever compressed; this is only compared with the framing.
    Directive::new("allow-compression", "no|asym|yes", allow_compression),
    Directive::new("compat-mode", "VERSION", some!(compat_mode, version)),
    Directive::new("replay-window", "PACKETS [SECONDS]", replay_window),
    Directive::new("tls-timeout", "SECONDS", |draft, statement| {
        draft.session.tls_timeout = statement.get(1, |word| values::seconds(word, 1))?;
        Ok(())
    }),
    Directive::new("hand-window", "SECONDS", |draft, statement| {
        draft.session.hand_window = statement.get(1, |word| values::seconds(word, 1))?;
        Ok(())
    }),
    Directive::new("tran-window", "SECONDS", |draft, statement| {
        draft.session.tran_window = statement.get(1, |word| values::seconds(word, 1))?;
        Ok(())
    }),
    Directive::new("reneg-sec", "SECONDS [LEAST]", reneg_sec),
    Directive::new("reneg-bytes", "BYTES", |draft, statement| {
        draft.session.renegotiate.bytes = statement.get(1, number_or_never)?;
        Ok(())
    }),
    Directive::new("reneg-pkts", "PACKETS", |draft, statement| {
        draft.session.renegotiate.packets = statement.get(1, number_or_never)?;
        Ok(())
    }),
    Directive::new("keepalive", "PING TIMEOUT", keepalive),
    Directive::new("ping", "SECONDS", |draft, statement| {
        draft.ping = Some(statement.get(1, values::ping_seconds)?);
        Ok(())
    })
    .also(Places::PUSH)
    .also(Places::CLIENT),
    Directive::new("ping-restart", "SECONDS", |draft, statement| {
        let after = statement.get(1, values::ping_seconds)?;
        draft.ping_timeout = Some(after.map(|after| PingTimeout { after, exit: false }));
        Ok(())
    })
    .also(Places::PUSH)
    .also(Places::CLIENT),
    Directive::new("ping-exit", "SECONDS", |draft, statement| {
        let after = statement.get(1, values::ping_seconds)?;
        draft.ping_timeout = Some(after.map(|after| PingTimeout { after, exit: true }));
        Ok(())
    })
    .also(Places::PUSH)
    .also(Places::CLIENT),
];

/// Ciphers that OpenVPN has and adit has not.
const OTHER_CIPHERS: [&str; 22] = [
    "AES-192-GCM",
    "AES-128-CBC",
    "AES-192-CBC",
    "AES-256-CBC",
    "AES-128-CFB",
    "AES-192-CFB",
    "AES-256-CFB",
    "AES-128-OFB",
    "AES-192-OFB",
    "AES-256-OFB",
    "BF-CBC",
    "BF-CFB",
    "BF-OFB",
    "CAST5-CBC",
    "DES-CBC",
    "DES-EDE-CBC",
    "DES-EDE3-CBC",
    "CAMELLIA-128-CBC",
    "CAMELLIA-192-CBC",
    "CAMELLIA-256-CBC",
    "SEED-CBC",
    "none",
];

fn is_other_cipher(name: &str) -> bool {
    OTHER_CIPHERS.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn unknown_cipher(name: &str) -> String {
    let names: Vec<_> = Cipher::DEFAULT_LIST.iter().map(|cipher| cipher.name()).collect();
    format!("'{name}' is not a cipher that adit has: {}", names.join(", "))
}

/// OpenVPN negotiates by `data-ciphers`, and takes `cipher` only as a word to peers that cannot. So a cipher that is
/// not there hinders nobody.
fn cipher(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = statement.get(1, |word| Ok(String::from(word)))?;
    draft.cipher = Cipher::from_name(&name);
    if draft.cipher.is_none() {
        draft.warn_of(statement, 1, format!("{}; data-ciphers decides", unknown_cipher(&name)));
    }
    Ok(())
}

fn data_ciphers(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let list = statement.get(1, |word| Ok(String::from(word)))?;
    let mut ciphers = Vec::new();
    for item in values::colon_list(&list) {
        let (name, optional) = item.strip_prefix('?').map_or((item, false), |name| (name, true));
        match Cipher::from_name(name) {
            Some(cipher) => ciphers.push(cipher),
            None if name == "DEFAULT" => ciphers.extend(Cipher::DEFAULT_LIST),
            None if optional => {}
            None if is_other_cipher(name) => {
                draft.warn_of(statement, 1, format!("{}; it is left out", unknown_cipher(name)));
            }
            None => return Err(statement.complain(1, unknown_cipher(name))),
        }
    }
    if ciphers.is_empty() {
        return Err(statement.complain(1, format!("no cipher of '{list}' is one that adit has")));
    }
    let mut seen = Vec::new();
    ciphers.retain(|cipher| {
        !seen.contains(cipher) && {
            seen.push(*cipher);
            true
        }
    });
    draft.session.data_ciphers = ciphers;
    Ok(())
}

fn data_ciphers_fallback(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let name = statement.get(1, |word| Ok(String::from(word)))?;
    draft.session.data_ciphers_fallback = Cipher::from_name(&name);
    if draft.session.data_ciphers_fallback.is_none() {
        if !is_other_cipher(&name) {
            return Err(statement.complain(1, unknown_cipher(&name)));
        }
        draft.warn_of(
            statement,
            1,
            format!("{}; peers that cannot negotiate are refused", unknown_cipher(&name)),
        );
    }
    Ok(())
}

fn auth(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let digest = statement.get(1, |word| match word {
        "none" => Ok(None),
        _ => Digest::from_name(word)
            .map(Some)
            .ok_or_else(|| format!("'{word}' is not a digest that adit has: SHA1, SHA256, SHA384, SHA512")),
    })?;
    draft.auth_none = digest.is_none();
    draft.session.auth = digest.unwrap_or_default();
    Ok(())
}

fn compression(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    match framing(&statement.words()) {
        Some(Ok(framing)) => {
            draft.session.framing = framing;
            let stub = matches!(statement.word(1), Some("no" | "stub" | "stub-v2"));
            draft.names_compression = !(stub || statement.words() == ["compress"]);
        }
        Some(Err(clause)) => return Err(statement.complain(1, clause)),
        None => {}
    }
    Ok(())
}

fn allow_compression(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let no = statement.get(1, |word| match word {
        "no" => Ok(true),
        "asym" | "yes" => Ok(false),
        _ => Err(format!("'{word}' is not no, asym or yes")),
    })?;
    if draft.no_compression && !no {
        return Err(statement.complain(1, "there is 'allow-compression no' before this: one of them must go"));
    }
    draft.no_compression = no;
    Ok(())
}

/// `2.4.0` as 20400.
fn version(word: &str) -> Result<u32, String> {
    let wrong = || format!("'{word}' is not a version like 2.4.0");
    let mut numbers = word.split('.').map(|part| values::number::<u32>(part, 0..=99));
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(major * 10_000 + minor * 100 + patch),
        _ => Err(wrong()),
    }
}

fn replay_window(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.session.replay_window = statement.get(1, |word| values::number(word, 0..=65_536))?;
    if statement.optional(2, |word| values::number::<u16>(word, 0..=600))?.is_some() {
        draft.warn_of(
            statement,
            2,
            "the second number has no effect: packets are judged by their order alone",
        );
    }
    Ok(())
}

fn reneg_sec(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    draft.session.renegotiate.after = statement.get(1, values::seconds_or_never)?;
    if statement.optional(2, |word| values::seconds(word, 0))?.is_some() {
        draft.warn_of(statement, 2, "the second number has no effect: the time is not varied at random");
    }
    Ok(())
}

fn number_or_never(word: &str) -> Result<Option<u64>, String> {
    values::number(word, 0..=u64::MAX).map(|number| Some(number).filter(|&number| number > 0))
}

fn keepalive(draft: &mut Draft, statement: &Statement) -> Result<(), Complaint> {
    let ping: u64 = statement.get(1, |word| values::number(word, 1..=DAY))?;
    let timeout: u64 = statement.get(2, |word| values::number(word, 1..=DAY))?;
    if timeout < 2 * ping {
        return Err(statement.complain(
            2,
            format!(
                "the timeout, {timeout}, must be at least twice the ping, {ping}; five or six times is better"
            ),
        ));
    }
    draft.keepalive = Some(Keepalive { ping, timeout });
    Ok(())
}
