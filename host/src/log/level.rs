//! What kind of line it is: from which `verb` on it is shown, how bad it is, and with which others `mute` counts it.
//!
//! The numbers are OpenVPN's, which `machine-readable-output` shows.

/// How important a line is: the `verb` from which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Verb {
    /// What ends the process, and what the user must act on.
    Fatal = 0,
    /// Milestones and warnings.
    Info = 1,
    /// Handshakes, certificates, what a connection uses.
    Handshake = 2,
    /// What is pushed, pulled and configured.
    Details = 3,
    /// Parameters, drops and timers.
    Debug = 4,
    /// A letter for each packet.
    Traffic = 5,
}

/// How bad it is what a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nothing.
    Info,
    /// A person should look at it.
    Warning,
    /// Something failed, and the process goes on.
    Error,
    /// Of use to a developer.
    Debug,
}

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) verb: Verb,
    pub(crate) severity: Severity,
    /// What `mute` counts together; 0 is never muted.
    pub(crate) category: u8,
}

impl Level {
    pub(crate) const WARNING: Self = Self::of(Verb::Info, Severity::Warning, 0);
    pub(crate) const ERROR: Self = Self::of(Verb::Fatal, Severity::Error, 0);
    /// A socket that fails.
    pub(crate) const LINK_ERROR: Self = Self::of(Verb::Info, Severity::Error, 1);
    /// A handshake that fails, a login that is refused.
    pub(crate) const TLS_ERROR: Self = Self::of(Verb::Info, Severity::Error, 3);
    /// A connection that ends.
    pub(crate) const STREAM_ERROR: Self = Self::of(Verb::Info, Severity::Error, 7);
    /// A handshake's facts.
    pub(crate) const HANDSHAKE: Self = Self::of(Verb::Handshake, Severity::Info, 20);
    /// How a handshake goes.
    pub(crate) const TLS_STEP: Self = Self::of(Verb::Details, Severity::Info, 20);
    /// What is closed.
    pub(crate) const CLOSE: Self = Self::of(Verb::Handshake, Severity::Info, 22);
    /// What is pushed and pulled.
    pub(crate) const PUSH: Self = Self::of(Verb::Details, Severity::Info, 34);
    /// A server's dealings with its clients.
    pub(crate) const CLIENTS: Self = Self::of(Verb::Details, Severity::Info, 38);

    /// What the management interface does.
    pub(crate) const MANAGEMENT: Self = Self::of(Verb::Details, Severity::Info, 40);
    /// What a management client sends.
    pub(crate) const MANAGEMENT_COMMAND: Self = Self::of(Verb::Details, Severity::Debug, 70);

    const fn of(verb: Verb, severity: Severity, category: u8) -> Self {
        Self { verb, severity, category }
    }

    /// OpenVPN's flags: the verb, the severity's bit, and the category in the highest byte.
    pub(crate) fn flags(self) -> u32 {
        let severity = match self.severity {
            Severity::Info => 0,
            Severity::Error => 1 << 5,
            Severity::Warning => 1 << 6,
            Severity::Debug => 1 << 7,
        };
        u32::from(self.category) << 24 | severity | self.verb as u32
    }

    /// The kind in one letter, or none, as the management interface shows it.
    pub(crate) fn letter(self) -> &'static str {
        match (self.severity, self.verb) {
            (Severity::Error, _) => "N",
            (Severity::Warning, _) => "W",
            (Severity::Debug, _) => "D",
            (Severity::Info, Verb::Info) => "I",
            (Severity::Info, _) => "",
        }
    }
}

impl From<Verb> for Level {
    fn from(verb: Verb) -> Self {
        let severity = if verb == Verb::Fatal { Severity::Error } else { Severity::Info };
        Self::of(verb, severity, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_that_openvpn_prints() {
        // As OpenVPN 2.6.14 prints them with --machine-readable-output.
        for (level, flags) in [
            (Verb::Info.into(), 0x1),
            (Level::LINK_ERROR, 0x100_0021),
            (Level::TLS_ERROR, 0x300_0021),
            (Level::HANDSHAKE, 0x1400_0002),
            (Level::TLS_STEP, 0x1400_0003),
            (Level::CLOSE, 0x1600_0002),
            (Level::PUSH, 0x2200_0003),
            (Level::CLIENTS, 0x2600_0003),
            (Level::MANAGEMENT, 0x2800_0003),
            (Level::MANAGEMENT_COMMAND, 0x4600_0083),
        ] {
            assert_eq!(level.flags(), flags, "{level:?}");
        }
    }
}
