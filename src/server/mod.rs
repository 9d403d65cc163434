//! The accepting side.
//!
//! Owns all sessions with clients, the address pool, and which inner address is whose. Opens no socket and reads no
//! file; who may connect beyond what certificates say is asked of the host ([`Event::AuthRequested`]).

mod accept;
mod addressing;
mod admit;
mod ask;
mod connect;
mod links;
mod login;
mod packets;
mod peers;
mod pool;
mod push;
mod routing;
#[cfg(test)]
mod say;
mod settings;
mod token;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::algorithm::{Cipher, Role};
use crate::certificate::PeerCertificate;
use crate::config::{Ifconfig, IfconfigIpv6, IpNetwork, Lease, NamedText, ServerConfig};
use crate::error::{Error, UsageError};
use crate::event::{CloseReason, Event, EventQueue, Refusal};
use crate::host::{Environment, Host};
use crate::limits::Limits;
use crate::packet::{Batch, HEADROOM, Outcome, Packet, Port, TAILROOM, Verdict};
use crate::path::{LinkId, Path, Transport};
use crate::peer::PeerId;
use crate::peer_data::PeerData;
use crate::reason::{DropCounters, DropReason};
use crate::router::{Router, RouterSetup};
use crate::session::{Shared, breaks_link, take_packet};
use crate::time::{Deadline, Instant, UnixTime};
use crate::wire::stream;
use crate::wrap::{Cookie, InitialRateLimit};

use addressing::Addressing;
use ask::{AuthState, ConnectState};
use links::Links;
use peers::{Peer, Peers, Stage};
use pool::Pool;
use token::Tokens;

pub use ask::{AuthDecision, ConnectDecision};

/// How long a session that is over still acknowledges, so that its last packets begin no new one.
const SCHEDULED_EXIT: Duration = Duration::from_secs(5);
/// How long a server that shuts down waits for its notices to be acknowledged.
const SHUTDOWN_NOTICE: Duration = Duration::from_secs(2);

/// An OpenVPN server, sans-IO. [`crate`]'s documentation has the run loop.
pub struct Server {
    config: ServerConfig,
    shared: Arc<Shared>,
    env: Environment,
    cookie: Cookie,
    initial_rate: InitialRateLimit,
    /// `connect-freq`
    session_rate: Option<InitialRateLimit>,
    links: Links,
    peers: Peers,
    addressing: Addressing,
    pool: Pool,
    tokens: Option<Tokens>,
    router: Router,
    /// Room for a packet that has none around it.
    spare: Box<[u8]>,
    events: EventQueue,
    drops: DropCounters,
    requests: u64,
    /// How many sessions there were.
    sessions: u64,
    /// When a first packet that cannot be opened is worth a notice again.
    next_stranger: Instant,
    /// When the revocation lists were last replaced.
    crl_since: Option<Instant>,
    /// No new sessions.
    shutting_down: bool,
}

/// A connected client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerInfo<'a> {
    /// Its handle.
    pub peer: PeerId,
    /// Its number among all sessions of this server, from 0, never used again: OpenVPN's client id (CID).
    pub client_id: u64,
    /// The common name of its certificate, or the user name with `username-as-common-name`.
    pub common_name: Option<&'a str>,
    /// The user name of its login.
    pub username: Option<&'a str>,
    /// Where it is.
    pub path: Path,
    /// Its inner IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its inner IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// What is routed to it: its addresses, and the networks behind it (`iroute`).
    pub networks: &'a [IpNetwork],
    /// Since when it has been connected; before that, when it came.
    pub connected_since: UnixTime,
    /// When something of it last arrived; none if a worker has the data state.
    pub last_activity: Option<UnixTime>,
    /// Its certificate, if it has one.
    pub certificate: Option<&'a Arc<PeerCertificate>>,
    /// Its data channel cipher.
    pub cipher: Option<Cipher>,
    /// Its data state, unless a worker has it: counters.
    pub data: Option<&'a PeerData>,
}

impl Server {
    /// A server with the limits of [`Limits::SERVER`].
    pub fn new(config: ServerConfig, host: Host, now: Instant) -> Result<Self, Error> {
        Self::with_limits(config, host, Limits::SERVER, now)
    }

