//! [`PeerData`]: all that a data packet of one peer needs, detachable from the control engine.
//!
//! Owns the peer's keys, where its packets go, what it may send, and the counters. It decides nothing about the
//! session: what only the control engine can act on (control packets, another address, a farewell) it leaves alone or
//! reports. It is `Send`, takes no lock and allocates nothing on the packet path, so that a worker thread can own it.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use crate::algorithm::{Cipher, Framing, Role};
use crate::buffer::PacketBuf;
use crate::config::{IpNetwork, Mssfix, RenegotiateConfig, SessionConfig};
use crate::crypto::KeyBlock;
use crate::data::{DataKey, KeySlots, MssClamp, PING, RenegotiateReason, Special, frame, unframe};
use crate::packet::{Batch, Outcome, Packet, Port};
use crate::path::{Path, Transport};
use crate::peer::PeerId;
use crate::reason::{DropCounters, DropReason};
use crate::time::Instant;
use crate::traffic::Traffic;
use crate::wire::icmpv6::{NOBODY, make_no_route};
use crate::wire::ip::IpHeader;
use crate::wire::{DataHeader, KeyId, SessionId, WirePeerId, stream};

/// The data channel of one peer.
///
/// Batches of [`open`](Self::open) and [`seal`](Self::seal) must hold packets of this peer only.
#[derive(Debug)]
pub struct PeerData {
    peer: PeerId,
    /// Our id of the session that it belongs to: a client's peer is the same one in every session.
    session: SessionId,
    role: Role,
    path: Path,
    wire_peer_id: Option<WirePeerId>,
    keys: KeySlots,
    replay_window: u32,
    renegotiate: RenegotiateConfig,
    framing: Framing,
    mssfix: Mssfix,
    relayed: bool,
    tun_mtu: u16,
    clamp: Option<MssClamp>,
    sources: Option<Vec<IpNetwork>>,
    /// What of them is another peer's, while nobody else is there to ask.
    others: Vec<IpNetwork>,
    /// `block-ipv6`: who answers.
    no_ipv6: Option<Ipv6Addr>,
    /// Only the control engine knows where inner packets go.
    routed: bool,
    ping: Option<Duration>,
    /// One is due whatever the interval says.
    ping_asked: bool,
    last_sent: Instant,
    last_received: Instant,
    activity: Activity,
    remote_exit: bool,
    traffic: Traffic,
    drops: DropCounters,
}

/// When enough was last carried that the tunnel does not count as idle (`inactive`).
#[derive(Clone, Copy, Debug)]
struct Activity {
    /// So many bytes of inner packets are enough.
    minimum: u64,
    counted: u64,
    last: Instant,
}

impl Activity {
    #[inline]
    fn count(&mut self, now: Instant, len: usize) {
        self.counted += len as u64;
        if self.counted >= self.minimum {
            (self.counted, self.last) = (0, now);
        }
    }
}

/// A packet that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) payload: Payload,
    /// It came from another address than the peer's, and is entitled to move it.
    pub(crate) floated: bool,
}

/// What was in it. The window holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// An inner packet, from an address that the peer may send from.
    Packet,
    /// An IPv6 packet of a client's, from whatever address, and the server answers those (`block-ipv6`).
    BlockedIpv6,
    /// Something between the two ends.
    Special(Special),
}

impl PeerData {
    /// The state of a peer that has no key yet. `role` is our own.
    pub fn new(now: Instant, peer: PeerId, role: Role, path: Path, config: &SessionConfig) -> Self {
        let mut out = Self {
            peer,
            session: SessionId::default(),
            role,
            path,
            wire_peer_id: None,
            keys: KeySlots::default(),
            replay_window: config.replay_window,
            renegotiate: config.renegotiate,
            framing: config.framing,
            mssfix: config.mssfix,
            relayed: config.relayed,
            tun_mtu: config.tun_mtu,
            clamp: None,
            sources: None,
            others: Vec::new(),
            no_ipv6: None,
            routed: false,
            ping: None,
            ping_asked: false,
            last_sent: now,
            last_received: now,
            activity: Activity { minimum: 0, counted: 0, last: now },
            remote_exit: false,
            traffic: Traffic::default(),
            drops: DropCounters::default(),
        };
        out.update_clamp();
        out
    }

