//! [`Pki`]: certificates and keys for one run, and the two configuration texts that hold them.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::Result;
use crate::end::random;

/// The server's common name.
pub const SERVER: &str = "quickstart";
/// The client's common name.
pub const CLIENT: &str = "client1";

/// A CA, a server, a client, and a tls-crypt key: all that a tunnel needs, as PEM. None of it outlives the process,
/// unless somebody writes the profile down.
pub struct Pki {
    ca: String,
    server: Identity,
    client: Identity,
    tls_crypt: String,
}

struct Identity {
    certificate: String,
    key: String,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Pki {
    /// Makes everything anew (ECDSA on P-256).
    pub fn new() -> Result<Self> {
        Self::generate().map_err(|error| format!("cannot make certificates: {error}"))
    }

    fn generate() -> core::result::Result<Self, rcgen::Error> {
        let mut params = named("quickstart CA")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self {
            server: Identity::issue(&ca, SERVER, ExtendedKeyUsagePurpose::ServerAuth)?,
            client: Identity::issue(&ca, CLIENT, ExtendedKeyUsagePurpose::ClientAuth)?,
            ca: ca.pem(),
            tls_crypt: static_key(),
        })
    }

    /// The server's configuration. Its address is the host's business, which binds the socket.
    pub fn server_profile(&self) -> String {
        format!(
            "dev tun\nproto udp\ntopology subnet\nserver 10.8.0.0 255.255.255.0\nkeepalive 10 60\nduplicate-cn\n\
             explicit-exit-notify 1\n{}",
            self.blocks(&self.server)
        )
    }

    /// The client's configuration, which a stock OpenVPN takes as well.
    pub fn client_profile(&self, host: &str, port: u16) -> String {
        format!(
            "client\ndev tun\nproto udp\nremote {host} {port}\nnobind\nremote-cert-tls server\n\
             explicit-exit-notify 1\nverb 3\n{}",
            self.blocks(&self.client)
        )
    }

    fn blocks(&self, own: &Identity) -> String {
        let blocks =
            [("ca", &self.ca), ("cert", &own.certificate), ("key", &own.key), ("tls-crypt", &self.tls_crypt)];
        blocks.map(|(name, text)| format!("<{name}>\n{}\n</{name}>\n", text.trim_end())).concat()
    }
}

impl Identity {
    fn issue(
        ca: &Issuer,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> core::result::Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = named(name)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        Ok(Self { certificate: params.signed_by(&key, ca)?.pem(), key: key.serialize_pem() })
    }
}

fn named(common_name: &str) -> core::result::Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

/// A static key as `openvpn --genkey secret` writes it: 256 random bytes.
fn static_key() -> String {
    let mut bytes = [0; 256];
    random(&mut bytes);
    let lines = bytes.chunks(16).map(|line| {
        let digits: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
        digits + "\n"
    });
    let body: String = lines.collect();
    format!("-----BEGIN OpenVPN Static key V1-----\n{body}-----END OpenVPN Static key V1-----\n")
}
