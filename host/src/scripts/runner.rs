//! [`Runner`]: processes that run beside the loop.
//!
//! A script never holds up a packet: it is started and looked after when its end wakes the loop. Scripts of one
//! queue run one after the other, in the order in which they were asked for; there is a limit to how many run, and
//! how many wait, at once. Knows nothing of what a script is for.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::Duration;

use adit::Instant;
use adit::config::ScriptSecurity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::env::Env;
use crate::errors::cause;
use crate::log::Log;
use crate::poller::{Poller, Source};
use crate::signals::Signals;

/// How many run at once.
const MAX_RUNNING: usize = 32;
/// How many may wait for their turn. Further ones fail at once.
const MAX_WAITING: usize = 4096;
/// How often to look after a process where the kernel cannot tell of its end (Linux before 5.3).
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the end of killed processes is waited for: one that has become another user's may not be ours to kill.
const LAST_LOOKS: u32 = 100;
const LAST_PAUSE: Duration = Duration::from_millis(10);

/// A command to be run. `T` is what its end is to be remembered by.
#[derive(Debug)]
pub(crate) struct Script<T> {
    /// For the log, as OpenVPN names it there: `--client-connect`.
    pub(crate) hook: &'static str,
    /// The program and its arguments.
    pub(crate) words: Vec<String>,
    pub(crate) env: Env,
    /// After this time it is killed.
    pub(crate) timeout: Duration,
    /// Any exit status is an answer, not only 0.
    pub(crate) answers: bool,
    pub(crate) then: T,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this status.
    Exit(i32),
    /// It was not started, or did not end by itself.
    Failed,
}

impl End {
    pub(crate) fn is_success(self) -> bool {
        self == Self::Exit(0)
    }
}

/// The processes, and those that wait to become one. `Q` names their queues.
pub(crate) struct Runner<Q, T> {
    security: ScriptSecurity,
    /// `cd`: where the processes begin.
    directory: Option<PathBuf>,
    log: Rc<Log>,
    running: Vec<Running<Q, T>>,
    waiting: VecDeque<(Q, Script<T>)>,
    /// Ended before they began.
    ended: Vec<(T, End)>,
    /// The user has been told about `script-security`.
    warned: bool,
}

struct Running<Q, T> {
    queue: Q,
    hook: &'static str,
    answers: bool,
    child: Child,
    /// Becomes readable at the end, if the kernel can do that.
    bell: Option<OwnedFd>,
    until: Instant,
    /// When to look after it, although nothing rings.
    look: Instant,
    killed: bool,
    then: T,
}

impl<Q: PartialEq, T> Runner<Q, T> {
    pub(crate) fn new(security: ScriptSecurity, directory: Option<PathBuf>, log: Rc<Log>) -> Self {
        Self {
            security,
            directory,
            log,
            running: Vec::new(),
            waiting: VecDeque::new(),
            ended: Vec::new(),
            warned: false,
        }
    }

    /// Has `script` run when its turn comes; [`reap`](Self::reap) tells of its end.
    pub(crate) fn submit(&mut self, now: Instant, poller: &Poller, queue: Q, script: Script<T>) {
        if self.waiting.len() >= MAX_WAITING {
            self.failed(script.hook, format_args!("too many scripts wait for their turn"));
            self.ended.push((script.then, End::Failed));
            return;
        }
        self.waiting.push_back((queue, script));
        self.start(now, Some(poller));
    }

    /// The same for those who will call [`finish`](Self::finish).
    pub(crate) fn enqueue(&mut self, queue: Q, script: Script<T>) {
        self.waiting.push_back((queue, script));
    }

    /// Lets scripts of `queue` go that have not begun, if `is_void` says so.
    pub(crate) fn cancel(&mut self, queue: &Q, is_void: impl Fn(&T) -> bool) {
        self.waiting.retain(|(whose, script)| whose != queue || !is_void(&script.then));
    }

    /// Kills what runs and lets go what waits, if `is_void` says so; nobody is told of their end.
    pub(crate) fn kill(&mut self, is_void: impl Fn(&T) -> bool) {
        self.waiting.retain(|(_, script)| !is_void(&script.then));
        let void = self.running.extract_if(.., |running| is_void(&running.then)).collect();
        kill_all(void);
    }

    /// What has ended by now, in order. Kills what has run for too long.
    pub(crate) fn reap(&mut self, now: Instant, poller: &Poller) -> Vec<(T, End)> {
        self.collect(now);
        self.start(now, Some(poller));
        std::mem::take(&mut self.ended)
    }

