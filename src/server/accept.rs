//! First packets: how a session begins, and what is refused before there is one.
//!
//! Over UDP a client's reset is answered without keeping anything: our session id in the answer is a cookie, made of
//! the client's address and session id by a keyed hash. Only who sends it back gets a session. Over TCP the
//! connection proves the address.

use core::time::Duration;

use crate::buffer::PacketBuf;
use crate::event::{CloseReason, Event, Refusal};
use crate::packet::Outcome;
use crate::path::{Path, Transport};
use crate::reason::DropReason;
use crate::session::Session;
use crate::time::Instant;
use crate::wire::{ControlHeader, ControlPacket, KeyId, Opcode, SessionId};
use crate::wrap::PacketStamp;

use super::Server;

/// Packet id of the cookie's answer; the session's own go on behind it.
const COOKIE_PACKET_ID: u32 = 1;

impl Server {
    /// A control packet that belongs to no session yet.
    pub(super) fn first_packet(
        &mut self,
        now: Instant,
        path: &Path,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        if self.shutting_down {
            return Err(DropReason::ShuttingDown);
        }
        if path.transport == Transport::Tcp && self.links.path(path.link).is_none() {
            return Err(DropReason::UnknownPeer);
        }
        let stamp = self.shared.wrap.stamp(buf.payload());
        let opened = self.shared.wrap.open_stateless(buf.payload_mut());
        let (header, inner) = opened.inspect_err(|_| self.notice_stranger(now, path))?;
        if header.key_id != KeyId::INITIAL || !header.session_id.is_defined() {
            return Err(DropReason::WrongKeyId);
        }
        let packet = ControlPacket::parse(header.opcode, inner)?;
        match (path.transport, header.opcode) {
            (_, Opcode::HardResetClientV3 | Opcode::ControlWkcV1) => Err(DropReason::Unsupported),
            (_, Opcode::ControlHardResetClientV2) if packet.message_id != Some(0) => {
                Err(DropReason::MalformedControl)
            }
            (Transport::Udp, Opcode::ControlHardResetClientV2) => {
                self.answer_with_cookie(now, path, header.session_id, buf)
            }
            (Transport::Tcp, Opcode::ControlHardResetClientV2) => {
                self.begin(now, path, stamp, header, inner, None)
            }
            (Transport::Udp, Opcode::ControlV1 | Opcode::AckV1) => {
                let cookie = packet.remote_session_id.ok_or(DropReason::BadCookie)?;
                let is_second =
                    packet.acks.iter().all(|&id| id <= 1) && packet.message_id.is_none_or(|id| id <= 1);
                let window = self.shared.config.hand_window;
                if !is_second || !self.cookie.verify(now, window, &path.remote, header.session_id, cookie) {
                    return Err(DropReason::BadCookie);
                }
                self.initial_rate.handshake_completed();
                self.begin(now, path, stamp, header, inner, Some(cookie))
            }
            (_, Opcode::ControlHardResetServerV2) => Err(DropReason::WrongRole),
            _ => Err(DropReason::UnknownPeer),
        }
    }

    /// A user who has the wrong key can only see this at the server, which must not answer; but nobody may flood its log.
    fn notice_stranger(&mut self, now: Instant, path: &Path) {
        const PAUSE: Duration = Duration::from_secs(10);
        if self.shared.wrap.is_none() || now < self.next_stranger {
            return;
        }
        self.next_stranger = now + PAUSE;
        let why = if self.shared.wrap.is_tls_auth() { Refusal::TlsAuth } else { Refusal::TlsCrypt };
        self.events.push(Event::StrangerRefused { path: *path, why });
    }

    /// Turns the packet into its answer, in its own memory.
    fn answer_with_cookie(
        &mut self,
        now: Instant,
        path: &Path,
        client: SessionId,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        self.initial_rate.answer(now)?;
        let session_id = self.cookie.session_id(now, self.shared.config.hand_window, &path.remote, client);
        let packet = ControlPacket {
            acks: [0].into_iter().collect(),
            remote_session_id: Some(client),
            message_id: Some(0),
            payload: &[],
        };
        let mut inner = [0; 32];
        let inner = inner.get_mut(..packet.encoded_len()).ok_or(DropReason::NoRoom)?;
        packet.emit(inner);
        let header =
            ControlHeader { opcode: Opcode::ControlHardResetServerV2, key_id: KeyId::INITIAL, session_id };
        buf.truncate(0);
        let out = buf.grow_back(ControlHeader::LEN + self.shared.wrap.overhead() + inner.len())?;
        let len =
            self.shared.wrap.seal_stateless(self.env.unix(now), COOKIE_PACKET_ID, header, inner, out)?;
        buf.truncate(len);
        Ok(Outcome::Transmit(*path))
    }

    /// The address is proven: a session begins with this packet.
    fn begin(
        &mut self,
        now: Instant,
        path: &Path,
        stamp: Option<PacketStamp>,
        header: ControlHeader,
        inner: &[u8],
        cookie: Option<SessionId>,
    ) -> Result<Outcome, DropReason> {
        // Over TCP the connection is there already, and would only wait; OpenVPN knows this for UDP alone, too.
        if let Some(rate) = self.session_rate.as_mut().filter(|_| path.transport == Transport::Udp) {
            rate.answer(now)?;
        }
        if let Some(index) = self.peers.superfluous_at(path) {
            self.end(now, index, CloseReason::TakenOver, None);
        }
        let id = self.peers.vacant().ok_or(DropReason::TooManySessions)?;
        let remote = header.session_id;
        let mut session = Session::accept(&self.shared, &mut self.env, now, (id, *path), remote, cookie)
            .map_err(|_| DropReason::TooManySessions)?;
        session.handle_opened(&mut self.env, now, stamp, header, inner)?;
        self.peers.insert(id, self.sessions, session);
        if let Some(peer) = self.peers.get_mut(id.index()) {
            peer.connected_since = self.env.unix(now);
        }
        self.sessions += 1;
        self.links.session_began(path.link);
        self.events.push(Event::SessionStarted { peer: id, path: *path, session_id: *remote.as_bytes() });
        self.drain(now, id.index());
        Ok(Outcome::Consumed)
    }
}
