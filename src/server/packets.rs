//! A packet's way through the server: opened, routed, sealed again or delivered.

use super::Server;
use crate::buffer::PacketBuf;
use crate::data::Special;
use crate::event::{CloseReason, Event};
use crate::packet::{HEADROOM, Outcome, Port};
use crate::path::{Path, Transport};
use crate::peer::PeerId;
use crate::peer_data::{Opened, Payload};
use crate::reason::DropReason;
use crate::router::{Forward, Zone};
use crate::time::Instant;
use crate::wire::opcode::parse_first_byte;
use crate::wire::{ControlHeader, DataHeader, WirePeerId};

impl Server {
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        path: &Path,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        if !self.may_talk(path) {
            return Err(DropReason::SourceDenied);
        }
        let (opcode, _) = parse_first_byte(*buf.payload().first().ok_or(DropReason::Truncated)?)?;
        if opcode.is_data() {
            return self.data_packet(now, path, buf);
        }
        let header = ControlHeader::parse(buf.payload())?;
        let Some(index) = self.peers.by_session(path, header.session_id) else {
            return self.first_packet(now, path, buf);
        };
        let peer = self.peers.get_mut(index).ok_or(DropReason::UnknownPeer)?;
        peer.session.handle_wrapped(&mut self.env, now, buf.payload_mut())?;
        self.drain(now, index);
        Ok(Outcome::Consumed)
    }

    fn data_packet(
        &mut self,
        now: Instant,
        path: &Path,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        let header = DataHeader::parse(buf.payload())?;
        let index = match header.peer_id.filter(|&id| id != WirePeerId::DISABLED) {
            Some(id) => id.get() as usize,
            None => self.peers.connected_at(path).ok_or(DropReason::UnknownPeer)?,
        };
        let peer = self.peers.get_mut(index).ok_or(DropReason::UnknownPeer)?;
        if !peer.is_connected() {
            return Err(DropReason::NotConnected);
        }
        let home = *peer.session.path();
        if !home.same_remote(path) && (home.transport, path.transport) != (Transport::Udp, Transport::Udp) {
            return Err(DropReason::WrongAddress); // nobody floats from or to a TCP connection
        }
        let id = peer.id;
        let moved = !home.same_remote(path);
        if moved && peer.session.request_attach() {
            self.events.push(Event::AttachRequested { peer: id });
        }
        let data = peer.session.data_mut().ok_or(DropReason::Detached)?;
        let Opened { payload, floated } = data.open_one(now, buf, path)?;
        if floated {
            self.float(now, index, path)?;
        }
        self.check_usage(now, index);
        match payload {
            Payload::BlockedIpv6 => {
                let peer = self.peers.get_mut(index).ok_or(DropReason::UnknownPeer)?;
                let path = *peer.session.path();
                peer.session.data_mut().ok_or(DropReason::Detached)?.answer_blocked(now, buf)?;
                Ok(Outcome::Transmit(path))
            }
            Payload::Packet => self.forward(now, Zone::Peer(id), id, buf),
            Payload::Special(Special::Exit) => {
                self.end(now, index, CloseReason::RemoteExit, None);
                Ok(Outcome::Consumed)
            }
            Payload::Special(Special::OccRequest) => {
                if let Some(peer) = self.peers.get_mut(index) {
                    peer.session.answer_occ();
                    self.peers.touch(index);
                }
                Ok(Outcome::Consumed)
            }
            Payload::Special(Special::Ping | Special::Occ) => Ok(Outcome::Consumed),
        }
    }

    /// An inner packet from the host's side, or by way of a worker.
    pub(super) fn tunnel_packet(
        &mut self,
        now: Instant,
        from: Port,
        peer: PeerId,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        match from {
            Port::Host => self.forward(now, Zone::Host, PeerId::NONE, buf),
            Port::Lan => self.forward(now, Zone::Lan, PeerId::NONE, buf),
            Port::Worker => self.forward(now, Zone::Peer(peer), peer, buf),
        }
    }

    /// Has the router say where a packet goes next, and sends it there. `whose` is told to the host.
    fn forward(
        &mut self,
        now: Instant,
        from: Zone,
        whose: PeerId,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        if buf.window().start < HEADROOM && self.router.is_stateful() && from == Zone::Peer(whose) {
            return self.forward_from_stream(now, whose, buf);
        }
        match self.router.forward(now, from, buf) {
            Forward::To(zone) => self.send_to(now, zone, whose, buf),
            Forward::Reply => self.send_to(now, from, PeerId::NONE, buf),
            Forward::Consumed => Ok(Outcome::Consumed),
            Forward::Drop(reason) => Ok(Outcome::Dropped(reason)),
        }
    }

    /// The same for a packet that lies among the bytes of a stream. What the router makes of it, perhaps a longer answer,
    /// has no room there, so that the router gets a copy; an answer waits among what the router itself sends.
    fn forward_from_stream(
        &mut self,
        now: Instant,
        from: PeerId,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        let mut copy = PacketBuf::new(&mut self.spare, 0..0).ok_or(DropReason::NoRoom)?;
        copy.fill(buf.payload())?;
        match self.router.forward(now, Zone::Peer(from), &mut copy) {
            Forward::To(zone) => {
                buf.fill(copy.payload())?;
                self.send_to(now, zone, from, buf)
            }
            Forward::Reply => {
                self.router.keep_answer(Zone::Peer(from), copy.payload());
                Ok(Outcome::Consumed)
            }
            Forward::Consumed => Ok(Outcome::Consumed),
            Forward::Drop(reason) => Ok(Outcome::Dropped(reason)),
        }
    }

    /// Sends an inner packet there.
    pub(super) fn send_to(
        &mut self,
        now: Instant,
        zone: Zone,
        whose: PeerId,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Outcome, DropReason> {
        match zone {
            Zone::Peer(peer) => self.seal(now, peer, buf),
            Zone::Host => Ok(Outcome::Deliver(Port::Host, whose)),
            Zone::Lan => Ok(Outcome::Deliver(Port::Lan, whose)),
        }
    }

    fn seal(&mut self, now: Instant, peer: PeerId, buf: &mut PacketBuf<'_>) -> Result<Outcome, DropReason> {
        let found = self.peers.by_id(peer).ok_or(DropReason::NoRoute)?;
        let path = *found.session.path();
        let Some(data) = found.session.data_mut() else {
            return Ok(Outcome::Deliver(Port::Worker, peer));
        };
        data.seal_one(now, buf)?;
        self.check_usage(now, peer.index());
        Ok(Outcome::Transmit(path))
    }
}
