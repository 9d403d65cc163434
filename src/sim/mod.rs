//! A deterministic network for tests: a virtual clock, and links that lose, delay, reorder, repeat and corrupt.
//!
//! [`World`] holds one server and any number of clients, real engines all of them, with real TLS. Time jumps from one
//! deadline or arrival to the next; nothing sleeps. Everything random comes from one seed.

mod link;
pub(crate) mod pki;
mod trace;
mod world;

pub(crate) use link::{LinkQuality, Random};
pub(crate) use pki::tls_crypt;
pub(crate) use world::{TODAY, World, WorldBuilder, between, numbered, tail};
