//! Handshakes in memory between our own two ends, and against rustls' buffered connections.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use rustls::crypto::CryptoProvider;

use super::*;
use crate::algorithm::Role;
use crate::config::{Diagnostic, NamedText, TlsConfig, TlsVersion, TlsVersionMax};
use crate::time::UnixTime;

/// 2027-01-01, within the validity of most certificates of `testdata`.
const NOW: UnixTime = UnixTime(1_798_761_600);
const LIMIT: usize = 84 * 1024;
const LABEL: &[u8] = b"EXPORTER-OpenVPN-datakeys";

macro_rules! testdata {
    ($name:literal) => {
        crate::config::NamedText::file(
            $name,
            &include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/testdata/", $name))[..],
        )
    };
}

mod refusals;

fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn config(ca: NamedText, cert: NamedText, key: NamedText) -> TlsConfig {
    TlsConfig { ca: Some(ca), cert: Some(cert), key: Some(key), ..TlsConfig::default() }
}

fn server_config() -> TlsConfig {
    config(testdata!("ca.crt"), testdata!("server.crt"), testdata!("rsa.key"))
}

fn client_config() -> TlsConfig {
    config(testdata!("ca.crt"), testdata!("client.crt"), testdata!("rsa.key"))
}

fn context(role: Role, config: &TlsConfig) -> Result<TlsContext, Diagnostic> {
    TlsContext::new(role, config, crypto())
}

/// The two ends of a connection, and what became of it.
struct Pair {
    client: Box<dyn TlsConnection>,
    server: Box<dyn TlsConnection>,
    client_error: Option<TlsError>,
    server_error: Option<TlsError>,
}

impl Pair {
    fn new(client: &TlsConfig, server: &TlsConfig) -> Self {
        Self::at(NOW, client, server)
    }

    fn at(unix: UnixTime, client: &TlsConfig, server: &TlsConfig) -> Self {
        let connect = |role, config| context(role, config).unwrap().connection(unix, LIMIT).unwrap();
        Self {
            client: connect(Role::Client, client),
            server: connect(Role::Server, server),
            client_error: None,
            server_error: None,
        }
    }

    /// Carries bytes to and fro until nobody has any; an end that failed still gets its alert out.
    fn run(&mut self) {
        loop {
            let mut to_server = Vec::new();
            let mut to_client = Vec::new();
            self.client.poll_bytes(&mut to_server);
            self.server.poll_bytes(&mut to_client);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            // Small pieces, as control packets make them.
            for piece in to_server.chunks(100) {
                self.server_error = self.server.handle_bytes(piece).err();
            }
            for piece in to_client.chunks(100) {
                self.client_error = self.client.handle_bytes(piece).err();
            }
        }
    }

    fn handshake(client: &TlsConfig, server: &TlsConfig) -> Self {
        let mut pair = Self::new(client, server);
        pair.run();
        assert_eq!((&pair.client_error, &pair.server_error), (&None, &None));
        assert!(!pair.client.is_handshaking() && !pair.server.is_handshaking());
        pair
    }
}

fn versions(config: &mut TlsConfig, min: TlsVersion, max: TlsVersion) {
    config.version_min = min;
    config.version_max = TlsVersionMax(max);
}

#[test]
fn both_versions_carry_data_and_export_the_same() {
    for (version, protocol) in [
        (TlsVersion::V1_2, TlsProtocol { version: "TLSv1.2", cipher_suite: "ECDHE-RSA-AES256-GCM-SHA384" }),
        (TlsVersion::V1_3, TlsProtocol { version: "TLSv1.3", cipher_suite: "TLS_AES_256_GCM_SHA384" }),
    ] {
        let mut client = client_config();
        versions(&mut client, version, version);
        let mut pair = Pair::new(&client, &server_config());
        assert!(pair.client.export(LABEL, &mut [0; 32]).is_err());
        assert_eq!((pair.client.protocol(), pair.client.peer_certificate()), (None, None));
        // Written before the handshake is done, as OpenVPN writes its key method 2 message.
        pair.client.write(b"one").unwrap();
        pair.client.write(b"two").unwrap();
        pair.server.write(&[7; 40_000]).unwrap();
        pair.run();
        assert_eq!((&pair.client_error, &pair.server_error), (&None, &None));
        assert_eq!((pair.client.protocol(), pair.server.protocol()), (Some(protocol), Some(protocol)));

        assert_eq!(pair.server.poll_plaintext().unwrap().as_slice(), b"one");
        assert_eq!(pair.server.poll_plaintext().unwrap().as_slice(), b"two");
        assert_eq!(pair.server.poll_plaintext(), None);
        let long: Vec<u8> =
            core::iter::from_fn(|| pair.client.poll_plaintext()).flat_map(|record| record.to_vec()).collect();
        assert_eq!(long, [7; 40_000]);

        let (mut ours, mut theirs) = ([0; 256], [0; 256]);
        pair.client.export(LABEL, &mut ours).unwrap();
        pair.server.export(LABEL, &mut theirs).unwrap();
        assert_eq!(ours, theirs);
        assert_ne!(ours, [0; 256]);

        let seen = pair.server.peer_certificate().unwrap();
        assert_eq!(seen.common_name.as_deref(), Some("client1"));
        assert_eq!(subjects(seen), ["C=XX, O=Example, CN=client1", "C=XX, O=Example, CN=Example CA"]);
        let leaf = seen.leaf().unwrap();
        let attributes = [("C", "XX"), ("O", "Example"), ("CN", "client1")];
        assert!(leaf.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(attributes));
        assert_eq!(
            (leaf.serial.to_string().as_str(), std::format!("{:x}", leaf.serial)),
            ("4098", "10:02".into())
        );
        // As `openssl x509 -fingerprint` has it.
        assert_eq!(hex(&leaf.sha1), "257a2515f208529bb45f7cd9f2ab3e5b4f454712");
        assert_eq!(hex(&leaf.sha256), "d47bb50d26bda1c563d4f900e61bc666f8274bd15198ba1097fc333ba5dd5fe0");
        assert_eq!(pair.client.peer_certificate().unwrap().common_name.as_deref(), Some("server"));
    }
}

