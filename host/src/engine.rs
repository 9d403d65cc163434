//! [`Engine`]: what client and server offer alike, so that the loop is written once.

use adit::client::Client;
use adit::server::Server;
use adit::{Batch, Deadline, Event, Instant, LinkId, Packet, Port};

/// The part of the engine's interface that the loop needs. See [`Client`] and [`Server`] for each method.
pub(crate) trait Engine {
    fn handle_datagrams(&mut self, now: Instant, batch: &mut Batch<'_>);
    fn handle_stream(&mut self, now: Instant, link: LinkId, bytes: &mut [u8], out: &mut Packet) -> usize;
    fn handle_tunnel_packets(&mut self, now: Instant, batch: &mut Batch<'_>);
    fn handle_timeout(&mut self, now: Instant);
    fn poll_transmits(&mut self, now: Instant, batch: &mut Batch<'_>);
    fn poll_event(&mut self) -> Option<Event>;
    fn next_timeout(&self) -> Option<Deadline>;
}

macro_rules! engine {
    ($name:ident) => {
        impl Engine for $name {
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

            fn handle_tunnel_packets(&mut self, now: Instant, batch: &mut Batch<'_>) {
                self.handle_tunnel_packets(now, Port::Host, batch);
            }

            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
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
        }
    };
}

engine!(Client);
engine!(Server);
