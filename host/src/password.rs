//! Name and password for `auth-user-pass`: from a file, or from the user at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use adit::config::Credentials;
use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use crate::errors::cause;

/// Reads the first two lines of `path`: name, password.
pub(crate) fn from_file(path: &Path) -> Result<Credentials, String> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text =
        text.map_err(|error| format!("auth-user-pass: cannot read {}: {}", path.display(), cause(&error)))?;
    parse(&text).ok_or_else(|| {
        format!(
            "auth-user-pass: {} must hold the user name on its first line and the password on the next",
            path.display()
        )
    })
}

fn parse(text: &str) -> Option<Credentials> {
    let mut lines = text.lines();
    let username = lines.next().filter(|name| !name.is_empty())?.to_owned();
    let password = Zeroizing::new(lines.next()?.to_owned());
    Some(Credentials { username, password })
}

/// Asks at the terminal of the process.
pub(crate) fn from_terminal() -> Result<Credentials, String> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|_| {
        "auth-user-pass: there is no terminal to ask for name and password; name a file that holds them"
            .to_owned()
    })?;
    let ask = || -> io::Result<Credentials> {
        let username = prompt(&terminal, "Enter Auth Username: ")?;
        let password = without_echo(&terminal, || prompt(&terminal, "Enter Auth Password: "))?;
        Ok(Credentials { username, password: Zeroizing::new(password) })
    };
    ask().map_err(|error| format!("auth-user-pass: cannot read from the terminal: {error}"))
}

fn prompt(mut terminal: &File, text: &str) -> io::Result<String> {
    terminal.write_all(text.as_bytes())?;
    let mut line = String::new();
    BufReader::with_capacity(1, terminal).read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\n', '\r']).len());
    Ok(line)
}

/// Runs `f` while the terminal shows nothing of what is typed.
fn without_echo<T>(mut terminal: &File, f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = termios::tcgetattr(terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let result = f();
    termios::tcsetattr(terminal, OptionalActions::Now, &before)?;
    terminal.write_all(b"\n")?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_with_any_line_ends() {
        let credentials = parse("alice\r\ns3 cret\r\nignored\n").unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("alice", "s3 cret"));
        assert!(parse("alice\n").is_none());
        assert!(parse("").is_none());
    }
}
