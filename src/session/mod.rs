//! One session with one remote end: the hub where control channel, data channel and clocks meet.
//!
//! Owns the session ids, the wrapping of control packets, the present key negotiation (and the one before it, while
//! its last acknowledgements are under way), and the peer's data state unless a worker has it. Knows nothing of what
//! is pushed or pulled, of addresses inside, or of other peers: [`Client`](crate::Client) and
//! [`Server`](crate::Server) drain its `SessionEvent`s and decide.

mod certificate;
mod connection;
mod exchange;
mod link;
mod negotiation;
mod tell;
mod timers;
mod transmit;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

use crate::algorithm::{Cipher, Role};
use crate::config::{Credentials, NamedText, SessionConfig};
use crate::crypto::KeyBlock;
use crate::data::KeySlots;
use crate::error::Error;
use crate::event::{CloseReason, EventQueue};
use crate::host::Environment;
use crate::limits::Limits;
use crate::path::Path;
use crate::peer::PeerId;
use crate::peer_data::PeerData;
use crate::reason::DropReason;
use crate::time::{Instant, UnixTime};
use crate::tls::{PeerCertificate, TlsContext, TlsProtocol};
use crate::wire::message::{quote_unprintable, split_messages};
use crate::wire::{ControlHeader, ControlPacket, KeyId, Opcode, PeerInfo, SessionId};
use crate::wrap::{ControlWrap, PacketStamp, WrapKeys};

use certificate::Judgement;
use exchange::KeyExchange;

pub(crate) use link::{breaks_link, take_packet};
pub(crate) use negotiation::{Negotiated, choose_cipher};

/// What all sessions of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) role: Role,
    pub(crate) config: SessionConfig,
    pub(crate) tls: Arc<TlsContext>,
    pub(crate) wrap: WrapKeys,
    pub(crate) limits: Limits,
}

impl Shared {
    /// Loads and checks what `config` names; what is only worth a warning becomes the first events.
    pub(crate) fn load(
        role: Role,
        config: &SessionConfig,
        crypto: Arc<CryptoProvider>,
        unix: UnixTime,
        limits: Limits,
    ) -> Result<(Arc<Self>, EventQueue), Error> {
        let wrap = WrapKeys::new(role, &config.wrap, config.auth)?;
        let tls = TlsContext::new(role, &config.tls, crypto)?;
        let mut events = EventQueue::new(limits.events);
        for warning in tls.warnings().iter().chain(&tls.date_warnings(unix)) {
            events.notice(PeerId::NONE, warning.to_string());
        }
        let tls = Arc::new(tls);
        Ok((Arc::new(Self { role, config: config.clone(), tls, wrap, limits }), events))
    }

    /// The same with other revocation lists.
    pub(crate) fn with_crl(&self, crl: Option<&NamedText>) -> Result<Arc<Self>, Error> {
        let (role, limits) = (self.role, self.limits);
        let (config, wrap, tls) = (self.config.clone(), self.wrap.clone(), Arc::new(self.tls.with_crl(crl)?));
        Ok(Arc::new(Self { role, config, tls, wrap, limits }))
    }
}

/// What a session tells its owner, in order.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// Client: the server has answered our reset.
    Started { remote_id: SessionId },
    /// TLS is established.
    HandshakeCompleted { protocol: TlsProtocol, renegotiation: bool },
    /// The host is to say whether the peer's certificate is accepted; answered by `certificate_judged`.
    CertificateReceived(Arc<PeerCertificate>),
    /// Server: the client's half of the key exchange, with what it says of itself.
    ClientHello(Box<ClientHello>),
    /// Client: a renegotiation needs a login, and what was given before is not kept.
    LoginNeeded,
    /// Both halves of the key exchange are delivered. Data keys may be made, once the peer is also entitled to them.
    Active { renegotiation: bool },
    /// A control message.
    Message(String),
    /// A control message that is not fit to be read; a sentence about it, unless there were many.
    BadMessage(Option<String>),
    /// The session cannot go on.
    Failed(CloseReason),
}

