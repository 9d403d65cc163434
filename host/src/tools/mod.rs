//! What the command does besides being one end of a tunnel: it makes keys, and asks
//! whether a server answers. Each tool prints what it has to say and ends; none touches the engine's loop.

mod genkey;
mod probe;

use std::process::ExitCode;

/// Runs the tool that the command line asks for, if it asks for one.
pub(crate) fn run(args: &[String]) -> Option<ExitCode> {
    let asks = |option: &str| args.iter().any(|arg| arg == option);
    if asks("--genkey") {
        return Some(genkey::run(args));
    }
    if asks("--probe") {
        return Some(probe::run(args));
    }
    None
}

/// What was wrong with the command line, on standard error.
fn usage(tool: &str, sentence: &str) {
    eprintln!("adit --{tool}: {sentence}");
}
