//! What a probe found, in words and in JSON.
//!
//! The JSON is for programs: fields may be added to it, and none changes its meaning.

use std::fmt::Write as _;

use adit::Transport;
use serde_json::{Value, json};

use super::target::{Request, Target};
use super::{Finding, Outcome, Service};

/// All findings, with the question that they answer.
pub(super) struct Report<'a> {
    request: &'a Request,
    findings: &'a [Finding],
}

impl<'a> Report<'a> {
    pub(super) fn new(request: &'a Request, findings: &'a [Finding]) -> Self {
        Self { request, findings }
    }

    /// Whether a client with these keys could come in somewhere.
    pub(super) fn answered(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| matches!(finding.outcome, Outcome::Answered { protection_fits: true, .. }))
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in self.findings {
            let Finding { target, outcome, .. } = finding;
            let _ = writeln!(text, "{}: {}", name(target), word(outcome));
            let _ = writeln!(text, "    {}", self.sentence(finding));
            let causes = self.causes(finding);
            if !causes.is_empty() {
                let _ = writeln!(text, "    From here these look alike:");
            }
            for cause in causes {
                let _ = writeln!(text, "    - {cause}");
            }
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let findings: Vec<Value> = self.findings.iter().map(|finding| self.finding(finding)).collect();
        let report = json!({
            "version": 1,
            "answered": self.answered(),
            "targets": findings,
        });
        format!("{report:#}\n")
    }

    fn finding(&self, finding: &Finding) -> Value {
        let Finding { target, outcome, packets, after } = finding;
        let mut value = json!({
            "host": target.host,
            "port": target.port,
            "proto": proto(target),
            "address": target.address.map(|address| address.ip().to_string()),
            "protection": target.protection.name,
            "outcome": word(outcome),
            "message": self.sentence(finding),
            "causes": self.causes(finding),
            "packets": packets,
            "milliseconds": u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        });
        match outcome {
            Outcome::Answered { protection_fits, cookie } => {
                value["protection_fits"] = (*protection_fits).into();
                value["cookie"] = (*cookie).into();
            }
            Outcome::Other(service) => {
                value["service"] = match service {
                    Service::Tls => "tls",
                    Service::Http => "http",
                    Service::Ssh => "ssh",
                    Service::Text(_) => "text",
                    Service::Unreadable => "openvpn",
                    Service::Unknown => "unknown",
                }
                .into();
            }
            _ => {}
        }
        value
    }

    fn sentence(&self, finding: &Finding) -> String {
        let Finding { target, outcome, packets, after } = finding;
        let seconds = after.as_secs_f64();
        match outcome {
            Outcome::Answered { protection_fits, cookie } => {
                let protection = match (protection_fits, target.protection.name) {
                    (true, "none") => {
                        "it does not protect its control packets (no tls-auth or tls-crypt)".into()
                    }
                    (true, protection) => {
                        format!("its control packets are protected by {protection}, with this key")
                    }
                    (false, protection) => format!(
                        "it does not protect its control packets, and will not understand a client that has {protection}: leave that line away, or let the server have it"
                    ),
                };
                let cookie = match (target.is_tcp(), cookie) {
                    (true, _) | (false, None) => "",
                    (false, Some(true)) => {
                        "; it keeps nothing of a client before its address is proven (cookie handshake)"
                    }
                    (false, Some(false)) => {
                        "; it keeps a session for every first packet (no cookie handshake)"
                    }
                };
                let milliseconds = seconds * 1000.0;
                format!("An OpenVPN server answered within {milliseconds:.0} ms; {protection}{cookie}.")
            }
            Outcome::Other(service) => match service {
                Service::Tls => "TLS by itself answers there, as a web server has it, and no OpenVPN.".into(),
                Service::Http => "A web server answers there, and no OpenVPN.".into(),
                Service::Ssh => "SSH answers there, and no OpenVPN.".into(),
                Service::Text(line) => {
                    format!("Something else than OpenVPN answers there; it says \"{line}\".")
                }
                Service::Unreadable => {
                    "What came back looks like an OpenVPN server's answer, but is sealed by another key."
                        .into()
                }
                Service::Unknown => "Something answers there, but not as an OpenVPN server does.".into(),
            },
            Outcome::Refused => {
                let by = if target.is_tcp() { "a TCP reset" } else { "an ICMP message" };
                format!(
                    "The port is closed, {by} says: nothing listens there over {}, or a firewall rejects it.",
                    proto(target)
                )
            }
            Outcome::Unreachable(cause) => format!("There is no way to it from here: {cause}."),
            Outcome::Silent if target.is_tcp() => {
                format!("No connection within {seconds:.0} s, and no word why.")
            }
            Outcome::Silent => format!("{packets} packets in {seconds:.0} s, and nothing came back."),
            Outcome::Mute => "The connection is accepted, but whoever accepts it says nothing.".into(),
            Outcome::Closed => "The connection is accepted, and closed as soon as OpenVPN is spoken.".into(),
            Outcome::Unresolved(cause) => format!("{cause}."),
        }
    }