/// How many unreadable control messages of a session are told of one by one; all are counted.
const MOST_BAD_MESSAGES_TOLD: u8 = 10;

/// What a client says in its key exchange.
#[derive(Debug)]
pub(crate) struct ClientHello {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) peer_info: PeerInfo,
    pub(crate) options: String,
}

/// Key negotiation over one control channel.
struct Negotiation {
    channel: crate::control::ControlChannel,
    exchange: KeyExchange,
    started: Instant,
    /// The handshake was reported.
    handshake_reported: bool,
    judgement: Judgement,
    /// The host was asked by what to log in.
    login_asked: bool,
    /// When both halves of the key exchange were delivered.
    active_since: Option<Instant>,
    /// Data keys were made of it.
    keys_made: bool,
}

/// A key made while a worker had the data state.
struct PendingKey {
    key_id: KeyId,
    cipher: Cipher,
    block: KeyBlock,
    use_by: Instant,
}

/// What a client says of itself in its key exchange.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) credentials: Option<Credentials>,
    /// The host can be asked for them.
    pub(crate) asks: bool,
    /// `auth-nocache`: they serve one key exchange.
    pub(crate) once: bool,
    /// The IV_* lines.
    pub(crate) peer_info: Arc<str>,
}

/// How a session begins.
struct Opening {
    peer: PeerId,
    path: Path,
    wrap: ControlWrap,
    local_id: SessionId,
    remote_id: Option<SessionId>,
    /// The hard reset that we send, unless a cookie has taken its place.
    reset: Option<Opcode>,
}

/// One session with one remote end.
pub(crate) struct Session {
    shared: Arc<Shared>,
    path: Path,
    local_id: SessionId,
    remote_id: Option<SessionId>,
    wrap: ControlWrap,
    current: Negotiation,
    /// The negotiation before, kept to acknowledge its last packets until `current` is active.
    previous: Option<Negotiation>,
    negotiated: Option<Negotiated>,
    login: Login,
    /// By which name we logged in.
    username: Option<String>,
    /// The other end's options string.
    remote_options: String,
    data: Option<Box<PeerData>>,
    /// The newest of the keys that wait for the data state to come back from its worker.
    pending_keys: heapless::Vec<PendingKey, { KeySlots::MAX }>,
    /// The host was asked for the data state.
    attach_requested: bool,
    /// Records that wait for the present key exchange to end.
    messages: VecDeque<Zeroizing<Vec<u8>>>,
    bad_messages_told: u8,
    events: VecDeque<SessionEvent>,
    timers: timers::Timers,
    occ_reply: bool,
    failed: bool,
}

impl Session {
    /// A client's session: begins with a hard reset.
    pub(crate) fn connect(
        shared: &Arc<Shared>,
        env: &mut Environment,
        now: Instant,
        path: Path,
        login: Login,
    ) -> Result<Self, CloseReason> {
        let opening = Opening {
            peer: PeerId::SERVER,
            path,
            wrap: ControlWrap::new(shared.wrap.clone(), shared.config.replay_window),
            local_id: new_session_id(env),
            remote_id: None,
            reset: Some(Opcode::ControlHardResetClientV2),
        };
        Self::open(shared, env, now, opening, login)
    }

    /// A server's session with a client whose address is proven: by its TCP connection (`cookie` is `None`), or by
    /// the cookie that it sent back, which is our session id and ends the exchange of resets.
    pub(crate) fn accept(
        shared: &Arc<Shared>,
        env: &mut Environment,
        now: Instant,
        (peer, path): (PeerId, Path),
        remote_id: SessionId,
        cookie: Option<SessionId>,
    ) -> Result<Self, CloseReason> {
        let (keys, window) = (shared.wrap.clone(), shared.config.replay_window);
        let remote_id = Some(remote_id);
        let opening = match cookie {
            Some(local_id) => {
                let wrap = ControlWrap::new_after_cookie(keys, window);
                Opening { peer, path, wrap, local_id, remote_id, reset: None }
            }
            None => {
                let wrap = ControlWrap::new(keys, window);
                let reset = Some(Opcode::ControlHardResetServerV2);
                Opening { peer, path, wrap, local_id: new_session_id(env), remote_id, reset }
            }
        };
        Self::open(shared, env, now, opening, Login::default())
    }

