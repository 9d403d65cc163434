//! Where ours does not do as Linux does, and why.

/// A step whose outcome differs.
pub struct Difference {
    pub step: &'static str,
    /// 4, 6, or 0 for both.
    pub version: u8,
    /// A word of what comes out of Linux, and of ours.
    pub words: [&'static str; 2],
    pub why: &'static str,
}

impl Difference {
    pub fn covers(&self, version: u8) -> bool {
        self.version == 0 || self.version == version
    }

    /// Whether the two differ in the way that is expected.
    pub fn is(&self, told: &[String; 2]) -> bool {
        told[0] != told[1] && told.iter().zip(self.words).all(|(told, word)| told.contains(word))
    }
}

/// One for both families.
const fn both(step: &'static str, words: [&'static str; 2], why: &'static str) -> Difference {
    Difference { step, version: 0, words, why }
}

const STRANGER: &str = "Linux answers for itself what is in no flow, at once; ours filters in silence, so that a stranger \
    does not learn which mappings there are, and a SYN may yet meet another (RFC 4787 REQ-8, RFC 5382 REQ-4)";
const PIECES: &str = "Linux waits for all of a datagram and cuts it anew; ours lets each fragment go on as soon as its \
    first has come, and holds nothing up";
const HAIRPIN: &str =
    "Linux needs a rule of its own for what comes from inside to an outside end (RFC 4787 REQ-9)";

pub const DIFFERENCES: &[Difference] = &[
    both("udp from a stranger to a mapping", ["error", "nothing"], STRANGER),
    both("udp from another port of the host to a mapping", ["error", "nothing"], STRANGER),
    both("udp to a port without mapping", ["error", "nothing"], STRANGER),
    both("tcp: a stranger's syn to a mapping", ["flags 20", "nothing"], STRANGER),
    both("tcp: a syn to a port without mapping", ["flags 20", "nothing"], STRANGER),
    both(
        "fragments of two datagrams between each other",
        ["1518 bytes", "1 fragments of what is not"],
        PIECES,
    ),
    both("only the first fragment", ["nothing", "1 fragments of what is not"], PIECES),
    both(
        "udp from the same port to where the other does not send",
        ["with the same port", "with a high port"],
        "Linux has two inside ends share an outside one while their destinations differ; ours maps each for itself, \
         whatever it talks to (RFC 4787 REQ-1)",
    ),
    both("udp to a neighbour's mapping", ["error", "nothing"], HAIRPIN),
    both("forward: from a client", ["flags 20", "flags 2 "], HAIRPIN),
    both(
        "a wrong UDP checksum",
        ["nothing", "WRONG CHECKSUM"],
        "conntrack takes the sum of each datagram; ours changes it by the difference, so that it stays wrong and the end \
         that it is for drops it",
    ),
];
