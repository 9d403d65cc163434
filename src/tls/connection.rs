//! [`Connection`]: rustls' unbuffered connections, either role, as a [`TlsConnection`].
//!
//! rustls works in the caller's buffer: it is handed all input not yet discarded, and says with each state how many
//! bytes to remove from the front. Exactly those must go, with errors too; anything else makes it panic.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, ReadTraffic, UnbufferedStatus, WriteTraffic,
};
use rustls::{CipherSuite, CommonState, ContentType, ProtocolVersion};
use zeroize::Zeroizing;

use super::error::{TlsError, TlsErrorKind};
use super::exporter::SecretCapture;
use super::hello::HelloHead;
use super::verify::Verifier;
use super::{PeerCertificate, TlsConnection, TlsProtocol};
use crate::algorithm::Role;
use crate::config::TlsVersion;
use crate::error::Error;

/// What the two unbuffered connections of rustls have in common, and rustls has no trait for.
pub(super) trait Unbuffered: Send {
    type Data;
    const ROLE: Role;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
    fn common(&self) -> &CommonState;
}

impl Unbuffered for UnbufferedClientConnection {
    type Data = ClientConnectionData;
    const ROLE: Role = Role::Client;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

impl Unbuffered for UnbufferedServerConnection {
    type Data = ServerConnectionData;
    const ROLE: Role = Role::Server;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }

    fn common(&self) -> &CommonState {
        self
    }
}

/// What rustls' hooks learn of a connection, shared with it.
pub(super) struct Evidence {
    pub(super) capture: Arc<SecretCapture>,
    /// `None` where the peer is not asked for a certificate.
    pub(super) verifier: Option<Arc<Verifier>>,
    /// The versions of TLS that we permit, for sentences.
    pub(super) versions: (TlsVersion, TlsVersion),
}

pub(super) struct Connection<T> {
    tls: T,
    evidence: Evidence,
    /// Most bytes that `incoming` and `received` may hold together.
    limit: usize,
    /// From the peer, not discarded yet.
    incoming: Vec<u8>,
    /// For the peer.
    outgoing: Vec<u8>,
    /// Plaintext that waits for the end of the handshake.
    unsent: VecDeque<Zeroizing<Vec<u8>>>,
    /// Plaintext that waits to be polled.
    received: VecDeque<Zeroizing<Vec<u8>>>,
    our_hello: HelloHead,
    their_hello: HelloHead,
    failure: Option<TlsError>,
}

impl<T: Unbuffered> Connection<T> {
    /// A connection that, as a client, has its first message ready.
    pub(super) fn new(tls: T, evidence: Evidence, limit: usize) -> Result<Self, Error> {
        let mut connection = Self {
            tls,
            evidence,
            limit,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            unsent: VecDeque::new(),
            received: VecDeque::new(),
            our_hello: HelloHead::new(),
            their_hello: HelloHead::new(),
            failure: None,
        };
        match connection.process() {
            Ok(()) => Ok(connection),
            Err(_) => Err(Error::Internal("TLS failed before its first message")),
        }
    }

    /// Lets rustls do all that it can do now.
    fn process(&mut self) -> Result<(), rustls::Error> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self.tls.process(&mut self.incoming);
            let step = match state {
                Ok(ConnectionState::EncodeTlsData(record)) => {
                    encode(record, &mut self.outgoing);
                    Ok(Step::Again)
                }
                Ok(ConnectionState::TransmitTlsData(records)) => {
                    // They are in `outgoing`, and stay there until polled.
                    records.done();
                    Ok(Step::Again)
                }
                Ok(ConnectionState::ReadTraffic(records)) => read(records, &mut self.received),
                Ok(ConnectionState::WriteTraffic(writer)) => match self.unsent.pop_front() {
                    Some(plaintext) => encrypt(writer, &plaintext, &mut self.outgoing),
                    None => Ok(Step::Blocked),
                },
                Ok(ConnectionState::PeerClosed) => Ok(Step::Again),
                // BlockedHandshake and Closed; early data is never enabled.
                Ok(_) => Ok(Step::Blocked),
                Err(error) => Err(error),
            };
            self.incoming.drain(..discard);
            if let Step::Blocked = step? {
                return Ok(());
            }
        }
    }

    /// Processes; after an error the connection is over, and has its alert ready.
    fn process_or_fail(&mut self) -> Result<(), TlsError> {
        let Err(error) = self.process() else { return Ok(()) };
        self.take_alert();
        let verdict = self.evidence.verifier.as_ref().and_then(|verifier| verifier.refusal());
        let failure = match verdict {
            Some(refusal) => refusal.clone(),
            None => TlsError::from_rustls(&error, &self.their_hello, self.evidence.versions),
        };
        Err(self.fail(failure))
    }

    /// Takes the alert that rustls has ready after an error, in one step and no more: it gives out what it has to send
    /// before it reads, but then would read the bytes that it stumbled over once again, and asserts never to do so.
    fn take_alert(&mut self) {
        let UnbufferedStatus { discard, state, .. } = self.tls.process(&mut self.incoming);
        if let Ok(ConnectionState::EncodeTlsData(alert)) = state {
            encode(alert, &mut self.outgoing);
        }
        self.incoming.drain(..discard);
    }

    /// Refuses a peer of an older TLS than 1.2. rustls would complain of some extension that it lacks.
    fn check_version(&mut self) -> Result<(), TlsError> {
        const TLS_1_2: u16 = 0x0303;
        const FATAL: u8 = 2;
        const PROTOCOL_VERSION: u8 = 70;
        let Some(version) = self.their_hello.version().filter(|&version| version < TLS_1_2) else {
            return Ok(());
        };
        let [major, minor] = version.to_be_bytes();
        self.outgoing.extend([u8::from(ContentType::Alert), major, minor, 0, 2, FATAL, PROTOCOL_VERSION]);
        Err(self.fail(TlsError::no_common_version(Some(version), self.evidence.versions)))
    }

    fn fail(&mut self, failure: TlsError) -> TlsError {
        self.unsent.clear();
        self.incoming = Vec::new();
        self.failure.insert(failure).clone()
    }

    fn check(&self) -> Result<(), TlsError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    fn unread(&self) -> usize {
        self.received.iter().map(|record| record.len()).sum::<usize>() + self.incoming.len()
    }
}

