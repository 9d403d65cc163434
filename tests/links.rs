//! Every link in the pages leads somewhere: to a file, and to a heading of it where it names one.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::fs;
use std::path::Path;

const PAGES: [&str; 11] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/migration.md",
    "docs/tools.md",
    "docs/directives.md",
    "docs/management.md",
    "docs/router-rfc.md",
    "examples/config/README.md",
];

#[test]
fn no_link_is_dead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dead = Vec::new();
    for page in PAGES {
        let text = read(&root.join(page));
        let links = links(&text);
        for link in links.iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let folder = root.join(page).with_file_name("");
            let target = if file.is_empty() { root.join(page) } else { folder.join(file) };
            let leads =
                target.exists() && (heading.is_empty() || anchors(&read(&target)).contains(&heading.into()));
            if !leads {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn links_and_anchors_are_found() {
    let text =
        "# A `b` c!\n[one](x.md#y) and [two](z), `[no](code)`\n```\n[no](block)\n# no\n```\n## Two words\n";
    assert_eq!(links(text), ["x.md#y", "z"]);
    assert_eq!(anchors(text), ["a-b-c", "two-words"]);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a page outside its code blocks.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(str::lines)
}

/// The targets of the inline links.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines(text) {
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        found.extend(targets.map(|(target, _)| target.to_owned()));
    }
    found
}

/// The headings, as GitHub names them in links.
fn anchors(text: &str) -> Vec<String> {
    let headings = lines(text).filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| {
            line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>()
        })
        .map(|name| name.replace(' ', "-"))
        .collect()
}
