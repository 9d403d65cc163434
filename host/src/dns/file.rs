//! `/etc/resolv.conf` itself: a block for each tunnel, and what was there before, put aside in comments.
//!
//! The file holds all that is needed to take a block out again: who wrote it, and the other lines. So tunnels may come
//! and go in any order, what others change meanwhile stays, and a block whose writer was killed is found by the next
//! start. The newest block is in force; nameservers and search domains outside it are commented out, since the C
//! library would ask them too.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::cause;
use crate::guard::{self, Owner};

/// A line that is not in force while a block is.
const ASIDE: &str = "#~ ";
/// In root's own folder: whoever can open a file, or the folder it is in, can lock it for ever.
const LOCK: &str = "resolv.lock";
/// How long another process may have the lock; it takes it for one change.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const STEP: Duration = Duration::from_millis(20);
const NOTE: &str = "# Lines after '#~' are what was here before; they come back when the tunnel goes.";

/// The file, wherever its links lead.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    /// Where the lock is, if not in root's folder.
    locks: Option<PathBuf>,
}

impl ResolvConf {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), locks: None }
    }

    /// Puts `lines` into force for `dev`; the path of the file.
    pub(super) fn add(&self, dev: &str, owner: Owner, lines: &[String]) -> Result<PathBuf, String> {
        let block = Block { dev: dev.to_owned(), owner, lines: lines.to_vec() };
        self.edit(|text| {
            let mut content = Content::parse(text);
            content.blocks.retain(|other| other.dev != dev && other.owner.is_alive());
            content.blocks.insert(0, block);
            Some(content.to_string())
        })?;
        Ok(self.path.clone())
    }

    /// Takes the block of `dev` out; whether it was still there.
    pub(super) fn remove(&self, dev: &str, owner: Owner) -> Result<bool, String> {
        self.without(|block| block.dev == dev && block.owner == owner).map(|gone| !gone.is_empty())
    }

    /// Takes out what processes wrote that are gone; the names of their devices.
    pub(super) fn remove_stale(&self) -> Result<Vec<String>, String> {
        // Most often there is nothing, and no need to be allowed to write.
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        if Content::parse(&text).blocks.iter().all(|block| block.owner.is_alive()) {
            return Ok(Vec::new());
        }
        self.without(|block| !block.owner.is_alive())
    }

    fn without(&self, is_to_go: impl Fn(&Block) -> bool) -> Result<Vec<String>, String> {
        let mut gone = Vec::new();
        self.edit(|text| {
            let mut content = Content::parse(text);
            content.blocks.retain(|block| {
                let goes = is_to_go(block);
                if goes {
                    gone.push(block.dev.clone());
                }
                !goes
            });
            (!gone.is_empty()).then(|| content.to_string())
        })?;
        Ok(gone)
    }

    /// Reads, changes and writes while no other process of adit does.
    fn edit(&self, change: impl FnOnce(&str) -> Option<String>) -> Result<(), String> {
        let path = self.path.display();
        let _lock = self.lock().map_err(|error| format!("cannot lock {path}: {}", cause(&error)))?;
        let text = fs::read_to_string(&self.path)
            .map_err(|error| format!("cannot read {path}: {}", cause(&error)))?;
        let Some(text) = change(&text) else { return Ok(()) };
        self.replace(&text).map_err(|error| format!("cannot write {path}: {}", cause(&error)))
    }

    fn lock(&self) -> io::Result<File> {
        let folder = match &self.locks {
            Some(folder) => folder,
            None => guard::folder()?,
        };
        let file =
            File::options().create(true).truncate(false).write(true).mode(0o600).open(folder.join(LOCK))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(STEP),
                Err(TryLockError::WouldBlock) => return Err(ErrorKind::TimedOut.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// At once, so that nobody reads half of it; where the file is a mount of its own, in place.
    fn replace(&self, text: &str) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".adit-{}", std::process::id()));
        let temporary = self.path.with_file_name(name);
        let written =
            self.write_temporary(&temporary, text).and_then(|()| fs::rename(&temporary, &self.path));
        let Err(error) = written else { return Ok(()) };
        let _ = fs::remove_file(&temporary);
        match error.kind() {
            ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => fs::write(&self.path, text),
            // The folder may be one that cannot be written to, as opposed to the file.
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => fs::write(&self.path, text),
            _ => Err(error),
        }
    }

    fn write_temporary(&self, temporary: &Path, text: &str) -> io::Result<()> {
        let permissions = fs::metadata(&self.path)?.permissions();
        let mut file = File::options().write(true).create_new(true).mode(0o644).open(temporary)?;
        file.set_permissions(permissions)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// What the file holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    /// The newest first.
    blocks: Vec<Block>,
    /// Everybody else's lines.
    rest: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    dev: String,
    owner: Owner,
    lines: Vec<String>,
}