    fn open(
        shared: &Arc<Shared>,
        env: &mut Environment,
        now: Instant,
        opening: Opening,
        login: Login,
    ) -> Result<Self, CloseReason> {
        let Opening { peer, path, wrap, local_id, remote_id, reset } = opening;
        let mut data = PeerData::new(now, peer, shared.role, path, &shared.config);
        data.set_session(local_id);
        let mut session = Self {
            current: Negotiation::begin(shared, env, now, KeyId::INITIAL, reset)?,
            data: Some(Box::new(data)),
            timers: timers::Timers::new(&shared.config),
            shared: Arc::clone(shared),
            path,
            local_id,
            remote_id,
            wrap,
            previous: None,
            negotiated: None,
            username: login.credentials.as_ref().map(|credentials| credentials.username.clone()),
            login,
            remote_options: String::new(),
            pending_keys: heapless::Vec::new(),
            attach_requested: false,
            messages: VecDeque::new(),
            bad_messages_told: 0,
            events: VecDeque::new(),
            occ_reply: false,
            failed: false,
        };
        session.client_hello()?;
        Ok(session)
    }

    // ---- input ----

    /// Takes in a wrapped control packet that claims to be of this session.
    pub(crate) fn handle_wrapped(
        &mut self,
        env: &mut Environment,
        now: Instant,
        packet: &mut [u8],
    ) -> Result<(), DropReason> {
        let (header, inner) = self.wrap.open(now, packet)?;
        self.handle_control(env, now, header, inner)
    }

    /// Takes in an unwrapped control packet: its header, and the part below the wrapping.
    pub(crate) fn handle_control(
        &mut self,
        env: &mut Environment,
        now: Instant,
        header: ControlHeader,
        inner: &[u8],
    ) -> Result<(), DropReason> {
        let packet = ControlPacket::parse(header.opcode, inner)?;
        self.check_ids(&header, &packet)?;
        if header.opcode == Opcode::ControlSoftResetV1 {
            self.handle_soft_reset(env, now, header.key_id)?;
        }
        let is_current = header.key_id == self.current.channel.key_id();
        let negotiation = if is_current {
            &mut self.current
        } else {
            self.previous
                .as_mut()
                .filter(|previous| previous.channel.key_id() == header.key_id)
                .ok_or(DropReason::WrongKeyId)?
        };
        let result = negotiation.channel.handle_packet(now, &packet)?;
        if let Some(data) = &mut self.data {
            data.note_received(now);
        }
        match result {
            Ok(()) if is_current => self.advance(now),
            Ok(()) => {
                // A message that was on its way when the renegotiation began.
                while let Some(record) = self.previous.as_mut().and_then(|previous| previous.channel.read()) {
                    self.messages_received(&record);
                }
            }
            Err(error) if is_current && error.is_about_certificate() => {
                self.fail(CloseReason::Certificate(error.to_string()));
            }
            Err(error) if is_current => self.fail(CloseReason::Tls(error.to_string())),
            Err(error) => crate::log::debug!("a replaced negotiation failed: {error}"),
        }
        Ok(())
    }

    /// Takes in the packet that began the session, which was unwrapped to find out that it may.
    pub(crate) fn handle_opened(
        &mut self,
        env: &mut Environment,
        now: Instant,
        stamp: Option<PacketStamp>,
        header: ControlHeader,
        inner: &[u8],
    ) -> Result<(), DropReason> {
        self.wrap.accept_opened(now, stamp)?;
        self.handle_control(env, now, header, inner)
    }

