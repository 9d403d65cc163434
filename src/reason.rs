//! Why packets die: [`DropReason`], and a counter for each.

use core::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+) => {
        /// Why a packet was dropped. Every way in which the engine refuses a packet has one, and a counter.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum DropReason {
            /// Not dropped.
            #[default]
            None = 0,
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[Self::None, $(Self::$name,)+];

            /// A short name in lower case, for counters and logs.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::None => "none",
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    // The caller's memory.
    /// The descriptor does not lie in the slab.
    BadSlot = 1, "bad-slot";
    /// The slot has too little room for what must be added.
    NoRoom = 2, "no-room";
    /// A feature that this build lacks, such as a super-packet.
    Unsupported = 3, "unsupported";

    // Any outer packet.
    /// Shorter than its header says it must be.
    Truncated = 10, "truncated";
    /// An opcode that OpenVPN does not have, or no longer accepts (key method 1).
    BadOpcode = 11, "bad-opcode";
    /// No such peer: neither the peer-id nor the address is known.
    UnknownPeer = 12, "unknown-peer";
    /// From another address than the peer's, and not entitled to move it.
    WrongAddress = 13, "wrong-address";
    /// A length prefix on a TCP link that is zero or beyond all bounds; the link is at its end.
    BadStreamLength = 14, "bad-stream-length";

    // Control packets.
    /// The HMAC of tls-auth or the tag of tls-crypt is wrong: most often another key.
    WrapAuthentication = 20, "wrap-authentication";
    /// A wrapped control packet seen before, or too old.
    WrapReplay = 21, "wrap-replay";
    /// A control packet whose fields make no sense.
    MalformedControl = 22, "malformed-control";
    /// It names another session than the one with this peer.
    WrongSession = 23, "wrong-session";
    /// A key id that fits neither the present nor the next negotiation.
    WrongKeyId = 24, "wrong-key-id";
    /// Beyond the receive window; the peer will send it again.
    OutOfWindow = 25, "out-of-window";
    /// A client's packet at a client, or a server's at a server.
    WrongRole = 26, "wrong-role";
    /// The cookie in a first packet is wrong or too old.
    BadCookie = 27, "bad-cookie";
    /// Too many first packets (`connect-freq-initial`).
    RateLimited = 28, "rate-limited";
    /// No room for another session (`max-clients`, or the limits of this engine).
    TooManySessions = 29, "too-many-sessions";
    /// More than the control channel receives at a time, or than the length prefix of a TCP link can say.
    TooLarge = 30, "too-large";
    /// A first packet for a server that is shutting down.
    ShuttingDown = 31, "shutting-down";

    // Data packets, outer to inner.
    /// No key of that id.
    NoKey = 40, "no-key";
    /// The authentication tag is wrong.
    DataAuthentication = 41, "data-authentication";
    /// A packet id seen before, or below the window.
    DataReplay = 42, "data-replay";
    /// Compressed, or framed otherwise than agreed.
    BadFraming = 43, "bad-framing";
    /// The peer is not connected yet.
    NotConnected = 44, "not-connected";
    /// The key has seen too many forgeries to be trusted further.
    KeyExhausted = 45, "key-exhausted";

    // Inner packets.
    /// Neither IPv4 nor IPv6, or shorter than its header.
    BadInnerPacket = 60, "bad-inner-packet";
    /// A client sent from an address that is not its own.
    BadSource = 61, "bad-source";
    /// No peer has the destination address.
    NoRoute = 62, "no-route";
    /// A multicast or broadcast packet for clients, which is not forwarded.
    Multicast = 63, "multicast";
    /// The packet ids of the key are used up.
    PacketIdsExhausted = 64, "packet-ids-exhausted";
    /// The peer's data state is with a worker; hand the packet to it.
    Detached = 65, "detached";
    /// A packet to the server itself came out of the tunnel: the routes send the tunnel into itself.
    Recursive = 66, "recursive";

    // The router.
    /// A checksum that the router looks at is wrong: an IPv4 header's, or an ICMP error's.
    BadChecksum = 70, "bad-checksum";
    /// From an address that no packet may have, or that cannot come from there (RFC 1812 §5.3.7).
    Martian = 71, "martian";
    /// Its hops are used up.
    HopsExceeded = 72, "hops-exceeded";
    /// Larger than its way out carries, and not to be fragmented.
    TooBig = 73, "too-big";
    /// A fragment that overlaps another, is too short for its transport header, or makes no sense.
    BadFragment = 74, "bad-fragment";
    /// No room for another datagram in fragments.
    FragmentsFull = 75, "fragments-full";
    /// A rule denies or rejects it, or none allows it.
    Denied = 76, "denied";
    /// From outside, to an address or port that nobody has.
    NoMapping = 77, "no-mapping";
    /// From outside, to a mapping whose filter does not let its sender in.
    Filtered = 78, "filtered";
    /// The client has as many flows, ports or new flows a second as it may.
    ClientLimit = 79, "client-limit";
    /// More bytes a second than the client may send or get, or its quota is used up.
    ClientRate = 80, "client-rate";
    /// No room for another flow.
    FlowsFull = 81, "flows-full";
    /// No outside address or port is left.
    PortsExhausted = 82, "ports-exhausted";
    /// An ICMP message that answers nothing, or is never forwarded.
    BadIcmp = 83, "bad-icmp";
    /// The outer address is one that may not talk to the server (`source-deny`).
    SourceDenied = 84, "source-denied";
    /// No room among what the router itself sends.
    OutboxFull = 85, "outbox-full";
    /// An Ethernet frame that is not for us, or that we do not understand.
    NotForUs = 86, "not-for-us";
    /// A host on the LAN has not told its hardware address.
    NoNeighbour = 87, "no-neighbour";
    /// Nothing listens at the gateway's address for that.
    NoService = 88, "no-service";
    /// It names the way that it wants to go: IPv4's source routes, IPv6's routing headers.
    SourceRoute = 89, "source-route";
    /// The first fragment of its datagram has not come in time.
    FragmentTimeout = 90, "fragment-timeout";
    /// From an address of ours that another host on the LAN has.
    AddressInUse = 91, "address-in-use";
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many packets died of what.
#[derive(Clone, Debug)]
pub struct DropCounters([u64; 96]);

impl DropCounters {
    /// The number of packets dropped for `reason`.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Every reason that occurred, with its number.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|&reason| (reason, self.get(reason))).filter(|&(_, count)| count > 0)
    }

    /// All drops together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(crate) fn count(&mut self, reason: DropReason) {
        self.0[reason as usize] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine += theirs;
        }
    }
}

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; 96])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_and_a_name_of_its_own() {
        let mut counters = DropCounters::default();
        for &reason in DropReason::ALL {
            counters.count(reason);
            assert_eq!(counters.get(reason), 1, "{reason} shares its number");
        }
        let mut names: alloc::vec::Vec<_> = DropReason::ALL.iter().map(|r| r.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
    }
}
