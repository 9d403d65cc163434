//! A fragment's way through the router.

use core::mem;

use super::held::SLOT;
use super::{Address, DatagramId, Fragment};
use crate::buffer::PacketBuf;
use crate::reason::DropReason;
use crate::router::egress::Leave;
use crate::router::forward::pass;
use crate::router::packet::{Inner, Transport};
use crate::router::zone::{Zone, ZoneId};
use crate::router::{Common, Family, Forward, Step};

/// Sends a fragment on its way, or has it wait. After a first one follows what waited for it.
pub(in super::super) fn forward_fragment<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    fragment: Fragment,
    inner: &mut Inner<A>,
    buf: &mut PacketBuf<'_>,
) -> Step<Forward> {
    let zone = ZoneId::from(from);
    let taken = family.fragments.take(&mut common.drops, tick, zone, fragment, inner, buf.payload())?;
    let Some(datagram) = taken else { return Ok(Forward::Consumed) };
    let is_first = inner.transport != Transport::Later;
    let outcome = pass(common, family, tick, from, inner, buf, Leave::InPlace);
    if is_first {
        match outcome {
            Ok(Forward::To(_)) => release(common, family, tick, from, datagram),
            Ok(_) => family.fragments.refuse(datagram, DropReason::BadFragment, &mut common.drops),
            Err(why) => family.fragments.refuse(datagram, why, &mut common.drops),
        }
    }
    family.fragments.settle(datagram);
    outcome
}

/// Sends what has waited after the first fragment, by the outbox.
fn release<A: Address>(
    common: &mut Common,
    family: &mut Family<A>,
    tick: u32,
    from: Zone,
    datagram: DatagramId,
) {
    // Nothing is held while this is away.
    let mut memory = mem::take(&mut family.fragments.held.memory);
    while let Some((slot, len)) = family.fragments.next_held(datagram.0) {
        let room = memory.get_mut(slot * SLOT..(slot + 1) * SLOT).unwrap_or(&mut []);
        let Some(mut buf) = PacketBuf::new(room, 0..len) else { continue };
        let sent = Inner::<A>::parse(&mut buf).and_then(|mut inner| {
            family.fragments.tell(datagram, &mut inner);
            pass(common, family, tick, from, &mut inner, &mut buf, Leave::ByOutbox)
        });
        if let Err(why) = sent {
            common.drops.count(why);
        }
    }
    family.fragments.held.memory = memory;
}