    fn check_ids(&mut self, header: &ControlHeader, packet: &ControlPacket<'_>) -> Result<(), DropReason> {
        let (ours, theirs) = match self.shared.role {
            Role::Client => (Opcode::ControlHardResetClientV2, Opcode::ControlHardResetServerV2),
            Role::Server => (Opcode::ControlHardResetServerV2, Opcode::ControlHardResetClientV2),
        };
        match header.opcode {
            Opcode::HardResetClientV3 | Opcode::ControlWkcV1 => return Err(DropReason::Unsupported),
            opcode if opcode == ours => return Err(DropReason::WrongRole),
            // A reset is the first message of its negotiation (OpenVPN 2.6.22: another one broke the order).
            opcode
                if (opcode == theirs || opcode == Opcode::ControlSoftResetV1)
                    && packet.message_id != Some(0) =>
            {
                return Err(DropReason::MalformedControl);
            }
            _ => {}
        }
        if packet.remote_session_id.is_some_and(|id| id != self.local_id) {
            return Err(DropReason::WrongSession);
        }
        match self.remote_id {
            Some(id) if id == header.session_id => Ok(()),
            Some(_) => Err(DropReason::WrongSession),
            // Only an end that has seen our reset knows our session id; without it, anybody could begin a session.
            None if header.opcode == theirs
                && header.session_id.is_defined()
                && packet.remote_session_id.is_some() =>
            {
                self.remote_id = Some(header.session_id);
                self.events.push_back(SessionEvent::Started { remote_id: header.session_id });
                Ok(())
            }
            None => Err(DropReason::WrongSession),
        }
    }

    /// The peer begins a renegotiation, or answers ours, or both began at once: then they merge, for both ends use
    /// the same next key id.
    fn handle_soft_reset(
        &mut self,
        env: &mut Environment,
        now: Instant,
        key_id: KeyId,
    ) -> Result<(), DropReason> {
        if key_id != self.current.channel.key_id().next() {
            return Ok(());
        }
        if !self.current.keys_made {
            return Err(DropReason::WrongKeyId); // it will come again when we are ready
        }
        self.begin_renegotiation(env, now);
        Ok(())
    }

    /// Goes on with the key exchange as far as what has arrived permits.
    fn advance(&mut self, now: Instant) {
        if !self.current.handshake_reported && !self.current.channel.tls().is_handshaking() {
            self.current.handshake_reported = true;
            if let Some(protocol) = self.current.channel.tls().protocol() {
                self.events.push_back(SessionEvent::HandshakeCompleted {
                    protocol,
                    renegotiation: self.is_renegotiating(),
                });
            }
        }
        if !self.is_judged() || self.current.login_asked {
            return;
        }
        while let Some(record) = self.current.channel.read() {
            if self.current.exchange.is_complete() {
                self.messages_received(&record);
            } else if let Err(reason) = self.key_method_received(&record) {
                return self.fail(reason);
            }
        }
        if self.current.exchange.is_complete() {
            self.flush_messages();
            if self.current.active_since.is_none() && self.current.channel.is_flushed() {
                self.current.active_since = Some(now);
                self.previous = None;
                let renegotiation = self.is_renegotiating();
                self.events.push_back(SessionEvent::Active { renegotiation });
            }
        }
    }

    fn messages_received(&mut self, record: &[u8]) {
        for message in split_messages(record) {
            match message {
                Ok(text) => self.events.push_back(SessionEvent::Message(text.to_string())),
                Err(bytes) => {
                    let text = (self.bad_messages_told < MOST_BAD_MESSAGES_TOLD).then(|| {
                        self.bad_messages_told += 1;
                        let quoted = quote_unprintable(bytes);
                        alloc::format!("a control message that is not printable text was ignored: '{quoted}'")
                    });
                    self.events.push_back(SessionEvent::BadMessage(text));
                }
            }
        }
    }

    // ---- commands ----

