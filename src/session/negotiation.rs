//! What two ends agree on: cipher, key derivation, and the announcements that lead there (NCP).

use alloc::vec::Vec;

use crate::algorithm::Cipher;
use crate::wire::{PeerInfo, options_string};

/// What was agreed on, kept for every renegotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) cipher: Cipher,
    /// Keys come from the TLS exporter rather than OpenVPN's PRF.
    pub(crate) key_export: bool,
    /// Both ends understand EXIT as a control message.
    pub(crate) cc_exit: bool,
}

/// The cipher that a server chooses for a client: the first of its own list that the client has.
///
/// A client without a list has the `cipher` of its options string; one that says nothing at all gets the fallback.
pub(crate) fn choose_cipher(
    data_ciphers: &[Cipher],
    fallback: Option<Cipher>,
    info: &PeerInfo,
    options: &str,
) -> Option<Cipher> {
    let named = options_string::cipher(options).and_then(Cipher::from_name);
    let mut announced = info.ciphers().filter_map(Cipher::from_name).chain(named).peekable();
    if announced.peek().is_none() {
        return fallback;
    }
    let announced: Vec<_> = announced.collect();
    data_ciphers.iter().copied().find(|cipher| announced.contains(cipher))
}
