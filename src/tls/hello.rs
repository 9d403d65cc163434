//! [`HelloHead`]: the first 43 bytes that an end of a TLS connection sends, read in passing.
//!
//! Two things are wanted of them that rustls does not tell: the server's random (for the exporter of TLS 1.2), and
//! which version a peer speaks with whom there is none in common.

/// Record header, handshake header, version, random.
const LEN: usize = 5 + 4 + 2 + 32;

/// The head of a ClientHello or ServerHello.
#[derive(Debug)]
pub(super) struct HelloHead {
    bytes: [u8; LEN],
    len: usize,
}

impl HelloHead {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LEN], len: 0 }
    }

    /// Takes what the end sends, in order. Looks at the first bytes only.
    pub(super) fn observe(&mut self, stream: &[u8]) {
        let rest = &mut self.bytes[self.len..];
        let taken = rest.len().min(stream.len());
        rest[..taken].copy_from_slice(&stream[..taken]);
        self.len += taken;
    }

    /// The version: of a ClientHello the highest below TLS 1.3, of a ServerHello the one chosen below it.
    pub(super) fn version(&self) -> Option<u16> {
        self.hello().map(|hello| u16::from_be_bytes([hello[9], hello[10]]))
    }

    /// The random.
    pub(super) fn random(&self) -> Option<&[u8; 32]> {
        self.hello()?.last_chunk()
    }

    /// The bytes, if they are all there and are a hello that is not cut into several records within them.
    fn hello(&self) -> Option<&[u8; LEN]> {
        const HANDSHAKE: u8 = 22;
        const CLIENT_HELLO: u8 = 1;
        const SERVER_HELLO: u8 = 2;
        let record_len = usize::from(u16::from_be_bytes([self.bytes[3], self.bytes[4]]));
        let is_hello = self.len == LEN
            && self.bytes[0] == HANDSHAKE
            && record_len >= LEN - 5
            && matches!(self.bytes[5], CLIENT_HELLO | SERVER_HELLO);
        is_hello.then_some(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_hello(record_len: u8) -> [u8; 60] {
        let mut bytes = [0xaa; 60];
        bytes[..11].copy_from_slice(&[22, 3, 3, 0, record_len, 2, 0, 0, 70, 3, 1]);
        bytes
    }

    #[test]
    fn reads_version_and_random_from_pieces() {
        let mut head = HelloHead::new();
        for byte in server_hello(74).chunks(7) {
            head.observe(byte);
        }
        assert_eq!(head.version(), Some(0x0301));
        assert_eq!(head.random(), Some(&[0xaa; 32]));
    }

    #[test]
    fn says_nothing_of_other_records() {
        let mut alert = HelloHead::new();
        alert.observe(&[21, 3, 3, 0, 2, 2, 70]);
        assert_eq!(alert.version(), None);

        let mut cut = HelloHead::new();
        cut.observe(&server_hello(20));
        assert_eq!(cut.random(), None);
    }
}
