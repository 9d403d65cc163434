//! `docs/directives.md`.

use std::fmt::Write as _;

use adit::config::{DirectiveGroup, DirectiveInfo, Place};

use super::{class, places, role, written};

const INTRODUCTION: &str = "\
# Directives

Every directive of OpenVPN, and what becomes of it in adit. This page is made from the table that the
program itself uses (`adit --print-docs directives`); `adit --help DIRECTIVE` shows one row of it.

A directive stands on a line of a configuration file, or with `--` before it on the command line. In its
arguments, `[ ]` may be left away, and `|` separates what is to be chosen from.

**Where** it may stand, beside configuration file and command line: in a `<connection>` block (`connection`),
in a client's file in `client-config-dir` and in what `client-connect` writes (`client file`), in what a server
pushes (`push`). `block` means that it may be an inline block, as `<ca>` to `</ca>`; `+` that several of it add
up, while of others the last one counts.

**Class**: *effective*; *no effect*, accepted for the reason that is given; *refused*, with the reason or what to
write instead; *task*, an action of the command line; *pushed*, for servers to push.
";

/// The whole page.
pub(super) fn directives() -> String {
    let mut text = INTRODUCTION.to_owned();
    for group in DirectiveGroup::all() {
        let _ = write!(text, "\n## {}\n\n", group.title());
        text.push_str("| directive | what it is for | where | role | class |\n|---|---|---|---|---|\n");
        for directive in group.directives() {
            row(&mut text, &directive);
        }
    }
    text
}

fn row(text: &mut String, directive: &DirectiveInfo) {
    let names = [
        (Place::File, "file"),
        (Place::Connection, "connection"),
        (Place::ClientFile, "client file"),
        (Place::Push, "push"),
    ];
    let mut places = places(directive, names);
    let (class, reason) = class(directive);
    if class == "task" {
        places = vec!["command line"];
    } else if class != "refused" {
        places.extend(directive.may_be_block().then_some("block"));
        places.extend(directive.adds_up().then_some("+"));
    }
    let class = match (class, reason, directive.idle_at()) {
        (class, Some(reason), _) => format!("*{class}*: {}", escape(reason)),
        ("effective", None, Some(role)) => format!("effective; no effect at the {role:?}").to_lowercase(),
        (class, None, _) => class.to_owned(),
    };
    let _ = writeln!(
        text,
        "| `{}` | {} | {} | {} | {class} |",
        written(directive).replace('|', "\\|"),
        escape(directive.help()),
        places.join(", "),
        role(directive),
    );
}

/// Text in a cell.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*")
}
