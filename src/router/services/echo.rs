//! Pings to the gateway.

use super::HOPS;
use crate::router::address::Address;
use crate::router::packet::{Inner, Transport};
use crate::wire::checksum::Delta;

/// Turns an echo request into its reply, in place. Of a datagram in fragments each is turned, so that nothing need be
/// put together: the checksum, in the first, changes by the type alone.
pub(super) fn turn<A: Address>(inner: &Inner<A>, packet: &mut [u8]) {
    A::set_pair(packet, inner.tuple.destination, inner.tuple.source);
    set_hops::<A>(packet);
    if inner.transport == Transport::Later {
        return;
    }
    let (request, reply) = if A::VERSION == 4 { (8, 0) } else { (128, 129) };
    let Some([kind, _, sum @ ..]) =
        packet.get_mut(inner.offset..).and_then(|icmp| icmp.first_chunk_mut::<4>())
    else {
        return;
    };
    *kind = reply;
    Delta::default().replace_word(request << 8, u16::from(reply) << 8).apply_to(sum);
}

fn set_hops<A: Address>(packet: &mut [u8]) {
    let at = if A::VERSION == 4 { 8 } else { 7 };
    let Some(hops) = packet.get_mut(at) else { return };
    let before = core::mem::replace(hops, HOPS);
    if A::VERSION == 4
        && let Some(sum) = packet.get_mut(10..).and_then(|rest| rest.first_chunk_mut::<2>())
    {
        Delta::default().replace_word(u16::from(before) << 8, u16::from(HOPS) << 8).apply_to(sum);
    }
}
