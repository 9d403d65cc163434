//! [`Identifications`]: what datagrams that get another source are numbered by, so that two clients behind one address
//! never give the end two datagrams of the same name to put together (RFC 6864 §5.3.1, RFC 7857 §10).

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hasher};

use foldhash::quality::SeedableRandomState;

use super::address::Address;

const COUNTERS: usize = 64;

/// Counters, of which each pair of ends and protocol has one, shared with some others.
pub(super) struct Identifications {
    counters: Box<[u32; COUNTERS]>,
    hasher: SeedableRandomState,
}

impl Identifications {
    /// `seed` is secret: where the counters begin tells nothing.
    pub(super) fn new(seed: u64) -> Self {
        let hasher = SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed());
        let mut counters = Box::new([0; COUNTERS]);
        for (number, counter) in counters.iter_mut().enumerate() {
            *counter = hasher.hash_one(number) as u32;
        }
        Self { counters, hasher }
    }

    /// The next one.
    pub(super) fn next<A: Address>(&mut self, source: A, destination: A, protocol: u8) -> u32 {
        let mut state = self.hasher.build_hasher();
        A::hash_pair(&mut state, source, destination);
        state.write_u8(protocol);
        let counter = &mut self.counters[state.finish() as usize % COUNTERS];
        *counter = counter.wrapping_add(1);
        *counter
    }
}
