//! What the log says of the router: refusals, limits, tables that are full. Flows are the flow log's.

use adit::PeerId;
use adit::router::{Denial, LimitKind, RouterEvent, Zone};

use super::{Line, one};
use crate::log::{Level, Verb};

/// Whose session it is about.
pub(super) fn subject(event: &RouterEvent) -> PeerId {
    match event {
        RouterEvent::Denied(Denial { from: Zone::Peer(peer), .. })
        | RouterEvent::LimitReached { peer, .. } => *peer,
        _ => PeerId::NONE,
    }
}

/// The lines about it, without the client's name before them.
pub(super) fn lines(event: &RouterEvent) -> Vec<Line> {
    match event {
        RouterEvent::Denied(denial) => one(Verb::Details.into(), denied(denial)),
        RouterEvent::LimitReached { kind, limit, .. } => one(Level::WARNING, reached(*kind, *limit)),
        RouterEvent::FlowsFull => {
            one(Level::WARNING, "the table of flows is full: new ones are refused".into())
        }
        RouterEvent::Lost(count) => one(
            Level::WARNING,
            format!("{count} events of the router came too fast and were lost; the flow log lacks them"),
        ),
        _ => Vec::new(),
    }
}

/// `denied: tcp 22 to 10.0.2.3 by line 12`
fn denied(denial: &Denial) -> String {
    let Denial { destination, protocol, selector, line, silent, untold, .. } = denial;
    let what = match protocol {
        1 | 58 => format!("icmp type {selector}"),
        6 => format!("tcp {selector}"),
        17 => format!("udp {selector}"),
        other => format!("protocol {other}"),
    };
    let why = line.map_or_else(|| "no rule allows it".to_owned(), |line| format!("the rule on line {line}"));
    let told = if *silent { ", in silence" } else { "" };
    let more = if *untold > 0 { format!("; {untold} more since the last such line") } else { String::new() };
    format!("denied: {what} to {destination}: {why}{told}{more}")
}

fn reached(kind: LimitKind, limit: u64) -> String {
    match kind {
        LimitKind::Flows => format!("client-limit flows: it has {limit}, and gets no more"),
        LimitKind::Share => {
            format!("it has {limit} flows, a good part of all that there may be, and gets no more")
        }
        LimitKind::NewFlows => format!("client-limit new-flows: it wants more than {limit} a second"),
        LimitKind::Ports => format!("client-limit ports: it has {limit} of one protocol, and gets no more"),
        LimitKind::RateFrom => format!("client-limit rate-from: it sends more than {limit} bytes a second"),
        LimitKind::RateTo => format!("client-limit rate-to: it is sent more than {limit} bytes a second"),
        LimitKind::Bytes => format!("client-limit bytes: its {limit} bytes are used up"),
        _ => format!("a limit of {limit} is reached"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_their_directive() {
        assert_eq!(reached(LimitKind::Flows, 5), "client-limit flows: it has 5, and gets no more");
        assert!(reached(LimitKind::Bytes, 5).starts_with("client-limit bytes: "));
    }
}
