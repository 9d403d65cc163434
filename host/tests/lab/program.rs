//! The two programs that take an OpenVPN configuration file.

use std::fs;
use std::path::Path;

use super::Folder;
use super::network::Namespace;
use super::process::Process;

/// Who runs one end of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Debian's `openvpn`.
    Stock,
    /// Ours.
    Adit,
}

impl Program {
    /// Starts it inside `namespace` with the configuration `text`, which is written to `name.conf` in `folder`.
    pub fn start(self, namespace: &Namespace, folder: &Folder, name: &str, text: &str) -> Process {
        let file = folder.write(&format!("{name}.conf"), text);
        Process::start(namespace, folder.path(), name, self.executable(), &[path(&file)])
    }

    /// Starts it as [`start`](Self::start) does, on a system whose wall clock says `when`.
    pub fn start_when(
        self,
        when: &str,
        namespace: &Namespace,
        folder: &Folder,
        name: &str,
        text: &str,
    ) -> Process {
        let file = folder.write(&format!("{name}.conf"), text);
        let [library, time] = clock_says(when);
        let args = [library.as_str(), &time, self.executable(), path(&file)];
        Process::start(namespace, folder.path(), name, "env", &args)
    }

    /// What to execute.
    pub fn executable(self) -> &'static str {
        match self {
            Self::Stock => "openvpn",
            Self::Adit => env!("CARGO_BIN_EXE_adit"),
        }
    }
}

/// What `env` sets so that the wall clock of the program that it starts says `when` at its start, and goes on from
/// there. The monotonic clock stays the system's.
pub fn clock_says(when: &str) -> [String; 2] {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
    let library = libraries.find(|library| library.exists());
    let library = library.expect("libfaketime; `./test` installs it");
    [format!("LD_PRELOAD={}", path(&library)), format!("FAKETIME=@{when}")]
}

/// Where `./test` has unpacked packages that cannot be installed without changing the machine.
pub fn unpacked(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers/").to_owned() + name;
    assert!(Path::new(&folder).is_dir(), "{folder} is missing; `./test` unpacks it");
    folder
}

/// A path as it stands in a configuration.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
