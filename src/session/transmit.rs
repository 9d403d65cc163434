//! What a session wants to send by itself: control packets, acknowledgements, pings, exit notices.

use super::{Negotiation, Session};
use crate::algorithm::Role;
use crate::buffer::PacketBuf;
use crate::config::SessionConfig;
use crate::control::ControlOutput;
use crate::data::OCC_REPLY;
use crate::host::Environment;
use crate::path::{Path, Transport};
use crate::reason::DropReason;
use crate::time::Instant;
use crate::wire::{ControlHeader, SessionId, stream};
use crate::wrap::ControlWrap;

/// First byte and session id, which no wrapping hides.
const HEADER_LEN: usize = 9;
/// Four acknowledgements with the session id that they concern, and the message id.
const INNER_OVERHEAD: usize = 1 + 4 * 4 + 8 + 4;
/// A payload is never cut smaller, whatever `max-packet-size` says.
const MIN_PAYLOAD: usize = 16;
/// The largest packet that `max-packet-size` permits, for the scratch space of its inner part.
const MAX_PACKET: usize = 2048;
/// The most acknowledgements that a packet without payload carries.
const MAX_BARE_ACKS: usize = 8;
/// The same to servers without control channel protection and TLS-EKM, of which one (SoftEther) drops more.
const MAX_BARE_ACKS_COMPATIBLE: usize = 4;

impl Session {
    /// Fills `buf` with the next packet to send on [`path`](Self::path), or says that there is none.
    ///
    /// `Err` says why one could not be put into this buffer; it is sent again when its timer ends.
    pub(crate) fn poll_transmit(
        &mut self,
        env: &Environment,
        now: Instant,
        buf: &mut PacketBuf<'_>,
    ) -> Result<bool, DropReason> {
        let sender = Sender {
            header: (self.local_id, self.remote_id),
            path: &self.path,
            max_payload: max_payload(&self.shared.config, &self.wrap, &self.path),
            max_acks: if self.shared.wrap.is_none() && self.shared.role == Role::Client {
                MAX_BARE_ACKS_COMPATIBLE
            } else {
                MAX_BARE_ACKS
            },
        };
        for negotiation in [self.previous.as_mut(), Some(&mut self.current)].into_iter().flatten() {
            if sender.send(env, now, negotiation, &mut self.wrap, buf)? {
                if let Some(data) = &mut self.data {
                    data.note_sent(now);
                }
                return Ok(true);
            }
        }
        if self.failed {
            return Ok(false);
        }
        let reply = core::mem::take(&mut self.occ_reply).then(|| self.options_string());
        let Some(data) = self.data_mut() else { return Ok(false) };
        if let Some(options) = reply {
            let payload = [&OCC_REPLY[..], options.as_bytes(), &[0]].concat();
            return data.seal_special(now, &payload, buf).map(|()| true);
        }
        data.poll_ping(now, buf)
    }

    /// The peer has asked for our options string in the data channel.
    pub(crate) fn answer_occ(&mut self) {
        self.occ_reply = true;
    }
}

/// What is the same for every control packet of a call.
struct Sender<'a> {
    header: (SessionId, Option<SessionId>),
    path: &'a Path,
    max_payload: usize,
    max_acks: usize,
}

impl Sender<'_> {
    fn send(
        &self,
        env: &Environment,
        now: Instant,
        negotiation: &mut Negotiation,
        wrap: &mut ControlWrap,
        buf: &mut PacketBuf<'_>,
    ) -> Result<bool, DropReason> {
        let (session_id, remote_id) = self.header;
        let key_id = negotiation.channel.key_id();
        let Some(ControlOutput { opcode, mut packet }) =
            negotiation.channel.poll_packet(now, self.max_payload, self.max_acks)
        else {
            return Ok(false);
        };
        packet.remote_session_id = remote_id.filter(|_| !packet.acks.is_empty());
        let mut inner = [0; MAX_PACKET];
        let inner = inner.get_mut(..packet.encoded_len()).ok_or(DropReason::NoRoom)?;
        packet.emit(inner);
        let header = ControlHeader { opcode, key_id, session_id };
        let prefix = match self.path.transport {
            Transport::Udp => 0,
            Transport::Tcp => stream::PREFIX,
        };
        buf.truncate(0);
        let room = prefix + HEADER_LEN + wrap.keys().overhead() + inner.len();
        let out = buf.grow_back(room)?;
        let (length, out) = out.split_at_mut(prefix);
        let len = wrap.seal(env.unix(now), header, inner, out)?;
        if let Ok(length) = <&mut [u8; stream::PREFIX]>::try_from(length) {
            *length = (len as u16).to_be_bytes();
        }
        buf.truncate(prefix + len);
        Ok(true)
    }
}

/// The most TLS bytes that fit a control packet on this path.
fn max_payload(config: &SessionConfig, wrap: &ControlWrap, path: &Path) -> usize {
    usize::from(config.max_packet_size)
        .saturating_sub(path.header_overhead() + HEADER_LEN + wrap.keys().overhead() + INNER_OVERHEAD)
        .max(MIN_PAYLOAD)
}