impl<T: Unbuffered> TlsConnection for Connection<T> {
    fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        self.check()?;
        if self.unread() + bytes.len() > self.limit {
            let sentence =
                format_args!("the peer sends more than the {} bytes that TLS may hold", self.limit);
            let failure = TlsError::new(TlsErrorKind::TooMuchInput, sentence);
            return Err(self.fail(failure));
        }
        self.their_hello.observe(bytes);
        self.check_version()?;
        self.incoming.extend_from_slice(bytes);
        self.process_or_fail()
    }

    fn write(&mut self, plaintext: &[u8]) -> Result<(), TlsError> {
        self.check()?;
        self.unsent.push_back(Zeroizing::new(plaintext.to_vec()));
        self.process_or_fail()
    }

    fn poll_bytes(&mut self, out: &mut Vec<u8>) {
        self.our_hello.observe(&self.outgoing);
        out.append(&mut self.outgoing);
    }

    fn poll_plaintext(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.received.pop_front()
    }

    fn is_handshaking(&self) -> bool {
        self.tls.common().is_handshaking()
    }

    fn export(&self, label: &[u8], out: &mut [u8]) -> Result<(), TlsError> {
        let server_hello = match T::ROLE {
            Role::Client => &self.their_hello,
            Role::Server => &self.our_hello,
        };
        let suite = self.tls.common().negotiated_cipher_suite().filter(|_| !self.is_handshaking());
        suite
            .and_then(|suite| self.evidence.capture.export(suite, server_hello.random(), label, out))
            .ok_or_else(|| TlsError::new(TlsErrorKind::NotAvailable, "TLS cannot export keying material now"))
    }

    fn peer_certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.evidence.verifier.as_ref()?.accepted().filter(|_| !self.is_handshaking())
    }

    fn protocol(&self) -> Option<TlsProtocol> {
        let common = self.tls.common();
        if common.is_handshaking() {
            return None;
        }
        Some(TlsProtocol {
            version: match common.protocol_version()? {
                ProtocolVersion::TLSv1_2 => "TLSv1.2",
                ProtocolVersion::TLSv1_3 => "TLSv1.3",
                _ => "unknown",
            },
            cipher_suite: openssl_name(common.negotiated_cipher_suite()?.suite()),
        })
    }
}

enum Step {
    /// Ask rustls for its next state.
    Again,
    /// Nothing more until the next input.
    Blocked,
}

fn encode<Data>(mut record: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    let size = match record.encode(&mut []) {
        Err(EncodeError::InsufficientSize(need)) => need.required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
    };
    out.resize(start + size, 0);
    let written = record.encode(&mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

fn read<Data>(
    mut records: ReadTraffic<'_, '_, Data>,
    received: &mut VecDeque<Zeroizing<Vec<u8>>>,
) -> Result<Step, rustls::Error> {
    while let Some(record) = records.next_record() {
        received.push_back(Zeroizing::new(record?.payload.to_vec()));
    }
    Ok(Step::Again)
}

fn encrypt<Data>(
    mut writer: WriteTraffic<'_, Data>,
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<Step, rustls::Error> {
    /// Header, nonce, content type and tag of a record, with room to spare.
    const OVERHEAD: usize = 64;
    let start = out.len();
    let mut size = plaintext.len() + OVERHEAD;
    loop {
        out.resize(start + size, 0);
        match writer.encrypt(plaintext, &mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(Step::Again);
            }
            // More records than one, or some of rustls' own before ours.
            Err(EncryptError::InsufficientSize(need)) if need.required_size > size => {
                size = need.required_size
            }
            Err(_) => {
                out.truncate(start);
                return Err(rustls::Error::EncryptError);
            }
        }
    }
}

/// The name that OpenSSL has for a cipher suite: its own before TLS 1.3, the standard's since.
fn openssl_name(suite: CipherSuite) -> &'static str {
    use CipherSuite as S;
    match suite {
        S::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        S::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        S::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => other.as_str().unwrap_or("unknown"),
    }
}
