//! The options string of the key method message ("OCC"): each end's settings, once compared, now mostly courtesy.
//!
//! Peers only warn about differences, but some old servers refuse an empty string, and two of its words still decide
//! something: `cipher` for peers that cannot negotiate one, and `comp-lzo`.

use alloc::vec::Vec;
use core::fmt;

use crate::algorithm::{Cipher, Digest, Role};
use crate::path::Transport;

/// The settings that the options string tells. `Display` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionsString {
    /// Which end this is.
    pub role: Role,
    /// UDP or TCP, whatever the IP version.
    pub transport: Transport,
    /// `tun-mtu`, in bytes.
    pub tun_mtu: u16,
    /// `cipher`, if the configuration names one and it may be negotiated.
    pub cipher: Option<Cipher>,
    /// `auth`.
    pub digest: Digest,
    /// Whether control packets are under tls-auth; tls-crypt does not show.
    pub tls_auth: bool,
    /// `key-direction`, as this end uses it.
    pub key_direction: Option<u8>,
    /// Whether packets are framed for compression, of whatever kind.
    pub comp: bool,
}

impl OptionsString {
    /// The link MTU as OpenVPN counts it here: by the cipher that is named, not by the one that will be used.
    fn link_mtu(&self) -> usize {
        const OPCODE: usize = 1;
        // Packet id, IV, tag and a block, as OpenVPN adds them up for an AEAD cipher.
        const AEAD: usize = 4 + 12 + 16 + 16;
        // Without a cipher the string is that of OpenVPN's oldest default: IV and block of BF-CBC, packet id, HMAC.
        let cbc = 16 + 4 + self.digest.len();
        let crypto = if self.cipher.is_some() { AEAD } else { cbc };
        let prefix = if self.transport == Transport::Tcp { 2 } else { 0 };
        usize::from(self.tun_mtu) + usize::from(self.comp) + prefix + OPCODE + crypto
    }
}

impl fmt::Display for OptionsString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proto = match (self.transport, self.role) {
            (Transport::Udp, _) => "UDPv4",
            (Transport::Tcp, Role::Client) => "TCPv4_CLIENT",
            (Transport::Tcp, Role::Server) => "TCPv4_SERVER",
        };
        write!(f, "V4,dev-type tun,link-mtu {},tun-mtu {},proto {proto}", self.link_mtu(), self.tun_mtu)?;
        if self.comp {
            f.write_str(",comp-lzo")?;
        }
        if let Some(direction) = self.key_direction {
            write!(f, ",keydir {direction}")?;
        }
        match self.cipher {
            Some(cipher) => {
                write!(f, ",cipher {cipher},auth [null-digest],keysize {}", 8 * cipher.key_len())?;
            }
            None => write!(f, ",auth {},keysize 128", self.digest)?,
        }
        if self.tls_auth {
            f.write_str(",tls-auth")?;
        }
        f.write_str(match self.role {
            Role::Client => ",key-method 2,tls-client",
            Role::Server => ",key-method 2,tls-server",
        })
    }
}

/// The name after `cipher` in a peer's options string.
pub fn cipher(options: &str) -> Option<&str> {
    options.split(',').find_map(|option| option.strip_prefix("cipher "))
}

/// Whether a peer's options string says that it frames packets for compression.
pub fn comp_lzo(options: &str) -> bool {
    options.split(',').any(|option| option == "comp-lzo")
}

/// An option in which two ends differ. `Display` puts it into words, for a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The option's name.
    pub name: &'a str,
    /// What we say after it, perhaps nothing; `None` if we do not have the option.
    pub ours: Option<&'a str>,
    /// What the peer says after it.
    pub theirs: Option<&'a str>,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match (self.ours, self.theirs) {
            (Some(ours), Some(theirs)) => write!(f, "{name} is {ours} here and {theirs} at the peer"),
            (Some(_), None) => write!(f, "{name} is set here and not at the peer"),
            (None, _) => write!(f, "{name} is set at the peer and not here"),
        }
    }
}

