//! `daemon`: into the background. Before any thread is started, and once the configuration is known to be good.

use std::fs::OpenOptions;
use std::io::{self, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::process::exit;

use crate::sys::{Forked, fork};

/// The process in the foreground, which waits for word from the one in the background.
#[derive(Debug)]
pub(crate) struct Foreground(PipeWriter);

/// Goes on in a process of its own, of a new session. The caller's process waits, and ends by status 0 once it is
/// told to, or by status 1 if the new process ends before that.
pub(crate) fn detach() -> io::Result<Foreground> {
    let (mut reader, writer) = pipe()?;
    match fork()? {
        Forked::Parent => {
            drop(writer);
            let told = reader.read_exact(&mut [0]);
            exit(i32::from(told.is_err()));
        }
        Forked::Child => {
            rustix::process::setsid()?;
            Ok(Foreground(writer))
        }
    }
}

impl Foreground {
    /// Lets go of the terminal, and tells the process in the foreground to end. Standard output and error stay what
    /// they are if `keep_output`: they are the log.
    pub(crate) fn release(mut self, keep_output: bool) -> io::Result<()> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&null)?;
        if !keep_output {
            redirect_output(&null)?;
        }
        self.0.write_all(&[1])
    }
}

/// Makes `file` what standard output and error are.
pub(crate) fn redirect_output(file: impl AsFd) -> io::Result<()> {
    rustix::stdio::dup2_stdout(&file)?;
    Ok(rustix::stdio::dup2_stderr(&file)?)
}
