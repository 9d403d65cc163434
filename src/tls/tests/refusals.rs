//! What is wrong is said in one clear sentence, on both ends.

use super::*;
use crate::config::{CertRole, VerifyX509Name};

fn client_with(cert: NamedText) -> TlsConfig {
    TlsConfig { cert: Some(cert), ..client_config() }
}

fn server_with(cert: NamedText) -> TlsConfig {
    TlsConfig { cert: Some(cert), ..server_config() }
}

/// Runs a handshake that the server refuses: its sentence, its kind, and the client's sentence.
fn refused_by_server(client: &TlsConfig, server: &TlsConfig) -> (String, TlsErrorKind, String) {
    let mut pair = Pair::new(client, server);
    pair.run();
    let (ours, theirs) = (pair.server_error.unwrap(), pair.client_error.unwrap());
    assert_eq!(theirs.kind(), TlsErrorKind::Alert);
    assert_eq!(pair.server.peer_certificate(), None);
    (ours.to_string(), ours.kind(), theirs.to_string())
}

/// Runs a handshake that the client refuses: its sentence, its kind, and the server's sentence.
fn refused_by_client(
    unix: UnixTime,
    client: &TlsConfig,
    server: &TlsConfig,
) -> (String, TlsErrorKind, String) {
    let mut pair = Pair::at(unix, client, server);
    pair.run();
    let (ours, theirs) = (pair.client_error.unwrap(), pair.server_error.unwrap());
    assert_eq!(theirs.kind(), TlsErrorKind::Alert);
    (ours.to_string(), ours.kind(), theirs.to_string())
}

#[test]
fn dates() {
    let (ours, kind, theirs) = refused_by_server(&client_with(testdata!("expired.crt")), &server_config());
    assert_eq!(ours, "the peer's certificate (CN=expired) expired on 2024-01-31");
    assert_eq!(kind, TlsErrorKind::Expired);
    assert_eq!(
        theirs,
        "the peer refused our certificate: certificate expired or not yet valid, or the peer's clock is wrong"
    );

    let (ours, kind, _) = refused_by_server(&client_with(testdata!("future.crt")), &server_config());
    assert_eq!(
        ours,
        "the peer's certificate (CN=future) is not yet valid: it begins on 2030-01-01, and the clock of this system says 2027-01-01"
    );
    assert_eq!(kind, TlsErrorKind::NotYetValid);

    let (ours, kind, _) = refused_by_client(UnixTime(7), &client_config(), &server_config());
    assert_eq!(
        ours,
        "the clock of this system is wrong, it says 1970-01-01: the peer's certificate (C=XX, O=Example, CN=server) seems not yet valid, it begins on 2016-01-01"
    );
    assert_eq!(kind, TlsErrorKind::NotYetValid);

    let expired_ca = TlsConfig { ca: Some(testdata!("ca-expired.crt")), ..server_config() };
    let (ours, ..) = refused_by_server(&client_config(), &expired_ca);
    assert_eq!(ours, "the CA certificate (C=XX, O=Example, CN=Example CA) expired on 2025-12-31");
}

#[test]
fn revocation() {
    let with_crl = |crl| TlsConfig { crl: Some(crl), ..server_config() };
    let (ours, kind, theirs) =
        refused_by_server(&client_with(testdata!("revoked.crt")), &with_crl(testdata!("crl.pem")));
    assert_eq!(ours, "the peer's certificate (CN=revoked) is revoked (crl-verify)");
    assert_eq!(kind, TlsErrorKind::Revoked);
    assert_eq!(theirs, "the peer refused our certificate: certificate revoked");
    Pair::handshake(&client_config(), &with_crl(testdata!("crl.pem")));

    let (ours, kind, _) = refused_by_server(&client_config(), &with_crl(testdata!("crl-expired.pem")));
    assert_eq!(
        ours,
        "the revocation list (crl-verify) for the peer's certificate (C=XX, O=Example, CN=client1) has expired: its next update was due on 2026-01-01"
    );
    assert_eq!(kind, TlsErrorKind::RevocationListExpired);

    // An issuer without a list passes.
    let both = joined("ca.pem", &[testdata!("ca.crt"), testdata!("stranger-ca.crt")]);
    let server = TlsConfig { ca: Some(both), ..with_crl(testdata!("crl.pem")) };
    Pair::handshake(&client_with(testdata!("stranger.crt")), &server);
}

