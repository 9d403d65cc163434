//! [`TempFile`]: files by which a script and the process talk to each other.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::errors::cause;

/// How often another name is tried where one is taken.
const ATTEMPTS: usize = 6;
/// More than any script has to say, in bytes.
const MAX_SIZE: u64 = 256 * 1024;

/// A file of its own name in `tmp-dir`, its owner's alone. Gone when dropped.
#[derive(Debug)]
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    /// Creates an empty file `openvpn_PREFIX_RANDOM.tmp`.
    pub(crate) fn new(directory: &Path, prefix: &str) -> Result<Self, String> {
        let mut taken = 0;
        loop {
            let mut random = [0; 16];
            crate::fill_random(&mut random);
            let path = directory.join(format!("openvpn_{prefix}_{:x}.tmp", u128::from_ne_bytes(random)));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && taken < ATTEMPTS => taken += 1,
                Err(error) => {
                    return Err(format!(
                        "cannot create a temporary file in {}: {}",
                        directory.display(),
                        cause(&error)
                    ));
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes `text` its content.
    pub(crate) fn write(&self, text: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(&self.0)?.write_all(text)
    }

    /// What a script has written there. Nothing if it has taken the file away, or put there what is no file: reading a
    /// pipe would wait.
    pub(crate) fn read(&self) -> Vec<u8> {
        let mut content = Vec::new();
        let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).clone();
        if let Ok(file) = options.open(&self.0)
            && file.metadata().is_ok_and(|metadata| metadata.is_file())
        {
            let _ = file.take(MAX_SIZE).read_to_end(&mut content);
        }
        content
    }

    /// The first line of it, without control characters, if there is one.
    pub(crate) fn first_line(&self) -> Option<String> {
        self.lines().into_iter().next().filter(|line| !line.is_empty())
    }

    /// Its lines, without control characters.
    pub(crate) fn lines(&self) -> Vec<String> {
        let clean = |line: &str| line.chars().filter(|c| !c.is_control()).collect();
        String::from_utf8_lossy(&self.read()).lines().map(clean).collect()
    }

    /// Its first byte.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        self.read().first().copied()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_private_and_goes_when_it_is_dropped() {
        let file = TempFile::new(&std::env::temp_dir(), "cc").unwrap();
        let path = file.path().to_owned();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("openvpn_cc_") && name.ends_with(".tmp"), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!((file.first_byte(), file.first_line()), (None, None));
        file.write(b"1\x1b[0m\r\nlonger\n").unwrap();
        file.write(b"0\x1b[0m\r\nx\n").unwrap();
        assert_eq!(file.first_byte(), Some(b'0'));
        assert_eq!(file.lines(), ["0[0m", "x"]);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let file = TempFile::new(&std::env::temp_dir(), "acf").unwrap();
        fs::remove_file(file.path()).unwrap();
        assert_eq!(file.first_byte(), None);
        symlink("/etc/hostname", file.path()).unwrap();
        assert_eq!(file.first_byte(), None);
        fs::remove_file(file.path()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, file.path(), 0o600.into()).unwrap();
        assert_eq!(file.first_byte(), None);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = TempFile::new(Path::new("/no/such"), "up").unwrap_err();
        assert_eq!(error, "cannot create a temporary file in /no/such: No such file or directory");
    }
}
