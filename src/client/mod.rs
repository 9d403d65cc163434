//! The connecting side.
//!
//! Owns one `Session` at a time, what the server pushed, and the order of the remotes. Opens no link: it asks the
//! host to ([`Event::ConnectRequested`]), and is told of the result.

mod end;
mod login;
mod probe;
mod pull;
mod refusal;
mod remotes;
mod verify;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::algorithm::Role;
use crate::buffer::PacketBuf;
use crate::certificate::PeerCertificate;
use crate::config::{ClientConfig, ConnectRetry, Connection, Credentials, TunnelSettings};
use crate::data::{OCC_EXIT, Special};
use crate::error::{Error, UsageError};
use crate::event::{CloseReason, Event, EventQueue, RequestId};
use crate::host::{Environment, Host};
use crate::limits::Limits;
use crate::packet::{Batch, Outcome, Packet, Port, Verdict};
use crate::path::{LinkId, Path, Transport};
use crate::peer::PeerId;
use crate::peer_data::{Opened, Payload, PeerData};
use crate::reason::{DropCounters, DropReason};
use crate::session::{Login, Session, SessionEvent, Shared, breaks_link, take_packet};
use crate::time::{Deadline, Instant, TimerKind, UnixTime};
use crate::wire::icmpv6::{NOBODY, make_no_route};
use crate::wire::ip::{IpHeader, transport_destination};
use crate::wire::opcode::parse_first_byte;
use crate::wire::stream;

pub use probe::{Answer, Probe, ServerAnswer};

use end::Retry;
use login::LoginState;
use pull::Pull;
use remotes::{Next, Remotes};

/// How long after an exit notice, at most, the link stays open for its acknowledgement.
const EXIT_NOTICE_INTERVAL: Duration = Duration::from_secs(1);

/// An OpenVPN client, sans-IO. [`crate`]'s documentation has the run loop.
pub struct Client {
    config: ClientConfig,
    /// What the sessions with each remote have in common.
    connections: Vec<Arc<Shared>>,
    env: Environment,
    local_info: Arc<str>,
    login: LoginState,
    remotes: Remotes,
    /// What the end of this session means for the next.
    retry: Retry,
    state: State,
    session: Option<Box<Session>>,
    /// The user knows that the tunnel leads into itself.
    recursion_told: bool,
    /// A session that has ended, while its last packets (an alert, an acknowledgement) are to be sent.
    farewell: Option<Box<Session>>,
    pull: Pull,
    settings: Option<Box<TunnelSettings>>,
    events: EventQueue,
    drops: DropCounters,
    requests: u64,
    /// The host was asked about the server's certificate.
    verify: Option<RequestId>,
    /// The host was asked for credentials for a renegotiation.
    relogin: Option<RequestId>,
}

#[derive(Debug)]
enum State {
    /// Not started, or ended for good.
    Idle,
    /// The host was asked for credentials.
    Credentials(RequestId),
    /// The host was asked to open a link.
    Link,
    /// The handshake runs, or at first waits for the server's answer.
    Handshake { answer_by: Instant },
    /// The server was asked for options.
    Pull {
        /// When the key exchange was complete.
        since: Instant,
        until: Instant,
    },
    /// Data flows.
    Up,
    /// A pause before the next attempt.
    Paused { until: Instant },
    /// We said that we leave.
    Leaving { until: Instant, notices: Option<Notices> },
}

/// Exit notices that go over the data channel, to servers that know no other.
#[derive(Debug)]
struct Notices {
    next: Instant,
}

impl Client {
    /// A client that is told everything by `config`, and does nothing until [`start`](Self::start).
    pub fn new(config: ClientConfig, host: Host, now: Instant) -> Result<Self, Error> {
        Self::with_limits(config, host, Limits::default(), now)
    }