    /// The same, with limits of the caller's choice.
    pub fn with_limits(
        config: ServerConfig,
        host: Host,
        limits: Limits,
        now: Instant,
    ) -> Result<Self, Error> {
        let (shared, events) =
            Shared::load(Role::Server, &config.session, host.crypto, host.unix_time, limits)?;
        let mut env = Environment::new(host.entropy, now, host.unix_time);
        let addressing = Addressing::new(&config);
        let reneg = config.session.renegotiate.after;
        let tokens = config.auth_gen_token.as_ref();
        let tokens = tokens.map(|token| Tokens::new(token, reneg, &mut env)).transpose()?;
        let setup = RouterSetup {
            gateway_ipv4: addressing.ipv4.map(|ipv4| ipv4.local),
            gateway_ipv6: addressing.ipv6.map(|ipv6| ipv6.local),
            networks: addressing.networks(&config),
            client_to_client: config.client_to_client,
            host_mtu: (!config.no_host_port).then_some(config.session.tun_mtu),
            lan: None,
        };
        let router = Router::new((*config.router).clone(), setup, &limits, env.random(), now);
        Ok(Self {
            shared,
            cookie: Cookie::new(env.random()),
            initial_rate: InitialRateLimit::new(config.connect_freq_initial),
            session_rate: config.connect_freq.map(InitialRateLimit::new),
            env,
            links: Links::new(limits.sessions),
            peers: Peers::new(limits.sessions),
            pool: Pool::new(&config, &addressing),
            addressing,
            tokens,
            router,
            spare: vec![0; HEADROOM + stream::max_packet(config.session.tun_mtu) + TAILROOM].into(),
            events,
            drops: DropCounters::default(),
            requests: 0,
            sessions: 0,
            next_stranger: Instant::ZERO,
            crl_since: None,
            shutting_down: false,
            config,
        })
    }

    // ---- commands ----

    /// A TCP connection was accepted; `path.link` names it from now on. [`Event::LinkClosed`] follows if no session
    /// begins on it within `hand-window`, and at once if there are as many connections as [`Limits::sessions`], or if the
    /// address may not talk to the server (`source-deny`).
    pub fn link_opened(&mut self, now: Instant, path: Path) {
        if !self.may_talk(&path) {
            self.drops.count(DropReason::SourceDenied);
            self.events.push(Event::LinkClosed { link: path.link });
            return;
        }
        if !self.links.insert(path, now + self.shared.config.hand_window) {
            self.events.push(Event::LinkClosed { link: path.link });
        }
    }

    /// A TCP connection has ended.
    pub fn link_closed(&mut self, now: Instant, link: LinkId) {
        self.links.remove(link);
        self.end_all_on(now, link, &CloseReason::LinkClosed);
    }

    /// Ends a client's session; `notice` (`RESTART`, `HALT`, ...) is sent to it first, if it is not empty.
    pub fn disconnect(&mut self, now: Instant, peer: PeerId, notice: &str) -> Result<(), Error> {
        let found = self.peers.by_id(peer).ok_or(UsageError::NoSuchPeer)?;
        if !notice.is_empty() {
            found.session.send_message(notice);
        }
        self.leave(now, peer.index(), CloseReason::Requested);
        Ok(())
    }