#[test]
fn unknown_authorities() {
    let (ours, kind, theirs) = refused_by_server(&client_with(testdata!("stranger.crt")), &server_config());
    assert_eq!(
        ours,
        "the peer's certificate (CN=stranger) is signed by a CA that is not in our `ca`: CN=Stranger CA"
    );
    assert_eq!(kind, TlsErrorKind::UnknownCa);
    assert_eq!(theirs, "the peer refused our certificate: unknown CA: the peer's `ca` does not vouch for it");

    let (ours, kind, _) = refused_by_server(&client_with(testdata!("lookalike.crt")), &server_config());
    assert_eq!(
        ours,
        "the peer's certificate (CN=lookalike) is signed by another CA than ours, which has the same name: C=XX, O=Example, CN=Example CA"
    );
    assert_eq!(kind, TlsErrorKind::UnknownCa);

    // The same with a key of another kind: every easy-rsa calls its CA so.
    let client =
        config(testdata!("ca.crt"), testdata!("easyrsa-client.crt"), testdata!("easyrsa-client.key"));
    let server = TlsConfig { ca: Some(testdata!("easyrsa-ca-p256.crt")), ..server_config() };
    let (ours, kind, _) = refused_by_server(&client, &server);
    assert_eq!(
        ours,
        "the peer's certificate (CN=client1) is signed by another CA than ours, which has the same name: CN=Easy-RSA CA"
    );
    assert_eq!(kind, TlsErrorKind::UnknownCa);

    let (ours, ..) = refused_by_server(&client_with(testdata!("deep.crt")), &server_config());
    assert_eq!(
        ours,
        "the peer's certificate (CN=deep) is signed by a CA that is not in our `ca`: CN=Intermediate CA"
    );

    let misled = TlsConfig {
        extra_certs: Some(testdata!("not-a-signer.crt")),
        ..client_with(testdata!("misled.crt"))
    };
    let (ours, ..) = refused_by_server(&misled, &server_config());
    assert_eq!(ours, "the CA certificate (CN=Not a signer) is not made to sign certificates (key usage)");
}

#[test]
fn purposes() {
    let (ours, kind, theirs) = refused_by_server(&client_with(testdata!("server.crt")), &server_config());
    assert_eq!(
        ours,
        "the client presents a server-only certificate (C=XX, O=Example, CN=server): unsuitable certificate purpose"
    );
    assert_eq!(kind, TlsErrorKind::WrongUsage);
    assert_eq!(
        theirs,
        "the peer refused our certificate: certificate made for another purpose, or of an unsupported kind"
    );
    let (ours, ..) = refused_by_client(NOW, &client_config(), &server_with(testdata!("client.crt")));
    assert!(ours.starts_with("the server presents a client-only certificate"), "{ours}");
    let (ours, ..) = refused_by_server(&client_with(testdata!("netscape.crt")), &server_config());
    assert!(ours.starts_with("the client presents a server-only certificate (CN=netscape)"), "{ours}");

    for cert in [testdata!("plain.crt"), testdata!("both.crt")] {
        Pair::handshake(&client_with(cert.clone()), &server_with(cert));
    }
}

