//! OpenVPN's key derivation without the TLS exporter: the PRF of TLS 1.0 (RFC 2246 section 5), applied twice.

use core::convert::Infallible;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use zeroize::{Zeroize, Zeroizing};

use super::key_block::KeyBlock;

const MASTER_LABEL: &[u8] = b"OpenVPN master secret";
const EXPANSION_LABEL: &[u8] = b"OpenVPN key expansion";

/// What one end adds to the derivation, in the clear of the TLS session.
#[derive(Clone, Copy)]
pub struct PrfSeed<'a> {
    /// Goes into the master secret.
    pub random1: &'a [u8; 32],
    /// Goes into the key expansion.
    pub random2: &'a [u8; 32],
    /// The session id of its control packets, the same for every renegotiation.
    pub session_id: &'a [u8; 8],
}

/// The key block of the client's secret and both ends' seeds.
pub fn derive_prf(pre_master: &[u8; 48], client: PrfSeed<'_>, server: PrfSeed<'_>) -> KeyBlock {
    let master = master_secret(pre_master, client, server);
    let seed = [EXPANSION_LABEL, client.random2, server.random2, client.session_id, server.session_id];
    let Ok(block) = KeyBlock::try_with(|out| {
        tls1_prf(&*master, &seed, out);
        Ok::<_, Infallible>(())
    });
    block
}

fn master_secret(pre_master: &[u8; 48], client: PrfSeed<'_>, server: PrfSeed<'_>) -> Zeroizing<[u8; 48]> {
    let mut master = Zeroizing::new([0; 48]);
    tls1_prf(pre_master, &[MASTER_LABEL, client.random1, server.random1], &mut *master);
    master
}

/// P_MD5 of the secret's first half, and P_SHA1 of its second one, combined by exclusive or. The halves of a secret of
/// odd length share the byte in the middle.
fn tls1_prf(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let half = secret.len().div_ceil(2);
    out.fill(0);
    xor_p_hash::<Hmac<Md5>, 16>(&secret[..half], seed, out);
    xor_p_hash::<Hmac<Sha1>, 20>(&secret[secret.len() - half..], seed, out);
}

/// P_hash with the HMAC `H`, whose tags have `N` bytes.
fn xor_p_hash<H: Mac + KeyInit, const N: usize>(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let tag = |chained: &[u8], seed: &[&[u8]]| {
        #[expect(clippy::unwrap_used, reason = "HMAC takes a key of any length")]
        let mut mac = <H as KeyInit>::new_from_slice(secret).unwrap();
        mac.update(chained);
        for part in seed {
            mac.update(part);
        }
        let mut bytes = mac.finalize().into_bytes();
        let mut tag = Zeroizing::new([0; N]);
        tag.copy_from_slice(&bytes);
        bytes.as_mut_slice().zeroize();
        tag
    };
    let mut a = tag(&[], seed);
    for chunk in out.chunks_mut(N) {
        let block = tag(&*a, seed);
        chunk.iter_mut().zip(block.iter()).for_each(|(out, byte)| *out ^= byte);
        a = tag(&*a, &[]);
    }
}

#[cfg(test)]
mod tests {
    use ring::digest;

    use super::*;
    use crate::algorithm::Role;
    use crate::crypto::hex;

    const CLIENT: PrfSeed<'_> = PrfSeed {
        random1: &[0x11; 32],
        random2: &[0x33; 32],
        session_id: &[0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7],
    };
    const SERVER: PrfSeed<'_> = PrfSeed {
        random1: &[0x22; 32],
        random2: &[0x44; 32],
        session_id: &[0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7],
    };

    fn pre_master() -> [u8; 48] {
        core::array::from_fn(|i| i as u8)
    }

    #[test]
    fn the_prf_alone() {
        let mut out = [0; 8];
        tls1_prf(b"tls1-prf-test-secret", &[b"tls1-prf", b"-test"], &mut out);
        assert_eq!(out[..], hex("7144fe2540737595"));
    }

    #[test]
    fn a_secret_of_odd_length_shares_its_middle() {
        let mut odd = [0; 40];
        tls1_prf(b"abc", &[b"seed"], &mut odd);
        let mut even = [0; 40];
        tls1_prf(b"abbc", &[b"seed"], &mut even);
        assert_eq!(odd, even);
    }

    #[test]
    fn the_master_secret() {
        assert_eq!(
            master_secret(&pre_master(), CLIENT, SERVER)[..],
            hex(
                "8d4d229a2b8a2af73a3e37ceca8c1a2db162292f18b5b070383cd081b68d82b431f11370733cc4b308ba7d5a0975f368"
            )
        );
    }

    #[test]
    fn the_key_block() {
        let block = derive_prf(&pre_master(), CLIENT, SERVER);
        let (client, server) = (block.data_key(Role::Client), block.data_key(Role::Server));
        assert_eq!(
            client.cipher[..32],
            hex("29d42d137aeb58b373130b0c9d1c2a930580983cf57d375c235fa10d9f73d8f4")
        );
        assert_eq!(client.hmac[..8], hex("e3fd7b26a0052d46"));
        assert_eq!(
            server.cipher[..32],
            hex("7a135e0ec83e01771f86f58c09f743ff2e39107a9ee636a2fa17bc4df6a0dbf1")
        );
        assert_eq!(server.hmac[..8], hex("59dc11917395baea"));
        assert_eq!(
            digest::digest(&digest::SHA256, block.as_bytes()).as_ref(),
            hex("4a9224067454cd0501d34fae2372285b81e3e6422e823f8d39c97d88459716e2")
        );
    }
}
