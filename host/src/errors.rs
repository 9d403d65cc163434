//! Errors of the system, as people read them.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::{env, fs};

use adit::config::distance;

/// An error of the system in words, without its number.
pub(crate) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    // The standard library's own words about the resolver's.
    let text = text.trim_start_matches("failed to lookup address information: ");
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text.to_owned(),
    }
}

/// Why a file cannot be read; if there is none, where it was looked for and what there is instead.
pub(crate) fn unreadable(path: &str, error: &io::Error) -> String {
    let mut text = cause(error);
    if error.kind() != ErrorKind::NotFound {
        return text;
    }
    let path = Path::new(path);
    if let (true, Ok(directory)) = (path.is_relative(), env::current_dir()) {
        text = format!("{text} in {}", directory.display());
    }
    match nearest_file(path) {
        Some(name) => format!("{text}; there is '{name}'"),
        None => text,
    }
}

/// The file beside `path` whose name is most like its own.
fn nearest_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let names = fs::read_dir(directory).ok()?.flatten().filter(|entry| entry.path().is_file());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let kind = |name: &str| Path::new(name).extension().map(ToOwned::to_owned);
    names
        .map(|name| (distance(wanted, &name), name))
        .filter(|(distance, name)| {
            // A file of another kind must be rather the same by name.
            let part = if kind(name) == kind(wanted) { 2 } else { 4 };
            *distance <= wanted.chars().count() / part
        })
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_has_a_nearest() {
        let directory = env::temp_dir().join(format!("adit-nearest-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in ["actmotech.local.crt", "client.actmotech.local.crt", "ca.crt", "server.key"] {
            fs::write(directory.join(name), "").unwrap();
        }
        let missing = io::Error::from_raw_os_error(2);
        for (name, nearest) in [
            ("client1.actmotech.xyz.crt", Some("client.actmotech.local.crt")),
            ("CA.crt", Some("ca.crt")),
            ("server.crt", None),
            ("servr.key", Some("server.key")),
            ("dh.pem", None),
        ] {
            let sentence = unreadable(directory.join(name).to_str().unwrap(), &missing);
            let hint = nearest.map(|nearest| format!("; there is '{nearest}'")).unwrap_or_default();
            assert_eq!(sentence, format!("No such file or directory{hint}"), "{name}");
        }
        let here = unreadable("no-such-file-anywhere", &missing);
        assert!(here.starts_with("No such file or directory in /"), "{here}");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn words_without_the_number() {
        assert_eq!(cause(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(cause(&io::Error::other("no such thing")), "no such thing");
        let unresolved = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(cause(&unresolved), "Name or service not known");
    }
}
