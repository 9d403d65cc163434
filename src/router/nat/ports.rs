//! Which outside port: the inside one if it is free, else a random one of its class, of the same parity while there is
//! one (RFC 4787 REQ-3 and REQ-4, RFC 6056).

use core::ops::RangeInclusive;

use super::super::packet::{TCP, UDP};
use super::super::random::Random;

/// Where the ports end that only the system may use.
const WELL_KNOWN: u16 = 1023;
/// So many times chance is tried before all are looked through from a random place on.
const TRIES: u32 = 32;

/// Those that may be given for an inside port; an ICMP identifier has no class.
pub(super) fn class(protocol: u8, wanted: u16, all: &RangeInclusive<u16>) -> RangeInclusive<u16> {
    let (first, last) = (*all.start(), *all.end());
    if !matches!(protocol, TCP | UDP) || first > WELL_KNOWN {
        first..=last
    } else if wanted <= WELL_KNOWN {
        first.max(1)..=last.min(WELL_KNOWN)
    } else {
        WELL_KNOWN + 1..=last
    }
}

/// One of `class` that is free, for the inside port `wanted`.
pub(super) fn choose(
    random: &mut Random,
    wanted: u16,
    class: &RangeInclusive<u16>,
    keep: bool,
    mut is_free: impl FnMut(u16) -> bool,
) -> Option<u16> {
    if keep && class.contains(&wanted) && is_free(wanted) {
        return Some(wanted);
    }
    let (first, last) = (u32::from(*class.start()), u32::from(*class.end()));
    for parity in [wanted & 1, !wanted & 1] {
        // The first of this parity, and how many there are.
        let begin = first + u32::from((first & 1) as u16 != parity);
        let Some(count) = last.checked_sub(begin).map(|span| span / 2 + 1) else { continue };
        let port = |number: u32| (begin + 2 * number) as u16;
        let by_chance = (0..TRIES.min(count)).map(|_| port(random.below(count))).find(|&port| is_free(port));
        if by_chance.is_some() {
            return by_chance;
        }
        let from = random.below(count);
        let found = (0..count).map(|number| port((from + number) % count)).find(|&port| is_free(port));
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_free_port_is_found_and_no_other() {
        let mut random = Random::new([1, 2]);
        for free in [1024, 1025, 40_000, 65_535] {
            let found = choose(&mut random, 5000, &(1024..=65535), true, |port| port == free);
            assert_eq!(found, Some(free));
        }
        assert_eq!(choose(&mut random, 5000, &(1024..=65535), true, |port| port == 80), None);
    }
}
