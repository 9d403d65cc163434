//! [`Probe`]: asks whether an OpenVPN server answers, and leaves it at that.
//!
//! It says what a client says first, a hard reset, under the same protection, and reads what comes back. No session
//! comes of it: a server that keeps one for every reset forgets this one after its `hand-window`.

use core::time::Duration;

use crate::path::Transport;
use crate::reason::DropReason;
use crate::time::{Instant, UnixTime};
use crate::wire::{ControlHeader, ControlPacket, KeyId, Opcode, SessionId};
use crate::wrap::{ControlWrap, WrapKeys};

/// When a reset goes out, after the start. A connection of TCP loses nothing, so there the first must do.
const RESETS: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];
/// How long to wait for an answer in all.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long to wait for the second answer, which tells whether the server keeps anything.
const ENCORE: Duration = Duration::from_secs(1);

/// One question to one address.
#[derive(Debug)]
pub struct Probe {
    wrap: ControlWrap,
    transport: Transport,
    session_id: SessionId,
    started: Instant,
    resets: u32,
    first: Option<First>,
    answer: Option<Answer>,
}

/// The server's first answer.
#[derive(Clone, Copy, Debug)]
struct First {
    answer: ServerAnswer,
    session_id: SessionId,
    at: Instant,
    asked_again: bool,
}

/// What a packet that came back says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is an OpenVPN server.
    Server(ServerAnswer),
    /// It looks like an OpenVPN server's answer, but neither opens with our key nor is in clear.
    Unreadable,
    /// It is nothing of OpenVPN's.
    Foreign,
}

/// What an OpenVPN server's answer says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerAnswer {
    /// It protects control packets as we do, by the same key, or like us not at all. Otherwise its answer was in
    /// clear, and a client with our key cannot come in.
    pub protection_fits: bool,
    /// It keeps nothing of a client whose address is not proven: its session id is a cookie. `None` if that did not
    /// show; over TCP there is no need of it.
    pub cookie: Option<bool>,
}

impl Probe {
    /// Begins one with the keys of a client. `session_id` is random.
    pub fn new(now: Instant, keys: WrapKeys, transport: Transport, session_id: SessionId) -> Self {
        Self {
            wrap: ControlWrap::new(keys, 64),
            transport,
            session_id,
            started: now,
            resets: 0,
            first: None,
            answer: None,
        }
    }

    /// What came back; `None` for nothing, so far or, if it [is over](Self::is_over), at all.
    pub fn answer(&self) -> Option<Answer> {
        self.answer.or_else(|| self.first.map(|first| Answer::Server(first.answer)))
    }

    /// How many resets were sent.
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Whether nothing more will come of it.
    pub fn is_over(&self, now: Instant) -> bool {
        self.answer.is_some() || now >= self.end()
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) again at the latest.
    pub fn next_timeout(&self) -> Instant {
        let end = self.end();
        self.next_reset().map_or(end, |reset| reset.min(end))
    }

    /// Writes the packet that is due to the front of `out`, and says how long it is; without the length that precedes
    /// it over TCP.
    pub fn poll_transmit(&mut self, now: Instant, unix: UnixTime, out: &mut [u8]) -> Option<usize> {
        if self.is_over(now) || now < self.next_reset()? {
            return None;
        }
        let header = ControlHeader {
            opcode: Opcode::ControlHardResetClientV2,
            key_id: KeyId::INITIAL,
            session_id: self.session_id,
        };
        let packet = ControlPacket { message_id: Some(0), ..ControlPacket::default() };
        let mut inner = [0; 16];
        let len = packet.emit(&mut inner);
        let len = self.wrap.seal(unix, header, &inner[..len], out).ok()?;
        match &mut self.first {
            None => self.resets += 1,
            Some(first) => first.asked_again = true,
        }
        Some(len)
    }

    /// Takes a packet that came from the address; over TCP without its length. It is opened in place.
    pub fn handle_packet(&mut self, now: Instant, packet: &mut [u8]) {
        if self.is_over(now) {
            return;
        }
        match self.read(packet) {
            Ok(received) => self.received(now, received),
            // After the server's answer nothing can make it a stranger's; and not every packet is an answer.
            Err(answer) if self.first.is_none() => self.answer = answer,
            Err(_) => {}
        }
    }

