//! OpenVPN as the judge: what it prints of its settings, or what it complains of.

use std::env;
use std::ffi::OsStr;
use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::case::{Case, Workshop};
use crate::newer;
use crate::outcome::Outcome;

/// Which OpenVPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// 2.6, whose print adit's is like.
    Six,
    /// 2.7, whose language adit has.
    Seven,
}

/// An OpenVPN to compare with.
pub(crate) struct Stock {
    command: String,
    pub(crate) version: Version,
}

impl Stock {
    /// Debian's.
    pub(crate) fn installed() -> Self {
        Self { command: "openvpn".into(), version: Version::Six }
    }

    /// The one that `ADIT_OPENVPN27` names.
    pub(crate) fn newer() -> Self {
        let command = env::var("ADIT_OPENVPN27")
            .expect("ADIT_OPENVPN27 names the program of an OpenVPN 2.7; `./test language-27` gets one");
        let output = Command::new(&command).arg("--version").output().expect("ADIT_OPENVPN27");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("OpenVPN 2.7"), "{command} is another version: {said}");
        Self { command, version: Version::Seven }
    }

    /// What it makes of the case. It opens neither sockets nor devices: it cannot write its process id.
    pub(crate) fn judge(&self, workshop: &Workshop, case: &Case) -> Outcome {
        self.run(workshop, &case.whole_command_line())
    }

    /// What it makes of these arguments.
    pub(crate) fn run(&self, workshop: &Workshop, args: &[impl AsRef<OsStr>]) -> Outcome {
        let mut child = Command::new(&self.command)
            .args(args)
            .current_dir(workshop.path())
            .env_remove("TMPDIR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `./test` installs it", self.command));
        let mut log = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut log).unwrap();
        child.wait().unwrap();
        match (self.version, Outcome::of_log(&log)) {
            (Version::Seven, Outcome::Settings(lines)) => Outcome::Settings(newer::in_words_of_2_6(&lines)),
            (_, outcome) => outcome,
        }
    }
}