/// Where two options strings differ. Nothing if the peer's is of another version than `V4`; options that differ by
/// role, or that OpenVPN no longer compares, are passed over.
pub fn differences<'a>(ours: &'a str, theirs: &'a str) -> Vec<Difference<'a>> {
    const IGNORED: [&str; 8] =
        ["key-method", "keydir", "proto", "tls-auth", "tun-ipv6", "cipher", "tls-client", "tls-server"];

    if !theirs.starts_with("V4") {
        return Vec::new();
    }
    let compared = |options: &'a str| {
        let pairs = options.split(',').skip(1).map(|option| option.split_once(' ').unwrap_or((option, "")));
        pairs.filter(|(name, _)| !name.is_empty() && !IGNORED.contains(name))
    };
    let value = |options: &'a str, name: &str| {
        compared(options).find(|&(known, _)| known == name).map(|(_, value)| value)
    };
    let mut found: Vec<_> = compared(ours)
        .filter(|own| !compared(theirs).any(|other| other == *own))
        .map(|(name, own)| Difference { name, ours: Some(own), theirs: value(theirs, name) })
        .collect();
    let theirs_alone = compared(theirs).filter(|&(name, _)| value(ours, name).is_none());
    found.extend(theirs_alone.map(|(name, value)| Difference { name, ours: None, theirs: Some(value) }));
    found
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    const CLIENT: OptionsString = OptionsString {
        role: Role::Client,
        transport: Transport::Udp,
        tun_mtu: 1500,
        cipher: None,
        digest: Digest::Sha1,
        tls_auth: false,
        key_direction: None,
        comp: false,
    };

    #[test]
    fn without_a_cipher_as_2_6_sends_it() {
        assert_eq!(
            CLIENT.to_string(),
            "V4,dev-type tun,link-mtu 1541,tun-mtu 1500,proto UDPv4,auth SHA1,keysize 128,key-method 2,tls-client"
        );
    }

    #[test]
    fn with_an_aead_cipher() {
        let options = OptionsString { cipher: Some(Cipher::Aes256Gcm), ..CLIENT };
        assert_eq!(
            options.to_string(),
            "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth [null-digest],\
             keysize 256,key-method 2,tls-client"
        );
    }

    #[test]
    fn a_server_on_tcp_with_everything() {
        let options = OptionsString {
            role: Role::Server,
            transport: Transport::Tcp,
            cipher: Some(Cipher::Aes128Gcm),
            tls_auth: true,
            key_direction: Some(0),
            comp: true,
            ..CLIENT
        };
        assert_eq!(
            options.to_string(),
            "V4,dev-type tun,link-mtu 1552,tun-mtu 1500,proto TCPv4_SERVER,comp-lzo,keydir 0,cipher AES-128-GCM,\
             auth [null-digest],keysize 128,tls-auth,key-method 2,tls-server"
        );
    }

    #[test]
    fn link_mtu_grows_with_the_digest_only_without_a_cipher() {
        let sha256 = OptionsString { digest: Digest::Sha256, ..CLIENT };
        assert!(sha256.to_string().contains("link-mtu 1553,"));
        let gcm = OptionsString { cipher: Some(Cipher::Aes256Gcm), ..sha256 };
        assert!(gcm.to_string().contains("link-mtu 1549,"));
    }

    #[test]
    fn what_a_server_reads_from_a_client() {
        let options = "V4,dev-type tun,comp-lzo,cipher BF-CBC,auth SHA1";
        assert_eq!(cipher(options), Some("BF-CBC"));
        assert!(comp_lzo(options));
        assert_eq!(cipher("V4,auth SHA1"), None);
        assert!(!comp_lzo("V4,comp-lzoX"));
    }

    #[test]
    fn only_what_is_still_compared_differs() {
        let ours = CLIENT.to_string();
        let peer = OptionsString { role: Role::Server, tls_auth: true, key_direction: Some(0), ..CLIENT };
        assert_eq!(differences(&ours, &peer.to_string()), []);

        let peer = OptionsString { tun_mtu: 1400, comp: true, ..peer }.to_string();
        let found: Vec<_> = differences(&ours, &peer).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "link-mtu is 1541 here and 1442 at the peer",
                "tun-mtu is 1500 here and 1400 at the peer",
                "comp-lzo is set at the peer and not here",
            ]
        );
        assert_eq!(differences("V4,x", "V4")[0].to_string(), "x is set here and not at the peer");
        assert_eq!(differences(&ours, "V5,tun-mtu 1"), [], "another version says nothing");
        assert_eq!(differences(&ours, ""), []);
    }

    proptest! {
        #[test]
        fn a_string_does_not_differ_from_itself(ours in "V4(,[a-c]( [0-1])?){0,5}", theirs in "V4(,[a-c ]{0,4}){0,5}") {
            prop_assert_eq!(differences(&ours, &ours), []);
            for difference in differences(&ours, &theirs) {
                prop_assert!(difference.ours.is_some() || difference.theirs.is_some());
            }
        }
    }
}
