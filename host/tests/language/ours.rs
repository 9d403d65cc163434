//! adit's reading of a case, in this process.

use std::fs;

use adit::config::Profile;

use crate::case::{Case, Workshop};
use crate::stock::Outcome;

/// What adit makes of the case.
pub(crate) fn judge(workshop: &Workshop, case: &Case) -> Outcome {
    let mut files = |path: &str| fs::read(workshop.path().join(path)).map_err(|error| error.to_string());
    let parsed = Profile::from_args(&case.whole_command_line(), &mut files);
    match parsed.profile {
        Some(profile) => {
            // A value may hold a line feed, which is one in the other's print too.
            let lines = profile.host.log.settings.iter().flat_map(|line| line.split('\n'));
            Outcome::Settings(lines.map(String::from).collect())
        }
        None => Outcome::Refused(
            parsed
                .diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.severity == adit::config::Severity::Error)
                .map(ToString::to_string)
                .collect(),
        ),
    }
}