#[test]
fn remote_cert_tls() {
    let client = TlsConfig { remote_cert_tls: Some(CertRole::Server), ..client_config() };
    Pair::handshake(&client, &server_config());
    let (ours, kind, _) = refused_by_client(NOW, &client, &server_with(testdata!("both.crt")));
    assert_eq!(
        ours,
        "the peer's certificate (CN=both) has no key usage extension, as remote-cert-tls server demands"
    );
    assert_eq!(kind, TlsErrorKind::WrongUsage);

    let server = TlsConfig { remote_cert_tls: Some(CertRole::Server), ..server_config() };
    let (ours, ..) = refused_by_server(&client_config(), &server);
    assert_eq!(
        ours,
        "the peer's certificate (C=XX, O=Example, CN=client1) has no extended key usage `TLS Web Server Authentication`, as remote-cert-tls server demands"
    );
}

#[test]
fn ns_cert_type() {
    let client = TlsConfig { ns_cert_type: Some(CertRole::Server), ..client_config() };
    for cert in [testdata!("netscape.crt"), testdata!("server.crt"), testdata!("both.crt")] {
        Pair::handshake(&client, &server_with(cert));
    }
    let (ours, ..) = refused_by_client(NOW, &client, &server_with(testdata!("plain.crt")));
    assert_eq!(
        ours,
        "the peer's certificate (CN=plain) is not designated for a server, as ns-cert-type demands: it has neither the Netscape certificate type nor the extended key usage"
    );
}

#[test]
fn verify_x509_name() {
    let demanding = |rule| TlsConfig { verify_x509_name: Some(rule), ..server_config() };
    for rule in [
        VerifyX509Name::Subject("C=XX, O=Example, CN=client1".into()),
        VerifyX509Name::Name("client1".into()),
        VerifyX509Name::NamePrefix("client".into()),
    ] {
        Pair::handshake(&client_config(), &demanding(rule));
    }
    for (rule, sentence) in [
        (
            VerifyX509Name::Subject("CN=client1".into()),
            "subject `CN=client1`, got `C=XX, O=Example, CN=client1`",
        ),
        (VerifyX509Name::Name("client".into()), "common name `client`, got `client1`"),
        (VerifyX509Name::NamePrefix("client2".into()), "common name prefix `client2`, got `client1`"),
    ] {
        let (ours, kind, theirs) = refused_by_server(&client_config(), &demanding(rule));
        assert_eq!(
            ours,
            alloc::format!(
                "the peer has another name than verify-x509-name demands: expected the {sentence}"
            )
        );
        assert_eq!(kind, TlsErrorKind::WrongName);
        assert_eq!(theirs, "the peer ended the TLS connection: alert access denied");
    }
}

#[test]
fn bad_certificates() {
    let (ours, kind, _) = refused_by_server(&client_with(testdata!("no-cn.crt")), &server_config());
    assert_eq!(ours, "the peer's certificate (O=Nameless) has no common name (CN)");
    assert_eq!(kind, TlsErrorKind::BadCertificate);
    let (ours, ..) = refused_by_server(&client_with(testdata!("sha1.crt")), &server_config());
    assert_eq!(ours, "the certificate (CN=sha1) is signed with SHA-1, which is not to be trusted");
    let (ours, ..) = refused_by_server(&client_with(testdata!("ca-as-client.crt")), &server_config());
    assert_eq!(ours, "the peer's certificate (CN=a CA) is a CA's, which no peer may use as its own");
}

#[test]
fn no_certificate() {
    let anonymous = TlsConfig { ca: Some(testdata!("ca.crt")), ..TlsConfig::default() };
    let (ours, kind, theirs) = refused_by_server(&anonymous, &server_config());
    assert_eq!(ours, "the peer presented no certificate");
    assert_eq!(kind, TlsErrorKind::NoCertificate);
    assert_eq!(theirs, "the peer demands a certificate, and we have none");
}