    /// Ends all sessions, and begins no new ones. Clients on UDP are told if `explicit-exit-notify` says so. The
    /// server is done when [`is_idle`](Self::is_idle) says so, at the latest after two seconds.
    pub fn shutdown(&mut self, now: Instant) {
        self.shutting_down = true;
        let notice = match self.shared.config.explicit_exit_notify {
            None | Some(0) => None,
            Some(1) => Some("RESTART"),
            Some(_) => Some("RESTART,[N]"),
        };
        for index in self.peers.indices() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            match notice {
                Some(notice) if peer.is_connected() && peer.session.path().transport == Transport::Udp => {
                    peer.session.send_message(notice);
                    let until = now + SHUTDOWN_NOTICE;
                    self.end(now, index, CloseReason::Requested, Some((until, false)));
                }
                _ => self.end(now, index, CloseReason::Requested, None),
            }
        }
    }

    /// Asks a client for new data keys.
    pub fn renegotiate(&mut self, now: Instant, peer: PeerId) -> Result<(), Error> {
        let found = self.peers.by_id(peer).ok_or(UsageError::NoSuchPeer)?;
        found.session.renegotiate(&mut self.env, now);
        self.drain(now, peer.index());
        Ok(())
    }

    /// Puts other revocation lists into force (`crl-verify`), none with `None`: for every handshake from now on, and
    /// for the sessions that there are. Those whose certificate they revoke end with [`CloseReason::Revoked`].
    ///
    /// # Errors
    ///
    /// What is wrong with the lists, with file and line; the ones before stay in force.
    pub fn set_crl(&mut self, now: Instant, crl: Option<&NamedText>) -> Result<(), Error> {
        self.shared = self.shared.with_crl(crl)?;
        self.crl_since = Some(now);
        let unix = self.env.unix(now);
        for index in self.peers.indices() {
            let Some(peer) = self.peers.get_mut(index) else { continue };
            peer.session.set_shared(&self.shared);
            let certificate = peer.session.known_certificate();
            if !peer.is_leaving() && certificate.is_some_and(|seen| self.shared.tls.is_revoked(seen, unix)) {
                self.close(now, index, CloseReason::Revoked);
                self.drain(now, index);
            }
        }
        Ok(())
    }

    /// Corrects the wall clock.
    pub fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
        self.env.set_clock(now, unix);
    }

    /// Hands out a client's data state, so that another thread can seal and open for it. Outer packets of that client
    /// that come here meanwhile are dropped with [`DropReason::Detached`]; inner packets for it are for
    /// [`Port::Worker`].
    pub fn detach(&mut self, _now: Instant, peer: PeerId) -> Option<Box<PeerData>> {
        let others = self.others_within(peer);
        let mut data = self.peers.by_id(peer).filter(|peer| peer.is_connected())?.session.detach()?;
        data.set_others(others);
        Some(data)
    }

    /// Takes a data state back, and brings it up to date. That of a client that has gone is discarded.
    pub fn attach(&mut self, now: Instant, mut data: Box<PeerData>) {
        self.drops.merge(&data.take_drops());
        let id = data.peer();
        if let Some(peer) = self.peers.by_id(id) {
            let connected = peer.is_connected();
            peer.session.attach(now, data);
            // What is whose may be otherwise by now; and the table is here again to be asked.
            if let Some(data) = peer.session.data_mut().filter(|_| connected) {
                data.set_sources(peer.networks.clone());
                data.set_others(Vec::new());
                data.set_routed(self.router.is_stateful());
            }
            self.check_usage(now, id.index());
            self.drain(now, id.index());
        }
    }

    // ---- input ----

    /// Outer packets from the host's UDP sockets.
    pub fn handle_datagrams(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.process(self, |server, packet, buf| server.datagram(now, &packet.path, buf));
    }

    /// Bytes from a TCP link. Takes at most one packet off their front and answers how many bytes it used; `out`
    /// says what became of the packet, its offsets counted from `bytes`. 0 means that the packet is not yet whole.
    pub fn handle_stream(&mut self, now: Instant, link: LinkId, bytes: &mut [u8], out: &mut Packet) -> usize {
        let Some(path) = self.links.path(link) else {
            out.settle(Err(DropReason::UnknownPeer), &mut self.drops);
            return bytes.len();
        };
        let max = stream::max_packet(self.shared.config.tun_mtu);
        let used = take_packet(self, max, bytes, out, |server, buf| server.datagram(now, &path, buf));
        if out.verdict == Verdict::Drop
            && let Some(what) = breaks_link(out.reason)
        {
            self.break_link(now, link, what);
        }
        used
    }

    /// Inner packets from the host, from the LAN, or opened by a worker for the client that [`Packet::peer`] names: to
    /// go wherever the router sends them.
    pub fn handle_tunnel_packets(&mut self, now: Instant, from: Port, batch: &mut Batch<'_>) {
        batch.process(self, |server, packet, buf| server.tunnel_packet(now, from, packet.peer, buf));
    }

    /// Time has passed: call it at [`next_timeout`](Self::next_timeout), or at any time. With many clients, call it in
    /// every round of the host's loop: packets move deadlines without a note, and this notes them.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(link) = self.links.pop_due(now) {
            self.events.push(Event::LinkClosed { link });
        }
        for index in self.peers.due(now) {
            if let Some(peer) = self.peers.get_mut(index) {
                peer.session.handle_timeout(&mut self.env, now);
            }
            self.check_deadlines(now, index);
            self.renew_token(now, index);
            self.drain(now, index);
        }
        self.router.handle_timeout(now);
    }

    // ---- output ----

    /// Fills the batch, all of whose descriptors are free slots, with what the engine itself wants to send. What the
    /// router has for the host or the LAN is to be delivered, as a packet that came. A slot needs [`HEADROOM`],
    /// `max-packet-size` and [`TAILROOM`] bytes; what does not fit is dropped with [`DropReason::NoRoom`] and sent again
    /// by its timer.
    pub fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.fill(self, |server, buf| {
            while let Some(index) = server.peers.first_ready() {
                if let Some(peer) = server.peers.get_mut(index)
                    && peer.session.poll_transmit(&server.env, now, buf)?
                {
                    return Ok(Some(Outcome::Transmit(*peer.session.path())));
                }
                server.peers.settled(index);
            }
            match server.router.poll_output(now, buf) {
                Some(zone) => server.send_to(now, zone, PeerId::NONE, buf).map(Some),
                None => Ok(None),
            }
        });
    }

    /// The next thing that the host is told or asked.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop().or_else(|| self.router.poll_event().map(Event::Router))
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called, and why.
    pub fn next_timeout(&self) -> Option<Deadline> {
        let sessions = self.peers.next_timeout().into_iter().chain(self.links.next_timeout());
        sessions.chain(self.router.next_timeout()).min()
    }

    // ---- getters ----

    /// The connected clients.
    pub fn peers(&self) -> impl Iterator<Item = PeerInfo<'_>> {
        self.peers.iter().filter(|(_, peer)| peer.is_connected()).map(|(_, peer)| self.info(peer))
    }

    /// All clients, those that are still on the way to being connected too: of them little is known.
    pub fn sessions(&self) -> impl Iterator<Item = PeerInfo<'_>> {
        self.peers.iter().filter(|(_, peer)| !peer.is_leaving()).map(|(_, peer)| self.info(peer))
    }

    /// What is routed to whom, as in the status file's routing table: IPv4 before IPv6, hosts before networks.
    pub fn routes(&self) -> impl Iterator<Item = (IpNetwork, PeerInfo<'_>)> {
        self.router.routes().filter_map(|(network, peer)| Some((network, self.peer(peer)?)))
    }

    /// The connected client of that handle.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo<'_>> {
        let found = self.peers.get(peer.index())?;
        (found.id == peer && found.is_connected()).then(|| self.info(found))
    }

    /// Whose addresses are kept, for `ifconfig-pool-persist`.
    pub fn leases(&self) -> Vec<Lease> {
        self.pool.leases()
    }

    /// The server's own inner IPv4 address, by `server` or `ifconfig`.
    pub fn ipv4(&self) -> Option<Ifconfig> {
        self.addressing.ipv4
    }

    /// The server's own inner IPv6 address, by `server-ipv6` or `ifconfig-ipv6`.
    pub fn ipv6(&self) -> Option<IfconfigIpv6> {
        self.addressing.ipv6
    }

    /// Whether there is no session left, not even one that still acknowledges.
    pub fn is_idle(&self) -> bool {
        self.peers.is_empty()
    }

    /// How many packets were dropped, and why.
    pub fn drops(&self) -> DropCounters {
        let mut drops = self.drops.clone();
        drops.merge(self.router.drops());
        drops
    }

    // ---- private ----

    fn info<'a>(&self, peer: &'a Peer) -> PeerInfo<'a> {
        let last_received = peer.session.data().map(|data| data.last_received());
        PeerInfo {
            peer: peer.id,
            client_id: peer.client_id,
            common_name: peer.identity.common_name.as_deref(),
            username: peer.username(),
            path: *peer.session.path(),
            ipv4: peer.addresses.ipv4.map(|ipv4| ipv4.local),
            ipv6: peer.addresses.ipv6.map(|ipv6| ipv6.local),
            networks: &peer.networks,
            connected_since: peer.connected_since,
            last_activity: last_received.map(|at| self.env.unix(at)),
            certificate: peer.session.known_certificate(),
            cipher: peer.session.negotiated().map(|negotiated| negotiated.cipher),
            data: peer.session.data(),
        }
    }

    /// The client has moved to `path`, as an authentic and fresh packet shows. If another session has that address,
    /// it must be the same client's, and ends.
    fn float(&mut self, now: Instant, index: usize, path: &Path) -> Result<(), DropReason> {
        let Some(peer) = self.peers.get(index) else { return Ok(()) };
        if let Some(other) = self.peers.connected_at(path).filter(|&other| other != index) {
            if self.peers.get(other).is_none_or(|other| other.identity != peer.identity) {
                return Err(DropReason::WrongAddress);
            }
            self.end(now, other, CloseReason::TakenOver, None);
        }
        let Some(id) = self.peers.get(index).map(|peer| peer.id) else { return Ok(()) };
        self.peers.float(index, *path);
        self.events.push(Event::Floated { peer: id, path: *path });
        Ok(())
    }

    fn check_usage(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if peer.session.wants_renegotiation() {
            peer.session.renegotiate(&mut self.env, now);
            self.drain(now, index);
        }
    }

    /// Acts on what a session has to tell, and notes its deadlines.
    fn drain(&mut self, now: Instant, index: usize) {
        while let Some(event) = self.peers.get_mut(index).and_then(|peer| peer.session.poll_event()) {
            // A session that is over only acknowledges: the host has been told that it is.
            if self.peers.get(index).is_some_and(|peer| !peer.is_leaving()) {
                self.session_event(now, index, event);
            }
        }
        if let Some(peer) = self.peers.get(index)
            && let Stage::Leaving { until, keep } = peer.stage
            && (until <= now || (!keep && peer.session.is_flushed()))
        {
            self.forget(index);
        }
        self.peers.touch(index);
    }

    // ---- how a session ends ----

    /// Ends a session that failed, or whose client has left. What it still has to send (an alert) goes out, and it goes
    /// on to acknowledge, so that nothing of it begins a new one.
    fn close(&mut self, now: Instant, index: usize, reason: CloseReason) {
        self.end(now, index, reason, Some((now + SCHEDULED_EXIT, true)));
    }

    /// Ends a session after a last message, as soon as that is acknowledged.
    fn leave(&mut self, now: Instant, index: usize, reason: CloseReason) {
        self.end(now, index, reason, Some((now + SCHEDULED_EXIT, false)));
    }

    /// Takes everything from a client and tells the host. `linger` says until when its session is kept to send and
    /// acknowledge, and whether for all that time.
    fn end(&mut self, now: Instant, index: usize, reason: CloseReason, linger: Option<(Instant, bool)>) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        if !peer.is_leaving() {
            let id = peer.id;
            peer.hello = None;
            // An answer to a question about it comes too late.
            (peer.verify, peer.auth, peer.connect) = (None, AuthState::Unknown, ConnectState::Settled);
            for number in peer.numbers.drain(..) {
                self.pool.release(number);
            }
            if peer.is_connected() {
                self.router.client_down(now, id);
                let summary = peer.summary(now, self.addressing.topology);
                self.events.push(Event::ClientDisconnected(Box::new(summary)));
            }
            self.events.push(Event::Closed { peer: id, reason });
        }
        match linger {
            // A session that was ending already keeps its time (CVE-2024-28882: repeating EXIT must not renew it).
            Some(_) if peer.is_leaving() => {}
            Some((until, keep)) => {
                peer.stage = Stage::Leaving { until, keep };
                self.peers.touch(index);
            }
            None => self.forget(index),
        }
    }

    fn forget(&mut self, index: usize) {
        let Some(peer) = self.peers.remove(index) else { return };
        let path = *peer.session.path();
        if path.transport == Transport::Tcp
            && !self.peers.has_session_at(&path)
            && self.links.remove(path.link)
        {
            self.events.push(Event::LinkClosed { link: path.link });
        }
    }

    fn break_link(&mut self, now: Instant, link: LinkId, what: &'static str) {
        if let Some(path) = self.links.path(link)
            && !self.peers.has_session_at(&path)
        {
            self.events.push(Event::StrangerRefused { path, why: Refusal::BadLength });
        }
        self.end_all_on(now, link, &CloseReason::LinkBroken(what));
        if self.links.remove(link) {
            self.events.push(Event::LinkClosed { link });
        }
    }

    fn end_all_on(&mut self, now: Instant, link: LinkId, reason: &CloseReason) {
        for index in self.peers.on_link(link) {
            self.end(now, index, reason.clone(), None);
        }
    }
}

impl AsMut<DropCounters> for Server {
    fn as_mut(&mut self) -> &mut DropCounters {
        &mut self.drops
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server").field("links", &self.links.len()).finish_non_exhaustive()
    }
}
