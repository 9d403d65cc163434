//! [`ControlChannel`]: TLS over the reliability layer, for one key negotiation.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use super::reliable::{Outgoing, Reliable};
use crate::reason::DropReason;
use crate::time::Instant;
use crate::tls::{TlsConnection, TlsError};
use crate::wire::{AckList, ControlPacket, KeyId, Opcode};

/// Acknowledgements that ride on a packet with a payload.
const ACKS_BESIDE_PAYLOAD: usize = 4;

/// One negotiation's control channel: packets in, plaintext records out, and the reverse.
pub struct ControlChannel {
    key_id: KeyId,
    reliable: Reliable,
    tls: Box<dyn TlsConnection>,
    /// TLS bytes that are not yet cut into packets.
    outgoing: Vec<u8>,
    /// The peer's first message is a reset, whose payload is not for TLS.
    expects_reset: bool,
    /// Our reset is acknowledged: TLS may begin.
    started: bool,
    progress: Progress,
}

/// How far the two ends have come with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Nothing of the peer has arrived.
    Silence,
    /// A packet of the peer has arrived.
    Heard,
    /// So has some of its TLS.
    Tls,
    /// TLS had an answer to that: at either end it holds the certificate.
    TlsAnswered,
}

/// What [`ControlChannel::poll_packet`] wants to be sent.
pub struct ControlOutput<'a> {
    /// The opcode for the first byte.
    pub opcode: Opcode,
    /// Acknowledgements, message id and payload. The remote session id is the caller's to fill in.
    pub packet: ControlPacket<'a>,
}

impl ControlChannel {
    /// A channel whose first message is `reset`, or which is past the resets already (a server behind its cookie).
    pub fn new(
        key_id: KeyId,
        reset: Option<Opcode>,
        tls: Box<dyn TlsConnection>,
        tls_timeout: Duration,
    ) -> Self {
        let mut tls = tls;
        let mut outgoing = Vec::new();
        tls.poll_bytes(&mut outgoing); // a client's hello
        let mut reliable = Reliable::new(tls_timeout);
        match reset {
            Some(opcode) => reliable.queue(opcode, &[]),
            None => reliable.skip_initial(),
        }
        Self {
            key_id,
            reliable,
            tls,
            outgoing,
            expects_reset: reset.is_some(),
            started: reset.is_none(),
            progress: Progress::Silence,
        }
    }

    /// Takes in an unwrapped packet of this negotiation.
    ///
    /// `Ok(Err(_))` is a packet that was in order but told TLS something that ends the negotiation.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        packet: &ControlPacket<'_>,
    ) -> Result<Result<(), TlsError>, DropReason> {
        self.reliable.handle_acks(&packet.acks);
        if let Some(message_id) = packet.message_id {
            self.reliable.receive(message_id, packet.payload)?;
        }
        if self.progress == Progress::Silence {
            // What was sent into the void goes out again now that there is somebody to hear it.
            self.progress = Progress::Heard;
            self.reliable.schedule_all_now(now);
        }
        while let Some(payload) = self.reliable.next_in_order() {
            if self.expects_reset {
                self.expects_reset = false;
            } else if !payload.is_empty() {
                self.progress = self.progress.max(Progress::Tls);
                if let Err(error) = self.tls.handle_bytes(&payload) {
                    self.tls.poll_bytes(&mut self.outgoing); // the alert
                    return Ok(Err(error));
                }
            }
        }
        let before = self.outgoing.len();
        self.tls.poll_bytes(&mut self.outgoing);
        if self.progress == Progress::Tls && self.outgoing.len() > before {
            self.progress = Progress::TlsAnswered;
        }
        Ok(Ok(()))
    }

    /// Queues one plaintext record.
    pub fn write(&mut self, record: &[u8]) -> Result<(), TlsError> {
        self.tls.write(record)?;
        self.tls.poll_bytes(&mut self.outgoing);
        Ok(())
    }

    /// The next plaintext record received.
    pub fn read(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.tls.poll_plaintext()
    }

    /// The next packet to send, of at most `max_payload` bytes of TLS, and at most `max_acks` bare acknowledgements.
    pub fn poll_packet(
        &mut self,
        now: Instant,
        max_payload: usize,
        max_acks: usize,
    ) -> Option<ControlOutput<'_>> {
        self.cut(max_payload);
        // Which acknowledgements ride along must be known before the packet borrows the layer, so ask first.
        if self.reliable.is_due(now) {
            let acks = self.reliable.take_acks(ACKS_BESIDE_PAYLOAD);
            let Outgoing { opcode, message_id, payload } = self.reliable.poll_send(now)?;
            let packet =
                ControlPacket { acks, remote_session_id: None, message_id: Some(message_id), payload };
            return Some(ControlOutput { opcode, packet });
        }
        if !self.reliable.has_pending_acks() {
            return None;
        }
        let acks: AckList = self.reliable.take_acks(max_acks);
        let packet = ControlPacket { acks, remote_session_id: None, message_id: None, payload: &[] };
        Some(ControlOutput { opcode: Opcode::AckV1, packet })
    }

    /// When a packet must be sent again.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.reliable.next_timeout()
    }

    /// The key id of this negotiation.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The TLS connection.
    pub fn tls(&self) -> &dyn TlsConnection {
        &*self.tls
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Whether everything that was written has been sent and acknowledged.
    pub fn is_flushed(&self) -> bool {
        self.started && self.outgoing.is_empty() && self.reliable.all_acked()
    }

    /// Cuts TLS bytes into packets, as far as the send window goes.
    fn cut(&mut self, max_payload: usize) {
        self.started |= self.reliable.all_acked();
        if !self.started {
            return;
        }
        let mut taken = 0;
        while taken < self.outgoing.len() && self.reliable.can_queue() {
            let end = self.outgoing.len().min(taken + max_payload);
            self.reliable.queue(Opcode::ControlV1, &self.outgoing[taken..end]);
            taken = end;
        }
        self.outgoing.drain(..taken);
    }
}