    /// Opens every pending data packet of the batch: [`Verdict::Deliver`](crate::Verdict::Deliver) for an inner packet,
    /// [`Verdict::Consumed`](crate::Verdict::Consumed) for a keepalive, [`Verdict::Drop`](crate::Verdict::Drop) with
    /// its reason; [`Verdict::Transmit`](crate::Verdict::Transmit) for what `block-ipv6` has answered.
    ///
    /// Where the server's router has rules, NAT or a LAN port, an inner packet is for [`Port::Worker`]: flows are
    /// shared by all clients, and only the control engine may send it on.
    ///
    /// Control packets, and packets from another address than the peer's, stay
    /// [`Verdict::Pending`](crate::Verdict::Pending): hand them to the control engine.
    pub fn open(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.process(self, |data, packet, buf| data.open_packet(now, packet, buf));
    }

    /// Seals every pending packet of the batch: [`Verdict::Transmit`](crate::Verdict::Transmit), or
    /// [`Verdict::Drop`](crate::Verdict::Drop) with its reason; [`Verdict::Deliver`](crate::Verdict::Deliver) for what a
    /// client's `block-ipv6` has answered.
    pub fn seal(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.process(self, |data, _, buf| {
            if let Some(from) = data.no_ipv6.filter(|_| data.role == Role::Client)
                && buf.payload().first().is_some_and(|byte| byte >> 4 == 6)
            {
                make_no_route(buf, from)?;
                return Ok(Outcome::Deliver(Port::Host, data.peer));
            }
            data.seal_one(now, buf).map(|()| Outcome::Transmit(data.path))
        });
    }

