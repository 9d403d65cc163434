//! What the host is told or asked.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::algorithm::Cipher;
use crate::certificate::PeerCertificate;
use crate::config::{Credentials, Ifconfig, IfconfigIpv6, IpNetwork};
use crate::path::Path;
use crate::peer::PeerId;
use crate::router::RouterEvent;
use crate::time::UnixTime;
use crate::traffic::Traffic;

/// A question to the host, answered once by a command that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct RequestId(pub(crate) u64);

/// The host's answer to [`Event::VerifyRequested`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyDecision {
    /// The certificate is accepted.
    Accept,
    /// It is not, and the session ends.
    Refuse,
}

/// What a password is worth as a token of `auth-gen-token`: the `session_state` of OpenVPN's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is no token: the client logs in for the first time.
    Initial,
    /// A token of this server and user, in its time.
    Authenticated,
    /// A token of this server and user, whose time is over.
    Expired,
    /// A token, but not of this server, or not of this user.
    Invalid,
    /// A token of this server in its time, made for no user's name.
    AuthenticatedEmptyUser,
    /// The same, whose time is over.
    ExpiredEmptyUser,
}

impl TokenState {
    /// OpenVPN's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initial => "Initial",
            Self::Authenticated => "Authenticated",
            Self::Expired => "Expired",
            Self::Invalid => "Invalid",
            Self::AuthenticatedEmptyUser => "AuthenticatedEmptyUser",
            Self::ExpiredEmptyUser => "ExpiredEmptyUser",
        }
    }
}

/// A login's session, which outlives reconnections (`session_state` and `session_id` of OpenVPN's scripts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSession {
    /// What the password is worth.
    pub state: TokenState,
    /// The session's name: 16 characters of base64.
    pub session_id: String,
}

