//! Peer info: what a client says of itself, as lines `NAME=VALUE`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;

/// A line's limit in bytes, without its line end.
const MAX_LINE: usize = 255;
/// More lines than any client sends.
const MAX_LINES: usize = 64;

/// A client's lines in their order. Lines that break the format are left out when reading, and not taken when
/// building.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerInfo {
    lines: Vec<(String, String)>,
}

impl PeerInfo {
    /// Reads what a client sent. Names are `IV_*`, `UV_*` and `ID`, lines have printable characters and at most 255
    /// bytes; of all others, and of those beyond the 64th, nothing is kept.
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('=') {
                info.push(name, value);
            }
        }
        info
    }

    /// Adds a line, unless it breaks the format.
    pub fn push(&mut self, name: &str, value: &str) {
        let fits = self.lines.len() < MAX_LINES && name.len() + 1 + value.len() <= MAX_LINE;
        if fits && is_known_name(name) && !value.contains(char::is_control) {
            self.lines.push((name.into(), value.into()));
        }
    }

    /// The lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of the first line of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines().find(|&(known, _)| known == name).map(|(_, value)| value)
    }

    /// `IV_PROTO`: what the client's protocol can do; nothing if it does not say, or says nonsense.
    pub fn iv_proto(&self) -> IvProto {
        IvProto(self.get("IV_PROTO").and_then(|value| value.parse().ok()).unwrap_or(0))
    }

    /// The names of the ciphers that the client accepts by push, in its order: `IV_CIPHERS`, or what the older
    /// `IV_NCP=2` stands for.
    pub fn ciphers(&self) -> impl Iterator<Item = &str> {
        let ncp = || (self.get("IV_NCP")? == "2").then_some("AES-256-GCM:AES-128-GCM");
        let list = self.get("IV_CIPHERS").or_else(ncp).unwrap_or("");
        list.split(':').filter(|name| !name.is_empty())
    }
}

impl fmt::Display for PeerInfo {
    /// The text of the key method message: every line ends in `\n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|(name, value)| writeln!(f, "{name}={value}"))
    }
}

