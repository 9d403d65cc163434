//! ICMP errors that the router itself sends: in place of the packet that they are about (RFC 1812 §4.3, RFC 4443 §2.4).

use super::address::Address;
use super::packet::{Inner, Transport};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::wire::checksum::checksum;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IcmpError {
    /// The hops are used up.
    HopsExceeded,
    /// There is no way there.
    NoRoute,
    /// The way is there, the host is not.
    HostUnreachable,
    /// The host is there, and nothing listens.
    PortUnreachable,
    /// It may not go there.
    Prohibited,
    /// The way carries no more than this many bytes.
    TooBig(u16),
}

/// How many errors a side may still be sent: a token bucket (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f).
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorBudget {
    left: u32,
    since: u32,
}

impl Default for ErrorBudget {
    fn default() -> Self {
        Self { left: Self::BURST, since: 0 }
    }
}

impl ErrorBudget {
    /// Three probes at a time for a traceroute of twenty hops through us.
    const BURST: u32 = 64;
    /// About sixty a second.
    const PER_TICK: u32 = 8;

    /// Whether another may be sent.
    pub(super) fn take(&mut self, tick: u32) -> bool {
        let fresh = tick.saturating_sub(self.since).saturating_mul(Self::PER_TICK);
        self.left = self.left.saturating_add(fresh).min(Self::BURST);
        self.since = tick;
        let some = self.left > 0;
        self.left -= u32::from(some);
        some
    }
}

impl IcmpError {
    /// Type, code, and the four bytes behind the checksum.
    pub(super) fn header(self, version: u8) -> (u8, u8, u32) {
        match (self, version) {
            (Self::HopsExceeded, 4) => (11, 0, 0),
            (Self::NoRoute, 4) => (3, 0, 0),
            (Self::HostUnreachable, 4) => (3, 1, 0),
            (Self::PortUnreachable, 4) => (3, 3, 0),
            (Self::Prohibited, 4) => (3, 13, 0),
            (Self::TooBig(mtu), 4) => (3, 4, u32::from(mtu)),
            (Self::HopsExceeded, _) => (3, 0, 0),
            (Self::NoRoute, _) => (1, 0, 0),
            (Self::HostUnreachable, _) => (1, 3, 0),
            (Self::PortUnreachable, _) => (1, 4, 0),
            (Self::Prohibited, _) => (1, 1, 0),
            (Self::TooBig(mtu), _) => (2, 0, u32::from(mtu)),
        }
    }
}

const ICMP_LEN: usize = 8;
const HOPS: u8 = 64;
/// "Internetwork control" (RFC 1812 §4.3.2.5): what controls the network is not the first to be lost when it is full.
const PRECEDENCE: u8 = 6 << 5;

/// Turns the packet in `buf` into the error about it, from `from` to its source.
///
/// # Errors
///
/// `why`, if there must be no error about it: it is itself one, a later fragment, or its source or destination is no
/// single host.
pub(super) fn make_error<A: Address>(
    buf: &mut PacketBuf<'_>,
    inner: &Inner<A>,
    error: IcmpError,
    from: A,
    why: DropReason,
) -> Result<(), DropReason> {
    let no_answer = matches!(inner.transport, Transport::IcmpError | Transport::IcmpOther | Transport::Later);
    let (source, destination) = A::pair(buf.payload());
    if no_answer || !source.is_host() || !destination.is_host() {
        return Err(why);
    }
    let (kind, code, rest) = error.header(A::VERSION);
    // RFC 1812 §4.3.2.3: as much as fits in 576 bytes; RFC 4443 §3: in the least MTU of IPv6.
    buf.truncate(A::LEAST_ERROR - A::HEADER - ICMP_LEN);
    let quoted = buf.len();
    let icmp = buf.grow_front::<ICMP_LEN>()?;
    *icmp = [kind, code, 0, 0, 0, 0, 0, 0];
    icmp[4..].copy_from_slice(&rest.to_be_bytes());
    A::put_header(buf, from, source, A::ICMP, HOPS)?;
    let packet = buf.payload_mut();
    if A::VERSION == 4 {
        packet[1] = PRECEDENCE;
        packet[10..12].fill(0);
        let sum = checksum([&packet[..A::HEADER]]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let sum = if A::VERSION == 4 {
        checksum([&packet[A::HEADER..]])
    } else {
        let len = ((ICMP_LEN + quoted) as u32).to_be_bytes();
        checksum([&packet[A::OFFSET..A::HEADER], &len, &[0, 0, 0, A::ICMP], &packet[A::HEADER..]])
    };
    packet[A::HEADER + 2..A::HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    Ok(())
}