    fn received(&mut self, now: Instant, received: Received) {
        let Some(first) = self.first else {
            if received.opcode == Opcode::ControlHardResetServerV2 {
                let answer = ServerAnswer { protection_fits: received.protection_fits, cookie: None };
                self.first =
                    Some(First { answer, session_id: received.session_id, at: now, asked_again: false });
                if self.transport == Transport::Tcp {
                    self.answer = Some(Answer::Server(answer));
                }
            }
            return;
        };
        if first.asked_again {
            // A server that remembers the first reset only acknowledges the second; a cookie is made anew, and alike
            // but for the time that it may hold.
            let cookie = match received.opcode {
                Opcode::ControlHardResetServerV2 => true,
                Opcode::AckV1 if received.session_id == first.session_id => false,
                _ => return,
            };
            self.answer = Some(Answer::Server(ServerAnswer { cookie: Some(cookie), ..first.answer }));
        }
    }

    /// What the packet is; or what it makes of its sender, if anything.
    fn read(&self, packet: &mut [u8]) -> Result<Received, Option<Answer>> {
        let header = ControlHeader::parse(packet).map_err(|reason| match reason {
            // A data packet, perhaps of an older connection from our port.
            DropReason::BadOpcode if packet.first().is_some_and(|byte| matches!(byte >> 3, 6 | 9)) => None,
            _ => Some(Answer::Foreign),
        })?;
        if header.opcode != Opcode::ControlHardResetServerV2 && header.opcode != Opcode::AckV1 {
            return Err(Some(Answer::Foreign));
        }
        // Who does not know our session id has not seen our packet.
        let ours = |inner: &[u8]| {
            ControlPacket::parse(header.opcode, inner)
                .is_ok_and(|packet| packet.remote_session_id == Some(self.session_id))
        };
        // Before it is opened, which spoils it if it cannot be.
        let in_clear = packet.get(ControlHeader::LEN..).is_some_and(ours);
        let protection_fits = self.wrap.keys().open_stateless(packet).is_ok_and(|(_, inner)| ours(inner));
        if !in_clear && !protection_fits {
            return Err(Some(Answer::Unreadable));
        }
        Ok(Received { opcode: header.opcode, session_id: header.session_id, protection_fits })
    }

    fn next_reset(&self) -> Option<Instant> {
        match &self.first {
            None if self.transport == Transport::Tcp && self.resets > 0 => None,
            None => RESETS.get(self.resets as usize).map(|&after| self.started + after),
            Some(first) => (!first.asked_again).then_some(first.at),
        }
    }

    fn end(&self) -> Instant {
        match &self.first {
            Some(first) => first.at + ENCORE,
            None => self.started + PATIENCE,
        }
    }
}

/// A packet of an OpenVPN server that answers us.
struct Received {
    opcode: Opcode,
    session_id: SessionId,
    protection_fits: bool,
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::algorithm::{Digest, Role};
    use crate::config::{NamedText, WrapConfig};
    use crate::crypto::{KeyBlock, emit_static_key};

    const OURS: SessionId = SessionId::from_bytes([1; 8]);
    const THEIRS: SessionId = SessionId::from_bytes([2; 8]);
    const UNIX: UnixTime = UnixTime(1_700_000_000);

