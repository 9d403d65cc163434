//! [`FlowRecord`]: a line of the flow log, written and read.
//!
//! A line is one JSON object without anything nested, so that other programs read it and a line that was cut off by a
//! crash spoils no other. Unknown members are skipped: a later version may write more.

mod json;
mod search;
mod timestamp;

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::str::FromStr;

use super::event::{FlowInfo, Lease, RouterEvent};
use super::packet::{ICMP, ICMPV6, TCP, UDP};
use super::zone::Zone;
use crate::config::IpNetwork;
use crate::time::Instant;

pub use search::{LogAnswer, LogSearch};
pub use timestamp::Timestamp;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// `open`: the log was opened, and nothing from before goes on.
    Opened,
    /// `start`: a flow has begun.
    FlowStarted,
    /// `end`: a flow has ended.
    FlowEnded,
    /// `lease`: an outside address or block of ports is a client's from now on.
    LeaseStarted,
    /// `release`: and is so no longer.
    LeaseEnded,
}

const KINDS: [(RecordKind, &str); 5] = [
    (RecordKind::Opened, "open"),
    (RecordKind::FlowStarted, "start"),
    (RecordKind::FlowEnded, "end"),
    (RecordKind::LeaseStarted, "lease"),
    (RecordKind::LeaseEnded, "release"),
];

/// An address and some of its ports, or all of them; or a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideEnd {
    /// The address.
    pub network: IpNetwork,
    /// Its ports: 0 to 65535 if the whole address is meant, or there are no ports.
    pub ports: RangeInclusive<u16>,
}

/// All ports of an address.
pub(super) const WHOLE: RangeInclusive<u16> = 0..=u16::MAX;

/// A line of the flow log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub kind: RecordKind,
    /// Whose it is.
    pub identity: String,
    /// The protocol's number above IP; none if it is about all.
    pub protocol: Option<u8>,
    /// The client's end, as the client has it.
    pub inside: Option<OutsideEnd>,
    /// The same as others see it.
    pub outside: Option<OutsideEnd>,
    /// The other end.
    pub destination: Option<OutsideEnd>,
    /// When the flow or lease began.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// Bytes from the client, IP headers included.
    pub sent: u64,
    /// Bytes to the client.
    pub received: u64,
}

impl FlowRecord {
    /// The first line of a log that goes on after the router was away.
    pub fn opened(time: Timestamp) -> Self {
        Self {
            time,
            kind: RecordKind::Opened,
            identity: String::new(),
            protocol: None,
            inside: None,
            outside: None,
            destination: None,
            start: None,
            end: None,
            sent: 0,
            received: 0,
        }
    }

    /// The line about an event, if it is one for the log. `clock` tells the wall clock's time of an instant.
    pub fn of(event: &RouterEvent, clock: impl Fn(Instant) -> Timestamp) -> Option<Self> {
        match event {
            RouterEvent::FlowStarted(flow) => {
                Some(Self::of_flow(RecordKind::FlowStarted, flow, clock(flow.started), None, &clock))
            }
            RouterEvent::FlowEnded(flow) => {
                let end = clock(flow.ended);
                Some(Self::of_flow(RecordKind::FlowEnded, flow, end, Some(end), &clock))
            }
            RouterEvent::LeaseStarted(lease) => {
                Some(Self::of_lease(RecordKind::LeaseStarted, lease, clock(lease.since), None, &clock))
            }
            RouterEvent::LeaseEnded(lease) => {
                let end = clock(lease.until.unwrap_or(lease.since));
                Some(Self::of_lease(RecordKind::LeaseEnded, lease, end, Some(end), &clock))
            }
            _ => None,
        }
    }

    fn of_flow(
        kind: RecordKind,
        flow: &FlowInfo,
        time: Timestamp,
        end: Option<Timestamp>,
        clock: &impl Fn(Instant) -> Timestamp,
    ) -> Self {
        let by_client = matches!(flow.from, Zone::Peer(_));
        let (forth, back) = (flow.bytes_forth, flow.bytes_back);
        let (sent, received) = if by_client { (forth, back) } else { (back, forth) };
        Self {
            time,
            kind,
            identity: flow.identity.as_deref().unwrap_or_default().into(),
            protocol: Some(flow.protocol),
            inside: Some(OutsideEnd::of(flow.protocol, flow.inside)),
            outside: Some(OutsideEnd::of(flow.protocol, flow.outside)),
            destination: Some(OutsideEnd::of(flow.protocol, flow.destination)),
            start: Some(clock(flow.started)),
            end,
            sent,
            received,
        }
    }

    fn of_lease(
        kind: RecordKind,
        lease: &Lease,
        time: Timestamp,
        end: Option<Timestamp>,
        clock: &impl Fn(Instant) -> Timestamp,
    ) -> Self {
        Self {
            kind,
            identity: (*lease.identity).into(),
            outside: Some(lease.outside.clone()),
            start: Some(clock(lease.since)),
            end,
            ..Self::opened(time)
        }
    }
}

