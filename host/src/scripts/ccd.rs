//! [`ClientConfigs`]: the files of `client-config-dir`, one for each client.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use adit::config::{ClientConfigDir, NamedText};

use crate::errors::cause;

/// The file of those who have none of their own.
const DEFAULT: &str = "DEFAULT";
/// What stands for a client without a name.
const UNNAMED: &str = "UNDEF";
/// More than any client's settings need, in bytes.
const MAX_SIZE: u64 = 256 * 1024;

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct ClientConfigs {
    directory: PathBuf,
    exclusive: bool,
}

/// What there is for a client.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its file, or that of all others.
    File(NamedText),
    /// Neither; it may come in nevertheless.
    Nothing,
    /// `ccd-exclusive`, and it has no file of its own: it may not. A sentence for the log.
    Refused(String),
}

impl ClientConfigs {
    pub(crate) fn new(config: &ClientConfigDir) -> Self {
        Self { directory: config.path.clone().into(), exclusive: config.exclusive }
    }

    /// The file of the client of that common name. Findings are sentences for the log.
    pub(crate) fn find(&self, common_name: Option<&str>, findings: &mut Vec<String>) -> Found {
        let name = common_name.unwrap_or(UNNAMED);
        let own = file_name(name).and_then(|name| self.read(&name, findings));
        if self.exclusive && (own.is_none() || name == DEFAULT) {
            return Found::Refused(format!(
                "client-config-dir: there is no file for the common name '{}' in {}, and ccd-exclusive asks for one",
                name.replace(char::is_control, "_"),
                self.directory.display()
            ));
        }
        own.or_else(|| self.read(DEFAULT, findings)).map_or(Found::Nothing, Found::File)
    }

    fn read(&self, name: &str, findings: &mut Vec<String>) -> Option<NamedText> {
        let path = self.directory.join(name);
        match read(&path) {
            Ok(text) => Some(NamedText::file(path.to_string_lossy(), text)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                findings.push(format!(
                    "client-config-dir: cannot read {}: {}",
                    path.display(),
                    cause(&error)
                ));
                None
            }
        }
    }
}

/// A client's name as a name of a file in the directory, if it can be one: it leads nowhere else.
fn file_name(common_name: &str) -> Option<String> {
    let safe = |c: char| if c == '/' || c.is_control() { '_' } else { c };
    let name: String = common_name.chars().map(safe).collect();
    (!matches!(name.as_str(), "" | "." | "..")).then_some(name)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("adit-ccd-{test}-{}", std::process::id()));
            fs::create_dir_all(path.join("inner")).unwrap();
            fs::write(path.join("secret"), "secret").unwrap();
            Self(path)
        }

        fn find(&self, exclusive: bool, name: Option<&str>) -> (Option<String>, Vec<String>) {
            let path = self.0.join("inner").to_string_lossy().into_owned();
            let configs = ClientConfigs { directory: path.into(), exclusive };
            let mut findings = Vec::new();
            let found = match configs.find(name, &mut findings) {
                Found::File(text) => Some(String::from_utf8(text.text.to_vec()).unwrap()),
                Found::Nothing => None,
                Found::Refused(why) => {
                    findings.push(why);
                    Some("refused".into())
                }
            };
            (found, findings)
        }

        fn text(&self, exclusive: bool, name: &str) -> Option<String> {
            self.find(exclusive, Some(name)).0
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_client_s_own_file_or_that_of_all_others() {
        let place = Directory::new("own");
        assert_eq!(place.text(false, "alice"), None);
        fs::write(place.0.join("inner/alice"), "alice's").unwrap();
        fs::write(place.0.join("inner/a_b c"), "ab's").unwrap();
        fs::write(place.0.join("inner/DEFAULT"), "default").unwrap();
        fs::write(place.0.join("inner/UNDEF"), "nameless").unwrap();
        assert_eq!(place.text(false, "alice").unwrap(), "alice's");
        assert_eq!(place.text(false, "a/b c").unwrap(), "ab's");
        assert_eq!(place.text(false, "a\nb c").unwrap(), "ab's");
        assert_eq!(place.text(false, "bob").unwrap(), "default");
        assert_eq!(place.find(false, None).0.unwrap(), "nameless");
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let place = Directory::new("traversal");
        for name in ["", ".", "..", "../secret", "/etc/hostname", "../inner/../secret", "a\0b"] {
            assert_eq!(place.text(false, name), None, "{name:?}");
        }
    }

    #[test]
    fn exclusive_means_a_file_of_one_s_own() {
        let place = Directory::new("exclusive");
        fs::write(place.0.join("inner/DEFAULT"), "default").unwrap();
        fs::write(place.0.join("inner/alice"), "").unwrap();
        assert_eq!(place.text(true, "alice").unwrap(), "");
        for name in ["bob", "DEFAULT", "..", ""] {
            assert_eq!(place.text(true, name).unwrap(), "refused", "{name:?}");
        }
        let (_, findings) = place.find(true, Some("bob"));
        assert!(findings[0].starts_with("client-config-dir: there is no file for the common name 'bob' in "));
    }

    #[test]
    fn what_is_no_file_is_said_and_counts_as_none() {
        let place = Directory::new("kind");
        fs::create_dir(place.0.join("inner/alice")).unwrap();
        fs::write(place.0.join("inner/DEFAULT"), "default").unwrap();
        let (found, findings) = place.find(false, Some("alice"));
        assert_eq!(found.unwrap(), "default");
        assert!(findings[0].ends_with("/inner/alice: it is not a file"), "{findings:?}");
        assert_eq!(place.text(true, "alice").unwrap(), "refused");
    }
}
