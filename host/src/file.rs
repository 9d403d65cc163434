//! Replacing a file as a whole, so that a reader never sees half of it.

use std::fs;
use std::io;
use std::path::Path;

/// Writes `text` to a file beside `path` and moves it there. Where the directory may not be written (privileges were
/// dropped) but the file may, it is written in place.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    match fs::write(beside, text) {
        Ok(()) => fs::rename(beside, path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => fs::write(path, text),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = std::env::temp_dir().join(format!("adit-file-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("status");
        replace(&path, "one").unwrap();
        replace(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(&directory).unwrap();
    }
}