    /// Sends a control message as one NUL-terminated record, once the key exchange permits.
    pub(crate) fn send_message(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(crate) fn send_bytes(&mut self, text: &[u8]) {
        let mut record = Zeroizing::new(Vec::with_capacity(text.len() + 1));
        record.extend_from_slice(text);
        record.push(0);
        let queued: usize = self.messages.iter().map(|message| message.len()).sum();
        if queued + record.len() > self.shared.limits.control_queue {
            return self.fail(CloseReason::Limit("queued control messages"));
        }
        self.messages.push_back(record);
        self.flush_messages();
    }

    /// Renegotiations log in like this from now on (`auth-token`).
    pub(crate) fn set_login(&mut self, token: Credentials) {
        self.username = Some(token.username.clone());
        self.login.credentials = Some(token);
        self.login.once = false;
    }

    /// What the host was asked for is asked for again at the next renegotiation.
    pub(crate) fn forget_login(&mut self) {
        if self.login.asks {
            self.login.credentials = None;
        }
    }

    /// The host's answer to [`SessionEvent::LoginNeeded`].
    pub(crate) fn log_in(&mut self, now: Instant, credentials: Credentials) {
        if !core::mem::take(&mut self.current.login_asked) || self.failed {
            return;
        }
        // A token that has come meanwhile is what the server wants.
        if self.login.credentials.is_none() {
            self.username = Some(credentials.username.clone());
            self.login.credentials = Some(credentials);
        }
        match self.client_hello() {
            Ok(()) => self.advance(now),
            Err(reason) => self.fail(reason),
        }
    }

    /// Begins a renegotiation, unless one is under way.
    pub(crate) fn renegotiate(&mut self, env: &mut Environment, now: Instant) {
        if self.current.keys_made && !self.failed {
            self.begin_renegotiation(env, now);
        }
    }

    /// Makes data keys of the present negotiation and puts them to use.
    ///
    /// Only for a peer that is entitled to them, and only after [`SessionEvent::Active`].
    pub(crate) fn make_keys(&mut self, now: Instant, negotiated: Negotiated) -> Result<KeyId, CloseReason> {
        let block = self.derive_keys(&negotiated)?;
        let key_id = self.current.channel.key_id();
        // The old key goes on sending until the peer surely has the new one (or shows that it has, by using it).
        let half_life = self.shared.config.renegotiate.after.map(|after| after / 2);
        let grace =
            half_life.map_or(self.shared.config.hand_window, |half| half.min(self.shared.config.hand_window));
        let key =
            PendingKey { key_id, cipher: negotiated.cipher, block, use_by: self.current.started + grace };
        self.negotiated = Some(negotiated);
        self.current.keys_made = true;
        match &mut self.data {
            Some(data) => install(data, &key, now + self.shared.config.tran_window),
            None => {
                if self.pending_keys.is_full() {
                    self.pending_keys.remove(0);
                }
                let pushed = self.pending_keys.push(key);
                debug_assert!(pushed.is_ok(), "room was just made");
            }
        }
        Ok(key_id)
    }

    /// Hands out the data state for a worker.
    pub(crate) fn detach(&mut self) -> Option<Box<PeerData>> {
        self.attach_requested = false;
        self.data.take()
    }

    /// Whether the host is to be asked for the data state: a worker has it, and nobody has asked since.
    pub(crate) fn request_attach(&mut self) -> bool {
        self.data.is_none() && !core::mem::replace(&mut self.attach_requested, true)
    }

    /// Takes the data state back, and brings it up to date. One that was not handed out here is discarded: it
    /// outlived its session.
    pub(crate) fn attach(&mut self, now: Instant, mut data: Box<PeerData>) {
        if self.data.is_some() || data.session() != self.local_id {
            return;
        }
        for key in core::mem::take(&mut self.pending_keys) {
            install(&mut data, &key, now + self.shared.config.tran_window);
        }
        if data.remote_exit() {
            self.fail(CloseReason::RemoteExit);
        }
        self.data = Some(data);
    }

    /// New negotiations take their certificates, keys and lists from here.
    pub(crate) fn set_shared(&mut self, shared: &Arc<Shared>) {
        self.shared = Arc::clone(shared);
    }

    /// The peer is at another address from now on.
    pub(crate) fn float(&mut self, path: Path) {
        self.path = path;
        if let Some(data) = &mut self.data {
            data.set_path(path);
        }
    }

    // ---- output ----

    pub(crate) fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    // ---- getters ----

    /// What it has in common with other sessions, its settings among that.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// By which name we log in.
    pub(crate) fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    pub(crate) fn remote_id(&self) -> Option<SessionId> {
        self.remote_id
    }

    /// The certificate that the peer showed in the present negotiation.
    pub(crate) fn certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.current.channel.tls().peer_certificate()
    }