    /// The same, with limits of the caller's choice.
    pub fn with_limits(
        config: ClientConfig,
        host: Host,
        limits: Limits,
        now: Instant,
    ) -> Result<Self, Error> {
        let (shared, events) =
            Shared::load(Role::Client, &config.session, host.crypto, host.unix_time, limits)?;
        let own = config.remotes.iter().map(|remote| shared.for_remote(remote));
        let mut connections = own.collect::<Result<Vec<_>, _>>()?;
        if connections.is_empty() {
            connections.push(shared);
        }
        let local_info = pull::local_info(&config).to_string().into();
        let login = LoginState::new(&config.auth_user_pass, config.auth_nocache);
        let mut env = Environment::new(host.entropy, now, host.unix_time);
        let mut remotes = Remotes::new(config.remotes.len(), config.connect_retry_max);
        if config.remote_random {
            remotes.shuffle(&mut env);
        }
        Ok(Self {
            config,
            connections,
            env,
            local_info,
            login,
            remotes,
            retry: Retry::default(),
            state: State::Idle,
            session: None,
            recursion_told: false,
            farewell: None,
            pull: Pull::new(limits.pushed_options),
            settings: None,
            events,
            drops: DropCounters::default(),
            requests: 0,
            verify: None,
            relogin: None,
        })
    }

    // ---- commands ----

    /// Begins: asks the host for credentials if they are needed, then for a link.
    pub fn start(&mut self, _now: Instant) {
        if !matches!(self.state, State::Idle | State::Paused { .. }) {
            return;
        }
        if self.login.must_ask() {
            self.requests += 1;
            let request = RequestId(self.requests);
            self.state = State::Credentials(request);
            self.events.push(Event::CredentialsRequested { request });
        } else {
            self.request_link();
        }
    }

    /// Forgets what [`provide_credentials`](Self::provide_credentials) has given: the next attempt asks again, and so
    /// does the next renegotiation unless a token of the server's stands for them.
    pub fn forget_credentials(&mut self) {
        self.login.forget();
        if let Some(session) = self.session.as_mut().filter(|_| !self.login.has_token()) {
            session.forget_login();
        }
    }

    /// Answers [`Event::CredentialsRequested`].
    pub fn provide_credentials(
        &mut self,
        now: Instant,
        request: RequestId,
        credentials: Credentials,
    ) -> Result<(), Error> {
        match (&self.state, &mut self.session) {
            (State::Credentials(asked), _) if *asked == request => {
                self.login.provide(credentials);
                self.request_link();
                Ok(())
            }
            (_, Some(session)) if self.relogin == Some(request) => {
                self.relogin = None;
                session.log_in(now, credentials);
                self.drain(now);
                Ok(())
            }
            _ => Err(UsageError::NoSuchRequest.into()),
        }
    }

    /// Tells how many addresses the name of the remote has that [`Event::ConnectRequested`] asks for; before the answer,
    /// and once for each name. All of them are tried before the next remote. A host that does not tell has one.
    pub fn found_addresses(&mut self, _now: Instant, count: usize) {
        if matches!(self.state, State::Link) {
            self.remotes.found(count);
        }
    }

    /// Answers [`Event::ConnectRequested`]: `path` leads to that remote; a TCP connection is established.
    pub fn connect(&mut self, now: Instant, path: Path) -> Result<(), Error> {
        if !matches!(self.state, State::Link) {
            return Err(UsageError::WrongState.into());
        }
        self.state = State::Handshake { answer_by: now + self.connect_timeout() };
        self.settings = None;
        self.pull.reset();
        self.retry = Retry::default();
        self.recursion_told = false;
        let (asks, once) = self.login.is_asked_for();
        let credentials = self.login.present().cloned();
        let login = Login { credentials, asks, once, peer_info: Arc::clone(&self.local_info) };
        match Session::connect(&self.shared(), &mut self.env, now, path, login) {
            Ok(mut session) => {
                let config = &session.shared().config;
                session.watch_silence(pull::own_ping_timeout(self.config.pull, config, path.transport));
                self.session = Some(Box::new(session));
            }
            Err(reason) => self.close(now, reason),
        }
        Ok(())
    }

    /// Answers [`Event::ConnectRequested`]: there is no link to be had. The next address or remote is tried after a
    /// pause.
    pub fn connect_failed(&mut self, now: Instant, why: &str) {
        if matches!(self.state, State::Link) {
            self.close(now, CloseReason::ConnectFailed(why.to_string()));
        }
    }

