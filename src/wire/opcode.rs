//! The first byte of every packet, and the session id that follows it in control packets.

use core::fmt;

use crate::reason::DropReason;

/// The packet types: the high five bits of the first byte. The two of key method 1 (1 and 2) are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Starts a renegotiation; the key id is the new one already.
    ControlSoftResetV1 = 3,
    /// Carries TLS bytes.
    ControlV1 = 4,
    /// Carries acknowledgements alone.
    AckV1 = 5,
    /// A data packet with a header of one byte.
    DataV1 = 6,
    /// A client's first packet.
    ControlHardResetClientV2 = 7,
    /// A server's answer to it.
    ControlHardResetServerV2 = 8,
    /// A data packet with a peer-id.
    DataV2 = 9,
    /// A client's first packet under tls-crypt-v2.
    HardResetClientV3 = 10,
    /// As [`ControlV1`](Self::ControlV1), with the client's wrapped key appended (tls-crypt-v2).
    ControlWkcV1 = 11,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            3 => Self::ControlSoftResetV1,
            4 => Self::ControlV1,
            5 => Self::AckV1,
            6 => Self::DataV1,
            7 => Self::ControlHardResetClientV2,
            8 => Self::ControlHardResetServerV2,
            9 => Self::DataV2,
            10 => Self::HardResetClientV3,
            11 => Self::ControlWkcV1,
            _ => return None,
        })
    }

    /// Whether it is a packet of the control channel.
    pub const fn is_control(self) -> bool {
        !self.is_data()
    }

    /// Whether it is a packet of the data channel.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::DataV1 | Self::DataV2)
    }
}

/// Which negotiation of a session a packet belongs to: the low three bits of the first byte, 0 to 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u8);

impl KeyId {
    /// That of a session's first negotiation.
    pub const INITIAL: Self = Self(0);

    /// The key id of that number, if it is below 8.
    pub const fn new(id: u8) -> Option<Self> {
        if id < 8 { Some(Self(id)) } else { None }
    }

    /// That of the next negotiation: 1 follows 7, for 0 is the first one's alone.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 == 7 { 1 } else { self.0 + 1 })
    }

    /// The number, 0 to 7.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Takes a packet's first byte apart. [`DropReason::BadOpcode`] for a type that OpenVPN does not have, or that of key
/// method 1.
#[inline]
pub fn parse_first_byte(byte: u8) -> Result<(Opcode, KeyId), DropReason> {
    let opcode = Opcode::from_bits(byte >> 3).ok_or(DropReason::BadOpcode)?;
    Ok((opcode, KeyId(byte & 0x07)))
}

/// The first byte of a packet.
pub const fn first_byte(opcode: Opcode, key_id: KeyId) -> u8 {
    (opcode as u8) << 3 | key_id.0
}

/// One end's name for a session: 8 random bytes, kept across renegotiations.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct SessionId([u8; 8]);

impl SessionId {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// The session id of these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Whether it may be used: all zero means "none".
    pub fn is_defined(&self) -> bool {
        self.0 != [0; Self::LEN]
    }
}

impl fmt::Display for SessionId {
    /// Two words, as OpenVPN logs them: `a0a1a2a3 a4a5a6a7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u64::from_be_bytes(self.0);
        write!(f, "{:08x} {:08x}", bits >> 32, bits as u32)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_first_byte_is_refused_or_comes_back() {
        for byte in 0..=u8::MAX {
            match parse_first_byte(byte) {
                Ok((opcode, key_id)) => {
                    assert!((3..=11).contains(&(byte >> 3)));
                    assert_ne!(opcode.is_control(), opcode.is_data());
                    assert_eq!(first_byte(opcode, key_id), byte);
                }
                Err(reason) => {
                    assert!(!(3..=11).contains(&(byte >> 3)));
                    assert_eq!(reason, DropReason::BadOpcode);
                }
            }
        }
    }

    #[test]
    fn a_client_reset_begins_with_0x38() {
        assert_eq!(first_byte(Opcode::ControlHardResetClientV2, KeyId::INITIAL), 0x38);
        assert_eq!(parse_first_byte(0x4d), Ok((Opcode::DataV2, KeyId(5))));
    }

    #[test]
    fn key_ids_go_round_without_the_initial_one() {
        let mut id = KeyId::INITIAL;
        let mut seen = Vec::new();
        for _ in 0..9 {
            id = id.next();
            seen.push(id.get());
        }
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 1, 2]);
        assert_eq!(KeyId::new(7).map(KeyId::get), Some(7));
        assert_eq!(KeyId::new(8), None);
    }

    #[test]
    fn a_session_id_reads_as_two_words() {
        let id = SessionId::from_bytes([0xa0, 0xa1, 0xa2, 0xa3, 0x04, 0xa5, 0xa6, 0xa7]);
        assert_eq!(id.to_string(), "a0a1a2a3 04a5a6a7");
        assert!(id.is_defined());
        assert!(!SessionId::default().is_defined());
    }
}
