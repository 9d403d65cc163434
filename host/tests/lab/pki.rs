//! PKIs by easy-rsa, made once and kept in the build folder, and static keys by OpenVPN.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::program::path;
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

/// A CA with the certificates `server` (serverAuth) and `client1` (clientAuth), none with a subject alternative name,
/// each certificate file with easy-rsa's text before the PEM block.
pub struct Pki(PathBuf);

impl Pki {
    /// The PKI with these keys.
    pub fn easy_rsa(keys: Keys) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match keys {
            Keys::Rsa => "pki-rsa",
            Keys::Ec => "pki-ec",
        };
        let folder = lab_folder().join(name);
        if !folder.exists() {
            let unfinished = lab_folder().join(format!("{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&unfinished);
            fs::create_dir_all(lab_folder()).unwrap();
            make(keys, &unfinished);
            fs::rename(&unfinished, &folder).unwrap();
        }
        Self(folder)
    }

    /// The CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.crt")
    }

    /// The certificate of `name`.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.0.join("issued").join(format!("{name}.crt"))
    }

    /// The private key of `name`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.0.join("private").join(format!("{name}.key"))
    }

    /// The three directives of one end.
    pub fn directives(&self, name: &str) -> String {
        let (ca, certificate, key) = (self.ca(), self.certificate(name), self.key(name));
        format!("ca {}\ncert {}\nkey {}\n", path(&ca), path(&certificate), path(&key))
    }
}

fn make(keys: Keys, folder: &Path) {
    let easyrsa = |args: &[&str]| {
        let mut command = Command::new(EASYRSA);
        command.args(args).env("EASYRSA_PKI", folder).env("EASYRSA_BATCH", "1");
        match keys {
            Keys::Rsa => command.env("EASYRSA_ALGO", "rsa").env("EASYRSA_KEY_SIZE", "2048"),
            Keys::Ec => command
                .env("EASYRSA_ALGO", "ec")
                .env("EASYRSA_CURVE", "prime256v1")
                .env("EASYRSA_CA_EXPIRE", "364000")
                .env("EASYRSA_CERT_EXPIRE", "363900"),
        };
        let output =
            command.output().unwrap_or_else(|error| panic!("{EASYRSA}: {error}; `./test` installs it"));
        assert!(output.status.success(), "easyrsa {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    easyrsa(&["init-pki"]);
    easyrsa(&["build-ca", "nopass"]);
    easyrsa(&["build-server-full", "server", "nopass"]);
    easyrsa(&["build-client-full", "client1", "nopass"]);
}

/// A fresh static key for `tls-auth` or `tls-crypt`, in `folder`.
pub fn static_key(folder: &Path) -> PathBuf {
    let file = folder.join("static.key");
    run("openvpn", &["--genkey", "secret", path(&file)]);
    file
}
