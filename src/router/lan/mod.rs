//! The LAN port: IP packets in Ethernet frames, and what a host on a LAN does beside: it answers for its addresses, looks
//! after them, and finds its neighbours.
//!
//! We share the interface, and so the hardware address, with the host's kernel: what is taken in is for an address of
//! ours, or for what is routed to clients; all else is the kernel's. And we answer for nothing but our own addresses.

mod addresses;
mod ethernet;
mod hook;
mod message;
mod neighbours;
mod segment;
#[cfg(test)]
mod tests;
mod waiting;

use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::net::IpAddr;

use foldhash::quality::SeedableRandomState;

use super::event::{Events, RouterEvent};
use super::outbox::Outbox;
use super::zone::Zone;
use crate::buffer::PacketBuf;
use crate::config::{IpNetwork, LanConfig};
use crate::limits::Limits;
use crate::reason::DropReason;
use crate::time::Instant;
use crate::wire::ip::IpHeader;

use addresses::{Addresses, Clash, Standing, Word};
use ethernet::{Ethernet, ethertype};
use message::{Heard, MAX_FRAME, Say, is_ndp};
use neighbours::{Due, Found, Neighbours, Question};
use waiting::{Hold, Released, Waiting};

pub use ethernet::MacAddress;
pub use segment::{Offload, Segments};

/// Frames of our own that wait for the host.
const SAYINGS: usize = 32;
/// Answers a second to one asker; a second's worth may come at once.
const ANSWERS: u32 = 64;
/// Askers are told apart by so many values of a hash.
const ASKERS: usize = 64;

/// The interface that the LAN port uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanLink {
    /// Its hardware address: we use it, too.
    pub mac: MacAddress,
    /// The largest IP packet that it takes, in bytes.
    pub mtu: u16,
}

/// One LAN.
pub(super) struct LanPort {
    link: LanLink,
    networks: Vec<IpNetwork>,
    own: Vec<IpAddr>,
    gateways: Vec<IpAddr>,
    /// What is always answered for.
    fixed: Vec<IpAddr>,
    addresses: Addresses,
    neighbours: Neighbours,
    waiting: Waiting,
    sayings: Outbox,
    /// How many answers each asker has had in a second, and when that began.
    answers: [(Instant, u32); ASKERS],
    hasher: SeedableRandomState,
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// An IP packet for the router.
    Packet,
    /// A matter of the LAN's own.
    Settled,
}

/// What became of a packet that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is a frame now.
    Frame,
    /// It waits.
    Waits,
}

/// What the port has for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// A frame.
    Frame,
    /// A packet from that zone whose neighbour is not there.
    Refused(Zone),
    /// A packet that is lost.
    Lost(DropReason),
}

impl LanPort {
    /// `seed` is secret.
    pub(super) fn new(link: LanLink, limits: &Limits, seed: u64) -> Self {
        let slots = (limits.neighbours / 8).clamp(4, 64);
        Self {
            networks: Vec::new(),
            own: Vec::new(),
            gateways: Vec::new(),
            fixed: Vec::new(),
            addresses: Addresses::default(),
            neighbours: Neighbours::new(limits.neighbours, seed),
            waiting: Waiting::new(slots, usize::from(link.mtu)),
            sayings: Outbox::new(SAYINGS, MAX_FRAME),
            answers: [(Instant::ZERO, 0); ASKERS],
            hasher: SeedableRandomState::with_seed(!seed, foldhash::SharedSeed::global_fixed()),
            link,
        }
    }

    // ---- commands ----

    /// Takes over where the port is, and what it always answers for.
    fn configure(&mut self, config: &LanConfig, fixed: Vec<IpAddr>) {
        let network = |&(address, prefix): &(IpAddr, u8)| IpNetwork::containing(address, prefix);
        self.networks = config.addresses.iter().map(network).collect();
        self.own = config.addresses.iter().map(|(address, _)| *address).collect();
        self.gateways.clone_from(&config.gateways);
        let before = core::mem::replace(&mut self.fixed, fixed);
        for number in 0..self.fixed.len() {
            self.claim(self.fixed[number]);
        }
        for address in before {
            self.release(address);
        }
    }

    /// We are to answer for `address` too: a client's outside address, one that is forwarded. Each claim needs a
    /// [`release`](Self::release).
    pub(super) fn claim(&mut self, address: IpAddr) {
        self.addresses.claim(address);
    }

    /// We no longer need to.
    pub(super) fn release(&mut self, address: IpAddr) {
        if self.addresses.release(address) {
            self.waiting.release(Hold::Address(address), Released::Lost);
        }
    }

    /// The interface is another, or came back: nobody is known any more, and our addresses are looked after again.
    pub(super) fn set_link(&mut self, link: LanLink) {
        if link.mtu != self.link.mtu {
            self.waiting = Waiting::new(self.waiting.count(), usize::from(link.mtu));
        }
        self.link = link;
        self.neighbours.clear();
        self.addresses.restart();
    }

