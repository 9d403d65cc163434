//! The keying material exporter, which rustls' unbuffered connections do not have.
//!
//! Their `KeyLog` gives the secret that the exporter starts from; the rest is RFC 8446 section 7.5 and RFC 5705 with
//! the primitives of the negotiated suite. One [`SecretCapture`] belongs to one connection.

use alloc::boxed::Box;
use core::fmt;

use once_cell::race::OnceBox;
use rustls::crypto::tls13::{HkdfExpander, OkmBlock};
use rustls::{KeyLog, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};
use zeroize::Zeroizing;

/// Where rustls leaves a connection's exporter secret. Zeroized when dropped.
#[derive(Default)]
pub(super) struct SecretCapture(OnceBox<Secret>);

struct Secret {
    /// The master secret (48 bytes) or the exporter master secret (one hash).
    bytes: Zeroizing<[u8; 64]>,
    len: usize,
    client_random: [u8; 32],
}

impl SecretCapture {
    /// Fills `out`. `None` before the handshake is done, without the server's random in TLS 1.2, and for an `out` or a
    /// `label` that is too long.
    pub(super) fn export(
        &self,
        suite: SupportedCipherSuite,
        server_random: Option<&[u8; 32]>,
        label: &[u8],
        out: &mut [u8],
    ) -> Option<()> {
        let secret = self.0.get()?;
        match suite {
            SupportedCipherSuite::Tls12(suite) => {
                export_tls12(suite, secret, server_random?, label, out);
                Some(())
            }
            SupportedCipherSuite::Tls13(suite) => export_tls13(suite, secret.as_bytes(), label, out),
        }
    }
}

impl KeyLog for SecretCapture {
    fn will_log(&self, label: &str) -> bool {
        // The names of the NSS key log format: TLS 1.3's exporter master secret, and TLS 1.2's master secret.
        matches!(label, "EXPORTER_SECRET" | "CLIENT_RANDOM")
    }

    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let Ok(client_random) = client_random.try_into() else { return };
        let mut bytes = Zeroizing::new([0; 64]);
        let Some(room) = bytes.get_mut(..secret.len()).filter(|_| self.will_log(label)) else { return };
        room.copy_from_slice(secret);
        let _ = self.0.set(Box::new(Secret { bytes, len: secret.len(), client_random }));
    }
}

impl fmt::Debug for SecretCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCapture(..)")
    }
}

impl Secret {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// RFC 5705 section 4, without a context (which differs from an empty one).
fn export_tls12(
    suite: &Tls12CipherSuite,
    secret: &Secret,
    server_random: &[u8; 32],
    label: &[u8],
    out: &mut [u8],
) {
    let mut seed = [0; 64];
    seed[..32].copy_from_slice(&secret.client_random);
    seed[32..].copy_from_slice(server_random);
    suite.prf_provider.for_secret(out, secret.as_bytes(), label, &seed);
}

/// RFC 8446 section 7.5: a secret for the label, then the output for the (empty) context.
fn export_tls13(suite: &Tls13CipherSuite, exporter: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
    let hash_of_nothing = suite.common.hash_provider.hash(&[]);
    let mut derived = Zeroizing::new([0; 64]);
    let derived = derived.get_mut(..exporter.len())?;

    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(exporter));
    expand_label(&*expander, label, hash_of_nothing.as_ref(), derived)?;
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(derived));
    expand_label(&*expander, b"exporter", hash_of_nothing.as_ref(), out)
}

/// HKDF-Expand-Label, RFC 8446 section 7.1.
fn expand_label(expander: &dyn HkdfExpander, label: &[u8], context: &[u8], out: &mut [u8]) -> Option<()> {
    const PREFIX: &[u8] = b"tls13 ";
    let out_len = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let context_len = [u8::try_from(context.len()).ok()?];
    expander.expand_slice(&[&out_len, &label_len, PREFIX, label, &context_len, context], out).ok()
}
