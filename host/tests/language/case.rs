//! A configuration to compare by, and the folder that it is read in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::lab::pki::{Keys, Pki};
use crate::lab::{Folder, run};

/// A configuration: a command line, and the files that are this configuration's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Case {
    /// Where it comes from, for the report.
    pub(crate) origin: String,
    /// The words of the command line, without the program.
    pub(crate) args: Vec<String>,
    /// The texts that it consists of, by name: `x.conf`, which the command line names, and what that includes.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

/// The configuration file's name.
pub(crate) const MAIN: &str = "x.conf";

impl Case {
    /// A configuration file alone.
    pub(crate) fn of_text(origin: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            origin: origin.into(),
            args: ["--config", MAIN].map(String::from).into(),
            files: BTreeMap::from([(MAIN.to_owned(), text.into())]),
        }
    }

    /// What is really given to both: the settings are printed, and stock OpenVPN ends right behind them.
    pub(crate) fn whole_command_line(&self) -> Vec<String> {
        let end = ["--verb", "4", "--writepid", "/dev/full"].map(String::from);
        self.args.iter().cloned().chain(end).collect()
    }

    /// The statements, roughly: the words of each line and of each option of the command line, without `--`. Good
    /// enough to see what a divergence is about.
    pub(crate) fn statements(&self) -> Vec<Vec<String>> {
        let mut statements = Vec::new();
        for text in self.files.values() {
            for line in String::from_utf8_lossy(text).trim_start_matches('\u{feff}').lines() {
                let Ok(words) = adit::config::lexer::split(line) else { continue };
                let mut words: Vec<String> = words.into_iter().map(|word| word.text).collect();
                if words.len() > 2 && words[..2] == ["setenv", "opt"] {
                    words.drain(..2);
                }
                statements.push(words);
            }
        }
        statements.extend(self.args.chunk_by(|_, next| !next.starts_with("--")).map(<[String]>::to_vec));
        for statement in &mut statements {
            if let Some(name) = statement.first_mut()
                && name.len() > 2
                && name.starts_with("--")
            {
                name.drain(..2);
            }
        }
        statements.retain(|statement| !statement.is_empty());
        statements
    }

    /// Whether a directive of that name stands there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.statements().iter().any(|words| words[0] == name || words[0] == format!("<{name}>"))
    }
}

/// A folder with all files that configurations of the generator may name.
pub(crate) struct Workshop {
    folder: Folder,
}

impl Workshop {
    /// Files that exist, and what they are.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let pki = Pki::easy_rsa(Keys::Ec);
        let copy = |from: PathBuf, to: &str| fs::copy(from, folder.path().join(to)).unwrap();
        copy(pki.ca(), "ca.crt");
        for name in ["server", "client1"] {
            copy(pki.certificate(name), &format!("{name}.crt"));
            copy(pki.key(name), &format!("{name}.key"));
        }
        for key in ["ta.key", "tc.key"] {
            run("openvpn", &["--genkey", "secret", folder.path().join(key).to_str().unwrap()]);
        }
        for (from, to) in
            [("client1.crt", "client.crt"), ("client1.key", "client.key"), ("ca.crt", "cacert.pem")]
        {
            fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
        }
        folder.write("dh2048.pem", "-----BEGIN DH PARAMETERS-----\n-----END DH PARAMETERS-----\n");
        folder.write("dh.pem", "-----BEGIN DH PARAMETERS-----\n-----END DH PARAMETERS-----\n");
        folder.write("crl.pem", "-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n");
        folder.write("login.txt", "user\npassword\n");
        folder.write("with space.crt", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
        folder.write("plain.sh", "#!/bin/sh\n");
        folder.write("run.sh", "#!/bin/sh\n");
        fs::set_permissions(folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["ccd", "sub", "crls", "jail", "jail/tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["ca.crt", "client1.crt", "client1.key", "ta.key"] {
            fs::copy(folder.path().join(name), folder.path().join("sub").join(name)).unwrap();
        }
        Self { folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the case's own files there.
    pub(crate) fn lay_out(&self, case: &Case) {
        for (name, text) in &case.files {
            self.folder.write(name, text);
        }
    }

    /// Takes them away.
    pub(crate) fn clear(&self, case: &Case) {
        for name in case.files.keys() {
            let _ = fs::remove_file(self.path().join(name));
        }
    }
}
