//! [`FlowLog`]: `flow-log`, the file that tells who had which outside address and port, and when.
//!
//! A line is one JSON object ([`FlowRecord`]). The file is only appended to, so that it may be cut off or moved away while
//! it is written. Writing never waits for long: what the disk does not take waits here, up to a bound, and what is beyond
//! that is lost and counted.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use adit::Instant;
use adit::router::{FlowRecord, RouterEvent, Timestamp};

use crate::clock::{Clock, WallTime};
use crate::errors::cause;
use crate::log::Log;

/// Bytes that wait at most.
const MOST_WAITING: usize = 1 << 20;
/// What is written at once at the latest.
const ENOUGH: usize = 64 << 10;

/// An open flow log, as the process and the run share it.
pub(crate) type SharedFlowLog = Rc<RefCell<FlowLog>>;

/// An open flow log.
#[derive(Debug)]
pub(crate) struct FlowLog {
    path: PathBuf,
    file: File,
    /// Whole lines, but for the first one if a part of it is written.
    waiting: Vec<u8>,
    /// Lines that were lost since writing began to fail.
    lost: u64,
    failing: bool,
    /// An instant, and what the calendar said then: the same instant is always written as the same time, until somebody
    /// sets the clock.
    told: (Instant, Timestamp),
}

/// How far the wall clock may go astray from that until it counts as set, in milliseconds.
const TOLERANCE: u64 = 1000;

impl FlowLog {
    /// Opens the file to append to it, or creates it, for its owner alone.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        let file = append_to(&path)?;
        let mut out =
            Self { path, file, waiting: Vec::new(), lost: 0, failing: false, told: Default::default() };
        out.mend();
        Ok(out)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The router begins anew: nothing that was there goes on.
    pub(crate) fn begin(&mut self, clock: &Clock) {
        let time = self.time(clock.now(), clock);
        self.add(&FlowRecord::opened(time));
    }

    /// Takes in what the router tells, if it is for this log.
    pub(crate) fn tell(&mut self, event: &RouterEvent, clock: &Clock, log: &Log) {
        self.time(clock.now(), clock);
        let told = self.told;
        if let Some(record) = FlowRecord::of(event, |at| expected(told, at)) {
            self.add(&record);
        }
        if self.waiting.len() > ENOUGH {
            self.flush(log);
        }
    }

    /// What the calendar says at `now`.
    fn time(&mut self, now: Instant, clock: &Clock) -> Timestamp {
        let wall = timestamp(clock.wall());
        if expected(self.told, now).0.abs_diff(wall.0) > TOLERANCE {
            self.told = (now, wall);
        }
        expected(self.told, now)
    }

    fn add(&mut self, record: &FlowRecord) {
        let line = format!("{record}\n");
        if self.waiting.len() + line.len() > MOST_WAITING {
            self.lost += 1;
        } else {
            self.waiting.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes what waits. That it cannot be written is said once, and so is that it can be again.
    pub(crate) fn flush(&mut self, log: &Log) {
        if self.waiting.is_empty() {
            return;
        }
        let path = self.path.display();
        match write(&mut self.file, &mut self.waiting) {
            Ok(()) if self.failing => {
                let lost = core::mem::take(&mut self.lost);
                self.failing = false;
                log.warning(format_args!("flow-log: {path} can be written again; {lost} lines were lost"));
            }
            Ok(()) => {}
            Err(_) if self.failing => {}
            Err(error) => {
                self.failing = true;
                log.warning(format_args!(
                    "flow-log: cannot write {path} ({}): lines wait, {} KiB of them at most",
                    cause(&error),
                    MOST_WAITING >> 10
                ));
            }
        }
    }

    /// Goes on in the file that the path names now: the one before may have been moved away. If that cannot be opened,
    /// in the old one.
    pub(crate) fn take_up(&mut self, log: &Log) {
        let is_there = || {
            let (old, new) = (self.file.metadata()?, fs::metadata(&self.path)?);
            Ok::<_, io::Error>((old.dev(), old.ino()) == (new.dev(), new.ino()))
        };
        if is_there().unwrap_or(false) {
            return;
        }
        match append_to(&self.path) {
            Ok(file) => {
                self.flush(log);
                self.file = file;
                self.mend();
            }
            Err(error) => log.warning(format_args!(
                "flow-log: cannot open {} anew ({}): the old file is written further",
                self.path.display(),
                cause(&error)
            )),
        }
    }

    /// A line that a crash has cut off must not spoil the next.
    fn mend(&mut self) {
        let is_whole = || -> io::Result<bool> {
            let mut file = File::open(&self.path)?;
            let mut last = [b'\n'];
            if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            Ok(last == [b'\n'])
        };
        if fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_file()) && !is_whole().unwrap_or(true) {
            self.waiting.insert(0, b'\n');
        }
    }
}

/// To the end of the file, whoever else writes to it; a pipe that nobody empties does not hold us up.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path)
}

/// Writes as much of `waiting` as the system takes.
fn write(file: &mut File, waiting: &mut Vec<u8>) -> io::Result<()> {
    let mut done = 0;
    let result = loop {
        match waiting.get(done..).filter(|rest| !rest.is_empty()).map(|rest| file.write(rest)) {
            None => break Ok(()),
            Some(Ok(0)) => break Err(ErrorKind::WriteZero.into()),
            Some(Ok(count)) => done += count,
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Some(Err(error)) => break Err(error),
        }
    };
    waiting.drain(..done);
    result
}

/// What the calendar says at `at`, since it said `told`.
fn expected((then, wall): (Instant, Timestamp), at: Instant) -> Timestamp {
    let millis = |duration: core::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    wall.minus(millis(then.since(at))).plus(millis(at.since(then)))
}

fn timestamp(wall: WallTime) -> Timestamp {
    Timestamp(wall.seconds * 1000 + u64::from(wall.micros / 1000))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn it_is_private_appended_to_and_goes_on_in_a_new_file_when_moved_away() {
        let folder = std::env::temp_dir().join(format!("adit-flow-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, moved) = (folder.join("flows.jsonl"), folder.join("flows.jsonl.1"));
        fs::write(&path, "{\"cut\":").unwrap();
        let (clock, log) = (Clock::new(), Log::silent());
        let mut flows = FlowLog::open(path.to_str().unwrap()).unwrap();
        flows.begin(&clock);
        flows.flush(&log);
        let first = lines(&path);
        assert_eq!((first.len(), first[0].as_str()), (2, "{\"cut\":"));
        assert!(first[1].parse::<FlowRecord>().is_ok(), "{}", first[1]);

        flows.take_up(&log);
        fs::rename(&path, &moved).unwrap();
        flows.begin(&clock);
        flows.take_up(&log);
        flows.begin(&clock);
        flows.flush(&log);
        assert_eq!((lines(&moved).len(), lines(&path).len()), (3, 1));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_full_disk_loses_lines_and_counts_them() {
        let mut flows = FlowLog::open("/dev/full").unwrap();
        let (clock, log) = (Clock::new(), Log::silent());
        flows.begin(&clock);
        flows.flush(&log);
        assert!(flows.failing && !flows.waiting.is_empty());
        while flows.lost == 0 {
            flows.begin(&clock);
        }
        assert!(flows.waiting.len() <= MOST_WAITING);
        flows.file = append_to(Path::new("/dev/null")).unwrap();
        flows.flush(&log);
        assert!(!flows.failing && flows.waiting.is_empty() && flows.lost == 0);
    }
}
