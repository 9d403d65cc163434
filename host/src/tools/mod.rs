//! What the command does besides being one end of a tunnel: it makes keys. Each of them
//! prints what it has to say and ends; none touches the engine's loop.

mod genkey;

use std::process::ExitCode;

/// Runs the tool that the command line asks for, if it asks for one.
pub(crate) fn run(args: &[String]) -> Option<ExitCode> {
    let asks = |option: &str| args.iter().any(|arg| arg == option);
    if asks("--genkey") {
        return Some(genkey::run(args));
    }
    None
}

/// What was wrong with the command line, on standard error.
fn usage(tool: &str, sentence: &str) {
    eprintln!("adit --{tool}: {sentence}");
}