impl Content {
    fn parse(text: &str) -> Self {
        let mut content = Self::default();
        let mut open: Option<Block> = None;
        for line in text.lines() {
            match marker(line) {
                Some((dev, owner, true)) => {
                    content.rest.extend(open.take().into_iter().flat_map(|block| block.lines));
                    open = Some(Block { dev, owner, lines: Vec::new() });
                }
                Some((dev, owner, false)) => {
                    let block = open.take_if(|block| block.dev == dev && block.owner == owner);
                    content.blocks.extend(block);
                }
                None if line == NOTE => {}
                None => {
                    let line = line.strip_prefix(ASIDE).unwrap_or(line).to_owned();
                    open.as_mut().map_or(&mut content.rest, |block| &mut block.lines).push(line);
                }
            }
        }
        // A block without an end was cut by somebody: better too many lines than too few.
        content.rest.extend(open.into_iter().flat_map(|block| block.lines));
        content
    }
}

impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Block { dev, owner, lines }) in self.blocks.iter().enumerate() {
            writeln!(f, "# adit {dev} {owner} begin")?;
            if index == 0 {
                writeln!(f, "{NOTE}")?;
            }
            for line in lines {
                writeln!(f, "{}{line}", if index == 0 { "" } else { ASIDE })?;
            }
            writeln!(f, "# adit {dev} {owner} end")?;
        }
        for line in &self.rest {
            let aside = !self.blocks.is_empty() && resolves(line);
            writeln!(f, "{}{line}", if aside { ASIDE } else { "" })?;
        }
        Ok(())
    }
}

/// Whether a line names servers or domains.
fn resolves(line: &str) -> bool {
    matches!(line.split_ascii_whitespace().next(), Some("nameserver" | "search" | "domain"))
}

