//! The board's entropy, for the engine and, through getrandom, for ring's key exchange and ECDSA signatures.
//!
//! NOT FOR PRODUCTION: the emulated machine has no random number generator, so this is xorshift from a fixed seed.
//! A device reads its hardware generator here.

use core::sync::atomic::{AtomicU32, Ordering};

/// Fills `out`.
pub fn fill(out: &mut [u8]) {
    static STATE: AtomicU32 = AtomicU32::new(0x1234_5678);
    for byte in out {
        let mut x = STATE.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        STATE.store(x, Ordering::Relaxed);
        *byte = (x >> 11) as u8;
    }
}

#[cfg(target_os = "none")]
mod hook {
    fn fill(out: &mut [u8]) -> Result<(), getrandom::Error> {
        super::fill(out);
        Ok(())
    }
    getrandom::register_custom_getrandom!(fill);
}
