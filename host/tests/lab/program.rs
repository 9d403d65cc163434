//! The two programs that take an OpenVPN configuration file.

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
        let program = match self {
            Self::Stock => "openvpn",
            Self::Adit => env!("CARGO_BIN_EXE_adit"),
        };
        Process::start(namespace, folder.path(), name, program, &[path(&file)])
    }
}

/// A path as it stands in a configuration.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
