//! What the command does besides being one end of a tunnel: it checks configurations, makes keys, asks whether a server
//! answers, shows what there is to choose from, explains itself. Each tool prints what it has to say and ends; none touches the engine's loop.

mod check;
mod docs;
mod genkey;
mod probe;
mod show;
mod whois;

use std::process::ExitCode;

use adit::config::{Outline, Severity};

/// Runs the tool that the command line asks for, if it asks for one.
pub(crate) fn run(args: &[String]) -> Option<ExitCode> {
    let asks = |option: &str| args.iter().any(|arg| arg == option);
    if args.is_empty() {
        eprint!("{}", docs::usage());
        return Some(ExitCode::FAILURE);
    }
    if asks("--help") || asks("-h") {
        return Some(docs::help(&behind(args, &["--help", "-h"])));
    }
    if asks("--version") {
        println!("{}", crate::version());
        return Some(ExitCode::SUCCESS);
    }
    if let Some(list) = args.iter().find_map(|arg| show::list(arg)) {
        print!("{list}");
        return Some(ExitCode::SUCCESS);
    }
    if asks("--print-docs") {
        return Some(docs::print(&behind(args, &["--print-docs"])));
    }
    if asks("--genkey") {
        return Some(genkey::run(args));
    }
    if asks("--check") {
        return Some(check::run(args));
    }
    if asks("--whois") {
        return Some(whois::run(&behind(args, &["--whois"])));
    }
    if asks("--probe") {
        return Some(probe::run(args));
    }
    None
}

/// One sentence for each file, directory or command that the configuration names and that is not what it should be.
pub(crate) fn missing_files(outline: &Outline) -> Vec<String> {
    let findings = check::files(outline).into_iter();
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.to_string())
        .collect()
}

/// The words behind an option.
fn behind<'a>(args: &'a [String], options: &[&str]) -> Vec<&'a str> {
    args.iter().map(String::as_str).skip_while(|arg| !options.contains(arg)).skip(1).collect()
}

/// What was wrong with the command line, on standard error.
fn usage(tool: &str, sentence: &str) {
    eprintln!("adit --{tool}: {sentence}");
}
