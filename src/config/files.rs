//! [`Files`]: the host's files, as far as a profile names them.

use alloc::string::String;
use alloc::vec::Vec;

/// Reads the files that a profile names. An embedder without a file system serves them from memory; with inline
/// blocks only, [`NoFiles`] will do.
pub trait Files {
    /// The contents of the file at `path`, as the profile writes it.
    ///
    /// # Errors
    ///
    /// The cause, to stand behind "cannot read 'ca.crt': ".
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
}

impl<F: FnMut(&str) -> Result<Vec<u8>, String>> Files for F {
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self(path)
    }
}

/// There are no files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&mut self, _path: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".into())
    }
}
