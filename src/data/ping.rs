//! Payloads that are not packets: the keepalive, and OpenVPN's OCC messages.
//!
//! They are told from inner packets by their first 16 bytes, which no IP header has, and never leave the tunnel.

/// The keepalive: all of it, and exactly this long.
pub(crate) const PING: [u8; 16] =
    [0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb, 0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48];

/// OCC's farewell (`explicit-exit-notify`).
pub(crate) const OCC_EXIT: [u8; 17] = occ(6);

/// Begins OCC's answer to a request; the options string follows, with a NUL at its end.
pub(crate) const OCC_REPLY: [u8; 17] = occ(1);

/// Begins every OCC message; its type follows.
const OCC_PREFIX: [u8; 16] =
    [0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81, 0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c];

const fn occ(kind: u8) -> [u8; 17] {
    let mut out = [kind; 17];
    let (prefix, _) = out.split_at_mut(OCC_PREFIX.len());
    prefix.copy_from_slice(&OCC_PREFIX);
    out
}

/// What an opened payload is, when it is no inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// The keepalive.
    Ping,
    /// The peer leaves.
    Exit,
    /// The peer wants our options string: [`OCC_REPLY`].
    OccRequest,
    /// Any other OCC message. MTU probes among them: OpenVPN sends those only in static-key mode.
    Occ,
}

impl Special {
    /// `None` for an inner packet.
    #[inline]
    pub(crate) fn classify(payload: &[u8]) -> Option<Self> {
        let (prefix, rest) = payload.split_first_chunk()?;
        match (*prefix, rest) {
            (PING, []) => Some(Self::Ping),
            (OCC_PREFIX, [6, ..]) => Some(Self::Exit),
            (OCC_PREFIX, [0, ..]) => Some(Self::OccRequest),
            (OCC_PREFIX, _) => Some(Self::Occ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn occ_of(rest: &[u8]) -> Vec<u8> {
        [&OCC_PREFIX[..], rest].concat()
    }

    #[test]
    fn a_ping_is_exactly_sixteen_bytes() {
        assert_eq!(Special::classify(&PING), Some(Special::Ping));
        assert_eq!(Special::classify(&PING[..15]), None);
        assert_eq!(Special::classify(&[&PING[..], &[0]].concat()), None);
    }

    #[test]
    fn occ_messages_by_type() {
        assert_eq!(Special::classify(&OCC_EXIT), Some(Special::Exit));
        assert_eq!(Special::classify(&occ_of(&[0])), Some(Special::OccRequest));
        for rest in [&[][..], &[1, b'V', b'4', 0], &[2, 5], &[3], &[4], &[5, 0], &[7], &[255]] {
            assert_eq!(Special::classify(&occ_of(rest)), Some(Special::Occ), "{rest:?}");
        }
        assert_eq!(OCC_REPLY[16], 1);
    }

    #[test]
    fn packets_are_not_special() {
        assert_eq!(Special::classify(&[]), None);
        assert_eq!(Special::classify(&[0x45; 60]), None);
    }
}