    /// Fills the batch, all of whose descriptors are free slots, with the keepalive if it is due. For a worker; while
    /// the control engine has this state, that does it.
    pub fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>) {
        batch.fill(self, |data, buf| Ok(data.poll_ping(now, buf)?.then_some(Outcome::Transmit(data.path))));
    }

    /// Adds a key, cut from `block`. It is accepted at once; it sends when the peer has used it, at `use_by`, or if it
    /// is the only one. Another key of the same id is forgotten.
    pub fn install_key(&mut self, key_id: KeyId, cipher: Cipher, block: &KeyBlock, use_by: Instant) {
        self.keys.install(DataKey::new(key_id, self.role, cipher, block, self.replay_window), use_by);
    }

    /// Lets every key but the newest expire at `must_die`.
    pub fn retire_others(&mut self, must_die: Instant) {
        self.keys.retire_others(must_die);
    }

    /// Forgets the keys whose time is over.
    pub fn expire(&mut self, now: Instant) {
        self.keys.expire(now);
    }

    /// When [`expire`](Self::expire) next has something to do.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.keys.next_expiry()
    }

    /// Packets go to `path` from now on, and are expected from there.
    pub fn set_path(&mut self, path: Path) {
        self.path = path;
        self.update_clamp();
    }

    /// The peer-id to send with (P_DATA_V2), or none (P_DATA_V1). Both are accepted in any case.
    pub fn set_wire_peer_id(&mut self, wire_peer_id: Option<WirePeerId>) {
        self.wire_peer_id = wire_peer_id;
        self.update_clamp();
    }

    /// The framing that was agreed upon (`compress`, `comp-lzo`).
    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
        self.update_clamp();
    }

    /// The `tun-mtu` that was agreed upon, in bytes.
    pub fn set_tun_mtu(&mut self, tun_mtu: u16) {
        self.tun_mtu = tun_mtu;
        self.update_clamp();
    }

    /// The inner addresses and networks that the peer may send from, those it uses most first; before this, from any.
    pub fn set_sources(&mut self, sources: Vec<IpNetwork>) {
        self.sources = Some(sources);
    }

    /// What of the sources is another peer's after all.
    pub(crate) fn set_others(&mut self, others: Vec<IpNetwork>) {
        self.others = others;
    }

    /// IPv6 packets of the client go no further, and `from` answers that there is no way (`block-ipv6`).
    pub(crate) fn block_ipv6(&mut self, from: Option<Ipv6Addr>) {
        self.no_ipv6 = from;
    }

    /// Whether inner packets come back to the control engine, which alone knows where they go.
    pub(crate) fn set_routed(&mut self, routed: bool) {
        self.routed = routed;
    }

    /// After how long without sending a keepalive is due (`ping`).
    pub fn set_ping(&mut self, ping: Option<Duration>) {
        self.ping = ping;
    }

    /// A keepalive is due at once.
    pub(crate) fn ask_for_ping(&mut self) {
        self.ping_asked = true;
    }

    /// From `now` on, counts inner packets in both directions until they make `minimum` bytes together, and again.
    pub(crate) fn watch_activity(&mut self, now: Instant, minimum: u64) {
        self.activity = Activity { minimum, counted: 0, last: now };
    }

    pub(crate) fn set_session(&mut self, session: SessionId) {
        self.session = session;
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    /// Notes that the control engine sent something to the peer.
    pub(crate) fn note_sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    /// Notes that the control engine received something authentic from the peer.
    pub(crate) fn note_received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// Opens one packet that came `from` there.
    #[inline]
    pub(crate) fn open_one(
        &mut self,
        now: Instant,
        buf: &mut PacketBuf<'_>,
        from: &Path,
    ) -> Result<Opened, DropReason> {
        let header = DataHeader::parse(buf.payload())?;
        let payload = self.open_payload(now, &header, buf)?;
        // An empty payload got no further than its framing: it must not move the peer (CVE-2020-11810).
        Ok(Opened { payload, floated: !from.same_remote(&self.path) })
    }

    /// Seals one inner packet; over TCP its length stands before it then.
    #[inline]
    pub(crate) fn seal_one(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        let inner_len = buf.len();
        IpHeader::parse(buf.payload()).ok_or(DropReason::BadInnerPacket)?;
        if let Some(clamp) = self.clamp {
            clamp.apply(buf.payload_mut());
        }
        self.seal_payload(now, buf)?;
        self.traffic.inner_sent.count(inner_len);
        self.activity.count(now, inner_len);
        Ok(())
    }

    /// Fills `buf` with the keepalive if it is due. One that cannot be sealed (a key at its end) is due again an
    /// interval later all the same.
    pub(crate) fn poll_ping(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Result<bool, DropReason> {
        if self.ping_due().is_none_or(|at| at > now) {
            return Ok(false);
        }
        self.last_sent = now;
        self.ping_asked = false;
        self.seal_special(now, &PING, buf).map(|()| true)
    }

    /// Fills `buf` with a keepalive or an OCC message, sealed.
    pub(crate) fn seal_special(
        &mut self,
        now: Instant,
        payload: &[u8],
        buf: &mut PacketBuf<'_>,
    ) -> Result<(), DropReason> {
        buf.fill(payload)?;
        self.seal_payload(now, buf)
    }

    /// Whose state this is.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Where its packets go.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has a key.
    pub fn is_ready(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether the newest key should be replaced before `reneg-sec`, and why.
    pub fn wants_renegotiation(&self) -> Option<RenegotiateReason> {
        self.keys.wants_renegotiation(&self.renegotiate)
    }

    /// Whether the peer said in the data channel that it leaves.
    pub fn remote_exit(&self) -> bool {
        self.remote_exit
    }

    /// When a keepalive is due.
    pub fn ping_due(&self) -> Option<Instant> {
        if self.ping_asked {
            return Some(self.last_sent);
        }
        self.ping.map(|interval| self.last_sent + interval)
    }

    /// When something authentic last came from the peer; at first, when this state was made.
    pub fn last_received(&self) -> Instant {
        self.last_received
    }

    /// When inner packets last made up the bytes that `inactive` asks for; at first, when the session was connected.
    pub fn last_active(&self) -> Instant {
        self.activity.last
    }

    /// What it has carried.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What it has dropped in [`open`](Self::open) and [`seal`](Self::seal), since it was handed out.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }

    /// Takes the counters, to be added to the control engine's.
    pub(crate) fn take_drops(&mut self) -> DropCounters {
        core::mem::take(&mut self.drops)
    }

    fn update_clamp(&mut self) {
        let header_len = DataHeader::new(KeyId::INITIAL, self.wire_peer_id).len;
        self.clamp =
            MssClamp::new(self.mssfix, self.tun_mtu, &self.path, header_len, self.framing, self.relayed);
    }

    #[inline]
    fn open_packet(
        &mut self,
        now: Instant,
        packet: &Packet,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        let header = match DataHeader::parse(buf.payload()) {
            Ok(header) if packet.path.same_remote(&self.path) => header,
            Ok(_) | Err(DropReason::BadOpcode) => return Ok(Outcome::Pending),
            Err(reason) => return Err(reason),
        };
        Ok(match self.open_payload(now, &header, buf)? {
            Payload::Packet if self.routed => Outcome::Deliver(Port::Worker, self.peer),
            Payload::Packet => Outcome::Deliver(Port::Host, self.peer),
            Payload::BlockedIpv6 => {
                self.answer_blocked(now, buf)?;
                Outcome::Transmit(self.path)
            }
            Payload::Special(special) => {
                self.remote_exit |= special == Special::Exit;
                Outcome::Consumed
            }
        })
    }

    #[inline]
    fn open_payload(
        &mut self,
        now: Instant,
        header: &DataHeader,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Payload, DropReason> {
        let outer_len = buf.len();
        self.keys.open(header, buf)?;
        self.last_received = now;
        self.traffic.outer_received.count(outer_len);
        unframe(self.framing, buf)?;
        if let Some(special) = Special::classify(buf.payload()) {
            return Ok(Payload::Special(special));
        }
        let inner = IpHeader::parse(buf.payload()).ok_or(DropReason::BadInnerPacket)?;
        if self.no_ipv6.is_some() && self.role == Role::Server && inner.source.is_ipv6() {
            self.traffic.inner_received.count(buf.len());
            return Ok(Payload::BlockedIpv6);
        }
        if !self.is_its_own(inner.source) {
            return Err(DropReason::BadSource);
        }
        if let Some(clamp) = self.clamp {
            clamp.apply(buf.payload_mut());
        }
        self.traffic.inner_received.count(buf.len());
        self.activity.count(now, buf.len());
        Ok(Payload::Packet)
    }

    /// Turns a [`Payload::BlockedIpv6`] into the sealed answer.
    pub(crate) fn answer_blocked(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        make_no_route(buf, self.no_ipv6.unwrap_or(NOBODY))?;
        self.seal_one(now, buf)
    }

    /// Whether the peer may send from there.
    #[inline]
    fn is_its_own(&self, source: IpAddr) -> bool {
        let Some(sources) = &self.sources else { return true };
        if self.others.is_empty() {
            return sources.iter().any(|network| network.contains(source));
        }
        let longest = |networks: &[IpNetwork]| {
            networks.iter().filter(|network| network.contains(source)).map(|network| network.prefix()).max()
        };
        longest(sources).is_some_and(|own| longest(&self.others).is_none_or(|other| other < own))
    }

    #[inline]
    fn seal_payload(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Result<(), DropReason> {
        frame(self.framing, buf)?;
        self.keys.seal(now, self.wire_peer_id, buf)?;
        self.traffic.outer_sent.count(buf.len());
        if self.path.transport == Transport::Tcp {
            let prefix = stream::prefix(buf.len()).ok_or(DropReason::TooLarge)?;
            *buf.grow_front()? = prefix;
        }
        self.last_sent = now;
        Ok(())
    }
}

impl AsMut<DropCounters> for PeerData {
    #[inline]
    fn as_mut(&mut self) -> &mut DropCounters {
        &mut self.drops
    }
}

#[cfg(test)]
mod tests;
