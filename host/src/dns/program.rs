//! Other programs: where they are, and running one to its end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::errors::cause;

/// Beside `PATH`, which in a service may lack these.
const PLACES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

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
    let shown = || format!("{} {}", program.display(), args.join(" "));
    let start = || {
        let mut child = Command::new(program)
            .args(args)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input is no failure.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    };
    let output = start().map_err(|error| format!("cannot run '{}': {}", shown(), cause(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    Err(format!("'{}' failed, {}: {said}", shown(), output.status))
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
}
