//! adit: the OpenVPN engine that others can link.
//!
//! A [`Client`] and a [`Server`] without sockets, threads, clocks or files of their own. The *host*, whoever embeds
//! them, moves packets between them and the world and tells them the time; all state is in the value that it holds.
//! They speak OpenVPN's protocol with stock OpenVPN 2.x at the other end.
//!
//! # The contract
//!
//! An engine has four kinds of methods, and no others:
//!
//! | kind | what it is | examples |
//! |---|---|---|
//! | **input** | `handle_*`: something came from outside | [`handle_datagrams`](Client::handle_datagrams), [`handle_stream`](Client::handle_stream), [`handle_tunnel_packets`](Client::handle_tunnel_packets), [`handle_timeout`](Client::handle_timeout) |
//! | **commands** | the host wants something, or answers | [`start`](Client::start), [`connect`](Client::connect), [`renegotiate`](Client::renegotiate), [`disconnect`](Client::disconnect), [`detach`](Client::detach) |
//! | **output** | `poll_*`: what the engine wants | [`poll_transmits`](Client::poll_transmits), [`poll_event`](Client::poll_event) |
//! | **getters** | what it knows | [`next_timeout`](Client::next_timeout), [`settings`](Client::settings), [`drops`](Client::drops) |
//!
//! - Input and commands take `now`. [`Instant`]s come from a monotonic clock, never run backwards, and may have any
//!   origin.
//! - What comes from the network is never an error and never a panic. A packet that cannot be used is dropped, with a
//!   [`DropReason`] and a counter; a session that cannot go on ends with a [`CloseReason`] in an event.
//! - [`Error`] is for the caller: a configuration that cannot work, a call that does not fit the state.
//! - No callback decides anything. Where the engine needs an answer it emits an [`Event`] with a [`RequestId`] and goes
//!   on with everything else; without an answer by its deadline the answer is no.
//! - Every table has a capacity in [`Limits`].
//!
//! # The loop
//!
//! 1. **Sleep** until a socket or the tunnel has something, or until [`next_timeout`](Client::next_timeout).
//! 2. **Outer packets in:** lay datagrams into the slots of a [`Batch`] and call
//!    [`handle_datagrams`](Client::handle_datagrams); hand bytes of a TCP connection to
//!    [`handle_stream`](Client::handle_stream).
//! 3. **Inner packets in:** the same with [`handle_tunnel_packets`](Client::handle_tunnel_packets). Leave
//!    [`HEADROOM`] before and [`TAILROOM`] behind each.
//! 4. **Carry out the verdicts:** every packet now has a [`Verdict`]: deliver it to the tunnel, transmit it to its
//!    path, or forget it. It was sealed or opened where it lies.
//! 5. **Time:** if the deadline has come, call [`handle_timeout`](Client::handle_timeout).
//! 6. **Drain**, which is the invariant: after any `handle_*` or command, call
//!    [`poll_transmits`](Client::poll_transmits) until it fills nothing, then [`poll_event`](Client::poll_event) until
//!    `None`; and again, if acting on an event took a command. Then sleep.
//!
//! A client over one UDP socket, packet by packet. Batches of 64 are faster, and `examples/quickstart` has them:
//!
//! ```no_run
//! use std::net::{SocketAddr, UdpSocket};
//!
//! use adit::{Batch, Client, Event, HEADROOM, Instant, LinkId, Packet, Path, TAILROOM, Verdict};
//!
//! const SLOT: usize = 2048;
//!
//! fn run(client: &mut Client, socket: &UdpSocket, server: SocketAddr, tunnel: &mut dyn FnMut(&[u8])) -> std::io::Result<()> {
//!     let origin = std::time::Instant::now();
//!     let now = || Instant::from_nanos(origin.elapsed().as_nanos() as u64);
//!     let (mut slab, mut packets) = ([0; SLOT], [Packet::free(0..SLOT)]);
//!     let mut carry_out = |batch: &Batch<'_>| {
//!         for (index, packet) in batch.packets[..batch.len].iter().enumerate() {
//!             match packet.verdict {
//!                 Verdict::Deliver => tunnel(batch.bytes(index)),
//!                 Verdict::Transmit => drop(socket.send_to(batch.bytes(index), server)),
//!                 Verdict::Pending | Verdict::Consumed | Verdict::Drop => {}
//!             }
//!         }
//!     };
//!
//!     client.start(now());
//!     loop {
//!         // Drain.
//!         loop {
//!             let mut batch = Batch::new(&mut slab, &mut packets, 0);
//!             client.poll_transmits(now(), &mut batch);
//!             carry_out(&batch);
//!             if batch.len > 0 {
//!                 continue;
//!             }
//!             match client.poll_event() {
//!                 Some(Event::ConnectRequested { .. }) => {
//!                     let _ = client.connect(now(), Path::udp(LinkId(0), server));
//!                 }
//!                 Some(Event::Closed { reason, .. }) if reason.is_final() => return Ok(()),
//!                 Some(event) => println!("{event:?}"),
//!                 None => break,
//!             }
//!         }
//!
//!         // Sleep until a datagram comes or the deadline does.
//!         let wait = client.next_timeout().map(|deadline| deadline.at - now());
//!         socket.set_read_timeout(wait.map(|wait| wait.max(std::time::Duration::from_millis(1))))?;
//!         if let Ok((len, from)) = socket.recv_from(&mut slab[HEADROOM..SLOT - TAILROOM]) {
//!             packets[0] = Packet::new(0..SLOT, HEADROOM..HEADROOM + len);
//!             packets[0].path = Path::udp(LinkId(0), from);
//!             let mut batch = Batch::new(&mut slab, &mut packets, 1);
//!             client.handle_datagrams(now(), &mut batch);
//!             carry_out(&batch);
//!         }
//!         client.handle_timeout(now());
//!         // Packets from the tunnel go the same way, by `handle_tunnel_packets`.
//!     }
//! }
//! ```
//!
//! A configuration comes from the text of a profile, by [`config::Profile::parse`], or from the typed
//! [`config::ClientConfig`] and [`config::ServerConfig`].
//!
//! # The layers
//!
//! ```text
//!             client            server            roles: pull, push, pool, who is whose
//!                \               /
//!                    session                      one peer: negotiations, timers
//!                 /           \
//!            control           peer_data          TLS over the reliability layer | keys of one peer, detachable
//!             /    \               \
//!          tls      wrap           data           records | tls-auth, tls-crypt, cookie | seal, open, replay, mssfix
//!                       \         /
//!                          wire                   bytes and values
//!                  config     crypto              settings | primitives
//! ```
//!
//! A layer uses only what stands below it. `ARCHITECTURE.md` follows a packet through them, file by file.
//!
//! # Features
//!
//! `std` (default) only adds conversions from types of the standard library; without it the crate is `no_std` and needs
//! `alloc`. `log`, `tracing` and `defmt` choose where log lines go; without one of them they compile to nothing.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod algorithm;
mod buffer;
mod certificate;
mod check;
mod endpoint;
mod error;
mod event;
mod host;
mod limits;
mod log;
mod packet;
mod path;
mod peer;
mod peer_data;
mod reason;
mod time;
mod traffic;

pub mod client;
pub mod config;
pub mod control;
pub mod crypto;
mod data;
pub mod router;
pub mod server;
mod session;
pub mod tls;
pub mod wire;
pub mod wrap;

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

pub use algorithm::{Cipher, Digest, Framing, Role};
pub use buffer::PacketBuf;
pub use certificate::{ChainCertificate, PeerCertificate, SerialNumber};
pub use check::check;
pub use client::Client;
pub use data::RenegotiateReason;
pub use endpoint::Endpoint;
pub use error::{Error, UsageError};
pub use event::{
    ClientSummary, CloseReason, Event, Refusal, RequestId, TokenSession, TokenState, VerifyDecision,
};
pub use host::{Entropy, Host};
pub use limits::Limits;
pub use packet::{Batch, HEADROOM, Packet, Port, TAILROOM, Verdict};
pub use path::{Address, LinkId, Path, Transport};
pub use peer::PeerId;
pub use peer_data::PeerData;
pub use reason::{DropCounters, DropReason};
pub use server::Server;
pub use time::{Deadline, Instant, TimerKind, UnixTime};
pub use traffic::{Tally, Traffic};
