//! What there is to take back, in a file, for the case that client and guard are both killed: the next start finds it
//! ([`repair`]). In `/run`, which does not outlive the system, and only for the network namespace that it was made in.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::dns;
use crate::log::Log;
use crate::netconf::{Change, Netlink};

const FOLDER: &str = "/run/adit";
const SUFFIX: &str = ".undo";

/// A process, told from later ones with its number by when it began (in clock ticks since the system did).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    began: u64,
}

impl Owner {
    pub(crate) fn this_process() -> Self {
        let pid = std::process::id();
        Self { pid, began: began(pid).unwrap_or_default() }
    }

    pub(crate) fn is_alive(self) -> bool {
        began(self.pid) == Some(self.began)
    }
}

/// The 22nd field of its `stat`; the second may hold blanks, but ends with the last parenthesis. A process that has
/// ended may still be there, as one that nobody has waited for.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let runs = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| runs)?.parse().ok()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pid, self.began)
    }
}

impl FromStr for Owner {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, began) = text.split_once('.').ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(|_| ())?, began: began.parse().map_err(|_| ())? })
    }
}

/// The folder of what only root's processes of adit may touch: orders for a later root, and locks, which anybody who
/// can open a file could hold.
pub(crate) fn folder() -> io::Result<&'static Path> {
    let path = Path::new(FOLDER);
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created.map(|()| path),
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(path)
}

/// The file of this process; none if there is nothing to write, or nowhere.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(super) fn open() -> Self {
        Self { path: Path::new(FOLDER).join(format!("{}{SUFFIX}", Owner::this_process())) }
    }

    /// Replaces what it says: what undoes things, in that order.
    pub(super) fn write(&self, lines: impl Iterator<Item = String>) {
        let text: String = lines.map(|line| line + "\n").collect();
        if text.is_empty() {
            return self.close();
        }
        let temporary = self.path.with_extension("new");
        let write = || {
            folder()?;
            let mut file = File::create(&temporary)?;
            writeln!(file, "namespace {}", namespace())?;
            file.write_all(text.as_bytes())?;
            fs::rename(&temporary, &self.path)
        };
        // A system without /run has no next start to help.
        let _: io::Result<()> = write();
    }

    pub(super) fn close(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes back what earlier processes left that were killed together with their guards. To be done before anything
/// else: the default route, or the way to resolve names, may be what is missing.
pub(crate) fn repair(log: &Log) {
    match dns::repair_file() {
        Ok(devices) => {
            for dev in devices {
                log.info(format_args!(
                    "an earlier process was killed: its DNS settings for {dev} are taken out of /etc/resolv.conf"
                ));
            }
        }
        Err(why) => log.warning(format_args!("an earlier process was killed, and left DNS settings: {why}")),
    }
    let Ok(entries) = fs::read_dir(FOLDER) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let owner: Option<Owner> = name.strip_suffix(SUFFIX).and_then(|owner| owner.parse().ok());
        if owner.is_some_and(|owner| !owner.is_alive()) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if take_back(&text, log) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Whether that was ours to take back.
fn take_back(text: &str, log: &Log) -> bool {
    let mut lines = text.lines();
    let ours = lines.next().and_then(|line| line.strip_prefix("namespace ")) == Some(&namespace());
    if !ours {
        return false;
    }
    let (mut changes, mut devices) = (Vec::new(), Vec::new());
    for line in lines {
        match (line.strip_prefix("resolvconf "), line.parse::<Change>()) {
            (Some(dev), _) => devices.push(dev),
            (None, Ok(change)) => changes.push(change),
            (None, Err(_)) => {}
        }
    }
    if let Ok(mut netlink) = Netlink::new() {
        for (change, result) in changes.iter().zip(netlink.apply(&changes)) {
            // What fails has been undone by somebody meanwhile.
            if result.is_ok() {
                log.info(format_args!("an earlier process was killed: {change}"));
            }
        }
    }
    for dev in devices {
        match dns::repair_resolvconf(dev) {
            Ok(()) => log.info(format_args!("an earlier process was killed: resolvconf -d {dev}")),
            Err(why) => log.warning(format_args!("DNS: {why}")),
        }
    }
    true
}

/// Which network this is.
fn namespace() -> String {
    fs::metadata("/proc/self/ns/net").map_or(0, |metadata| metadata.ino()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let me = Owner::this_process();
        assert!(me.is_alive());
        assert_eq!(me.to_string().parse(), Ok(me));
        assert!(!Owner { began: me.began + 1, ..me }.is_alive());
        assert_eq!("12".parse::<Owner>(), Err(()));
    }
}
