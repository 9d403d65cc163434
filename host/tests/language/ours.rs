//! adit, as a user starts it.

use std::process::{Command, Stdio};

use crate::case::{Case, Workshop};
use crate::outcome::Outcome;

/// What adit makes of the case. Like OpenVPN, it cannot write its process id, and goes no further.
pub(crate) fn judge(workshop: &Workshop, case: &Case) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_adit"))
        .args(case.whole_command_line())
        .current_dir(workshop.path())
        .env_remove("TMPDIR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success(), "adit goes on: {case:?}");
    // Its complaints are on standard error, for the log is not open yet.
    let refusal = String::from_utf8_lossy(&output.stderr).lines().map(String::from).collect();
    match Outcome::of_log(&output.stdout) {
        Outcome::Refused(_) => Outcome::Refused(refusal),
        settings => settings,
    }
}
