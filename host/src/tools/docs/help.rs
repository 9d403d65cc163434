//! `--help`.

use std::fmt::Write as _;

use adit::config::{DirectiveClass, DirectiveGroup, DirectiveInfo, Place};

use super::{class, places, role, written};

pub(super) const USAGE: &str = "\
adit: OpenVPN client and server

usage: adit FILE
       adit --config FILE [--OPTION [ARGUMENT]...]...
       adit --OPTION [ARGUMENT]...
       adit --check FILE... [--json]
       adit --probe FILE, or adit --probe HOST PORT [udp|tcp]
       adit --whois ADDRESS PORT PROTOCOL TIME FILE...
       adit --genkey TYPE [FILE]
       adit --help [OPTION]
       adit --version
";

const INTRODUCTION: &str = "
Options are the directives of OpenVPN's configuration files, with -- before them. Files are looked for
from the current directory, or from that of --cd. All about one option: adit --help OPTION

Signals: TERM and INT leave, and tell the other end; HUP reads the configuration again; USR1 connects
anew; USR2 writes the status to the log.
";

/// Where the second column begins.
const COLUMN: usize = 40;

/// Usage, then the options by subject.
pub(super) fn overview() -> String {
    let mut text = format!("{USAGE}{INTRODUCTION}");
    for group in DirectiveGroup::all() {
        let listed: Vec<DirectiveInfo> = group.directives().filter(is_listed).collect();
        if listed.is_empty() {
            continue;
        }
        let _ = write!(text, "\n{}:\n", group.title());
        for directive in listed {
            let option = format!("  --{}", written(&directive));
            if option.chars().count() < COLUMN {
                let _ = writeln!(text, "{option:COLUMN$}{}", directive.help());
            } else {
                let _ = writeln!(text, "{option}\n{:COLUMN$}{}", "", directive.help());
            }
        }
    }
    text.push_str("\nMore of OpenVPN's options are accepted without an effect, or refused: adit --help OPTION says why.\n");
    text
}

/// Whether it does something here.
pub(super) fn is_listed(directive: &DirectiveInfo) -> bool {
    matches!(directive.class(), DirectiveClass::Effective | DirectiveClass::Task)
}

/// All about one directive.
pub(super) fn about(directive: &DirectiveInfo) -> String {
    let mut text = format!("--{}\n    {}.\n", written(directive), directive.help());
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:12}{value}");
    };
    match class(directive) {
        ("task", _) => {
            fact("Class:", "a task of its own: it stands on the command line, with no configuration");
            return text;
        }
        ("effective", _) => fact("Class:", "effective"),
        ("pushed", _) => fact("Class:", "a server pushes it; it stands in no configuration"),
        ("refused", reason) => {
            fact("Class:", &format!("refused: {}", reason.unwrap_or_default()));
            return text;
        }
        (class, reason) => fact("Class:", &format!("{class}: {}", reason.unwrap_or_default())),
    }
    let names = [
        (Place::File, "configuration file, command line"),
        (Place::Connection, "<connection>"),
        (Place::ClientFile, "a client's file (client-config-dir, client-connect)"),
        (Place::Push, "pushed"),
    ];
    fact("Where:", &places(directive, names).join(", "));
    match (role(directive), directive.idle_at()) {
        (_, Some(role)) => fact("Role:", &format!("both; no effect at the {role:?}").to_lowercase()),
        (role, None) => fact("Role:", role),
    }
    if directive.may_be_block() {
        fact("Block:", &format!("<{0}> ... </{0}>", directive.name()));
    }
    fact("Several:", if directive.adds_up() { "add up" } else { "the last one counts" });
    text
}