    /// The same, or while a renegotiation is in its handshake, the one of the negotiation before.
    pub(crate) fn known_certificate(&self) -> Option<&Arc<PeerCertificate>> {
        let before = || self.previous.as_ref()?.channel.tls().peer_certificate();
        self.certificate().or_else(before)
    }

    /// When the present negotiation began.
    pub(crate) fn negotiating_since(&self) -> Instant {
        self.current.started
    }

    pub(crate) fn remote_options(&self) -> &str {
        &self.remote_options
    }

    pub(crate) fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    pub(crate) fn data(&self) -> Option<&PeerData> {
        self.data.as_deref()
    }

    pub(crate) fn data_mut(&mut self) -> Option<&mut PeerData> {
        self.data.as_deref_mut()
    }

    pub(crate) fn is_renegotiating(&self) -> bool {
        self.current.channel.key_id() != KeyId::INITIAL
    }

    /// Everything that was to be said has been said and acknowledged.
    pub(crate) fn is_flushed(&self) -> bool {
        self.messages.is_empty() && self.current.channel.is_flushed()
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.current.channel.progress() > crate::control::Progress::Silence || self.is_renegotiating()
    }

    // ---- private ----

    fn begin_renegotiation(&mut self, env: &mut Environment, now: Instant) {
        let key_id = self.current.channel.key_id().next();
        match Negotiation::begin(&self.shared, env, now, key_id, Some(Opcode::ControlSoftResetV1)) {
            Ok(next) => {
                self.previous = Some(core::mem::replace(&mut self.current, next));
                if let Err(reason) = self.client_hello() {
                    self.fail(reason);
                }
            }
            Err(reason) => self.fail(reason),
        }
    }

    fn flush_messages(&mut self) {
        while self.current.exchange.is_complete()
            && let Some(record) = self.messages.pop_front()
        {
            if let Err(error) = self.current.channel.write(&record) {
                return self.fail(CloseReason::Tls(error.to_string()));
            }
        }
    }

    fn fail(&mut self, reason: CloseReason) {
        if !self.failed {
            self.failed = true;
            self.events.push_back(SessionEvent::Failed(reason));
        }
    }
}

/// Adds a key to the data state; the ones before it live on until `must_die`.
fn install(data: &mut PeerData, key: &PendingKey, must_die: Instant) {
    data.install_key(key.key_id, key.cipher, &key.block, key.use_by);
    data.retire_others(must_die);
}

fn new_session_id(env: &mut Environment) -> SessionId {
    loop {
        let id = SessionId::from_bytes(env.random());
        if id.is_defined() {
            return id;
        }
    }
}

impl Negotiation {
    fn begin(
        shared: &Shared,
        env: &mut Environment,
        now: Instant,
        key_id: KeyId,
        reset: Option<Opcode>,
    ) -> Result<Self, CloseReason> {
        let tls = shared
            .tls
            .connection(env.unix(now), shared.limits.tls_input)
            .map_err(|error| CloseReason::Tls(error.to_string()))?;
        Ok(Self {
            channel: crate::control::ControlChannel::new(key_id, reset, tls, shared.config.tls_timeout),
            exchange: KeyExchange::new(shared.role, env),
            started: now,
            handshake_reported: false,
            judgement: Judgement::new(shared.config.tls.verify_by_host),
            login_asked: false,
            active_since: None,
            keys_made: false,
        })
    }
}