    /// Answers [`Event::ConnectRequested`]: no connection came about within `connect-timeout`. The next address or remote
    /// is tried at once.
    pub fn connect_timed_out(&mut self, now: Instant) {
        if matches!(self.state, State::Link) {
            self.retry.at_once = true;
            self.close(now, CloseReason::NoAnswer);
        }
    }

    /// There is no way to the server from here: nothing could be sent on that link. Before the server's first answer the
    /// next address or remote is tried; later the way may come back.
    pub fn link_unreachable(&mut self, now: Instant, link: LinkId) {
        let is_ours = self.session.as_ref().is_some_and(|session| session.path().link == link);
        if is_ours && matches!(self.state, State::Handshake { .. }) && !self.is_answered() {
            self.close(now, CloseReason::ConnectFailed("the network is unreachable".to_string()));
        }
    }

    /// The TCP connection has ended.
    pub fn link_closed(&mut self, now: Instant, link: LinkId) {
        if self.session.as_ref().is_some_and(|session| session.path().link == link) {
            self.close(now, CloseReason::LinkClosed);
        }
    }

    /// Ends the session and begins another (SIGUSR1).
    pub fn restart(&mut self, now: Instant) {
        if self.session.is_some() || matches!(self.state, State::Link) {
            if !self.is_connected() {
                self.retry.next = Some(Next::Remote);
            }
            self.remotes.forget_addresses();
            self.close(now, CloseReason::Restart);
        }
    }

    /// Sends a keepalive at once, so that the server learns where its packets are to go now: our address has changed.
    pub fn ping(&mut self, _now: Instant) {
        if let Some(data) = self.session.as_mut().and_then(|session| session.data_mut()) {
            data.ask_for_ping();
        }
    }