#[test]
fn no_common_version() {
    let mut old = server_config();
    versions(&mut old, TlsVersion::V1_2, TlsVersion::V1_2);
    let mut new = client_config();
    versions(&mut new, TlsVersion::V1_3, TlsVersion::V1_3);
    let (ours, kind, theirs) = refused_by_server(&new, &old);
    assert_eq!(ours, "the peer demands more than TLS 1.2, which is our tls-version-max");
    assert_eq!(kind, TlsErrorKind::NoCommonVersion);
    assert_eq!(theirs, "the peer supports none of the TLS versions that we offer");

    let mut new = server_config();
    versions(&mut new, TlsVersion::V1_3, TlsVersion::V1_3);
    let mut old = client_config();
    versions(&mut old, TlsVersion::V1_2, TlsVersion::V1_2);
    let (ours, ..) = refused_by_server(&old, &new);
    assert_eq!(ours, "the peer offers TLS 1.2 at most; adit needs TLS 1.3");
}

/// The hello of `openssl s_client -tls1`, shortened to one cipher suite (TLS_RSA_WITH_AES_128_CBC_SHA).
#[test]
fn a_client_of_tls_1_0_is_told_so() {
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let mut server = context(Role::Server, &server_config()).unwrap().connection(NOW, LIMIT).unwrap();
    let error = server.handle_bytes(&hello).unwrap_err();
    assert_eq!(error.to_string(), "the peer offers TLS 1.0 at most; adit needs TLS 1.2");
    assert_eq!(error.kind(), TlsErrorKind::NoCommonVersion);
    let mut alert = Vec::new();
    server.poll_bytes(&mut alert);
    assert_eq!(alert, [21, 3, 1, 0, 2, 2, 70], "a fatal protocol_version");
    assert_eq!(server.handle_bytes(b"more"), Err(error.clone()));
    assert_eq!(server.write(b"more"), Err(error));
}

