//! What can be read about the command: all of it is made from the engine's table of directives.
//!
//! `--print-docs directives` and `--print-docs man` print what is committed as `docs/directives.md` and `docs/adit.8`.

mod help;
mod man;
mod markdown;

use std::process::ExitCode;

use adit::Role;
use adit::config::{DirectiveClass, DirectiveInfo, Place};

/// `--help`, or `--help DIRECTIVE`.
pub(super) fn help(words: &[&str]) -> ExitCode {
    let Some(name) = words.first() else {
        print!("{}", help::overview());
        return ExitCode::SUCCESS;
    };
    let name = name.trim_start_matches('-');
    match DirectiveInfo::find(name) {
        Some(directive) => {
            print!("{}", help::about(&directive));
            ExitCode::SUCCESS
        }
        None => {
            let nearest = DirectiveInfo::nearest(name);
            let hint = nearest.map(|nearest| format!(": did you mean '{nearest}'?")).unwrap_or_default();
            super::usage("help", &format!("there is no directive '{name}'{hint}"));
            ExitCode::FAILURE
        }
    }
}

/// What a person sees who gives no arguments.
pub(super) fn usage() -> &'static str {
    help::USAGE
}

pub(super) fn print(words: &[&str]) -> ExitCode {
    match words {
        ["directives"] => print!("{}", markdown::directives()),
        ["man"] => print!("{}", man::page()),
        _ => {
            super::usage("print-docs", "it is written: --print-docs directives|man");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A directive as it is written.
fn written(directive: &DirectiveInfo) -> String {
    format!("{} {}", directive.name(), directive.arguments()).trim_end().to_owned()
}

/// What becomes of it, in a few words; and why, if it is not what its line says.
fn class(directive: &DirectiveInfo) -> (&'static str, Option<&'static str>) {
    match directive.class() {
        DirectiveClass::Effective => ("effective", None),
        DirectiveClass::NoEffect(reason) => ("no effect", Some(reason)),
        DirectiveClass::Refused(reason) => ("refused", Some(reason)),
        DirectiveClass::Task => ("task", None),
        DirectiveClass::Pushed => ("pushed", None),
        _ => ("", None),
    }
}

/// Whose it is: `client`, `server`, or both.
fn role(directive: &DirectiveInfo) -> &'static str {
    match directive.role() {
        Some(Role::Client) => "client",
        Some(Role::Server) => "server",
        None => "both",
    }
}

/// Where it may stand.
fn places(directive: &DirectiveInfo, names: [(Place, &'static str); 4]) -> Vec<&'static str> {
    names.into_iter().filter(|(place, _)| directive.may_stand(*place)).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: &str = "is not as the table says: `adit --print-docs directives > docs/directives.md` and \
                       `adit --print-docs man > docs/adit.8` write it anew";

    #[test]
    fn the_committed_pages_are_those_of_the_table() {
        let reference = include_str!("../../../../docs/directives.md");
        assert!(reference == markdown::directives(), "docs/directives.md {HOW}");
        let manual = include_str!("../../../../docs/adit.8");
        assert!(manual == man::page(), "docs/adit.8 {HOW}");
    }

    #[test]
    fn help_fits_a_terminal_and_knows_every_directive_that_does_something() {
        let overview = help::overview();
        for line in overview.lines() {
            assert!(line.chars().count() <= 170, "{line}");
        }
        for group in adit::config::DirectiveGroup::all() {
            for directive in group.directives() {
                let listed = overview.contains(&format!("  --{} ", directive.name()))
                    || overview.contains(&format!("  --{}\n", directive.name()));
                assert_eq!(listed, help::is_listed(&directive), "{}", directive.name());
                assert!(help::about(&directive).contains(directive.help()));
            }
        }
    }
}
