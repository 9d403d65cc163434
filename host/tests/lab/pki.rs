//! PKIs by easy-rsa, made once and kept in the build folder, and static keys by OpenVPN.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::program::{clock_says, path};
use super::{lab_folder, run};

const EASYRSA: &str = "/usr/share/easy-rsa/easyrsa";

/// The keys of a PKI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// RSA, 2048 bits; valid for easy-rsa's usual time.
    Rsa,
    /// ECDSA on P-256; valid until the year 3023.
    Ec,
}

/// Whom a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// serverAuth
    Server,
    /// clientAuth
    Client,
}

/// A CA with the certificates `server` (serverAuth) and `client1` (clientAuth), each file with easy-rsa's text before
/// the PEM block.
pub struct Pki {
    keys: Keys,
    folder: PathBuf,
}

/// easy-rsa keeps its books in files.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Pki {
    /// The PKI with these keys.
    pub fn easy_rsa(keys: Keys) -> Self {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match keys {
            Keys::Rsa => "easy-rsa-rsa",
            Keys::Ec => "easy-rsa-ec",
        };
        let folder = lab_folder().join(name);
        if !folder.exists() {
            let unfinished = lab_folder().join(format!("{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&unfinished);
            fs::create_dir_all(lab_folder()).unwrap();
            make(&Self { keys, folder: unfinished.clone() });
            fs::rename(&unfinished, &folder).unwrap();
        }
        Self { keys, folder }
    }

    /// A certificate and key for `name` beside those that are there, unless made by an earlier call.
    pub fn issue(&self, purpose: Purpose, name: &str) {
        self.issue_when(None, purpose, name);
    }

    /// As [`issue`](Self::issue), on a day when the clock says `when`; the certificate is valid for ten days.
    pub fn issue_for_ten_days_of(&self, when: &str, purpose: Purpose, name: &str) {
        self.issue_when(Some(when), purpose, name);
    }

    fn issue_when(&self, when: Option<&str>, purpose: Purpose, name: &str) {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.certificate(name).exists() {
            let command = match purpose {
                Purpose::Server => "build-server-full",
                Purpose::Client => "build-client-full",
            };
            self.easy_rsa_command(when, &[command, name, "nopass"]);
        }
    }

    /// A revoked certificate and its key for `name`, listed in [`revocation_list`](Self::revocation_list).
    pub fn issue_revoked(&self, purpose: Purpose, name: &str) {
        if self.certificate(name).exists() {
            return;
        }
        self.issue(purpose, name);
        self.revoke(name);
    }

    /// Revokes the certificate of `name`; its files stay.
    pub fn revoke(&self, name: &str) {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // easy-rsa puts away what it revokes.
        let files = [self.certificate(name), self.key(name)].map(|file| (fs::read(&file).unwrap(), file));
        self.easy_rsa_command(None, &["revoke", name]);
        self.easy_rsa_command(None, &["gen-crl"]);
        for (content, file) in files {
            fs::write(file, content).unwrap();
        }
    }

    /// A revocation list as it is now.
    pub fn list_revocations(&self) -> Vec<u8> {
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        self.easy_rsa_command(None, &["gen-crl"]);
        fs::read(self.revocation_list()).unwrap()
    }

    /// The CA's revocation list; there once something has been revoked.
    pub fn revocation_list(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// The CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The certificate of `name`.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join("issued").join(format!("{name}.crt"))
    }

    /// The private key of `name`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join("private").join(format!("{name}.key"))
    }

    /// The three directives of one end.
    pub fn directives(&self, name: &str) -> String {
        let (ca, certificate, key) = (self.ca(), self.certificate(name), self.key(name));
        format!("ca {}\ncert {}\nkey {}\n", path(&ca), path(&certificate), path(&key))
    }

    fn easy_rsa_command(&self, when: Option<&str>, args: &[&str]) {
        let mut command = Command::new("env");
        command.args(when.map(clock_says).into_iter().flatten());
        command.arg(EASYRSA).args(args).env("EASYRSA_PKI", &self.folder).env("EASYRSA_BATCH", "1");
        match self.keys {
            Keys::Rsa => command.env("EASYRSA_ALGO", "rsa").env("EASYRSA_KEY_SIZE", "2048"),
            Keys::Ec => command
                .env("EASYRSA_ALGO", "ec")
                .env("EASYRSA_CURVE", "prime256v1")
                .env("EASYRSA_CA_EXPIRE", "364000")
                .env("EASYRSA_CERT_EXPIRE", "363900"),
        };
        if when.is_some() {
            command.env("EASYRSA_CERT_EXPIRE", "10");
        }
        let output = command.output().unwrap_or_else(|error| panic!("env: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "easyrsa {args:?} (`./test` installs it): {error}");
    }
}

fn make(pki: &Pki) {
    pki.easy_rsa_command(None, &["init-pki"]);
    pki.easy_rsa_command(None, &["build-ca", "nopass"]);
    pki.easy_rsa_command(None, &["build-server-full", "server", "nopass"]);
    pki.easy_rsa_command(None, &["build-client-full", "client1", "nopass"]);
}

/// A fresh static key for `tls-auth` or `tls-crypt`, in `folder`.
pub fn static_key(folder: &Path) -> PathBuf {
    let file = folder.join("static.key");
    run("openvpn", &["--genkey", "secret", path(&file)]);
    file
}
