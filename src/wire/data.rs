//! The header of a data packet: one byte (P_DATA_V1), or four with the peer-id (P_DATA_V2).

use core::fmt;

use crate::reason::DropReason;
use crate::wire::opcode::{KeyId, Opcode, first_byte, parse_first_byte};

/// The number by which data packets name a peer, 24 bits, as opposed to our own [`PeerId`](crate::PeerId).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WirePeerId(u32);

impl WirePeerId {
    /// No peer: the receiver goes by the address (`peer-id -1`).
    pub const DISABLED: Self = Self(0xff_ffff);

    /// The peer-id of that number, if it has 24 bits.
    pub const fn new(id: u32) -> Option<Self> {
        if id <= 0xff_ffff { Some(Self(id)) } else { None }
    }

    /// The number, 0 to 0xFFFFFF.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for WirePeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What stands before the packet id of a data packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    /// The key that the packet is sealed with.
    pub key_id: KeyId,
    /// Whose packet it is, in P_DATA_V2; it may be [`WirePeerId::DISABLED`].
    pub peer_id: Option<WirePeerId>,
    /// Length of the header in bytes: 1, or 4 with a peer-id.
    pub len: usize,
}

impl DataHeader {
    /// The header of a packet to a peer with (P_DATA_V2) or without (P_DATA_V1) a peer-id.
    pub const fn new(key_id: KeyId, peer_id: Option<WirePeerId>) -> Self {
        Self { key_id, peer_id, len: if peer_id.is_some() { 4 } else { 1 } }
    }

    /// Reads the header of `packet`. [`DropReason::BadOpcode`] if it is no data packet, [`DropReason::Truncated`] if
    /// it ends within the header.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, DropReason> {
        let (&byte, rest) = packet.split_first().ok_or(DropReason::Truncated)?;
        match parse_first_byte(byte)? {
            (Opcode::DataV1, key_id) => Ok(Self::new(key_id, None)),
            (Opcode::DataV2, key_id) => {
                let &[a, b, c] = rest.first_chunk().ok_or(DropReason::Truncated)?;
                Ok(Self::new(key_id, Some(WirePeerId(u32::from_be_bytes([0, a, b, c])))))
            }
            _ => Err(DropReason::BadOpcode),
        }
    }

    /// Writes the header to the front of `out`, and says how many bytes that took: 1 or 4.
    ///
    /// # Panics
    ///
    /// If `out` is shorter than that.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> usize {
        match self.peer_id {
            None => {
                out[0] = first_byte(Opcode::DataV1, self.key_id);
                1
            }
            Some(WirePeerId(id)) => {
                let first = u32::from(first_byte(Opcode::DataV2, self.key_id));
                out[..4].copy_from_slice(&(first << 24 | id).to_be_bytes());
                4
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let v2 = DataHeader::parse(&[0x4b, 0, 0, 5, 9]).unwrap();
        assert_eq!((v2.key_id.get(), v2.peer_id, v2.len), (3, WirePeerId::new(5), 4));
        let v1 = DataHeader::parse(&[0x30]).unwrap();
        assert_eq!((v1.key_id, v1.peer_id, v1.len), (KeyId::INITIAL, None, 1));
        assert_eq!(DataHeader::parse(&[0x48, 0xff, 0xff, 0xff]).unwrap().peer_id, Some(WirePeerId::DISABLED));
    }

    #[test]
    fn what_is_too_short_or_no_data_packet_is_refused() {
        assert_eq!(DataHeader::parse(&[]), Err(DropReason::Truncated));
        for len in 1..4 {
            assert_eq!(DataHeader::parse(&[0x48, 0, 0][..len]), Err(DropReason::Truncated));
        }
        assert_eq!(DataHeader::parse(&[0x20, 0, 0, 0]), Err(DropReason::BadOpcode));
        assert_eq!(DataHeader::parse(&[0xff, 0, 0, 0]), Err(DropReason::BadOpcode));
    }

    #[test]
    fn a_peer_id_has_24_bits() {
        assert_eq!(WirePeerId::new(0xff_ffff), Some(WirePeerId::DISABLED));
        assert_eq!(WirePeerId::new(0x100_0000), None);
    }

    proptest! {
        #[test]
        fn emit_undoes_parse(bytes in prop::array::uniform4(any::<u8>())) {
            if let Ok(header) = DataHeader::parse(&bytes) {
                let mut out = [0; 4];
                prop_assert_eq!(header.emit(&mut out), header.len);
                prop_assert_eq!(&out[..header.len], &bytes[..header.len]);
            }
        }
    }
}
