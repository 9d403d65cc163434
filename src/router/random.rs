//! [`Random`]: numbers that nobody outside can foretell, from the router's secret seed: SipHash-2-4 of a counter.
//!
//! Ports and fragment identifiers are guessed by who wants to send into other people's conversations (RFC 6056).

/// A stream of numbers.
pub(super) struct Random {
    key: [u64; 2],
    counter: u64,
}

impl Random {
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self { key, counter: 0 }
    }

    /// 64 more bits.
    pub(super) fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        siphash(self.key, self.counter)
    }

    /// A number below `bound`, which is small and not 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        // The high half of 32 random bits times the bound: none is likelier by more than bound / 2^32.
        ((u64::from(self.next() as u32) * u64::from(bound)) >> 32) as u32
    }
}

/// SipHash-2-4 of eight bytes.
fn siphash(key: [u64; 2], word: u64) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    // The last word has the length in its highest byte.
    for word in [word, 8 << 56] {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference implementation's vector for the eight bytes 0..=7 under the key 0..=15.
    #[test]
    fn the_vector_of_the_paper() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(siphash(key, 0x0706_0504_0302_0100), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn below_reaches_all_and_no_more() {
        let mut random = Random::new([1, 2]);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }
}
