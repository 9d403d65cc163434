//! What both roles configure alike: TLS, control channel protection, ciphers, timers, sizes.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::text::NamedText;
use crate::algorithm::{Cipher, Digest, Framing};

/// The settings of a session that client and server share. Defaults are those of OpenVPN 2.7.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Certificates, keys, and what a peer's certificate must be.
    pub tls: TlsConfig,
    /// How control packets are protected.
    pub wrap: WrapConfig,
    /// `auth`: the digest of tls-auth.
    pub auth: Digest,
    /// `data-ciphers`, in order of preference.
    pub data_ciphers: Vec<Cipher>,
    /// `data-ciphers-fallback`, for a peer that cannot negotiate.
    pub data_ciphers_fallback: Option<Cipher>,
    /// `compress`, `comp-lzo`: the framing, without compression.
    pub framing: Framing,
    /// Offer (client) or push (server) key derivation by the TLS exporter (TLS-EKM); without it, OpenVPN's PRF.
    pub key_export: bool,
    /// `tun-mtu`, in bytes.
    pub tun_mtu: u16,
    /// `mssfix`.
    pub mssfix: Mssfix,
    /// Datagrams travel with a SOCKS relay's header before them, which `mssfix` leaves room for.
    pub relayed: bool,
    /// `max-packet-size`: the largest control packet, IP and UDP headers included, in bytes.
    pub max_packet_size: u16,
    /// `replay-window`: how far back a packet id may lie.
    pub replay_window: u32,
    /// `tls-timeout`: the first retransmission of a control packet.
    pub tls_timeout: Duration,
    /// `hand-window`: how long a key negotiation may take.
    pub hand_window: Duration,
    /// `tran-window`: how long a replaced key lives on.
    pub tran_window: Duration,
    /// `reneg-sec`, `reneg-bytes`, `reneg-pkts`.
    pub renegotiate: RenegotiateConfig,
    /// `ping`: send a ping after this long without sending.
    pub ping: Option<Duration>,
    /// `ping-restart`, `ping-exit`: give up after this long without receiving.
    pub ping_timeout: Option<PingTimeout>,
    /// `explicit-exit-notify`: seconds (client), or 1 = restart, 2 = next server (server).
    pub explicit_exit_notify: Option<u8>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            tls: TlsConfig::default(),
            wrap: WrapConfig::None,
            auth: Digest::Sha1,
            data_ciphers: Cipher::DEFAULT_LIST.to_vec(),
            data_ciphers_fallback: None,
            framing: Framing::None,
            key_export: true,
            tun_mtu: 1500,
            mssfix: Mssfix::Default,
            relayed: false,
            max_packet_size: 1250,
            replay_window: 64,
            tls_timeout: Duration::from_secs(2),
            hand_window: Duration::from_secs(60),
            tran_window: Duration::from_secs(3600),
            renegotiate: RenegotiateConfig::default(),
            ping: None,
            ping_timeout: None,
            explicit_exit_notify: None,
        }
    }
}

/// Certificates, keys, and checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsConfig {
    /// `ca`: one or several PEM certificates.
    pub ca: Option<NamedText>,
    /// `cert`: our certificate, then its chain.
    pub cert: Option<NamedText>,
    /// `extra-certs`: more of the chain.
    pub extra_certs: Option<NamedText>,
    /// `key`: our private key.
    pub key: Option<NamedText>,
    /// `crl-verify`: one or several PEM CRLs.
    pub crl: Option<NamedText>,
    /// `remote-cert-tls`: the peer's certificate must have a key usage, and the extended one for this role.
    pub remote_cert_tls: Option<CertRole>,
    /// `ns-cert-type`: the same by the older Netscape extension, or by extended key usage.
    pub ns_cert_type: Option<CertRole>,
    /// `verify-x509-name`.
    pub verify_x509_name: Option<VerifyX509Name>,
    /// `verify-client-cert`, server only.
    pub verify_client_cert: VerifyClientCert,
    /// The host is asked about the peer's certificate in every handshake, after it has passed everything else
    /// (`tls-verify`).
    pub verify_by_host: bool,
    /// `tls-version-min`.
    pub version_min: TlsVersion,
    /// `tls-version-max`.
    pub version_max: TlsVersionMax,
}

/// A role that a certificate is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertRole {
    /// TLS web client authentication.
    Client,
    /// TLS web server authentication.
    Server,
}

/// `verify-x509-name NAME TYPE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyX509Name {
    /// The complete subject, as OpenVPN writes it: `C=XX, O=Example, CN=name`.
    Subject(String),
    /// The common name.
    Name(String),
    /// How the common name begins.
    NamePrefix(String),
}

/// `verify-client-cert`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyClientCert {
    /// Clients need none, and are not asked.
    None,
    /// Asked, and verified if given.
    Optional,
    /// Needed.
    #[default]
    Require,
}

/// A version of TLS. There is none below 1.2 here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// `tls-version-max`, by default the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsVersionMax(pub TlsVersion);

impl Default for TlsVersionMax {
    fn default() -> Self {
        Self(TlsVersion::V1_3)
    }
}

/// How control packets are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapConfig {
    /// Not at all, beyond TLS.
    #[default]
    None,
    /// `tls-auth FILE [DIRECTION]`
    TlsAuth {
        /// The static key file.
        key: NamedText,
        /// `key-direction`: 0, 1, or none for both.
        direction: Option<u8>,
    },
    /// `tls-crypt FILE`
    TlsCrypt {
        /// The static key file.
        key: NamedText,
    },
}

/// When keys are renegotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenegotiateConfig {
    /// `reneg-sec`; `None` for 0, which leaves it to the peer.
    pub after: Option<Duration>,
    /// `reneg-bytes`, both directions together.
    pub bytes: Option<u64>,
    /// `reneg-pkts`, both directions together.
    pub packets: Option<u64>,
}

impl Default for RenegotiateConfig {
    fn default() -> Self {
        Self { after: Some(Duration::from_secs(3600)), bytes: None, packets: None }
    }
}

/// `mssfix`: the largest TCP segment that SYNs through the tunnel may announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mssfix {
    /// `mssfix 1492 mtu`, or `fixed` at another `tun-mtu`.
    #[default]
    Default,
    /// `mssfix 0`
    Off,
    /// `mssfix N`: packets of at most N bytes, our header and tag included.
    Payload(u16),
    /// `mssfix N mtu`: of at most N bytes with the outer IP and UDP headers.
    Mtu(u16),
    /// `mssfix N fixed`: inner packets of at most N bytes.
    Fixed(u16),
}

/// What follows silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingTimeout {
    /// How long a silence.
    pub after: Duration,
    /// `ping-exit` rather than `ping-restart`.
    pub exit: bool,
}