#[test]
fn a_server_of_tls_1_0_is_told_so() {
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([0x5a; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    let mut client = context(Role::Client, &client_config()).unwrap().connection(NOW, LIMIT).unwrap();
    let error = client.handle_bytes(&hello).unwrap_err();
    assert_eq!(error.to_string(), "the peer offers TLS 1.0 at most; adit needs TLS 1.2");
}

#[test]
fn input_is_bounded_and_garbage_is_named() {
    let server = || context(Role::Server, &server_config()).unwrap().connection(NOW, 1000).unwrap();
    let error = server().handle_bytes(&[0; 1001]).unwrap_err();
    assert_eq!(error.kind(), TlsErrorKind::TooMuchInput);
    let error = server().handle_bytes(b"GET / HTTP/1.0\r\n\r\n").unwrap_err();
    assert_eq!(error.to_string(), "what the peer sent is not TLS");

    // The bound holds for what nobody polls, too.
    let mut pair = Pair::handshake(&client_config(), &server_config());
    for _ in 0..LIMIT / 10_000 + 1 {
        pair.client.write(&[1; 10_000]).unwrap();
    }
    pair.run();
    assert_eq!(pair.server_error.unwrap().kind(), TlsErrorKind::TooMuchInput);
}

/// Bytes all over a handshake are damaged, one each time: it never completes, and nothing panics.
#[test]
fn a_damaged_handshake_never_completes() {
    // Not ECDSA: the lengths of its signatures vary.
    let mut server = server_config();
    let client = config(testdata!("ca.crt"), testdata!("client-ed25519.crt"), testdata!("ed25519.key"));
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        versions(&mut server, version, version);
        let (client, server) =
            (context(Role::Client, &client).unwrap(), context(Role::Server, &server).unwrap());
        for place in (0..800).step_by(7) {
            for mask in [0x01, 0xff] {
                let mut ends = [&client, &server].map(|context| context.connection(NOW, LIMIT).unwrap());
                damaged_handshake(&mut ends, place, mask);
                assert!(
                    ends.iter().any(|end| end.protocol().is_none()),
                    "byte {place} ^ {mask:#x} did no harm"
                );
            }
        }
    }
}

/// Lets two ends talk, with the byte number `place` of each direction damaged.
fn damaged_handshake(ends: &mut [Box<dyn TlsConnection>; 2], place: usize, mask: u8) {
    let mut sent = [0; 2];
    let mut idle = 0;
    while idle < 2 {
        idle += 1;
        for from in [0, 1] {
            let mut bytes = Vec::new();
            ends[from].poll_bytes(&mut bytes);
            if bytes.is_empty() {
                continue;
            }
            idle = 0;
            if let Some(byte) = place.checked_sub(sent[from]).and_then(|offset| bytes.get_mut(offset)) {
                *byte ^= mask;
            }
            sent[from] += bytes.len();
            if let Err(error) = ends[1 - from].handle_bytes(&bytes) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}

fn complaint(role: Role, config: &TlsConfig) -> String {
    context(role, config).unwrap_err().to_string()
}

#[test]
fn files_that_cannot_be_used() {
    let client = |config| complaint(Role::Client, &config);
    assert_eq!(
        client(TlsConfig { key: Some(testdata!("p256.key")), ..client_config() }),
        "client.crt:1: the certificate (C=XX, O=Example, CN=client1) in client.crt and the private key in p256.key do not belong together"
    );
    assert_eq!(
        client(TlsConfig { key: Some(testdata!("client.crt")), ..client_config() }),
        "client.crt:1: expected a private key ('-----BEGIN PRIVATE KEY-----'), found '-----BEGIN CERTIFICATE-----' on line 1"
    );
    assert_eq!(
        client(TlsConfig { ca: Some(testdata!("rsa.key")), ..client_config() }),
        "rsa.key:1: expected a certificate ('-----BEGIN CERTIFICATE-----'), found '-----BEGIN PRIVATE KEY-----' on line 1"
    );
    assert!(
        client(TlsConfig { key: Some(testdata!("encrypted.key")), ..client_config() })
            .starts_with("encrypted.key:1: this private key is encrypted")
    );
    assert_eq!(
        client(TlsConfig { key: Some(testdata!("rsa1024.key")), ..client_with(testdata!("rsa1024.crt")) }),
        "rsa1024.key:1: this private key cannot be used: its certificate (CN=rsa1024) has an RSA key of 1024 bits, where 2048 are the least"
    );
    assert!(
        complaint(Role::Server, &TlsConfig { crl: Some(testdata!("crl-v1.pem")), ..server_config() })
            .starts_with("crl-v1.pem:1: this revocation list is of X.509 version 1")
    );

    let mut damaged = testdata!("client.crt");
    let place = damaged.text.windows(2).position(|pair| pair == b"\nM").unwrap() + 20;
    damaged.text[place] = b'*';
    assert_eq!(
        client(client_with(damaged)),
        "client.crt:2:20: '*' is no character of base64 in the CERTIFICATE block"
    );
    let nonsense = NamedText::inline(
        "client.ovpn",
        30,
        &b"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----"[..],
    );
    assert!(
        client(client_with(nonsense))
            .starts_with("client.ovpn:30: this block is no certificate that can be read")
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        complaint(Role::Client, &TlsConfig { ca: None, ..client_config() }),
        "configuration: there is nothing to verify the peer with: `ca` is missing"
    );
    assert_eq!(
        complaint(Role::Server, &TlsConfig { cert: None, key: None, ..server_config() }),
        "configuration: a server needs a certificate (`cert`) and its private key (`key`)"
    );
    assert_eq!(
        complaint(Role::Client, &TlsConfig { key: None, ..client_config() }),
        "client.crt:1: there is a certificate (`cert`) but no private key: `key` is missing"
    );
    let mut contradictory = client_config();
    versions(&mut contradictory, TlsVersion::V1_3, TlsVersion::V1_2);
    assert_eq!(
        complaint(Role::Client, &contradictory),
        "configuration: tls-version-min (TLS 1.3) is above tls-version-max (TLS 1.2)"
    );
}
