//! The settings of a profile as OpenVPN 2.6 prints them at `verb 4`: its names, its order, its values.
//!
//! Support channels ask for this print, and it is by this print that the language is compared with OpenVPN's. Where adit
//! has a typed setting, the print comes from it; what has no effect here is printed as the directive says it. Secrets
//! are never among it: a file is its name, an inline block `[INLINE]`.

mod connection;
mod flags;
mod lists;
mod rows;
mod server;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::client::ClientConfig;
use super::draft::{Draft, Seen};
use super::host::HostConfig;
use super::profile::{Profile, RoleConfig};
use super::server::ServerConfig;
use super::session::SessionConfig;
use rows::ROWS;

/// From this `verb` on, settings are printed.
const VERB: u8 = 4;

/// How a line comes about.
enum Value {
    /// Whether the directive stands there.
    Flag(&'static str),
    /// The directive's first argument, in quotes.
    Text(&'static str),
    /// The same, or that it is inline.
    File(&'static str),
    /// The directive's argument of this number, or a default.
    Number(&'static str, usize, i64),
    /// adit has nothing of the kind, so it is always this, so many times.
    Fixed(&'static str, usize),
    /// All else.
    Of(fn(&View<'_>) -> String),
    /// Lines with names of their own.
    Lines(fn(&View<'_>, &mut Vec<String>)),
}

/// What is looked at.
pub(super) struct View<'a> {
    draft: &'a Draft,
    profile: &'a Profile,
}

/// The lines, without the heading; none below `verb 4`.
pub(super) fn lines(draft: &Draft, profile: &Profile) -> Vec<String> {
    if profile.host.log.verb < VERB {
        return Vec::new();
    }
    let view = View { draft, profile };
    let mut lines = Vec::new();
    for (name, value) in ROWS {
        let text = match value {
            Value::Flag(directive) => enabled(view.has(directive)),
            Value::Text(directive) => quoted(view.word(directive, 1)),
            Value::File(directive) => view.file(directive),
            Value::Number(directive, n, default) => view.number(directive, *n, *default).to_string(),
            Value::Fixed(text, times) => {
                lines.extend((0..*times).map(|_| format!("  {name} = {text}")));
                continue;
            }
            Value::Of(text) => text(&view),
            Value::Lines(append) => {
                append(&view, &mut lines);
                continue;
            }
        };
        lines.push(format!("  {name} = {text}"));
    }
    lines
}

impl View<'_> {
    fn seen(&self, directive: &str) -> Option<&Seen> {
        self.draft.seen().find_map(|(name, seen)| (name == directive).then_some(seen))
    }

    fn has(&self, directive: &str) -> bool {
        self.seen(directive).is_some()
    }

    /// Argument `n` of the directive, the last time it stands there.
    fn word(&self, directive: &str, n: usize) -> Option<&str> {
        self.seen(directive)?.words.get(n).map(String::as_str)
    }

    fn number(&self, directive: &str, n: usize, default: i64) -> i64 {
        self.word(directive, n).and_then(|word| word.parse().ok()).unwrap_or(default)
    }

    fn file(&self, directive: &str) -> String {
        match self.seen(directive) {
            Some(seen) if seen.inline => "'[INLINE]'".into(),
            _ => quoted(self.word(directive, 1)),
        }
    }

    /// All statements of that name outside of `<connection>` blocks, in order.
    fn all(&self, directive: &'static str) -> impl DoubleEndedIterator<Item = &[String]> {
        self.draft
            .history
            .iter()
            .filter(move |words| words.first().is_some_and(|name| name == directive))
            .map(Vec::as_slice)
    }

    fn host(&self) -> &HostConfig {
        &self.profile.host
    }

    fn session(&self) -> &SessionConfig {
        match &self.profile.role {
            RoleConfig::Client(client) => &client.session,
            RoleConfig::Server(server) => &server.session,
        }
    }

    fn client(&self) -> Option<&ClientConfig> {
        match &self.profile.role {
            RoleConfig::Client(client) => Some(client),
            RoleConfig::Server(_) => None,
        }
    }

    fn server(&self) -> Option<&ServerConfig> {
        match &self.profile.role {
            RoleConfig::Server(server) => Some(server),
            RoleConfig::Client(_) => None,
        }
    }
}

fn enabled(on: bool) -> String {
    if on { "ENABLED".into() } else { "DISABLED".into() }
}

fn quoted(text: Option<&str>) -> String {
    format!("'{}'", text.unwrap_or("[UNDEF]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &str) -> Vec<String> {
        let text = format!(
            "client\ndev tun\nremote vpn.example 443 tcp\n<ca>\nSECRET\n</ca>\n<auth-user-pass>\nname\nSECRET\n\
             </auth-user-pass>\n<tls-auth>\nSECRET\n</tls-auth>\nkey-direction 1\n{more}"
        );
        let parsed = Profile::parse("x.conf", text.as_bytes(), &mut crate::config::NoFiles);
        parsed.profile.expect("it is sound").host.log.settings
    }

    #[test]
    fn printed_from_verb_4_on() {
        assert_eq!(settings("verb 3\n"), [""; 0]);
        let lines = settings("verb 4\n");
        for line in [
            "  config = 'x.conf'",
            "Connection profiles [0]:",
            "  proto = tcp-client",
            "  remote_port = '443'",
            "  bind_local = DISABLED",
            "  tls_auth_file = '[INLINE]'",
            "  key_direction = 1",
            "  pull = ENABLED",
            "  verbosity = 4",
        ] {
            assert!(lines.iter().any(|printed| printed == line), "{line} is not among {lines:#?}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        assert!(!settings("verb 11\n").iter().any(|line| line.contains("SECRET")));
    }
}