    fn causes(&self, finding: &Finding) -> Vec<String> {
        let target = &finding.target;
        let other = if target.is_tcp() { "udp" } else { "tcp" };
        let blocked = || {
            format!(
                "a firewall on the way, at the server or at its provider drops what goes to port {} ({})",
                target.port,
                proto(target)
            )
        };
        let mut causes = match finding.outcome {
            Outcome::Silent if target.is_tcp() => vec![
                blocked(),
                "nothing has this address: the server is down, or the address is an old one".into(),
            ],
            Outcome::Silent => vec![
                blocked(),
                self.wrong_key(target),
                format!("the server listens on another port, or by {other}, and a firewall drops the rest"),
                "nothing has this address: the server is down, or the address is an old one".into(),
                "the server answers no more first packets for now (connect-freq-initial), or not to this address"
                    .into(),
            ],
            Outcome::Closed | Outcome::Mute => {
                vec![self.wrong_key(target), "it is some other service than OpenVPN".into()]
            }
            Outcome::Other(Service::Unreadable) => vec![self.wrong_key(target)],
            _ => Vec::new(),
        };
        if target.proxied && !matches!(finding.outcome, Outcome::Answered { .. }) {
            causes.push("the client goes through a proxy, and the probe does not".into());
        }
        causes
    }

    fn wrong_key(&self, target: &Target) -> String {
        match (target.protection.name, &self.request.profile) {
            ("none", None) => "the server has a key for its control channel (tls-auth, tls-crypt, tls-crypt-v2), and answers nobody without: name the profile, or --tls-crypt FILE",
            ("none", Some(_)) => "the server has a key for its control channel (tls-auth, tls-crypt, tls-crypt-v2), and the profile has none",
            ("tls-auth", _) => "the server's tls-auth has another key, the same direction instead of the other one (server 0, client 1), or another digest (auth); or it is tls-crypt there",
            (_, _) => "the server's tls-crypt has another key; or it is tls-auth or tls-crypt-v2 there",
        }
        .to_owned()
    }
}

fn proto(target: &Target) -> &'static str {
    match target.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    }
}

fn name(target: &Target) -> String {
    let Target { host, port, address, .. } = target;
    let address = match address.map(|address| address.ip().to_string()) {
        Some(address) if address != *host => format!(" ({address})"),
        _ => String::new(),
    };
    format!("{host} port {port} {}{address}", proto(target))
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered { .. } => "answered",
        Outcome::Other(_) => "other",
        Outcome::Refused => "refused",
        Outcome::Unreachable(_) => "unreachable",
        Outcome::Silent | Outcome::Mute => "silent",
        Outcome::Closed => "closed",
        Outcome::Unresolved(_) => "unresolved",
    }
}
