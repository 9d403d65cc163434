//! [`Endpoint`]: what client and server have in common, so that a host's loop or a binding is written once.

use alloc::boxed::Box;

use crate::client::Client;
use crate::event::Event;
use crate::packet::{Batch, Packet, Port};
use crate::path::LinkId;
use crate::peer::PeerId;
use crate::peer_data::PeerData;
use crate::reason::DropCounters;
use crate::server::Server;
use crate::time::{Deadline, Instant, UnixTime};

/// Both roles. Sealed: [`Client`] and [`Server`] have methods of the same names, where each is described.
#[expect(missing_docs, reason = "the methods of the two roles are documented where they stand")]
pub trait Endpoint: sealed::Sealed {
    // Input.
    fn handle_datagrams(&mut self, now: Instant, batch: &mut Batch<'_>);
    fn handle_stream(&mut self, now: Instant, link: LinkId, bytes: &mut [u8], out: &mut Packet) -> usize;
    fn handle_tunnel_packets(&mut self, now: Instant, from: Port, batch: &mut Batch<'_>);
    fn handle_timeout(&mut self, now: Instant);
    // Commands.
    fn link_closed(&mut self, now: Instant, link: LinkId);
    fn set_wall_clock(&mut self, now: Instant, unix: UnixTime);
    fn detach(&mut self, now: Instant, peer: PeerId) -> Option<Box<PeerData>>;
    fn attach(&mut self, now: Instant, data: Box<PeerData>);
    // Output.
    fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>);
    fn poll_event(&mut self) -> Option<Event>;
    fn next_timeout(&self) -> Option<Deadline>;
    // Getters.
    fn drops(&self) -> DropCounters;
}

macro_rules! endpoint {
    ($role:ident) => {
        impl Endpoint for $role {
            fn handle_datagrams(&mut self, now: Instant, batch: &mut Batch<'_>) {
                self.handle_datagrams(now, batch);
            }

            fn handle_stream(
                &mut self,
                now: Instant,
                link: LinkId,
                bytes: &mut [u8],
                out: &mut Packet,
            ) -> usize {
                self.handle_stream(now, link, bytes, out)
            }

            fn handle_tunnel_packets(&mut self, now: Instant, from: Port, batch: &mut Batch<'_>) {
                self.handle_tunnel_packets(now, from, batch);
            }

            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }

            fn link_closed(&mut self, now: Instant, link: LinkId) {
                self.link_closed(now, link);
            }

            fn set_wall_clock(&mut self, now: Instant, unix: UnixTime) {
                self.set_wall_clock(now, unix);
            }

            fn detach(&mut self, now: Instant, peer: PeerId) -> Option<Box<PeerData>> {
                self.detach(now, peer)
            }

            fn attach(&mut self, now: Instant, data: Box<PeerData>) {
                self.attach(now, data);
            }

            fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>) {
                self.poll_transmits(now, batch);
            }

            fn poll_event(&mut self) -> Option<Event> {
                self.poll_event()
            }

            fn next_timeout(&self) -> Option<Deadline> {
                self.next_timeout()
            }

            fn drops(&self) -> DropCounters {
                self.drops()
            }
        }

        impl sealed::Sealed for $role {}
    };
}

endpoint!(Client);
endpoint!(Server);

mod sealed {
    pub trait Sealed {}
}
