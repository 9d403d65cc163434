//! What scripts are told about a peer: its certificate, its address, what it says of itself.

use adit::{ChainCertificate, Path, PeerCertificate};

use super::env::Env;

/// The certificates from the root down to depth `to`, each under its depth.
pub(crate) fn set_certificates(env: &mut Env, certificate: &PeerCertificate, to: usize) {
    for (depth, link) in certificate.chain.iter().enumerate().skip(to) {
        set_certificate(env, depth, link);
    }
    if let (0, Some(name)) = (to, &certificate.common_name) {
        env.set("common_name", name);
    }
}

fn set_certificate(env: &mut Env, depth: usize, link: &ChainCertificate) {
    for (name, value) in &link.attributes {
        // What OpenSSL has no short name for, it leaves out.
        if !name.starts_with(|c: char| c.is_ascii_digit()) {
            env.add(&format!("X509_{depth}_{name}"), value);
        }
    }
    env.set(&format!("tls_id_{depth}"), &link.subject);
    env.set(&format!("tls_serial_{depth}"), &link.serial);
    env.set(&format!("tls_serial_hex_{depth}"), format_args!("{:x}", link.serial));
    env.set(&format!("tls_digest_{depth}"), colons(&link.sha1));
    env.set(&format!("tls_digest_sha256_{depth}"), colons(&link.sha256));
}

/// The address of a peer that has yet to prove who it is.
pub(crate) fn set_untrusted(env: &mut Env, path: &Path) {
    env.set_address("untrusted", &path.remote);
}

/// The address of a peer that has.
pub(crate) fn set_trusted(env: &mut Env, path: &Path) {
    env.set_address("trusted", &path.remote);
}

/// What the peer says of itself: `IV_VER` and the like. Values lose what a careless shell would make something of, and
/// space.
pub(crate) fn set_info(env: &mut Env, lines: &[(String, String)]) {
    for (name, value) in lines {
        let tame = |c: char| if c.is_ascii_graphic() && !"$(`".contains(c) { c } else { '_' };
        env.set(name, value.chars().map(tame).collect::<String>());
    }
}

fn colons(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_of_itself_is_tamed() {
        let mut env = Env::default();
        let lines = [("IV_VER", "2.6.14"), ("UV_EVIL", "$(reboot) `id`;é\u{7}"), ("IV_CIPHERS", "A:B")];
        set_info(&mut env, &lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let all: Vec<_> = env.iter(true).collect();
        assert_eq!(all, [("IV_CIPHERS", "A:B"), ("IV_VER", "2.6.14"), ("UV_EVIL", "__reboot)__id_;__")]);
    }

    #[test]
    fn fingerprints_are_written_with_colons() {
        assert_eq!(colons(&[0, 0xab, 0x7]), "00:ab:07");
    }
}