/// `# adit DEV OWNER begin` or `end`.
fn marker(line: &str) -> Option<(String, Owner, bool)> {
    let words: Vec<&str> = line.strip_prefix("# adit ")?.split(' ').collect();
    let [dev, owner, edge] = words[..] else { return None };
    let begins = match edge {
        "begin" => true,
        "end" => false,
        _ => return None,
    };
    Some((dev.to_owned(), owner.parse().ok()?, begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "# by hand\nnameserver 192.168.1.1\nsearch home.example\noptions edns0\n";

    struct TestFile(PathBuf);

    impl TestFile {
        fn new(name: &str, text: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("adit-resolv-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join("resolv.conf");
            fs::write(&path, text).unwrap();
            Self(path)
        }

        fn conf(&self) -> ResolvConf {
            self.conf_at(&self.0)
        }

        /// Locked beside the file, which needs no root.
        fn conf_at(&self, path: &Path) -> ResolvConf {
            let folder = self.0.with_file_name("run");
            fs::create_dir_all(&folder).unwrap();
            ResolvConf { locks: Some(folder), ..ResolvConf::new(path) }
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.0).unwrap()
        }
    }

    impl Drop for TestFile {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn lines(server: &str) -> Vec<String> {
        vec![format!("nameserver {server}"), "search corp.example".to_owned()]
    }

    /// What the C library takes in.
    fn in_force(text: &str) -> Vec<&str> {
        text.lines().filter(|line| resolves(line)).collect()
    }

    #[test]
    fn a_tunnel_comes_and_goes() {
        let file = TestFile::new("one", HOME);
        let (conf, me) = (file.conf(), Owner::this_process());
        conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
        assert_eq!(in_force(&file.text()), ["nameserver 10.8.0.1", "search corp.example"]);
        assert!(file.text().contains("\noptions edns0\n"));
        assert!(file.text().contains("\n#~ nameserver 192.168.1.1\n"));
        // Once more changes nothing but its own.
        conf.add("tun0", me, &lines("10.8.0.2")).unwrap();
        assert_eq!(in_force(&file.text()), ["nameserver 10.8.0.2", "search corp.example"]);
        assert_eq!(conf.remove_stale(), Ok(vec![]));
        assert_eq!(conf.remove("tun0", me), Ok(true));
        assert_eq!(file.text(), HOME);
    }

    #[test]
    fn two_tunnels_go_in_any_order() {
        for first in ["tun0", "tun1"] {
            let file = TestFile::new(&format!("two-{first}"), HOME);
            let (conf, me) = (file.conf(), Owner::this_process());
            conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
            conf.add("tun1", me, &lines("10.9.0.1")).unwrap();
            assert_eq!(in_force(&file.text()), ["nameserver 10.9.0.1", "search corp.example"]);
            assert_eq!(conf.remove(first, me), Ok(true));
            let left = if first == "tun0" { "nameserver 10.9.0.1" } else { "nameserver 10.8.0.1" };
            assert_eq!(in_force(&file.text()), [left, "search corp.example"]);
            assert_eq!(conf.remove(if first == "tun0" { "tun1" } else { "tun0" }, me), Ok(true));
            assert_eq!(file.text(), HOME);
        }
    }

    #[test]
    fn what_others_change_stays() {
        let file = TestFile::new("others", HOME);
        let (conf, me) = (file.conf(), Owner::this_process());
        conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
        // A line more, by hand.
        fs::write(&file.0, file.text() + "nameserver 192.168.1.2\n").unwrap();
        assert_eq!(conf.remove("tun0", me), Ok(true));
        assert_eq!(file.text(), format!("{HOME}nameserver 192.168.1.2\n"));
        // All of it, by a DHCP client.
        conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
        fs::write(&file.0, "nameserver 172.16.0.1\n").unwrap();
        assert_eq!(conf.remove("tun0", me), Ok(false));
        assert_eq!(file.text(), "nameserver 172.16.0.1\n");
    }

    #[test]
    fn what_a_killed_process_left_is_taken_out() {
        let file = TestFile::new("stale", HOME);
        let conf = file.conf();
        // No process has lived since the epoch.
        let dead: Owner = format!("{}.0", std::process::id()).parse().unwrap();
        conf.add("tun0", dead, &lines("10.8.0.1")).unwrap();
        assert_eq!(conf.remove_stale(), Ok(vec!["tun0".to_owned()]));
        assert_eq!(file.text(), HOME);
    }

    #[test]
    fn a_lock_that_others_keep_is_not_waited_for_without_end() {
        let file = TestFile::new("lock", HOME);
        // On what everybody can open, a lock does not matter.
        let folder = File::open(file.0.parent().unwrap()).unwrap();
        folder.lock().unwrap();
        let (conf, me) = (file.conf(), Owner::this_process());
        conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
        let held = conf.lock().unwrap();
        let error = conf.remove("tun0", me).unwrap_err();
        assert!(error.starts_with("cannot lock "), "{error}");
        drop(held);
        assert_eq!(conf.remove("tun0", me), Ok(true));
    }

    #[test]
    fn links_stay_links() {
        let file = TestFile::new("link", HOME);
        let link = file.0.with_file_name("link");
        std::os::unix::fs::symlink("resolv.conf", &link).unwrap();
        let (conf, me) = (file.conf_at(&link), Owner::this_process());
        conf.add("tun0", me, &lines("10.8.0.1")).unwrap();
        assert!(link.read_link().is_ok());
        assert_eq!(in_force(&file.text()).len(), 2);
        conf.remove("tun0", me).unwrap();
        assert_eq!(file.text(), HOME);
        // These two, and the folder of the lock.
        assert_eq!(fs::read_dir(file.0.parent().unwrap()).unwrap().count(), 3);
    }

    #[test]
    fn a_broken_block_is_nobodys() {
        let text = "# adit tun0 1.2 begin\nnameserver 10.8.0.1\n#~ nameserver 192.168.1.1\n";
        let content = Content::parse(text);
        assert_eq!(content.to_string(), "nameserver 10.8.0.1\nnameserver 192.168.1.1\n");
        let text = "# adit tun0 1.2 end\nnameserver 1.1.1.1\n# adit is a tunnel\n";
        assert_eq!(Content::parse(text).to_string(), "nameserver 1.1.1.1\n# adit is a tunnel\n");
    }
}
