//! The lab: stock OpenVPN and adit in network namespaces of their own, as root, with PKIs by easy-rsa.
//!
//! Everything that a test starts or makes belongs to a value and goes with it, also when the test panics: processes are
//! killed, namespaces deleted. Whatever is missing fails the test; nothing is skipped. The lab knows how to run the
//! programs and look at them, not what a test expects of them.

#![allow(dead_code, reason = "each test program uses its own part of the lab")]
#![allow(unreachable_pub, reason = "the module is compiled into several test programs")]
#![allow(clippy::unwrap_used, reason = "the lab fails by panicking")]

pub mod console;
pub mod names;
pub mod network;
pub mod pki;
pub mod place;
pub mod process;
pub mod program;
pub mod traffic;

use core::fmt::Write as _;
use core::time::Duration;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;
use std::{fs, thread};

/// How long a step may take that normally takes a second or two.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder for one case's configuration and logs. Gone at the end, unless the case fails.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder named after the case.
    pub fn new(case: &str) -> Self {
        let name: String = case.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let path = lab_folder().join(format!("{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes an executable file with `text` behind its first line, `#!/bin/sh`; its path as it stands in a
    /// configuration.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.write(name, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        program::path(&path).to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("configuration and logs are kept in {}", self.0.display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// The part of the build folder that is the lab's.
fn lab_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab")
}

/// Runs a program to its end; it must succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = run_unchecked(program, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {}\n{text}{error}", args.join(" "), output.status);
    text
}

/// Runs a program to its end.
pub fn run_unchecked(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `./test` installs it"))
}

/// Asks `ready` again and again until it says yes.
#[must_use]
pub fn wait_until(within: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !ready() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// The next datagram that comes to `socket`, which has a time-out; an interrupted system call is begun again.
pub fn receive(socket: &UnixDatagram) -> std::io::Result<String> {
    let mut buffer = [0; 4096];
    loop {
        match socket.recv(&mut buffer) {
            Ok(count) => return Ok(String::from_utf8_lossy(&buffer[..count]).into_owned()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Runs a table of cases, two at a time in the whole program, and fails with a list of those that failed.
pub fn run_cases<C: Sync>(cases: &[C], name: impl Fn(&C) -> String, run: impl Fn(&C) + Sync) {
    let run = &run;
    let failed: Vec<String> = thread::scope(|scope| {
        let started: Vec<_> = cases
            .iter()
            .map(|case| {
                let worker = move || {
                    let _turn = Turn::wait();
                    run(case);
                };
                (name(case), thread::Builder::new().name(name(case)).spawn_scoped(scope, worker).unwrap())
            })
            .collect();
        started.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    });
    let mut list = String::new();
    for name in &failed {
        let _ = write!(list, "\n  {name}");
    }
    assert!(failed.is_empty(), "{} of {} cases failed:{list}", failed.len(), cases.len());
}

/// The right to load the machine; two exist.
pub struct Turn;

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(2), Condvar::new());

impl Turn {
    /// Waits until it is free.
    pub fn wait() -> Self {
        let (left, freed) = &TURNS;
        let left = left.lock().unwrap_or_else(PoisonError::into_inner);
        *freed.wait_while(left, |left| *left == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TURNS.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        TURNS.1.notify_one();
    }
}
