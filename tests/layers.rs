//! The shape of the source: a folder of `src/` uses only what stands before it, no file grows past 800 lines, and the
//! core reaches neither for `std` nor for `unsafe`.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

#[path = "layers/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{crate_references, without_comments, without_tests};

/// The layers in the order of a packet's way. A layer may use those with a smaller rank, and itself.
const RANKS: [(&str, usize); 14] = [
    ("config", 0),
    ("crypto", 1),
    ("wire", 2),
    // Knows packets, and nothing of tunnels.
    ("router", 3),
    ("wrap", 3),
    ("tls", 4),
    ("control", 5),
    ("data", 6),
    ("peer_data", 7),
    ("session", 8),
    // The two roles mirror each other and share nothing but what is below.
    ("client", 9),
    ("server", 9),
    // Judges configurations, and runs nothing.
    ("check", 10),
    // What they have in common for a host.
    ("endpoint", 10),
];

/// Folders, and files with `.rs`, that exist under `#[cfg(test)]` alone and may use everything.
const TEST_ONLY: [&str; 2] = ["sim", "tests"];

const MOST_LINES: usize = 800;

#[test]
fn a_layer_uses_only_what_stands_before_it() {
    let reexports = root_reexports();
    let mut wrong = Vec::new();
    for file in product_files() {
        let Some(layer) = layer_of(&file) else { continue };
        let text = without_tests(&without_comments(&read(&file)));
        for name in crate_references(&text) {
            // A name that lib.rs re-exports counts as its home.
            let used = reexports.get(&name).unwrap_or(&name);
            let backwards = match (rank(&layer), rank(used)) {
                (Some(user), Some(rank)) => rank > user || (rank == user && *used != layer),
                // What the router tells is among the things that a host is told.
                (None, Some(_)) if (layer.as_str(), used.as_str()) == ("event", "router") => false,
                // A foundation file is used by all and uses only foundation, and the types that a profile becomes.
                (None, Some(rank)) => rank > 0,
                (_, None) => false,
            };
            if backwards {
                wrong.push(format!("{}: {layer} uses crate::{name}", shown(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of the layers:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_has_its_place_in_the_order() {
    let folders = fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let missing: Vec<String> = folders
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| rank(name).is_none() && !TEST_ONLY.contains(&&**name))
        .collect();
    assert!(missing.is_empty(), "no rank in tests/layers.rs: {missing:?}");
}

#[test]
fn the_core_reaches_neither_for_std_nor_for_unsafe() {
    let mut wrong = Vec::new();
    for file in product_files() {
        let text = without_tests(&without_comments(&read(&file)));
        for (number, line) in text.lines().enumerate() {
            let of_std = source::has_path(line, "std::");
            let of_unsafe = source::words(line).any(|word| word == "unsafe");
            if of_std || of_unsafe {
                wrong.push(format!("{}:{}: {}", shown(&file), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "std or unsafe in the core:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_grows_past_800_lines() {
    let long: Vec<String> = ["src", "host", "tests", "benches", "examples", "fuzz"]
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .map(|file| (read(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, file)| format!("{}: {lines} lines", shown(&file)))
        .collect();
    assert!(long.is_empty(), "one subject a file:\n{}", long.join("\n"));
}

/// The files of `src/` that end up in the library.
fn product_files() -> Vec<PathBuf> {
    let src = root().join("src");
    let mut files = rust_files(&src);
    files.retain(|file| {
        let inside = file.strip_prefix(&src).unwrap().with_extension("");
        !inside.iter().any(|part| TEST_ONLY.contains(&part.to_str().unwrap()))
    });
    assert!(!files.is_empty());
    files
}

/// Names that `lib.rs` re-exports from a layer, with that layer.
fn root_reexports() -> BTreeMap<String, String> {
    let text = without_tests(&without_comments(&read(&root().join("src/lib.rs"))));
    let mut names = BTreeMap::new();
    for statement in text.split(';').filter_map(|statement| statement.trim().strip_prefix("pub use ")) {
        let mut words = source::words(statement);
        let Some(home) = words.next() else { continue };
        names.extend(words.map(|name| (name.to_owned(), home.to_owned())));
    }
    names
}

/// The folder under `src/`, or the name of a top-level file; `None` for `lib.rs`, which joins them all.
fn layer_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.trim_end_matches(".rs");
    (name != "lib").then(|| name.to_owned())
}

fn rank(name: &str) -> Option<usize> {
    RANKS.iter().find(|(layer, _)| *layer == name).map(|(_, rank)| *rank)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every `.rs` file below `folder`, build output apart.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("target") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
