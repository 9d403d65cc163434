//! What the engine needs from outside, in one struct: there are no globals anywhere.

use alloc::boxed::Box;
use alloc::sync::Arc;

use rustls::crypto::CryptoProvider;

use crate::time::{Instant, UnixTime, WallClock};

/// A source of random bytes fit for keys.
///
/// The default [`CryptoProvider`] (ring) draws on the system's own entropy for key exchange and ECDSA signatures,
/// whatever is injected here; pass another provider where that matters.
pub trait Entropy: Send {
    /// Fills `out`. Must not fail: a host whose source can fail waits, or ends the process.
    fn fill(&mut self, out: &mut [u8]);
}

impl<F: FnMut(&mut [u8]) + Send> Entropy for F {
    fn fill(&mut self, out: &mut [u8]) {
        self(out);
    }
}

/// The host's part of a [`Client`](crate::Client) or [`Server`](crate::Server).
pub struct Host {
    /// Session ids, key-method randoms, cookies' key.
    pub entropy: Box<dyn Entropy>,
    /// The wall clock at the `now` of the constructor. A device without a clock sets a date that it knows has passed
    /// (its build date) and corrects it by `set_wall_clock`.
    pub unix_time: UnixTime,
    /// TLS primitives.
    pub crypto: Arc<CryptoProvider>,
}

impl Host {
    /// A host with the default provider (ring).
    pub fn new(entropy: impl Entropy + 'static, unix_time: UnixTime) -> Self {
        Self {
            entropy: Box::new(entropy),
            unix_time,
            crypto: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }
}

impl core::fmt::Debug for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Host").field("unix_time", &self.unix_time).finish_non_exhaustive()
    }
}

/// The host's part while the engine runs.
pub(crate) struct Environment {
    entropy: Box<dyn Entropy>,
    clock: WallClock,
}

impl Environment {
    pub(crate) fn new(entropy: Box<dyn Entropy>, now: Instant, unix: UnixTime) -> Self {
        Self { entropy, clock: WallClock::new(now, unix) }
    }

    pub(crate) fn set_clock(&mut self, now: Instant, unix: UnixTime) {
        self.clock = WallClock::new(now, unix);
    }

    pub(crate) fn unix(&self, now: Instant) -> UnixTime {
        self.clock.unix(now)
    }

    pub(crate) fn entropy(&mut self) -> &mut dyn Entropy {
        &mut *self.entropy
    }

    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.entropy.fill(&mut out);
        out
    }
}