fn is_known_name(name: &str) -> bool {
    let of_group =
        ["IV_", "UV_"].iter().any(|group| name.strip_prefix(group).is_some_and(|rest| !rest.is_empty()));
    (of_group || name == "ID") && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The bit field of `IV_PROTO`. Bit 0 and the outdated bit 6 have no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct IvProto(pub u32);

impl IvProto {
    /// Data packets with a peer-id (P_DATA_V2).
    pub const DATA_V2: Self = Self(1 << 1);
    /// The server may send its PUSH_REPLY unasked.
    pub const REQUEST_PUSH: Self = Self(1 << 2);
    /// Data keys from the TLS exporter (TLS-EKM).
    pub const TLS_KEY_EXPORT: Self = Self(1 << 3);
    /// Keywords in AUTH_PENDING.
    pub const AUTH_PENDING_KW: Self = Self(1 << 4);
    /// Cipher negotiation without a server.
    pub const NCP_P2P: Self = Self(1 << 5);
    /// The control message EXIT, and `protocol-flags` in a push.
    pub const CC_EXIT_NOTIFY: Self = Self(1 << 7);
    /// AUTH_FAILED,TEMP.
    pub const AUTH_FAIL_TEMP: Self = Self(1 << 8);
    /// tls-crypt keys from the first TLS session for renegotiations.
    pub const DYN_TLS_CRYPT: Self = Self(1 << 9);
    /// Epoch data keys.
    pub const DATA_EPOCH: Self = Self(1 << 10);
    /// The option `dns` in its final form.
    pub const DNS_OPTION_V2: Self = Self(1 << 11);
    /// PUSH_UPDATE.
    pub const PUSH_UPDATE: Self = Self(1 << 12);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for IvProto {
    type Output = Self;

    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

impl fmt::Display for IvProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_2_6_client_s_lines() {
        let text = "IV_VER=2.6.14\nIV_PLAT=linux\nIV_NCP=2\nIV_CIPHERS=AES-256-GCM:CHACHA20-POLY1305\nIV_PROTO=990\n";
        let info = PeerInfo::parse(text);
        assert_eq!(info.get("IV_PLAT"), Some("linux"));
        assert_eq!(info.get("IV_GUI_VER"), None);
        assert!(info.ciphers().eq(["AES-256-GCM", "CHACHA20-POLY1305"]));
        assert_eq!(info.to_string(), text);
    }

    #[test]
    fn the_known_iv_proto_values_are_sums_of_their_bits() {
        let pull = IvProto::DATA_V2
            | IvProto::REQUEST_PUSH
            | IvProto::TLS_KEY_EXPORT
            | IvProto::AUTH_PENDING_KW
            | IvProto::CC_EXIT_NOTIFY
            | IvProto::AUTH_FAIL_TEMP
            | IvProto::DYN_TLS_CRYPT;
        let dns_of_2_6 = IvProto(64);
        assert_eq!(pull | dns_of_2_6, IvProto(990));
        let new_in_2_7 = IvProto::DATA_EPOCH | IvProto::DNS_OPTION_V2 | IvProto::PUSH_UPDATE;
        assert_eq!(pull | new_in_2_7, IvProto(8094));
        assert!(IvProto(990).contains(IvProto::DATA_V2 | IvProto::TLS_KEY_EXPORT));
        assert!(!IvProto(990).contains(IvProto::DATA_V2 | IvProto::DATA_EPOCH));
    }

    #[test]
    fn iv_ncp_stands_for_two_ciphers_only_without_a_list() {
        assert!(PeerInfo::parse("IV_NCP=2\n").ciphers().eq(["AES-256-GCM", "AES-128-GCM"]));
        assert!(PeerInfo::parse("IV_NCP=2\nIV_CIPHERS=X\n").ciphers().eq(["X"]));
        assert_eq!(PeerInfo::parse("IV_NCP=1\n").ciphers().count(), 0);
        assert_eq!(PeerInfo::parse("").ciphers().count(), 0);
    }

    #[test]
    fn other_lines_are_left_out() {
        let text = "PATH=/tmp\nIV_=1\nIV_A B=1\nIV_X\nIV_BELL=\u{7}\nID2=1\nid=1\n=1\n\nUV_OK=a=b\nID=1f\n";
        let info = PeerInfo::parse(text);
        assert!(info.lines().eq([("UV_OK", "a=b"), ("ID", "1f")]));
    }

    #[test]
    fn a_line_has_255_bytes_and_a_client_64_lines() {
        let fits = format!("UV_A={}", "x".repeat(250));
        assert_eq!(PeerInfo::parse(&fits).to_string().len(), 256);
        assert_eq!(PeerInfo::parse(&format!("{fits}x")), PeerInfo::default());
        assert_eq!(PeerInfo::parse(&"ID=1\n".repeat(65)).lines().count(), 64);
    }

    #[test]
    fn nonsense_in_iv_proto_is_nothing() {
        for value in ["", "-1", "x", "99999999999"] {
            assert_eq!(PeerInfo::parse(&format!("IV_PROTO={value}\n")).iv_proto(), IvProto(0));
        }
    }

    proptest! {
        #[test]
        fn parse_undoes_display(lines in prop::collection::vec(("(IV|UV)_[A-Z0-9]{1,9}", "[ -~]{0,40}"), 0..20)) {
            let mut info = PeerInfo::default();
            for (name, value) in &lines {
                info.push(name, value);
            }
            prop_assert_eq!(info.lines().count(), lines.len());
            prop_assert_eq!(PeerInfo::parse(&info.to_string()), info);
        }

        #[test]
        fn hostile_text_keeps_within_bounds(text in "\\PC{0,200}|(IV_[A-Z]=\\PC{0,300}\n){0,3}") {
            for (name, value) in PeerInfo::parse(&text).lines() {
                prop_assert!(name.len() + 1 + value.len() <= MAX_LINE);
            }
        }
    }
}
