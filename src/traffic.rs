//! What a peer's data channel has carried: [`Traffic`].

/// Packets, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many packets.
    pub packets: u64,
    /// How many bytes they had together.
    pub bytes: u64,
}

impl Tally {
    #[inline]
    pub(crate) fn count(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }
}

/// What a peer's data channel has carried. Drops are not in here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Data packets received, keepalives included, without IP and UDP or TCP headers.
    pub outer_received: Tally,
    /// Data packets sent, likewise.
    pub outer_sent: Tally,
    /// Inner packets out of the tunnel.
    pub inner_received: Tally,
    /// Inner packets into the tunnel.
    pub inner_sent: Tally,
}