    /// Asks for new data keys.
    pub fn renegotiate(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.renegotiate(&mut self.env, now);
        }
        self.drain(now);
    }

    /// Leaves for good: tells the server if `explicit-exit-notify` says so, then [`Event::Closed`] follows.
    pub fn disconnect(&mut self, now: Instant) {
        let notify = self.settings.as_ref().and_then(|settings| settings.explicit_exit_notify);
        let notify = notify.or_else(|| self.shared().config.explicit_exit_notify).filter(|&times| times > 0);
        match (&self.state, &mut self.session, notify) {
            (State::Leaving { .. }, ..) => {}
            (State::Up, Some(session), Some(seconds)) if session.path().transport == Transport::Udp => {
                let until = now + EXIT_NOTICE_INTERVAL * u32::from(seconds);
                let notices = if session.negotiated().is_some_and(|negotiated| negotiated.cc_exit) {
                    session.send_message("EXIT");
                    None
                } else {
                    Some(Notices { next: now })
                };
                self.state = State::Leaving { until, notices };
            }
            _ => self.close(now, CloseReason::Requested),
        }
    }

    /// Corrects the wall clock.
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.env.set_clock(now, unix);
    }

    /// Hands out the data state, so that another thread can seal and open. There is one while data flows.
    pub fn detach(&mut self, _now: Instant, peer: PeerId) -> Option<Box<PeerData>> {
        self.session.as_mut().filter(|_| peer == PeerId::SERVER && matches!(self.state, State::Up))?.detach()
    }

    /// Takes a data state back, and brings it up to date. That of an earlier session is discarded.
    pub fn attach(&mut self, now: Instant, mut data: Box<PeerData>) {
        self.drops.merge(&data.take_drops());
        if let Some(session) = &mut self.session {
            session.attach(now, data);
        }
        self.check_usage(now);
        self.drain(now);
    }

    // ---- input ----

    /// Outer packets from the host's UDP socket.
    pub fn handle_datagrams(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.process(self, |client, packet, buf| client.datagram(now, &packet.path, buf));
        self.check_usage(now);
    }

    /// Bytes from a TCP link. Takes at most one packet off their front and answers how many bytes it used; `out`
    /// says what became of the packet, its offsets counted from `bytes`. 0 means that the packet is not yet whole.
    pub fn handle_stream(&mut self, now: Instant, link: LinkId, bytes: &mut [u8], out: &mut Packet) -> usize {
        let Some(path) =
            self.session.as_ref().map(|session| *session.path()).filter(|path| path.link == link)
        else {
            out.settle(Err(DropReason::UnknownPeer), &mut self.drops);
            return bytes.len();
        };
        let max = stream::max_packet(self.shared().config.tun_mtu);
        let used = take_packet(self, max, bytes, out, |client, buf| client.datagram(now, &path, buf));
        if out.verdict == Verdict::Drop
            && let Some(what) = breaks_link(out.reason)
        {
            self.close(now, CloseReason::LinkBroken(what));
        }
        self.check_usage(now);
        used
    }

    /// Inner packets from the host, to be sealed for the server.
    pub fn handle_tunnel_packets(&mut self, now: Instant, _from: Port, batch: &mut Batch<'_>) {
        batch.process(self, |client, _, buf| client.tunnel_packet(now, buf));
        self.check_usage(now);
    }

    /// Time has passed: call it at [`next_timeout`](Self::next_timeout), or at any time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(session) = &mut self.session {
            session.handle_timeout(&mut self.env, now);
        }
        match &self.state {
            State::Paused { until } if *until <= now => self.start(now),
            State::Leaving { until, .. } if *until <= now => self.close(now, CloseReason::Requested),
            State::Handshake { answer_by } if *answer_by <= now && !self.is_answered() => {
                self.retry.at_once = true;
                self.close(now, CloseReason::NoAnswer);
            }
            State::Pull { until, .. } if *until <= now => self.close(now, CloseReason::HandshakeTimeout),
            State::Pull { .. } => {
                if let Some(session) = self.session.as_mut().filter(|_| self.pull.is_request_due(now)) {
                    session.send_message("PUSH_REQUEST");
                }
            }
            _ => {}
        }
        self.drain(now);
    }

    // ---- output ----

    /// Fills the batch, all of whose descriptors are free slots, with what the engine itself wants to send. A slot
    /// needs [`HEADROOM`](crate::HEADROOM), `max-packet-size` and [`TAILROOM`](crate::TAILROOM) bytes; what does not
    /// fit is dropped with [`DropReason::NoRoom`] and sent again by its timer.
    pub fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.fill(self, |client, buf| {
            if let Some(session) = &mut client.farewell {
                if session.poll_transmit(&client.env, now, buf)? {
                    return Ok(Some(Outcome::Transmit(*session.path())));
                }
                client.farewell = None;
            }
            let Some(session) = &mut client.session else { return Ok(None) };
            if session.poll_transmit(&client.env, now, buf)? {
                return Ok(Some(Outcome::Transmit(*session.path())));
            }
            if let State::Leaving { notices: Some(notices), .. } = &mut client.state
                && notices.next <= now
                && let Some(data) = session.data_mut()
            {
                notices.next = now + EXIT_NOTICE_INTERVAL;
                data.seal_special(now, &OCC_EXIT, buf)?;
                return Ok(Some(Outcome::Transmit(*session.path())));
            }
            Ok(None)
        });
    }

    /// The next thing that the host is told or asked.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called, and why.
    pub fn next_timeout(&self) -> Option<Deadline> {
        let own = match &self.state {
            State::Paused { until } => Some(Deadline { at: *until, reason: TimerKind::ConnectRetry }),
            State::Leaving { until, notices } => {
                // While a worker has the data state, no notice can be sealed.
                let notices = notices.as_ref().filter(|_| self.data().is_some());
                let at = notices.map_or(*until, |notices| notices.next.min(*until));
                Some(Deadline { at, reason: TimerKind::ScheduledExit })
            }
            State::Pull { until, .. } => {
                let at = self.pull.next_request().map_or(*until, |at| at.min(*until));
                Some(Deadline { at, reason: TimerKind::PushRequest })
            }
            State::Handshake { answer_by } if !self.is_answered() => {
                Some(Deadline { at: *answer_by, reason: TimerKind::ConnectTimeout })
            }
            State::Idle | State::Credentials(_) | State::Link | State::Handshake { .. } | State::Up => None,
        };
        let session = self.session.as_ref().and_then(|session| session.next_timeout());
        own.into_iter().chain(session).min()
    }

    // ---- getters ----

    /// What the server pushed; there from [`Event::Connected`] to [`Event::Closed`].
    pub fn settings(&self) -> Option<&TunnelSettings> {
        self.settings.as_deref()
    }

    /// The server's certificate, once it has passed all checks.
    pub fn certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.session.as_ref()?.known_certificate()
    }

    /// Whether data flows.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// The data state: counters, and the path in use.
    pub fn data(&self) -> Option<&PeerData> {
        self.session.as_ref()?.data()
    }

    /// How many packets were dropped, and why.
    pub fn drops(&self) -> DropCounters {
        self.drops.clone()
    }

    // ---- private ----

    fn shared(&self) -> Arc<Shared> {
        let (remote, _) = self.remotes.current();
        Arc::clone(&self.connections[remote])
    }

    fn connection(&self) -> Option<&Connection> {
        let (remote, _) = self.remotes.current();
        self.config.remotes.get(remote).map(|remote| &remote.connection)
    }

    fn connect_timeout(&self) -> Duration {
        self.connection().and_then(|own| own.connect_timeout).unwrap_or(self.config.connect_timeout)
    }

    fn connect_retry(&self) -> ConnectRetry {
        self.connection().and_then(|own| own.connect_retry).unwrap_or(self.config.connect_retry)
    }

    fn floats(&self) -> bool {
        self.config.float || self.connection().is_some_and(|own| own.float)
    }

    fn is_answered(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_heard())
    }

    fn request_link(&mut self) {
        self.state = State::Link;
        let (remote, address) = self.remotes.current();
        self.events.push(Event::ConnectRequested { remote, address });
    }

    fn datagram(
        &mut self,
        now: Instant,
        path: &Path,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        let floats = self.floats();
        let session = self.session.as_mut().ok_or(DropReason::UnknownPeer)?;
        let from_server = session.path().same_remote(path);
        if !from_server && !floats {
            return Err(DropReason::WrongAddress);
        }
        let (opcode, _) = parse_first_byte(*buf.payload().first().ok_or(DropReason::Truncated)?)?;
        if opcode.is_data() {
            return self.data_packet(now, path, buf);
        }
        session.handle_wrapped(&mut self.env, now, buf.payload_mut())?;
        if !from_server {
            self.float(path);
        }
        self.drain(now);
        Ok(Outcome::Consumed)
    }

    fn data_packet(
        &mut self,
        now: Instant,
        path: &Path,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        let session = self.session.as_mut().ok_or(DropReason::UnknownPeer)?;
        let moved = !session.path().same_remote(path);
        if moved && session.request_attach() {
            self.events.push(Event::AttachRequested { peer: PeerId::SERVER });
        }
        let data = session.data_mut().ok_or(DropReason::Detached)?;
        let Opened { payload, floated } = data.open_one(now, buf, path)?;
        if floated {
            self.float(path);
        }
        match payload {
            Payload::Packet if matches!(self.state, State::Up | State::Leaving { .. }) => {
                Ok(Outcome::Deliver(Port::Host, PeerId::SERVER))
            }
            // The other is a server's.
            Payload::Packet | Payload::BlockedIpv6 => Err(DropReason::NotConnected),
            Payload::Special(Special::Exit) => {
                self.close(now, CloseReason::RemoteExit);
                Ok(Outcome::Consumed)
            }
            Payload::Special(Special::OccRequest) => {
                if let Some(session) = &mut self.session {
                    session.answer_occ();
                }
                Ok(Outcome::Consumed)
            }
            Payload::Special(Special::Ping | Special::Occ) => Ok(Outcome::Consumed),
        }
    }

    fn tunnel_packet(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Result<Outcome, DropReason> {
        if !matches!(self.state, State::Up) {
            return Err(DropReason::NotConnected);
        }
        if self.blocks_ipv6() && buf.payload().first().is_some_and(|byte| byte >> 4 == 6) {
            let other = self.settings.as_ref().and_then(|settings| settings.ifconfig_ipv6);
            make_no_route(buf, other.map_or(NOBODY, |ifconfig| ifconfig.gateway))?;
            return Ok(Outcome::Deliver(Port::Host, PeerId::SERVER));
        }
        let session = self.session.as_mut().ok_or(DropReason::NotConnected)?;
        if !self.config.allow_recursive_routing && is_recursive(buf.payload(), session.path()) {
            if !core::mem::replace(&mut self.recursion_told, true) {
                self.events.notice(
                    PeerId::SERVER,
                    "Recursive routing detected: the tunnel's own packets come out of the tunnel, and are dropped",
                );
            }
            return Err(DropReason::Recursive);
        }
        session.data_mut().ok_or(DropReason::Detached)?.seal_one(now, buf)?;
        Ok(Outcome::Transmit(*session.path()))
    }

    /// `block-ipv6`
    fn blocks_ipv6(&self) -> bool {
        self.config.block_ipv6 || self.settings.as_ref().is_some_and(|settings| settings.routes.block_ipv6)
    }

    fn float(&mut self, path: &Path) {
        if let Some(session) = &mut self.session {
            session.float(*path);
            self.events.push(Event::Floated { peer: PeerId::SERVER, path: *path });
        }
    }

    fn check_usage(&mut self, now: Instant) {
        if let Some(session) = self.session.as_mut().filter(|session| session.wants_renegotiation()) {
            session.renegotiate(&mut self.env, now);
            self.drain(now);
        }
    }

    /// Acts on what the session has to tell.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.session.as_mut().and_then(|session| session.poll_event()) {
            if let Err(reason) = self.session_event(now, event) {
                self.close(now, reason);
            }
        }
        if matches!(self.state, State::Leaving { notices: None, .. })
            && self.session.as_ref().is_some_and(|session| session.is_flushed())
        {
            self.close(now, CloseReason::Requested);
        }
    }

    fn session_event(&mut self, now: Instant, event: SessionEvent) -> Result<(), CloseReason> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let peer = PeerId::SERVER;
        match event {
            SessionEvent::Started { remote_id } => {
                let session_id = *remote_id.as_bytes();
                self.events.push(Event::SessionStarted { peer, path: *session.path(), session_id });
            }
            SessionEvent::HandshakeCompleted { protocol, renegotiation } => {
                session.tell_handshake(peer, protocol, renegotiation, &mut self.events);
            }
            SessionEvent::CertificateReceived(certificate) => self.ask_about_certificate(certificate),
            SessionEvent::Active { renegotiation: false } => {
                let common_name = session.certificate().and_then(|cert| cert.common_name.clone());
                self.events.push(Event::PeerAuthenticated { peer, common_name, path: *session.path() });
                self.login.was_sent();
                if !self.config.pull {
                    self.configure(now, TunnelSettings::default())?;
                } else if let Some(options) = self.pull.take_early() {
                    self.pushed(now, &options)?;
                } else {
                    session.send_message("PUSH_REQUEST");
                    self.state = State::Pull {
                        since: now,
                        until: now + self.pull.begin_waiting(now, &session.shared().config),
                    };
                }
            }
            SessionEvent::Active { renegotiation: true } => {
                if let Some(negotiated) = session.negotiated().copied() {
                    session.rekey(now, peer, negotiated, &mut self.events)?;
                }
            }
            SessionEvent::Message(text) => return self.message(now, &text),
            SessionEvent::BadMessage(text) => {
                self.drops.count(DropReason::MalformedControl);
                text.into_iter().for_each(|text| self.events.notice(peer, text));
            }
            SessionEvent::Failed(reason) => return Err(reason),
            SessionEvent::LoginNeeded => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.relogin = Some(request);
                self.events.push(Event::CredentialsRequested { request });
            }
            SessionEvent::ClientHello(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
impl Client {
    /// Says anything to the server, as a hostile client may.
    pub(crate) fn say(&mut self, text: &str) {
        if let Some(session) = &mut self.session {
            session.send_message(text);
        }
    }
}

/// Whether an inner packet is one of those that `path` carries: to the same address, by the same protocol, to the same
/// port.
fn is_recursive(packet: &[u8], path: &Path) -> bool {
    let Some(remote) = path.remote.ip() else { return false };
    IpHeader::parse(packet).is_some_and(|header| header.destination == remote.to_canonical())
        && transport_destination(packet) == Some((path.transport == Transport::Tcp, path.remote.port()))
}

impl AsMut<DropCounters> for Client {
    fn as_mut(&mut self) -> &mut DropCounters {
        &mut self.drops
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client").field("state", &self.state).finish_non_exhaustive()
    }
}