impl OutsideEnd {
    /// An end of a flow. Where the protocol has no ports it is the whole address.
    pub(super) fn of(protocol: u8, end: SocketAddr) -> Self {
        let has_port =
            matches!(protocol, TCP | UDP) || (matches!(protocol, ICMP | ICMPV6) && end.port() != 0);
        let ports = if has_port { end.port()..=end.port() } else { WHOLE };
        Self { network: end.ip().into(), ports }
    }

    /// Whether it is meant by an address, and a port if one is known.
    pub fn holds(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.network.contains(address) && port.is_none_or(|port| self.ports.contains(&port))
    }
}

/// `10.0.1.200`, `10.1.0.0/16`, `10.0.1.3:40000`, `[fd00::3]:1024-2047`.
impl fmt::Display for OutsideEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (*self.ports.start(), *self.ports.end());
        if self.ports == WHOLE {
            return write!(f, "{}", self.network);
        }
        write!(f, "{}", SocketAddr::new(self.network.address(), first))?;
        if first == last { Ok(()) } else { write!(f, "-{last}") }
    }
}

impl FromStr for OutsideEnd {
    type Err = BadRecord;

    fn from_str(text: &str) -> Result<Self, BadRecord> {
        let bad = || BadRecord(format!("\"{text}\" is no address, nor one with a port"));
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, prefix.parse::<u8>().map_err(|_| bad())?),
            None => (text, 128),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            return Ok(Self { network: IpNetwork::containing(address, prefix), ports: WHOLE });
        }
        let (first, last) = match text.rsplit_once('-') {
            Some((first, last)) => (first, Some(last.parse::<u16>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let first: SocketAddr = first.parse().map_err(|_| bad())?;
        Ok(Self { network: first.ip().into(), ports: first.port()..=last.unwrap_or_else(|| first.port()) })
    }
}

/// The name of a protocol, or its number.
fn protocol_name(protocol: u8) -> String {
    match protocol {
        TCP => "tcp".into(),
        UDP => "udp".into(),
        ICMP => "icmp".into(),
        ICMPV6 => "icmpv6".into(),
        other => other.to_string(),
    }
}

fn protocol_number(name: &str) -> Result<u8, BadRecord> {
    Ok(match name {
        "tcp" => TCP,
        "udp" => UDP,
        "icmp" => ICMP,
        "icmpv6" => ICMPV6,
        other => other.parse().map_err(|_| BadRecord(format!("\"{other}\" is no protocol")))?,
    })
}

/// The line, without its end.
impl fmt::Display for FlowRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = json::Writer::new(f);
        line.text("time", &self.time.to_string())?;
        let name = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, name)| *name);
        line.text("event", name)?;
        if self.kind == RecordKind::Opened {
            return line.end();
        }
        line.text("identity", &self.identity)?;
        if let Some(protocol) = self.protocol {
            line.text("protocol", &protocol_name(protocol))?;
        }
        for (key, end) in
            [("inside", &self.inside), ("outside", &self.outside), ("destination", &self.destination)]
        {
            if let Some(end) = end {
                line.text(key, &end.to_string())?;
            }
        }
        for (key, time) in [("start", self.start), ("end", self.end)] {
            if let Some(time) = time {
                line.text(key, &time.to_string())?;
            }
        }
        if self.kind == RecordKind::FlowEnded {
            line.number("bytes", self.sent.saturating_add(self.received))?;
            line.number("sent", self.sent)?;
            line.number("received", self.received)?;
        }
        line.end()
    }
}

impl FromStr for FlowRecord {
    type Err = BadRecord;

    fn from_str(line: &str) -> Result<Self, BadRecord> {
        let mut out = Self::opened(Timestamp(0));
        let (mut time, mut kind) = (None, None);
        json::read(line, |key, value| {
            match (key, value) {
                ("time", json::Value::Text(text)) => time = Some(text.parse()?),
                ("event", json::Value::Text(text)) => {
                    kind = KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind);
                }
                ("identity", json::Value::Text(text)) => out.identity = text,
                ("protocol", json::Value::Text(text)) => out.protocol = Some(protocol_number(&text)?),
                ("inside", json::Value::Text(text)) => out.inside = Some(text.parse()?),
                ("outside", json::Value::Text(text)) => out.outside = Some(text.parse()?),
                ("destination", json::Value::Text(text)) => out.destination = Some(text.parse()?),
                ("start", json::Value::Text(text)) => out.start = Some(text.parse()?),
                ("end", json::Value::Text(text)) => out.end = Some(text.parse()?),
                ("sent", json::Value::Number(number)) => out.sent = number,
                ("received", json::Value::Number(number)) => out.received = number,
                _ => {}
            }
            Ok(())
        })?;
        out.time = time.ok_or_else(|| BadRecord("it has no \"time\"".into()))?;
        out.kind = kind.ok_or_else(|| BadRecord("it has no \"event\" that is known".into()))?;
        Ok(out)
    }
}

/// A line is no [`FlowRecord`], and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord(String);

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no line of a flow log: {}", self.0)
    }
}

impl core::error::Error for BadRecord {}

#[cfg(test)]
mod tests;