    /// When [`reap`](Self::reap) must be called, although nothing rings.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if !self.ended.is_empty() {
            return Some(Instant::ZERO);
        }
        self.running.iter().map(|running| running.look).min()
    }

    /// Waits, at most until `until`, for all that runs and waits. For a process that has nothing else to do any more.
    /// It breaks off, and starts nothing, if one of `signals` asks for the end; that stays to be served.
    pub(crate) fn finish(
        &mut self,
        now: impl Fn() -> Instant,
        until: Instant,
        signals: Option<&Signals>,
    ) -> Vec<(T, End)> {
        loop {
            self.collect(now());
            let asked = signals.is_some_and(Signals::ask_for_end);
            if !asked {
                self.start(now(), None);
            }
            let left = until.since(now());
            if self.running.is_empty() || left.is_zero() || asked {
                return std::mem::take(&mut self.ended);
            }
            let bells = self.running.iter().filter_map(|running| running.bell.as_ref());
            let mut bells: Vec<_> = bells.map(|bell| PollFd::new(bell, PollFlags::IN)).collect();
            // A signal that comes between the question and the wait does not end the wait.
            let silent = bells.len() < self.running.len() || signals.is_some();
            let next = self.running.iter().map(|running| running.until.since(now())).min().unwrap_or(left);
            let pause = if silent { LOOK_AGAIN } else { left.min(next) };
            let pause = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
            // A signal ends the wait early, and that does no harm.
            let _ = poll(&mut bells, Some(&pause));
        }
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.ended.is_empty()
    }

    fn collect(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.running.len() {
            let running = &mut self.running[index];
            let status = match running.child.try_wait() {
                Ok(None) => {
                    if running.until <= now {
                        running.kill(now);
                    }
                    running.look = running.next_look(now);
                    index += 1;
                    continue;
                }
                Ok(Some(_)) if running.killed => {
                    Err("external program did not end in time, and was killed".to_owned())
                }
                Ok(Some(status)) => Ok(status),
                Err(error) => Err(cause(&error)),
            };
            // Not `swap_remove`: the order of the others is theirs.
            let Running { hook, answers, then, .. } = self.running.remove(index);
            let end = self.judge(hook, answers, status);
            self.ended.push((then, end));
        }
    }

    fn judge(&self, hook: &'static str, answers: bool, status: Result<ExitStatus, String>) -> End {
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => End::Exit(0),
                (Some(code), _) => {
                    if !answers {
                        self.failed(hook, format_args!("external program exited with error status: {code}"));
                    }
                    End::Exit(code)
                }
                (None, signal) => {
                    let signal = signal.unwrap_or_default();
                    self.failed(
                        hook,
                        format_args!("external program did not exit normally (signal {signal})"),
                    );
                    End::Failed
                }
            },
            Err(why) => {
                self.failed(hook, format_args!("{why}"));
                End::Failed
            }
        }
    }

    /// Starts those whose turn it is.
    fn start(&mut self, now: Instant, poller: Option<&Poller>) {
        while self.running.len() < MAX_RUNNING {
            let is_free = |queue: &Q| self.running.iter().all(|running| running.queue != *queue);
            let Some(index) = self.waiting.iter().position(|(queue, _)| is_free(queue)) else { return };
            let Some((queue, script)) = self.waiting.remove(index) else { return };
            match self.spawn(&script) {
                Ok(child) => {
                    let pid = Pid::from_child(&child);
                    let bell = pidfd_open(pid, PidfdFlags::empty()).ok();
                    let bell = bell.filter(|bell| {
                        poller.is_none_or(|poller| poller.add(bell, Source::Script, false).is_ok())
                    });
                    let Script { hook, answers, timeout, then, .. } = script;
                    let until = now + timeout;
                    let mut running =
                        Running { queue, hook, answers, child, bell, until, look: now, killed: false, then };
                    running.look = running.next_look(now);
                    self.running.push(running);
                }
                Err(why) => {
                    self.failed(script.hook, format_args!("{why}"));
                    self.ended.push((script.then, End::Failed));
                }
            }
        }
    }

    fn spawn(&mut self, script: &Script<T>) -> Result<Child, String> {
        if self.security < ScriptSecurity::Scripts {
            if !std::mem::replace(&mut self.warned, true) {
                self.log.warning("scripts of your own are run only with 'script-security 2' or higher");
            }
            return Err("disallowed by script-security setting".into());
        }
        let [program, args @ ..] = script.words.as_slice() else {
            return Err("the command is empty".into());
        };
        let mut command = Command::new(program);
        command.args(args).env_clear();
        command.envs(script.env.iter(self.security >= ScriptSecurity::Passwords));
        // Of a group of its own, so that a script that hangs goes with all that it has started.
        command.stdin(Stdio::null()).process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
            .spawn()
            .map_err(|error| format!("could not execute external program {program}: {}", cause(&error)))
    }

    fn failed(&self, hook: &str, why: fmt::Arguments<'_>) {
        self.log.warning(format_args!("Failed running command ({hook}): {why}"));
    }
}

/// What still runs would go on without anybody who looks after it.
impl<Q, T> Drop for Runner<Q, T> {
    fn drop(&mut self) {
        kill_all(std::mem::take(&mut self.running));
    }
}

/// Kills them with all that they have started, and fetches their ends.
fn kill_all<Q, T>(mut running: Vec<Running<Q, T>>) {
    let is_on = |running: &mut Running<Q, T>| matches!(running.child.try_wait(), Ok(None));
    // What one that has ended has left in the background is meant to stay.
    running.retain_mut(is_on);
    for running in &running {
        running.kill_group();
    }
    for _ in 0..LAST_LOOKS {
        running.retain_mut(is_on);
        if running.is_empty() {
            return;
        }
        std::thread::sleep(LAST_PAUSE);
    }
}

impl<Q, T> Running<Q, T> {
    fn next_look(&self, now: Instant) -> Instant {
        if self.bell.is_some() { self.until } else { self.until.min(now + LOOK_AGAIN) }
    }

    /// Kills the process and all that it has started; its end will be noticed like any other.
    fn kill(&mut self, now: Instant) {
        self.kill_group();
        self.killed = true;
        self.until = now + LOOK_AGAIN;
    }

    fn kill_group(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

#[cfg(test)]
#[path = "runner/tests.rs"]
mod tests;