    pub(super) fn mtu(&self) -> u16 {
        self.link.mtu
    }

    // ---- frames in ----

    /// Takes a frame that was seen on the LAN. `is_routed` tells whether an address is to be reached through us.
    ///
    /// # Errors
    ///
    /// It is none of our business; the buffer's bytes are as they were or lack the Ethernet header.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        buf: &mut PacketBuf<'_>,
        events: &mut Events,
        is_routed: impl Fn(IpAddr) -> bool,
    ) -> Result<Received, DropReason> {
        let frame = Ethernet::strip(buf)?;
        let is_ours = frame.destination == self.link.mac;
        if frame.source == self.link.mac || !frame.source.is_unicast() {
            return Err(DropReason::NotForUs); // our own, come back
        }
        match frame.ethertype {
            ethertype::ARP if is_ours || frame.destination == MacAddress::BROADCAST => {
                self.hear(now, Heard::arp(buf.payload())?, is_ours, events)
            }
            ethertype::IPV6 if is_ndp(buf.payload()) => {
                self.hear(now, Heard::ndp(buf.payload(), &frame)?, is_ours, events)
            }
            ethertype::IPV4 | ethertype::IPV6 if is_ours => {
                let version = if frame.ethertype == ethertype::IPV4 { 4 } else { 6 };
                let header = IpHeader::parse(buf.payload()).ok_or(DropReason::NotForUs)?;
                let same = buf.payload().first().is_some_and(|first| first >> 4 == version);
                let for_us = self.addresses.contains(header.destination) || is_routed(header.destination);
                if !same || !for_us {
                    return Err(DropReason::NotForUs);
                }
                if self.addresses.contains(header.source) {
                    return Err(DropReason::Martian);
                }
                Ok(Received::Packet)
            }
            _ => Err(DropReason::NotForUs),
        }
    }

    fn hear(
        &mut self,
        now: Instant,
        heard: Heard,
        to_us: bool,
        events: &mut Events,
    ) -> Result<Received, DropReason> {
        match heard {
            Heard::Asked { mac, .. } | Heard::Told { mac, .. } if mac == self.link.mac => {
                return Err(DropReason::NotForUs);
            }
            Heard::Asked { sender: Some(sender), mac, target } => {
                self.clash(now, sender, mac, false, events);
                self.learn(now, sender, mac, false);
                self.answer(now, target, Some(sender), mac)?;
            }
            Heard::Asked { sender: None, mac, target } => {
                self.clash(now, target, mac, true, events);
                self.answer(now, target, None, mac)?;
            }
            Heard::Told { address, mac, to } => {
                self.clash(now, address, mac, false, events);
                let solicited = to_us && to.is_some_and(|to| self.addresses.standing(to) == Standing::Ours);
                self.learn(now, address, mac, solicited);
            }
        }
        Ok(Received::Settled)
    }

    fn clash(&mut self, now: Instant, address: IpAddr, mac: MacAddress, probe: bool, events: &mut Events) {
        let Some(Clash { address, mac, kept }) = self.addresses.clash(now, address, mac, probe) else {
            return;
        };
        if !kept {
            self.waiting.release(Hold::Address(address), Released::Lost);
        }
        events.push(RouterEvent::AddressConflict { address, mac, kept });
    }

    fn learn(&mut self, now: Instant, address: IpAddr, mac: MacAddress, solicited: bool) {
        if self.addresses.contains(address) {
            return;
        }
        let (found, question) = self.neighbours.learn(now, address, mac, solicited);
        if found {
            self.waiting.release(Hold::Neighbour(address), Released::To(mac));
        }
        if let Some(question) = question {
            self.ask(question, None);
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        address: IpAddr,
        to: Option<IpAddr>,
        mac: MacAddress,
    ) -> Result<(), DropReason> {
        if self.addresses.standing(address) != Standing::Ours {
            return Ok(());
        }
        let asker = self.hasher.hash_one(mac) as usize % ASKERS;
        let (since, count) = &mut self.answers[asker];
        if now.since(*since).as_secs() >= 1 {
            (*since, *count) = (now, 0);
        }
        if *count >= ANSWERS {
            return Err(DropReason::RateLimited);
        }
        *count += 1;
        self.say(Say::Answer { address, to, mac })
    }

    // ---- packets out ----

    /// Makes a frame of the IP packet in `buf`, which came from that zone.
    ///
    /// # Errors
    ///
    /// It is for nobody in particular ([`DropReason::Multicast`]), there is no way there ([`DropReason::NoRoute`]), too
    /// many wait already ([`DropReason::NoNeighbour`]), or its source address is somebody else's
    /// ([`DropReason::AddressInUse`]).
    pub(super) fn send(
        &mut self,
        now: Instant,
        from: Zone,
        buf: &mut PacketBuf<'_>,
    ) -> Result<Sent, DropReason> {
        let IpHeader { source, destination } =
            IpHeader::parse(buf.payload()).ok_or(DropReason::BadInnerPacket)?;
        if !self.addresses.all_usable() {
            match self.addresses.standing(source) {
                Standing::No | Standing::Ours => {}
                Standing::Tentative => {
                    self.waiting.push(Hold::Address(source), from, buf.payload())?;
                    return Ok(Sent::Waits);
                }
                Standing::Conflict => return Err(DropReason::AddressInUse),
            }
        }
        let hop = self.next_hop(destination)?;
        let mac = match self.neighbours.find(now, hop, from) {
            Found::At(mac) => mac,
            Found::Ask(mac, question) => {
                self.ask(question, Some(source));
                mac
            }
            Found::Wait => {
                self.waiting.push(Hold::Neighbour(hop), from, buf.payload())?;
                return Ok(Sent::Waits);
            }
            Found::New(question) => {
                self.ask(question, Some(source));
                self.waiting.push(Hold::Neighbour(hop), from, buf.payload())?;
                return Ok(Sent::Waits);
            }
            Found::Full => return Err(DropReason::NoNeighbour),
        };
        Ethernet::put_before(buf, self.link.mac, mac)?;
        Ok(Sent::Frame)
    }

    fn next_hop(&self, destination: IpAddr) -> Result<IpAddr, DropReason> {
        let on_link = self.networks.iter().find(|network| network.contains(destination));
        if destination.is_multicast() || destination == IpAddr::V4(core::net::Ipv4Addr::BROADCAST) {
            return Err(DropReason::Multicast);
        }
        match on_link {
            // RFC 2644: what is for all hosts of a network is not forwarded there. Networks of one and two hosts have no
            // such address (RFC 3021).
            Some(IpNetwork::V4(network))
                if network.prefix < 31
                    && (destination == network.address || destination == network.broadcast()) =>
            {
                Err(DropReason::Multicast)
            }
            Some(_) => Ok(destination),
            None => {
                let same_family = |gateway: &&IpAddr| gateway.is_ipv4() == destination.is_ipv4();
                self.gateways.iter().find(same_family).copied().ok_or(DropReason::NoRoute)
            }
        }
    }

    fn ask(&mut self, Question { address: target, mac }: Question, source: Option<IpAddr>) {
        let own = self.own.iter().copied().filter(|own| own.is_ipv4() == target.is_ipv4());
        let may = |address: &IpAddr| self.addresses.standing(*address) == Standing::Ours;
        // Without one, it is asked when the timer says so; we may have one by then.
        if let Some(sender) = own.chain(source).find(may) {
            let _ = self.say(Say::Ask { sender: Some(sender), target, mac });
        }
    }

    fn say(&mut self, what: Say) -> Result<(), DropReason> {
        let mut frame = [0; MAX_FRAME];
        let len = what.emit(self.link.mac, &mut frame);
        self.sayings.push(Zone::Lan, len, |out| out.copy_from_slice(&frame[..len]))
    }

    // ---- time ----

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while !self.sayings.is_full()
            && let Some(due) = self.neighbours.due(now)
        {
            match due {
                Due::Ask(question) => self.ask(question, None),
                Due::Gone(address) => self.waiting.release(Hold::Neighbour(address), Released::Refused),
            }
        }
        while !self.sayings.is_full()
            && let Some(word) = self.addresses.due(now)
        {
            let _ = match word {
                Word::Probe(target) => self.say(Say::Ask { sender: None, target, mac: None }),
                Word::Announce { address, first } => {
                    if first {
                        self.waiting.release(Hold::Address(address), Released::Again);
                    }
                    self.say(Say::Announce { address })
                }
            };
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [self.neighbours.next(), self.addresses.next()].into_iter().flatten().min()
    }

    /// Moves the next frame, or packet that could not be sent, into `buf`.
    pub(super) fn poll(&mut self, now: Instant, buf: &mut PacketBuf<'_>) -> Option<Polled> {
        match self.sayings.pop(buf) {
            Ok(None) => {}
            Ok(Some(_)) => return Some(Polled::Frame),
            Err(reason) => return Some(Polled::Lost(reason)),
        }
        while self.waiting.has_some() {
            let (from, released) = self.waiting.pop(buf)?;
            let sent = match released {
                Released::To(mac) => Ethernet::put_before(buf, self.link.mac, mac).map(|()| Sent::Frame),
                Released::Again => self.send(now, from, buf),
                Released::Refused => return Some(Polled::Refused(from)),
                Released::Lost => Err(DropReason::AddressInUse),
            };
            match sent {
                Ok(Sent::Frame) => return Some(Polled::Frame),
                Ok(Sent::Waits) => {}
                Err(reason) => return Some(Polled::Lost(reason)),
            }
        }
        None
    }
}