    fn keys(role: Role, fill: u8) -> WrapKeys {
        let key = NamedText::file("key", emit_static_key(&KeyBlock::new([fill; 256])).as_bytes());
        WrapKeys::new(role, &WrapConfig::TlsCrypt { key }, Digest::Sha1).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn probe(keys: WrapKeys) -> Probe {
        Probe::new(at(0), keys, Transport::Udp, OURS)
    }

    fn sends(probe: &mut Probe, now: Instant) -> Option<Vec<u8>> {
        let mut out = [0; 128];
        probe.poll_transmit(now, UNIX, &mut out).map(|len| out[..len].to_vec())
    }

    fn packet(keys: &WrapKeys, opcode: Opcode, to: SessionId) -> Vec<u8> {
        let header = ControlHeader { opcode, key_id: KeyId::INITIAL, session_id: THEIRS };
        let message_id = (opcode != Opcode::AckV1).then_some(0);
        let packet = ControlPacket {
            acks: [0].into_iter().collect(),
            remote_session_id: Some(to),
            message_id,
            payload: &[],
        };
        let mut inner = vec![0; packet.encoded_len()];
        packet.emit(&mut inner);
        let mut out = [0; 128];
        let len = keys.seal_stateless(UNIX, 1, header, &inner, &mut out).unwrap();
        out[..len].to_vec()
    }

    fn server(protection_fits: bool, cookie: Option<bool>) -> Option<Answer> {
        Some(Answer::Server(ServerAnswer { protection_fits, cookie }))
    }

    #[test]
    fn silence_gets_four_resets_in_eight_seconds() {
        let mut probe = probe(WrapKeys::NONE);
        let mut times = Vec::new();
        while !probe.is_over(probe.next_timeout()) {
            let now = probe.next_timeout();
            let sent = sends(&mut probe, now).unwrap();
            assert_eq!((sent.len(), sent[0], &sent[1..9]), (14, 0x38, &OURS.as_bytes()[..]));
            assert_eq!(sends(&mut probe, now), None);
            times.push(now.as_secs());
        }
        assert_eq!((times, probe.resets()), (vec![0, 1, 3, 6], 4));
        assert_eq!((probe.next_timeout().as_secs(), probe.answer()), (8, None));
    }

    #[test]
    fn over_tcp_one_reset_and_one_answer_do() {
        let mut probe = Probe::new(at(0), WrapKeys::NONE, Transport::Tcp, OURS);
        assert!(sends(&mut probe, at(0)).is_some());
        assert_eq!((sends(&mut probe, at(5000)), probe.next_timeout()), (None, at(8000)));
        probe.handle_packet(at(5000), &mut packet(&WrapKeys::NONE, Opcode::ControlHardResetServerV2, OURS));
        assert_eq!((probe.is_over(at(5000)), probe.answer()), (true, server(true, None)));
    }

    #[test]
    fn a_second_reset_tells_a_cookie_from_a_memory() {
        for (again, cookie) in [
            (Some(Opcode::ControlHardResetServerV2), Some(true)),
            (Some(Opcode::AckV1), Some(false)),
            (None, None),
        ] {
            let server_keys = keys(Role::Server, 7);
            let mut probe = probe(keys(Role::Client, 7));
            let sent = sends(&mut probe, at(0)).unwrap();
            assert!(server_keys.open_stateless(&mut sent.clone()).is_ok());
            probe.handle_packet(at(50), &mut packet(&server_keys, Opcode::ControlHardResetServerV2, OURS));
            assert!(!probe.is_over(at(50)));
            assert_eq!((probe.answer(), probe.next_timeout()), (server(true, None), at(50)));
            assert!(sends(&mut probe, at(50)).is_some());
            assert_eq!((sends(&mut probe, at(51)), probe.next_timeout()), (None, at(1050)));
            if let Some(opcode) = again {
                probe.handle_packet(at(100), &mut packet(&server_keys, opcode, OURS));
                assert!(probe.is_over(at(100)));
            }
            assert_eq!((probe.is_over(at(1050)), probe.answer()), (true, server(true, cookie)));
        }
    }

    #[test]
    fn an_answer_in_clear_to_one_with_a_key_is_told_apart() {
        let mut probe = probe(keys(Role::Client, 7));
        assert!(sends(&mut probe, at(0)).is_some());
        let answer = packet(&WrapKeys::NONE, Opcode::ControlHardResetServerV2, OURS);
        for now in [10, 20] {
            probe.handle_packet(at(now), &mut answer.clone());
            assert!(probe.is_over(at(now)) || sends(&mut probe, at(now)).is_some());
        }
        assert_eq!(probe.answer(), server(false, Some(true)));
    }

    #[test]
    fn what_else_comes_back() {
        let reset = Opcode::ControlHardResetServerV2;
        for (mut packet, answer) in [
            (packet(&keys(Role::Server, 8), reset, OURS), Some(Answer::Unreadable)),
            (packet(&WrapKeys::NONE, reset, SessionId::from_bytes([9; 8])), Some(Answer::Unreadable)),
            (b"SSH-2.0-x".to_vec(), Some(Answer::Foreign)),
            (vec![0x40; 3], Some(Answer::Foreign)),
            (vec![], Some(Answer::Foreign)),
            // A data packet from a connection before.
            (vec![0x48, 0, 0, 1, 2, 3], None),
        ] {
            let mut probe = probe(keys(Role::Client, 7));
            probe.handle_packet(at(1), &mut packet);
            assert_eq!((probe.answer(), probe.is_over(at(1))), (answer, answer.is_some()), "{packet:?}");
        }
    }
}