#[test]
fn every_kind_of_key_works() {
    let identities = [
        (testdata!("client.crt"), testdata!("rsa-pkcs1.key"), "client1"),
        (testdata!("client-p384.crt"), testdata!("p384.key"), "client-p384"),
        (testdata!("client-ed25519.crt"), testdata!("ed25519.key"), "client-ed25519"),
        (testdata!("client-3023.crt"), testdata!("rsa.key"), "client-3023"),
    ];
    for key in [testdata!("p256.key"), testdata!("p256-sec1.key")] {
        let server = config(testdata!("ca.crt"), testdata!("server-p256.crt"), key);
        for (cert, key, name) in identities.clone() {
            let pair = Pair::handshake(&config(testdata!("ca.crt"), cert, key), &server);
            assert_eq!(pair.server.peer_certificate().unwrap().common_name.as_deref(), Some(name));
        }
    }
}

#[test]
fn certificates_of_easy_rsa_work_with_their_text() {
    let cert = testdata!("easyrsa-client.crt");
    assert!(cert.text.starts_with(b"Certificate:\n    Data:\n"));
    let client = config(testdata!("ca.crt"), cert, testdata!("easyrsa-client.key"));
    let server = TlsConfig { ca: Some(testdata!("easyrsa-ca.crt")), ..server_config() };
    let pair = Pair::handshake(&client, &server);
    let seen = pair.server.peer_certificate().unwrap();
    assert_eq!(subjects(seen), ["CN=client1", "CN=Easy-RSA CA"]);
    // Beyond what 32 bits hold.
    assert!(seen.not_after.0 > u64::from(u32::MAX));
}

#[test]
fn chains_are_built_from_what_either_end_has() {
    let deep = |extra| TlsConfig {
        extra_certs: extra,
        ..config(testdata!("ca.crt"), testdata!("deep.crt"), testdata!("rsa.key"))
    };
    let names = ["CN=deep", "CN=Intermediate CA", "C=XX, O=Example, CN=Example CA"];

    let sent = Pair::handshake(&deep(Some(testdata!("intermediate.crt"))), &server_config());
    assert_eq!(subjects(sent.server.peer_certificate().unwrap()), names);

    let both = joined("both.pem", &[testdata!("ca.crt"), testdata!("intermediate.crt")]);
    let known = TlsConfig { ca: Some(both.clone()), ..server_config() };
    let pair = Pair::handshake(&deep(None), &known);
    assert_eq!(subjects(pair.server.peer_certificate().unwrap()), names);

    // Without a chain in `cert`, what `ca` has of it is sent.
    let completed = TlsConfig { ca: Some(both), ..deep(None) };
    let pair = Pair::handshake(&completed, &server_config());
    assert_eq!(subjects(pair.server.peer_certificate().unwrap()), names);
}

#[test]
fn a_renewed_ca_may_stand_beside_the_expired_one() {
    let both = joined("ca.pem", &[testdata!("ca-expired.crt"), testdata!("ca.crt")]);
    Pair::handshake(&client_config(), &TlsConfig { ca: Some(both), ..server_config() });
}

#[test]
fn a_client_without_a_certificate_is_let_in_where_that_is_permitted() {
    let anonymous = TlsConfig { ca: Some(testdata!("ca.crt")), ..TlsConfig::default() };
    for verify_client_cert in
        [crate::config::VerifyClientCert::None, crate::config::VerifyClientCert::Optional]
    {
        let pair = Pair::handshake(&anonymous, &TlsConfig { verify_client_cert, ..server_config() });
        assert_eq!(pair.server.peer_certificate(), None);
    }
    let optional =
        TlsConfig { verify_client_cert: crate::config::VerifyClientCert::Optional, ..server_config() };
    assert!(Pair::handshake(&client_config(), &optional).server.peer_certificate().is_some());
}

