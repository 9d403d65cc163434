//! Other programs: where they are, and running one to its end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::errors::cause;

/// Beside `PATH`, which in a service may lack these.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// What a program may take. One that hangs must not hold up the tunnel, nor what else there is to take back.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(10);
/// How much of what it says is kept, in bytes.
const MAX_SAID: usize = 4096;

/// Where a program is installed.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs it with `input`; an error is a sentence with what it said.
pub(super) fn run(
    program: &Path,
    args: &[&str],
    input: &str,
    env: &[(String, String)],
) -> Result<(), String> {
    run_for(PATIENCE, program, args, input, env)
}

/// The same for a command of the user's: with nothing but `env` in its environment, in `directory`.
pub(super) fn run_alone(
    program: &Path,
    args: &[&str],
    directory: Option<&Path>,
    env: &[(String, String)],
) -> Result<(), String> {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    run_command(PATIENCE, command, args, "", env)
}

fn run_for(
    patience: Duration,
    program: &Path,
    args: &[&str],
    input: &str,
    env: &[(String, String)],
) -> Result<(), String> {
    run_command(patience, Command::new(program), args, input, env)
}

fn run_command(
    patience: Duration,
    mut command: Command,
    args: &[&str],
    input: &str,
    env: &[(String, String)],
) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let shown = || format!("{program} {}", args.join(" "));
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    let ended = run_until(command, input, Instant::now() + patience);
    let (status, said) = ended.map_err(|error| format!("cannot run '{}': {}", shown(), cause(&error)))?;
    let Some(status) = status else {
        return Err(format!("'{}' did not end within {} s, and was killed", shown(), patience.as_secs()));
    };
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    let said: String = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    Err(format!("'{}' failed, {status}: {said}", shown()))
}

/// How it ended, none if it had to be killed; and the beginning of what it said.
fn run_until(
    mut command: Command,
    input: &str,
    deadline: Instant,
) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    // A group of its own, so that what it has started is killed with it.
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // A program that does not read its input is no failure, and holds nobody up.
        let _ = thread::Builder::new().spawn(move || stdin.write_all(input.as_bytes()));
    }
    let mut stderr = child.stderr.take();
    if stderr.as_ref().is_some_and(|stderr| ioctl_fionbio(stderr, true).is_err()) {
        stderr = None;
    }
    let mut said = Vec::new();
    loop {
        // What it leaves behind may hold the pipe open, so that its own end counts, not the pipe's.
        let status = child.try_wait()?;
        if stderr.as_mut().is_some_and(|stderr| !drain(stderr, &mut said)) {
            stderr = None;
        }
        if status.is_some() {
            return Ok((status, said));
        }
        if Instant::now() >= deadline {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait()?;
            return Ok((None, said));
        }
        thread::sleep(STEP);
    }
}

/// Takes in what is there; whether more may come.
fn drain(stderr: &mut ChildStderr, said: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stderr.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = MAX_SAID.saturating_sub(said.len());
                said.extend_from_slice(&buffer[..count.min(room)]);
                // It may talk without end; its time is looked at again first.
                if room == 0 {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_told() {
        let sh = find("sh").unwrap();
        assert_eq!(run(&sh, &["-c", "read x && test \"$x\" = hello"], "hello\n", &[]), Ok(()));
        let error = run(&sh, &["-c", "echo \"no $a\" >&2; exit 3"], "", &[("a".into(), "way".into())]);
        let error = error.unwrap_err();
        assert!(error.ends_with("failed, exit status: 3: no way"), "{error}");
        assert_eq!(find("no-such-program"), None);
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let sh = find("sh").unwrap();
        let error = run_for(Duration::from_secs(1), &sh, &["-c", "sleep 1000; true"], "", &[]).unwrap_err();
        assert!(error.ends_with("did not end within 1 s, and was killed"), "{error}");
        // Neither input that is not read nor a pipe that stays open holds anybody up.
        let input = "x".repeat(1 << 20);
        assert_eq!(run(&sh, &["-c", "sleep 30 <&0 & exit 0"], &input, &[]), Ok(()));
    }
}
