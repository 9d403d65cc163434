//! A program that runs in a namespace, and its log.

use core::time::Duration;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::network::Namespace;
use super::wait_until;

/// A running program. Killed when dropped, and when this test program ends in any way.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` inside `namespace`, in `folder`; what it prints goes to `name.log` there.
    pub fn start(namespace: &Namespace, folder: &Path, name: &str, program: &str, args: &[&str]) -> Self {
        Self::spawn(namespace, folder, name, &[&[program], args].concat(), Stdio::null())
    }

    /// Starts `command`, a line for the shell, at a terminal of its own; [`enter`](Self::enter) types there.
    pub fn start_at_terminal(namespace: &Namespace, folder: &Path, name: &str, command: &str) -> Self {
        // Without this the program would outlive its terminal.
        let command = format!("exec setpriv --pdeathsig KILL -- {command}");
        let words = ["script", "--quiet", "--flush", "--return", "--command", &command, "/dev/null"];
        Self::spawn(namespace, folder, name, &words, Stdio::piped())
    }

    fn spawn(namespace: &Namespace, folder: &Path, name: &str, words: &[&str], input: Stdio) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", namespace.name(), "setpriv", "--pdeathsig", "KILL", "--"])
            .args(words)
            .current_dir(folder)
            .stdin(input)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("ip: {error}; `./test` installs it"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its log is that file of its folder, and not what it prints.
    pub fn logging_to(mut self, file: &str) -> Self {
        self.log.set_file_name(file);
        self
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Types a line at its terminal.
    pub fn enter(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// How many lines of its log hold `text`.
    pub fn count(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line that holds `text`.
    ///
    /// # Panics
    ///
    /// When it does not come in time, or the program ends without it.
    pub fn expect_line(&mut self, text: &str, within: Duration) {
        self.expect_any_line(&[text], within);
    }

    /// Waits for a line that holds one of `texts`, as [`expect_line`](Self::expect_line) does.
    pub fn expect_any_line(&mut self, texts: &[&str], within: Duration) {
        let logged = |process: &Self| texts.iter().any(|text| process.count(text) > 0);
        let mut ended = None;
        let _ = wait_until(within, || {
            ended = self.child.try_wait().unwrap();
            logged(self) || ended.is_some()
        });
        // Asked once more, since it may have logged between the two questions above.
        let state = ended.map_or_else(|| "still runs".to_owned(), |status| format!("has ended, {status}"));
        assert!(logged(self), "{} has not logged {texts:?} within {within:?}; it {state}", self.name);
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {signal:?}: {error}", self.name));
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn expect_exit(&mut self, within: Duration) -> ExitStatus {
        let mut status = None;
        let ended = wait_until(within, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "{} does not end", self.name);
        status.unwrap()
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- the end of {}.log ----\n{}", self.name, self.tail());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
