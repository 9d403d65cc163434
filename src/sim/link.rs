//! What a link does to packets.

use core::time::Duration;

use crate::wire::Opcode;

/// A generator good enough to choose what happens to a packet (SplitMix64), and a test's entropy.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Whether something of that chance, in percent, happens.
    pub(crate) fn percent(&mut self, chance: u32) -> bool {
        self.next() % 100 < u64::from(chance)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// How good a link is, in both directions. Chances in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkQuality {
    pub(crate) loss: u32,
    pub(crate) duplication: u32,
    pub(crate) corruption: u32,
    /// The time that every packet takes.
    pub(crate) delay: Duration,
    /// What is added to it at random, which also reorders.
    pub(crate) jitter: Duration,
    /// Larger packets vanish.
    pub(crate) mtu: usize,
    /// P_ACK_V1 vanishes: acknowledgements only arrive beside a payload.
    pub(crate) loses_bare_acks: bool,
}

impl LinkQuality {
    pub(crate) const GOOD: Self = Self {
        loss: 0,
        duplication: 0,
        corruption: 0,
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        mtu: 1500 - 28,
        loses_bare_acks: false,
    };

    /// When the copies of a packet arrive, and how they look then.
    pub(crate) fn carry(
        &self,
        random: &mut Random,
        packet: &[u8],
    ) -> std::vec::Vec<(Duration, std::vec::Vec<u8>)> {
        let mut copies = std::vec::Vec::new();
        let is_bare_ack = packet.first().is_some_and(|byte| byte >> 3 == Opcode::AckV1 as u8);
        if packet.len() > self.mtu || (self.loses_bare_acks && is_bare_ack) {
            return copies;
        }
        let count = if random.percent(self.duplication) { 2 } else { 1 };
        for _ in 0..count {
            if random.percent(self.loss) {
                continue;
            }
            let mut bytes = packet.to_vec();
            if random.percent(self.corruption) {
                let bit = random.below(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let jitter = Duration::from_nanos(random.below(self.jitter.as_nanos() as u64 + 1));
            copies.push((self.delay + jitter, bytes));
        }
        copies
    }
}
