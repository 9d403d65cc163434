//! Errors of the system, as people read them.

use std::io;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_the_number() {
        assert_eq!(cause(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(cause(&io::Error::other("no such thing")), "no such thing");
        let unresolved = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(cause(&unresolved), "Name or service not known");
    }
}
