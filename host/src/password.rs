//! Name and password for `auth-user-pass`: from a file, or from the user at the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use adit::config::Credentials;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use zeroize::Zeroizing;

use crate::errors::cause;
use crate::task::Task;

/// What a file for `auth-user-pass` holds.
#[derive(Debug)]
pub(crate) enum Held {
    Both(Credentials),
    /// The user is to be asked for the password.
    Name(String),
}

/// Reads the first two lines of `path`: name, password.
pub(crate) fn from_file(path: &Path) -> Result<Held, String> {
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

fn parse(text: &str) -> Option<Held> {
    let mut lines = text.lines();
    let username = lines.next().filter(|name| !name.is_empty())?.to_owned();
    Some(match lines.next() {
        Some(password) => Held::Both(Credentials { username, password: Zeroizing::new(password.to_owned()) }),
        None => Held::Name(username),
    })
}

/// Whom a login is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    Server,
    HttpProxy,
    SocksProxy,
}

impl Asker {
    /// The word in OpenVPN's prompts, and the directive.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Server => ("Auth", "auth-user-pass"),
            Self::HttpProxy => ("HTTP Proxy", "http-proxy"),
            Self::SocksProxy => ("SOCKS Proxy", "socks-proxy"),
        }
    }
}

/// A question at the terminal of the process that waits for its answer. Dropping it gives the question up and leaves
/// the terminal as it was.
#[derive(Debug)]
pub(crate) struct Prompt {
    task: Task<Result<Credentials, String>>,
    terminal: File,
    before: Termios,
}

impl Prompt {
    /// Asks; for the password alone, if the name is known.
    pub(crate) fn open(asker: Asker, username: Option<String>) -> Result<Self, String> {
        let (word, directive) = asker.names();
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let terminal = terminal.map_err(|_| {
            format!(
                "{directive}: there is no terminal to ask for name and password; name a file that holds them"
            )
        })?;
        let start = || -> io::Result<Self> {
            let before = termios::tcgetattr(&terminal)?;
            let asked = terminal.try_clone()?;
            let work = move |given_up: BorrowedFd<'_>| {
                ask(&asked, given_up, word, username).map_err(|error| unreadable(directive, &error))
            };
            Ok(Self { task: Task::spawn("prompt", work)?, terminal, before })
        };
        start().map_err(|error| unreadable(directive, &error))
    }

    /// The answer, once it is there.
    pub(crate) fn take(&self) -> Option<Result<Credentials, String>> {
        self.task.take()
    }
}

impl AsFd for Prompt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.task.as_fd()
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
        // The line of the password, or of Control-C, is not ended by any echo.
        let _ = self.terminal.write_all(b"\n");
    }
}

fn unreadable(directive: &str, error: &io::Error) -> String {
    format!("{directive}: cannot read from the terminal: {}", cause(error))
}

fn ask(
    terminal: &File,
    given_up: BorrowedFd<'_>,
    word: &str,
    username: Option<String>,
) -> io::Result<Credentials> {
    let username = match username {
        Some(username) => username,
        None => line_of(terminal, given_up, &format!("Enter {word} Username: "))?.to_string(),
    };
    let mut silent = termios::tcgetattr(terminal)?;
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let password = line_of(terminal, given_up, &format!("Enter {word} Password: "))?;
    Ok(Credentials { username, password })
}

/// Prints `text` and waits for a line.
fn line_of(mut terminal: &File, given_up: BorrowedFd<'_>, text: &str) -> io::Result<Zeroizing<String>> {
    terminal.write_all(text.as_bytes())?;
    // A read could not be broken off, and would take the next question's answer.
    let mut waiting = [PollFd::new(terminal, PollFlags::IN), PollFd::new(&given_up, PollFlags::IN)];
    while let Err(error) = poll(&mut waiting, None) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    if !waiting[1].revents().is_empty() {
        return Err(ErrorKind::Interrupted.into());
    }
    let mut line = Zeroizing::new(String::new());
    if BufReader::with_capacity(1, terminal).read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let len = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(len);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_with_any_line_ends() {
        let Some(Held::Both(credentials)) = parse("alice\r\ns3 cret\r\nignored\n") else { panic!() };
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("alice", "s3 cret"));
        assert!(matches!(parse("alice\n"), Some(Held::Name(name)) if name == "alice"));
        assert!(parse("").is_none());
    }
}
