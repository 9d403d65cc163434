//! Files that are written again and again: the status, the leases.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file that is replaced as a whole. It is opened at the start, so that it can still be written when privileges
/// were dropped.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: Rc<RefCell<File>>,
}

impl Output {
    /// Opens the file, and leaves in it what it holds; or creates it, for its owner alone: it tells who is where.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let path = PathBuf::from(path);
        let file = private().create(true).truncate(false).open(&path)?;
        Ok(Self { path, file: Rc::new(RefCell::new(file)) })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `text` the file's content: by a new file that takes its place and permissions, so that no reader sees half
    /// of it. Where that cannot be, in place.
    pub(crate) fn replace(&self, text: &str) -> io::Result<()> {
        // A symbolic link or a device, such as /dev/null, stays what it is.
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| !metadata.is_file()) {
            return self.overwrite(text);
        }
        match self.replace_whole(text) {
            // No right to the directory, the file is mounted there by itself, or the path is not there after `chroot`.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ResourceBusy | ErrorKind::NotFound
                ) =>
            {
                self.overwrite(text)
            }
            other => other,
        }
    }

    fn replace_whole(&self, text: &str) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        // What somebody else has put there, perhaps a link to a file of ours, is not written to.
        let _ = fs::remove_file(&beside);
        let mut new = private().create_new(true).open(&beside)?;
        new.set_permissions(self.file.borrow().metadata()?.permissions())?;
        new.write_all(text.as_bytes())?;
        fs::rename(&beside, &self.path)?;
        *self.file.borrow_mut() = new;
        Ok(())
    }

    fn overwrite(&self, text: &str) -> io::Result<()> {
        let mut file = self.file.borrow_mut();
        if file.metadata()?.is_file() {
            file.set_len(0)?;
            file.rewind()?;
        }
        file.write_all(text.as_bytes())
    }
}

/// For writing; what is created is for its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_an_opened_one_stays_open() {
        let directory = std::env::temp_dir().join(format!("adit-file-mode-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("status");
        let output = Output::open(path.to_str().unwrap()).unwrap();
        output.replace("one").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        output.replace("two").unwrap();
        assert_eq!(mode(&path), 0o644);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = std::env::temp_dir().join(format!("adit-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("status");
        fs::write(&path, "from before").unwrap();
        let output = Output::open(path.to_str().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "from before");
        for text in ["a longer text", "short"] {
            output.replace(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
    #[test]
    fn links_are_kept_where_they_are_meant_and_not_followed_where_not() {
        let directory = std::env::temp_dir().join(format!("adit-file-link-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let [path, target, planted, victim] =
            ["status", "target", "status.new", "victim"].map(|name| directory.join(name));
        fs::write(&victim, "precious").unwrap();
        symlink(&target, &path).unwrap();
        let output = Output::open(path.to_str().unwrap()).unwrap();
        output.replace("by the link").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "by the link");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());

        // Somebody deletes it, and plants another.
        fs::remove_file(&path).unwrap();
        symlink(&victim, &planted).unwrap();
        output.replace("anew").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "anew");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_dir_all(&directory).unwrap();
    }
}
