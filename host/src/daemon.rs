//! `daemon`: into the background. Before any thread is started, and once the configuration is known to be good; a
//! login is asked for while there is a terminal.

use std::fs::OpenOptions;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::exit;

use adit::config::{AuthUserPass, Credentials, Profile, RoleConfig};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::errors::cause;
use crate::password::{Asker, Held, Prompt, from_file};
use crate::signals::{Request, Signals};
use crate::sys::{Forked, fork};

/// The process in the foreground, which waits for word from the one in the background.
#[derive(Debug)]
pub(crate) struct Foreground(PipeWriter);

/// Goes on in a process of its own, which still has the terminal. The caller's process waits, and ends by status 0 once it is
/// told to, or by status 1 if the new process ends before that.
pub(crate) fn detach() -> io::Result<Foreground> {
    let (mut reader, writer) = pipe()?;
    match fork()? {
        Forked::Parent => {
            drop(writer);
            let told = reader.read_exact(&mut [0]);
            exit(i32::from(told.is_err()));
        }
        Forked::Child => Ok(Foreground(writer)),
    }
}

impl Foreground {
    /// Lets go of the terminal by a session of its own, and tells the process in the foreground to end. Standard output and error stay what
    /// they are if `keep_output`: they are the log.
    pub(crate) fn release(mut self, keep_output: bool) -> io::Result<()> {
        rustix::process::setsid()?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        if !keep_output {
            redirect_output(&null)?;
        }
        self.0.write_all(&[1])
    }
}

/// The login that a client would ask for at the terminal once it has connected, asked for now.
pub(crate) fn ask_login(profile: &Profile, signals: &mut Signals) -> Result<Option<Credentials>, String> {
    let RoleConfig::Client(config) = &profile.role else { return Ok(None) };
    let host = &profile.host;
    let elsewhere = host.management.as_ref().is_some_and(|management| management.query_passwords);
    if !matches!(config.auth_user_pass, AuthUserPass::Ask) || elsewhere {
        return Ok(None);
    }
    let username = match host.auth_user_pass_file.as_ref().map(|path| from_file(Path::new(path))) {
        None => None,
        Some(Ok(Held::Name(username))) => Some(username),
        Some(Ok(Held::Both(_))) => return Ok(None),
        Some(Err(why)) => return Err(why),
    };
    let prompt = Prompt::open(Asker::Server, username)?;
    loop {
        if let Some(answer) = prompt.take() {
            return answer.map(Some);
        }
        let mut waiting = [PollFd::new(&prompt, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        match poll(&mut waiting, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(cause(&error.into())),
        }
        if let Some((name, _)) = signals.take().into_iter().find(|(_, request)| *request == Request::Exit) {
            return Err(format!("{name} has ended the question for name and password"));
        }
    }
}

/// Makes `file` what standard output and error are.
pub(crate) fn redirect_output(file: impl AsFd) -> io::Result<()> {
    rustix::stdio::dup2_stdout(&file)?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}
