//! [`LogSearch`]: who it was, from the lines of a flow log.

use alloc::vec::Vec;

use super::super::whois::Question;
use super::{FlowRecord, RecordKind, Timestamp};

/// How far other clocks may be off, and how late other programs may write their lines, in milliseconds. A port rests
/// longer than this before somebody else gets it.
const SLACK: u64 = 2000;

/// Finds out who had an outside address and port at a time, from a log's lines, one after the other.
///
/// ```
/// use adit::router::{LogSearch, Question};
///
/// let log = r#"{"time":"2026-11-28T12:50:01.000Z","event":"start","identity":"client1","protocol":"tcp","inside":"10.8.0.6:40000","outside":"10.0.1.3:40000","destination":"10.0.2.2:22","start":"2026-11-28T12:50:01.000Z"}"#;
/// let mut question = Question::new("10.0.1.3".parse()?);
/// question.port = Some(40000);
/// let mut search = LogSearch::new(question, "2026-11-28T12:51:00Z".parse()?);
/// for line in log.lines() {
///     search.line(line);
/// }
/// assert_eq!(search.finish().records[0].identity, "client1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogSearch {
    question: Question,
    at: Timestamp,
    /// Those that fit and have not ended.
    open: Vec<FlowRecord>,
    found: Vec<FlowRecord>,
    begins: Option<Timestamp>,
    malformed: u64,
}

/// What a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAnswer {
    /// Flows and leases that fit, in the order in which they began: the line of the end if it was there, else that of
    /// the beginning. If some were in force at that very time, only those; else those within two seconds of it.
    pub records: Vec<FlowRecord>,
    /// The time of the first line: nothing is known of what was before.
    pub begins: Option<Timestamp>,
    /// Lines that are none of a flow log.
    pub malformed: u64,
}

impl LogAnswer {
    /// The identities, each once.
    pub fn identities(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for record in &self.records {
            if !out.contains(&&*record.identity) {
                out.push(&record.identity);
            }
        }
        out
    }

    /// Whether the log goes back so far that it would know.
    pub fn reaches(&self, at: Timestamp) -> bool {
        self.begins.is_some_and(|begins| begins <= at)
    }
}

impl LogSearch {
    /// Who was `question` at `at`?
    pub fn new(question: Question, at: Timestamp) -> Self {
        Self { question, at, open: Vec::new(), found: Vec::new(), begins: None, malformed: 0 }
    }

    /// Takes in the next line. Empty ones are none.
    pub fn line(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        match line.parse() {
            Ok(record) => self.record(record),
            Err(_) => self.malformed += 1,
        }
    }

    /// Takes in the next record.
    pub fn record(&mut self, record: FlowRecord) {
        self.begins.get_or_insert(record.time);
        match record.kind {
            // What was open went on until some time before this, nobody knows which.
            RecordKind::Opened => {
                for mut open in core::mem::take(&mut self.open) {
                    open.end = Some(record.time);
                    self.add(open);
                }
            }
            _ if !self.fits(&record) => {}
            RecordKind::FlowStarted | RecordKind::LeaseStarted => self.open.push(record),
            RecordKind::FlowEnded | RecordKind::LeaseEnded => {
                // There is but one of these ends at a time. When it began is no help: the clock may have been set.
                let key = |record: &FlowRecord| {
                    let ends = (record.outside.clone(), record.destination.clone());
                    (ends, record.identity.clone(), record.protocol)
                };
                let same = key(&record);
                self.open.retain(|open| key(open) != same);
                self.add(record);
            }
        }
    }

    /// All that fits.
    pub fn finish(mut self) -> LogAnswer {
        for open in core::mem::take(&mut self.open) {
            self.add(open);
        }
        let at = self.at;
        if self.found.iter().any(|record| is_in_force(record, at, 0)) {
            self.found.retain(|record| is_in_force(record, at, 0));
        }
        self.found.sort_by_key(|record| record.start);
        LogAnswer { records: self.found, begins: self.begins, malformed: self.malformed }
    }

    fn add(&mut self, record: FlowRecord) {
        if is_in_force(&record, self.at, SLACK) {
            self.found.push(record);
        }
    }

    fn fits(&self, record: &FlowRecord) -> bool {
        record
            .outside
            .as_ref()
            .is_some_and(|outside| self.question.fits(outside, record.protocol, record.destination.as_ref()))
    }
}

fn is_in_force(record: &FlowRecord, at: Timestamp, slack: u64) -> bool {
    let start = record.start.unwrap_or(record.time);
    start.minus(slack) <= at && record.end.is_none_or(|end| at <= end.plus(slack))
}
