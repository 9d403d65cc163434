//! What happened in a [`World`](super::World), in a form that two runs can be compared by.

use std::string::String;
use std::vec::Vec;

use crate::event::Event;
use crate::time::Instant;

/// Lines of what happened, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    lines: Vec<String>,
}

impl Trace {
    pub(crate) fn packet(&mut self, now: Instant, from: &str, bytes: &[u8], fate: &str) {
        // The kind of packet and its length; the bytes are not the same in every run (ring has its own entropy).
        let kind = bytes.first().copied().unwrap_or_default();
        self.lines.push(std::format!(
            "{:>12} {from} {kind:#04x} {} {fate}",
            now.as_nanos() / 1000,
            bytes.len()
        ));
    }

    pub(crate) fn event(&mut self, now: Instant, who: &str, event: &Event) {
        self.lines.push(std::format!("{:>12} {who}: {event:?}", now.as_nanos() / 1000));
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}