/// Our exporter against rustls' own, which only its buffered connections have.
#[test]
fn the_exporter_is_that_of_rustls() {
    use rustls::{ClientConnection, ServerConnection};
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (mut ours, mut theirs) = ([0; 256], [0; 256]);

        let mut server = context(Role::Server, &server_config()).unwrap().connection(NOW, LIMIT).unwrap();
        let config = anyone::client_config(version);
        let mut client = ClientConnection::new(config, "server".try_into().unwrap()).unwrap();
        anyone::run(&mut client, &mut *server);
        client.export_keying_material(&mut theirs, LABEL, None).unwrap();
        server.export(LABEL, &mut ours).unwrap();
        assert_eq!(ours, theirs);

        let mut client = context(Role::Client, &client_config()).unwrap().connection(NOW, LIMIT).unwrap();
        let mut server = ServerConnection::new(anyone::server_config(version)).unwrap();
        anyone::run(&mut server, &mut *client);
        server.export_keying_material(&mut theirs, LABEL, None).unwrap();
        client.export(LABEL, &mut ours).unwrap();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn warnings_name_certificate_and_cause() {
    let weak = TlsConfig { cert: Some(testdata!("sha1.crt")), ..client_config() };
    let context = context(Role::Client, &weak).unwrap();
    assert_eq!(
        texts(context.warnings()),
        [
            "sha1.crt:1: the certificate (CN=sha1) is signed with SHA-1: peers with present-day TLS libraries refuse it"
        ]
    );

    assert_eq!(context.date_warnings(NOW), []);
    let far = context.date_warnings(UnixTime(4_102_358_400));
    assert_eq!(far.len(), 2);
    assert_eq!(far[0].message, "the certificate (CN=sha1) expires soon, on 2099-12-31");
}

#[test]
fn authorities_that_are_none_are_warned_about() {
    let odd = TlsConfig { ca: Some(testdata!("rsa1024.crt")), ..client_config() };
    assert_eq!(
        texts(context(Role::Client, &odd).unwrap().warnings()),
        [
            "rsa1024.crt:1: the CA certificate (CN=rsa1024) has an RSA key of 1024 bits, where 2048 are the least: it can vouch for nobody",
            "rsa1024.crt:1: no certificate of `ca` is self-signed: each is taken as a trust anchor, which OpenVPN with OpenSSL refuses",
        ]
    );
    let intermediate = TlsConfig { ca: Some(testdata!("intermediate.crt")), ..server_config() };
    let deep = config(testdata!("ca.crt"), testdata!("deep.crt"), testdata!("rsa.key"));
    let pair = Pair::handshake(&deep, &intermediate);
    assert_eq!(subjects(pair.server.peer_certificate().unwrap()), ["CN=deep", "CN=Intermediate CA"]);
}

#[test]
fn a_context_is_shared_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<TlsContext>();
}

fn subjects(certificate: &PeerCertificate) -> Vec<&str> {
    certificate.chain.iter().map(|link| link.subject.as_str()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| std::format!("{byte:02x}")).collect()
}

fn texts(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

fn joined(name: &str, parts: &[NamedText]) -> NamedText {
    NamedText::file(name, parts.iter().flat_map(|part| part.text.to_vec()).collect::<Vec<_>>())
}

/// rustls' buffered connections, which believe anyone.
mod anyone {
    use super::*;
    use pki_types::pem::PemObject;
    use pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::server::NoServerSessionStorage;
    use rustls::{
        ClientConfig, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
        SupportedProtocolVersion,
    };

    pub(super) fn client_config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let builder =
            ClientConfig::builder_with_provider(crypto()).with_protocol_versions(&[version]).unwrap();
        let (cert, key) = identity(include_bytes!("testdata/client.crt"));
        let believer = Arc::new(Believer);
        Arc::new(
            builder
                .dangerous()
                .with_custom_certificate_verifier(believer)
                .with_client_auth_cert(cert, key)
                .unwrap(),
        )
    }

    pub(super) fn server_config(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
        let builder =
            ServerConfig::builder_with_provider(crypto()).with_protocol_versions(&[version]).unwrap();
        let (cert, key) = identity(include_bytes!("testdata/server.crt"));
        let mut config = builder.with_no_client_auth().with_single_cert(cert, key).unwrap();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Arc::new(config)
    }

    fn identity(cert: &[u8]) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("testdata/rsa.key")).unwrap();
        (vec![CertificateDer::from_pem_slice(cert).unwrap()], key)
    }

    pub(super) fn run<Data>(
        theirs: &mut impl core::ops::DerefMut<Target = ConnectionCommon<Data>>,
        ours: &mut dyn TlsConnection,
    ) where
        Data: rustls::SideData,
    {
        while theirs.is_handshaking() || ours.is_handshaking() {
            let mut bytes = Vec::new();
            while theirs.wants_write() {
                theirs.write_tls(&mut bytes).unwrap();
            }
            ours.handle_bytes(&bytes).unwrap();
            bytes.clear();
            ours.poll_bytes(&mut bytes);
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                theirs.read_tls(&mut rest).unwrap();
                theirs.process_new_packets().unwrap();
            }
        }
    }

    #[derive(Debug)]
    struct Believer;

    impl ServerCertVerifier for Believer {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: pki_types::UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            crypto().signature_verification_algorithms.supported_schemes()
        }
    }
}
