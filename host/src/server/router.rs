//! What a server answers about its router: who it was, why a packet goes where it goes, which flows there are.

use core::fmt::{Display, Write};
use std::time::Duration;

use adit::Instant;
use adit::router::{FlowInfo, Origin, Probe, Question, Timestamp};
use adit::server::Server;

use crate::clock::WallTime;
use crate::management::Answer;
use crate::run::Node;

/// Flows that one answer shows at most: a management client that does not read is cut off at a megabyte.
const MOST_FLOWS: usize = 5000;

/// `whois`: who had an outside address and port.
pub(super) fn whois(node: &Node<Server>, question: &Question, at: Option<Timestamp>) -> Answer {
    let now = node.clock.now();
    let at = at.map_or(now, |at| {
        let (wall, asked) = (millis(node.clock.wall()), at.0);
        match wall.checked_sub(asked) {
            Some(ago) => Instant::from_nanos(now.as_nanos().saturating_sub(ago.saturating_mul(1_000_000))),
            None => now + Duration::from_millis(asked - wall),
        }
    });
    if at > now {
        return Answer::Error("whois: that time is yet to come".into());
    }
    ended(node.engine.router().whois(question, at))
}

/// `explain`: what would become of a client's packet, and why.
pub(super) fn explain(node: &Node<Server>, identity: &str, probe: &Probe) -> Answer {
    let from = Origin::Identity(identity.to_owned());
    ended(node.engine.router().explain(node.clock.now(), &from, probe))
}

/// `flows`: those of one client, or of all.
pub(super) fn flows(node: &Node<Server>, identity: Option<&str>) -> Answer {
    let mut text =
        String::from("FLOW,Identity,Protocol,Inside,Outside,Destination,Since (time_t),Sent,Received\n");
    let is_meant = |flow: &FlowInfo| identity.is_none_or(|name| flow.identity.as_deref() == Some(name));
    let (now, wall) = (node.clock.now(), node.clock.wall());
    let mut left_out = 0;
    for (count, flow) in node.engine.router().list_flows().filter(is_meant).enumerate() {
        if count >= MOST_FLOWS {
            left_out += 1;
            continue;
        }
        let name =
            flow.identity.as_deref().unwrap_or_default().replace(|c: char| c == ',' || c.is_control(), "_");
        let protocol = match flow.protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            other => other.to_string(),
        };
        let by_client = matches!(flow.from, adit::router::Zone::Peer(_));
        let (sent, received) =
            if by_client { (flow.bytes_forth, flow.bytes_back) } else { (flow.bytes_back, flow.bytes_forth) };
        let since = wall.seconds.saturating_sub(now.since(flow.started).as_secs());
        let FlowInfo { inside, outside, destination, .. } = flow;
        let _ = writeln!(
            text,
            "FLOW,{name},{protocol},{inside},{outside},{destination},{since},{sent},{received}"
        );
    }
    if left_out > 0 {
        let _ = writeln!(text, "MORE,{left_out}");
    }
    ended(text.trim_end())
}

/// An answer of several lines, and its last.
fn ended(text: impl Display) -> Answer {
    Answer::Lines(format!("{text}\nEND\n"))
}

fn millis(wall: WallTime) -> u64 {
    wall.seconds * 1000 + u64::from(wall.micros / 1000)
}
