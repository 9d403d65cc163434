//! [`Limits`]: every capacity of the engine in one place.

/// What the engine's tables may grow to. A full table refuses what is new and says so; it never evicts what lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Sessions at a time, those still in their handshake included (`max-clients` bounds the connected ones).
    pub sessions: usize,
    /// Events that wait for the host. When it is full, the oldest notices go first; nothing that asks for an answer
    /// or changes a peer's state is lost.
    pub events: usize,
    /// Plaintext control messages that wait to be sent, in bytes per session.
    pub control_queue: usize,
    /// Options that a server may push to a client, in bytes over all continuations.
    pub pushed_options: usize,
    /// Unparsed TLS bytes per negotiation: one record and a large certificate chain.
    pub tls_input: usize,
    /// Flows through the router at a time, of each address family. Their index has room for all of them from the start,
    /// and fits best at seven times a power of two.
    pub flows: usize,
    /// Hosts on the LAN whose hardware addresses are known at a time; the one that was not used for the longest time makes
    /// room.
    pub neighbours: usize,
    /// Datagrams in fragments on their way through the router at a time, of each address family, and as many fragments
    /// of up to 2048 bytes that wait for the first of theirs.
    pub fragments: usize,
    /// Packets of up to 2048 bytes that the router itself sends, until the host fetches them.
    pub router_output: usize,
    /// Ended flows of each address family, and ended leases, that the router remembers to tell who it was.
    pub history: usize,
}

impl Limits {
    /// For a microcontroller.
    pub const TINY: Self = Self {
        sessions: 2,
        events: 16,
        control_queue: 4 * 1024,
        pushed_options: 4 * 1024,
        tls_input: 20 * 1024,
        flows: 64,
        neighbours: 16,
        fragments: 8,
        router_output: 4,
        history: 32,
    };

    /// For a router of 32 MiB or more.
    pub const ROUTER: Self = Self {
        sessions: 128,
        events: 256,
        control_queue: 16 * 1024,
        pushed_options: 64 * 1024,
        tls_input: 84 * 1024,
        flows: 7 << 11,
        neighbours: 256,
        fragments: 512,
        router_output: 64,
        history: 4096,
    };

    /// For a server.
    pub const SERVER: Self = Self {
        sessions: 8192,
        events: 8192,
        control_queue: 16 * 1024,
        pushed_options: 64 * 1024,
        tls_input: 84 * 1024,
        flows: 7 << 15,
        neighbours: 1024,
        fragments: 2048,
        router_output: 512,
        history: 1 << 16,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::ROUTER
    }
}