/// What `poll_event` returns. Owned values; at a client, `peer` is always [`PeerId::SERVER`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    // Asked: answer by a command.
    /// Client: open a link to remote number `remote` of the configuration, then call
    /// [`Client::connect`](crate::Client::connect), or [`Client::connect_failed`](crate::Client::connect_failed).
    ConnectRequested {
        /// Index into [`ClientConfig::remotes`](crate::config::ClientConfig::remotes).
        remote: usize,
        /// Which of its addresses, if its name has several and
        /// [`Client::found_addresses`](crate::Client::found_addresses) has told so.
        address: usize,
    },
    /// Client: call [`Client::provide_credentials`](crate::Client::provide_credentials). Asked before an attempt; and
    /// with `auth-nocache` in renegotiations too, which wait for the answer at most `hand-window` while data flows.
    CredentialsRequested {
        /// The request.
        request: RequestId,
    },
    /// Whether the peer's certificate is accepted, which has passed all other checks (`tls-verify`): call
    /// [`Server::reply_verify`](crate::Server::reply_verify) or [`Client::reply_verify`](crate::Client::reply_verify).
    /// Asked in every handshake, renegotiations included, if
    /// [`verify_by_host`](crate::config::TlsConfig::verify_by_host) is set. Without an answer within `hand-window` the
    /// session ends.
    VerifyRequested {
        /// The request.
        request: RequestId,
        /// Whose.
        peer: PeerId,
        /// Where it is.
        path: Path,
        /// The certificate, and the chain that vouches for it.
        certificate: Arc<PeerCertificate>,
    },
    /// Server: verify name and password, then call [`Server::reply_auth`](crate::Server::reply_auth). Without an
    /// answer by the deadline (`hand-window`, unless
    /// [`AuthDecision::Pending`](crate::server::AuthDecision::Pending) moves it) the client is refused.
    AuthRequested {
        /// The request.
        request: RequestId,
        /// Who asks.
        peer: PeerId,
        /// Where it is.
        path: Path,
        /// The certificate's common name, if there is a certificate.
        common_name: Option<String>,
        /// The client's certificate, if there is one.
        certificate: Option<Arc<PeerCertificate>>,
        /// User name and password as sent; unprintable characters of the name are replaced by `_`. Both are empty if
        /// the client sent none, which only `auth-user-pass-optional` permits.
        credentials: Credentials,
        /// Whether the client is connected already, and renegotiates its keys.
        renegotiation: bool,
        /// With `auth-gen-token ... external-auth`: what the password is worth as a token of ours.
        token: Option<TokenSession>,
    },
    /// Server: whether this client may connect, and what is configured for it alone (`client-config-dir`,
    /// `client-connect`): call [`Server::reply_connect`](crate::Server::reply_connect). Asked once, when certificate
    /// and login are in order and before it has addresses, if
    /// [`connect_by_host`](crate::config::ServerConfig::connect_by_host) is set. Without an answer by the deadline
    /// (`hand-window`) the client is refused.
    ClientConnectRequested {
        /// The request.
        request: RequestId,
        /// Who.
        peer: PeerId,
        /// Where it is.
        path: Path,
        /// The common name of its certificate, or the user name with `username-as-common-name`.
        common_name: Option<String>,
        /// The user name of its login.
        username: Option<String>,
        /// The client's certificate, if there is one.
        certificate: Option<Arc<PeerCertificate>>,
        /// The IPv4 address that it gets from the pool, unless the answer names another.
        ipv4: Option<Ifconfig>,
        /// The IPv6 address that it gets from the pool, unless the answer names another.
        ipv6: Option<IfconfigIpv6>,
    },

    // Told.
    /// A first packet of a session was accepted (`TLS: Initial packet from`).
    SessionStarted {
        /// Whose.
        peer: PeerId,
        /// From where.
        path: Path,
        /// The other end's session id.
        session_id: [u8; 8],
    },
    /// A certificate of the peer's chain was verified (`VERIFY OK`), leaf last.
    CertificateVerified {
        /// Whose.
        peer: PeerId,
        /// 0 for the peer's own.
        depth: u32,
        /// As OpenVPN writes it: `C=XX, O=Example, CN=name`.
        subject: String,
    },
    /// The peer's IV_* and UV_* lines.
    PeerInfo {
        /// Whose.
        peer: PeerId,
        /// Name and value, in order.
        lines: Vec<(String, String)>,
    },
    /// TLS and key exchange are done (`Control Channel: TLSv1.3, cipher ...`).
    HandshakeCompleted {
        /// Whose.
        peer: PeerId,
        /// `TLSv1.2` or `TLSv1.3`.
        tls_version: &'static str,
        /// The cipher suite's name.
        cipher_suite: &'static str,
        /// Whether it was a renegotiation.
        renegotiation: bool,
    },
    /// The peer is authenticated (`[client1] Peer Connection Initiated with ...`).
    PeerAuthenticated {
        /// Whose.
        peer: PeerId,
        /// The common name of its certificate, or the user name.
        common_name: Option<String>,
        /// From where.
        path: Path,
    },
    /// Data flows: the session is up for the first time. At a client, [`Client::settings`](crate::Client::settings)
    /// now holds what to configure (addresses, routes).
    Connected {
        /// Who.
        peer: PeerId,
        /// The data channel cipher.
        cipher: Cipher,
        /// The inner IPv4 address of the client, if any.
        ipv4: Option<Ipv4Addr>,
        /// The inner IPv6 address of the client, if any.
        ipv6: Option<Ipv6Addr>,
    },
    /// New keys are in force.
    Rekeyed {
        /// Whose.
        peer: PeerId,
        /// The new key id, 1 to 7.
        key_id: u8,
    },
    /// The peer is reached by another address now (`float`).
    Floated {
        /// Whose.
        peer: PeerId,
        /// Its new path.
        path: Path,
    },
    /// A control message was sent, such as PUSH_REPLY; secrets in it are masked.
    MessageSent {
        /// To whom.
        peer: PeerId,
        /// The text.
        text: String,
    },
    /// A control message was received, such as PUSH_REQUEST; secrets in it are masked.
    MessageReceived {
        /// From whom.
        peer: PeerId,
        /// The text.
        text: String,
    },
    /// A detached peer's data state is wanted back (new keys, another address); told once for each time that it was
    /// handed out: call [`Server::attach`](crate::Server::attach).
    AttachRequested {
        /// Whose.
        peer: PeerId,
    },
    /// Server: a client that was connected is no longer; [`Closed`](Self::Closed) follows and says why.
    ClientDisconnected(Box<ClientSummary>),
    /// The session is over, and `peer` with it. A client tries again by itself unless the reason is final.
    Closed {
        /// Whose.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
    /// Server: somebody was turned away before there was a session. Of wrong keys, only some are told.
    StrangerRefused {
        /// From where.
        path: Path,
        /// Why.
        why: Refusal,
    },
    /// TCP: close this link; nothing more will be sent on it or accepted from it.
    LinkClosed {
        /// The link.
        link: crate::path::LinkId,
    },
    /// Client: the next attempt follows after this pause (`connect-retry`).
    Paused {
        /// How long.
        pause: Duration,
    },
    /// Client: the server needs more time, or another step of the user's, to decide on the login (AUTH_PENDING).
    AuthPending {
        /// Who.
        peer: PeerId,
        /// How long the client waits for the decision, from the end of the key exchange on.
        timeout: Duration,
    },
    /// Client: a text for the user or the user interface (INFO, INFO_PRE), such as `WEB_AUTH::URL`. It may be a secret,
    /// and is from the network: printable, but nothing more is known of it.
    ServerInfo {
        /// From whom.
        peer: PeerId,
        /// The text.
        text: String,
    },
    /// Server: what the router has to tell.
    Router(RouterEvent),
    /// Something that a person may want to know.
    Notice {
        /// About whom; [`PeerId::NONE`] if about nobody in particular.
        peer: PeerId,
        /// One sentence.
        text: String,
    },
}

