//! Opening wrapped control packets. The first byte chooses the wrapping, the rest is a packet from the network, which
//! nobody without the key can make; and then the inner part of a packet of ours, which must come through.

#![no_main]

use std::sync::OnceLock;

use adit::config::{NamedText, WrapConfig};
use adit::wire::{ControlHeader, KeyId, Opcode, SessionId};
use adit::wrap::{ControlWrap, WrapKeys};
use adit::{Digest, DropReason, Instant, Role, UnixTime};
use libfuzzer_sys::fuzz_target;

const HEADER: ControlHeader = ControlHeader {
    opcode: Opcode::ControlV1,
    key_id: KeyId::INITIAL,
    session_id: SessionId::from_bytes([0xa0; 8]),
};

/// The keys of client and server, for each wrapping.
fn pairs() -> &'static [(WrapKeys, WrapKeys)] {
    static PAIRS: OnceLock<Vec<(WrapKeys, WrapKeys)>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let digits: String = (0..=255).map(|byte| format!("{byte:02x}")).collect();
        let text =
            format!("-----BEGIN OpenVPN Static key V1-----\n{digits}\n-----END OpenVPN Static key V1-----\n");
        let key = || NamedText::file("fuzz.key", text.clone());
        let tls_auth = |direction| WrapConfig::TlsAuth { key: key(), direction: Some(direction) };
        let keys = |role, config, digest| WrapKeys::new(role, &config, digest).unwrap();
        let tls_crypt = |role| keys(role, WrapConfig::TlsCrypt { key: key() }, Digest::Sha1);
        vec![
            (WrapKeys::NONE, WrapKeys::NONE),
            (tls_crypt(Role::Client), tls_crypt(Role::Server)),
            (keys(Role::Client, tls_auth(1), Digest::Sha1), keys(Role::Server, tls_auth(0), Digest::Sha1)),
            (
                keys(Role::Client, tls_auth(1), Digest::Sha512),
                keys(Role::Server, tls_auth(0), Digest::Sha512),
            ),
        ]
    })
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else { return };
    let (client, server) = &pairs()[usize::from(choice) % pairs().len()];
    let mut sender = ControlWrap::new(client.clone(), 64);
    let mut receiver = ControlWrap::new(server.clone(), 64);

    let _ = receiver.open(Instant::ZERO, &mut rest.to_vec());
    let mut packet = vec![0; ControlHeader::LEN + client.overhead() + rest.len()];
    let unix = UnixTime(u32::MAX.into());
    assert_eq!(sender.seal(unix, HEADER, rest, &mut packet), Ok(packet.len()));
    if rest.is_empty() && !client.is_none() && !client.is_tls_auth() {
        return; // tls-crypt has no packet without an inner part
    }
    let mut opened = packet.clone();
    assert_eq!(receiver.open(Instant::ZERO, &mut opened), Ok((HEADER, rest)));
    if !client.is_none() {
        assert_eq!(receiver.open(Instant::ZERO, &mut packet), Err(DropReason::WrapReplay));
    }
});
