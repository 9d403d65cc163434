//! What a client tells the management interface, and answers to it.

use std::net::IpAddr;
use std::time::Duration;

use adit::client::Client;
use adit::config::{AddressFamily, Remote};
use adit::{CloseReason, Event, Instant, Path, TimerKind, Transport};

use super::{ClientRole, Waiting};
use crate::io::Link;
use crate::lines::cause_label;
use crate::management::{Answer, ByteCounts, Command, Entries, State, StateName};
use crate::run::Node;

impl ClientRole {
    pub(super) fn answer(&self, node: &Node<Client>, command: &Command) -> Answer {
        match command {
            Command::Status(_) => Answer::Lines(self.status_text(node)),
            Command::LoadStats => {
                let traffic = node.io.traffic();
                let (bytes_in, bytes_out) = (traffic.link_read, traffic.link_written);
                Answer::Success(format!("nclients=0,bytesin={bytes_in},bytesout={bytes_out}"))
            }
            Command::RemoteCount => Answer::Lines(format!("{}\nEND", self.remotes.len())),
            Command::RemoteEntries(Entries { start, end }) => {
                let end = end.unwrap_or(self.remotes.len()).min(self.remotes.len());
                let entries = self.remotes.get(*start..end).unwrap_or_default();
                if entries.is_empty() {
                    return Answer::Error(format!("there are {} remote entries", self.remotes.len()));
                }
                let lines = (*start..).zip(entries).map(|(index, remote)| entry(index, remote) + "\n");
                Answer::Lines(lines.collect::<String>() + "END")
            }
            // It is for an answer to a question that is never asked.
            Command::Absent("remote") => Answer::Error("remote command failed".into()),
            _ => Answer::Unsupported,
        }
    }

    pub(super) fn own_bytes(&self, node: &Node<Client>) -> ByteCounts {
        let traffic = node.io.traffic();
        ByteCounts::Own(traffic.link_read, traffic.link_written)
    }

    /// Tells what an event means to those who watch.
    pub(super) fn note_event(&self, node: &mut Node<Client>, event: &Event) {
        match event {
            Event::SessionStarted { .. } => node.management.state(State::of(StateName::Auth)),
            Event::MessageSent { text, .. }
                if text == "PUSH_REQUEST" && node.management.stage() != Some(StateName::GetConfig) =>
            {
                node.management.state(State::of(StateName::GetConfig));
            }
            Event::MessageReceived { text, .. } => {
                if let Some(rest) = text.strip_prefix("AUTH_PENDING") {
                    let timeout = rest.split(',').find(|part| part.starts_with("timeout "));
                    node.management
                        .state(State::because(StateName::AuthPending, timeout.unwrap_or_default()));
                }
                if text.starts_with("PUSH_REPLY") {
                    for echo in text.split(',').filter_map(|option| option.strip_prefix("echo ")) {
                        node.management.echo(echo);
                    }
                }
            }
            _ => {}
        }
    }

    /// The session is over: tells why, and has the next one wait if the hold flag says so.
    pub(super) fn note_end(&self, node: &mut Node<Client>, now: Instant, reason: &CloseReason) {
        node.management.drop_question();
        if let CloseReason::AuthFailed(why) | CloseReason::AuthRetry(why) = reason {
            node.management.login_failed(why);
        }
        let label = cause_label(reason).or_else(|| node.end.take()).unwrap_or_default();
        if reason.is_final() {
            node.end = Some(label);
            return;
        }
        node.management.state(State::because(StateName::Reconnecting, label));
        let pause = match node.engine.next_timeout() {
            Some(deadline) if deadline.reason == TimerKind::ConnectRetry => deadline.at.since(now),
            _ => RESTART_PAUSE,
        };
        if node.management.must_hold(pause) {
            // The release is waited for instead.
            node.engine.start(now);
        }
    }

    /// Whether the event has to wait for the release, or for the end of the tunnel before.
    pub(super) fn holds(&mut self, node: &Node<Client>, event: &Event) -> bool {
        let begins = matches!(event, Event::ConnectRequested { .. } | Event::CredentialsRequested { .. });
        // A login in the midst of a session belongs to a renegotiation, and begins nothing.
        let holds =
            begins && (node.management.is_holding() || self.is_closing()) && !node.engine.is_connected();
        if holds {
            self.held = Some(event.clone());
        }
        holds
    }

    /// The addresses of the tunnel, and where its ends are.
    pub(super) fn tunnel_state(&self, node: &Node<Client>, stage: StateName, path: Option<&Path>) -> State {
        let settings = node.engine.settings();
        let ipv4 = settings.and_then(|settings| settings.ifconfig).map(|ifconfig| ifconfig.local);
        let ipv6 = settings.and_then(|settings| settings.ifconfig_ipv6).map(|ifconfig| ifconfig.local);
        let remote = path.and_then(|path| path.remote.socket_addr());
        let local = path.and_then(|path| node.io.link(path.link)).and_then(Link::local);
        let detail = if stage == StateName::Connected { "SUCCESS" } else { "" };
        State { ipv4, ipv6, remote, local, ..State::because(stage, detail) }
    }

    /// Takes the question for a login to the management interface.
    pub(super) fn asks_interface(&self) -> bool {
        self.host.management.as_ref().is_some_and(|management| management.query_passwords)
    }

    /// Whether `host` must be looked up.
    pub(super) fn is_name(host: &str) -> bool {
        host.parse::<IpAddr>().is_err()
    }

    pub(super) fn take_login_request(&mut self) -> Option<adit::RequestId> {
        match self.waiting.take() {
            Some(Waiting::Interface(request)) => Some(request),
            other => {
                self.waiting = other;
                None
            }
        }
    }
}

/// What OpenVPN would wait before it connects anew.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// A line of `remote-entry-get`.
fn entry(index: usize, remote: &Remote) -> String {
    let protocol = match (remote.transport, remote.family) {
        (Transport::Udp, None) => "udp",
        (Transport::Udp, Some(AddressFamily::V4)) => "udp4",
        (Transport::Udp, Some(AddressFamily::V6)) => "udp6",
        (Transport::Tcp, None) => "tcp-client",
        (Transport::Tcp, Some(AddressFamily::V4)) => "tcp4-client",
        (Transport::Tcp, Some(AddressFamily::V6)) => "tcp6-client",
    };
    format!("{index},{},{},{protocol},enabled", remote.host, remote.port)
}