/// A client's connection in retrospect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientSummary {
    /// Who.
    pub peer: PeerId,
    /// Its number among all sessions of this server.
    pub client_id: u64,
    /// The common name of its certificate, or the user name with `username-as-common-name`.
    pub common_name: Option<String>,
    /// The user name of its login.
    pub username: Option<String>,
    /// Its certificate, if it has one.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// Where it was.
    pub path: Path,
    /// Its inner IPv4 address.
    pub ipv4: Option<Ifconfig>,
    /// Its inner IPv6 address.
    pub ipv6: Option<IfconfigIpv6>,
    /// What was routed to it: its addresses, and the networks behind it.
    pub networks: Vec<IpNetwork>,
    /// Since when it had been connected.
    pub connected_since: UnixTime,
    /// For how long it was connected.
    pub connected_for: Duration,
    /// What its data channel has carried; `None` if a worker has the data state.
    pub traffic: Option<Traffic>,
}

/// Events that wait for the host.
#[derive(Debug)]
pub(crate) struct EventQueue {
    queue: VecDeque<Event>,
    limit: usize,
}

impl EventQueue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), limit }
    }

    /// Adds an event. A full queue lets the oldest that only inform go; those that ask or change a state stay, and
    /// there are at most a few of them for each session.
    pub(crate) fn push(&mut self, event: Event) {
        if self.queue.len() >= self.limit
            && let Some(index) = self.queue.iter().position(Event::only_informs)
        {
            self.queue.remove(index);
        }
        self.queue.push_back(event);
    }

    pub(crate) fn notice(&mut self, peer: PeerId, text: impl Into<String>) {
        self.push(Event::Notice { peer, text: text.into() });
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }
}

impl Event {
    fn only_informs(&self) -> bool {
        !matches!(
            self,
            Self::ConnectRequested { .. }
                | Self::CredentialsRequested { .. }
                | Self::AuthRequested { .. }
                | Self::VerifyRequested { .. }
                | Self::ClientConnectRequested { .. }
                | Self::Connected { .. }
                | Self::AttachRequested { .. }
                | Self::ClientDisconnected(_)
                | Self::Closed { .. }
                | Self::LinkClosed { .. }
        )
    }
}

