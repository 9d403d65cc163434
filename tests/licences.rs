//! The dependency tree asks for nothing that adit's own licence does not give: no copyleft, no surprises.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use core::iter::Peekable;
use core::str::SplitWhitespace;
use std::process::Command;

/// SPDX identifiers that go with "MIT OR Apache-2.0" in a linked library.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn no_dependency_asks_for_copyleft() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--all-features", "--target", "all", "--edges", "normal,build,dev"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let mut packages: Vec<(&str, &str)> =
        tree.lines().filter(|line| !line.is_empty()).filter_map(|line| line.split_once('\t')).collect();
    packages.sort_unstable();
    packages.dedup();
    // Less would mean that the output was not understood.
    assert!(
        packages.iter().any(|(package, licence)| package.starts_with("rustls v") && licence.contains("ISC"))
    );

    let offenders: Vec<String> = packages
        .iter()
        .filter(|(_, licence)| !allows(licence))
        .map(|(package, licence)| format!("{package}: {licence:?}"))
        .collect();
    assert!(offenders.is_empty(), "licences outside the list in this file:\n{}", offenders.join("\n"));
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for good in [
        "MIT",
        "MIT OR GPL-2.0-only",
        "GPL-2.0-only OR MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT OR GPL-3.0-only) AND ISC",
        "(Apache-2.0 WITH LLVM-exception) OR MPL-2.0",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in
        ["", "GPL-2.0-only", "MIT AND GPL-2.0-only", "ISC AND (MPL-2.0 OR LGPL-3.0-only)", "MIT OR", "(MIT"]
    {
        assert!(!allows(bad), "{bad}");
    }
}

/// Whether some choice that an SPDX expression leaves is within [`ALLOWED`].
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    alternatives(&mut words) == Some(true) && words.next().is_none()
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// `a AND b OR c`: OR binds less than AND. `None` where the expression is broken.
fn alternatives(words: &mut Words<'_>) -> Option<bool> {
    let mut any = conjunction(words)?;
    while words.next_if_eq(&"OR").is_some() {
        any |= conjunction(words)?;
    }
    Some(any)
}

fn conjunction(words: &mut Words<'_>) -> Option<bool> {
    let mut all = term(words)?;
    while words.next_if_eq(&"AND").is_some() {
        all &= term(words)?;
    }
    Some(all)
}

fn term(words: &mut Words<'_>) -> Option<bool> {
    match words.next()? {
        "(" => {
            let inner = alternatives(words)?;
            words.next_if_eq(&")").map(|_| inner)
        }
        licence => {
            // An exception only adds rights.
            if words.next_if_eq(&"WITH").is_some() {
                words.next()?;
            }
            Some(ALLOWED.contains(&licence))
        }
    }
}