/// Why a stranger was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// A control packet that our tls-auth key has not signed: it has another key, or none.
    TlsAuth,
    /// A control packet that our tls-crypt key has not sealed: it has another key, or none.
    TlsCrypt,
    /// A TCP connection that does not speak OpenVPN: a length of zero or beyond all bounds.
    BadLength,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The host asked for it.
    Requested,
    /// The host asked for another session (SIGUSR1).
    Restart,
    /// No first answer from the server within `connect-timeout`.
    NoAnswer,
    /// The key negotiation did not end within `hand-window`.
    HandshakeTimeout,
    /// The same, after the server had answered, but not in TLS.
    NoTls,
    /// The same, after the peer had seen our certificate. OpenVPN 2.6 logs why it refuses one, and says nothing to us.
    FellSilent,
    /// TLS failed: our sentence about what went wrong.
    Tls(String),
    /// TLS failed, since we do not accept the peer's certificate: our sentence about what is wrong with it.
    Certificate(String),
    /// The two ends have no data cipher in common.
    NoSharedCipher,
    /// The login was refused: at the server by its host, at the client with the server's reason.
    AuthFailed(String),
    /// Client: the login was refused, with the server's reason, and is tried again (`auth-retry`).
    AuthRetry(String),
    /// Client: the token that stood for the login was refused; the next attempt logs in anew.
    TokenRefused(String),
    /// Client: the server refuses for now (AUTH_FAILED,TEMP), with its reason.
    RefusedForNow(String),
    /// Client: all remotes were tried in vain as often as `connect-retry-max` says.
    RetriesExhausted(u32),
    /// The host did not answer a question about the peer in time.
    AuthTimeout,
    /// Server: the host refused the client, whose certificate and login were in order, or `disable` did.
    ConnectRefused(String),
    /// Nothing was received for `ping-restart`.
    PingTimeout,
    /// Nothing was received for `ping-exit`.
    PingExit,
    /// Too little went through the tunnel (`inactive`).
    Inactive,
    /// The session has lasted as long as it may (`session-timeout`).
    SessionTimeout,
    /// The peer said that it leaves (`explicit-exit-notify`).
    RemoteExit,
    /// The server asked for a restart (RESTART).
    RemoteRestart(String),
    /// The server asked for an end (HALT).
    RemoteHalt(String),
    /// The TCP connection ended.
    LinkClosed,
    /// A broken length, or a packet that fails its authentication, on a TCP link.
    LinkBroken(&'static str),
    /// Another session of the same client took over.
    TakenOver,
    /// What the server pushed cannot be used.
    BadPush(String),
    /// The peer's certificate has been revoked ([`Server::set_crl`](crate::Server::set_crl)).
    Revoked,
    /// Server: its address may no longer talk to the server (`source-allow`, `source-deny`).
    SourceDenied,
    /// No address is free, or another limit is reached.
    Limit(&'static str),
    /// The link could not be opened.
    ConnectFailed(String),
}

impl CloseReason {
    /// Whether a client should not try again: the same would happen.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Requested
                | Self::PingExit
                | Self::Inactive
                | Self::SessionTimeout
                | Self::AuthFailed(_)
                | Self::RetriesExhausted(_)
                | Self::RemoteHalt(_)
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("ended by this side"),
            Self::NoTls => f.write_str(
                "the server does not answer in TLS: it may accept none of our TLS versions, which its log would tell, or its larger packets get lost on the way (check your network connectivity)",
            ),
            Self::FellSilent => f.write_str(
                "the TLS handshake stopped half-way: the peer may have refused our certificate, which its log would tell, or its larger packets get lost on the way (check your network connectivity)",
            ),
            Self::Restart => f.write_str("restart requested by this side"),
            Self::NoAnswer => f.write_str(
                "no answer from the server: the port may be blocked, the address wrong, or the control channel key another",
            ),
            Self::HandshakeTimeout => f.write_str("the TLS handshake did not complete in time (check your network connectivity)"),
            Self::Tls(sentence) | Self::Certificate(sentence) => f.write_str(sentence),
            Self::NoSharedCipher => f.write_str("Data channel cipher negotiation failed (no shared cipher)"),
            Self::AuthFailed(reason) | Self::AuthRetry(reason) if reason.is_empty() => {
                f.write_str("authentication failed")
            }
            Self::AuthFailed(reason) | Self::AuthRetry(reason) => {
                write!(f, "authentication failed: {reason}")
            }
            Self::TokenRefused(reason) if reason.is_empty() => {
                f.write_str("the server no longer accepts the token of this login (auth-token)")
            }
            Self::TokenRefused(reason) => {
                write!(f, "the server no longer accepts the token of this login (auth-token): {reason}")
            }
            Self::RefusedForNow(reason) if reason.is_empty() => f.write_str("the server refuses for now"),
            Self::RefusedForNow(reason) => write!(f, "the server refuses for now: {reason}"),
            Self::RetriesExhausted(rounds) => write!(
                f,
                "All connections have been connect-retry-max ({rounds}) times unsuccessful, exiting"
            ),
            Self::AuthTimeout => f.write_str("authentication was not decided in time"),
            Self::Inactive => f.write_str("Inactivity timeout (--inactive), exiting"),
            Self::SessionTimeout => f.write_str("Session timeout, exiting"),
            Self::ConnectRefused(reason) if reason.is_empty() => f.write_str("the client was refused"),
            Self::ConnectRefused(reason) => write!(f, "the client was refused: {reason}"),
            Self::PingExit => f.write_str("Inactivity timeout (--ping-exit), exiting"),
            Self::PingTimeout => f.write_str("Inactivity timeout (--ping-restart), restarting"),
            Self::RemoteExit => f.write_str("remote-exit"),
            Self::RemoteRestart(text) => write!(f, "server asked for a restart {text}"),
            Self::RemoteHalt(text) => write!(f, "server asked for an end {text}"),
            Self::LinkClosed => f.write_str("connection reset"),
            Self::LinkBroken(what) => write!(f, "the TCP link is broken: {what}"),
            Self::Revoked => f.write_str("the certificate was revoked"),
            Self::SourceDenied => f.write_str("its address may no longer talk to the server (source-deny)"),
            Self::TakenOver => f.write_str("another session of the same client took over"),
            Self::BadPush(what) => write!(f, "cannot use the server's options: {what}"),
            Self::Limit(what) => write!(f, "the limit of {what} is reached"),
            Self::ConnectFailed(why) => write!(f, "cannot open the link: {why}"),
        }
    }
}
